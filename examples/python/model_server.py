"""A server with two methods: `score` gives one answer, `complete` one word after the other.

Serves until it is stopped.

Usage: python model_server.py [CHANNEL]
"""

import contextlib
import signal
from collections.abc import Iterator

import kren

from pattern import channel


def main() -> None:
    # SIGTERM ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with kren.Server(channel("model")) as server, contextlib.suppress(KeyboardInterrupt):

        @server.method
        def score(request: kren.Request) -> bytes:
            return str(sum(memoryview(request))).encode()

        @server.method
        def complete(request: kren.Request) -> Iterator[bytes]:
            for word in bytes(request).split():
                yield word.upper()

        print("serving", flush=True)
        server.serve()


main()
