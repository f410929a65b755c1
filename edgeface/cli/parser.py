"""The commands: what each does, its arguments and an example, as `edgeface --help` shows them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeface import __version__

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - the type has no public name

Argument = Callable[[argparse._ActionsContainer], object]  # noqa: SLF001 - as Verbs
"""Adds one argument, or several, to a command or to a group."""

_EPILOG = """\
examples:
  edgeface demo                                    see edgeface work, without a camera
  edgeface check                                   list every mistake in config.yaml
  edgeface enroll alice --name "Alice" a1.jpg a2.jpg a3.jpg
  edgeface enroll alice --camera porch             at a camera, with guidance
  edgeface run                                     run the daemon in the foreground
  edgeface audit verify                            check that no one has altered the journal
  edgeface doctor                                  find problems of this machine

exit status: 0 done, 1 rejected, 2 usage, 69 camera or broker unavailable, 70 internal error,
             75 too slow for the demo, 78 configuration, model or key
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="edgeface",
        description="Publishes on MQTT who is at the door.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"edgeface {__version__}")
    verbs = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in _SUMMARIES.items():
        _add(verbs, name, summary)
    return top


def default_config() -> Path:
    """$EDGEFACE_CONFIG, or ./config.yaml if it exists, or /etc/edgeface/config.yaml."""
    named = os.environ.get("EDGEFACE_CONFIG")
    here = Path("config.yaml")
    return Path(named) if named else here if here.exists() else Path("/etc/edgeface/config.yaml")


def _add(verbs: Verbs, name: str, summary: str) -> None:
    """Add a command done by `run_NAME` of its module, which is imported only when the command is used."""
    added = verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  {_EXAMPLES[name]}" if name in _EXAMPLES else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added.set_defaults(verb=partial(_call, _MODULES.get(name, f"cli.{name}"), f"run_{name}"))
    for argument in _ARGUMENTS[name]:
        argument(added)


def _call(module: str, function: str, arguments: argparse.Namespace) -> int:
    verb: Callable[[argparse.Namespace], int] = getattr(import_module(f"edgeface.{module}"), function)
    return verb(arguments)


def _value(name: str, metavar: str | None = None, summary: str | None = None, **options: Any) -> Argument:
    return lambda added: added.add_argument(name, metavar=metavar, help=summary, **options)


def _flag(name: str, summary: str) -> Argument:
    return lambda added: added.add_argument(name, action="store_true", help=summary)


def _one_of(*arguments: Argument) -> Argument:
    def add(added: argparse._ActionsContainer) -> None:
        group = added.add_mutually_exclusive_group()
        for argument in arguments:
            argument(group)

    return add


def _config(added: argparse._ActionsContainer) -> None:
    added.add_argument("--config", type=Path, metavar="FILE", default=default_config(), help="default: %(default)s")


def _data(added: argparse._ActionsContainer) -> None:
    _config(added)
    added.add_argument("--data", type=Path, metavar="FOLDER", help="the data folder, in place of data: in the config")


_path = partial(_value, type=Path)
_ID, _PHOTOS, _FILE = _value("id", "ID"), _path("photos", "PHOTO", nargs="*"), _path("file", "FILE")
_DATES = (
    _value("--given", "DATE", "the day of consent, YYYY-MM-DD"),
    _value("--expires", "DATE", "the day when consent ends and the person is erased, or never"),
)
_ANYWAY = _flag("--anyway", "also what may be of another person; recorded in the audit trail")
_ACCEPT_LIMITS = _flag("--accept-limits", "also if a door can then no longer guarantee its level, and stays shut")
_OVERRIDES = (
    _ANYWAY,
    _flag("--different-people", "also a face that someone else has: both are look-alikes, at level normal at most"),
)
_SCHEMA = _flag("--schema", "print the JSON schema instead, for an editor")
_CREDENTIAL = Path("/etc/credstore.encrypted/edgeface-key")

