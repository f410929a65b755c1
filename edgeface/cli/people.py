"""The commands about people: enroll, people, templates, rename, consent, forget, ignore, correct, export, import.

Each takes the command line's arguments, prints what PeopleService returns, and returns the exit status; what is refused
is an EdgefaceError, with nothing changed.
"""

from __future__ import annotations

import sys
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edgeface.cli.listing import (
    dates,
    say_alike,
    say_json,
    say_negatives,
    say_people,
    say_templates,
    say_unknowns,
    say_warnings,
)
from edgeface.config import loader
from edgeface.config.configuration import Configuration
from edgeface.core.clock import SystemClock
from edgeface.core.console import complain, say
from edgeface.core.errors import GalleryError, UsageError
from edgeface.core.files import read_at_most
from edgeface.core.text import MAX_NAME, counted, is_cut, is_typed_as_name, printable, printable_path
from edgeface.gallery.gallery import FILE
from edgeface.gallery.snapshot import check_days, day
from edgeface.journal.journal import Journal
from edgeface.people.enrollment import EnrollOptions, OverridableError, RejectedError
from edgeface.people.guided import newest, shoot
from edgeface.people.service import PeopleService

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Sequence

    from edgeface.gallery.snapshot import Person
    from edgeface.gallery.unknowns import Unknown
    from edgeface.people.service import EnrollResult


Listed = TypeVar("Listed", "Person", "Unknown")
_LISTED = 100
"""Entries of a list without --limit."""
_MAX_IDS = 1_000_000
"""Bytes of a file of IDs; that is room for 10,000."""


def run_enroll(arguments: Namespace) -> int:
    """Enroll from photos, a folder of folders, a camera or an unknown."""
    service = service_of(arguments)
    _check_source(arguments)
    options = EnrollOptions(
        skip_bad=arguments.skip_bad,
        again=arguments.again,
        given=arguments.given,
        expires=arguments.expires,
        **_overrides(arguments),
    )
    with refusals_explained(" (--skip-bad leaves them out)"):
        _show(_enrolled(arguments, service, options))
    return 0


def run_ignore(arguments: Namespace) -> int:
    """Put a face on the ignore list, from photos or an unknown."""
    options = EnrollOptions(ignored=True, anyway=arguments.anyway, different_people=arguments.different_people)
    service = service_of(arguments)
    if bool(arguments.photos) == (arguments.unknown is not None):
        raise UsageError("give either photos or --unknown")
    with refusals_explained():
        if arguments.unknown is not None:
            _show(service.enroll_unknown(arguments.unknown, arguments.id, None, options))
        else:
            _show(service.enroll(arguments.id, None, arguments.photos, options))
    return 0


def run_people(arguments: Namespace) -> int:
    """List the enrolled people, or the unknowns."""
    service = service_of(arguments)
    if not (service.configuration.data / FILE).exists():
        say("no one is enrolled (edgeface enroll --help)")
        return 0
    if arguments.limit is not None and arguments.limit < 1:
        raise UsageError("--limit must be 1 or more")
    with service.gallery() as gallery:
        if arguments.unknown:
            _list(gallery.unknowns(), arguments, " --unknown", say_unknowns)
        else:
            strangers, wall = _strangers_per_day(service.configuration), SystemClock().wall()
            table = partial(say_people, service.configuration, gallery, strangers=strangers, wall=wall)
            _list(gallery.people(), arguments, "", table)
    return 0


def _list(listed: Sequence[Listed], arguments: Namespace, flag: str, table: Callable[[Sequence[Listed]], None]) -> None:
    """Print a part of a list, and how to get the next."""
    # A JSON list is for a program, which wants it whole.
    most = arguments.limit or (None if arguments.json else _LISTED)
    shown, rest = _part(listed, arguments.after, most)
    if arguments.json:
        say_json(shown)
        return
    table(shown)
    if rest:
        say(f"{rest} more: edgeface people{flag} --after {shown[-1].id}")


def _part(listed: Sequence[Listed], after: str | None, most: int | None) -> tuple[Sequence[Listed], int]:
    """At most `most` of a list after the entry with the id `after`, and how many follow."""
    ids = [one.id for one in listed]
    if after is not None and after not in ids:
        raise GalleryError(f"{printable(after)}: not in the list")
    first = 0 if after is None else ids.index(after) + 1
    shown = listed[first:] if most is None else listed[first : first + most]
    return shown, len(listed) - first - len(shown)


