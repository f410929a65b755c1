"""The verbs about people: enroll, people, rename, consent, forget, ignore, export, import.

Each takes the command line's arguments, prints plain lines, and gives the exit status; what is refused is an
EdgefaceError, with nothing changed.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from edgeface import config, transfer
from edgeface.chain import open_chain
from edgeface.clock import SystemClock
from edgeface.embedder import embedder_name, open_embedder
from edgeface.enroll import Candidate, How, Known, Plan, carry_out, from_folder, from_photos, from_unknown
from edgeface.errors import GalleryError, UsageError
from edgeface.forgetting import forget
from edgeface.gallery import FILE, NEVER, Gallery
from edgeface.guide import Guide, newest, shoot
from edgeface.journal import Journal
from edgeface.listing import complain, dates, level_threshold, say, say_people, say_unknowns, say_warnings, still_named
from edgeface.names import check_id, printable, printable_path
from edgeface.settings import Configuration
from edgeface.view import check_day, day

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from edgeface.gallery import Change
    from edgeface.journal import Row
    from edgeface.view import View


def run_enroll(arguments: Namespace) -> int:
    """Enroll from photos, a folder of folders, a camera or an unknown."""
    configuration = _configuration(arguments)
    _check_source(arguments)
    with _opened(configuration) as gallery:
        plan = _plan(arguments, configuration, gallery)
        how = How(skip_bad=arguments.skip_bad, again=arguments.again, given=arguments.given, expires=arguments.expires)
        _tell(plan, carry(configuration, gallery, plan, how), gallery)
    return 0


def run_ignore(arguments: Namespace) -> int:
    """Put a face on the ignore list, from photos or an unknown."""
    configuration = _configuration(arguments)
    if bool(arguments.photos) == (arguments.unknown is not None):
        raise UsageError("give either photos or --unknown")
    with _opened(configuration) as gallery:
        known = _known(configuration, gallery.snapshot())
        if arguments.unknown is not None:
            plan = from_unknown(gallery, known, arguments.id, None, arguments.unknown)
        else:
            plan = from_photos(open_chain(configuration), known, arguments.id, None, arguments.photos)
        _tell(plan, carry(configuration, gallery, plan, How(ignored=True)), gallery)
    return 0


def run_people(arguments: Namespace) -> int:
    """List who is enrolled, or the unknowns."""
    configuration = _configuration(arguments)
    if not (configuration.data / FILE).exists():
        say("nobody is enrolled (edgeface enroll --help)")
        return 0
    with _opened(configuration) as gallery:
        if arguments.unknown:
            say_unknowns(gallery)
        else:
            say_people(configuration, gallery, _strangers(configuration), SystemClock().wall())
    return 0


def run_rename(arguments: Namespace) -> int:
    """Change a display name."""
    configuration = _configuration(arguments)
    with _existing(configuration) as gallery:
        change = gallery.rename(arguments.id, arguments.name, SystemClock().wall())
        _note(configuration, [change])
        say(f"{arguments.id}: now {gallery.person(arguments.id).name}")
    return 0


def run_consent(arguments: Namespace) -> int:
    """Note the days of consent and of its end."""
    configuration = _configuration(arguments)
    if arguments.given is None and arguments.expires is None:
        raise UsageError("give --given, --expires or both")
    _check_dates(arguments)
    wall = SystemClock().wall()
    with _existing(configuration) as gallery:
        _note(configuration, [gallery.consent(arguments.id, wall, arguments.given, arguments.expires)])
        say(f"{arguments.id}: {dates(gallery.person(arguments.id), day(wall)) or 'no consent noted, never expires'}")
    return 0


def run_forget(arguments: Namespace) -> int:
    """Erase a person, or an unknown, for good, and search for traces; what fails half-way can be tried again."""
    configuration = _configuration(arguments)
    with _existing(configuration) as gallery:
        proof = forget(configuration, gallery, arguments.id, SystemClock().wall())
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
    with _existing(configuration) as gallery:
        rows = None if arguments.person is None else _about(configuration, arguments.person)
        count = transfer.write(gallery, arguments.file, arguments.person, rows)
    say(f"{arguments.file}: {count} people; it holds face templates, so keep it as you keep a key")
    return 0


def run_import(arguments: Namespace) -> int:
    """Read people from a file."""
    configuration = _configuration(arguments)
    embedder = open_embedder(configuration.embedder.model)
    people = transfer.read(arguments.file, embedder.name, embedder.size)
    with _opened(configuration) as gallery:
        changes = transfer.take_in(gallery, people, SystemClock().wall(), replace=arguments.replace)
        _note(configuration, changes)
        say(f"{len(people)} people imported")
        say_warnings(configuration, gallery.snapshot())
    return 0


def enroll_folder(configuration: Configuration, folder: Path, *, skip_bad: bool = False) -> int:
    """Enroll everybody of FOLDER/PERSON/PHOTO into the configuration's gallery; gives the number of people."""
    with _opened(configuration) as gallery:
        known = _known(configuration, gallery.snapshot())
        plan = from_folder(open_chain(configuration), known, folder, _bar)
        return len(carry(configuration, gallery, plan, How(skip_bad=skip_bad)))


