"""The command line; each verb's work stands in the module that is named after it.

Exit statuses: 0 done; 1 refused, with the reason; 2 wrong usage; 69 a camera or the broker cannot be reached;
70 a fault of edgeface itself; 78 the configuration or a model is wrong (systemd does not restart on it);
130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface import __version__
from edgeface.errors import BrokerError, CameraError, ConfigError, EdgefaceError, ModelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Verb = Callable[[argparse.Namespace], int]

REFUSED, USAGE, UNAVAILABLE, SOFTWARE, CONFIG, INTERRUPTED = 1, 2, 69, 70, 78, 130
"""Exit statuses as sysexits.h names them, where it does."""

_EXAMPLES = """\
examples:
  edgeface demo                                    see it work, without a camera
  edgeface check                                   is config.yaml right?
  edgeface enroll alice --name "Alice" a1.jpg a2.jpg a3.jpg
  edgeface enroll alice --camera porch             with guidance, at the camera
  edgeface run                                     the daemon, in the foreground
  edgeface doctor                                  what is wrong with this machine?

exit status: 0 done, 1 refused, 2 usage, 69 camera or broker away, 70 fault, 78 configuration or model
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; every foreseen trouble is one line on standard error and an exit status."""
    arguments = _parsed(argv)
    verb: Verb = arguments.verb
    try:
        return verb(arguments)
    except EdgefaceError as error:
        # Editors find FILE:LINE: at the start of a line.
        print(error if isinstance(error, ConfigError) else f"edgeface: {error}", file=sys.stderr)
        return _status(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; say nothing more, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse, with photos after an option: argparse takes no more positionals then (enroll ID --name NAME PHOTO...)."""
    whole = parser()
    arguments, late = whole.parse_known_args(argv)
    if late and (not hasattr(arguments, "photos") or any(word.startswith("-") for word in late)):
        whole.error(f"unrecognized arguments: {' '.join(late)}")
    if late and arguments.id is None:
        arguments.id = late.pop(0)
    if late:
        arguments.photos = [*arguments.photos, *map(Path, late)]
    return arguments


def _status(error: EdgefaceError) -> int:
    known = ((ConfigError, CONFIG), (ModelError, CONFIG), (UsageError, USAGE))
    away = ((CameraError, UNAVAILABLE), (BrokerError, UNAVAILABLE))
    return next((status for kind, status in (*known, *away) if isinstance(error, kind)), REFUSED)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="edgeface",
        description="Says on MQTT who is at the door.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"edgeface {__version__}")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    for add in (_run, _demo, _check, _enroll, _people, _rename, _forget, _ignore, _export, _import, _replay, _evaluate):
        add(verbs)
    _doctor(verbs)
    return top


if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - the type has no public name


def _verb(verbs: Verbs, name: str, module: str, summary: str, example: str = "") -> argparse.ArgumentParser:
    """Add a verb whose work is `run_NAME` of a module, which is imported only when the verb is used."""
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


def _configured(added: argparse.ArgumentParser) -> argparse.ArgumentParser:
    added.add_argument("--config", type=Path, metavar="FILE", default=default_config(), help="default: %(default)s")
    return added


def _gallery(added: argparse.ArgumentParser) -> argparse.ArgumentParser:
    _configured(added)
    added.add_argument(
        "--data", type=Path, metavar="FOLDER", help="the gallery's folder, instead of the config's data:"
    )
    return added


def default_config() -> Path:
    """$EDGEFACE_CONFIG, else ./config.yaml when there is one, else /etc/edgeface/config.yaml."""
    named = os.environ.get("EDGEFACE_CONFIG")
    here = Path("config.yaml")
    return Path(named) if named else here if here.exists() else Path("/etc/edgeface/config.yaml")


def _run(verbs: Verbs) -> None:
    _configured(_verb(verbs, "run", "daemon", "run the daemon until SIGTERM; SIGHUP reads the config again"))


def _demo(verbs: Verbs) -> None:
    added = _verb(
        verbs,
        "demo",
        "demo",
        "show the whole chain on a clip that ships, with a real broker",
        "edgeface demo --out /tmp/demo",
    )
    added.add_argument("--out", type=Path, metavar="FOLDER", default=Path("build/demo"), help="default: %(default)s")


def _check(verbs: Verbs) -> None:
    added = _configured(_verb(verbs, "check", "config", "list every mistake of the config with its line"))
    added.add_argument("--schema", action="store_true", help="print the JSON schema, for an editor, instead")