def run_unknowns(arguments: Namespace) -> int:
    """List the unknowns that are probably one person, merge two ids, or record that they are two people."""
    service, ids, merge = service_of(arguments), arguments.ids, arguments.action == "merge"
    if len(ids) != (0 if arguments.action == "alike" else 2):
        raise UsageError("alike takes no id; merge and apart take two")
    if arguments.anyway and not merge:
        raise UsageError("--anyway is for merge")
    if arguments.action == "alike":
        with service.gallery() as gallery:
            say_alike(gallery)
        return 0
    if merge:
        with refusals_explained():
            kept = service.merge_unknowns(*ids, anyway=arguments.anyway)
        say(f"{kept.id}: {counted(kept.sightings, 'visit')}; {kept.merged[-1]} was merged into it")
        return 0
    service.keep_apart(*ids)
    say(f"{' and '.join(ids)}: two people; not proposed again")
    return 0


def run_templates(arguments: Namespace) -> int:
    """List the templates of a person, or remove one."""
    service, person = service_of(arguments), arguments.id
    if arguments.remove is None:
        say_templates(service.templates(person))
        return 0
    service.remove_template(person, arguments.remove)
    say(f"{person}: template {arguments.remove} removed, {counted(len(service.templates(person)), 'template')} left")
    return 0


def run_rename(arguments: Namespace) -> int:
    """Change a display name."""
    person = service_of(arguments).change(arguments.id, name=arguments.name)
    cut = f" (cut to {MAX_NAME} characters)" if is_cut(arguments.name) else ""
    say(f"{person.id}: now {person.name}{cut}")
    return 0


def run_consent(arguments: Namespace) -> int:
    """Set the days of consent and of its end."""
    service = service_of(arguments)
    if arguments.given is None and arguments.expires is None:
        raise UsageError("give --given, --expires or both")
    _check_dates(arguments)
    person = service.change(arguments.id, given=arguments.given, expires=arguments.expires)
    say(f"{person.id}: {dates(person, day(SystemClock().wall())) or 'no day of consent, never expires'}")
    return 0


def run_forget(arguments: Namespace) -> int:
    """Erase people and unknowns and search for traces; 1 if there are any. It can be repeated."""
    ids = [*arguments.id, *(_lines(arguments.file) if arguments.file is not None else ())]
    if not ids:
        raise UsageError("give an ID, or --from FILE with at least one")
    proof = service_of(arguments).erase(*ids)
    who = ids[0] if len(ids) == 1 else counted(len(dict.fromkeys(ids)), "ID")
    for aside in proof.set_aside:
        complain(f"{printable_path(aside)}: a damaged journal was set aside and may still name {who}: delete it")
    for line in proof.still_named:
        complain(line)
    for path in proof.traces:
        complain(f"{printable_path(path)}: still has a trace of {who}")
    if not proof.traces:
        say(f"{who}: erased; {counted(proof.files, 'file')} searched, no trace")
    return 1 if proof.traces else 0


def _lines(file: str) -> list[str]:
    """The lines of a file that are not empty; `-` is standard input. Raises GalleryError if it cannot be read."""
    try:
        data = sys.stdin.buffer.read(_MAX_IDS) if file == "-" else read_at_most(Path(file), _MAX_IDS)
        lines = data.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise GalleryError(f"{printable(file)}: {why}") from error
    if len(data) >= _MAX_IDS:
        raise GalleryError(f"{printable(file)}: more than {_MAX_IDS // 1_000_000} MB")
    return [line.strip() for line in lines if line.strip()]


def run_correct(arguments: Namespace) -> int:
    """Correct an event, undo that, or list the negative templates of a person."""
    service, event = service_of(arguments), arguments.event
    if arguments.list is not None:
        with service.gallery() as gallery:
            say_negatives(gallery, arguments.list)
        return 0
    given = [one for one in (arguments.denied, arguments.person, arguments.undo) if one is not None]
    if event is None or not given:
        raise UsageError("give an EVENT with one of --not, --is and --undo, or --list")
    if arguments.denied is not None:
        service.deny(event, arguments.denied)
        say(f"{event}: recorded that this is not {arguments.denied}")
    elif arguments.person is not None:
        options = EnrollOptions(**_overrides(arguments))
        with refusals_explained():
            _show(service.identify(event, arguments.person, arguments.name, options))
    else:
        service.restore(arguments.undo, event)
        say(f"{arguments.undo}: the negative template of {event} was removed")
    return 0


