"""Writes one message and goes; it waits in shared memory for its reader.

On Windows nothing waits where nobody is, so there the writer stays until the reader has come.

Usage: python hello_writer.py [CHANNEL]
"""

import sys

import kren

from pattern import PATIENCE, channel

writer = kren.Writer(channel("hello"), 4096)
writer.write(b"Hello from Python!")
if sys.platform == "win32":
    writer.drain(timeout=PATIENCE)
