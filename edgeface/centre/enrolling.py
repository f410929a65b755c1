"""Enrolls people at the centre, from photos or templates: the product's own chain, and one mean for each model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from edgeface.centre.models.embedding import mean_of
from edgeface.centre.models.known import known_models
from edgeface.centre.records import Entry
from edgeface.centre.tables.faces import require_no_objection
from edgeface.core.errors import GalleryError, UnknownError
from edgeface.core.text import check_new_id, cleaned, display_name, given_name, new_id, printable
from edgeface.faces.embedder import align, embedder_name, open_embedder
from edgeface.gallery.agreement import objection
from edgeface.gallery.snapshot import NEVER, day, unit_mean
from edgeface.imaging.crops import MARGIN, make_crop
from edgeface.people.enrollment import DoubtError, KnownFaces, from_photos, require_usable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from edgeface.centre.context import CentreContext
    from edgeface.centre.records import Insistence, PersonRecord
    from edgeface.core.types import Embedding
    from edgeface.faces.photo_face import Found
    from edgeface.people.enrollment import EnrollOptions, Upload


class Enrolled(NamedTuple):
    """What an enrollment did."""

    person: PersonRecord
    new: bool
    notes: tuple[str, ...] = ()
    """Advice, one line each."""
    left_out: tuple[str, ...] = ()
    """Photos that were left out, each with the reason."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is said about a person; None leaves it as it is."""

    name: str | None = None
    groups: tuple[str, ...] | None = None
    ignored: bool | None = None
    consent: str | None = None
    expires: str | None = None
    """A day; NEVER removes it."""


@dataclass(frozen=True, slots=True, eq=False)
class Enrolling:
    """Enrolls people of one site; each method blocks, and nothing is changed when it raises."""

    context: CentreContext
    site: str
    by: str
    """The account that does it."""

    def find(self, who: str) -> PersonRecord:
        """The person with an id; raises UnknownError."""
        return self.find_all([who])[0]

    def find_all(self, ids: Sequence[str]) -> list[PersonRecord]:
        """The people with these ids; raises UnknownError."""
        known = {one.id: one for one in self.context.store.people(self.site)}
        for who in ids:
            if who not in known:
                raise UnknownError(f"{printable(who)}: no such person in {self.site}")
        return [known[who] for who in ids]

    def from_photos(
        self,
        who: str | None,
        facts: Facts,
        photos: Iterable[Path | Upload],
        options: EnrollOptions,
        *,
        keep_crops: bool = False,
    ) -> Enrolled:
        """Enroll someone, or replace their templates; raises RejectedError and DoubtError as a device does.

        The crops of earlier photos are deleted. `keep_crops` says that the person consents to keeping those of these.
        """
        known = {one.id: one for one in self.context.store.people(self.site)}
        who = self._id(who, facts.name, known)
        crops: list[bytes] = []
        model, faces = self.model, self.context.store.faces(self.site, self.model)
        alike = {who: faces.look_alikes(who)}
        every = KnownFaces(faces.limits, dict(faces.means), alike, different_people=options.different_people)
        with self.context.analyzer() as analyzer:
            plan = from_photos(analyzer, every, who, facts.name, photos, lambda face: crops.append(_crop(face)))
        require_usable(plan, skip_bad=options.skip_bad)
        (found,) = plan.candidates
        before = [faces.means[who]] if who in faces.means else []
        why = objection(before, found.embeddings, faces.limits, again=True)
        if why is not None and not options.anyway:
            raise DoubtError({who: why}, plan)
        # Of every model, so that no device keeps a template of earlier photos.
        others = {name: file for name, file in known_models(self.context.settings).items() if name != model}
        templates = {name: mean_of(open_embedder(file), crops) for name, file in others.items()}
        entry = _entry(who, facts, known.get(who), {model: unit_mean(found.embeddings), **templates})
        if who in known:
            self.context.store.crops.delete(self.site, known[who].person, self.by)
        self.context.store.put(self.site, entry, self.by)
        enrolled = Enrolled(self.find(who), who not in known, plan.notes, plan.rejected)
        if keep_crops:
            given = facts.consent or day(self.context.clock.wall())
            self.context.store.crops.keep(self.site, enrolled.person.person, given, crops, self.by)
        return enrolled

    def put(
        self,
        who: str,
        facts: Facts,
        templates: Mapping[str, Embedding],
        seq: int | None = None,
        insisted: Collection[Insistence] = (),
    ) -> Enrolled:
        """Enroll or change someone with templates that are made already; `seq` is what the caller has seen.

        Raises ObjectionError for the face of someone else, unless the caller insists.
        """
        known = {one.id: one for one in self.context.store.people(self.site)}
        before = known.get(who)
        if before is None:
            check_new_id(who)
        for model, face in templates.items():
            found = self.context.store.faces(self.site, model).against(None if before is None else who, face)
            # Whoever has templates in hand answers for those that nothing can be compared with.
            require_no_objection([one for one in found if one.kind in {"another_face", "duplicate"}], insisted)
        entry = _entry(who, facts, before, templates)
        self.context.store.put(self.site, entry if seq is None else replace(entry, seq=seq), self.by)
        return Enrolled(self.find(who), before is None)

    @property
    def model(self) -> str:
        """The name of the embedder, as rows have it."""
        return embedder_name(self.context.settings.embedder.model)

    def _id(self, who: str | None, name: str | None, known: Mapping[str, PersonRecord]) -> str:
        if who:
            check_new_id(who)
            return who
        if not cleaned(name or ""):
            raise GalleryError("give a name or an id")
        return new_id(name or "", known.__contains__)


def _crop(face: Found) -> bytes:
    return make_crop(align(face.image, face.detection.landmarks, MARGIN))


def _entry(who: str, facts: Facts, before: PersonRecord | None, templates: Mapping[str, Embedding]) -> Entry:
    """The entry with which the store has a person as they were, except for the facts that are given."""
    if before is None:
        expires = None if facts.expires == NEVER else facts.expires
        return Entry(
            id=who, name=display_name(facts.name, who), embeddings=templates, groups=facts.groups or (),
            ignored=bool(facts.ignored), consent=facts.consent, expires=expires, seq=0,
        )  # fmt: skip
    expires = before.expires if facts.expires is None else None if facts.expires == NEVER else facts.expires
    return Entry(
        id=who,
        name=before.name if facts.name is None else given_name(facts.name, who),
        embeddings=templates,
        groups=before.groups if facts.groups is None else facts.groups,
        ignored=before.ignored if facts.ignored is None else facts.ignored,
        consent=before.consent if facts.consent is None else facts.consent,
        expires=expires,
        person=before.person,
        seq=before.seq,
    )
