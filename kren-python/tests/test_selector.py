"""kren.Selector: waiting for many (G3, G4, G9)."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import kren
import pytest
from kren import EVENT_READ, EVENT_WRITE, Selector

PATIENCE = 60.0


@pytest.fixture
def selector() -> Iterator[Selector]:
    with Selector() as selector:
        yield selector


def test_what_is_ready_is_told_until_it_is_taken(channel: str, selector: Selector) -> None:
    with ExitStack() as ends:
        names = [f"{channel}-{at}" for at in range(20)]
        writers = [ends.enter_context(kren.Writer(name, 4096)) for name in names]
        readers = [ends.enter_context(kren.Reader(name)) for name in names]
        for at, reader in enumerate(readers):
            selector.register(reader, EVENT_READ, data=at)
        assert selector.select(timeout=0) == []
        assert selector.select(timeout=0.001) == []
        writers[7].write(b"seven")
        for _ in range(2):
            [(key, events)] = selector.select(timeout=PATIENCE)
            assert (key.endpoint, events, key.data) == (readers[7], EVENT_READ, 7)
        assert readers[7].read() == b"seven"
        assert selector.select(timeout=0.001) == []
        assert selector.unregister(readers[7]).data == 7
        writers[7].write(b"again")
        assert selector.select(timeout=0.001) == []
        assert len(selector) == 19
        assert readers[7].read() == b"again"
        assert selector.get_key(readers[3]).data == 3
        writers[3].close()
        [(key, _)] = selector.select(timeout=PATIENCE)
        assert key.data == 3
        with pytest.raises(kren.Closed):
            readers[3].read(timeout=0)


def test_room_is_waited_for(channel: str, selector: Selector) -> None:
    with kren.Writer(channel, 4096) as writer, kren.Reader(channel) as reader:
        writer.write(bytes(3000))
        selector.register(writer, EVENT_WRITE, length=2000)
        assert selector.select(timeout=0.001) == []
        reading = threading.Thread(target=reader.read)
        reading.start()
        [(key, events)] = selector.select(timeout=PATIENCE)
        assert (key.endpoint, events) == (writer, EVENT_WRITE)
        reading.join()


def test_timers(selector: Selector) -> None:
    once = selector.register_timer(0.001, "once")
    again = selector.register_timer(0.002, "again", period=0.001)
    seen: list[str] = []
    while seen.count("again") < 3:
        seen += [key.data for key, _ in selector.select(timeout=PATIENCE)]
    assert seen.count("once") == 1
    with pytest.raises(KeyError):
        selector.unregister(once)
    assert selector.unregister(again) == again
    assert selector.select(timeout=0.001) == []


def test_another_thread_or_a_signal_ends_a_wait(selector: Selector) -> None:
    cancelling = threading.Timer(0.05, selector.cancel)
    cancelling.start()
    with pytest.raises(kren.Interrupted):
        selector.select()
    cancelling.join()

    def handler(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            selector.select()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_mistakes_are_refused(channel: str, selector: Selector) -> None:
    with kren.Writer(channel, 4096) as writer, kren.Reader(channel) as reader:
        with pytest.raises(ValueError, match="EVENT_READ alone"):
            selector.register(reader, EVENT_WRITE)
        with pytest.raises(ValueError, match="EVENT_WRITE alone"):
            selector.register(writer, EVENT_READ | EVENT_WRITE)
        selector.register(reader, EVENT_READ)
        with pytest.raises(KeyError):
            selector.register(reader, EVENT_READ)
        with Selector() as other, pytest.raises(kren.Busy):
            other.register(reader, EVENT_READ)
        with pytest.raises(kren.TooLarge):
            selector.register(writer, EVENT_WRITE, length=5000)
        selector.close()
        with pytest.raises(kren.Interrupted):
            selector.select()


def test_waiting_for_many_takes_no_processor_time(channel: str, selector: Selector) -> None:
    with ExitStack() as ends:
        names = [f"{channel}-{at}" for at in range(200)]
        writers = [ends.enter_context(kren.Writer(name, 4096)) for name in names]
        for name in names:
            selector.register(ends.enter_context(kren.Reader(name)), EVENT_READ, data=name)
        before = time.process_time()
        assert selector.select(timeout=0.5) == []
        assert time.process_time() - before < 0.1
        writers[150].write(b"x")
        [(key, _)] = selector.select(timeout=PATIENCE)
        assert key.data == names[150]
        assert isinstance(key.endpoint, kren.Reader)
        assert key.endpoint.read() == b"x"
