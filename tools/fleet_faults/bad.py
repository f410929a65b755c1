"""Bad input, and things that contradict each other: nothing is half applied, it is named, and the old set stays."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg

from edgeface.centre.context import opened
from edgeface.centre.settings import Database
from edgeface.config.configuration import Fleet
from edgeface.core.errors import ChangedError, EdgefaceError, FleetError
from edgeface.fleet.device.client import CentreClient, RefusedError
from edgeface.fleet.messages import Rows
from tests.support.centre_server import SITE, serving
from tests.support.embeddings import unit
from tools.faults.disk import small_disk
from tools.faults.part import NotTriedError, say, tool
from tools.fleet_faults.stage import MODEL, Stage, followed, stage
from tools.fleet_faults.step import Options, Row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typing_extensions import LiteralString

    from tests.support.fleet_device import Device

_PEOPLE, _MORE = 200, 2_000
_BAR = "nothing half applied, told, the old set stays"


class Case:
    """One device of its own centre, which has listed everyone."""

    def __init__(self, centre: Stage, folder: Path) -> None:
        self.centre, self.folder = centre, folder
        centre.put(range(_PEOPLE))
        self.device = centre.device(folder)
        followed(self.device)
        self.before = self.set
        self.faults: list[str] = []
        self.told = ""
        """The line that names the fault."""

    @property
    def set(self) -> dict[str, tuple[str, float] | None]:
        """Everyone in the gallery, and what a door gets for their face."""
        with self.device.gallery() as gallery:
            stored = sorted(one.id for one in gallery.people())
            view = gallery.snapshot(self.device.clock.wall())
        found = {one: view.match(unit(int(one.partition("-")[2]))) for one in stored if one.startswith("p-")}
        return {one: None if match is None else (match.person, match.score) for one, match in found.items()}

    def require(self, held: bool, fault: str) -> None:  # noqa: FBT001 - it reads as a sentence
        """Note a fault."""
        self.faults += [] if held else [fault]

    def refused(self, words: str, device: Device | None = None) -> None:
        """The device follows; it must name the fault, and have the people of before."""
        problems = followed(device or self.device, 3).problems
        self.told = "; ".join(problems)
        self.require(words in self.told, f"not named: {self.told}")
        self.require(self.set == self.before, "the old set did not stay")

    def follows_again(self) -> None:
        """When it is right again, the device follows to the end."""
        problems = followed(self.device).problems
        self.require(not problems, f"afterwards: {'; '.join(problems)}")
        self.require(self.centre.proof().state == "equal", "afterwards: the digest differs")

    def sql(self, statement: LiteralString, *values: str) -> None:
        """Alter the database behind the centre's back."""
        with psycopg.connect(self.centre.conninfo, autocommit=True) as connection:
            connection.execute(statement, values)


def _code_twice(case: Case) -> None:
    device = case.centre.device(case.folder, "second")
    code = case.centre.running.code("second")
    device.centre = _SameCode(device.centre.url, code)
    device.join(again=True)
    with device.opened() as (_, book, _):
        before = book.file.identity()
    try:
        device.join(again=True)
    except FleetError as error:
        case.told = str(error)
    with device.opened() as (_, book, _):
        case.require(before == book.file.identity(), "the identity has changed")
    case.require("not joined" in case.told, "a code worked twice")


class _SameCode:
    """Gives one code each time."""

    def __init__(self, url: str, code: str) -> None:
        self.url, self._code = url, code

    def code(self) -> str:
        return self._code


def _other_site(case: Case) -> None:
    case.centre.store.add_site("garden")
    case.centre.sites = ("garden",)
    other = case.centre.device(case.folder, "gardener")
    for path in ("snapshot?", "changes?after=0&"):
        with other.opened() as (_, book, _):
            identity = book.file.identity()
        if identity is None:
            case.faults.append("the other device did not join")
            return
        with closing(CentreClient([case.centre.url], identity.context())) as client:
            try:
                client.get(f"/sites/{SITE}/{path}model={MODEL}", Rows)
                case.faults.append("it was given rows of a site that is not its own")
            except RefusedError as error:
                case.told = str(error)
    case.require(not other.stored, "it has people")
    case.require(case.set == case.before, "the old set did not stay")


def _other_authority(case: Case) -> None:
    with stage(case.folder) as foreign:
        stranger = foreign.device(case.folder, "stranger")
        url = case.centre.url
        with stranger.opened() as (_, book, _):
            identity = book.file.identity()
        own = case.device.opened()
        with own as (_, book, _):
            trusted = book.file.identity()
        if identity is None or trusted is None:
            case.faults.append("a device did not join")
            return
        # It trusts this centre, but its certificate is another centre's.
        forged = identity.model_copy(update={"authority": trusted.authority})
        with closing(CentreClient([url], forged.context())) as client:
            try:
                client.get(f"/sites/{SITE}/snapshot?model={MODEL}", Rows)
                case.faults.append("it was given rows")
            except FleetError as error:
                case.told = str(error)


def _sealed_wrong(case: Case) -> None:
    case.centre.put(range(_PEOPLE, _PEOPLE + 20))
    case.centre.put(range(10), name="Changed")
    last = case.centre.persons[_PEOPLE + 19].hex()
    flip = (
        "UPDATE templates SET sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1) WHERE person = decode(%s, 'hex')"
    )
    case.sql(flip, last)
    case.refused("does not fit")
    case.sql(flip, last)
    case.centre.put([0])
    case.follows_again()


