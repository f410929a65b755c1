"""Reads hostile YAML into plain values with their lines; rejects anchors, aliases, merges, tags and second documents.

Plain scalars follow the core schema of YAML 1.2: only true and false are booleans, and 1e-4 is a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from edgeface.core.mistakes import yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterator

# Sixteen cameras with every key are 20 kB and 700 values. PyYAML's scanner takes about 1 us per byte and 5 us per line
# (x86-64, one core), so a file within these limits takes about 0.1 s.
MAX_BYTES = 64_000
MAX_LINES = 8_000
MAX_DEPTH = 12
MAX_NODES = 2_000

Path = tuple[str | int, ...]

_TOO_DEEP = f"nested too deeply: at most {MAX_DEPTH} levels"

# PyYAML searches 1,024 characters ahead for the ":" of a key; the cost grows with the square of the brackets there.
_DEEP = re.compile(rf"[\[{{]{{{MAX_DEPTH + 1}}}")
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
# Quoted text can contain them as escapes, and a path with one would fail far from here.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


class Broken(Exception):  # noqa: N818 - callers turn it into a ConfigError
    """The text is not YAML that this reader accepts; `line` counts from 1."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass(slots=True)
class Tree:
    """One document: its value, the line of each path, and the mistakes that do not stop the reader."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    mistakes: list[tuple[Path, str]] = field(default_factory=list)
    nodes: int = 0


def read(data: bytes) -> Tree:
    """Read one document; raises Broken with the line where reading stops."""
    if len(data) > MAX_BYTES:
        raise Broken(1, f"larger than {MAX_BYTES // 1000} kB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Broken(*yaml_text.encoding(data, error)) from error
    if text.count("\n") > MAX_LINES:
        raise Broken(MAX_LINES + 1, f"more than {MAX_LINES:,} lines")
    if deep := _DEEP.search(text):
        raise Broken(text.count("\n", 0, deep.start()) + 1, _TOO_DEEP)
    tree = Tree()
    try:
        _document(yaml.parse(text, Loader=yaml.SafeLoader), tree)
    except yaml.YAMLError as error:
        raise Broken(*yaml_text.explain(text, error)) from error
    return tree


def _document(events: Iterator[yaml.Event], tree: Tree) -> None:
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise Broken(_line(event), "a second document begins here: one file is one configuration")
        elif isinstance(event, yaml.NodeEvent):
            tree.value = _node(event, events, tree, ())


def _node(event: yaml.Event, events: Iterator[yaml.Event], tree: Tree, path: Path) -> Any:
    _require_plain(event, tree, path)
    if isinstance(event, yaml.ScalarEvent):
        if event.style is None and (odd := yaml_text.odd_plain(event.value, key=False)) is not None:
            tree.mistakes.append((path, odd))
        return _scalar(event)
    if isinstance(event, yaml.MappingStartEvent):
        return _mapping(events, tree, path)
    values: list[Any] = []
    while not isinstance(item := next(events), yaml.SequenceEndEvent):
        here = (*path, len(values))
        tree.lines[here] = _line(item)
        values.append(_node(item, events, tree, here))
    return values


def _mapping(events: Iterator[yaml.Event], tree: Tree, path: Path) -> dict[str, Any]:
    values: dict[str, Any] = {}
    while not isinstance(item := next(events), yaml.MappingEndEvent):
        _require_plain(item, tree, path)
        if not isinstance(item, yaml.ScalarEvent):
            raise Broken(_line(item), "a key must be text")
        key: str = item.value
        here = (*path, key)
        if item.style is None and (odd := yaml_text.odd_plain(key, key=True)) is not None:
            raise Broken(_line(item), odd)
        if key == "<<":
            raise Broken(_line(item), "<< repeats nothing here: write the keys out")
        if key in values:
            tree.mistakes.append((here, f"given twice, first on line {tree.lines[here]}"))
        tree.lines[here] = _line(item)
        values[key] = _node(next(events), events, tree, here)
    return values


def _require_plain(event: yaml.Event, tree: Tree, path: Path) -> None:
    tree.nodes += 1
    if tree.nodes > MAX_NODES or len(path) > MAX_DEPTH:
        many = tree.nodes > MAX_NODES
        raise Broken(_line(event), f"too many values: at most {MAX_NODES:,}" if many else _TOO_DEEP)
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        raise Broken(_line(event), yaml_text.ANCHORS)
    if (tag := getattr(event, "tag", None)) is not None:
        raise Broken(_line(event), yaml_text.HOME_ASSISTANT.get(tag, yaml_text.TAGS))
    if isinstance(event, yaml.ScalarEvent) and _CONTROL.search(event.value):
        raise Broken(_line(event), "a control character: delete it")


def _scalar(event: yaml.ScalarEvent) -> Any:
    text = event.value
    if event.style is not None:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 1
