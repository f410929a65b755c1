"""Everything that can be done with people, for the command line and the page alike."""

from __future__ import annotations

import dataclasses
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from edgeface.config.levels import Effects, effects, enrolled
from edgeface.core.clock import Clock, SystemClock
from edgeface.core.console import complain
from edgeface.core.errors import GalleryError
from edgeface.core.text import check_new_id, cleaned, new_id, printable
from edgeface.faces.embedder import embedder_name, open_embedder
from edgeface.gallery.agreement import likeness, objection
from edgeface.gallery.gallery import FILE, Gallery
from edgeface.journal.database import noted
from edgeface.journal.journal import Journal, write_rows
from edgeface.people import corrections, transfer
from edgeface.people.enrollment import (
    DEFAULT,
    DoubtError,
    EnrollOptions,
    KnownFaces,
    LimitError,
    Plan,
    candidate,
    carry_out,
    compared_again,
    contradicted,
    doubt,
    from_photos,
    from_unknown,
    joined,
    repetitions,
)
from edgeface.people.erasure import ErasureProof, erase
from edgeface.people.guided import Guide
from edgeface.people.photo_folders import from_folder
from edgeface.people.rules import limits, withheld
from edgeface.people.templates import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from edgeface.config.configuration import Configuration
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.gallery.agreement import Limits
    from edgeface.gallery.rows import Change
    from edgeface.gallery.snapshot import GallerySnapshot, Person
    from edgeface.gallery.unknowns import Unknown
    from edgeface.people.enrollment import Upload
    from edgeface.people.templates import ListedTemplate


class EnrollResult(NamedTuple):
    """What an enrollment did."""

    people: tuple[Person, ...]
    """As they are now."""
    notes: tuple[str, ...]
    """Advice, one line each."""
    rejected: tuple[str, ...]
    """Photos that were left out, each with the reason."""


