"""KREN, in each of the ways its users may use it."""

import kren

from . import SLEEPS, Ends

MANY = 64


class Kren(Ends):
    name = "kren"
    how = "write and read, spinning"
    waiting = "spin"

    alignment: int | None = None

    def open(self) -> None:
        options = {"strategy": self.waiting, "prefault": True}
        self.writer = kren.Writer(self.there, self.capacity, alignment=self.alignment, **options)
        self.reader = kren.Reader(self.back, timeout=10, **options)
        self.send = self.writer.write
        self.receive = self.reader.read

    def close(self) -> None:
        self.writer.close()
        self.reader.close()


class Adaptive(Kren):
    name = "kren-adaptive"
    how = "write and read, waiting as by default"
    tests = SLEEPS
    waiting = "adaptive"


class Iterated(Kren):
    name = "kren-iter"
    how = "write; for message in reader; spinning"
    tests = ("stream",)

    def receive_many(self, count: int) -> bytes:
        left = count
        for message in self.reader:
            left -= 1
            if not left:
                return message
        raise EOFError("the writer has closed")


class Into(Kren):
    name = "kren-into"
    how = "write and read_into a buffer that is used again, spinning"

    def open(self) -> None:
        super().open()
        buffer = bytearray(self.size)
        read_into = self.reader.read_into

        def receive() -> bytearray:
            read_into(buffer)
            return buffer

        self.receive = receive


class Many(Kren):
    name = "kren-many"
    how = f"write_many and read_many of up to {MANY}, spinning"
    tests = ("stream",)

    def open(self) -> None:
        super().open()
        self.most = max(1, min(MANY, self.capacity // 4 // (self.size + 8)))

    def send_many(self, count: int) -> None:
        write_many, messages = self.writer.write_many, [self.payload] * self.most
        for _ in range(count // self.most):
            write_many(messages)
        write_many(messages[: count % self.most])

    def receive_many(self, count: int) -> bytes:
        read_many, most = self.reader.read_many, self.most
        while count:
            messages = read_many(min(count, most))
            count -= len(messages)
        return messages[-1]


class InPlace(Kren):
    name = "kren-inplace"
    how = "reserve and fill; borrow and copy out; spinning; messages on a multiple of 64"
    alignment = 64

    def open(self) -> None:
        super().open()
        reserve, borrow, size = self.writer.reserve, self.reader.borrow, self.size

        def send(payload: bytes) -> None:
            with reserve(size) as room:
                room[:] = payload

        def receive() -> bytes:
            with borrow() as view:
                return bytes(view)

        self.send, self.receive = send, receive


TRANSPORTS = [Kren, Adaptive, Iterated, Into, Many, InPlace]
