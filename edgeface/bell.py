"""Wakes a thread that waits for the network."""

import socket


class Bell:
    """Any thread rings, one thread waits for `socket` to become readable."""

    def __init__(self) -> None:
        self._button, self.socket = socket.socketpair()
        self._button.setblocking(False)
        self.socket.setblocking(False)

    def ring(self) -> None:
        """Make `socket` readable; never blocks."""
        try:
            self._button.send(b"\0")
        except OSError:
            return  # the pipe is full, so the thread is being woken already; or closed, and there is no thread

    def hush(self) -> None:
        """Make `socket` silent until somebody rings again."""
        try:
            while self.socket.recv(4096):
                continue
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close both ends; ringing is still allowed."""
        self._button.close()
        self.socket.close()
