"""Reads any settings class from a YAML file, and reports every mistake with its line."""

from __future__ import annotations

import os
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import ValidationError

from edgeface.core import yaml_reader
from edgeface.core.errors import ConfigError, system_reason
from edgeface.core.files import read_at_most
from edgeface.core.installed.owner import of_another
from edgeface.core.mistakes import schema, values
from edgeface.core.settings import Settings
from edgeface.core.text import printable, printable_path

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from edgeface.core.mistakes.schema import KeyPath
    from edgeface.core.yaml_reader import Tree

AnySettings = TypeVar("AnySettings", bound=Settings)

_MAX_LISTED = 50
"""Mistakes that an error lists."""
_MAX_TEXT = 200
"""Characters of a mistake that stops the reader."""


class _Mistake(NamedTuple):
    line: int
    key: str
    """The path of the key, with dots."""
    problem: str | list[ErrorDetails]


def read(path: Path) -> bytes:
    """The content of a settings file, up to one byte over the limit; raises ConfigError if it cannot be read."""
    try:
        return read_at_most(path, yaml_reader.MAX_BYTES)
    except OSError as error:
        reason = of_another(path, os.R_OK) or of_another(path.parent, os.X_OK) or system_reason(error)
        raise ConfigError(f"{printable_path(path)}: cannot be read ({reason})") from error


def parse(
    model: type[AnySettings],
    data: bytes,
    name: str,
    *,
    optional: Collection[str] = (),
    cross_check: Callable[[AnySettings], Iterable[tuple[KeyPath, str]]] = lambda _: (),
    reference: str = "config.yaml",
) -> AnySettings:
    """Check the content of a settings file; raises ConfigError with one line per mistake, each beginning with `name`.

    The sections in `optional` may be empty; `cross_check` finds mistakes that types cannot express.
    """
    try:
        tree = yaml_reader.read(data)
    except yaml_reader.Broken as error:
        raise ConfigError(f"{name}:{error.line}: {printable(str(error), _MAX_TEXT)}") from error
    if isinstance(tree.value, str):
        raise ConfigError(f"{name}:1: not a list of keys: write `key: value`, with a space after the colon")
    if not isinstance(tree.value, dict):
        raise ConfigError(
            f"{name}:1: empty or not a list of keys; the {reference} that comes with edgeface has them all"
        )
    # A section whose keys are all commented out has its defaults.
    tree.value.update({key: {} for key in optional if key in tree.value and tree.value[key] is None})
    mistakes = [_mistake(path, text, tree) for path, text in tree.mistakes]
    try:
        settings = model.model_validate(tree.value)
    except ValidationError as error:
        found = _by_key(error.errors(include_url=False, include_input=False), tree.value)
        odd = {path for path, _ in tree.mistakes}
        mistakes += [_mistake(path, errors, tree) for (path, _), errors in found.items() if path not in odd]
    else:
        mistakes += [_mistake(path, text, tree) for path, text in cross_check(settings)]
    if mistakes:
        raise ConfigError("\n".join(_lines(mistakes, name, tree, model, reference)))
    return settings


def _lines(mistakes: list[_Mistake], name: str, tree: Tree, model: type[Settings], reference: str) -> Iterator[str]:
    """The first mistakes in the file's order; only these are put into words, since a file can contain thousands."""
    mistakes.sort(key=lambda mistake: mistake[:2])
    listed = mistakes[:_MAX_LISTED]
    rows = [(m.line, m.key, _words(m.problem, tree.value, model, reference)) for m in listed]
    yield from (f"{name}:{line}: {key}: {text}" for line, key, text in _said_once(rows))
    if len(mistakes) > _MAX_LISTED:
        yield f"{name}: and {len(mistakes) - _MAX_LISTED} more"


def _said_once(rows: Iterable[tuple[int, str, str]]) -> Iterator[tuple[int, str, str]]:
    """Each mistake once: items of a list that are in one line and have the same mistake are one."""
    found: dict[tuple[int, str, str], dict[str, None]] = {}
    for line, key, text in rows:
        above, _, last = key.rpartition(".")
        found.setdefault((line, above if above and last.isdecimal() else key, text), {})[key] = None
    for (line, above, text), keys in found.items():
        yield (line, next(iter(keys)), text) if len(keys) == 1 else (line, above, f"each {text}")


def _words(problem: str | list[ErrorDetails], value: Any, model: type[Settings], reference: str) -> str:
    return problem if isinstance(problem, str) else values.words(problem, value, model, reference)


def _mistake(path: KeyPath, problem: str | list[ErrorDetails], tree: Tree) -> _Mistake:
    """At the line of the key, or of the nearest one above it that the file contains."""
    line = next((tree.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in tree.lines), 1)
    return _Mistake(line, ".".join(printable(str(step)) for step in path) or "the file", problem)


def _is_echo(error: ErrorDetails, value: Any) -> bool:
    """Whether a mistake is only what another one leads to, which has a line of its own.

    A list counts as too short because its items are wrong, and a key as missing that is there in capitals.
    """
    if error["type"] == "too_short":
        items = reduce(schema.step, schema.path_of(error, value), value)
        return isinstance(items, (list, dict)) and len(items) >= error["ctx"]["min_length"]
    *above, key = schema.path_of(error, value) or ("",)
    section = reduce(schema.step, above, value)
    if error["type"] != "missing" or not isinstance(section, dict) or key in section:
        return False
    return key in {str(one).lower() for one in section}


def _by_key(errors: Iterable[ErrorDetails], value: Any) -> dict[tuple[KeyPath, bool], list[ErrorDetails]]:
    """The errors of each key, and apart from them those of its name; of a key with several forms, each form has one."""
    found: dict[tuple[KeyPath, bool], list[ErrorDetails]] = {}
    for one in errors:
        if not _is_echo(one, value):
            found.setdefault((schema.path_of(one, value), one["loc"][-1:] == ("[key]",)), []).append(one)
    return found
