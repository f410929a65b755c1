"""What argument tables are built from: an argument is a function that adds it to a command."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from edgeface.config.places import default_config

Argument = Callable[[argparse._ActionsContainer], object]  # noqa: SLF001 - the type has no public name
"""Adds one argument, or several, to a command or to a group."""


def value(name: str, metavar: str | None = None, summary: str | None = None, **options: Any) -> Argument:
    """An argument with a value; `options` are those of argparse."""
    return lambda added: added.add_argument(name, metavar=metavar, help=summary, **options)


def flag(name: str, summary: str) -> Argument:
    """An option without a value."""
    return lambda added: added.add_argument(name, action="store_true", help=summary)


def one_of(*arguments: Argument) -> Argument:
    """Arguments of which at most one may be given."""

    def add(added: argparse._ActionsContainer) -> None:
        group = added.add_mutually_exclusive_group()
        for argument in arguments:
            argument(group)

    return add


def config(added: argparse._ActionsContainer) -> None:
    """--config, with the file that is used if it is left out."""
    added.add_argument("--config", type=Path, metavar="FILE", default=default_config(), help="default: %(default)s")


def data(added: argparse._ActionsContainer) -> None:
    """--config and --data."""
    config(added)
    added.add_argument("--data", type=Path, metavar="FOLDER", help="the data folder, in place of data: in the config")


path = partial(value, type=Path)
"""An argument that is a file or a folder."""
