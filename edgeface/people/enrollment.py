"""Turns photos, or an unknown, into an enrollment: which templates are taken, which photos are rejected, and why."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.core.errors import GalleryError, PhotoError
from edgeface.core.text import check_id, counted, printable, printable_path, slug
from edgeface.faces.photo_face import find_face
from edgeface.gallery.snapshot import Template, check_days, unit_mean
from edgeface.gallery.thumbnails import Thumbnail, thumbnail
from edgeface.imaging import photos

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from edgeface.core.types import Embedding
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.negatives import Negative
    from edgeface.gallery.rows import Change
    from edgeface.gallery.snapshot import GallerySnapshot, Source

    Upload = tuple[str, bytes]
    """A file in memory: the name that its sender gives it, and its content."""

ADVISED = 3
"""Photos per person: against a track, one has an FNMR of 1.8 % at a cosine of 0.59, three 0.01 % (docs/accuracy.md)."""


class RejectedError(GalleryError):
    """An enrollment that was refused because of its photos; `lines` has one line per rejected photo."""

    def __init__(self, text: str, lines: Sequence[str], *, skippable: bool) -> None:
        super().__init__(text)
        self.lines = tuple(lines)
        self.skippable = skippable
        """Whether `skip_bad` would enroll from the other photos."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownFaces:
    """The faces that are enrolled already; a cosine of `threshold` or more means the same person."""

    threshold: float
    means: dict[str, Embedding] = field(default_factory=dict)
    denied: Callable[[Embedding], Collection[str]] = lambda _: ()
    """Who a face is not, by the corrections."""

    @classmethod
    def of(cls, snapshot: GallerySnapshot, threshold: float) -> KnownFaces:
        """Everyone in a snapshot, including the ignored."""
        means = {p.id: row for p, row in zip(snapshot.people, snapshot.matrix, strict=True)}
        return cls(threshold, means, snapshot.denied)

    def refuse_others(self, embedding: Embedding, person: str) -> None:
        """Raise PhotoError if the face belongs to someone other than `person`."""
        left_out = {person, *self.denied(embedding)}
        scores = {other: float(mean @ embedding) for other, mean in self.means.items() if other not in left_out}
        nearest = max(scores, key=scores.__getitem__, default=None)
        if nearest is not None and scores[nearest] >= self.threshold:
            raise PhotoError(
                f"this face is already enrolled as {nearest} (cosine {scores[nearest]:.2f}): use that id instead"
            )


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
    event: str | None = None
    """The event that is corrected."""
    denial: tuple[str, Negative] | None = None
    """The person that the face was taken for, and the negative template that they get."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What an enrollment would do."""

    candidates: tuple[Candidate, ...]
    rejected: tuple[str, ...] = ()
    """One line each: the photo, and the reason."""
    notes: tuple[str, ...] = ()
    """Advice that rejects nothing."""


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

    def __post_init__(self) -> None:
        check_days(self.given, self.expires)


DEFAULT = EnrollOptions()


def from_photos(
    analyzer: FaceAnalyzer, known: KnownFaces, person: str, name: str | None, files: Iterable[Path | Upload]
) -> Plan:
    """Take one template from each photo; raises GalleryError for a bad `person`."""
    check_id(person)
    taken: list[tuple[str, Embedding]] = []
    pictures, rejected = [], []
    for file in files:
        shown = printable_path(file) if isinstance(file, Path) else printable(file[0])
        try:
            image = photos.load(file) if isinstance(file, Path) else photos.decode(file[1])
            face = find_face(analyzer, image)
            embedding = analyzer.embed(face.image, face.detection)
            known.refuse_others(embedding, person)
        except PhotoError as error:
            # photos.load names the file itself.
            rejected.append(f"{shown}: {str(error).removeprefix(f'{shown}: ')}")
        else:
            taken.append((shown, embedding))
            pictures.append(thumbnail(face.image, face.detection.box))
    embeddings = tuple(embedding for _, embedding in taken)
    candidates = (Candidate(person, name, embeddings, "photo", pictures=tuple(pictures)),) if taken else ()
    return Plan(candidates, tuple(rejected), tuple(_notes(known, person, taken)))


