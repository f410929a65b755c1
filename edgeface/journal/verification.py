"""Verifies that the journal is what edgeface wrote: every row, in order, none missing before the last one.

Rows cut off at the end do not break the chain; the head of the data folder (security/integrity.py) knows of them, as of
rows that were emptied or published and are put back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeface.journal import anchors
from edgeface.journal import rows as journal_rows

if TYPE_CHECKING:
    import sqlite3
    from typing import Any

    from edgeface.security.vault import Vault

    RawRow = tuple[Any, ...]

_ROWS = "SELECT seq, id, kind, at, payload, person, unknown, link, digest, proof FROM rows ORDER BY seq"


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The result of a verification."""

    rows: int
    """Number of valid rows, from the oldest."""
    redacted: int
    """Number of redacted rows among them."""
    head: str
    """The last valid link, 64 hex digits."""
    known: bool
    """Whether the given link is in the chain, or is the link of an anchor."""
    fault: str | None
    """The first fault in one line, or None."""


def is_link_start(text: str) -> bool:
    """Whether `text` can be the start of a link that was noted: 16 to 64 hex digits, in lower case."""
    return re.fullmatch(r"[0-9a-f]{16,64}", text) is not None


def verify(connection: sqlite3.Connection, vault: Vault, noted: str = "") -> ChainReport:
    """Follow the chain to its end or to the first fault; `noted` is the start of a link that must be in it."""
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


def _fault(vault: Vault, before: bytes, row: RawRow) -> str | None:
    """The fault of a row that follows the link `before`, or None."""
    seq, payload, link, digest, proof = row[0], row[4], row[7], row[8], row[9]
    if not _follows(vault, before, seq, row):
        return f"row {seq} is altered, or was not written by edgeface"
    if payload is None and journal_rows.raw(proof) != journal_rows.redaction_proof(vault, link, seq):
        return f"row {seq} was emptied, but not by edgeface"
    if payload is not None and (digest is not None or proof is not None):
        return f"row {seq} is altered: it has fields of an emptied row"
    return None


def _follows(vault: Vault, before: bytes, seq: int, row: RawRow) -> bool:
    """Whether the row belongs at `seq`, following `before`; rows of 0.1 have a link of their own kind."""
    digest = journal_rows.raw(row[8]) if row[4] is None else journal_rows.digest_of(*row[4:7])
    facts = (seq, *row[1:4])
    kinds: tuple[tuple[bytes, ...], ...] = ((journal_rows.GUARDED,), ())
    return any(journal_rows.next_link(vault, before, facts, digest, *kind) == row[7] for kind in kinds)


def _missing(connection: sqlite3.Connection, vault: Vault, seq: int, link: bytes, row: RawRow) -> str:
    if seq < 0:
        return f"rows before row {row[0]} are missing, but were not pruned by edgeface"
    return _moved(connection, vault, seq, link) or f"row {seq + 1} is missing"


def _moved(connection: sqlite3.Connection, vault: Vault, seq: int, link: bytes) -> str | None:
    """Where the row that belongs after `seq` is instead, if it exists."""
    for row in connection.execute(_ROWS):
        if row[0] != seq + 1 and _follows(vault, link, seq + 1, row):
            return f"rows are reordered: row {seq + 1} is now row {row[0]}"
    return None
