"""The commands: what each does and an example, as `edgeface --help` shows them."""

from __future__ import annotations

import argparse
import gc
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from edgeface import __version__
from edgeface.cli.arguments.fleet import FLEET
from edgeface.cli.arguments.machine import MACHINE
from edgeface.cli.arguments.people import PEOPLE

if TYPE_CHECKING:
    from collections.abc import Callable

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - the type has no public name

_EPILOG = """\
examples:
  edgeface demo                                    see edgeface work, without a camera
  edgeface init                                    write the first configuration
  edgeface check                                   list every mistake in config.yaml
  edgeface enroll alice --name "Alice" a1.jpg a2.jpg a3.jpg
  edgeface enroll alice --camera porch             at a camera, with guidance
  edgeface run                                     run the daemon in the foreground
  edgeface audit verify                            check that no one has altered the journal
  edgeface doctor                                  find problems of this machine

exit status: 0 done, 1 rejected, 2 usage, 69 camera or broker unavailable, 70 internal error,
             75 too slow for the demo, 78 configuration, model, key or processor
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
    for argument in (MACHINE | PEOPLE | FLEET)[name]:
        argument(added)


def _call(module: str, function: str, arguments: argparse.Namespace) -> int:
    # What is imported stays: searching it for garbage some 300 times would cost CPU time at each start.
    gc.disable()
    try:
        verb: Callable[[argparse.Namespace], int] = getattr(import_module(f"edgeface.{module}"), function)
    finally:
        gc.enable()
    return verb(arguments)


_SUMMARIES = {
    "init": "write the first config: asks for the camera, a name and the broker",
    "run": "run the daemon until SIGTERM; SIGHUP reloads the config",
    "serve": "run the recognition service: REST without cameras, until SIGTERM",
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
    "rollback": "go back to the previous release, if it can read the data",
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
    "health": "the health check of the container image: succeed if the daemon works",
    "doctor": "check this machine, and explain how to fix each problem",
    "cameras": "list attached and configured cameras, and test each",
    "app": "start as Home Assistant's app, in its container: its options become the config",
    "egress": "print a systemd drop-in that allows only the traffic that the config needs",
    "web": "manage access to the page, the REST interface and metrics",
    "centre": "make, check or run the centre of a fleet, and manage who may use it",
    "fleet": "join a fleet; at its centre: sites, codes, people, devices, proofs and events",
}

_MODULES = {
    "run": "daemon.run",
    "serve": "recognition_service.run",
    "evaluate": "evaluation.run",
    "demo": "demo.run",
    "pass": "cli.passes",
    "doctor": "doctor.run",
    "liveness": "cli.liveness.trial",
    "app": "cli.home_assistant_app.start",
    **{name: f"cli.setup.{name}" for name in ("egress", "init", "models", "rollback")},
    "keys": "cli.keys.run",
    "door": "door.controller",
    "centre": "cli.fleet.service",
    "fleet": "cli.fleet.run",
    "mqtt": "cli.mqtt.clean",
    **dict.fromkeys(("backup", "restore"), "people.backup"),
    **dict.fromkeys(
        ("enroll", "unknowns", "templates", "rename", "consent", "forget", "ignore", "correct", "export", "import"),
        "cli.people",
    ),
}
"""The modules of the commands that do not have one of their own name."""

_EXAMPLES = {
    "init": "edgeface init\n  edgeface init --camera rtsp://192.168.1.20/stream1 --broker none --yes",
    "serve": "edgeface serve --workers 4",
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
    "factors": "edgeface factors set-pin alice\n  edgeface factors add-card alice 04:a2:b3:c4\n"
    "  edgeface factors unlock alice",
    "export": "edgeface export people.json",
    "import": "edgeface import people.json",
    "backup": "edgeface backup /media/usb/\n  edgeface backup --keep 14 /var/lib/edgeface-backup",
    "restore": "edgeface restore /media/usb/edgeface-2026-11-29T033000Z.backup",
    "rollback": "sudo edgeface rollback\n  edgeface rollback --to 0.1.0",
    "audit": "edgeface audit show --kind match --since 2026-11-01\n  edgeface audit verify",
    "pass": "edgeface pass alice --door front-door --days 7 --out pass.png\n  edgeface pass --revoke 2kq5w7",
    "models": "edgeface models list\n  edgeface models add 2.7_80x80_MiniFASNetV2.pth",
    "liveness": "edgeface liveness trial --kind genuine --kind phone\n  edgeface liveness report",
    "keys": "edgeface keys new\n  edgeface keys new --seal\n  edgeface keys show\n  edgeface keys rotate\n"
    "  edgeface keys owner new\n  edgeface keys add front sign:2026-11:...\n  edgeface keys revoke front",
    "vault": "edgeface vault show\n  edgeface vault seal --with tpm2",
    "door": "edgeface door --config door.yaml",
    "mqtt": "edgeface mqtt clean --dry-run",
    "notify": "edgeface notify test\n  edgeface notify test phone",
    "replay": "edgeface replay clip.mp4 --gallery people/ --events -",
    "evaluate": "edgeface evaluate lfw/ --pairs pairs.csv --json figures.json",
    "cameras": "edgeface cameras --out /tmp/snapshots",
    "egress": "sudo edgeface egress --write",
    "app": "edgeface app --user edgeface",
    "web": "edgeface web password --role admin\n  edgeface web token --role viewer --name grafana",
    "centre": "edgeface centre init\n  edgeface centre password anna --role admin\n  edgeface centre serve",
    "fleet": "edgeface fleet join https://centre.example:8444\n  edgeface fleet code front tower\n"
    "  edgeface fleet forget tower alice\n  edgeface fleet lost front",
}
