"""A keyed digest of everything that a database holds, kept up to date row by row, inside the database and in the head.

The digest of a table is the number of its rows and the sum of their HMACs modulo 2^256: a row that is added, changed or
removed changes it in microseconds, whatever the size of the table. Only the owner of the key can make it.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgeface.core.errors import VaultError
from edgeface.core.sqlite import BUSY_MS, PRAGMAS, GuardedConnection, reading_only, transaction
from edgeface.security.head import DATABASES, FILE, FILES, LEAP, PARTS, Alarm, Head, HeadFile, Place, mark_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgeface.security.head import Part
    from edgeface.security.vault import Vault

TABLE = "content"
"""The table with the one sealed row that holds the digest."""
SCHEMA = f"CREATE TABLE IF NOT EXISTS {TABLE} (one INTEGER PRIMARY KEY CHECK (one = 1), sealed BLOB NOT NULL)"

_MODULUS = 1 << 256
# 2020-01-01T00:00:00Z, and as many leaps as stay below 2^53, the numbers that JSON readers agree on. A leap for each
# second: two restores in a row leap twice.
_SINCE, _MAX_LEAPS = 1_577_836_800.0, (1 << 33) - 2
_FUNCTION = "edgeface_row"

Sums = dict[str, tuple[int, int]]
"""By table, the number of rows and the sum of their HMACs."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a database says about itself."""

    number: int = 0
    """As in its Place."""
    seen: dict[Part, int] = field(default_factory=dict)
    """The numbers that the other databases had at its last commit."""
    sums: Sums = field(default_factory=dict)
    schema: str = ""
    """A digest of its tables, indexes and triggers."""

    def pack(self) -> bytes:
        """The bytes that are sealed."""
        sums = {table: [count, f"{total:x}"] for table, (count, total) in sorted(self.sums.items())}
        return json.dumps([self.number, self.seen, sums, self.schema], separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> Content:
        """Read what `pack` made."""
        number, seen, sums, schema = json.loads(packed)
        return cls(number, seen, {table: (count, int(total, 16)) for table, (count, total) in sums.items()}, schema)

    def place(self, vault: Vault, part: Part) -> Place:
        """The place that the head should have for it."""
        return Place(self.number, vault.link(b"", b"content", part.encode(), self.pack())[:16])


def stored(connection: sqlite3.Connection, vault: Vault, part: Part) -> Content | None:
    """What a database says about itself; None if it says nothing.

    Raises VaultError if that was altered, or sealed with another key.
    """
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (TABLE,)).fetchone() is None:
        return None
    row = connection.execute(f"SELECT sealed FROM {TABLE}").fetchone()  # noqa: S608 - a constant
    if row is None:
        return None
    if not isinstance(row[0], bytes):
        raise VaultError(f"{DATABASES[part]}: its digest was altered")
    return Content.unpack(vault.unseal(row[0], f"content {part}"))


def scan(connection: sqlite3.Connection, vault: Vault) -> tuple[Sums, str]:
    """The sums and the digest of the schema, from every row; about 5 microseconds for each."""
    sums = {}
    for table, columns in _tables(connection).items():
        count = total = 0
        for values in connection.execute(f"SELECT {_values(columns)} FROM {_quoted(table)}"):  # noqa: S608 - quoted
            count, total = count + 1, total + _row(vault, table, values)
        sums[table] = (count, total % _MODULUS)
    query = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name"
    parts = [str(word).encode() for row in connection.execute(query) for word in row]
    return sums, vault.link(b"", b"schema", *parts).hex()[:32]


