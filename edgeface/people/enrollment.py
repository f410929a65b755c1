"""Turns photos, or an unknown, into an enrollment: which templates are taken, which are rejected, and why."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgeface.core.errors import GalleryError, PhotoError
from edgeface.core.text import MAX_NAME, check_new_id, counted, is_cut, printable, printable_path
from edgeface.faces.photo_face import PHOTO_SIDE, find_face
from edgeface.gallery.agreement import objection
from edgeface.gallery.negatives import Denials
from edgeface.gallery.snapshot import Template, check_days, unit_mean
from edgeface.gallery.thumbnails import Thumbnail, preview, thumbnail
from edgeface.imaging import photos

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from edgeface.core.types import Embedding
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.faces.photo_face import Found
    from edgeface.gallery.agreement import Limits
    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.negatives import Negative
    from edgeface.gallery.rows import Change
    from edgeface.gallery.snapshot import GallerySnapshot, Source

    Upload = tuple[str, bytes]
    """A file in memory: the name that its sender gives it, and its content."""

Override = Literal["anyway", "accept_limits"]

ADVISED = 3
"""Photos per person: against a track, one has an FNMR of 1.8 % at a cosine of 0.59, three 0.01 % (docs/accuracy.md)."""


class RejectedError(GalleryError):
    """An enrollment that was refused because of its photos; `lines` has one line per rejected photo."""

    def __init__(
        self,
        text: str,
        lines: Sequence[str],
        *,
        skippable: bool,
        others: Sequence[str] = (),
        plan: Plan | None = None,
    ) -> None:
        super().__init__(text)
        self.lines = tuple(lines)
        self.plan = plan
        """What was refused, with the photos that can be used; None for what has no photos."""
        self.skippable = skippable
        """Whether `skip_bad` would enroll from the other photos."""
        self.others = tuple(others)
        """Who is already enrolled with this face: `different_people` would enroll it, too."""


class OverridableError(GalleryError):
    """An enrollment that was refused, and that an option carries out all the same; the text is the first line."""

    option: Override

    def __init__(self, lines: Sequence[str], plan: Plan | None = None) -> None:
        self.lines = tuple(lines)
        super().__init__(self.lines[0])
        self.plan = plan
        """What was refused; None for a merge and an import."""


class DoubtError(OverridableError):
    """Refused because the templates may be of another person; `anyway` enrolls them."""

    option = "anyway"

    def __init__(self, doubts: Mapping[str, str], plan: Plan | None = None) -> None:
        """`doubts` has the reason by person."""
        super().__init__([f"{person}: {why}" for person, why in doubts.items()], plan)
        self.doubts = doubts


class LimitError(OverridableError):
    """Refused because a level that a door or camera guarantees now would end; `accept_limits` enrolls them."""

    option = "accept_limits"


class OtherPersonError(PhotoError):
    """A face that is already enrolled under another id; `different_people` enrolls it, too."""

    def __init__(self, person: str, score: float) -> None:
        super().__init__(f"this face is already enrolled as {person} (cosine {score:.2f}): use that id instead")
        self.person = person


@dataclass(frozen=True, slots=True, eq=False)
class KnownFaces:
    """The faces that are enrolled already."""

    limits: Limits
    means: dict[str, Embedding] = field(default_factory=dict)
    look_alikes: dict[str, frozenset[str]] = field(default_factory=dict)
    """By id: the other people who have this face."""
    different_people: bool = False
    """Whether a face that someone else has may be enrolled: the two people are look-alikes."""
    denied: Callable[[Embedding], frozenset[str]] = lambda _: frozenset()
    """Who a face is not, by the corrections."""

    @classmethod
    def of(cls, snapshot: GallerySnapshot, limits: Limits, *, different_people: bool = False) -> KnownFaces:
        """Everyone in a snapshot, including the ignored."""
        means = {p.id: row for p, row in zip(snapshot.people, snapshot.matrix, strict=True)}
        alike = {p.id: frozenset(p.look_alikes) for p in snapshot.people}
        return cls(limits, means, alike, different_people, snapshot.denied)

    def others(self, embedding: Embedding, person: str) -> dict[str, float]:
        """Who else has this face, with the cosines; a look-alike only if the face is nearer to them."""
        scores = {other: float(mean @ embedding) for other, mean in self.means.items()}
        own, alike = scores.pop(person, -1.0), self.look_alikes.get(person, frozenset())
        return {o: s for o, s in scores.items() if s >= self.limits.other and not (o in alike and s < own)}

    def look_alikes_of(self, embedding: Embedding, person: str) -> frozenset[str]:
        """Who else has this face, as look-alikes or by a correction; raises OtherPersonError for anyone else."""
        found, denied = self.others(embedding, person), self.denied(embedding)
        unexpected = () if self.different_people else [other for other in found if other not in denied]
        if unexpected:
            nearest = max(unexpected, key=found.__getitem__)
            raise OtherPersonError(nearest, found[nearest])
        return frozenset(found)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A person to enroll."""

    person: str
    name: str | None
    embeddings: tuple[Embedding, ...]
    source: Source
    unknown: str | None = None
    """The unknown that this person is."""
    pictures: tuple[bytes, ...] = ()
    """The face as a JPEG, from each accepted photo."""
    look_alikes: tuple[str, ...] = ()
    """Other people who have this face."""
    event: str | None = None
    """The event that is corrected."""
    denial: tuple[str, Negative] | None = None
    """The person that the face was taken for, and the negative template that they get."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What an enrollment would do."""

    limits: Limits
    candidates: tuple[Candidate, ...]
    rejected: tuple[str, ...] = ()
    """One line each: the photo, and the reason."""
    previews: tuple[bytes, ...] = ()
    """Each rejected photo as a small JPEG, empty if it cannot be decoded; none of a folder."""
    notes: tuple[str, ...] = ()
    """Advice that rejects nothing."""
    others: tuple[str, ...] = ()
    """Who is already enrolled with a face that was rejected."""


