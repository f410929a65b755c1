"""Sealed pictures of people and unknowns for the local page: one of each template, and the newest few."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.imaging.drawing import cut_out, jpeg
from edgeface.imaging.resize import scaled

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from edgeface.core.types import Box, Image
    from edgeface.gallery.rows import RowCodec

KEPT = 3
"""Pictures kept per person or unknown, besides those that templates were made from."""
HEIGHT = 240
"""Maximum pixels of the longer side; such a JPEG has about 10 kB."""


class Thumbnail(NamedTuple):
    """A picture of a face."""

    owner: str
    """Id of the person or unknown."""
    wall: float
    jpeg: bytes
    template: str = ""
    """Id of the template that was made from it."""


def thumbnail(image: Image, box: Box) -> bytes:
    """The face in an RGB image, with a margin, as a small JPEG."""
    face = cut_out(image, box)
    return jpeg(scaled(face, min(1.0, HEIGHT / max(face.shape[:2]))))


def preview(image: Image) -> bytes:
    """A whole RGB image as a small JPEG."""
    return jpeg(scaled(image, min(1.0, HEIGHT / max(image.shape[:2]))))


def put(db: sqlite3.Connection, codec: RowCodec, picture: Thumbnail) -> None:
    """Store a picture if its owner is in the gallery; of those without a template, only the newest KEPT are kept."""
    owner = codec.tag(picture.owner)
    known = "SELECT 1 FROM people WHERE tag = ?1 UNION ALL SELECT 1 FROM unknowns WHERE tag = ?1"
    if db.execute(known, (owner,)).fetchone() is None:
        return
    template = {"template": picture.template} if picture.template else {}
    head = codec.seal("picture head", owner, {"wall": picture.wall, **template})
    sealed = codec.seal("picture", owner, {}, picture.jpeg)
    db.execute("INSERT INTO pictures (owner, head, sealed) VALUES (?, ?, ?)", (owner, head, sealed))
    db.executemany("DELETE FROM pictures WHERE seq = ?", [(seq,) for seq in _surplus(db, codec, picture.owner)])


def _surplus(db: sqlite3.Connection, codec: RowCodec, who: str) -> Iterator[int]:
    """The numbers of the pictures that newer ones replace."""
    seen: Counter[str] = Counter()
    for seq, template in of_templates(db, codec, who):
        seen[template] += 1
        if seen[template] > (1 if template else KEPT):
            yield seq


def pictures(db: sqlite3.Connection, codec: RowCodec, who: str) -> list[tuple[float, bytes]]:
    """Wall seconds and JPEG of each picture of a person or an unknown, the newest first."""
    owner = codec.tag(who)
    rows = db.execute("SELECT head, sealed FROM pictures WHERE owner = ? ORDER BY seq DESC", (owner,)).fetchall()
    return [(_wall(codec, owner, head), codec.unseal("picture", owner, sealed)[1]) for head, sealed in rows]


def of_templates(db: sqlite3.Connection, codec: RowCodec, person: str) -> list[tuple[int, str]]:
    """The `seq` of each picture of a person, the newest first, and the id of its template; empty without one."""
    owner = codec.tag(person)
    rows = db.execute("SELECT seq, head FROM pictures WHERE owner = ? ORDER BY seq DESC", (owner,)).fetchall()
    return [(seq, str(_head(codec, owner, head).get("template", ""))) for seq, head in rows]


def hand_over(db: sqlite3.Connection, codec: RowCodec, unknown: str, person: str) -> None:
    """Move the pictures of an unknown to a person."""
    moved = pictures(db, codec, unknown)
    db.execute("DELETE FROM pictures WHERE owner = ?", (codec.tag(unknown),))
    for wall, data in reversed(moved):
        put(db, codec, Thumbnail(person, wall, data))


def older(db: sqlite3.Connection, codec: RowCodec, before: float) -> Iterable[int]:
    """The numbers of the pictures taken before these wall seconds."""
    rows = db.execute("SELECT seq, owner, head FROM pictures").fetchall()
    return [seq for seq, owner, head in rows if _wall(codec, owner, head) < before]


def _wall(codec: RowCodec, owner: bytes, head: bytes) -> float:
    return float(_head(codec, owner, head)["wall"])


def _head(codec: RowCodec, owner: bytes, head: bytes) -> dict[str, Any]:
    return codec.unseal("picture head", owner, head)[0]
