"""The journal's rows on the disk: sealed, and chained so that nobody alters, removes or moves one unseen.

Row n carries link n = Vault.link(link n-1, seq, id, kind, at, digest); the digest is SHA-256 over the sealed payload
and the tags of whom it is about. Two things may go without breaking the chain, and each leaves a proof that only the
key's owner can make: a redacted row keeps its digest, and rows that are pruned leave an anchor.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeface.core.errors import VaultError
from edgeface.core.sqlite import BUSY_MS, create, transaction, translated
from edgeface.journal import anchors, migration
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from edgeface.security.vault import Vault

VERSION = 2
"""PRAGMA user_version of the file."""

ABOUT = "journal.row"
"""What a payload is sealed as."""
ALTERED = '{"altered":true}'
"""Stands for a payload that the key does not open."""

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

_LATEST = 253_402_300_799.0
"""Wall seconds at the end of the year 9999, the last that a date can be made of."""
_INSERT = (
    "INSERT OR IGNORE INTO rows (seq, id, kind, at, payload, person, unknown, said, link)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_HEAD = "SELECT seq, link FROM {} ORDER BY seq DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class JournalRow:
    """Something that happened."""

    id: str
    kind: str
    """One of event_kinds.EVENT_KINDS."""
    at: float
    """Wall seconds."""
    payload: str
    """A JSON object in one line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row as it stands in the journal."""

    seq: int
    row: JournalRow
    """Its payload is an empty object when it was redacted or cannot be opened."""
    said: bool
    redacted: bool
    """Whom it was about has been forgotten."""
    altered: bool
    """The key does not open the payload: it is not what edgeface wrote."""
    link: str
    """64 hex digits."""


@contextmanager
def opened(path: Path, busy_ms: int = BUSY_MS) -> Iterator[tuple[sqlite3.Connection, Vault]]:
    """Open a journal that is there, by the vault of its folder.

    VaultError as `open_vault`; GalleryError when it cannot be read or written, or is damaged: it stays where it is.
    """
    vault = open_vault(path.parent)
    with translated(path), closing(connect(path, busy_ms)) as connection:
        prepare(connection, vault, path)
        yield connection, vault


def connect(path: Path, busy_ms: int = BUSY_MS) -> sqlite3.Connection:
    """Connect to the file, made with mode 0600 when it is not there; sqlite3.Error, OSError."""
    # SQLite gives the -wal and -shm files the mode of the main file.
    create(path)
    connection = sqlite3.connect(path, timeout=busy_ms / 1000, isolation_level=None, check_same_thread=False)
    # A row that somebody wrote into must not keep the others from being read.
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    return connection


def prepare(connection: sqlite3.Connection, vault: Vault, path: Path) -> None:
    """Make the connection durable, and bring the file to VERSION.

    Plain sqlite3.DatabaseError when it is damaged; OSError when it is from a newer edgeface, and it stays untouched.
    """
    version = _version(connection)
    if version > VERSION:
        raise OSError(f"it was written by a newer edgeface (version {version}, known is {VERSION})")
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: with NORMAL a power cut takes every commit since the last checkpoint (sqlite.org/pragma.html).
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA journal_size_limit = 1048576")
    fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if fault != "ok":
        raise sqlite3.DatabaseError(fault)
    if version < VERSION:
        _upgrade(connection, vault)
    migration.clean(connection, path)
    head(connection)


def head(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """Seq and link of the last row, or of the anchor where there is none; plain sqlite3.DatabaseError without both."""
    ends = [found for table in ("rows", "anchors") if (found := connection.execute(_HEAD.format(table)).fetchone())]
    if not ends:
        raise sqlite3.DatabaseError("its chain has no start")
    seq, link = max(ends, key=lambda end: int(end[0]))
    return int(seq), raw(link)


def append(connection: sqlite3.Connection, vault: Vault, rows: Iterable[JournalRow], *, said: bool = False) -> None:
    """Write the rows at the chain's end, inside a transaction of the caller's that is IMMEDIATE.

    A row whose id is there already changes nothing.
    """
    seq, link = head(connection)
    for row in rows:
        sealed, tags = vault.seal(row.payload.encode(), ABOUT), _tags(vault, row.payload)
        following = next_link(vault, link, (seq + 1, row.id, row.kind, float(row.at)), digest_of(sealed, *tags))
        values = (seq + 1, row.id, row.kind, float(row.at), sealed, *tags, said, following)
        if connection.execute(_INSERT, values).rowcount:
            seq, link = seq + 1, following


def entries(
    connection: sqlite3.Connection,
    vault: Vault,
    *,
    after: int = 0,
    before: int | None = None,
    kinds: Sequence[str] = (),
    who: str | None = None,
    since: float | None = None,
    first: int | None = None,
    last: int | None = None,
    unsaid: bool = False,
) -> list[Entry]:
    """Rows in the order in which they were written: those with after < seq < before, of these kinds, about `who`.

    `since` is in wall seconds; `unsaid` leaves out what was acknowledged. Of all those `first` gives the oldest so
    many, or else `last` the newest.
    """
    tag = None if who is None else vault.tag(who)
    marks = ", ".join("?" * len(kinds))
    conditions: list[tuple[str, tuple[Any, ...]]] = [("seq > ?", (after,))]
    conditions += [("said = 0", ())] if unsaid else []
    conditions += [("seq < ?", (before,))] if before is not None else []
    conditions += [(f"kind IN ({marks})", tuple(kinds))] if kinds else []
    conditions += [("(person = ? OR unknown = ?)", (tag, tag))] if tag is not None else []
    conditions += [("at >= ?", (since,))] if since is not None else []
    where = " AND ".join(text for text, _ in conditions)
    newest = first is None and last is not None
    order = "DESC" if newest else "ASC"
    query = f"SELECT seq, id, kind, at, payload, said, link FROM rows WHERE {where} ORDER BY seq {order} LIMIT ?"  # noqa: S608 - no value is in it
    values = [value for _, given in conditions for value in given]
    most = next((limit for limit in (first, last) if limit is not None), -1)
    found = [_entry(vault, row) for row in connection.execute(query, [*values, most])]
    return found[::-1] if newest else found


def redact_rows(connection: sqlite3.Connection, vault: Vault, who: str) -> int:
    """Take the payload out of each row about `who`, a person or an unknown; gives their number.

    The row keeps its kind and time, its digest and its link; it counts as said.
    """
    tag = vault.tag(who)
    with transaction(connection):
        query = "SELECT seq, payload, person, unknown, link FROM rows WHERE person = ? OR unknown = ?"
        found = connection.execute(query, (tag, tag)).fetchall()
        emptied = [
            (digest_of(payload, *tags), redaction_proof(vault, raw(link), seq), seq)
            for seq, payload, *tags, link in found
        ]
        connection.executemany(
            "UPDATE rows SET payload = NULL, person = NULL, unknown = NULL, said = 1, digest = ?, proof = ?"
            " WHERE seq = ?",
            emptied,
        )
    return len(emptied)


def next_link(vault: Vault, before: bytes, facts: Iterable[object], digest: bytes) -> bytes:
    """The link of the row with these facts (seq, id, kind, at) after the link `before`."""
    return vault.link(before, *(raw(fact) for fact in facts), digest)


def digest_of(payload: object, person: object, unknown: object) -> bytes:
    """SHA-256 over what a redaction takes away, with lengths."""
    parts = (raw(person), raw(unknown), raw(payload))
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()


def redaction_proof(vault: Vault, link: bytes, seq: int) -> bytes:
    """Shows that it was the key's owner who emptied the row."""
    return vault.link(link, b"redacted", raw(seq))


