"""Whether the journal is what edgeface wrote: each row, in its order, none missing before the last one.

That rows were cut off at the end can be seen only by who has noted a later link elsewhere: the state topic carries one.
What is not in the chain is whether a row was said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeface.journal import anchors
from edgeface.journal import rows as journal_rows

if TYPE_CHECKING:
    import sqlite3
    from typing import Any

    from edgeface.security.vault import Vault


if TYPE_CHECKING:
    Line = tuple[Any, ...]

_ROWS = "SELECT seq, id, kind, at, payload, person, unknown, link, digest, proof FROM rows ORDER BY seq"


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What became of the chain."""

    rows: int
    """Rows that hold, from the oldest."""
    redacted: int
    """Of those."""
    head: str
    """The last link that holds, 64 hex digits."""
    known: bool
    """Whether the link that was asked about is one of the chain, or of the rows up to which it was pruned."""
    fault: str | None
    """The first row that does not hold, in one line; None when all is well."""


def verify(connection: sqlite3.Connection, vault: Vault, noted: str = "") -> ChainReport:
    """Follow the chain to its end, or to the first fault; `noted` are the first hex digits of a link that it had."""
    connection.execute("BEGIN")
    try:
        return _follow(connection, vault, noted)
    finally:
        connection.execute("COMMIT")


def _follow(connection: sqlite3.Connection, vault: Vault, noted: str) -> ChainReport:
    seq, link = -1, b""
    rows = redacted = 0
    gaps = {(anchor.first, anchor.seq): anchor.link for anchor in anchors.read(connection, vault)}
    known = any(link.hex().startswith(noted) for link in gaps.values())
    for row in connection.execute(_ROWS):
        if row[0] != seq + 1:
            before = gaps.get((seq + 1, row[0] - 1))
            if before is None:
                return ChainReport(rows, redacted, link.hex(), known, _missing(connection, vault, seq, link, row))
            seq, link = row[0] - 1, before
        fault = _fault(vault, link, row)
        if fault is not None:
            return ChainReport(rows, redacted, link.hex(), known, _moved(connection, vault, seq, link) or fault)
        seq, link = row[0], row[7]
        rows, redacted = rows + 1, redacted + (row[4] is None)
        known = known or link.hex().startswith(noted)
    return ChainReport(rows, redacted, (link if rows else journal_rows.head(connection)[1]).hex(), known, None)


def _fault(vault: Vault, before: bytes, row: Line) -> str | None:
    """What is wrong with one row that stands after the link `before`."""
    seq, payload, link, digest, proof = row[0], row[4], row[7], row[8], row[9]
    if _link(vault, before, seq, row) != link:
        return f"row {seq} is altered, or was not written by edgeface"
    if payload is None and journal_rows.raw(proof) != journal_rows.redaction_proof(vault, link, seq):
        return f"row {seq} was emptied, and not by edgeface"
    if payload is not None and (digest is not None or proof is not None):
        return f"row {seq} is altered: it has what only an emptied row has"
    return None


def _link(vault: Vault, before: bytes, seq: int, row: Line) -> bytes:
    """The link that the row would have at `seq`, after `before`."""
    digest = journal_rows.raw(row[8]) if row[4] is None else journal_rows.digest_of(*row[4:7])
    return journal_rows.next_link(vault, before, (seq, *row[1:4]), digest)


def _missing(connection: sqlite3.Connection, vault: Vault, seq: int, link: bytes, row: Line) -> str:
    if seq < 0:
        return f"rows before row {row[0]} are missing, and were not pruned by edgeface"
    return _moved(connection, vault, seq, link) or f"row {seq + 1} is missing"


def _moved(connection: sqlite3.Connection, vault: Vault, seq: int, link: bytes) -> str | None:
    """Where the row that belongs after `seq` stands instead, if it is anywhere."""
    for row in connection.execute(_ROWS):
        if row[0] != seq + 1 and _link(vault, link, seq + 1, row) == row[7]:
            return f"rows are reordered: row {seq + 1} now stands as row {row[0]}"
    return None
