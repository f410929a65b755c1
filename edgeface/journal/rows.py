"""The journal's rows on the disk: sealed, and chained so that altering, removing or moving one is detected.

Row n carries link n = Vault.link(link n-1, seq, id, kind, at, digest); the digest is SHA-256 over the sealed payload
and the tags of the person and the unknown. Two kinds of removal keep the chain intact, and each leaves a proof that
only the owner of the key can make: a redacted row keeps its digest, and pruned rows leave an anchor.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edgeface.core import sqlite
from edgeface.core.clock import MAX_WALL
from edgeface.core.errors import VaultError
from edgeface.core.text import is_unknown_id
from edgeface.journal import anchors
from edgeface.security.content import ContentGuard
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from edgeface.security.vault import Vault

FILE = "journal.db"
"""Name of the file in the data folder."""

VERSION = 3
"""PRAGMA user_version of the file; 0.1 wrote 2, which has no digest of its content."""
_FIRST_VERSION = 2

GUARDED = b"guarded"
"""In the link of each row since there is a head: who takes out every digest cannot take it out of the chain."""
ABOUT = "journal.row"
"""The context that a payload is sealed for."""
ALTERED = '{"altered":true}'
"""Replaces a payload that the key does not open."""

SCHEMA = (
    """CREATE TABLE rows (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        at REAL NOT NULL,
        payload BLOB,
        person BLOB,
        unknown BLOB,
        said INTEGER NOT NULL DEFAULT 0,
        link BLOB NOT NULL,
        digest BLOB,
        proof BLOB
    )""",
    "CREATE INDEX unsaid ON rows (seq) WHERE said = 0",
    "CREATE INDEX people ON rows (person) WHERE person IS NOT NULL",
    "CREATE INDEX unknowns ON rows (unknown) WHERE unknown IS NOT NULL",
    anchors.SCHEMA,
    f"PRAGMA user_version = {VERSION}",
)

_INSERT = (
    "INSERT OR IGNORE INTO rows (seq, id, kind, at, payload, person, unknown, link) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_HEAD = "SELECT seq, link FROM {} ORDER BY seq DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class JournalRow:
    """An event, an action or a decision."""

    id: str
    kind: str
    """One of event_kinds.EVENT_KINDS."""
    at: float
    """Wall seconds."""
    payload: str
    """A JSON object in one line."""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row with its place and state in the journal."""

    seq: int
    row: JournalRow
    """Its payload is an empty object if it was redacted or cannot be opened."""
    published: bool
    """Whether the broker has acknowledged it, or it need not be published."""
    redacted: bool
    """The person or unknown it was about has been erased."""
    altered: bool
    """The key does not open the payload, so edgeface did not write it."""
    link: str
    """64 hex digits."""

    def to_json(self) -> str:
        """The row as one line of JSON, in the format of the export."""
        row = self.row
        payload = None if self.redacted or self.altered else json.loads(row.payload)
        whole = {"seq": self.seq, "id": row.id, "kind": row.kind, "at": row.at, "payload": payload, "link": self.link}
        return json.dumps({**whole, "altered": True} if self.altered else whole, ensure_ascii=False)


@contextmanager
def opened(path: Path) -> Iterator[tuple[sqlite3.Connection, Vault]]:
    """Open an existing journal with the vault of its folder.

    Raises VaultError as `open_vault` does, and GalleryError if the file is damaged or unusable; it stays in place.
    """
    vault = open_vault(path.parent)
    with sqlite.translated(path), closing(connect(path)) as connection:
        prepare(connection, vault, path.parent)
        yield connection, vault


def connect(path: Path) -> sqlite.GuardedConnection:
    """Connect to the file, created with mode 0600 if needed; raises sqlite3.Error or OSError."""
    # SQLite gives the -wal and -shm files the mode of the main file.
    sqlite.create(path)
    busy = sqlite.BUSY_MS / 1000
    connection = sqlite3.connect(
        path, timeout=busy, isolation_level=None, check_same_thread=False, factory=sqlite.GuardedConnection
    )
    # A tampered row must not prevent reading the others.
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    return connection


def prepare(connection: sqlite.GuardedConnection, vault: Vault, folder: Path) -> None:
    """Make the connection durable and guarded, and create the tables in an empty file.

    Raises a plain sqlite3.DatabaseError if the file is damaged, and OSError if it has another version than VERSION; it
    then stays untouched.
    """
    version = _version(connection)
    if version and not _FIRST_VERSION <= version <= VERSION:
        by = "newer edgeface" if version > VERSION else "version before 0.1"
        todo = f": {sqlite.NEWER}" if version > VERSION else ""
        raise OSError(f"it was written by a {by} (version {version}; this edgeface reads {VERSION}){todo}")
    for pragma in (*sqlite.PRAGMAS, "PRAGMA journal_size_limit = 1048576"):
        connection.execute(pragma).fetchall()
    fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if fault != "ok":
        raise sqlite3.DatabaseError(fault)
    if version == 0:
        _create(connection, vault)
    elif version < VERSION:
        _keep(connection, folder / FILE)
    head(connection)
    with sqlite.reading(connection):
        # Read again: another process may have upgraded the file meanwhile.
        version = _version(connection)
        stripped = version == _FIRST_VERSION and is_guarded(connection, vault)
    guard = ContentGuard.install(connection, folder, vault, "journal", old=version == _FIRST_VERSION and not stripped)
    if stripped:
        guard.raise_removed()
    if version == _FIRST_VERSION:
        connection.execute(f"PRAGMA user_version = {VERSION}")


