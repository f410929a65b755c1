"""Sealed rows of corrections: the probe of each announced visit, and the negative templates of people."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.core import sqlite
from edgeface.core.errors import GalleryError
from edgeface.core.text import printable
from edgeface.core.types import Probe
from edgeface.gallery.file import GalleryFile, no_one
from edgeface.gallery.negatives import Negative
from edgeface.gallery.rows import Change
from edgeface.gallery.snapshot import from_blob, to_blob

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Container, Iterable

    from edgeface.core.types import Embedding
    from edgeface.gallery.rows import RowCodec

CAPACITY = 10_000
"""Probes kept, the newest; they take about 12 MB."""


class CorrectionsFile(GalleryFile):
    """The part of Gallery about corrections."""

    def probe(self, event: str) -> Probe | None:
        """The probe of an event; None if none is kept."""
        with sqlite.translated(self.path):
            return find_probe(self._db, self._codec, self.model, event)

    def store_probes(self, probes: Iterable[Probe]) -> None:
        """Store the probes of announced visits; only the newest are kept."""
        with self.transaction(visible=False):
            put_probes(self._db, self._codec, self.model, probes)

    def negatives(self, *people: str) -> list[Negative]:
        """The negative templates of people, of the model, oldest first."""
        with sqlite.translated(self.path):
            found = find_negatives(self._db, self._codec, self.model, set(map(self.tag, people)))
        return [negative for _, _, negative in found]

    def deny(self, person: str, negative: Negative) -> Change:
        """Give a person a negative template."""
        with self.transaction():
            if not self.knows(person):
                raise no_one(person)
            put_negative(self._db, self._codec, self.model, self.tag(person), negative)
        return Change("corrected", person, negative.wall, event=negative.event)

    def remove_negative(self, person: str, event: str, wall: float) -> Change:
        """Remove one negative template; raises GalleryError if the person has none from this event."""
        with self.transaction():
            own = find_negatives(self._db, self._codec, self.model, [self.tag(person)])
            found = [("negatives", seq) for seq, _, negative in own if negative.event == event]
            if not found:
                raise GalleryError(f"{printable(person)}: no negative template from the event {printable(event)}")
            remove(self._db, found)
        return Change("restored", person, wall, event=event)


class Trace(NamedTuple):
    """A row that holds the face of someone who is to be forgotten."""

    table: str
    seq: int
    tag: bytes | None
    """By which the row is found, where that is its own."""
    embedding: Embedding


def put_probes(db: sqlite3.Connection, codec: RowCodec, model: str, probes: Iterable[Probe]) -> None:
    """Store probes, and keep only the newest CAPACITY; one of a person or an unknown who is gone is left out."""
    for probe in probes:
        if _gone(db, codec, probe):
            continue
        tag = _event_tag(codec, probe.event)
        values = (tag, model, _sealed(codec, model, probe))
        db.execute("INSERT OR REPLACE INTO probes (event, model, sealed) VALUES (?, ?, ?)", values)
    rest = "SELECT seq FROM probes ORDER BY seq DESC LIMIT -1 OFFSET ?"
    db.execute(f"DELETE FROM probes WHERE seq IN ({rest})", (CAPACITY,))  # noqa: S608 - `rest` is the constant above


def find_probe(db: sqlite3.Connection, codec: RowCodec, model: str, event: str) -> Probe | None:
    """The probe of an event; None if none of this model is kept."""
    tag = _event_tag(codec, event)
    row = db.execute("SELECT sealed FROM probes WHERE event = ? AND model = ?", (tag, model)).fetchone()
    return None if row is None else _probe(codec, tag, model, row[0])


def rename_unknown(db: sqlite3.Connection, codec: RowCodec, before: str, after: str) -> None:
    """Make the probes of one unknown those of another."""
    for tag, model, sealed in db.execute("SELECT event, model, sealed FROM probes").fetchall():
        probe = _probe(codec, tag, model, sealed)
        if probe.unknown == before:
            renamed = _sealed(codec, model, replace(probe, unknown=after))
            db.execute("UPDATE probes SET sealed = ? WHERE event = ?", (renamed, tag))


def put_negative(db: sqlite3.Connection, codec: RowCodec, model: str, owner: bytes, negative: Negative) -> None:
    """Store a negative template of the person with the tag `owner`."""
    facts = {"event": negative.event, "camera": negative.camera, "wall": negative.wall}
    sealed = codec.seal(f"negative {model}", owner, facts, to_blob(negative.embedding))
    db.execute("INSERT INTO negatives (person, model, sealed) VALUES (?, ?, ?)", (owner, model, sealed))


def find_negatives(
    db: sqlite3.Connection, codec: RowCodec, model: str, owners: Collection[bytes] | None = None
) -> list[tuple[int, bytes, Negative]]:
    """Number, owner's tag and content of the negative templates of some people, or of everyone; oldest first."""
    query = "SELECT seq, person, sealed FROM negatives WHERE model = ?"
    some = f"{query} AND person IN ({{}})"
    found = db.execute(query, (model,)) if owners is None else sqlite.among(db, some, owners, model)
    return [(seq, tag, _negative(codec, tag, model, row)) for seq, tag, row in sorted(found)]


