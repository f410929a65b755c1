"""Packed answers that many devices ask for at the same time: each is made once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

MOST_BYTES = 64_000_000
"""Bytes of all answers that are kept."""


@dataclass(slots=True)
class _Answer:
    stamp: object = None
    body: bytes | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Answers:
    """Keeps the latest answers; any thread may use it."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[str, Hashable, int | None], _Answer] = OrderedDict()

    def get(
        self, site: str, kind: Hashable, after: int | None, stamp: object, make: Callable[[], bytes | None]
    ) -> bytes | None:
        """The answer of a kind that was made for this stamp, or else a new one; callers of the same one wait for it."""
        with self._lock:
            answer = self._answers.setdefault((site, kind, after), _Answer())
            self._answers.move_to_end((site, kind, after))
        with answer.lock:
            if answer.stamp != stamp:
                answer.stamp, answer.body = None, None
                answer.body = make()
                answer.stamp = stamp
            body = answer.body
        self._trim()
        return body

    def drop(self, site: str, _seq: int) -> None:
        """Forget the answers of a site, which has changed."""
        with self._lock:
            for key in [key for key in self._answers if key[0] == site]:
                del self._answers[key]

    def _trim(self) -> None:
        with self._lock:
            size = sum(len(answer.body or b"") for answer in self._answers.values())
            while size > self._most_bytes and len(self._answers) > 1:
                _, oldest = self._answers.popitem(last=False)
                size -= len(oldest.body or b"")