@dataclass(frozen=True, slots=True)
class EnrollOptions:
    """How a plan is carried out; raises GalleryError for a day of consent that is not a day."""

    ignored: bool = False
    """Put the people on the ignore list."""
    skip_bad: bool = False
    """Leave out rejected photos."""
    again: bool = False
    """Replace all templates that the person has."""
    pictures: bool = False
    """Keep the pictures too."""
    given: str | None = None
    """The day of consent."""
    expires: str | None = None
    """The first day without consent, or NEVER."""
    anyway: bool = False
    """Also enroll what may be of another person."""
    different_people: bool = False
    """Also enroll a face that someone else has; the two people become look-alikes of each other."""
    accept_limits: bool = False
    """Also enroll people who are too many for the level of a door or camera."""

    def __post_init__(self) -> None:
        check_days(self.given, self.expires)

    def insisting(self, option: Override) -> EnrollOptions:
        """The options with one more override."""
        return replace(
            self,
            anyway=self.anyway or option == "anyway",
            accept_limits=self.accept_limits or option == "accept_limits",
        )


DEFAULT = EnrollOptions()


def from_photos(
    analyzer: FaceAnalyzer, known: KnownFaces, person: str, name: str | None, files: Iterable[Path | Upload],
    use: Callable[[Found], None] = lambda _: None,
) -> Plan:  # fmt: skip
    """Take one template from each photo, and give `use` its face; raises GalleryError for a bad `person`."""
    check_new_id(person)
    taken: list[tuple[str, Embedding]] = []
    first: dict[bytes, str] = {}
    pictures, rejected, previews, others = [], [], [], []
    notes = [f"the name is too long, and cut to {MAX_NAME} characters"] if is_cut(name) else []
    for file in files:
        shown = printable_path(file) if isinstance(file, Path) else printable(file[0])
        image = None
        try:
            image = photos.load(file, PHOTO_SIDE) if isinstance(file, Path) else photos.decode(file[1], PHOTO_SIDE)
            face = find_face(analyzer, image)
            embedding = analyzer.embed(face.image, face.detection)
            known.look_alikes_of(embedding, person)
        except PhotoError as error:
            # photos.load names the file itself.
            rejected.append(f"{shown}: {str(error).removeprefix(f'{shown}: ')}")
            previews.append(b"" if image is None else preview(image))
            others += [error.person] if isinstance(error, OtherPersonError) else []
        else:
            same = first.setdefault(embedding.tobytes(), shown)
            if same != shown:
                notes.append(f"{shown}: the same photo as {same}, and counted once")
                continue
            use(face)
            taken.append((shown, embedding))
            pictures.append(thumbnail(face.image, face.detection.box))
    embeddings = tuple(embedding for _, embedding in taken)
    candidates = (candidate(known, person, name, embeddings, "photo", tuple(pictures)),) if taken else ()
    notes += _notes(known, person, taken)
    return Plan(known.limits, candidates, tuple(rejected), tuple(previews), tuple(notes), tuple(dict.fromkeys(others)))