def from_folder(
    analyzer: FaceAnalyzer, known: KnownFaces, folder: Path, progress: Callable[[Sequence[Path]], Iterable[Path]]
) -> Plan:
    """Plan everyone in FOLDER/PERSON/PHOTO; the folder's name is the display name, and the id is made from it.

    `progress` gets all photos and yields them one by one. A person in two folders is rejected.
    """
    people = _folders(folder)
    tick = iter(progress([path for paths in people.values() for path in paths]))
    plans = []
    means = dict(known.means)
    for name, paths in people.items():
        if not paths:
            plans.append(Plan((), (f"{printable_path(folder / name)}: no photos in it",)))
            continue
        some = islice(tick, len(paths))
        plan = from_photos(analyzer, replace(known, means=means), slug(name), name.replace("_", " "), some)
        means.update({c.person: unit_mean(c.embeddings) for c in plan.candidates})
        plans.append(plan)
    # A progress bar ends when it is asked once more.
    next(tick, None)
    return Plan(
        tuple(c for plan in plans for c in plan.candidates),
        tuple(line for plan in plans for line in plan.rejected),
        tuple(line for plan in plans for line in plan.notes),
    )


def from_unknown(gallery: Gallery, known: KnownFaces, person: str, name: str | None, unknown: str) -> Plan:
    """Take the embeddings stored for an unknown; raises GalleryError if there is no such unknown."""
    check_id(person)
    found = gallery.unknown(unknown)
    try:
        known.refuse_others(found.mean, person)
    except PhotoError as error:
        raise GalleryError(f"{unknown}: {error}") from error
    return Plan((Candidate(person, name, found.templates, "unknown", unknown),))


def carry_out(gallery: Gallery, plan: Plan, wall: float, options: EnrollOptions = DEFAULT) -> list[Change]:
    """Enroll everyone in the plan, in one transaction.

    Raises RejectedError, with nothing written, if no photo can be used, or if some were rejected and `options` does not
    skip them.
    """
    if not plan.candidates:
        raise RejectedError("no one was enrolled: no photo can be used", plan.rejected, skippable=False)
    if plan.rejected and not options.skip_bad:
        count = counted(len(plan.rejected), "photo was", "photos were")
        raise RejectedError(f"no one was enrolled: {count} rejected", plan.rejected, skippable=True)
    with gallery.transaction():
        return [change for candidate in plan.candidates for change in _enroll(gallery, candidate, wall, options)]


def _enroll(gallery: Gallery, candidate: Candidate, wall: float, options: EnrollOptions) -> Iterator[Change]:
    person = candidate.person
    templates = [Template(e, gallery.model, candidate.source, wall) for e in candidate.embeddings]
    if candidate.denial is not None:
        yield gallery.deny(*candidate.denial)
    if options.again:
        before = gallery.person(person)
        yield gallery.replace(person, before.name, templates, wall, ignored=before.ignored)
        gallery.consent(person, wall, before.consent, before.expires)
    else:
        change = gallery.enroll(
            person, candidate.name, templates, wall,
            ignored=options.ignored, unknown=candidate.unknown, keep_pictures=options.pictures,
        )  # fmt: skip
        yield replace(change, event=candidate.event)
    if options.pictures:
        gallery.store_pictures(Thumbnail(person, wall, jpeg) for jpeg in candidate.pictures)
    if options.given is not None or options.expires is not None:
        yield gallery.consent(person, wall, options.given, options.expires)


def _notes(known: KnownFaces, person: str, taken: Sequence[tuple[str, Embedding]]) -> Iterator[str]:
    """Photos that differ from the others, and too few photos."""
    for shown, embedding in taken:
        others = [other for _, other in taken if other is not embedding]
        others += [known.means[person]] if person in known.means else []
        score = float(unit_mean(others) @ embedding) if others else 1.0
        if score < known.threshold:
            yield f"{shown}: unlike the other photos of {person} (cosine {score:.2f}); is it the same person?"
    if 0 < len(taken) < ADVISED and person not in known.means:
        count = counted(len(taken), "photo")
        yield f"{person}: enrolled from {count}; {ADVISED} or more different photos work better"


def _folders(folder: Path) -> dict[str, list[Path]]:
    """The photos by folder name; raises GalleryError if a folder cannot be used."""
    try:
        folders = sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))
        people = {f.name: sorted(p for p in f.iterdir() if p.suffix.lower() in photos.SUFFIXES) for f in folders}
    except OSError as error:
        raise GalleryError(f"{printable_path(folder)}: {error.strerror}") from error
    ids: dict[str, str] = {}
    for name in people:
        other = ids.setdefault(slug(name), name)
        if other != name:
            raise GalleryError(f"{printable(other)} and {printable(name)}: both folders give the id {slug(name)}")
    if not people:
        raise GalleryError(f"{printable_path(folder)}: no folders of people in it (FOLDER/PERSON/PHOTO)")
    return people
