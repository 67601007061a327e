"""Calls the methods of model_server, in whatever language that is written.

Some at a time, and one whose answer comes in parts.

Usage: python model_client.py [CHANNEL] [COUNT]
"""

import kren

from pattern import PATIENCE, channel, number


def main() -> None:
    count = number(2, 100)

    with kren.Client(channel("model")) as client:
        calls = [
            client.start(bytes([i & 255]) * (i + 1), PATIENCE, method="score") for i in range(count)
        ]
        scores = [int(call.result()) for call in calls]
        if scores != [(i + 1) * (i & 255) for i in range(count)]:
            raise SystemExit("a score is wrong")
        print(f"scored {count}")

        words = client.stream(b"one word at a time", PATIENCE, method="complete")
        print(" ".join(word.decode() for word in words))


main()
