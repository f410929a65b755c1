"""The keyring: the keys of people and epochs, in two copies outside the database and its backups.

Each change is committed to the second copy, then to the first, before the database commits. A change counts once both
have it, and a full disk leaves the first as it was, from which everyone reads. So either copy holds every destruction
that was ever acknowledged, and the one whose counter is higher is right: a key that it has destroyed stays destroyed.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.centre.keys.enrolling_keys import EnrollingKeys
from edgeface.centre.keys.keyring_copy import KeyringCopy, State
from edgeface.core.errors import ChangedError, FleetError, GoneError, system_reason
from edgeface.core.files import alone
from edgeface.fleet import sealing

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)
_RING_BYTES = 16


class Mark(NamedTuple):
    """What the keyring knows of a site's changes: the database has `after`, or `before` if a crash stopped the last."""

    site: str
    before: int
    after: int

    def fits(self, seq: int) -> bool:
        """Whether the present database may have this change number."""
        return seq in (self.before, self.after)


class OlderDatabaseError(FleetError):
    """The database is older than the keyring."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the database is older than the keyring, or another one ({what});"
            " if it came from a backup, stop the centre and run: edgeface centre restored"
        )

    @classmethod
    def of(cls, mark: Mark, seq: int) -> OlderDatabaseError:
        """For a site whose change number in the database does not fit."""
        return cls(f"{mark.site}: change {seq} instead of {mark.after}")


def proposal_subject(number: bytes) -> bytes:
    """Under which the key of a proposal is kept; the device chooses the number, which may be that of a person."""
    return hashlib.sha256(b"edgeface fleet proposal 1" + number).digest()[: sealing.PERSON_BYTES]


class Keyring:
    """Two copies of all keys, in two folders; any thread may use it, and several processes at once.

    Subjects are the random numbers of people, and what `proposal_subject` makes of those of proposals. All methods
    raise FleetError if a copy cannot be read or written.
    """

    @staticmethod
    def create(first: Path, second: Path) -> None:
        """Make both copies; raises FleetError if either folder has one."""
        ring = secrets.token_bytes(_RING_BYTES)
        for folder in (first, second):
            KeyringCopy.make(folder, ring)

    def __init__(self, first: Path, second: Path, secret: bytes | None = None) -> None:
        """Open both copies; `secret` opens the enrolling keys.

        A copy that lacks the last changes is brought to the state of the other. Raises FleetError, which names the
        file, if a copy is missing, damaged, or of another keyring, or if both differ in the same state.
        """
        self._folder = first
        self._thread = threading.RLock()
        with self._locked():
            self._first, self._second = self._opened(first, second)
        self.enrolling = EnrollingKeys((first, second), secret)

    def close(self) -> None:
        """Close the files."""
        with self._thread:
            self._first.close()
            self._second.close()

    @property
    def ring(self) -> bytes:
        """The keyring's own random number."""
        return self._state().ring

    @property
    def counter(self) -> int:
        """Rises with each change."""
        return self._state().counter

    def sound_copies(self) -> int:
        """How many of the two copies are where they should be, can be read, and have all changes."""
        found: list[State] = []
        with self._locked():
            for copy in (self._first, self._second):
                with suppress(FleetError):
                    found.append(copy.state_on_disk())
        return found.count(max(found, key=lambda state: state.counter)) if found else 0

    def add(self, site: str, keys: Mapping[bytes, bytes], mark: Mark | None = None) -> None:
        """Keep new keys, and note the change for which they are; a key that a crash has left behind is replaced.

        Raises OlderDatabaseError as `note`, GoneError if a subject was destroyed, and ChangedError if one is another
        site's.
        """
        rows = [(subject, site, key) for subject, key in keys.items()]

        def added(connection: sqlite3.Connection) -> None:
            for subject in keys:
                if connection.execute("SELECT 1 FROM destroyed WHERE subject = ?", (subject,)).fetchone():
                    raise GoneError("the person was forgotten; their number cannot be used again")
                if connection.execute("SELECT 1 FROM keys WHERE subject = ? AND site != ?", (subject, site)).fetchone():
                    raise ChangedError("the person is one of another site")
            connection.executemany("INSERT OR REPLACE INTO keys VALUES (?, ?, ?)", rows)

        self._change(added, mark)

    def destroy(self, subjects: Collection[bytes], mark: Mark | None = None) -> None:
        """Destroy the keys of subjects, which can never have one again, and note the change that says so.

        Raises OlderDatabaseError as `note`.
        """
        self._delete(subjects, ("INSERT OR IGNORE INTO destroyed VALUES (?)",), mark)

    def sweep(self, subjects: Collection[bytes]) -> None:
        """Destroy keys that nothing was sealed with; their subjects may still come."""
        self._delete(subjects, ())

    def keys(self, site: str | None = None) -> dict[bytes, bytes]:
        """The keys of a site's subjects, or all."""
        if site is None:
            return dict(self._rows("SELECT subject, key FROM keys"))
        return dict(self._rows("SELECT subject, key FROM keys WHERE site = ?", site))

    def keys_of(self, subjects: Collection[bytes]) -> dict[bytes, bytes]:
        """The keys of these subjects that have one."""
        return {row[0]: row[1] for row in self._each("SELECT subject, key FROM keys WHERE subject = ?", subjects)}

    def keys_between(self, first: bytes, last: bytes) -> dict[bytes, bytes]:
        """The keys of the subjects from `first` to `last`, as bytes are ordered."""
        return dict(self._rows("SELECT subject, key FROM keys WHERE subject BETWEEN ? AND ?", first, last))

    def every_destroyed(self) -> set[bytes]:
        """All subjects whose keys were destroyed."""
        return {row[0] for row in self._rows("SELECT subject FROM destroyed")}

    def require_in_place(self) -> None:
        """Raise FleetError unless the first copy, from which everyone reads, is still the file that was opened."""
        with self._thread:
            self._first.require_in_place()

    def destroyed(self, subjects: Collection[bytes]) -> set[bytes]:
        """Those of the subjects whose keys were destroyed."""
        return {row[0] for row in self._each("SELECT subject FROM destroyed WHERE subject = ?", subjects)}

    def note(self, mark: Mark) -> None:
        """Note a change of a site that the caller has locked, before the database commits it.

        Raises OlderDatabaseError if the database is not where the last change has left it.
        """
        if self.mark(mark.site) != mark:
            self._change(lambda _: None, mark)

    def mark(self, site: str) -> Mark:
        """The last change of a site that was noted."""
        rows = self._rows("SELECT before, after FROM marks WHERE site = ?", site)
        return Mark(site, *rows[0]) if rows else Mark(site, 0, 0)

    def marked(self) -> tuple[str, ...]:
        """The sites that have had a change."""
        return tuple(site for (site,) in self._rows("SELECT site FROM marks ORDER BY site"))

    def settle(self, site: str, seq: int) -> None:
        """Say that the database of a locked site is at this number, whatever was noted before."""
        if self.mark(site) != Mark(site, seq, seq):
            self._change(
                lambda connection: connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", (site, seq, seq))
            )

    def add_epoch(self, site: str, epoch: int, key: bytes) -> None:
        """Keep the key of an epoch; one that a crash has left behind is replaced."""
        self._change(
            lambda connection: connection.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?)", (site, epoch, key))
        )

    def end_epochs(self, site: str, epoch: int) -> None:
        """Destroy the keys of all epochs before this one; another process may have begun a later one."""
        self._change(
            lambda connection: connection.execute("DELETE FROM epochs WHERE site = ? AND epoch < ?", (site, epoch))
        )

    def keep_epoch(self, site: str, epoch: int) -> None:
        """Destroy the keys of all other epochs of a site that the caller has locked."""
        if self._rows("SELECT 1 FROM epochs WHERE site = ? AND epoch != ?", site, epoch):
            self._change(
                lambda connection: connection.execute("DELETE FROM epochs WHERE site = ? AND epoch != ?", (site, epoch))
            )

    def epoch_key(self, site: str, epoch: int) -> bytes:
        """The key of an epoch; raises FleetError if there is none."""
        rows = self._rows("SELECT key FROM epochs WHERE site = ? AND epoch = ?", site, epoch)
        if not rows:
            raise FleetError(f"{self._first.path}: has no key of epoch {epoch} of {site}")
        key: bytes = rows[0][0]
        return key

    def has_epoch(self, site: str, epoch: int) -> bool:
        """Whether there is a key of an epoch."""
        return bool(self._rows("SELECT 1 FROM epochs WHERE site = ? AND epoch = ?", site, epoch))

    def newest_epoch(self, site: str) -> int:
        """The highest epoch of a site that has a key; 0 for none."""
        return int(self._rows("SELECT coalesce(max(epoch), 0) FROM epochs WHERE site = ?", site)[0][0])

    def _opened(self, first: Path, second: Path) -> tuple[KeyringCopy, KeyringCopy]:
        copies: list[KeyringCopy] = []
        try:
            for folder, other in ((first, second), (second, first)):
                try:
                    copies.append(KeyringCopy(folder))
                except FleetError as error:
                    raise FleetError(f"{error}; stop the centre and copy {other / KeyringCopy.FILE} there") from None
            _require_alike(*copies)
            _levelled(*copies)
        except BaseException:
            for copy in copies:
                copy.close()
            raise
        return copies[0], copies[1]

    def _delete(self, subjects: Collection[bytes], also: Sequence[str], mark: Mark | None = None) -> None:
        rows = [(subject,) for subject in subjects]

        def deleted(connection: sqlite3.Connection) -> None:
            for sql in ("DELETE FROM keys WHERE subject = ?", *also):
                connection.executemany(sql, rows)

        if rows or mark:
            self._change(deleted, mark)

    def _change(self, change: Callable[[sqlite3.Connection], object], mark: Mark | None = None) -> None:
        with self._locked():
            # Another process may have ended between its two writes.
            _levelled(self._first, self._second)
            counter = self._first.state.counter + 1
            if mark is not None and not (last := self.mark(mark.site)).fits(mark.before):
                raise OlderDatabaseError.of(last, mark.before)
            with self._first.changing(counter) as first, self._second.changing(counter) as second:
                for copy in (first, second):
                    change(copy)
                    if mark is not None:
                        copy.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", mark)

    def _state(self) -> State:
        with self._thread:
            return self._first.state

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Read from the first copy: what it has, the second has too."""
        with self._thread:
            return self._first.rows(sql, *values)

    def _each(self, sql: str, subjects: Collection[bytes]) -> Iterator[tuple[Any, ...]]:
        for subject in subjects:
            yield from self._rows(sql, subject)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep out the other threads, and the writes of other processes."""
        try:
            with self._thread, alone(self._folder):
                yield
        except FleetError:
            raise
        except OSError as error:
            raise FleetError(f"{self._folder}: {system_reason(error)}") from error


def _require_alike(first: KeyringCopy, second: KeyringCopy) -> None:
    if first.state.ring != second.state.ring:
        raise FleetError(f"{second.path}: of another keyring than {first.path}")
    if first.state == second.state and first.content() != second.content():
        raise FleetError(f"{second.path}: differs from {first.path}, though neither is older; restore one of them")


def _levelled(first: KeyringCopy, second: KeyringCopy) -> None:
    """Bring the copy that lacks changes to the state of the other."""
    behind, ahead = sorted((first, second), key=lambda copy: copy.state.counter)
    if behind.state.counter < ahead.state.counter:
        _log.warning("%s lacked the last changes of %s and was brought to its state", behind.path, ahead.path)
        behind.become(ahead)
