"""iceoryx2: a publish-subscribe service each way, written and read in place, polled."""

import ctypes

import iceoryx2 as iox2

from . import Ends, patiently


class Iceoryx2(Ends):
    name = "iceoryx2"
    how = "iceoryx2: loan_slice_uninit, memmove, send; receive, copy out; lossless, polled"

    def open(self) -> None:
        iox2.set_log_level(iox2.LogLevel.Fatal)
        self.node = iox2.NodeBuilder.new().create(iox2.ServiceType.Ipc)
        slots = max(2, min(4096, self.capacity // self.size))
        there, back = (self.service(way, slots) for way in (self.there, self.back))
        self.publisher = (
            there.publisher_builder()
            .initial_max_slice_len(self.size)
            .backpressure_strategy(iox2.BackpressureStrategy.RetryUntilDelivered)
            .create()
        )
        self.subscriber = back.subscriber_builder().buffer_size(slots).create()
        patiently(lambda: subscribed(there), LookupError)
        publisher, subscriber, size, memmove = (
            self.publisher,
            self.subscriber,
            self.size,
            ctypes.memmove,
        )

        def send(payload: bytes) -> None:
            sample = publisher.loan_slice_uninit(size)
            memmove(sample.payload_ptr, payload, size)
            sample.assume_init().send()

        def receive() -> bytes:
            while (sample := subscriber.receive()) is None:
                pass
            return ctypes.string_at(sample.payload_ptr, size)

        self.send, self.receive = send, receive

    def service(self, name: str, slots: int):
        return (
            self.node.service_builder(iox2.ServiceName.new(name))
            .publish_subscribe(iox2.Slice[ctypes.c_uint8])
            .max_publishers(1)
            .max_subscribers(1)
            .history_size(0)
            .subscriber_max_buffer_size(slots)
            .enable_safe_overflow(False)
            .open_or_create()
        )

    def close(self) -> None:
        del self.send, self.receive
        self.publisher.delete()
        self.subscriber.delete()


def subscribed(service) -> None:
    """A message that is sent before the other side subscribes is lost, and nobody answers."""
    if service.dynamic_config.number_of_subscribers != 1:
        raise LookupError("the other side does not subscribe")


TRANSPORTS = [Iceoryx2]
