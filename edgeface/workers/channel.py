"""What the supervisor and a worker tell each other: messages over a socket pair, and one exit status."""

CONFIRMED = b"."
"""From the supervisor: these people, if a file descriptor comes with it, or those that the worker has, are current."""
READY, NOT_READY = b"+", b"-"
"""From a worker: its event loop runs, and it can answer requests, or cannot."""
MAX_MESSAGE = 16
"""Bytes of a message."""
CONFIGURATION = 78
"""The exit status of a worker for which another start would not help."""
