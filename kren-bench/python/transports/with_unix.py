"""A Unix socket of the stream kind; the length is known, so nothing frames the messages."""

import socket
import tempfile
from pathlib import Path

from . import SLEEPS, Ends, patiently

BUFFER = 1 << 20
CHUNK = 256 << 10


class Unix(Ends):
    name = "unix"
    how = "a Unix stream socket: sendall, recv_into; buffers of 1 MiB asked for"
    tests = SLEEPS

    def open(self) -> None:
        path = Path(tempfile.gettempdir(), f"{self.session}.sock")
        if self.leads:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
                listener.listen(1)
                self.socket, _ = listener.accept()
            path.unlink()
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            patiently(
                lambda: self.socket.connect(str(path)), FileNotFoundError, ConnectionRefusedError
            )
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self.socket.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        self.send = self.socket.sendall
        self.rest = b""

    def receive(self) -> bytes:
        return self.exactly(self.size)

    def exactly(self, size: int) -> bytes:
        recv, size_left = self.socket.recv, size
        message = recv(size)
        if len(message) == size:
            return message
        buffer = bytearray(message)
        while size_left := size - len(buffer):
            buffer += recv(size_left)
        return bytes(buffer)

    def receive_many(self, count: int) -> bytes:
        """Takes what is there, and cuts it into messages."""
        if self.size >= CHUNK:
            return super().receive_many(count)
        size, left, rest = self.size, count * self.size, b""
        recv = self.socket.recv
        while left:
            chunk = rest + recv(min(left, CHUNK))
            left -= len(chunk) - len(rest)
            whole = len(chunk) // size * size
            for at in range(0, whole, size):
                message = chunk[at : at + size]
            rest = chunk[whole:]
        return message

    def close(self) -> None:
        self.socket.close()


TRANSPORTS = [Unix]