def joined(known: KnownFaces, plan: Plan, more: Plan) -> Plan:
    """A plan for one person with the good photos of two; what the first rejected is left out."""
    if not plan.candidates or not more.candidates:
        return replace(more, candidates=plan.candidates or more.candidates)
    (first,), (second,) = plan.candidates, more.candidates
    alike = tuple(sorted({*first.look_alikes, *second.look_alikes}))
    embeddings, pictures = (*first.embeddings, *second.embeddings), (*first.pictures, *second.pictures)
    person = replace(first, embeddings=embeddings, pictures=pictures, look_alikes=alike)
    return replace(more, candidates=(person,), notes=tuple(_too_few(known, first.person, len(embeddings))))


def candidate(
    known: KnownFaces,
    person: str,
    name: str | None,
    embeddings: tuple[Embedding, ...],
    source: Source,
    pictures: tuple[bytes, ...] = (),
    unknown: str | None = None,
) -> Candidate:
    """A person to enroll, with the look-alikes; raises OtherPersonError if there are any and that was not expected.

    A person that a correction rules out for the face is a look-alike: only the negative template tells the two apart.
    """
    alike = frozenset[str]().union(*(known.look_alikes_of(embedding, person) for embedding in embeddings))
    return Candidate(person, name, embeddings, source, unknown, pictures, tuple(sorted(alike)))


def compared_again(known: KnownFaces, plan: Plan) -> Plan:
    """The plan with the look-alikes as they are now; raises RejectedError if by now someone else has one of the faces.

    It is for plans whose faces were compared before someone changed the gallery.
    """
    try:
        return replace(plan, candidates=tuple(_compared_again(known, one) for one in plan.candidates))
    except OtherPersonError as error:
        raise RejectedError(f"no one was enrolled: {error}", (), skippable=False, others=(error.person,)) from error


def _compared_again(known: KnownFaces, one: Candidate) -> Candidate:
    if one.denial is not None:
        person, before = one.denial[0], known.denied
        known = replace(known, denied=lambda face: before(face) | {person})
    return replace(one, look_alikes=candidate(known, one.person, one.name, one.embeddings, one.source).look_alikes)


def from_unknown(gallery: Gallery, known: KnownFaces, person: str, name: str | None, unknown: str) -> Plan:
    """Take the embeddings stored for an unknown; raises GalleryError if there is no such unknown."""
    check_new_id(person)
    found = gallery.unknown(unknown)
    try:
        made = candidate(known, person, name, found.templates, "unknown", unknown=unknown)
        known.look_alikes_of(found.mean, person)
    except OtherPersonError as error:
        raise RejectedError(f"{unknown}: {error}", (), skippable=False, others=(error.person,)) from error
    return Plan(known.limits, (made,))


def carry_out(gallery: Gallery, plan: Plan, wall: float, options: EnrollOptions = DEFAULT) -> list[Change]:
    """Enroll everyone in the plan, in one transaction.

    Nothing is written when it raises: RejectedError if no photo can be used, or if some were rejected and `options`
    does not skip them; DoubtError if templates may be of another person, and `options` does not say anyway.
    """
    require_usable(plan, skip_bad=options.skip_bad)
    with gallery.transaction():
        doubts = {
            new.person: why
            for new in plan.candidates
            if (why := doubt(gallery, plan.limits, new.person, new.embeddings, again=options.again)) is not None
        }
        if doubts and not options.anyway:
            raise DoubtError(doubts, plan)
        return [change for new in plan.candidates for change in _enroll(gallery, new, wall, options, doubts)]


