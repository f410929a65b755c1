"""From photos, or an unknown, to templates: what is taken, what is refused, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from edgeface.core.errors import GalleryError, PhotoError
from edgeface.core.text import check_id, printable, printable_path, slug
from edgeface.faces.photo_face import find_face
from edgeface.gallery.snapshot import Template, unit_mean
from edgeface.gallery.thumbnails import Thumbnail, thumbnail
from edgeface.imaging import photos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from edgeface.core.types import Embedding, Image
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.faces.photo_face import Found
    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.rows import Change
    from edgeface.gallery.snapshot import GallerySnapshot, Source

ADVISED = 3
"""Photos a person: against a track, one has an FNMR of 1.8 % at a cosine of 0.59, three 0.01 % (docs/accuracy.md)."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownFaces:
    """The faces that are somebody's already; cosines at or above `threshold` are the same person."""

    threshold: float
    means: dict[str, Embedding] = field(default_factory=dict)

    @classmethod
    def of(cls, view: GallerySnapshot, threshold: float) -> KnownFaces:
        """Everybody of a view, the ignored too."""
        return cls(threshold, {p.id: row for p, row in zip(view.people, view.matrix, strict=True)})

    def refuse_others(self, embedding: Embedding, person: str) -> None:
        """Raise PhotoError when the face is somebody else's than `person`."""
        scores = {other: float(mean @ embedding) for other, mean in self.means.items() if other != person}
        nearest = max(scores, key=scores.__getitem__, default=None)
        if nearest is not None and scores[nearest] >= self.threshold:
            raise PhotoError(f"this face is {nearest}'s already (cosine {scores[nearest]:.2f}): enroll it by that id")


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """Somebody to enroll."""

    person: str
    name: str | None
    embeddings: tuple[Embedding, ...]
    source: Source
    unknown: str | None = None
    """The unknown that this person is."""
    pictures: tuple[bytes, ...] = ()
    """Their face as JPEG, from the photos that were taken."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What an enrollment would do."""

    candidates: tuple[Candidate, ...]
    refused: tuple[str, ...] = ()
    """One line each: the photo, and the reason."""
    notes: tuple[str, ...] = ()
    """What to know, though it is no refusal."""


@dataclass(frozen=True, slots=True)
class EnrollOptions:
    """How a plan is carried out."""

    ignored: bool = False
    """Onto the ignore list."""
    skip_bad: bool = False
    """Leave out what was refused."""
    again: bool = False
    """Put the templates in the place of all that there are."""
    pictures: bool = False
    """Keep the pictures too."""
    given: str | None = None
    """The day of consent."""
    expires: str | None = None
    """The day from which on it is over, or NEVER."""


_PLAINLY = EnrollOptions()


def from_photos(
    analyzer: FaceAnalyzer, known: KnownFaces, person: str, name: str | None, paths: Iterable[Path]
) -> Plan:
    """Take one template from each photo; a bad `person` is a GalleryError."""
    return _planned(
        analyzer, known, person, name, ((printable_path(path), partial(photos.load, path)) for path in paths)
    )


def from_uploads(
    analyzer: FaceAnalyzer, known: KnownFaces, person: str, name: str | None, uploads: Iterable[tuple[str, bytes]]
) -> Plan:
    """As from_photos, of files that are in memory, each with the name that its sender gives it."""
    return _planned(
        analyzer, known, person, name, ((printable(shown), partial(_decoded, shown, data)) for shown, data in uploads)
    )


def _planned(
    analyzer: FaceAnalyzer,
    known: KnownFaces,
    person: str,
    name: str | None,
    read: Iterable[tuple[str, Callable[[], Image]]],
) -> Plan:
    check_id(person)
    taken: list[tuple[str, Embedding]] = []
    pictures, refused = [], []
    for shown, load in read:
        try:
            face = _face(analyzer, shown, load())
            embedding = analyzer.embed(face.image, face.detection)
            _refuse(shown, known, embedding, person)
        except PhotoError as error:
            refused.append(str(error))
        else:
            taken.append((shown, embedding))
            pictures.append(thumbnail(face.image, face.detection.box))
    embeddings = tuple(embedding for _, embedding in taken)
    candidates = (Candidate(person, name, embeddings, "photo", pictures=tuple(pictures)),) if taken else ()
    return Plan(candidates, tuple(refused), tuple(_notes(known, person, taken)))


