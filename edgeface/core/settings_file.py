"""Any settings class from a YAML file, with every mistake on its line."""

from __future__ import annotations

import difflib
from functools import cache, reduce
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from edgeface.core import yaml_reader
from edgeface.core.errors import ConfigError
from edgeface.core.files import read_at_most
from edgeface.core.settings import ID_PATTERN, Settings
from edgeface.core.text import printable, printable_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from edgeface.core.yaml_reader import Tree

    Location = tuple[str | int, ...]
    Mistake = tuple[int, str, str | ErrorDetails]
    """Line, path as it is shown, and what is wrong."""

Checked = TypeVar("Checked", bound=Settings)

_MOST = 50
"""Mistakes that are listed."""

_PLAIN = {
    "missing": "missing",
    "bool_type": "should be true or false",
    "dict_type": "should have keys below it",
    "model_type": "should have keys below it",
    "model_attributes_type": "should have keys below it",
    "path_type": "should be the path of a file",
    "too_short": "should not be empty",
    "string_pattern_mismatch": "should be letters, digits, - and _, in parts with / between",
}


def content(path: Path) -> bytes:
    """What is in a file of settings, as far as one may be long; ConfigError when it cannot be read."""
    try:
        return read_at_most(path, yaml_reader.MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"{printable_path(path)}: cannot be read ({error.strerror})") from error


def checked(
    model: type[Checked],
    data: bytes,
    name: str,
    *,
    sections: Iterable[str] = (),
    further: Callable[[Checked], Iterable[tuple[Location, str]]] = lambda _: (),
    reference: str = "config.yaml",
) -> Checked:
    """Check the content of a file of settings; ConfigError has one line a mistake, `name` before each.

    `sections` may stand there without keys; `further` finds mistakes of what is right as far as types can tell.
    """
    try:
        tree = yaml_reader.read(data)
    except yaml_reader.Broken as error:
        raise ConfigError(f"{name}:{error.line}: {printable(str(error))}") from error
    if not isinstance(tree.value, dict):
        raise ConfigError(f"{name}:1: empty or not a list of keys; the reference of all keys is {reference}")
    # A section whose keys are all commented out is that section with its defaults.
    tree.value.update({key: {} for key in sections if key in tree.value and tree.value[key] is None})
    mistakes: list[Mistake] = [(tree.lines[path], _dotted(path), text) for path, text in tree.mistakes]
    try:
        settings = model.model_validate(tree.value)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        mistakes += [_mistake(one, tree) for one in wrong if not _is_echo(one, tree.value)]
    else:
        mistakes += [(_line(path, tree), _dotted(path), text) for path, text in further(settings)]
    if mistakes:
        raise ConfigError("\n".join(_listed(mistakes, name, tree, model)))
    return settings


def _listed(mistakes: list[Mistake], name: str, tree: Tree, model: type[Settings]) -> Iterator[str]:
    """The first of them in the file's order; only those are put into words, since a file can hold thousands."""
    mistakes.sort(key=lambda mistake: mistake[:2])
    lines = (f"{name}:{line}: {path}: {_words(wrong, tree.value, model)}" for line, path, wrong in mistakes[:_MOST])
    yield from dict.fromkeys(lines)
    if len(mistakes) > _MOST:
        yield f"{name}: and {len(mistakes) - _MOST} more"


def _mistake(error: ErrorDetails, tree: Tree) -> Mistake:
    path = _path(error, tree.value)
    return _line(path, tree), _dotted(path), error


def _is_echo(error: ErrorDetails, value: Any) -> bool:
    """Whether a list is called too short only because items of it are wrong, which have lines of their own."""
    there = reduce(_step, _path(error, value), value) if error["type"] == "too_short" else None
    return isinstance(there, (list, dict)) and len(there) >= error["ctx"]["min_length"]


def _line(path: Location, tree: Tree) -> int:
    """The line of a key, or of the nearest one above it that the file has."""
    return next((tree.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in tree.lines), 1)


def _path(error: ErrorDetails, value: Any) -> Location:
    """The keys as the file has them: without the tags and markers that pydantic puts between."""
    path: list[str | int] = []
    *above, last = error["loc"] or ("",)
    for step in above:
        if not _is_tag(step, value) and _has(value, step):
            path.append(step)
            value = _step(value, step)
    if _has(value, last) or error["type"] == "missing":
        path.append(last)
    return tuple(path)


def _is_tag(step: str | int, value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == step


def _has(value: Any, step: str | int) -> bool:
    return isinstance(step, int) or (isinstance(value, dict) and step in value)


def _step(value: Any, step: str | int) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None


def _dotted(path: Location) -> str:
    return ".".join(printable(str(step)) for step in path) or "the file"


def _words(error: str | ErrorDetails, value: Any, model: type[Settings]) -> str:
    if isinstance(error, str):
        return error
    kind, context, path = error["type"], error.get("ctx", {}), _path(error, value)
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(str(path[-1]), _keys(path[:-1], value, model), n=1)
        return f"unknown key (did you mean {close[0]}?)" if close else "unknown key"
    if kind == "union_tag_not_found":
        return f"needs a type: one of {', '.join(sorted(_tags(path, value, model)))}"
    if kind == "union_tag_invalid":
        return f"unknown type; known are {str(context.get('expected_tags', '')).replace(chr(39), '')}"
    if kind == "string_pattern_mismatch" and ID_PATTERN in context.get("pattern", ""):
        return "not an id: small letters, digits, - and _, at most 64, a letter or digit first"
    return _PLAIN.get(kind) or error["msg"].removeprefix("Value error, ").removeprefix("Input ")


def _keys(path: Location, value: Any, model: type[Settings]) -> list[str]:
    """The keys that are known at a place of the file."""
    return list(_schema_at(path, value, model).get("properties", {}))


def _tags(path: Location, value: Any, model: type[Settings]) -> list[str]:
    return list(_schema_at(path, value, model).get("discriminator", {}).get("mapping", {}))


@cache
def _whole(model: type[Settings]) -> dict[str, Any]:
    return model.model_json_schema()


def _schema_at(path: Location, value: Any, model: type[Settings]) -> Mapping[str, Any]:
    whole = _whole(model)
    found = _resolved(whole, whole, value)
    for step in path:
        value = _step(value, step)
        patterns = list(found.get("patternProperties", {}).values())
        below = found.get("properties", {}).get(step) or (patterns[0] if patterns else found.get("items"))
        found = _resolved(whole, below if isinstance(below, dict) else {}, value)
    return found


def _resolved(whole: Mapping[str, Any], part: Mapping[str, Any], value: Any) -> Mapping[str, Any]:
    """Follow references, optional parts, and the tag of a union, as far as the file's value tells."""
    while True:
        mapping = part.get("discriminator", {}).get("mapping", {})
        tag = value.get("type") if isinstance(value, dict) else None
        reference = part.get("$ref") or (mapping.get(tag) if isinstance(tag, str) else None)
        if reference is None and "anyOf" in part:
            reference = next((one["$ref"] for one in part["anyOf"] if "$ref" in one), None)
        if reference is None:
            return part
        part = whole["$defs"][reference.rpartition("/")[2]]