def _wrong_digest(case: Case) -> None:
    case.centre.put(range(_PEOPLE, _PEOPLE + 20))
    wrong = "UPDATE sites SET digest = set_byte(digest, 31, get_byte(digest, 31) # 1)"
    case.sql(wrong)
    case.refused("the people here are not those that the centre says")
    case.sql(wrong)
    case.centre.put([0])
    case.follows_again()


def _disk_full(case: Case) -> None:
    with small_disk(case.folder / "small", 2) as small:
        case.device = case.centre.device(small, "full")
        followed(case.device)
        case.before = case.set
        case.centre.put(range(_PEOPLE, _PEOPLE + _MORE))
        case.refused("the disk is full")
        tool("mount", "-o", "remount,size=64m", str(small))
        problems = followed(case.device).problems
        case.require(not problems, f"afterwards: {'; '.join(problems)}")
        case.require(len(case.device.stored) == _PEOPLE + _MORE, "afterwards: people are missing")


def _old_backup(case: Case) -> None:
    """The database is put back: the centre starts only after an admin says so, and the device keeps its set."""
    centre = case.centre
    dump = case.folder / "dump.sql"
    centre.postgres.tool("pg_dump", "-f", dump, "centre")
    centre.forget([5])
    centre.put([3], name="Changed")
    centre.put([_PEOPLE])
    followed(case.device)
    case.before = case.set
    backup = centre.postgres.create("backup")
    centre.postgres.tool("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", dump, "backup")
    old = centre.running.context
    settings = old.settings.model_copy(update={"database": Database(conninfo=backup)})
    try:
        with opened(settings, old.clock):
            case.faults.append("a centre started with an old database")
    except FleetError as error:
        case.told = str(error)
    with opened(settings, old.clock, restored=True):
        case.require(case.set == case.before, "the old set did not stay")
    with opened(settings, old.clock) as context, serving(context, case.folder) as running:
        case.centre = Stage(running, centre.postgres, backup)
        fleet = Fleet(centres=(case.centre.url,))
        case.device.configuration = case.device.configuration.model_copy(update={"fleet": fleet})
        case.follows_again()
        wanted = {f"p-{n}" for n in range(_PEOPLE)} - {"p-5"}
        case.require(case.device.stored == wanted, "the people are not those of the backup without the forgotten")


def _one_face(case: Case) -> None:
    case.centre.put([_PEOPLE], face=1)
    followed(case.device)
    _look_alikes(case, "p-1", f"p-{_PEOPLE}")


def _two_ids(case: Case) -> None:
    """Someone is enrolled at the device, and at the centre under another id."""
    case.device.enroll("zoe", _PEOPLE)
    followed(case.device)
    case.before = case.set
    case.centre.put([_PEOPLE])
    followed(case.device)
    _look_alikes(case, "zoe", f"p-{_PEOPLE}", face=_PEOPLE)
    waiting = [one.id for one in case.centre.store.proposals()]
    case.require(waiting == ["zoe"], f"what waits for an admin: {waiting}")


def _one_id(case: Case) -> None:
    """Someone who was enrolled at the device, and someone else at the centre under the same id."""
    case.device.enroll("zoe", _PEOPLE + 1)
    case.centre.put([_PEOPLE], id="zoe")
    case.refused("an id that someone else has here")
    with case.device.gallery() as gallery:
        case.require(gallery.person("zoe").name == "Zoe", "the person of this device was changed")
    try:
        case.centre.put([_PEOPLE + 1], id="p-1")
        case.faults.append("the centre has two people with one id")
    except ChangedError:
        pass


def _look_alikes(case: Case, *ids: str, face: int = 1) -> None:
    with case.device.gallery() as gallery:
        found = [gallery.person(one).look_alikes for one in ids]
        match = gallery.snapshot(case.device.clock.wall()).match(unit(face))
        stored = {one.id for one in gallery.people()}
    case.told = f"{ids[0]} and {ids[1]} are look-alikes of each other, for a person to decide"
    case.require(found == [(ids[1],), (ids[0],)], f"not a pair for a person: {found}")
    case.require(match is not None and match.look_alike, "a match does not say that someone looks alike")
    case.require({*ids, *case.before} == stored, "one of both does not stay")


CASES: dict[str, Callable[[Case], None]] = {
    "a join code twice": _code_twice,
    "a certificate of another site": _other_site,
    "a certificate of another centre": _other_authority,
    "a row sealed wrong": _sealed_wrong,
    "a digest that does not fit": _wrong_digest,
    "a disk full in the middle": _disk_full,
    "a centre from an old backup": _old_backup,
    "two people with one face": _one_face,
    "one person with two ids": _two_ids,
    "two people with one id": _one_id,
}


def run(options: Options) -> list[Row]:
    """Each case with a centre of its own."""
    return [_row(options.folder / str(n), name, case) for n, (name, case) in enumerate(CASES.items())]


def _row(folder: Path, name: str, try_: Callable[[Case], None]) -> Row:
    folder.mkdir(mode=0o711)
    with stage(folder) as centre:
        case = Case(centre, folder)
        try:
            try_(case)
        except NotTriedError as reason:
            return Row(name, f"not tried: {reason}", "", _BAR, skipped=True)
        except EdgefaceError as error:
            case.faults.append(str(error))
    say(f"{name}: {case.told}; {case.faults}")
    return Row(
        name, case.told, "the old set stays" if not case.faults else "; ".join(case.faults), _BAR, tuple(case.faults)
    )