_SUMMARIES = {
    "run": "run the daemon until SIGTERM; SIGHUP reloads the config",
    "demo": "run edgeface on the supplied clip, with a real broker",
    "check": "list every mistake in the config with its line",
    "enroll": "enroll a person from photos, at a camera or from an unknown",
    "people": "list who is enrolled",
    "unknowns": "merge two unknown ids of one person, or list those that look alike",
    "templates": "list the templates of a person, or remove one",
    "rename": "change the display name of a person",
    "consent": "record when a person consented, and until when",
    "forget": "erase a person or an unknown permanently",
    "ignore": "put a face on the ignore list: it is never announced",
    "correct": "record that a face in an event is not a person, or who it is",
    "factors": "set, draw, list or remove second factors of people: PINs, codes, cards",
    "export": "write one person, or everyone, to a file",
    "import": "read people from an exported file",
    "backup": "write the data folder to a sealed file, without the key that opens it",
    "restore": "put a backup in place, without who was forgotten since",
    "audit": "show, verify or export the journal, accept what verify has found, or set up the TPM's counter",
    "pass": "make a QR code that names a person at a door, in addition to the face",
    "models": "add, list or remove model files that do not ship with edgeface",
    "liveness": "measure how often the liveness check is wrong at your own door",
    "keys": "the keys that sign grants or open second factors, and the owner's list of them",
    "vault": "show or seal the key that encrypts people and the journal",
    "door": "run a door controller: open a relay for signed grants",
    "mqtt": "remove what the broker retains of cameras and devices that were renamed",
    "notify": "send a test to the targets of notifications",
    "replay": "list the events of a clip, the same on every run",
    "evaluate": "measure error rates on a folder of PERSON/PHOTO",
    "doctor": "check this machine, and explain how to fix each problem",
    "cameras": "list attached and configured cameras, and test each",
    "egress": "print a systemd drop-in that allows only the traffic that the config needs",
    "web": "manage access to the page, the REST interface and metrics",
}

_MODULES = {
    "run": "daemon.run",
    "evaluate": "evaluation.run",
    "demo": "demo.run",
    "pass": "cli.passes",
    "doctor": "doctor.run",
    "liveness": "cli.liveness.trial",
    "keys": "cli.keys.run",
    "door": "door.controller",
    "mqtt": "cli.mqtt.clean",
    **dict.fromkeys(("backup", "restore"), "people.backup"),
    **dict.fromkeys(
        ("enroll", "unknowns", "templates", "rename", "consent", "forget", "ignore", "correct", "export", "import"),
        "cli.people",
    ),
}
"""The modules of the commands that do not have one of their own name."""

