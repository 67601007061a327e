"""Writes one message and goes; it waits in shared memory for its reader.

Usage: python hello_writer.py [CHANNEL]
"""

import kren

from pattern import channel

writer = kren.Writer(channel("hello"), 4096)
writer.write(b"Hello from Python!")
