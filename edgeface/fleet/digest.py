"""The digest of a set of people: a change is a subtraction and an addition, and order does not matter."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MODULUS = 1 << 256


def entry(site: str, person: bytes, seq: int) -> int:
    """What one person adds to the digest."""
    text = site.encode()
    return int.from_bytes(
        hashlib.sha256(len(text).to_bytes(4, "big") + text + person + seq.to_bytes(8, "big")).digest(), "big"
    )


def changed(digest: int, *, added: Iterable[int] = (), removed: Iterable[int] = ()) -> int:
    """The digest after entries were added and removed."""
    return (digest + sum(added) - sum(removed)) % _MODULUS


def of(site: str, rows: Iterable[tuple[bytes, int]]) -> int:
    """The digest of people with their change numbers."""
    return changed(0, added=(entry(site, person, seq) for person, seq in rows))


def to_hex(digest: int) -> str:
    """As it is sent: 64 hexadecimal digits."""
    return f"{digest:064x}"