_ARGUMENTS: dict[str, tuple[Argument, ...]] = {
    "run": (_config,),
    "demo": (
        _path("--out", "FOLDER", "default: %(default)s", default=Path("build/demo")),
        _flag("--keep", "keep running afterwards, with the page, until Ctrl-C"),
        _flag("--door", "add a door with a mock relay, and replay a grant"),
        _flag("--attack", "with --door: hold a simulated phone before the camera after the clip"),
        _path("--models", "FOLDER", "with --attack: the model files of docs/liveness.md, which refuse the phone"),
    ),
    "check": (_config, _flag("--file-only", "not the devices, ports and packages of this machine"), _SCHEMA),
    "enroll": (
        _data,
        _value("id", "NAME", "a new person's name, from which the ID is made; or an ID: a-z, 0-9, - and _", nargs="?"),
        _PHOTOS,
        _value("--name", "NAME", "with an ID: display name; default: the ID"),
        _one_of(
            _path("--folder", "FOLDER", "enroll everyone in FOLDER/PERSON/PHOTO"),
            _value("--camera", "CAMERA", "take the photos with this camera of the config, with guidance"),
            _value("--unknown", "U-ID", "an unknown named in an event, such as u-7f3a"),
        ),
        _flag("--skip-bad", "skip rejected photos and enroll from the rest"),
        *_DATES,
        _flag("--again", "replace all templates, for example after a change of the embedder; keeps names"),
        *_OVERRIDES,
        _ACCEPT_LIMITS,
    ),
    "people": (
        _data,
        _flag("--unknown", "list the unknowns that can be enrolled"),
        _value("--limit", "N", "list N of them at most; default: 100, with --json all", type=int),
        _value("--after", "ID", "continue after this one"),
        _flag("--json", "print one JSON object a line"),
    ),
    "unknowns": (
        _data,
        _value("action", choices=("alike", "merge", "apart")),
        _value("ids", "U-ID", "merge, apart: two ids", nargs="*"),
        _ANYWAY,
    ),
    "templates": (_data, _ID, _value("--remove", "TEMPLATE", "remove this one, for example because it is marked")),
    "rename": (_data, _ID, _value("name", "NAME")),
    "consent": (_data, _ID, *_DATES),
    "forget": (
        _data,
        _value("id", "ID", "people and unknowns: all of them are erased, or none", nargs="*"),
        _value("--from", "FILE", "read the IDs from FILE, one a line; - is standard input", dest="file"),
    ),
    "ignore": (
        _data,
        _value("id", "ID", "an id for the face, to list or forget it later"),
        _PHOTOS,
        _value("--unknown", "U-ID", "an unknown named in an event"),
        *_OVERRIDES,
    ),
    "correct": (
        _data,
        _value("event", "EVENT", "the id of a match, unknown or uncertain event", nargs="?"),
        _one_of(
            _value("--not", "ID", "the face is not this person, although the event names them", dest="denied"),
            _value("--is", "ID", "the face is this person, and not the one that the event names", dest="person"),
            _value("--undo", "ID", "remove the negative template that this event gave the person"),
            _value("--list", "ID", "list the negative templates of this person"),
        ),
        _value("--name", "NAME", "with --is and a new id: display name; default: the id"),
        *_OVERRIDES,
        _ACCEPT_LIMITS,
    ),
    "factors": (
        _data,
        _value("action", choices=("list", "set-pin", "set-duress", "draw-code", "add-card", "remove", "unlock")),
        _value("id", "ID", "the person; list: everyone if left out", nargs="?"),
        _value("value", "VALUE", "add-card: the UID of the card; remove: the factor's ID from the list", nargs="?"),
        _value("--number", "N", "set-pin: the person number, 1 to 10 digits; default: the old one, or a new one"),
        _value("--digits", "N", "draw-code: 6 to 12; default: %(default)s", type=int, default=8),
    ),
    "export": (_data, _FILE, _value("--person", "ID", "only this person")),
    "import": (_data, _FILE, _flag("--replace", "replace people who are already enrolled"), _ANYWAY, _ACCEPT_LIMITS),
    "backup": (
        _data,
        _path("file", "FILE", "the file to write, or a folder for a new one"),
        _value("--keep", "N", "in a folder: remove all but the newest N backups", type=int),
    ),
    "restore": (
        _data,
        _path("file", "FILE", "a backup"),
        _flag("--lost", "the data folder is lost or damaged; brings back who was forgotten since the backup"),
    ),
    "audit": (
        _data,
        _value("action", choices=("show", "verify", "export", "accept", "tpm")),
        _path("file", "FILE", "export: the file to write, JSON lines", nargs="?"),
        _value("--kind", "KIND", "only match, unknown, enrolled, granted, ...", action="append"),
        _value("--person", "ID", "only this person or unknown"),
        _value("--since", "DATE", "this day and later, YYYY-MM-DD"),
        _value("--last", "N", "only the last N rows (show: default 50)", type=int),
        _value("--head", "HASH", "verify: a link noted earlier, which shows whether the whole folder was put back"),
    ),
    "pass": (
        _data,
        _value("id", "PERSON", "who is enrolled", nargs="?"),
        _value("--door", "DOOR", "a door that it is for; may be repeated; default: all", action="append", default=[]),
        _value("--days", "N", "how long it is valid, 1 to 366; default: %(default)s", type=int, default=30),
        _path("--out", "FILE", "the PNG to write"),
        _one_of(_flag("--list", "list the passes"), _value("--revoke", "ID", "refuse a pass from now on")),
    ),
    "models": (
        _data,
        _value("action", choices=("add", "list", "remove")),
        _value("value", "FILE|NAME", "add: the file; remove: a name of the list", nargs="?"),
    ),
    "liveness": (
        _data,
        _value("action", choices=("trial", "report")),
        _value("--camera", "CAMERA", "trial: a camera of the config; may be left out if it has one"),
        _value(
            "--kind",
            "KIND",
            "trial: genuine, print, phone, tablet, monitor, mask, video or other:WORD; repeatable;"
            " default: genuine, print, phone",
            action="append",
        ),
        _value("--presentations", "N", "trial: of each kind; default: 42", type=int),
        _flag("--challenge", "trial: ask for the head turns as well"),
        _path("--table", "FILE", "the table; default: liveness-trial.csv in the data folder"),
        _flag("--json", "report: print JSON"),
    ),
    "keys": (
        _data,
        _value("action", choices=("new", "show", "rotate", "owner", "list", "add", "revoke", "publish")),
        _value(
            "words",
            "WORD",
            "owner: new, show, rotate, export FILE, import FILE; add: DEVICE LINE; revoke: DEVICE or KID",
            nargs="*",
        ),
        _value("--kid", "ID", "new: the key's name; default: this month"),
        _flag("--seal", "new, rotate: the key to which doors seal second factors, not the one that signs grants"),
        _path("--owner", "FILE", "the owner key in FILE, and not in the data folder"),
        _path("--passphrase-file", "FILE", "the passphrase of an owner key, in the first line of FILE"),
        _value("--valid", "TIME", "add, revoke, publish: 24h or 30d; default: as before, or 24h"),
        _value("--door", "DOOR", "add: a door that accepts it; may be repeated; default: as before", action="append"),
        _flag("--every-door", "add: every door accepts it, not only those of an earlier --door"),
        _path("--out", "FILE", "owner new: write the key to FILE; others: write the list, and do not publish it"),
        _flag("--adopt", "take over a list that another owner key has signed"),
    ),
    "vault": (
        _data,
        _value("action", choices=("show", "seal")),
        _value("--with", None, "seal: what systemd-creds binds the key to", dest="how", choices=("tpm2", "host")),
        _path("--out", "FILE", "seal: the file to write; default: %(default)s", default=_CREDENTIAL),
    ),
    "door": (
        _path("--config", "FILE", "see docs/doors.md", required=True),
        _flag("--key", "print the public half of the door's own key, which signs its results; create it if missing"),
    ),
    "mqtt": (
        _config,
        _value("action", choices=("clean",)),
        _value("--device", "NAME", "also an earlier name, which is offline", action="append", default=[]),
        _flag("--dry-run", "list the topics, and clear nothing"),
    ),
    "notify": (
        _config,
        _value("action", choices=("test",)),
        _value("target", "TARGET", "only this one of the config", nargs="?"),
    ),
    "replay": (
        _path("clip", "CLIP", "a video, or a folder of frames"),
        _path("--gallery", "FOLDER", "a data folder, or a folder of PERSON/PHOTO", required=True),
        _value("--events", "FILE", "JSON lines; - is standard output (default)", default="-"),
        _path("--video", "FILE", "write the clip with boxes and names drawn"),
        _path("--config", "FILE", "use its detector, embedder, recognition, quality, unknown and liveness keys"),
    ),
    "evaluate": (
        _path("folder", "FOLDER", "PERSON/PHOTO"),
        _path("--pairs", "CSV", "verify these pairs: fold,same,a,b"),
        _path("--json", "FILE", "write the figures to this file"),
        _path("--plots", "FOLDER", "write ROC and DET plots to this folder"),
        _path("--calibrate", "FILE", "write the embedder's calibration table to this file"),
        _path("--label-errors", "FILE", "CSV of kind,a,b,reason: wrong photos, and people with two names"),
        _path("--embedder", "FILE", "use this .tflite instead of the one supplied"),
        _path("--cache", "FILE", "cache the embeddings in this file"),
    ),
    "doctor": (_config, _flag("--json", "print JSON")),
    "cameras": (_config, _path("--out", "FOLDER", "write a snapshot of each to this folder")),
    "egress": (
        _config,
        _path("--door", "FILE", "for edgeface-door.service, from its door.yaml"),
        _value("--write", "FILE", "write it to FILE, or where systemd looks for it", nargs="?", const=""),
    ),
    "web": (
        _data,
        _value("action", choices=("password", "token", "list", "revoke")),
        _value("--role", choices=("admin", "viewer", "recognise"), summary="viewers can change nothing"),
        _value("--days", "N", "a token expires after so many days; default: never", type=int),
        _value("--name", "NAME", "the account; default: the role's name"),
    ),
}

