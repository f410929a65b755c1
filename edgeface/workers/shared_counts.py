"""Numbers in anonymous memory that all workers share: what each has counted, and when a token may be used again.

There is no lock, because a killed worker would never release it: a number has one writer, or may lose an update.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from http import HTTPStatus
from typing import TYPE_CHECKING, get_args

import numpy as np

from edgeface.core.types import DecisionKind
from edgeface.recognition.timings import BUCKETS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

STATUSES = (200, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 503)
"""The statuses of answers that are counted one by one; others are 0."""
LABELS = (*get_args(DecisionKind), "not_judged")
"""The labels of faces that are counted one by one; others are uncertain."""
BURST_SECONDS = 10.0
"""After a pause this long, a token may make as many requests at once as its rate allows in this time."""

_SLOTS = 1 << 16
"""A token's limit is found by 16 bits of its digest: with 100 tokens, one service in 13 has two that share a limit."""
_FIELDS = (
    "workers_ready",
    "waiting",
    "restarts",
    "people",
    *(f"status {one}" for one in (*STATUSES, 0)),
    *(f"label {one}" for one in LABELS),
    *(f"bucket {n}" for n in range(len(BUCKETS) + 1)),
    "seconds",
)
_PLACE = {name: place for place, name in enumerate(_FIELDS)}


def make(workers: int) -> int:
    """Memory for the numbers of so many workers, all zero; gives a file descriptor."""
    handle = os.memfd_create("edgeface-counts", os.MFD_CLOEXEC)
    os.truncate(handle, 8 * (_SLOTS + (workers + 1) * len(_FIELDS)))
    return handle


class SharedCounts:
    """The numbers, as one worker sees them, or the process that starts the workers."""

    def __init__(self, handle: int, worker: int | None = None) -> None:
        """`worker` is the number of the worker that counts here; None for the process that starts them."""
        numbers = np.frombuffer(mmap.mmap(handle, 0), np.float64)
        self._next = numbers[:_SLOTS]
        self._all = numbers[_SLOTS:].reshape(-1, len(_FIELDS))
        self._own = self._all[-1 if worker is None else worker]

    def set(self, name: str, value: float) -> None:
        """Set one of the numbers of this process."""
        self._own[_PLACE[name]] = value

    def get(self, name: str) -> float:
        """The sum of a number over all processes."""
        return float(self._all[:, _PLACE[name]].sum())

    def clear(self, worker: int) -> None:
        """Reset what a worker that has exited was doing; what it has counted stays."""
        self._all[worker, [_PLACE["workers_ready"], _PLACE["waiting"]]] = 0.0

    def answered(self, status: int, seconds: float) -> None:
        """Count an answer to a request, and the time that it took."""
        self._own[_PLACE[f"status {status if status in STATUSES else 0}"]] += 1
        if status == HTTPStatus.OK:
            self._own[_PLACE[f"bucket {bisect_left(BUCKETS, seconds)}"]] += 1
            self._own[_PLACE["seconds"]] += seconds

    def saw(self, label: str) -> None:
        """Count a face."""
        self._own[_PLACE[f"label {label if label in LABELS else 'uncertain'}"]] += 1

    def wait(self, token: str, now: float, per_minute: int) -> float:
        """Seconds until the token with this digest in hex may be used again; 0 if it may, and then this counts as use.

        The generic cell rate algorithm (ITU-T I.371, annex A): the time at which the token would be as if unused.
        """
        slot, interval = int(token[:4], 16), 60.0 / per_minute
        full = max(float(self._next[slot]), now) + interval
        late = full - now - max(BURST_SECONDS, interval)
        # The rounding of sums must not refuse the last request of a burst.
        if late > interval / 1000:
            return late
        self._next[slot] = full
        return 0.0