def hand_over(db: sqlite3.Connection, codec: RowCodec, owner: bytes, other: bytes) -> None:
    """Give the negative templates of one person to another."""
    for seq, model, sealed in db.execute(
        "SELECT seq, model, sealed FROM negatives WHERE person = ?", (owner,)
    ).fetchall():
        put_negative(db, codec, model, other, _negative(codec, owner, model, sealed))
        db.execute("DELETE FROM negatives WHERE seq = ?", (seq,))


def traces(
    db: sqlite3.Connection, codec: RowCodec, model: str, who: Container[str], faces: Iterable[Embedding], least: float,
    *, negatives: bool = True,
) -> list[Trace]:  # fmt: skip
    """The probes announced as one of `who`, and all rows whose cosine to one of the faces is `least` or more.

    The faces were made by `model`, and are used only if there is anything to compare. Without `negatives`, only probes.
    """
    probes = db.execute("SELECT seq, event, model, sealed FROM probes").fetchall()
    denials = list(find_negatives(db, codec, model)) if negatives else []
    given = [*faces] if probes or denials else []
    rows = np.stack(given) if given else None

    def shows(embedding: Embedding, made_by: str) -> bool:
        return rows is not None and made_by == model and float((rows @ embedding).max()) >= least

    found = []
    for seq, tag, made_by, sealed in probes:
        kept = _probe(codec, tag, made_by, sealed)
        if kept.person in who or kept.unknown in who or shows(kept.embedding, made_by):
            found.append(Trace("probes", seq, tag, kept.embedding))
    for seq, _, negative in denials:
        if shows(negative.embedding, model):
            found.append(Trace("negatives", seq, None, negative.embedding))
    return found


def older(db: sqlite3.Connection, codec: RowCodec, probes: float, negatives: float) -> list[tuple[str, int]]:
    """Table and number of the probes and the negative templates from before these wall seconds."""
    found = db.execute("SELECT seq, event, model, sealed FROM probes").fetchall()
    denied = db.execute("SELECT seq, person, model, sealed FROM negatives").fetchall()
    return [
        *(("probes", seq) for seq, *row in found if _probe(codec, *row).wall < probes),
        *(("negatives", seq) for seq, *row in denied if _negative(codec, *row).wall < negatives),
    ]


def remove(db: sqlite3.Connection, rows: Iterable[tuple[str, int]]) -> None:
    """Remove rows by table and number."""
    for table, seq in rows:
        db.execute(f"DELETE FROM {table} WHERE seq = ?", (seq,))  # noqa: S608 - one of the two tables above


def _gone(db: sqlite3.Connection, codec: RowCodec, probe: Probe) -> bool:
    """Whether the person or the unknown was erased after the visit."""
    if probe.person is not None:
        return db.execute("SELECT 1 FROM people WHERE tag = ?", (codec.tag(probe.person),)).fetchone() is None
    tag = None if probe.unknown is None else codec.gone_tag(probe.unknown)
    return db.execute("SELECT 1 FROM gone WHERE tag = ?", (tag,)).fetchone() is not None


def _event_tag(codec: RowCodec, event: str) -> bytes:
    return codec.tag(f"event {event}")


def _sealed(codec: RowCodec, model: str, probe: Probe) -> bytes:
    facts = {"event": probe.event, "camera": probe.camera, "wall": probe.wall, "person": probe.person,
             "unknown": probe.unknown, "covered": probe.covered}  # fmt: skip
    return codec.seal(f"probe {model}", _event_tag(codec, probe.event), facts, to_blob(probe.embedding))


def _probe(codec: RowCodec, tag: bytes, model: str, sealed: bytes) -> Probe:
    facts, blob = codec.unseal(f"probe {model}", tag, sealed)
    return Probe(**facts, embedding=from_blob(blob))


def _negative(codec: RowCodec, owner: bytes, model: str, sealed: bytes) -> Negative:
    facts, blob = codec.unseal(f"negative {model}", owner, sealed)
    return Negative(**facts, embedding=from_blob(blob))