def from_folder(
    analyzer: FaceAnalyzer, known: KnownFaces, folder: Path, progress: Callable[[Sequence[Path]], Iterable[Path]]
) -> Plan:
    """Take everybody from FOLDER/PERSON/PHOTO; the id is made from the folder's name, which is the display name.

    `progress` is given all the photos and gives them back one by one. Somebody who is in two folders is refused.
    """
    people = _people(folder)
    tick = iter(progress([path for paths in people.values() for path in paths]))
    plans = []
    means = dict(known.means)
    for name, paths in people.items():
        if not paths:
            plans.append(Plan((), (f"{printable_path(folder / name)}: no photos in it",)))
            continue
        some = islice(tick, len(paths))
        plan = from_photos(analyzer, KnownFaces(known.threshold, means), slug(name), name.replace("_", " "), some)
        means.update({c.person: unit_mean(c.embeddings) for c in plan.candidates})
        plans.append(plan)
    # A progress bar ends when it is asked once more.
    next(tick, None)
    return Plan(
        tuple(c for plan in plans for c in plan.candidates),
        tuple(line for plan in plans for line in plan.refused),
        tuple(line for plan in plans for line in plan.notes),
    )


def from_unknown(gallery: Gallery, known: KnownFaces, person: str, name: str | None, unknown: str) -> Plan:
    """Take the embeddings that are kept of an unknown; GalleryError when there is no such unknown."""
    check_id(person)
    found = next((u for u in gallery.unknowns() if u.id == unknown), None)
    if found is None:
        raise GalleryError(f"{printable(unknown)}: no such unknown (edgeface people --unknown lists them)")
    try:
        known.refuse_others(found.mean, person)
    except PhotoError as error:
        raise GalleryError(f"{unknown}: {error}") from error
    return Plan((Candidate(person, name, found.templates, "unknown", unknown),))


def carry_out(gallery: Gallery, plan: Plan, wall: float, how: EnrollOptions = _PLAINLY) -> list[Change]:
    """Enroll everybody of the plan in one transaction.

    GalleryError, with nothing written, when there is nobody, or something was refused and not to be skipped.
    """
    if not plan.candidates:
        raise GalleryError("nobody enrolled: no photo could be used")
    if plan.refused and not how.skip_bad:
        count = len(plan.refused)
        raise GalleryError(f"nobody enrolled: {count} photo{'s' * (count > 1)} refused (--skip-bad leaves them out)")
    with gallery.together():
        return [change for candidate in plan.candidates for change in _put(gallery, candidate, wall, how)]


def _put(gallery: Gallery, candidate: Candidate, wall: float, how: EnrollOptions) -> Iterable[Change]:
    yield _replace(gallery, candidate, wall) if how.again else _enroll(gallery, candidate, wall, how)
    if how.pictures:
        gallery.keep_pictures(Thumbnail(candidate.person, wall, jpeg) for jpeg in candidate.pictures)
    if how.given is not None or how.expires is not None:
        yield gallery.consent(candidate.person, wall, how.given, how.expires)


def _enroll(gallery: Gallery, candidate: Candidate, wall: float, how: EnrollOptions) -> Change:
    return gallery.enroll(
        candidate.person,
        candidate.name,
        _templates(gallery, candidate, wall),
        wall,
        ignored=how.ignored,
        unknown=candidate.unknown,
        keep_pictures=how.pictures,
    )


def _replace(gallery: Gallery, candidate: Candidate, wall: float) -> Change:
    before = gallery.person(candidate.person)
    templates = _templates(gallery, candidate, wall)
    change = gallery.replace(before.id, before.name, templates, wall, ignored=before.ignored)
    gallery.consent(before.id, wall, before.consent, before.expires)
    return change


def _templates(gallery: Gallery, candidate: Candidate, wall: float) -> list[Template]:
    return [Template(e, gallery.model, candidate.source, wall) for e in candidate.embeddings]


def _decoded(shown: str, data: bytes) -> Image:
    try:
        return photos.decode(data)
    except PhotoError as error:
        raise PhotoError(f"{printable(shown)}: {error}") from error


def _face(analyzer: FaceAnalyzer, shown: str, image: Image) -> Found:
    try:
        return find_face(analyzer, image)
    except PhotoError as error:
        raise PhotoError(f"{shown}: {error}") from error


def _refuse(shown: str, known: KnownFaces, embedding: Embedding, person: str) -> None:
    try:
        known.refuse_others(embedding, person)
    except PhotoError as error:
        raise PhotoError(f"{shown}: {error}") from error


def _notes(known: KnownFaces, person: str, taken: Sequence[tuple[str, Embedding]]) -> Iterable[str]:
    """Photos that are unlike the others, and too few of them."""
    for shown, embedding in taken:
        others = [other for _, other in taken if other is not embedding]
        others += [known.means[person]] if person in known.means else []
        score = float(unit_mean(others) @ embedding) if others else 1.0
        if score < known.threshold:
            yield f"{shown}: unlike the other photos of {person} (cosine {score:.2f}); is it the same person?"
    if 0 < len(taken) < ADVISED and person not in known.means:
        yield f"{person}: enrolled from {len(taken)}; {ADVISED} or more different photos are recognised better"


def _people(folder: Path) -> dict[str, list[Path]]:
    """Photos by the folders' names; GalleryError when a folder cannot be used."""
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
