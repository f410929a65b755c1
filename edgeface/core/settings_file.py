"""Reads any settings class from a YAML file, and reports every mistake with its line."""

from __future__ import annotations

from functools import cache, reduce
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import ValidationError

from edgeface.core import yaml_reader
from edgeface.core.errors import ConfigError
from edgeface.core.files import read_at_most
from edgeface.core.settings import ID_PATTERN, Settings
from edgeface.core.text import closest, printable, printable_path

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from edgeface.core.yaml_reader import Tree

    KeyPath = tuple[str | int, ...]
    """Keys of the file, outermost first."""

AnySettings = TypeVar("AnySettings", bound=Settings)

_MAX_LISTED = 50
"""Mistakes that an error lists."""

_PLAIN_WORDS = {
    "missing": "missing",
    "bool_type": "should be true or false",
    "dict_type": "should have keys below it",
    "model_type": "should have keys below it",
    "model_attributes_type": "should have keys below it",
    "path_type": "should be the path of a file",
    "too_short": "should not be empty",
    "string_pattern_mismatch": "should be letters, digits, - and _, in parts separated by /",
}


class _Mistake(NamedTuple):
    line: int
    key: str
    """The path of the key, with dots."""
    problem: str | ErrorDetails


def read(path: Path) -> bytes:
    """The content of a settings file, up to one byte over the limit; raises ConfigError if it cannot be read."""
    try:
        return read_at_most(path, yaml_reader.MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"{printable_path(path)}: cannot be read ({error.strerror})") from error


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
        raise ConfigError(f"{name}:{error.line}: {printable(str(error))}") from error
    if not isinstance(tree.value, dict):
        raise ConfigError(f"{name}:1: empty or not a list of keys; the reference of all keys is {reference}")
    # A section whose keys are all commented out has its defaults.
    tree.value.update({key: {} for key in optional if key in tree.value and tree.value[key] is None})
    mistakes = [_mistake(path, text, tree) for path, text in tree.mistakes]
    try:
        settings = model.model_validate(tree.value)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        mistakes += [_mistake(_path(one, tree.value), one, tree) for one in errors if not _is_echo(one, tree.value)]
    else:
        mistakes += [_mistake(path, text, tree) for path, text in cross_check(settings)]
    if mistakes:
        raise ConfigError("\n".join(_lines(mistakes, name, tree, model)))
    return settings


def _lines(mistakes: list[_Mistake], name: str, tree: Tree, model: type[Settings]) -> Iterator[str]:
    """The first mistakes in the file's order; only these are put into words, since a file can contain thousands."""
    mistakes.sort(key=lambda mistake: mistake[:2])
    listed = mistakes[:_MAX_LISTED]
    yield from dict.fromkeys(f"{name}:{m.line}: {m.key}: {_words(m.problem, tree.value, model)}" for m in listed)
    if len(mistakes) > _MAX_LISTED:
        yield f"{name}: and {len(mistakes) - _MAX_LISTED} more"


def _mistake(path: KeyPath, problem: str | ErrorDetails, tree: Tree) -> _Mistake:
    """At the line of the key, or of the nearest one above it that the file contains."""
    line = next((tree.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in tree.lines), 1)
    return _Mistake(line, ".".join(printable(str(step)) for step in path) or "the file", problem)


def _is_echo(error: ErrorDetails, value: Any) -> bool:
    """Whether a list counts as too short only because its items are wrong; those have lines of their own."""
    items = reduce(_step, _path(error, value), value) if error["type"] == "too_short" else None
    return isinstance(items, (list, dict)) and len(items) >= error["ctx"]["min_length"]


def _path(error: ErrorDetails, value: Any) -> KeyPath:
    """The keys as the file has them, without the tags and markers that pydantic inserts."""
    path: list[str | int] = []
    *above, last = error["loc"] or ("",)
    for step in above:
        tag = isinstance(value, dict) and value.get("type") == step
        if not tag and _has(value, step):
            path.append(step)
            value = _step(value, step)
    if _has(value, last) or error["type"] == "missing":
        path.append(last)
    return tuple(path)


def _has(value: Any, step: str | int) -> bool:
    return isinstance(step, int) or (isinstance(value, dict) and step in value)


def _step(value: Any, step: str | int) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None


def _words(error: str | ErrorDetails, value: Any, model: type[Settings]) -> str:
    if isinstance(error, str):
        return error
    kind, context, path = error["type"], error.get("ctx", {}), _path(error, value)
    if kind == "extra_forbidden":
        known = _schema_at(path[:-1], value, model).get("properties", {})
        meant = closest(str(path[-1]), known)
        return f"unknown key (did you mean {meant}?)" if meant else "unknown key"
    if kind == "union_tag_not_found":
        types = _schema_at(path, value, model).get("discriminator", {}).get("mapping", {})
        return f"needs a type: one of {', '.join(sorted(types))}"
    if kind == "union_tag_invalid":
        return f"unknown type; known are {str(context.get('expected_tags', '')).replace(chr(39), '')}"
    if kind == "string_pattern_mismatch" and ID_PATTERN in context.get("pattern", ""):
        return "not an id: lowercase letters, digits, - and _, at most 64, a letter or digit first"
    return _PLAIN_WORDS.get(kind) or error["msg"].removeprefix("Value error, ").removeprefix("Input ")


@cache
def _schema(model: type[Settings]) -> dict[str, Any]:
    return model.model_json_schema()


def _schema_at(path: KeyPath, value: Any, model: type[Settings]) -> Mapping[str, Any]:
    """What is allowed at this place of the file."""
    schema = _schema(model)
    found = _resolve(schema, schema, value)
    for step in path:
        value = _step(value, step)
        patterns = list(found.get("patternProperties", {}).values())
        below = found.get("properties", {}).get(step) or (patterns[0] if patterns else found.get("items"))
        found = _resolve(schema, below if isinstance(below, dict) else {}, value)
    return found


def _resolve(schema: Mapping[str, Any], part: Mapping[str, Any], value: Any) -> Mapping[str, Any]:
    """Follow references, optional parts, and the tag of a union as the file's value gives it."""
    while True:
        part = next((one for one in part.get("anyOf", ()) if "discriminator" in one), part)  # an optional union
        mapping = part.get("discriminator", {}).get("mapping", {})
        tag = value.get("type") if isinstance(value, dict) else None
        reference = part.get("$ref") or (mapping.get(tag) if isinstance(tag, str) else None)
        if reference is None and "anyOf" in part:
            reference = next((one["$ref"] for one in part["anyOf"] if "$ref" in one), None)
        if reference is None:
            return part
        part = schema["$defs"][reference.rpartition("/")[2]]
