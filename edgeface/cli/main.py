"""The command line; the work of each command is in the module named after it.

Exit statuses: 0 done; 1 rejected, with the reason; 2 wrong usage; 69 a camera or the broker is unavailable;
70 an internal error of edgeface, or no memory; 75 the machine is too slow for the demo; 78 the configuration, a model,
the key or the processor is wrong (systemd does not restart); 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.cli.parser import parser
from edgeface.config.places import SYSTEM
from edgeface.core.console import complain, complain_of_memory
from edgeface.core.errors import (
    BrokerError,
    CameraError,
    ConfigError,
    EdgefaceError,
    FleetError,
    ModelError,
    ProcessorError,
    UsageError,
    VaultError,
    is_out_of_memory,
)
from edgeface.core.installed import processor
from edgeface.core.installed.container import engine
from edgeface.core.installed.place import is_checkout, place

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    Verb = Callable[[argparse.Namespace], int]


REFUSED, USAGE, UNAVAILABLE, SOFTWARE, CONFIG, INTERRUPTED = 1, 2, 69, 70, 78, 130
"""Exit statuses, from sysexits.h where it defines them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; every expected error is one line on standard error and an exit status."""
    # numpy reads it when it is imported. Idle OpenBLAS threads spin: with two, a search among 5,000 people takes twenty
    # times the CPU time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    arguments = None
    try:
        arguments = _parsed(argv)
        processor.require()
        verb: Verb = arguments.verb
        return verb(arguments)
    except EdgefaceError as error:
        # Editors recognise FILE:LINE: at the start of a line.
        print(error if isinstance(error, ConfigError) else f"edgeface: {error}", file=sys.stderr)
        missing = isinstance(error, ConfigError) and isinstance(error.__cause__, FileNotFoundError)
        if missing and getattr(arguments, "config", None) == SYSTEM:
            complain(_no_configuration())
        return _status(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone: print nothing more, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        complain_of_memory()
        return SOFTWARE


def _no_configuration() -> str:
    """What to do where no command has found a configuration."""
    if place().kind == "image":
        return (
            f"there is no configuration yet: mount a folder with config.yaml at {SYSTEM.parent}, or a volume into which"
            " edgeface init writes one: ENGINE run --rm -it -v edgeface-config:/etc/edgeface IMAGE init;"
            " docs/container.md"
        ).replace("ENGINE", engine() or "docker")
    reference = "; config.yaml in this folder is the reference of all keys, which no command uses by itself"
    return f"there is no configuration yet: edgeface init writes one{reference if is_checkout(Path()) else ''}"


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse, and accept photos after an option, which argparse does not (enroll ID --name NAME PHOTO...)."""
    whole = parser()
    arguments, late = whole.parse_known_args(argv)
    takes_late = hasattr(arguments, "photos") or hasattr(arguments, "words")
    if late and (not takes_late or any(word.startswith("-") for word in late)):
        whole.error(f"unrecognized arguments: {' '.join(late)}")
    if hasattr(arguments, "words"):
        arguments.words = [*arguments.words, *late]
        return arguments
    if late and arguments.id is None:
        arguments.id = late.pop(0)
    if late:
        arguments.photos = [*arguments.photos, *map(Path, late)]
    return arguments


def _status(error: EdgefaceError) -> int:
    if isinstance(error, (ConfigError, ModelError, ProcessorError, VaultError)):
        return CONFIG
    if isinstance(error, (BrokerError, CameraError, FleetError)):
        return UNAVAILABLE
    return USAGE if isinstance(error, UsageError) else REFUSED
