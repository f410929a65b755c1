"""The verbs about people: enroll, people, rename, consent, forget, ignore, export, import.

Each takes the command line's arguments, prints plain lines, and gives the exit status; what is refused is an
EdgefaceError, with nothing changed.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from edgeface.cli.listing import dates, say_people, say_unknowns, say_warnings
from edgeface.config import loader
from edgeface.config.configuration import Configuration
from edgeface.core.clock import SystemClock
from edgeface.core.console import complain, say
from edgeface.core.errors import GalleryError, UsageError
from edgeface.core.text import check_id, printable, printable_path
from edgeface.faces.embedder import open_embedder
from edgeface.gallery.gallery import FILE, Gallery
from edgeface.gallery.rows import NEVER
from edgeface.gallery.snapshot import check_day, day
from edgeface.journal.journal import Journal
from edgeface.people import transfer
from edgeface.people.enrollment import (
    Candidate,
    EnrollOptions,
    KnownFaces,
    Plan,
    from_folder,
    from_photos,
    from_unknown,
)
from edgeface.people.erasure import erase
from edgeface.people.guided import Guide, newest, shoot
from edgeface.people.rules import still_named
from edgeface.people.service import carry, existing, journal_path, known_faces, open_gallery, progress_bar, record

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from edgeface.gallery.rows import Change
    from edgeface.journal.rows import JournalRow


def run_enroll(arguments: Namespace) -> int:
    """Enroll from photos, a folder of folders, a camera or an unknown."""
    configuration = _configuration(arguments)
    _check_source(arguments)
    with open_gallery(configuration) as gallery:
        plan = _plan(arguments, configuration, gallery)
        how = EnrollOptions(
            skip_bad=arguments.skip_bad, again=arguments.again, given=arguments.given, expires=arguments.expires
        )
        _tell(plan, carry(configuration, gallery, plan, how), gallery)
    return 0


def run_ignore(arguments: Namespace) -> int:
    """Put a face on the ignore list, from photos or an unknown."""
    configuration = _configuration(arguments)
    if bool(arguments.photos) == (arguments.unknown is not None):
        raise UsageError("give either photos or --unknown")
    with open_gallery(configuration) as gallery:
        known = known_faces(configuration, gallery.snapshot())
        if arguments.unknown is not None:
            plan = from_unknown(gallery, known, arguments.id, None, arguments.unknown)
        else:
            plan = from_photos(configuration.open_analyzer(), known, arguments.id, None, arguments.photos)
        _tell(plan, carry(configuration, gallery, plan, EnrollOptions(ignored=True)), gallery)
    return 0


def run_people(arguments: Namespace) -> int:
    """List who is enrolled, or the unknowns."""
    configuration = _configuration(arguments)
    if not (configuration.data / FILE).exists():
        say("nobody is enrolled (edgeface enroll --help)")
        return 0
    with open_gallery(configuration) as gallery:
        if arguments.unknown:
            say_unknowns(gallery)
        else:
            say_people(configuration, gallery, _strangers(configuration), SystemClock().wall())
    return 0


def run_rename(arguments: Namespace) -> int:
    """Change a display name."""
    configuration = _configuration(arguments)
    with existing(configuration) as gallery:
        change = gallery.rename(arguments.id, arguments.name, SystemClock().wall())
        record(configuration, [change])
        say(f"{arguments.id}: now {gallery.person(arguments.id).name}")
    return 0


def run_consent(arguments: Namespace) -> int:
    """Note the days of consent and of its end."""
    configuration = _configuration(arguments)
    if arguments.given is None and arguments.expires is None:
        raise UsageError("give --given, --expires or both")
    _check_dates(arguments)
    wall = SystemClock().wall()
    with existing(configuration) as gallery:
        record(configuration, [gallery.consent(arguments.id, wall, arguments.given, arguments.expires)])
        say(f"{arguments.id}: {dates(gallery.person(arguments.id), day(wall)) or 'no consent noted, never expires'}")
    return 0


def run_forget(arguments: Namespace) -> int:
    """Erase a person, or an unknown, for good, and search for traces; what fails half-way can be tried again."""
    configuration = _configuration(arguments)
    with existing(configuration) as gallery:
        proof = erase(configuration, gallery, arguments.id, SystemClock().wall())
    for aside in proof.set_aside:
        complain(f"{printable_path(aside)}: a damaged journal, put aside, that may still name them: delete it")
    for line in still_named(configuration, arguments.id):
        complain(line)
    for path in proof.traces:
        complain(f"{printable_path(path)}: still has a trace of {arguments.id}")
    if not proof.traces:
        say(f"{arguments.id}: forgotten; {proof.files} files searched, no trace")
    return 1 if proof.traces else 0


def run_export(arguments: Namespace) -> int:
    """Write people to a file."""
    configuration = _configuration(arguments)
    with existing(configuration) as gallery:
        rows = None if arguments.person is None else _about(configuration, arguments.person)
        count = transfer.write(gallery, arguments.file, arguments.person, rows)
    say(f"{arguments.file}: {count} people; it holds face templates, so keep it as you keep a key")
    return 0


def run_import(arguments: Namespace) -> int:
    """Read people from a file."""
    configuration = _configuration(arguments)
    embedder = open_embedder(configuration.embedder.model)
    people = transfer.read(arguments.file, embedder.name, embedder.size)
    with open_gallery(configuration) as gallery:
        changes = transfer.take_in(gallery, people, SystemClock().wall(), replace=arguments.replace)
        record(configuration, changes)
        say(f"{len(people)} people imported")
        say_warnings(configuration, gallery.snapshot())
    return 0


def _check_source(arguments: Namespace) -> None:
    sources = [bool(arguments.photos), arguments.folder is not None, arguments.camera is not None]
    if sum([*sources, arguments.unknown is not None]) != 1:
        raise UsageError("give one of: photos, --folder, --camera, --unknown")
    if (arguments.id is None) != (arguments.folder is not None):
        raise UsageError("--folder takes the ids from the folders' names" if arguments.id else "give an ID")
    _check_dates(arguments)


def _check_dates(arguments: Namespace) -> None:
    try:
        for text in (arguments.given, None if arguments.expires == NEVER else arguments.expires):
            if text is not None:
                check_day(text)
    except GalleryError as error:
        raise UsageError(str(error)) from error


def _plan(arguments: Namespace, configuration: Configuration, gallery: Gallery) -> Plan:
    known = known_faces(configuration, gallery.snapshot())
    if arguments.folder is not None:
        return from_folder(configuration.open_analyzer(), known, arguments.folder, progress_bar)
    check_id(arguments.id)
    if arguments.unknown is not None:
        return from_unknown(gallery, known, arguments.id, arguments.name, arguments.unknown)
    if arguments.camera is not None:
        return _from_camera(arguments, configuration, known)
    return from_photos(configuration.open_analyzer(), known, arguments.id, arguments.name, arguments.photos)


def _from_camera(arguments: Namespace, configuration: Configuration, known: KnownFaces) -> Plan:
    camera = configuration.cameras.get(arguments.camera)
    if camera is None:
        names = ", ".join(configuration.cameras) or "none"
        raise GalleryError(f"{printable(arguments.camera)}: no such camera in the config; it has: {names}")
    guide = Guide(configuration.open_analyzer(), known, arguments.id)
    with closing(newest(camera)) as pictures:
        shots = shoot(pictures, guide, SystemClock(), say)
    return Plan((Candidate(arguments.id, arguments.name, shots, "camera", pictures=tuple(guide.pictures)),))


def _configuration(arguments: Namespace) -> Configuration:
    """The config, with --data in place of its data; --data alone does without a config file."""
    if arguments.data is None:
        return loader.load(arguments.config)
    if not arguments.config.exists():
        return Configuration.model_construct(cameras={}, data=arguments.data)
    return loader.load(arguments.config).model_copy(update={"data": arguments.data})


def _strangers(configuration: Configuration) -> float | None:
    path = journal_path(configuration)
    if not path.exists():
        return None
    with closing(Journal(path)) as journal:
        return journal.strangers_a_day(SystemClock().wall())


def _about(configuration: Configuration, person: str) -> list[JournalRow]:
    """What the journal has of a person; GalleryError when it cannot be read."""
    if not journal_path(configuration).exists():
        return []
    with closing(Journal(journal_path(configuration))) as journal:
        rows = journal.about(person)
        if journal.problem is not None:
            raise GalleryError(journal.problem)
        return rows


def _tell(plan: Plan, changes: Sequence[Change], gallery: Gallery) -> None:
    for line in plan.notes:
        say(line)
    people = {person.id: person for person in gallery.people()}
    for person in (people[change.person] for change in changes if change.kind == "enrolled"):
        state = "on the ignore list" if person.ignored else "enrolled"
        say(f"{person.id}: {state} as {person.name}, {person.templates} templates")
