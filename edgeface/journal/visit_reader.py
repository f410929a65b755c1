"""Reads the visits of a day, or of someone, from the journal; takes time by their number, not by that of all rows.

The journal has an index of its numbers and of the ids in it, and none of the time. The time is found by bisection.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from edgeface.journal import rows as journal_rows
from edgeface.journal.visits import AMENDMENTS, ANNOUNCED, KINDS, LONGEST, FoldedVisits, Visit, fold

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from edgeface.journal.journal import Journal
    from edgeface.journal.rows import StoredRow
    from edgeface.security.vault import Vault

_DAY = 86_400.0
_PAGE = 500
"""Rows that are read at a time, so that who writes to the journal waits for milliseconds only."""
_INDEXED = 2_000
"""Rows whose kind is read at a time."""
_MISDATED = 64
"""So many rows in a row may have an earlier time than the ones before them, because a clock was not set yet."""
_SOMEONES = 600
"""Rows about one person that are read for a page of their visits."""

_KINDS = ", ".join(f"'{kind}'" for kind in AMENDMENTS)
_ANNOUNCED = ", ".join(f"'{kind}'" for kind in ANNOUNCED)


class VisitPage(NamedTuple):
    """Visits of someone, the latest first."""

    visits: tuple[Visit, ...]
    older: int | None
    """Pass it as `before` to get earlier ones; None at the end."""


class VisitReader:
    """Reads visits; any thread may use it. It keeps numbers of rows in memory, and nothing of their content.

    Visits that a clock dated before it was set may be missing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._amendments: list[int] = []
        self._indexed = 0

    def between(
        self, journal: Journal, since: float, until: float, now: float, doors: Mapping[str, str] | None = None
    ) -> FoldedVisits:
        """The visits whose first time is in [since, until), in wall seconds; `now` and `doors` are as in `fold`."""
        low = max(0, _seq_at(journal, since - LONGEST) - _MISDATED)
        high = None if until + LONGEST >= now else _seq_at(journal, until + LONGEST) + 2 * _MISDATED
        found = [*_range(journal, low, high), *self._later(journal, high)]
        inside = [one for one in found if since <= one.row.at < until]
        whole = fold(found, now, doors)
        visits = tuple(visit for visit in whole.visits if since <= visit.first_seen < until)
        erased = sum(one.redacted and one.row.kind in ANNOUNCED for one in inside)
        return FoldedVisits(visits, erased, sum(one.altered for one in inside))

    def before(
        self, journal: Journal, until: float, since: float, now: float, doors: Mapping[str, str] | None = None
    ) -> Iterator[Visit]:
        """All visits in [since, until), the latest first, read day by day."""
        while until > since:
            start = max(since, until - _DAY)
            yield from self.between(journal, start, until, now, doors).visits
            earlier = announced_before(journal, start)
            if earlier is None:
                return
            until = min(start, earlier + 0.001)

    def about(
        self,
        journal: Journal,
        who: Iterable[str],
        now: float,
        doors: Mapping[str, str] | None = None,
        before: int | None = None,
    ) -> VisitPage:
        """The visits of people and unknowns, under all the ids that they have had; `before` is `older` of a page."""
        asked, older = list(who), 0
        found: dict[int, StoredRow] = {}
        ids = journal.attempt(lambda db, vault: journal_rows.ids_of(db, vault, asked), otherwise=asked)
        for one in ids:
            rows = journal.rows(who=one, kinds=KINDS, before=before, last=_SOMEONES)
            found |= {row.seq: row for row in rows}
            # Below the oldest row of a full answer, there may be rows that have not been read.
            older = max(older, rows[0].seq if len(rows) == _SOMEONES else 0)
            if before is not None:
                # How the visits end that began before.
                ends = journal.rows(who=one, kinds=("left",), after=before - 1, first=_PAGE)
                found |= {row.seq: row for row in ends}
        found |= {row.seq: row for row in _identified(journal, found.values(), ids, before)}
        shown = {row.seq: row for row in found.values() if row.seq >= older}
        shown |= {row.seq: row for row in self._later(journal, min(shown, default=None))}
        visits = fold(shown.values(), now, doors).visits
        if open_ := [visit.seq for visit in visits if not visit.over]:
            # What ended them may be about someone else.
            shown |= {row.seq: row for row in _range(journal, min(open_), None)}
            visits = fold(shown.values(), now, doors).visits
        own = (visit for visit in visits if visit.who in ids and (before is None or visit.seq < before))
        return VisitPage(tuple(own), older or None)

    def _later(self, journal: Journal, after: int | None) -> list[StoredRow]:
        """The rows from number `after` on that may change who an earlier visit was of."""
        if after is None:
            return []
        seqs = [seq for seq in self._index(journal) if seq >= after]
        return journal.each("seq", seqs)

    def _index(self, journal: Journal) -> list[int]:
        """The numbers of all amendments; the first call after a start reads the kind of every row."""
        with self._lock:
            last = journal.head()[0]
            if last < self._indexed:
                # Another journal: the damaged one was set aside.
                self._amendments, self._indexed = [], 0
            while self._indexed < last:
                start, end = self._indexed, min(self._indexed + _INDEXED, last)

                def work(
                    connection: sqlite3.Connection, _: Vault, start: int = start, end: int = end
                ) -> list[int] | None:
                    query = f"SELECT seq FROM rows WHERE seq > ? AND seq <= ? AND kind IN ({_KINDS}) ORDER BY seq"  # noqa: S608 - constants
                    return [int(seq) for (seq,) in connection.execute(query, (start, end))]

                seqs = journal.attempt(work, otherwise=None)
                if seqs is None:
                    break
                self._amendments += seqs
                self._indexed = end
            return list(self._amendments)