def run_export(arguments: Namespace) -> int:
    """Write people to a file."""
    count = service_of(arguments).export_people(arguments.file, arguments.person)
    say(f"{arguments.file}: {counted(count, 'person', 'people')}; it holds face templates, so protect it like a key")
    return 0


def run_import(arguments: Namespace) -> int:
    """Read people from a file."""
    service = service_of(arguments)
    with refusals_explained():
        count = service.import_people(
            arguments.file,
            replace=arguments.replace,
            anyway=arguments.anyway,
            accept_limits=arguments.accept_limits,
        )
    say(f"{counted(count, 'person', 'people')} imported")
    with service.gallery() as gallery:
        say_warnings(service.configuration, gallery, gallery.snapshot(SystemClock().wall()))
    return 0


def _overrides(arguments: Namespace) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in ("anyway", "different_people", "accept_limits")}


def service_of(arguments: Namespace) -> PeopleService:
    """With the configuration, in which --data replaces `data`; with --data, no config file is needed."""
    if arguments.data is None:
        return PeopleService(loader.load(arguments.config))
    if not arguments.config.exists():
        return PeopleService(Configuration.model_construct(cameras={}, data=arguments.data))
    return PeopleService(loader.load(arguments.config).model_copy(update={"data": arguments.data}))


def _check_source(arguments: Namespace) -> None:
    sources = [bool(arguments.photos), arguments.folder is not None, arguments.camera is not None]
    if sum([*sources, arguments.unknown is not None]) != 1:
        raise UsageError("give one of: photos, --folder, --camera, --unknown")
    if (arguments.id is None) != (arguments.folder is not None):
        raise UsageError("--folder takes the ids from the folders' names" if arguments.id else "give an ID")
    _check_dates(arguments)


def _check_dates(arguments: Namespace) -> None:
    try:
        check_days(arguments.given, arguments.expires)
    except GalleryError as error:
        raise UsageError(str(error)) from error


def _id_and_name(arguments: Namespace, service: PeopleService) -> tuple[str, str | None]:
    """The id and the display name, of which the command line may have only the name."""
    person, name = arguments.id, arguments.name
    if person is not None and name is None and is_typed_as_name(person):
        return service.id_of(None, person), person
    return person, name


def _enrolled(arguments: Namespace, service: PeopleService, options: EnrollOptions) -> EnrollResult:
    person, name = _id_and_name(arguments, service)
    if arguments.folder is not None:
        return service.enroll_folder(arguments.folder, options)
    if arguments.unknown is not None:
        return service.enroll_unknown(arguments.unknown, person, name, options)
    if arguments.camera is None:
        return service.enroll(person, name, arguments.photos, options)
    cameras = service.configuration.face_cameras
    if arguments.camera not in cameras:
        names = ", ".join(cameras) or "none"
        raise GalleryError(f"{printable(arguments.camera)}: no such camera in the config; it has: {names}")
    guide = service.guide(person, different_people=options.different_people)
    with closing(newest(cameras[arguments.camera])) as pictures:
        shoot(pictures, guide, SystemClock(), say)
    return service.enroll_guided(guide, name, options)


@contextmanager
def refusals_explained(skip_bad: str = "") -> Iterator[None]:
    """Print each rejected photo before the error, and the option that would help."""
    try:
        yield
    except RejectedError as error:
        for line in error.lines:
            complain(line)
        alike = " (--different-people, if they are two people who look alike)" if error.others else ""
        raise GalleryError(f"{error}{skip_bad if error.skippable else ''}{alike}") from error
    except OverridableError as error:
        first, *more = error.lines
        for line in more:
            complain(line)
        flag = f"--{error.option.replace('_', '-')}"
        raise GalleryError(f"{first} ({flag}, if you are sure)") from error


def _show(enrolled: EnrollResult) -> None:
    for line in enrolled.rejected:
        complain(line)
    for line in enrolled.notes:
        say(line)
    for person in enrolled.people:
        state = "on the ignore list" if person.ignored else "enrolled"
        say(f"{person.id}: {state} as {person.name}, {counted(person.templates, 'template')}")


def _strangers_per_day(configuration: Configuration) -> float | None:
    if not configuration.journal_path.exists():
        return None
    with closing(Journal(configuration.journal_path)) as journal:
        return journal.strangers_a_day(SystemClock().wall())
