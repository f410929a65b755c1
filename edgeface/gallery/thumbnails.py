"""Pictures of people and unknowns, sealed, to be looked at on the machine: a few of the newest of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.imaging.drawing import cut_out, jpeg

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from edgeface.core.types import Box, Image
    from edgeface.gallery.rows import Records

KEPT = 3
"""Pictures of each."""
HEIGHT = 240
"""Pixels of a picture's longer side, at most; such a JPEG has about 10 kB."""


class Thumbnail(NamedTuple):
    """A picture of somebody's face."""

    owner: str
    """Id of the person or unknown."""
    wall: float
    jpeg: bytes


def thumbnail(image: Image, box: Box) -> bytes:
    """The face of an RGB picture with some of its surroundings, as a small JPEG."""
    from edgeface.imaging.opencv import cv2

    face = cut_out(image, box)
    scale = HEIGHT / max(face.shape[:2])
    if scale < 1:
        size = (max(1, round(face.shape[1] * scale)), max(1, round(face.shape[0] * scale)))
        face = np.asarray(cv2.resize(face, size, interpolation=cv2.INTER_AREA), np.uint8)
    return jpeg(face)


def put(db: sqlite3.Connection, records: Records, picture: Thumbnail) -> None:
    """Keep a picture of somebody who is in the gallery, and the newest KEPT of theirs; of others none."""
    owner = records.tag(picture.owner)
    known = "SELECT 1 FROM people WHERE tag = ?1 UNION ALL SELECT 1 FROM unknowns WHERE tag = ?1"
    if db.execute(known, (owner,)).fetchone() is None:
        return
    head = records.seal("picture head", owner, {"wall": picture.wall})
    sealed = records.seal("picture", owner, {}, picture.jpeg)
    db.execute("INSERT INTO pictures (owner, head, sealed) VALUES (?, ?, ?)", (owner, head, sealed))
    rest = "SELECT seq FROM pictures WHERE owner = ?1 ORDER BY seq DESC LIMIT -1 OFFSET ?2"
    db.execute(f"DELETE FROM pictures WHERE seq IN ({rest})", (owner, KEPT))  # noqa: S608 - it stands above


def pictures(db: sqlite3.Connection, records: Records, who: str) -> list[tuple[float, bytes]]:
    """Wall seconds and JPEG of each picture of a person or an unknown, the newest first."""
    owner = records.tag(who)
    rows = db.execute("SELECT head, sealed FROM pictures WHERE owner = ? ORDER BY seq DESC", (owner,)).fetchall()
    return [(_wall(records, owner, head), records.blob("picture", owner, sealed)) for head, sealed in rows]


def hand_over(db: sqlite3.Connection, records: Records, unknown: str, person: str) -> None:
    """Make the pictures of an unknown a person's."""
    moved = pictures(db, records, unknown)
    db.execute("DELETE FROM pictures WHERE owner = ?", (records.tag(unknown),))
    for wall, data in reversed(moved):
        put(db, records, Thumbnail(person, wall, data))


def older(db: sqlite3.Connection, records: Records, before: float) -> Iterable[int]:
    """Give the numbers of the pictures that were taken before these wall seconds."""
    rows = db.execute("SELECT seq, owner, head FROM pictures").fetchall()
    return [seq for seq, owner, head in rows if _wall(records, owner, head) < before]


def _wall(records: Records, owner: bytes, head: bytes) -> float:
    return float(records.unseal("picture head", owner, head)[0]["wall"])
