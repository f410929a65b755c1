"""Makes the templates of a new model from the sealed crops of a site."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from edgeface.centre.models.known import known_models
from edgeface.centre.records import Entry
from edgeface.core.errors import ChangedError, GoneError
from edgeface.faces.embedder import open_embedder
from edgeface.gallery.snapshot import unit_mean
from edgeface.imaging.crops import inner, open_crop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgeface.centre.context import CentreContext
    from edgeface.centre.records import PersonRecord
    from edgeface.core.types import Embedding
    from edgeface.faces.embedder import Mobilefacenet

BATCH = 32
"""People whose crops are in memory at once, and whose changes are one transaction."""


class Lacking(NamedTuple):
    """Who has no template of a model."""

    people: tuple[PersonRecord, ...]
    """Those whose crops are kept."""
    without: tuple[PersonRecord, ...]
    """Those who have to come again."""


class Progress(NamedTuple):
    """How far a model is."""

    model: str
    done: int
    of: int


@dataclass(frozen=True, slots=True, eq=False)
class SiteEmbedding:
    """Embeds the people of one site; what is done stays done, so a run that was interrupted continues."""

    context: CentreContext
    site: str
    by: str
    """The account that does it."""

    def lacking(self, model: str) -> Lacking:
        """Who has no template of a model, by id."""
        store = self.context.store
        lacking, kept = store.crops.lacking(self.site, model), store.crops.consents(self.site)
        found = [one for one in store.people(self.site) if one.person in lacking]
        return Lacking(
            tuple(one for one in found if one.person in kept), tuple(one for one in found if one.person not in kept)
        )

    def run(self) -> Iterator[Progress]:
        """Make the templates of every model that the centre knows, and tell after each batch how far it is.

        Raises ModelError if a model cannot be used. Whoever is changed meanwhile is left for the next run.
        """
        for model, file in known_models(self.context.settings).items():
            people = iter(self.lacking(model).people)
            total, done = len(self.lacking(model).people), 0
            embedder = open_embedder(file) if total else None
            while embedder is not None and (batch := tuple(islice(people, BATCH))):
                done += self._embed(embedder, batch)
                yield Progress(model, done, total)

    def _embed(self, embedder: Mobilefacenet, batch: Sequence[PersonRecord]) -> int:
        images = self.context.store.crops.images(self.site, [one.person for one in batch])
        entries = [
            Entry.of(one, {embedder.name: mean_of(embedder, images[one.person])})
            for one in batch
            if one.person in images
        ]
        try:
            self.context.store.put_all(self.site, entries, self.by)
        except (ChangedError, GoneError):
            return sum(self._put(one) for one in entries)
        return len(entries)

    def _put(self, entry: Entry) -> int:
        try:
            self.context.store.put(self.site, entry, self.by)
        except (ChangedError, GoneError):
            return 0
        return 1


def mean_of(embedder: Mobilefacenet, crops: Sequence[bytes]) -> Embedding:
    """The mean template of crops; raises ModelError if the model gives none."""
    return unit_mean([embedder.embed(inner(open_crop(one))) for one in crops])
