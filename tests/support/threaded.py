"""A daemon or a door's controller in a thread of its own, which ends in time."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Runs(Protocol):
    """Whoever runs until it is told to stop."""

    def run(self) -> int: ...

    def stop(self) -> None: ...


@contextmanager
def threaded(one: Runs, seconds: float = 60.0) -> Iterator[None]:
    """Runs meanwhile; a thread that hangs does not keep pytest from ending."""
    thread = threading.Thread(target=one.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        one.stop()
        thread.join(seconds)
        assert not thread.is_alive(), f"it still runs {seconds} s after it was stopped"
