"""Sealed rows of unknowns: what was seen of each, and the pairs of ids that are probably one person."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.core import sqlite
from edgeface.core.errors import GalleryError
from edgeface.core.text import printable
from edgeface.gallery import corrections, thumbnails
from edgeface.gallery.file import GENERATION, GalleryFile
from edgeface.gallery.rows import Change, RetiredIds
from edgeface.gallery.unknowns import PROPOSED, Alike, joined

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from edgeface.gallery.unknowns import Unknown


class UnknownNews(NamedTuple):
    """What others have changed since a generation."""

    generation: int
    tags: frozenset[bytes]
    """Of everyone who is stored."""
    changed: tuple[Unknown, ...]


class UnknownsFile(GalleryFile):
    """The part of Gallery about unknowns."""

    def unknowns(self) -> list[Unknown]:
        """Read the stored unknowns of the gallery's model, the most recently seen first."""
        with sqlite.translated(self.path):
            found = self._db.execute("SELECT tag, sealed FROM unknowns WHERE model = ?", (self.model,)).fetchall()
        unknowns = [self._codec.unknown(tag, self.model, sealed) for tag, sealed in found]
        return sorted(unknowns, key=lambda unknown: (-unknown.last, unknown.id))

    def each_unknown(self) -> Iterator[tuple[bytes, Unknown]]:
        """Tag and content of each stored unknown of the gallery's model, one at a time: all need 50 MB."""
        with sqlite.translated(self.path), closing(self._db.cursor()) as cursor:
            for tag, sealed in cursor.execute("SELECT tag, sealed FROM unknowns WHERE model = ?", (self.model,)):
                yield tag, self._codec.unknown(tag, self.model, sealed)

    def find_unknown(self, unknown: str) -> Unknown | None:
        """One unknown of the gallery's model; None if the id is not stored."""
        with sqlite.translated(self.path):
            return self._stored(self.tag(unknown))

    def unknown(self, unknown: str) -> Unknown:
        """One unknown; raises GalleryError for an id that is not stored."""
        found = self.find_unknown(unknown)
        if found is None:
            raise no_unknown(unknown)
        return found

    def unknown_news(self, since: int) -> UnknownNews:
        """Read who is stored, and the unknowns that were merged since this generation; a few milliseconds for 10,000.

        `store_unknowns` makes no news.
        """
        with sqlite.translated(self.path), sqlite.reading(self._db):
            generation = self._number(GENERATION)
            tags = self._db.execute("SELECT tag FROM unknowns WHERE model = ?", (self.model,)).fetchall()
            query = "SELECT tag FROM unknowns WHERE model = ? AND generation > ?"
            changed = [self._stored(tag) for (tag,) in self._db.execute(query, (self.model, since)).fetchall()]
        return UnknownNews(generation, frozenset(tag for (tag,) in tags), tuple(one for one in changed if one))

    def retired_ids(self) -> Container[str]:
        """Ids of unknowns that were enrolled, merged or deleted and must not be assigned again."""
        with sqlite.translated(self.path):
            tags = frozenset(row[0] for row in self._db.execute("SELECT tag FROM gone"))
        return RetiredIds(self._codec, tags)

    @property
    def gone(self) -> frozenset[bytes]:
        """The tags that stay of the people and unknowns who were erased or, of unknowns, enrolled or merged."""
        with sqlite.translated(self.path):
            return frozenset(tag for (tag,) in self._db.execute("SELECT tag FROM gone"))

    def is_gone(self, who: str, gone: frozenset[bytes]) -> bool:
        """Whether one of these tags is the one of a person or an unknown."""
        return self._codec.gone_tag(who) in gone

    def retire(self, gone: Iterable[bytes]) -> None:
        """Keep the tags of who is gone."""
        with self.transaction(visible=False):
            self._db.executemany("INSERT OR IGNORE INTO gone VALUES (?)", [(tag,) for tag in gone])

    def all_unknown_ids(self) -> list[str]:
        """The ids of the unknowns of every model."""
        with sqlite.translated(self.path):
            found = self._db.execute("SELECT tag, model, sealed FROM unknowns").fetchall()
        return [self._codec.unknown(*row).id for row in found]

    def store_unknowns(self, seen: Iterable[Unknown], expired: Iterable[str] = (), alike: Iterable[Alike] = ()) -> None:
        """Store what Unknowns.take_changes gave; an id that was retired in the meantime is left out."""
        with self.transaction(visible=False):
            for unknown in seen:
                before = self._stored(self.tag(unknown.id))
                self._put_unknown(unknown if before is None else joined(before, unknown))
            self._db.executemany("DELETE FROM unknowns WHERE tag = ?", [(self.tag(i),) for i in expired])
            for pair in alike:
                self._propose(pair)

    def merge_unknowns(self, one: str, other: str, wall: float) -> Change:
        """Make two ids of one person the one that was seen first, with all visits, pictures and probes.

        The other id is retired. Raises GalleryError if an id is not stored, or both are the same.
        """
        if one == other:
            raise GalleryError(f"{printable(one)}: an unknown cannot be merged with itself")
        with self.transaction():
            kept, merged = sorted((self.unknown(one), self.unknown(other)), key=lambda each: (each.first, each.id))
            thumbnails.hand_over(self._db, self._codec, merged.id, kept.id)
            corrections.rename_unknown(self._db, self._codec, merged.id, kept.id)
            self._drop_unknowns([merged.id])
            whole = joined(kept, merged)
            self._put_unknown(replace(whole, merged=(*whole.merged, merged.id)))
            query = "UPDATE unknowns SET generation = (SELECT generation + 1 FROM state) WHERE tag = ?"
            self._db.execute(query, (self.tag(kept.id),))
        return Change("merged", kept.id, wall, merged=merged.id)

    def alike_unknowns(self) -> list[Alike]:
        """The pairs of ids that are probably one person, the most alike first; at most PROPOSED."""
        with sqlite.translated(self.path):
            pairs = self._pairs()
        proposed = [(*facts["ids"], facts["score"]) for _, facts in pairs if not facts["apart"]]
        return [Alike(one, other, score) for one, other, score in proposed[:PROPOSED]]

    def keep_apart(self, one: str, other: str) -> None:
        """Record that two ids are two people: they are not proposed again. Raises GalleryError as for a merge."""
        if one == other:
            raise GalleryError(f"{printable(one)}: both ids are the same")
        with self.transaction(visible=False):
            self._put_pair(Alike(one, other, float(self.unknown(one).mean @ self.unknown(other).mean)), apart=True)

    def _stored(self, tag: bytes) -> Unknown | None:
        query = "SELECT sealed FROM unknowns WHERE tag = ? AND model = ?"
        row = self._db.execute(query, (tag, self.model)).fetchone()
        return None if row is None else self._codec.unknown(tag, self.model, row[0])

    def _put_unknown(self, unknown: Unknown) -> None:
        """Insert or update an unknown, unless its id is retired."""
        self._db.execute(
            "INSERT INTO unknowns (tag, model, sealed) SELECT ?, ?, ? WHERE ? NOT IN (SELECT tag FROM gone)"
            " ON CONFLICT (tag) DO UPDATE SET model = excluded.model, sealed = excluded.sealed",
            (
                self.tag(unknown.id), self.model, self._codec.seal_unknown(unknown, self.model),
                self._codec.gone_tag(unknown.id),
            ),
        )  # fmt: skip

    def _drop_unknowns(self, ids: Iterable[str]) -> None:
        for unknown in ids:
            self._db.execute("DELETE FROM unknowns WHERE tag = ?", (self.tag(unknown),))
            self._db.execute("INSERT OR IGNORE INTO gone VALUES (?)", (self._codec.gone_tag(unknown),))

    def _propose(self, pair: Alike) -> None:
        """Store a pair whose ids both exist, unless it was marked as two people; only the PROPOSED most alike stay."""
        keys = self._keys(pair)
        row = self._db.execute("SELECT sealed FROM alike WHERE one = ? AND other = ?", keys).fetchone()
        known = [key for key in keys if self._stored(key) is not None]
        if len(known) < len(keys) or (row is not None and self._pair(keys, row[0])["apart"]):
            return
        self._put_pair(pair, apart=False)
        proposed = [kept for kept, facts in self._pairs() if not facts["apart"]]
        self._db.executemany("DELETE FROM alike WHERE one = ? AND other = ?", proposed[PROPOSED:])

    def _put_pair(self, pair: Alike, *, apart: bool) -> None:
        one, other = self._keys(pair)
        facts = {"ids": sorted((pair.one, pair.other)), "score": pair.score, "apart": apart}
        sealed = self._codec.seal("alike", one + other, facts)
        self._db.execute("INSERT OR REPLACE INTO alike VALUES (?, ?, ?)", (one, other, sealed))

    def _pairs(self) -> list[tuple[tuple[bytes, bytes], dict[str, Any]]]:
        """Every pair, the most alike first."""
        rows = self._db.execute("SELECT one, other, sealed FROM alike").fetchall()
        pairs = [((one, other), self._pair((one, other), sealed)) for one, other, sealed in rows]
        return sorted(pairs, key=lambda pair: (-pair[1]["score"], pair[1]["ids"]))

    def _pair(self, keys: tuple[bytes, bytes], sealed: bytes) -> dict[str, Any]:
        return self._codec.unseal("alike", b"".join(keys), sealed)[0]

    def _keys(self, pair: Alike) -> tuple[bytes, bytes]:
        one, other = sorted((self.tag(pair.one), self.tag(pair.other)))
        return one, other


def no_unknown(unknown: str) -> GalleryError:
    """What is raised for an id that is not stored."""
    return GalleryError(f"{printable(unknown)}: no such unknown (edgeface people --unknown lists them)")
