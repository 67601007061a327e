"""Looks at the images of fanout_publisher where they lie, until it closes.

There may be as many viewers as you like. With --lossy one never holds the publisher up, and says
how many images it missed.

Usage: python fanout_viewer.py [CHANNEL] [COUNT] [--lossy]
"""

import hashlib
import sys

import kren

from pattern import FRAME, PATIENCE, channel, number


def main() -> None:
    count = number(2, 200)
    lossy = "--lossy" in sys.argv
    sha256 = hashlib.sha256()
    received = missed = 0

    with kren.Subscriber(channel("fanout"), lossy=lossy, timeout=PATIENCE) as subscriber:
        while True:
            try:
                lease = subscriber.borrow()
            except kren.Lagged as lagged:
                missed += lagged.missed
                continue
            except kren.Closed:
                break
            with lease as frame:
                expected = (received + missed).to_bytes(8, "little")
                if len(frame) != FRAME or frame[:8] != expected:
                    sys.exit(f"frame {received + missed} is not the one that was sent")
                sha256.update(frame)
            received += 1

    if received + missed != count:
        sys.exit(f"{received} frames came and {missed} were missed, of {count}")
    print(f"received {received} frames, missed {missed}")
    if not missed:
        print(f"sha256 {sha256.hexdigest()}")


main()
