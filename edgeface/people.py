"""The verbs about people: enroll, people, rename, forget, ignore, export, import.

Each takes the command line's arguments, prints plain lines, and gives the exit status; what is refused is an
EdgefaceError, with nothing changed.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from edgeface import config, erasure, transfer
from edgeface.chain import open_chain
from edgeface.clock import SystemClock
from edgeface.embedder import embedder_name, open_embedder
from edgeface.enroll import Candidate, Known, Plan, carry_out, from_folder, from_photos, from_unknown
from edgeface.errors import GalleryError, UsageError
from edgeface.gallery import FILE, Gallery
from edgeface.guide import Guide, newest, shoot
from edgeface.journal import Journal
from edgeface.listing import complain, level_threshold, say, say_people, say_unknowns, say_warnings
from edgeface.names import check_id, is_unknown_id, printable, printable_path
from edgeface.settings import Configuration

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from edgeface.gallery import Change
    from edgeface.view import View


def run_enroll(arguments: Namespace) -> int:
    """Enroll from photos, a folder of folders, a camera or an unknown."""
    configuration = _configuration(arguments)
    _check_source(arguments)
    with _opened(configuration) as gallery:
        plan = _plan(arguments, configuration, gallery)
        changes = carry(configuration, gallery, plan, skip_bad=arguments.skip_bad, again=arguments.again)
        _tell(plan, changes, gallery)
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
        _tell(plan, carry(configuration, gallery, plan, ignored=True), gallery)
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
            say_people(configuration, gallery, _strangers(configuration))
    return 0


def run_rename(arguments: Namespace) -> int:
    """Change a display name."""
    configuration = _configuration(arguments)
    with _existing(configuration) as gallery:
        change = gallery.rename(arguments.id, arguments.name, SystemClock().wall())
        _note(configuration, [change])
        say(f"{arguments.id}: now {gallery.person(arguments.id).name}")
    return 0


def run_forget(arguments: Namespace) -> int:
    """Erase a person, or an unknown, from the gallery and the journal; what fails half-way can be tried again."""
    configuration = _configuration(arguments)
    journal, wall = _journal(configuration), SystemClock().wall()
    with _existing(configuration) as gallery:
        erasure.finish(configuration.data / FILE)
        # The journal first: once the gallery knows nobody by this id, nothing leads to its rows.
        erasure.forget_in_journal(journal, arguments.id)
        if is_unknown_id(arguments.id):
            gallery.forget_unknown(arguments.id)
        else:
            known = _known(configuration, gallery.snapshot())
            change = gallery.forget(arguments.id, wall, known.threshold)
            _note(configuration, [change])
    # And again: a running daemon may have seen them meanwhile.
    erasure.forget_in_journal(journal, arguments.id)
    for aside in sorted(configuration.data.glob(f"{journal.name}.corrupt-*")):
        complain(f"{printable_path(aside)}: a damaged journal, put aside, that may still name them: delete it")
    say(f"{arguments.id}: forgotten")
    return 0


def run_export(arguments: Namespace) -> int:
    """Write people to a file."""
    with _existing(_configuration(arguments)) as gallery:
        count = transfer.write(gallery, arguments.file, arguments.person)
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
        say(f"{len(changes)} people imported")
        say_warnings(configuration, gallery.snapshot())
    return 0


def enroll_folder(configuration: Configuration, folder: Path, *, skip_bad: bool = False) -> int:
    """Enroll everybody of FOLDER/PERSON/PHOTO into the configuration's gallery; gives the number of people."""
    with _opened(configuration) as gallery:
        known = _known(configuration, gallery.snapshot())
        plan = from_folder(open_chain(configuration), known, folder, _bar)
        return len(carry(configuration, gallery, plan, skip_bad=skip_bad))


def carry(
    configuration: Configuration,
    gallery: Gallery,
    plan: Plan,
    *,
    ignored: bool = False,
    skip_bad: bool = False,
    again: bool = False,
) -> list[Change]:
    """Say what was refused, carry out the plan, and write it to the audit trail."""
    for line in plan.refused:
        complain(line)
    changes = carry_out(gallery, plan, SystemClock().wall(), ignored=ignored, skip_bad=skip_bad, again=again)
    _note(configuration, changes)
    return changes


def _check_source(arguments: Namespace) -> None:
    sources = [bool(arguments.photos), arguments.folder is not None, arguments.camera is not None]
    if sum([*sources, arguments.unknown is not None]) != 1:
        raise UsageError("give one of: photos, --folder, --camera, --unknown")
    if (arguments.id is None) != (arguments.folder is not None):
        raise UsageError("--folder takes the ids from the folders' names" if arguments.id else "give an ID")


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
    return Plan((Candidate(arguments.id, arguments.name, shots, "camera"),))


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


def _note(configuration: Configuration, changes: Iterable[Change]) -> None:
    """Write the audit rows; one of a deletion says that it was, and not of whom."""
    with closing(Journal(_journal(configuration))) as journal:
        for change in changes:
            facts = {} if change.kind == "deleted" else {"person": change.person}
            if not journal.note(change.kind, change.wall, facts):
                complain(f"done, but not in the audit trail: {journal.problem}")


def _tell(plan: Plan, changes: Sequence[Change], gallery: Gallery) -> None:
    for line in plan.notes:
        say(line)
    people = {person.id: person for person in gallery.people()}
    for change in changes:
        person = people[change.person]
        state = "on the ignore list" if person.ignored else "enrolled"
        say(f"{person.id}: {state} as {person.name}, {person.templates} templates")


def _bar(paths: Sequence[Path]) -> Iterable[Path]:
    from tqdm import tqdm

    # None: shown on a terminal only.
    bar: Iterable[Path] = tqdm(paths, desc="enrolling", unit="photo", disable=None)
    return bar