def _enroll(verbs: Verbs) -> None:
    example = 'edgeface enroll alice --name "Alice" photos/*.jpg\n  edgeface enroll --folder people/'
    added = _gallery(_verb(verbs, "enroll", "people", "enroll a person from photos, a camera or an unknown", example))
    added.add_argument("id", nargs="?", metavar="ID", help="small letters, digits, - and _")
    added.add_argument("photos", nargs="*", type=Path, metavar="PHOTO")
    added.add_argument("--name", help="to show; default: the id")
    source = added.add_mutually_exclusive_group()
    source.add_argument("--folder", type=Path, metavar="FOLDER", help="enroll everybody: FOLDER/PERSON/PHOTO")
    source.add_argument(
        "--camera", metavar="CAMERA", help="take the photos at this camera of the config, with guidance"
    )
    source.add_argument("--unknown", metavar="U-ID", help="an unknown that an event named, as u-7f3a")
    added.add_argument(
        "--skip-bad", action="store_true", help="leave out photos that are refused, and enroll from the rest"
    )
    added.add_argument(
        "--again", action="store_true", help="replace all templates, as after a change of the embedder; names stay"
    )


def _people(verbs: Verbs) -> None:
    added = _gallery(_verb(verbs, "people", "people", "list who is enrolled"))
    added.add_argument("--unknown", action="store_true", help="list the unknowns that can be enrolled instead")


def _rename(verbs: Verbs) -> None:
    added = _gallery(
        _verb(verbs, "rename", "people", "give a person another display name", 'edgeface rename alice "Alice B."')
    )
    added.add_argument("id", metavar="ID")
    added.add_argument("name", metavar="NAME")


def _forget(verbs: Verbs) -> None:
    example = "edgeface forget alice\n  edgeface forget u-7f3a"
    added = _gallery(_verb(verbs, "forget", "people", "erase a person or an unknown for good", example))
    added.add_argument("id", metavar="ID")


def _ignore(verbs: Verbs) -> None:
    example = "edgeface ignore statue --unknown u-7f3a"
    added = _gallery(_verb(verbs, "ignore", "people", "never say anything about this face", example))
    added.add_argument("id", metavar="ID", help="a name for it, to list and forget it by")
    added.add_argument("photos", nargs="*", type=Path, metavar="PHOTO")
    added.add_argument("--unknown", metavar="U-ID", help="an unknown that an event named")


def _export(verbs: Verbs) -> None:
    added = _gallery(
        _verb(verbs, "export", "people", "write one person, or all, to a file", "edgeface export people.json")
    )
    added.add_argument("file", type=Path, metavar="FILE")
    added.add_argument("--person", metavar="ID", help="only this one")


def _import(verbs: Verbs) -> None:
    added = _gallery(
        _verb(verbs, "import", "people", "read people from an exported file", "edgeface import people.json")
    )
    added.add_argument("file", type=Path, metavar="FILE")
    added.add_argument("--replace", action="store_true", help="people who are already enrolled are replaced")


def _replay(verbs: Verbs) -> None:
    example = "edgeface replay clip.mp4 --gallery people/ --events -"
    added = _verb(verbs, "replay", "replay", "say what a clip's events are, the same on every run", example)
    added.add_argument("clip", type=Path, metavar="CLIP", help="a video, or a folder of frames")
    added.add_argument(
        "--gallery", type=Path, metavar="FOLDER", required=True, help="a data folder, or a folder of PERSON/PHOTO"
    )
    added.add_argument("--events", metavar="FILE", default="-", help="JSON lines; - is standard output (default)")
    added.add_argument("--video", type=Path, metavar="FILE", help="also write the clip with boxes and names drawn")
    added.add_argument(
        "--config", type=Path, metavar="FILE", help="its detector, recognition, quality and unknown keys"
    )


def _evaluate(verbs: Verbs) -> None:
    example = "edgeface evaluate lfw/ --pairs pairs.csv --json figures.json"
    added = _verb(verbs, "evaluate", "evaluate", "measure error rates on a folder of PERSON/PHOTO", example)
    added.add_argument("folder", type=Path, metavar="FOLDER", help="PERSON/PHOTO")
    added.add_argument("--pairs", type=Path, metavar="CSV", help="verification by these pairs: fold,same,a,b")
    added.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    added.add_argument("--plots", type=Path, metavar="FOLDER", help="write ROC and DET plots there")
    added.add_argument("--calibrate", type=Path, metavar="FILE", help="write the embedder's calibration table there")
    added.add_argument("--embedder", type=Path, metavar="FILE", help="another .tflite than the one that ships")
    added.add_argument("--cache", type=Path, metavar="FILE", help="keep the embeddings there for the next run")


def _doctor(verbs: Verbs) -> None:
    _configured(_verb(verbs, "doctor", "doctor", "look this machine over, and say what to do about what is wrong"))


if __name__ == "__main__":
    sys.exit(main())