def require_usable(plan: Plan, *, skip_bad: bool) -> None:
    """Raise RejectedError if no photo of a plan can be used, or if some were rejected and may not be left out."""
    if plan.candidates and (skip_bad or not plan.rejected):
        return
    count = counted(len(plan.rejected), "photo was rejected", "photos were rejected")
    why = f"no one was enrolled: {count if plan.candidates else 'no photo can be used'}"
    raise RejectedError(why, plan.rejected, skippable=bool(plan.candidates), others=plan.others, plan=plan)


def doubt(
    gallery: Gallery, limits: Limits, person: str, new: Sequence[Embedding], *, again: bool = False
) -> str | None:
    """Why new templates may be of another person than what is enrolled, or of two people; None if they may be added.

    A face that a correction denies to the person is another one. With `again`, the new templates replace what is
    enrolled. Only templates of the gallery's model can be compared.
    """
    if contradicted(gallery, person, new):
        return f"a correction says that this face is not {person}"
    return objection(gallery.embeddings(person), new, limits, again=again)


def contradicted(gallery: Gallery, person: str, new: Sequence[Embedding]) -> bool:
    """Whether a correction denies the person for one of these faces."""
    own, negatives = gallery.embeddings(person), [(0, one.embedding) for one in gallery.negatives(person)]
    denials = Denials.of(unit_mean(own)[np.newaxis], negatives) if own else None
    return denials is not None and any(denials.rows(embedding) is not None for embedding in new)


def _enroll(
    gallery: Gallery, new: Candidate, wall: float, options: EnrollOptions, doubts: Container[str]
) -> Iterator[Change]:
    person = new.person
    templates = [Template(e, gallery.model, new.source, wall) for e in new.embeddings]
    if new.denial is not None:
        yield gallery.deny(*new.denial)
    if options.again:
        before = gallery.person(person)
        change = gallery.replace(person, before.name, templates, wall, ignored=before.ignored)
        gallery.consent(person, wall, before.consent, before.expires)
    else:
        change = gallery.enroll(
            person, new.name, templates, wall,
            ignored=options.ignored, unknown=new.unknown, keep_pictures=options.pictures,
        )  # fmt: skip
    linked = gallery.link(person, new.look_alikes)
    known_as = new.unknown or ""
    yield replace(change, anyway=person in doubts, different_people=linked, event=new.event, unknown=known_as)
    if options.pictures:
        pairs = zip(new.pictures, templates, strict=False)
        gallery.store_pictures(Thumbnail(person, wall, jpeg, gallery.template_id(of)) for jpeg, of in pairs)
    if options.given is not None or options.expires is not None:
        yield gallery.consent(person, wall, options.given, options.expires)


def repetitions(gallery: Gallery, plan: Plan) -> Iterator[str]:
    """Photos that are enrolled already, which add nothing; one line for each person."""
    for new in plan.candidates:
        stored = {one.tobytes() for one in gallery.embeddings(new.person)}
        count = sum(one.tobytes() in stored for one in new.embeddings)
        if count:
            yield f"{new.person}: {counted(count, 'photo is', 'photos are')} enrolled already, and counted once"


def _notes(known: KnownFaces, person: str, taken: Sequence[tuple[str, Embedding]]) -> Iterator[str]:
    """Photos that differ from the others, and too few photos."""
    for shown, embedding in taken:
        others = [other for _, other in taken if other is not embedding]
        others += [known.means[person]] if person in known.means else []
        score = float(unit_mean(others) @ embedding) if others else 1.0
        if score < known.limits.same:
            yield f"{shown}: unlike the other photos of {person} (cosine {score:.2f}); is it the same person?"
    yield from _too_few(known, person, len(taken))


def _too_few(known: KnownFaces, person: str, count: int) -> Iterator[str]:
    if 0 < count < ADVISED and person not in known.means:
        yield f"{person}: enrolled from {counted(count, 'photo')}; {ADVISED} or more different photos work better"