def announced_before(journal: Journal, wall: float) -> float | None:
    """The time of the last announced face before these wall seconds; None if there is none."""
    where = f"seq < ? AND at < ? AND kind IN ({_ANNOUNCED}) ORDER BY seq DESC"
    return _announced(journal, "max", where, wall, 2 * _MISDATED)


def announced_after(journal: Journal, wall: float) -> float | None:
    """The time of the first announced face at these wall seconds or later; None if there is none."""
    where = f"seq >= ? AND at >= ? AND kind IN ({_ANNOUNCED}) ORDER BY seq"
    return _announced(journal, "min", where, wall, -_MISDATED)


def _announced(journal: Journal, best: str, where: str, wall: float, skew: int) -> float | None:
    """The best time of the nearest rows: more of them than a clock that was not set has dated."""
    seq = _seq_at(journal, wall) + skew
    query = f"SELECT {best}(at) FROM (SELECT at FROM rows WHERE {where} LIMIT {4 * _MISDATED})"  # noqa: S608 - constants

    def work(connection: sqlite3.Connection, _: Vault) -> float | None:
        (at,) = connection.execute(query, (seq, wall)).fetchone()
        return None if at is None else float(at)

    return journal.attempt(work, otherwise=None)


def _seq_at(journal: Journal, wall: float) -> int:
    """The number of about the first row that was written at these wall seconds or later: up to _MISDATED too low."""

    def work(connection: sqlite3.Connection, _: Vault) -> int:
        low, high = connection.execute("SELECT (SELECT min(seq) FROM rows), (SELECT max(seq) FROM rows)").fetchone()
        if low is None:
            return 0
        query = "SELECT max(at) FROM (SELECT at FROM rows WHERE seq >= ? ORDER BY seq LIMIT ?)"
        high += 1
        while low < high:
            middle = (low + high) // 2
            (at,) = connection.execute(query, (middle, _MISDATED)).fetchone()
            if isinstance(at, float) and at < wall:
                low = middle + 1
            else:
                high = middle
        return int(low)

    return journal.attempt(work, otherwise=0)


def _range(journal: Journal, low: int, high: int | None) -> Iterator[StoredRow]:
    """The rows from `low` to before `high` that visits are made of."""
    after = low - 1
    while page := journal.rows(kinds=KINDS, after=after, before=high, first=_PAGE):
        yield from page
        after = page[-1].seq


def _identified(
    journal: Journal, found: Iterable[StoredRow], ids: Sequence[str], before: int | None
) -> list[StoredRow]:
    """The rows of the events that were corrected to be these people."""
    enrolled = [one for one in found if one.row.kind == "enrolled" and not one.redacted and not one.altered]
    facts = [journal_rows.facts_of(one) for one in enrolled]
    events = [str(one["event"]) for one in facts if one.get("event") and one.get("person") in ids]
    rows = journal.each("id", events)
    return [one for one in rows if before is None or one.seq < before]
