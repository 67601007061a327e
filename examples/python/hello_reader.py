"""Reads one message, from a writer in any language.

Usage: python hello_reader.py [CHANNEL]
"""

import kren

from pattern import PATIENCE, channel

reader = kren.Reader(channel("hello"), timeout=PATIENCE)
print(reader.read().decode())
