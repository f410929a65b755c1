"""`edgeface models`: the model files that a user brings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.config.loader import data_folder
from edgeface.core.console import say
from edgeface.core.errors import UsageError
from edgeface.core.text import printable_path
from edgeface.faces.models import store
from edgeface.faces.models.known import KNOWN

if TYPE_CHECKING:
    from argparse import Namespace

    from edgeface.faces.models.known import KnownModel

_STATES = {
    "missing": "not installed",
    "installed": "installed, with the right hash",
    "damaged": "damaged, or changed by someone: add it again",
    "unreadable": "installed, but cannot be read",
}


def run_models(arguments: Namespace) -> int:
    """Add, list or remove; raises ModelError or UsageError."""
    data = data_folder(arguments)
    if (arguments.value is None) != (arguments.action == "list"):
        raise UsageError(f"models {arguments.action}: see edgeface models --help")
    if arguments.action == "add":
        _say_added(store.add(Path(arguments.value), data), data)
    elif arguments.action == "remove":
        store.remove(arguments.value, data)
        say(f"{arguments.value}: removed; a config that names it no longer works")
    else:
        for model in KNOWN:
            _say_known(model, data)
    return 0


def _say_added(model: KnownModel, data: Path) -> None:
    section, _, key = model.setting.partition(".")
    say(f"{model.name}: added, for {model.purpose}")
    say(f"licence: {model.licence}")
    say("next, in config.yaml, then edgeface check and a restart:")
    say(f"{section}:")
    if model.type is not None:
        say(f"  type: {model.type}")
    say(f"  {key}: {printable_path(store.place(data, model).absolute())}")


def _say_known(model: KnownModel, data: Path) -> None:
    say(f"{model.name}: {_STATES[store.presence(model, data)]}")
    say(f"  for {model.purpose} ({model.setting})")
    say(f"  licence {model.licence}")
    say(f"  {model.source}")
    say(f"  {model.size:,} bytes, SHA-256 {model.sha256}")
