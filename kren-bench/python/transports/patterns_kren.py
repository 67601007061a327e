"""KREN's broadcast, inbox, work queue and service."""

import kren

from . import Ends, patiently


class Broadcast(Ends):
    name = "kren-broadcast"
    how = "Publisher, Subscriber: write, read; spinning, or the default where processors are shared"
    listed = False

    def open(self) -> None:
        options = {"strategy": self.strategy, "prefault": True}
        if self.leads:
            self.end = kren.Publisher(self.session, self.capacity, **options)
            self.end.wait_for_subscribers(self.followers, timeout=10)
            self.send = self.end.write
        else:
            self.end = kren.Subscriber(self.session, timeout=10, **options)
            self.receive = self.end.read

    def close(self) -> None:
        self.end.close()


class LargeBroadcast(Broadcast):
    name = "kren-broadcast-inplace"
    how = "the same, for large messages; Python copies once either way"


class Gather(Broadcast):
    name = "kren-gather"
    how = "four Senders, one Inbox: write, read"

    def open(self) -> None:
        if self.leads:
            self.end = kren.Inbox(self.session, self.capacity, strategy=self.strategy)
            self.receive = self.end.read
        else:
            self.end = kren.Sender(self.session, capacity=self.capacity, strategy=self.strategy)
            self.send = self.end.write


class Deal(Broadcast):
    name = "kren-deal"
    how = "one Dealer, four Workers: write, read"

    def open(self) -> None:
        if self.leads:
            self.end = kren.Dealer(self.session, self.capacity, strategy=self.strategy)
            self.send = self.end.write
        else:
            self.end = kren.Worker(self.session, strategy=self.strategy)
            self.receive = self.end.read


class Call(Broadcast):
    """The request goes out in `receive`, which is the call."""

    name = "kren-call"
    how = "Client.call; for request in server: request.reply; spinning"

    def open(self) -> None:
        if self.leads:
            self.end = client = kren.Client(self.session, strategy=self.strategy)
            patiently(lambda: client.call(self.payload), kren.NoServer)
            self.send = lambda _: None
            self.receive = lambda call=client.call, payload=self.payload: call(payload)
        else:
            self.end = kren.Server(self.session, strategy=self.strategy)
            requests = iter(self.end)
            self.request = next(requests)
            self.request.reply(self.payload)

            def receive() -> bytes:
                self.request = next(requests)
                return bytes(self.request)

            def send(payload: bytes) -> None:
                self.request.reply(payload)

            self.receive, self.send = receive, send


FACES = {Gather: "Inbox", Deal: "Dealer", Call: "Client"}
TRANSPORTS = [Broadcast, LargeBroadcast]
TRANSPORTS += [transport for transport, face in FACES.items() if hasattr(kren, face)]