def head(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """Seq and link of the last row, or of the anchor after it; raises a plain sqlite3.DatabaseError without both."""
    ends = [found for table in ("rows", "anchors") if (found := connection.execute(_HEAD.format(table)).fetchone())]
    if not ends:
        raise sqlite3.DatabaseError("its chain has no start")
    seq, link = max(ends, key=lambda end: int(end[0]))
    return int(seq), raw(link)


def append(connection: sqlite3.Connection, vault: Vault, rows: Iterable[JournalRow]) -> None:
    """Append unpublished rows to the chain, inside an IMMEDIATE transaction; a row with an existing id is left out."""
    seq, link = head(connection)
    for row in rows:
        sealed, tags = vault.seal(row.payload.encode(), ABOUT), _tags(vault, row.payload)
        facts = (seq + 1, row.id, row.kind, float(row.at))
        following = next_link(vault, link, facts, digest_of(sealed, *tags), GUARDED)
        values = (seq + 1, row.id, row.kind, float(row.at), sealed, *tags, following)
        if connection.execute(_INSERT, values).rowcount:
            seq, link = seq + 1, following


def select(
    connection: sqlite3.Connection,
    vault: Vault,
    *,
    after: int = 0,
    before: int | None = None,
    kinds: Sequence[str] = (),
    who: str | None = None,
    since: float | None = None,
    until: float | None = None,
    first: int | None = None,
    last: int | None = None,
    unpublished: bool = False,
) -> list[StoredRow]:
    """Rows in the order of writing with after < seq < before, of these kinds, about `who`, with since <= at < until.

    `unpublished` leaves out acknowledged rows. `first` limits the result to the oldest rows, otherwise `last` to the
    newest.
    """
    tag = None if who is None else vault.tag(who)
    marks = ", ".join("?" * len(kinds))
    conditions: list[tuple[str, tuple[Any, ...]]] = [("seq > ?", (after,))]
    conditions += [("said = 0", ())] if unpublished else []
    conditions += [("seq < ?", (before,))] if before is not None else []
    conditions += [(f"kind IN ({marks})", tuple(kinds))] if kinds else []
    conditions += [("(person = ? OR unknown = ?)", (tag, tag))] if tag is not None else []
    conditions += [("at >= ?", (since,))] if since is not None else []
    conditions += [("at < ?", (until,))] if until is not None else []
    where = " AND ".join(text for text, _ in conditions)
    newest = first is None and last is not None
    order = "DESC" if newest else "ASC"
    query = f"SELECT seq, id, kind, at, payload, said, link FROM rows WHERE {where} ORDER BY seq {order} LIMIT ?"  # noqa: S608 - no value is in it
    values = [value for _, given in conditions for value in given]
    most = next((limit for limit in (first, last) if limit is not None), -1)
    found = [_entry(vault, row) for row in connection.execute(query, [*values, most])]
    return found[::-1] if newest else found


def select_each(
    connection: sqlite3.Connection, vault: Vault, column: Literal["seq", "id"], values: Sequence[int | str]
) -> list[StoredRow]:
    """The rows with these numbers or ids, in the order of writing; those that are gone are left out."""
    query = f"SELECT seq, id, kind, at, payload, said, link FROM rows WHERE {column} IN ({{}})"  # noqa: S608 - no value is in it
    found = [_entry(vault, row) for row in sqlite.among(connection, query, values)]
    return sorted(found, key=lambda entry: entry.seq)


def facts_of(entry: StoredRow) -> dict[str, Any]:
    """The facts of a row; none if it was redacted or altered."""
    facts = json.loads(entry.row.payload)
    return facts if isinstance(facts, dict) else {}


def ids_of(connection: sqlite3.Connection, vault: Vault, who: Iterable[str]) -> list[str]:
    """These ids, and those of the unknowns that were enrolled as them or merged into them."""
    ids: dict[str, None] = {}
    waiting = list(who)
    columns = "seq, id, kind, at, payload, said, link"
    while waiting:
        ids |= dict.fromkeys(waiting)
        entries = [_entry(vault, row) for row in _about(connection, vault, columns, waiting, ("enrolled", "merged"))]
        named = (facts_of(one).get("merged" if one.row.kind == "merged" else "unknown") for one in entries)
        waiting = [one for one in named if isinstance(one, str) and is_unknown_id(one) and one not in ids]
    return list(ids)


def redact_rows(connection: sqlite3.Connection, vault: Vault, who: Iterable[str]) -> int:
    """Empty each row about these people and unknowns; returns the number of rows.

    A row keeps its kind, time, digest and link; it counts as published.
    """
    with sqlite.transaction(connection):
        emptied = [
            (digest_of(payload, *tags), redaction_proof(vault, raw(link), seq), seq)
            for seq, payload, *tags, link in _about(connection, vault, "seq, payload, person, unknown, link", who)
        ]
        query = "UPDATE rows SET payload = NULL, person = NULL, unknown = NULL, said = 1, digest = ?, proof = ?"
        connection.executemany(f"{query} WHERE seq = ?", emptied)
    return len(emptied)


def _about(
    connection: sqlite3.Connection, vault: Vault, columns: str, who: Iterable[str], kinds: Sequence[str] = ()
) -> list[tuple[Any, ...]]:
    """These columns, `seq` first, of the rows about people and unknowns, in the order of writing."""
    tags = {vault.tag(one) for one in who}
    some = f" AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
    queries = (f"SELECT {columns} FROM rows WHERE {one} IN ({{}}){some}" for one in ("person", "unknown"))  # noqa: S608 - no value is in it
    found = {row[0]: row for query in queries for row in sqlite.among(connection, query, tags, after=tuple(kinds))}
    return [found[seq] for seq in sorted(found)]


def next_link(vault: Vault, before: bytes, facts: Iterable[object], digest: bytes, *guarded: bytes) -> bytes:
    """The link that follows `before` for a row with these facts (seq, id, kind, at); `guarded` is GUARDED, or none."""
    return vault.link(before, *(raw(fact) for fact in facts), digest, *guarded)


def is_guarded(connection: sqlite3.Connection, vault: Vault) -> bool:
    """Whether the last row was written by an edgeface that keeps a digest and a head, whatever the file says now."""
    query = "SELECT seq, id, kind, at, payload, person, unknown, link, digest FROM rows ORDER BY seq DESC LIMIT 1"
    row = connection.execute(query).fetchone()
    if row is None:
        return False
    seq, *facts, payload, person, unknown, link, digest = row
    found = raw(digest) if payload is None else digest_of(payload, person, unknown)
    earlier = "SELECT link FROM rows WHERE seq = ?1 UNION ALL SELECT link FROM anchors WHERE seq = ?1"
    befores = connection.execute(earlier, (seq - 1,)).fetchall()
    return any(next_link(vault, raw(before), (seq, *facts), found, GUARDED) == link for (before,) in befores)


def digest_of(payload: object, person: object, unknown: object) -> bytes:
    """SHA-256 over what a redaction removes, with lengths."""
    parts = (raw(person), raw(unknown), raw(payload))
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()


def redaction_proof(vault: Vault, link: bytes, seq: int) -> bytes:
    """Proves that the owner of the key emptied the row."""
    return vault.link(link, b"redacted", raw(seq))


def raw(value: object) -> bytes:
    """The value of a column as bytes, whatever its type in a tampered file."""
    if isinstance(value, bytes):
        return value
    return b"" if value is None else str(value).encode("utf-8", "surrogatepass")


def _entry(vault: Vault, row: Sequence[Any]) -> StoredRow:
    seq, id_, kind, at, payload, said, link = row
    text, altered = "{}", False
    if payload is not None:
        try:
            text = vault.unseal(raw(payload), ABOUT).decode()
        except VaultError:
            altered = True
    if not (isinstance(at, float) and 0 <= at < MAX_WALL):
        at, altered = 0.0, True
    return StoredRow(
        seq, JournalRow(str(id_), str(kind), at, text), bool(said), payload is None, altered, raw(link).hex()
    )


def _tags(vault: Vault, payload: str) -> tuple[bytes | None, bytes | None]:
    """The tags of the person and of the unknown that a payload is about."""
    try:
        facts = json.loads(payload)
    except ValueError:
        return None, None
    facts = facts if isinstance(facts, dict) else {}
    who = facts.get("person") or facts.get("looks_like"), facts.get("unknown")
    person, unknown = (vault.tag(one) if isinstance(one, str) and one else None for one in who)
    return person, unknown


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _keep(connection: sqlite3.Connection, path: Path) -> None:
    """Copy the file before it is upgraded."""
    with sqlite.transaction(connection):
        # Read again under the lock: another process may have upgraded the file meanwhile.
        if _version(connection) < VERSION:
            sqlite.keep(path)


def _create(connection: sqlite3.Connection, vault: Vault) -> None:
    with sqlite.transaction(connection):
        # Read again under the lock: another process may have made the tables in the meantime.
        if _version(connection) == VERSION:
            return
        for statement in SCHEMA:
            connection.execute(statement)
        # A random start, so that rows of another journal under the same key do not fit.
        anchors.add(connection, vault, [(0, secrets.token_bytes(32))])