@dataclass(frozen=True, slots=True, eq=False)
class PeopleService:
    """The workflows about people; each blocks, is durable when it returns, and is recorded in the audit trail.

    What is refused is a GalleryError, with nothing changed.
    """

    configuration: Configuration
    record: Callable[[Iterable[Change]], None] | None = None
    """Records changes in the audit trail; left out, they are written into the journal directly."""
    clock: Clock = field(default_factory=SystemClock)
    analyzers: Callable[[], AbstractContextManager[FaceAnalyzer]] | None = None
    """Lends an analyzer for a while; left out, the models are loaded for each enrollment."""
    erased: Callable[[str], None] = lambda _: None
    """Called with the id of everyone who was erased."""
    latest: Callable[[], GallerySnapshot | None] = lambda: None
    """A snapshot that may be old, from which the gallery is read by difference; None for reading everything."""

    @contextmanager
    def gallery(self, *, create: bool = False) -> Iterator[Gallery]:
        """Open the gallery and close it afterwards; raises GalleryError if there is none and it may not be created."""
        data = self.configuration.data
        if not create and not (data / FILE).exists():
            raise GalleryError(f"{data}: no gallery here yet (edgeface enroll creates one)")
        with closing(Gallery.open(data, embedder_name(self.configuration.embedder.model))) as gallery:
            gallery.base = self.latest()
            yield gallery

    @property
    def model(self) -> str:
        """The embedder in use."""
        return embedder_name(self.configuration.embedder.model)

    def known_faces(self, gallery: Gallery, *, different_people: bool = False) -> KnownFaces:
        """The enrolled faces; with `different_people`, a new one may have the face of someone enrolled."""
        return KnownFaces.of(gallery.snapshot(), limits(self.configuration), different_people=different_people)

    def id_of(self, person: str | None, name: str | None) -> str:
        """The id that was given, or one for a new person, made from the name.

        The id that is made was never in use, no one is about to get it, and no door or group names it: what is allowed
        to someone who was forgotten must not pass to the next person of that name.

        Raises GalleryError for a bad id, or with neither id nor name.
        """
        if person:
            check_new_id(person)
            return person
        if not cleaned(name or ""):
            raise GalleryError("give a name")
        if not (self.configuration.data / FILE).exists():
            return new_id(name or "", withheld(self.configuration, None, self.clock.wall()))
        with self.gallery() as gallery:
            taken = withheld(self.configuration, gallery, self.clock.wall())
            return new_id(name or "", lambda one: gallery.knows(one) or taken(one))

    def enroll(
        self, person: str, name: str | None, photos: Iterable[Path | Upload], options: EnrollOptions = DEFAULT
    ) -> EnrollResult:
        """Enroll a person, or add templates to one; raises RejectedError if photos cannot be used."""
        check_new_id(person)
        with self.gallery(create=True) as gallery, self.analyzer() as analyzer:
            known = self.known_faces(gallery, different_people=options.different_people)
            plan = from_photos(analyzer, known, person, name, photos)
            return self._carry_out(gallery, plan, options)

    def enroll_more(self, plan: Plan, photos: Iterable[Path | Upload], options: EnrollOptions) -> EnrollResult:
        """Carry out a plan for one person that was refused with a RejectedError, with more photos of the person."""
        (first,) = plan.candidates
        with self.gallery(create=True) as gallery, self.analyzer() as analyzer:
            known = self.known_faces(gallery, different_people=options.different_people)
            more = from_photos(analyzer, known, first.person, first.name, photos)
            return self._carry_out(gallery, joined(known, plan, more), options)

    def enroll_folder(self, folder: Path, options: EnrollOptions = DEFAULT) -> EnrollResult:
        """Enroll everyone in FOLDER/PERSON/PHOTO, with a progress bar on a terminal."""
        from tqdm import tqdm

        with self.gallery(create=True) as gallery, self.analyzer() as analyzer:
            bar = partial(tqdm, desc="enrolling", unit="photo", disable=None)
            known = self.known_faces(gallery, different_people=options.different_people)
            reserved = withheld(self.configuration, gallery, self.clock.wall())
            plan = from_folder(analyzer, known, folder, bar, reserved)
            return self._carry_out(gallery, plan, options)

    def enroll_unknown(
        self, unknown: str, person: str, name: str | None, options: EnrollOptions = DEFAULT
    ) -> EnrollResult:
        """Enroll an unknown as a person."""
        with self.gallery(create=True) as gallery:
            known = self.known_faces(gallery, different_people=options.different_people)
            return self._carry_out(gallery, from_unknown(gallery, known, person, name, unknown), options)

    def ignore_unknown(self, unknown: str, options: EnrollOptions = DEFAULT) -> None:
        """Put an unknown on the ignore list: known from then on, and not announced."""
        person = f"ignored-{unknown.removeprefix('u-')}"
        self.enroll_unknown(unknown, person, None, dataclasses.replace(options, ignored=True))

    def guide(self, person: str, *, different_people: bool = False) -> Guide:
        """Guide for an enrollment at a camera, to be passed to `enroll_guided` when it is done."""
        check_new_id(person)
        with self.gallery(create=True) as gallery, self.analyzer() as analyzer:
            return Guide(analyzer, self.known_faces(gallery, different_people=different_people), person)

    def enroll_guided(self, guide: Guide, name: str | None, options: EnrollOptions = DEFAULT) -> EnrollResult:
        """Enroll from the shots of a guide; raises PhotoError if the face is by now enrolled under another id."""
        shots = tuple(embedding for _, embedding in guide.shots)
        with self.gallery(create=True) as gallery:
            known = self.known_faces(gallery, different_people=options.different_people)
            new = candidate(known, guide.person, name, shots, "camera", tuple(guide.pictures))
            return self._carry_out(gallery, Plan(known.limits, (new,)), options)

    def enroll_plan(self, plan: Plan, options: EnrollOptions) -> EnrollResult:
        """Carry out a plan that has waited for an answer; its faces are compared with everyone first."""
        with self.gallery(create=True) as gallery:
            return self._carry_out(gallery, plan, options)

    def deny(self, event: str, person: str) -> None:
        """Record that the face of an event is not the person that it names; holds from the next frame."""
        with self.gallery() as gallery:
            with gallery.transaction():
                negative = corrections.denial(self.configuration, gallery, event, person, self.clock.wall())
                change = gallery.deny(person, negative)
            self.record_changes([change])

    def identify(self, event: str, person: str, name: str | None, options: EnrollOptions = DEFAULT) -> EnrollResult:
        """Record who the face of an event is: a template of theirs is added, and the person in the event is denied."""
        with self.gallery() as gallery:
            known, wall = self.known_faces(gallery, different_people=options.different_people), self.clock.wall()
            plan = corrections.identification(self.configuration, gallery, known, event, person, name, wall)
            return self._carry_out(gallery, plan, options)

    def restore(self, person: str, event: str) -> None:
        """Remove the negative template that a correction of this event made."""
        with self.gallery() as gallery:
            self.record_changes([gallery.remove_negative(person, event, self.clock.wall())])

    def change(
        self,
        person: str,
        *,
        name: str | None = None,
        given: str | None = None,
        expires: str | None = None,
        check: Callable[[Person], None] = lambda _: None,
    ) -> Person:
        """Change the display name, the day of consent and its end (or NEVER), all or nothing; None changes nothing.

        `check` gets the person before the change, within the transaction, and may raise.
        """
        wall, changes = self.clock.wall(), []
        with self.gallery() as gallery:
            with gallery.transaction():
                check(gallery.person(person))
                if name is not None:
                    changes.append(gallery.rename(person, name, wall))
                if given is not None or expires is not None:
                    changes.append(gallery.consent(person, wall, given, expires))
            self.record_changes(changes)
            return gallery.person(person)

    def templates(self, person: str) -> list[ListedTemplate]:
        """A person's templates, oldest first."""
        with self.gallery() as gallery:
            return listed(gallery, limits(self.configuration), person)

    def remove_template(self, person: str, template: str) -> None:
        """Remove one template and its picture; the last one stays."""
        with self.gallery() as gallery:
            self.record_changes([gallery.remove_template(person, template, self.clock.wall())])

    def erase(self, *who: str) -> ErasureProof:
        """Erase people and unknowns everywhere, all of them or none, and search for traces; it can be repeated."""
        with self.gallery() as gallery:
            return self._erase(gallery, dict.fromkeys(who))

    def merge(self, person: str, into: str, *, anyway: bool = False) -> ErasureProof:
        """Give the templates of `person` to `into`, and erase the first id; a failed merge can be repeated.

        Raises DoubtError if the two may be different people, unless `anyway`.
        """
        if person == into:
            raise GalleryError(f"{printable(person)}: a person cannot be merged into themselves")
        with self.gallery() as gallery:
            with gallery.transaction():
                first, templates = gallery.person(person), gallery.templates(person)
                _require_templates(gallery, person)
                _require_templates(gallery, into)
                why = _different(gallery, limits(self.configuration), person, into)
                if why is not None and not anyway:
                    raise DoubtError({into: why})
                ignored = gallery.person(into).ignored
                change = gallery.enroll(into, None, templates, self.clock.wall(), ignored=ignored)
                gallery.link(into, first.look_alikes)
            self.record_changes([dataclasses.replace(change, anyway=why is not None)])
            return self._erase(gallery, [person], into)

    def merge_unknowns(self, one: str, other: str, *, anyway: bool = False) -> Unknown:
        """Make two unknown ids of one person the one that was seen first; returns that unknown as it is now.

        Raises DoubtError if the two may be different people, unless `anyway`. It cannot be undone.
        """
        with self.gallery() as gallery:
            with gallery.transaction():
                why = _unlike(gallery.unknown(one), gallery.unknown(other), limits(self.configuration))
                if why is not None and not anyway:
                    raise DoubtError({one: why})
                change = gallery.merge_unknowns(one, other, self.clock.wall())
            self.record_changes([dataclasses.replace(change, anyway=why is not None)])
            return gallery.unknown(change.person)

    def keep_apart(self, one: str, other: str) -> None:
        """Record that two unknown ids are two people: the pair is not proposed again."""
        with self.gallery() as gallery:
            gallery.keep_apart(one, other)

    def export_people(self, path: Path, person: str | None = None) -> int:
        """Write everyone, or one person with all journal rows about them, to a file; returns the number of people."""
        with self.gallery() as gallery:
            if person is None:
                return transfer.write(gallery, path)
            gallery.person(person)
            if not self.configuration.journal_path.exists():
                return transfer.write(gallery, path, person, ())
            with closing(Journal(self.configuration.journal_path)) as journal:
                rows = journal.about(person)
                if journal.problem is not None:
                    raise GalleryError(journal.problem)
            return transfer.write(gallery, path, person, rows)

    def import_people(
        self, path: Path, *, replace: bool = False, anyway: bool = False, accept_limits: bool = False
    ) -> int:
        """Enroll everyone from a file that `export_people` wrote, and return their number; `replace` overwrites people.

        Raises DoubtError if someone's templates are of two people, or not of the person that they replace, unless
        `anyway`; LimitError if a level would end, unless `accept_limits`.
        """
        embedder = open_embedder(self.configuration.embedder.model)
        people = transfer.read(path, embedder.name, embedder.size)
        with self.gallery(create=True) as gallery:
            known, wall, before = limits(self.configuration), self.clock.wall(), enrolled(gallery.people())
            with gallery.transaction():
                changes = transfer.import_all(gallery, people, known, wall, replace=replace, anyway=anyway)
                effect = self._effects(gallery, before, None, accept_limits=accept_limits)
            self.record_changes(_marked(changes, effect))
        return len(people)

    def analyzer(self) -> AbstractContextManager[FaceAnalyzer]:
        """The models, for one thread; waits for them. Raises ModelError."""
        return nullcontext(self.configuration.open_analyzer()) if self.analyzers is None else self.analyzers()

    def _carry_out(self, gallery: Gallery, plan: Plan, options: EnrollOptions) -> EnrollResult:
        options = dataclasses.replace(options, pictures=self.configuration.privacy.pictures == "all")
        with gallery.transaction():
            if gallery.changed():
                # Someone may have been enrolled with this face since the faces were compared.
                known = self.known_faces(gallery, different_people=options.different_people)
                plan = compared_again(known, plan)
            before = enrolled(gallery.people())
            repeated = () if options.again else tuple(repetitions(gallery, plan))
            changes = carry_out(gallery, plan, self.clock.wall(), options)
            effect = self._effects(gallery, before, plan, accept_limits=options.accept_limits)
        self.record_changes(_marked(changes, effect))
        ids = dict.fromkeys(change.person for change in changes if change.kind == "enrolled")
        notes = (*plan.notes, *repeated, *effect.lowered, *effect.ended)
        return EnrollResult(tuple(gallery.person(one) for one in ids), notes, plan.rejected)

    def _effects(self, gallery: Gallery, before: frozenset[str], plan: Plan | None, *, accept_limits: bool) -> Effects:
        """What the enrollment of more people has changed; raises LimitError if a level ends, unless that is accepted.

        It counts the expired until they are erased.
        """
        found = effects(self.configuration, before, enrolled(gallery.people()) - before)
        if found.ended and not accept_limits:
            raise LimitError(found.ended, plan)
        return found

    def _erase(self, gallery: Gallery, who: Collection[str], into: str | None = None) -> ErasureProof:
        try:
            return erase(self.configuration, gallery, who, self.clock.wall(), into)
        finally:
            for one in who:
                self.erased(one)

    def record_changes(self, changes: Iterable[Change]) -> None:
        """Record changes in the audit trail."""
        if self.record is not None:
            self.record(changes)
            return
        rows = [noted(change.kind, change.wall, change.facts) for change in changes]
        problem = write_rows(self.configuration.journal_path, rows)
        if problem is not None:
            complain(f"done, but not in the audit trail: {problem}")


def _marked(changes: Iterable[Change], effect: Effects) -> list[Change]:
    """The changes; an enrollment with which a level ends says so in the audit trail."""
    ends = bool(effect.ended)
    return [dataclasses.replace(one, accept_limits=ends and one.kind == "enrolled") for one in changes]


def _different(gallery: Gallery, known: Limits, person: str, into: str) -> str | None:
    """Why two ids may be two people; None if they are alike and no correction of either denies it."""
    if contradicted(gallery, person, gallery.embeddings(into)):
        return f"a correction says that this face is not {person}"
    return doubt(gallery, known, into, gallery.embeddings(person))


def _unlike(one: Unknown, other: Unknown, known: Limits) -> str | None:
    """Why two unknowns may be two people; None if they are alike."""
    score = likeness(one.templates, other.templates)
    if score < known.same:
        return f"the faces differ: cosine {score:.2f}, needs {known.same:.2f}"
    return objection(one.templates, other.templates, known)


def _require_templates(gallery: Gallery, person: str) -> None:
    """Raise GalleryError if a person is missing or has no templates of the model."""
    if not gallery.person(person).templates:
        raise GalleryError(f"{person}: no templates of the current model; enroll again")