def carry(configuration: Configuration, gallery: Gallery, plan: Plan, how: How) -> list[Change]:
    """Say what was refused, carry out the plan as the configuration lets it, and write it to the audit trail."""
    for line in plan.refused:
        complain(line)
    how = replace(how, pictures=configuration.privacy.pictures == "all")
    changes = carry_out(gallery, plan, SystemClock().wall(), how)
    _note(configuration, changes)
    return changes


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
    known = _known(configuration, gallery.snapshot())
    if arguments.folder is not None:
        return from_folder(open_chain(configuration), known, arguments.folder, _bar)
    check_id(arguments.id)
    if arguments.unknown is not None:
        return from_unknown(gallery, known, arguments.id, arguments.name, arguments.unknown)
    if arguments.camera is not None:
        return _from_camera(arguments, configuration, known)
    return from_photos(open_chain(configuration), known, arguments.id, arguments.name, arguments.photos)


def _from_camera(arguments: Namespace, configuration: Configuration, known: Known) -> Plan:
    camera = configuration.cameras.get(arguments.camera)
    if camera is None:
        names = ", ".join(configuration.cameras) or "none"
        raise GalleryError(f"{printable(arguments.camera)}: no such camera in the config; it has: {names}")
    guide = Guide(open_chain(configuration), known, arguments.id)
    with closing(newest(camera)) as pictures:
        shots = shoot(pictures, guide, SystemClock(), say)
    return Plan((Candidate(arguments.id, arguments.name, shots, "camera", pictures=tuple(guide.pictures)),))


def _configuration(arguments: Namespace) -> Configuration:
    """The config, with --data in place of its data; --data alone does without a config file."""
    if arguments.data is None:
        return config.load(arguments.config)
    if not arguments.config.exists():
        return Configuration.model_construct(cameras={}, data=arguments.data)
    return config.load(arguments.config).model_copy(update={"data": arguments.data})


@contextmanager
def _opened(configuration: Configuration) -> Iterator[Gallery]:
    with closing(Gallery.open(configuration.data, embedder_name(configuration.embedder.model))) as gallery:
        yield gallery


@contextmanager
def _existing(configuration: Configuration) -> Iterator[Gallery]:
    if not (configuration.data / FILE).exists():
        raise GalleryError(f"{configuration.data}: no gallery here yet (edgeface enroll makes one)")
    with _opened(configuration) as gallery:
        yield gallery


def _known(configuration: Configuration, view: View) -> Known:
    return Known.of(view, level_threshold(configuration, view)[0])


def _journal(configuration: Configuration) -> Path:
    return configuration.data / "journal.db"


def _strangers(configuration: Configuration) -> float | None:
    path = _journal(configuration)
    if not path.exists():
        return None
    with closing(Journal(path)) as journal:
        return journal.strangers_a_day(SystemClock().wall())


def _about(configuration: Configuration, person: str) -> list[Row]:
    """What the journal has of a person; GalleryError when it cannot be read."""
    if not _journal(configuration).exists():
        return []
    with closing(Journal(_journal(configuration))) as journal:
        rows = journal.about(person)
        if journal.problem is not None:
            raise GalleryError(journal.problem)
        return rows


def _note(configuration: Configuration, changes: Iterable[Change]) -> None:
    """Write the audit rows; one of a deletion says that it was, and not of whom."""
    with closing(Journal(_journal(configuration))) as journal:
        for change in changes:
            if not journal.note(change.kind, change.wall, change.facts):
                complain(f"done, but not in the audit trail: {journal.problem}")


def _tell(plan: Plan, changes: Sequence[Change], gallery: Gallery) -> None:
    for line in plan.notes:
        say(line)
    people = {person.id: person for person in gallery.people()}
    for person in (people[change.person] for change in changes if change.kind == "enrolled"):
        state = "on the ignore list" if person.ignored else "enrolled"
        say(f"{person.id}: {state} as {person.name}, {person.templates} templates")


def _bar(paths: Sequence[Path]) -> Iterable[Path]:
    from tqdm import tqdm

    # None: shown on a terminal only.
    bar: Iterable[Path] = tqdm(paths, desc="enrolling", unit="photo", disable=None)
    return bar