def raw(value: object) -> bytes:
    """A column's value as bytes, of whatever type somebody made it."""
    if isinstance(value, bytes):
        return value
    return b"" if value is None else str(value).encode("utf-8", "surrogatepass")


def _entry(vault: Vault, row: Sequence[Any]) -> Entry:
    seq, id_, kind, at, payload, said, link = row
    text, altered = "{}", False
    if payload is not None:
        try:
            text = vault.unseal(raw(payload), ABOUT).decode()
        except VaultError:
            altered = True
    if not (isinstance(at, float) and 0 <= at < _LATEST):
        at, altered = 0.0, True
    return Entry(seq, JournalRow(str(id_), str(kind), at, text), bool(said), payload is None, altered, raw(link).hex())


def _tags(vault: Vault, payload: str) -> tuple[bytes | None, bytes | None]:
    """The tags of the person and of the unknown that a payload is about."""
    try:
        facts = json.loads(payload)
    except ValueError:
        return None, None
    who = (facts.get("person"), facts.get("unknown")) if isinstance(facts, dict) else (None, None)
    person, unknown = (vault.tag(one) if isinstance(one, str) and one else None for one in who)
    return person, unknown


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _upgrade(connection: sqlite3.Connection, vault: Vault) -> None:
    with transaction(connection):
        # Read again under the lock: another process may have done the work meanwhile.
        version = _version(connection)
        if version == VERSION:
            return
        if version == 1:
            migration.move_away(connection)
        for statement in SCHEMA:
            connection.execute(statement)
        # A start of its own, so that rows of another journal under the same key do not fit.
        anchors.add(connection, vault, [(0, secrets.token_bytes(32))])
        if version == 1:
            for said, rows in migration.runs(connection):
                append(connection, vault, (JournalRow(*row) for row in rows), said=said)
            migration.drop(connection)
