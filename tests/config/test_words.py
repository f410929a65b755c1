"""Mistakes in config.yaml and door.yaml are told in a user's words: no library's, and never a value."""

from __future__ import annotations

import ast
import inspect
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
import yaml
from pydantic_core import core_schema
from yaml import parser, scanner

from edgeface.config import loader
from edgeface.config.configuration import Configuration
from edgeface.core import yaml_reader
from edgeface.core.errors import ConfigError
from edgeface.core.mistakes import values, yaml_text
from edgeface.core.settings import ID_PATTERN
from edgeface.door import settings as door_settings
from edgeface.door.settings import DoorSettings
from tests.config.test_loader import uncommented

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

LIBRARY = re.compile(
    r"(?<!')(tuple|\bdict|NoneType|\b(int|str|float|bool)\b|boolean|integer|instance|[Ii]nput|discriminator|\btags?\b|regex"
    r"|pattern|schema|pydantic|mapping|scalar|token|block|\bnode\b|anchor|Value error|(less|greater) than or|validat"
    r"|\bvalid (list|string|number)|expected <|cannot start|simple key|stream end|parse|sequence|ValueError|\bNone\b)"
)
LINE = re.compile(r"(c\.yaml|door\.yaml):\d+: ([^:]+(: )?)+")
ODD = "7f3secret"
"""In every wrong text: it must not be shown."""

WRONG: tuple[Any, ...] = (
    f"{ODD} x",
    f"15 {ODD}",
    "7,5",
    "7",
    -(10**9),
    10**12,
    0.123456,
    True,
    None,
    [],
    [ODD, 1],
    [1, 2, 3, 4, 5, 6],
    {},
    {ODD: 1},
    [{ODD: ODD}],
)


def door_reference() -> str:
    """docs/door.yaml with every commented key active, one of each that excludes the others."""
    text = (ROOT / "docs" / "door.yaml").read_text()
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def sections() -> list[tuple[str, Any]]:
    """Every section of the reference with every key; a section with names, name by name."""
    tree = yaml_reader.read(uncommented().encode()).value
    found: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if key in {"cameras", "doors", "schedules", "groups"}:
            found += [(key, {name: one}) for name, one in value.items()]
        else:
            found.append((key, value))
    return found


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all values, the whole included."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, one in below for found in places(one, (*path, key)))]


def changed(value: Any, path: tuple[str | int, ...], wrong: Any) -> Any:
    """A copy with another value at the path."""
    if not path:
        return wrong
    key, *rest = path
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = changed(copy[key], tuple(rest), wrong)
    return copy


def assert_plain(error: ConfigError) -> None:
    for line in str(error).splitlines():
        assert LINE.match(line), line
        _, _, said = line.partition(": ")
        # The key may be named so, as `pattern` of a test picture is.
        assert LIBRARY.search(said.partition(": ")[2] or said) is None, line
        assert ODD not in said.rpartition(": ")[2], line


@pytest.mark.parametrize(("section", "value"), sections(), ids=lambda one: one if isinstance(one, str) else "")
def test_every_key_with_a_wrong_value_is_told_in_plain_words(section: str, value: Any) -> None:
    refused = 0
    for path in places(value):
        for wrong in WRONG:
            tree = {"cameras": {"porch": {"type": "opencv", "source": 0}}, section: changed(value, path, wrong)}
            try:
                loader.parse(json.dumps(tree, indent=1).encode(), "c.yaml")
            except ConfigError as error:
                refused += 1
                assert_plain(error)
    assert refused >= len(places(value)) * 3


def test_every_key_of_the_door_with_a_wrong_value_is_told_in_plain_words() -> None:
    value = yaml_reader.read(door_reference().encode()).value
    refused = 0
    for path in places(value)[1:]:
        for wrong in WRONG[::2]:
            try:
                door_settings.parse(json.dumps(changed(value, path, wrong), indent=1).encode(), "door.yaml")
            except ConfigError as error:
                refused += 1
                assert_plain(error)
    assert refused >= len(places(value)) * 2


def test_every_error_that_pydantic_knows_has_plain_words() -> None:
    # The texts of a value_error are ours.
    for known in set(get_args(core_schema.ErrorType)) - {"value_error"}:
        error: Any = {"type": known, "loc": ("mqtt", "host"), "msg": "Input should be a valid tuple"}
        error["ctx"] = {
            "min_length": 1,
            "max_length": 9,
            "expected": "'a' or 'b'",
            "pattern": "^tuple$",
            "multiple_of": 2,
        }
        for value in (None, "x", [1]):
            said = values.words([error], {"mqtt": {"host": value}}, Configuration, "config.yaml")
            assert LIBRARY.search(said) is None, (known, said)
            assert said


def raised(module: Any) -> list[str]:
    """The beginnings of the problems that a module of PyYAML raises."""
    found = []
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"ScannerError", "ParserError"}:
            problem = node.args[2]
            while isinstance(problem, ast.BinOp):
                problem = problem.left
            if isinstance(problem, ast.Constant):
                found.append(str(problem.value).partition("%")[0])
    return found


@pytest.mark.parametrize("begins", sorted({*raised(scanner), *raised(parser)}))
def test_every_problem_that_pyyaml_knows_has_plain_words(begins: str) -> None:
    error = yaml.MarkedYAMLError(None, None, begins + "x", yaml.Mark("", 0, 0, 0, "", 0))
    said = yaml_text.explain("a: b", error).text
    assert LIBRARY.search(said) is None
    at_once = ("found unexpected end of stream", "found unexpected document separator")
    assert begins in at_once or any(begins.startswith(start) for start, _ in yaml_text.SAYINGS), begins


def parts(part: Any, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of a schema with the key that it describes; the forms of an optional value have its examples."""
    if isinstance(part, list):
        for one in part:
            yield from parts(one, key)
    elif isinstance(part, dict):
        yield key, part
        examples = part.get("examples")
        for form in part.get("anyOf", ()):
            yield from parts({**form, "examples": examples} if examples else form, key)
        for name, one in part.get("properties", {}).items():
            yield from parts(one, name)
        for name in part.keys() - {"properties", "anyOf", "examples", "propertyNames", "default"}:
            yield from parts(part[name], name)


@pytest.mark.parametrize("model", [Configuration, DoorSettings])
def test_every_form_of_text_and_every_list_has_words_or_an_example(model: Any) -> None:
    found = list(parts(model.model_json_schema()))
    assert len(found) > 200
    for key, part in found:
        if "pattern" in part and ID_PATTERN not in str(part["pattern"]):
            assert "x-form" in part, (key, part)
        if part.get("type") == "array":
            assert part.get("examples"), (key, part)


def test_the_examples_are_right() -> None:
    """What a mistake proposes is accepted."""
    text = """\
cameras:
  porch: {type: picamera, size: %s, region: %s}
mqtt: {}
doors:
  front: {camera: porch, allow: [{group: everyone}]}
"""
    found = re.findall(r"such as (\[.*\])", "\n".join(_proposed()))
    assert found[:2] == ["[1280, 720]", "[0.2, 0.1, 0.8, 1]"]
    loader.parse((text % (found[0], found[1])).encode(), "c.yaml")


def _proposed() -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loader.parse(b"cameras:\n  porch: {type: picamera, size: x}\n  yard: {type: picamera, region: x}\n", "c.yaml")
    return str(caught.value).splitlines()
