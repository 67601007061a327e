"""cloudtoid-interprocess: a queue each way, polled (its fastest) or waited on."""

from cloudtoid_interprocess import Publisher, Subscriber

from . import Ends

FOLDER = "/dev/shm"  # noqa: S108


class Cloudtoid(Ends):
    name = "cloudtoid"
    how = "cloudtoid-interprocess: try_send, try_receive, polled"

    def open(self) -> None:
        self.publisher = Publisher(self.there, self.capacity, FOLDER)
        self.subscriber = Subscriber(self.back, self.capacity, FOLDER)
        try_send, try_receive = self.publisher.try_send, self.subscriber.try_receive

        def send(payload: bytes) -> None:
            while not try_send(payload):
                pass

        def receive() -> bytes:
            while (message := try_receive()) is None:
                pass
            return message

        self.send, self.receive = send, receive

    def close(self) -> None:
        self.publisher.close()
        self.subscriber.close()


class Asleep(Cloudtoid):
    name = "cloudtoid-sleep"
    how = "cloudtoid-interprocess: try_send, receive"
    tests = ("trips", "wake", "idle")
    sizes = (64, 64)

    def open(self) -> None:
        super().open()
        self.receive = self.subscriber.receive


TRANSPORTS = [Cloudtoid, Asleep]
