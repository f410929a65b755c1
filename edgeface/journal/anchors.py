"""Anchors replace pruned rows in the journal's chain: which rows they were, and the link of the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from edgeface.security.vault import Vault

SCHEMA = """CREATE TABLE anchors (
    seq INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    link BLOB NOT NULL,
    proof BLOB NOT NULL
)"""


class Anchor(NamedTuple):
    """The rows from `first` to `seq` were removed; 0 is the start of the chain."""

    first: int
    seq: int
    link: bytes
    """The link of row `seq`."""


def read(connection: sqlite3.Connection, vault: Vault) -> list[Anchor]:
    """The anchors that the owner of the key made, in order."""
    rows = connection.execute("SELECT first, seq, link, proof FROM anchors ORDER BY seq").fetchall()
    kept = [(Anchor(*row[:3]), row[3]) for row in rows if isinstance(row[2], bytes)]
    return [anchor for anchor, proof in kept if proof == _proof(vault, anchor)]


def add(connection: sqlite3.Connection, vault: Vault, links: Iterable[tuple[int, bytes]]) -> None:
    """Add anchors for removed rows, given as seq and link; adjacent anchors are merged."""
    merged: list[Anchor] = []
    for anchor in sorted([*read(connection, vault), *(Anchor(seq, seq, link) for seq, link in links)]):
        if merged and merged[-1].seq + 1 == anchor.first:
            merged[-1] = Anchor(merged[-1].first, anchor.seq, anchor.link)
        else:
            merged.append(anchor)
    connection.execute("DELETE FROM anchors")
    values = [(anchor.first, anchor.seq, anchor.link, _proof(vault, anchor)) for anchor in merged]
    connection.executemany("INSERT INTO anchors (first, seq, link, proof) VALUES (?, ?, ?, ?)", values)


def _proof(vault: Vault, anchor: Anchor) -> bytes:
    return vault.link(anchor.link, b"anchor", str(anchor.first).encode(), str(anchor.seq).encode())