class ContentGuard:
    """Keeps the digest of one connection's database up to date, and the head; used by one thread at a time."""

    def __init__(self, connection: GuardedConnection, folder: Path, vault: Vault, part: Part) -> None:
        self._db = connection
        self._head = HeadFile(folder, vault)
        self._vault = vault
        self._part: Part = part
        self._counts: Counter[str] = Counter()
        self._totals: Counter[str] = Counter()
        self._armed = self._whole = False
        self._leap: int | None = None

    @classmethod
    def install(
        cls, connection: GuardedConnection, folder: Path, vault: Vault, part: Part, *, old: bool
    ) -> ContentGuard:
        """Follow the transactions of a connection; `old` data that has no digest gets one.

        Raises sqlite3.Error or OSError if that cannot be written.
        """
        connection.guard = guard = cls(connection, folder, vault, part)
        with suppress(VaultError):  # an altered digest is replaced, and named, by the next commit
            if stored(connection, vault, part) is None:
                with transaction(connection):
                    guard.renew()
                if old:
                    guard.note_beginning()
        return guard

    def renew(self, *, leap: int | None = None) -> None:
        """Have the digest made from every row at the end of the transaction that is open.

        With `leap`, its number is then a later multiple of LEAP, and at least this one.
        """
        self._whole, self._leap = True, leap
        self._db.execute(SCHEMA)

    def begin(self) -> None:
        """A transaction is about to begin."""
        self._counts.clear()
        self._totals.clear()
        self._whole, self._leap = False, None
        if not self._armed:
            self._arm()
            self._armed = True

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Surrounds the COMMIT: the head knows what is about to be before, and what is after."""
        if not (self._whole or any(self._counts.values()) or any(self._totals.values())):
            yield
            return
        with self._head.locked() as slot:
            try:
                head = slot.read() or self._new_head()
            except VaultError:
                head = self._new_head().raising(Alarm(FILE, "replaced"))
            head, before, content = self._judged(head)
            place = self._put(head, content)
            fits = place.number <= head.until.get(self._part, 0)
            head = head if fits else head.reserving(self._part, place.number)
            slot.write(head.placing(self._part, place, before), durable=not fits)
            try:
                yield
            except BaseException:
                # Ctrl-C may come when SQLite has committed: then the record keeps both.
                if self._db.in_transaction:
                    slot.write(head.placing(self._part, before, None), durable=False)
                raise
            slot.write(head.placing(self._part, place, None), durable=False)

    def note_beginning(self) -> None:
        """Let the journal say that this data was there before there was a head."""
        with self._head.locked() as slot:
            head = slot.read()
            if head is not None and not head.alarms:
                slot.write(head.raising(began=True))

    def raise_removed(self) -> None:
        """Let the head know that there was another one before it."""
        self._head.mark_alarms(Alarm(FILE, "removed"))

    def _judged(self, head: Head) -> tuple[Head, Place, Content]:
        """The head with what is found wrong, what the database was before, and what to start from."""
        file = DATABASES[self._part]
        try:
            content = stored(self._db, self._vault, self._part)
        except VaultError:
            head, content = head.raising(Alarm(file, "replaced")), None
            self._whole = True
        known = head.places[self._part]
        if content is None:
            self._whole = True
            if known.number and not head.alarms & Alarm(file, "replaced").bit:
                head = head.raising(Alarm(file, "removed"))
            return head, Place(known.number, known.mark), Content(known.number)
        before = content.place(self._vault, self._part)
        head = head.raising(*misplaced(head, self._part, before), *lagging(head, content))
        return head, before, content

    def _put(self, head: Head, content: Content) -> Place:
        number = max(content.number, head.places[self._part].number) + 1
        number = number if self._leap is None else max(number // LEAP + 1, self._leap) * LEAP
        seen = {other: head.reached(other) for other in PARTS if other != self._part}
        if self._whole:
            sums, schema = scan(self._db, self._vault)
        else:
            sums, schema = self._changed(content.sums), content.schema
        after = Content(number, seen, sums, schema)
        sealed = self._vault.seal(after.pack(), f"content {self._part}")
        self._db.execute(f"INSERT OR REPLACE INTO {TABLE} VALUES (1, ?)", (sealed,))  # noqa: S608 - a constant
        return after.place(self._vault, self._part)

    def _changed(self, sums: Sums) -> Sums:
        changed = dict(sums)
        for table in self._totals:
            count, total = sums.get(table, (0, 0))
            changed[table] = (count + self._counts[table], (total + self._totals[table]) % _MODULUS)
        return changed

    def _new_head(self) -> Head:
        """A head for a folder without one, from what the databases say; an alarm if there must have been one."""
        head = Head(files={name: mark_of(self._vault, self._head.folder / name) for name in FILES})
        there_was = False
        for part in PARTS:
            content = self._peek(part)
            if content is not None and content.number:
                there_was = True
                head = head.placing(part, content.place(self._vault, part), None)
        return head.raising(Alarm(FILE, "removed")) if there_was else head

    def _peek(self, part: Part) -> Content | None:
        with suppress(VaultError, sqlite3.Error, OSError):
            if part == self._part:
                return stored(self._db, self._vault, part)
            path = self._head.folder / DATABASES[part]
            if path.exists():
                with closing(reading_only(path)) as connection:
                    return stored(connection, self._vault, part)
        return None

    def _arm(self) -> None:
        """Have every change of a row call `_note`, whoever causes it: a statement, a trigger or a foreign key."""
        db = self._db
        # With it, a row that INSERT OR REPLACE removes counts as deleted.
        db.execute("PRAGMA recursive_triggers = ON")
        db.create_function(_FUNCTION, -1, self._note)
        for table, columns in _tables(db).items():
            for event, calls in (("INSERT", (("NEW", 1),)), ("DELETE", (("OLD", -1),)),
                                 ("UPDATE", (("OLD", -1), ("NEW", 1)))):  # fmt: skip
                selects = " ".join(
                    f"SELECT {_FUNCTION}({sign}, '{table}', {_values(columns, f'{row}.')});" for row, sign in calls
                )
                db.execute(
                    f"CREATE TEMP TRIGGER {_quoted(f'content_{table}_{event}')} AFTER {event} ON main.{_quoted(table)}"
                    f" BEGIN {selects} END"
                )

    def _note(self, sign: int, table: str, *values: Any) -> None:
        self._counts[table] += sign
        self._totals[table] += sign * _row(self._vault, table, values)


def renew_all(folder: Path, vault: Vault, wall: float) -> None:
    """Take the databases and key files of a folder as they are: the alarms end, and the numbers leap.

    `wall`, in seconds, has them leap beyond a folder that is lost.

    Raises sqlite3.Error, OSError, and VaultError without a head.
    """
    for part, name in DATABASES.items():
        path = folder / name
        if not path.exists():
            continue
        with closing(
            sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, factory=GuardedConnection)
        ) as db:
            for pragma in PRAGMAS:
                db.execute(pragma).fetchall()
            guard = db.guard = ContentGuard(db, folder, vault, part)
            with transaction(db):
                guard.renew(leap=max(0, min(round(wall - _SINCE), _MAX_LEAPS)))
    HeadFile(folder, vault).accept()


def misplaced(head: Head, part: Part, found: Place) -> tuple[Alarm, ...]:
    """The alarm about a database that is not at its place in the head."""
    if found in head.places_of(part):
        return ()
    known = head.places[part].number
    if found.number < known:
        return (Alarm(DATABASES[part], "put back"),)
    if found.number > known and head.is_reserved(part, found.number):
        return ()
    return (Alarm(FILE, "put back"),) if found.number > known else (Alarm(DATABASES[part], "replaced"),)


def lagging(head: Head, content: Content) -> tuple[Alarm, ...]:
    """The alarms about databases that are older than another one has seen them."""
    late = (
        part
        for part, number in content.seen.items()
        if head.places[part].number < number and not head.is_reserved(part, number)
    )
    return tuple(Alarm(DATABASES[part], "put back") for part in late)


def _tables(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """The tables of a database and their columns, without the digest and SQLite's own."""
    query = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite@_%' ESCAPE '@'"
    names = [name for (name,) in connection.execute(query).fetchall() if name != TABLE]
    info = "SELECT name FROM pragma_table_info(?)"
    return {name: [column for (column,) in connection.execute(info, (name,))] for name in names}


def _values(columns: list[str], row: str = "") -> str:
    """SQL for the type and the value of each column; text as bytes, since tampered text may be no UTF-8."""
    names = [f"{row}{_quoted(column)}" for column in columns]
    plain = "typeof({0}) IN ('real', 'integer')"
    return ", ".join(f"typeof({n}), CASE WHEN {plain.format(n)} THEN {n} ELSE CAST({n} AS BLOB) END" for n in names)


def _row(vault: Vault, table: str, values: tuple[Any, ...]) -> int:
    """The HMAC of a row as a number."""
    parts = [value if isinstance(value, bytes) else repr(value).encode() for value in values]
    return int.from_bytes(vault.link(b"row", table.encode(), *parts), "big")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
