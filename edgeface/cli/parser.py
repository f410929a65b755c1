"""The commands and their arguments; each command names the module that does its work."""

from __future__ import annotations

import argparse
import os
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[[argparse.Namespace], int]
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - the type has no public name


_EXAMPLES = """\
examples:
  edgeface demo                                    see edgeface work, without a camera
  edgeface check                                   list every mistake in config.yaml
  edgeface enroll alice --name "Alice" a1.jpg a2.jpg a3.jpg
  edgeface enroll alice --camera porch             at a camera, with guidance
  edgeface run                                     run the daemon in the foreground
  edgeface audit verify                            check that no one has altered the journal
  edgeface doctor                                  find problems of this machine

exit status: 0 done, 1 rejected, 2 usage, 69 camera or broker unavailable, 70 internal error,
             78 configuration, model or key
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="edgeface",
        description="Publishes on MQTT who is at the door.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"edgeface {__version__}")
    verbs = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_run, _demo, _check, _enroll, _people, _rename, _consent, _forget, _ignore, _export, _import):
        add(verbs)
    for add in (_audit, _keys, _vault, _door, _replay, _evaluate, _doctor, _cameras, _egress, _web):
        add(verbs)
    return top


def _verb(verbs: Verbs, name: str, module: str, summary: str, example: str = "") -> argparse.ArgumentParser:
    """Add a command done by `run_NAME` of a module, which is imported only when the command is used."""
    added = verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  {example}" if example else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added.set_defaults(verb=partial(_call, module, f"run_{name}"))
    return added


def _call(module: str, function: str, arguments: argparse.Namespace) -> int:
    verb: Verb = getattr(import_module(f"edgeface.{module}"), function)
    return verb(arguments)


def _with_config(added: argparse.ArgumentParser) -> argparse.ArgumentParser:
    added.add_argument("--config", type=Path, metavar="FILE", default=default_config(), help="default: %(default)s")
    return added


def _with_data(added: argparse.ArgumentParser) -> argparse.ArgumentParser:
    _with_config(added)
    added.add_argument("--data", type=Path, metavar="FOLDER", help="the data folder, in place of data: in the config")
    return added


def default_config() -> Path:
    """$EDGEFACE_CONFIG, or ./config.yaml if it exists, or /etc/edgeface/config.yaml."""
    named = os.environ.get("EDGEFACE_CONFIG")
    here = Path("config.yaml")
    return Path(named) if named else here if here.exists() else Path("/etc/edgeface/config.yaml")


def _run(verbs: Verbs) -> None:
    _with_config(_verb(verbs, "run", "cli.run", "run the daemon until SIGTERM; SIGHUP reloads the config"))


def _demo(verbs: Verbs) -> None:
    added = _verb(
        verbs,
        "demo",
        "demo.run",
        "run edgeface on the supplied clip, with a real broker",
        "edgeface demo --out /tmp/demo",
    )
    added.add_argument("--out", type=Path, metavar="FOLDER", default=Path("build/demo"), help="default: %(default)s")
    added.add_argument("--keep", action="store_true", help="keep running afterwards, with the page, until Ctrl-C")
    added.add_argument("--door", action="store_true", help="add a door with a mock relay, and replay a grant")


def _check(verbs: Verbs) -> None:
    added = _with_config(_verb(verbs, "check", "cli.check", "list every mistake in the config with its line"))
    added.add_argument("--schema", action="store_true", help="print the JSON schema instead, for an editor")


def _enroll(verbs: Verbs) -> None:
    example = 'edgeface enroll alice --name "Alice" photos/*.jpg\n  edgeface enroll --folder people/'
    added = _with_data(
        _verb(verbs, "enroll", "cli.people", "enroll a person from photos, at a camera or from an unknown", example)
    )
    added.add_argument("id", nargs="?", metavar="ID", help="lower-case letters, digits, - and _")
    added.add_argument("photos", nargs="*", type=Path, metavar="PHOTO")
    added.add_argument("--name", help="display name; default: the id")
    source = added.add_mutually_exclusive_group()
    source.add_argument("--folder", type=Path, metavar="FOLDER", help="enroll everyone in FOLDER/PERSON/PHOTO")
    source.add_argument(
        "--camera", metavar="CAMERA", help="take the photos with this camera of the config, with guidance"
    )
    source.add_argument("--unknown", metavar="U-ID", help="an unknown named in an event, such as u-7f3a")
    added.add_argument("--skip-bad", action="store_true", help="skip rejected photos and enroll from the rest")
    _dates(added)
    added.add_argument(
        "--again",
        action="store_true",
        help="replace all templates, for example after a change of the embedder; keeps names",
    )


def _people(verbs: Verbs) -> None:
    added = _with_data(_verb(verbs, "people", "cli.people", "list who is enrolled"))
    added.add_argument("--unknown", action="store_true", help="list the unknowns that can be enrolled")


def _rename(verbs: Verbs) -> None:
    added = _with_data(
        _verb(verbs, "rename", "cli.people", "change the display name of a person", 'edgeface rename alice "Alice B."')
    )
    added.add_argument("id", metavar="ID")
    added.add_argument("name", metavar="NAME")


def _consent(verbs: Verbs) -> None:
    example = "edgeface consent alice --given 2026-11-22 --expires 2027-11-22"
    added = _with_data(_verb(verbs, "consent", "cli.people", "record when a person consented, and until when", example))
    added.add_argument("id", metavar="ID")
    _dates(added)


def _dates(added: argparse.ArgumentParser) -> None:
    added.add_argument("--given", metavar="DATE", help="the day of consent, YYYY-MM-DD")
    added.add_argument("--expires", metavar="DATE", help="the day when consent ends and the person is erased, or never")


def _forget(verbs: Verbs) -> None:
    example = "edgeface forget alice\n  edgeface forget u-7f3a"
    added = _with_data(_verb(verbs, "forget", "cli.people", "erase a person or an unknown permanently", example))
    added.add_argument("id", metavar="ID")


def _ignore(verbs: Verbs) -> None:
    example = "edgeface ignore statue --unknown u-7f3a"
    added = _with_data(
        _verb(verbs, "ignore", "cli.people", "put a face on the ignore list: it is never announced", example)
    )
    added.add_argument("id", metavar="ID", help="an id for the face, to list or forget it later")
    added.add_argument("photos", nargs="*", type=Path, metavar="PHOTO")
    added.add_argument("--unknown", metavar="U-ID", help="an unknown named in an event")


def _export(verbs: Verbs) -> None:
    added = _with_data(
        _verb(verbs, "export", "cli.people", "write one person, or everyone, to a file", "edgeface export people.json")
    )
    added.add_argument("file", type=Path, metavar="FILE")
    added.add_argument("--person", metavar="ID", help="only this person")


def _import(verbs: Verbs) -> None:
    added = _with_data(
        _verb(verbs, "import", "cli.people", "read people from an exported file", "edgeface import people.json")
    )
    added.add_argument("file", type=Path, metavar="FILE")
    added.add_argument("--replace", action="store_true", help="replace people who are already enrolled")


def _audit(verbs: Verbs) -> None:
    example = "edgeface audit show --kind match --since 2026-11-01\n  edgeface audit export trail.jsonl"
    added = _with_data(
        _verb(verbs, "audit", "cli.audit", "show, verify or export the journal of decisions and actions", example)
    )
    added.add_argument("action", choices=("show", "verify", "export"))
    added.add_argument("file", nargs="?", type=Path, metavar="FILE", help="export: the file to write, JSON lines")
    added.add_argument("--kind", action="append", metavar="KIND", help="only match, unknown, enrolled, granted, ...")
    added.add_argument("--person", metavar="ID", help="only this person or unknown")
    added.add_argument("--since", metavar="DATE", help="this day and later, YYYY-MM-DD")
    added.add_argument("--last", type=int, metavar="N", help="only the last N rows (show: default 50)")
    added.add_argument(
        "--head",
        metavar="HASH",
        help="verify: a link noted earlier; without it, rows cut off at the end are not noticed",
    )


def _keys(verbs: Verbs) -> None:
    example = "edgeface keys new\n  edgeface keys show\n  edgeface keys rotate"
    added = _with_data(_verb(verbs, "keys", "cli.keys", "list, create or rotate the keys that sign grants", example))
    added.add_argument("action", choices=("new", "show", "rotate"))
    added.add_argument("--kid", metavar="ID", help="new: the key's name; default: this month")


def _vault(verbs: Verbs) -> None:
    example = "edgeface vault show\n  edgeface vault seal --with tpm2"
    added = _with_data(
        _verb(verbs, "vault", "cli.vault", "show or seal the key that encrypts people and the journal", example)
    )
    added.add_argument("action", choices=("show", "seal"))
    added.add_argument("--with", dest="how", choices=("tpm2", "host"), help="seal: what systemd-creds binds the key to")
    added.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        default=Path("/etc/credstore.encrypted/edgeface-key"),
        help="seal: the file to write; default: %(default)s",
    )


def _door(verbs: Verbs) -> None:
    added = _verb(
        verbs,
        "door",
        "door.controller",
        "run a door controller: open a relay for signed grants",
        "edgeface door --config door.yaml",
    )
    added.add_argument("--config", type=Path, metavar="FILE", required=True, help="see docs/doors.md")


def _replay(verbs: Verbs) -> None:
    example = "edgeface replay clip.mp4 --gallery people/ --events -"
    added = _verb(verbs, "replay", "cli.replay", "list the events of a clip, the same on every run", example)
    added.add_argument("clip", type=Path, metavar="CLIP", help="a video, or a folder of frames")
    added.add_argument(
        "--gallery", type=Path, metavar="FOLDER", required=True, help="a data folder, or a folder of PERSON/PHOTO"
    )
    added.add_argument("--events", metavar="FILE", default="-", help="JSON lines; - is standard output (default)")
    added.add_argument("--video", type=Path, metavar="FILE", help="write the clip with boxes and names drawn")
    added.add_argument(
        "--config", type=Path, metavar="FILE", help="use its detector, recognition, quality and unknown keys"
    )


def _evaluate(verbs: Verbs) -> None:
    example = "edgeface evaluate lfw/ --pairs pairs.csv --json figures.json"
    added = _verb(verbs, "evaluate", "cli.evaluate", "measure error rates on a folder of PERSON/PHOTO", example)
    added.add_argument("folder", type=Path, metavar="FOLDER", help="PERSON/PHOTO")
    added.add_argument("--pairs", type=Path, metavar="CSV", help="verify these pairs: fold,same,a,b")
    added.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    added.add_argument("--plots", type=Path, metavar="FOLDER", help="write ROC and DET plots to this folder")
    added.add_argument(
        "--calibrate", type=Path, metavar="FILE", help="write the embedder's calibration table to this file"
    )
    added.add_argument("--embedder", type=Path, metavar="FILE", help="use this .tflite instead of the one supplied")
    added.add_argument("--cache", type=Path, metavar="FILE", help="cache the embeddings in this file")


def _doctor(verbs: Verbs) -> None:
    added = _with_config(
        _verb(verbs, "doctor", "doctor.run", "check this machine, and explain how to fix each problem")
    )
    added.add_argument("--json", action="store_true", help="print JSON")


def _cameras(verbs: Verbs) -> None:
    example = "edgeface cameras --out /tmp/snapshots"
    added = _with_config(
        _verb(verbs, "cameras", "cli.cameras", "list attached and configured cameras, and test each", example)
    )
    added.add_argument("--out", type=Path, metavar="FOLDER", help="write a snapshot of each to this folder")


def _egress(verbs: Verbs) -> None:
    example = "sudo edgeface egress --write"
    added = _with_config(
        _verb(
            verbs,
            "egress",
            "cli.egress",
            "print a systemd drop-in that allows only the traffic that the config needs",
            example,
        )
    )
    added.add_argument("--door", type=Path, metavar="FILE", help="for edgeface-door.service, from its door.yaml")
    added.add_argument(
        "--write",
        nargs="?",
        metavar="FILE",
        const="",
        help="write it to FILE, or where systemd looks for it",
    )


def _web(verbs: Verbs) -> None:
    example = "edgeface web password --role admin\n  edgeface web token --role viewer --name grafana"
    added = _with_data(
        _verb(verbs, "web", "cli.web", "manage access to the page, the REST interface and metrics", example)
    )
    added.add_argument("action", choices=("password", "token", "list", "revoke"))
    added.add_argument("--role", choices=("admin", "viewer"), help="viewers can change nothing")
    added.add_argument("--name", metavar="NAME", help="the account; default: the role's name")