_EXAMPLES = {
    "demo": "edgeface demo --out /tmp/demo",
    "people": "edgeface people --after mallory --limit 20\n  edgeface people --json",
    "enroll": 'edgeface enroll "Joe Biden" joe.jpg\n  edgeface enroll --folder people/',
    "unknowns": "edgeface unknowns alike\n  edgeface unknowns merge u-7f3a19c2 u-02be77d1",
    "templates": "edgeface templates alice\n  edgeface templates alice --remove 0f3a9c417be2",
    "rename": 'edgeface rename alice "Alice B."',
    "consent": "edgeface consent alice --given 2026-11-22 --expires 2027-11-22",
    "forget": "edgeface forget alice\n  edgeface forget u-7f3a\n  edgeface forget --from left.txt",
    "ignore": "edgeface ignore statue --unknown u-7f3a",
    "correct": "edgeface correct 01JDPZ6M8W3V5Q7R9T1X2Y4Z6A --not alice\n  edgeface correct --list alice",
    "factors": "edgeface factors set-pin alice\n  edgeface factors add-card alice 04:a2:b3:c4",
    "export": "edgeface export people.json",
    "import": "edgeface import people.json",
    "backup": "edgeface backup /media/usb/\n  edgeface backup --keep 14 /var/lib/edgeface-backup",
    "restore": "edgeface restore /media/usb/edgeface-2026-11-29T033000Z.backup",
    "audit": "edgeface audit show --kind match --since 2026-11-01\n  edgeface audit verify",
    "pass": "edgeface pass alice --door front-door --days 7 --out pass.png\n  edgeface pass --revoke 2kq5w7",
    "models": "edgeface models list\n  edgeface models add 2.7_80x80_MiniFASNetV2.pth",
    "liveness": "edgeface liveness trial --kind genuine --kind phone\n  edgeface liveness report",
    "keys": "edgeface keys new\n  edgeface keys new --seal\n  edgeface keys owner new\n  edgeface keys revoke front",
    "vault": "edgeface vault show\n  edgeface vault seal --with tpm2",
    "door": "edgeface door --config door.yaml",
    "mqtt": "edgeface mqtt clean --dry-run",
    "notify": "edgeface notify test\n  edgeface notify test phone",
    "replay": "edgeface replay clip.mp4 --gallery people/ --events -",
    "evaluate": "edgeface evaluate lfw/ --pairs pairs.csv --json figures.json",
    "cameras": "edgeface cameras --out /tmp/snapshots",
    "egress": "sudo edgeface egress --write",
    "web": "edgeface web password --role admin\n  edgeface web token --role viewer --name grafana",
}
