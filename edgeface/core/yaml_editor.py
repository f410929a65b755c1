"""Changes or removes one value of a YAML file and nothing else: comments, layout and line ends stay byte for byte.

Positions come from PyYAML's marks. A library that rewrites the whole file, like ruamel.yaml, keeps the comments but
imposes its own layout.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from edgeface.core import yaml_reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Value = bool | int | float | str | Sequence["Value"] | Mapping[str, "Value"]

Step: TypeAlias = str | int
"""A key, or the number of an item of a list."""

_BOM = b"\xef\xbb\xbf"
# Text that needs no quotes and is read as text.
_PLAIN = re.compile(r"(?!(?:true|false|null)$)[a-z][a-z0-9_-]{0,63}")


class Refused(Exception):  # noqa: N818 - callers turn it into an error of their own
    """The file cannot be changed at this place; the message gives the reason in one line."""


def put(data: bytes, path: Sequence[Step], value: Value) -> bytes:
    """Set the key at `path`; the key may be missing, but all keys above it must exist and have keys.

    A new key goes below its commented example (#key: ...) if there is one. Raises Refused if yaml_reader cannot read
    the file, or if the change would touch anything else.
    """
    wanted = _with(_read(data), path, value)
    bom, text = _decoded(data)
    return _first_as_wanted(bom, _changes(text, _compose(text), path, value), wanted, path)


def put_below(data: bytes, path: Sequence[Step], value: Value) -> bytes:
    """As `put`, and make the sections above the key that are missing or empty."""
    whole = _read(data)
    for depth, step in enumerate(path[:-1], 1):
        whole = _below(whole, step)
        if whole is None:
            for key in reversed(path[depth:]):
                value = {str(key): value}
            return put(data, path[:depth], value)
    return put(data, path, value)


def remove(data: bytes, path: Sequence[Step]) -> bytes:
    """Remove a key and its value; a file without the key stays as it is. A comment behind the value stays.

    Raises Refused as `put`, and if comments within the value would be lost.
    """
    whole = _read(data)
    above = whole
    for step in path[:-1]:
        above = _below(above, step)
    if not isinstance(above, dict) or path[-1] not in above:
        return data
    wanted = _with(whole, path[:-1], {key: one for key, one in above.items() if key != path[-1]})
    bom, text = _decoded(data)
    _, node = _found(_compose(text), path[:-1])
    return _first_as_wanted(bom, _removed(text, node, path[-1]), wanted, path)


def _decoded(data: bytes) -> tuple[bytes, str]:
    return (_BOM, data[3:].decode()) if data.startswith(_BOM) else (b"", data.decode())


def _first_as_wanted(bom: bytes, candidates: Iterator[str], wanted: Any, path: Sequence[Step]) -> bytes:
    for changed in candidates:
        with suppress(Refused, UnicodeEncodeError):
            result = bom + changed.encode()
            if _read(result) == wanted:
                return result
    raise Refused(f"{'.'.join(map(str, path))} cannot be changed without touching the rest of the file")


def _below(whole: Any, step: Step) -> Any:
    """The value of a key or an item; None without one."""
    if isinstance(whole, dict):
        return whole.get(step)
    return whole[step] if isinstance(whole, list) and isinstance(step, int) and 0 <= step < len(whole) else None


def _read(data: bytes) -> Any:
    try:
        tree = yaml_reader.read(data)
    except yaml_reader.Broken as error:
        raise Refused(f"line {error.line}: {error}") from error
    if tree.mistakes:
        where, what = tree.mistakes[0]
        raise Refused(f"line {tree.lines[where]}: {what}")
    return tree.value


def _with(whole: Any, path: Sequence[Step], value: Value) -> Any:
    """A copy of the plain values with the change."""
    if not path:
        return [*value] if isinstance(value, (list, tuple)) else value
    if isinstance(whole, list) and isinstance(path[0], int) and 0 <= path[0] < len(whole):
        return [_with(one, path[1:], value) if n == path[0] else one for n, one in enumerate(whole)]
    if not isinstance(whole, dict):
        raise Refused(f"there is no {path[0]}: the key above it has no keys")
    if len(path) > 1 and path[0] not in whole:
        raise Refused(f"there is no {path[0]}")
    return {**whole, path[0]: _with(whole.get(path[0]), path[1:], value)}


def _compose(text: str) -> yaml.Node:
    # yaml_reader has accepted it: it has no anchors or tags, and its size is limited.
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise Refused("the file has no keys")
    return node


def _found(node: yaml.Node, path: Sequence[Step]) -> tuple[int, yaml.Node]:
    """The node at `path`, which exists, and where in the text what is below its key begins."""
    begin = 0
    for step in path:
        if isinstance(step, int):
            node = node.value[step]
            begin = node.start_mark.index
        else:
            key, node = next((k, v) for k, v in _pairs(node) if k.value == step)
            begin = key.end_mark.index
    return begin, node


def _changes(text: str, node: yaml.Node, path: Sequence[Step], value: Value) -> Iterator[str]:
    """Candidates for the changed text, the best first; the caller takes the first that reads as intended."""
    begin, node = _found(node, path[:-1])
    old = next(((k, v) for k, v in _pairs(node) if k.value == path[-1]), None)
    if old is not None:
        yield from _replaced(text, *old, value)
    elif isinstance(node, yaml.MappingNode) and node.flow_style:
        yield from _put_in_braces(text, node, f"{path[-1]}: {spelled(value)}")
    elif node.value:
        yield from _put_in_block(text, node, begin, str(path[-1]), spelled(value))


def _pairs(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def _replaced(text: str, key: yaml.Node, old: yaml.Node, value: Value) -> Iterator[str]:
    """Replace each item if the number of items stays, else the whole value."""
    items = old.value if isinstance(old, yaml.SequenceNode) else None
    if items is not None and isinstance(value, (list, tuple)) and len(items) == len(value):
        for item, one in reversed(list(zip(items, value, strict=True))):
            text = _cut(text, item.start_mark.index, item.end_mark.index, spelled(one))
        yield text
        return
    start, end = old.start_mark.index, _end(text, old)
    if "\n" in text[start:end] and "#" in text[start:end]:
        # Comments between the parts of the old value would be lost.
        return
    if start == end:
        # A key without a value: PyYAML puts the empty value after the colon, or after the key.
        start = end = text.index(":", key.end_mark.index) + 1
        yield _cut(text, start, end, f" {spelled(value)}")
        return
    colon = text.index(":", key.end_mark.index) + 1
    if "\n" in text[colon:start] and not text[colon:start].strip():
        yield _cut(text, colon, end, f" {spelled(value)}")
    yield _cut(text, start, end, spelled(value))


def _end(text: str, node: yaml.Node) -> int:
    """Where a value ends: PyYAML's mark of a block is at the next token, behind the comments that follow."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    start, end = node.start_mark.index, node.end_mark.index
    return start + len(text[start:end].rstrip())


def _removed(text: str, node: yaml.Node, name: Step) -> Iterator[str]:
    """Candidates for the text without a key of a mapping."""
    pairs = _pairs(node)
    at = next(n for n, (key, _) in enumerate(pairs) if key.value == name)
    start = pairs[at][0].start_mark.index
    # A key without a value ends with its colon.
    end = max(_end(text, pairs[at][1]), text.index(":", pairs[at][0].end_mark.index) + 1)
    if isinstance(node, yaml.MappingNode) and node.flow_style:
        start = start if at == 0 else _end(text, pairs[at - 1][1])
        yield _cut(text, start, pairs[1][0].start_mark.index if at == 0 and len(pairs) > 1 else end, "")
    elif not ("\n" in text[start:end] and "#" in text[start:end]):
        line, rest = text.rfind("\n", 0, start) + 1, text.find("\n", end)
        rest = len(text) if rest < 0 else rest + 1
        if not text[end:rest].strip() and not text[line:start].strip():
            yield _cut(text, line, rest, "")
        yield _cut(text, start, end, "")


def _put_in_braces(text: str, node: yaml.Node, entry: str) -> Iterator[str]:
    if node.value:
        yield _cut(text, end := node.value[-1][1].end_mark.index, end, f", {entry}")
    else:
        yield _cut(text, start := node.start_mark.index + 1, start, entry)


def _put_in_block(text: str, node: yaml.Node, begin: int, key: str, value: str) -> Iterator[str]:
    """Insert below the commented example, below the last key, at the end of the file, or before the first key."""
    first = node.value[0][0].start_mark
    indent, line_end = " " * first.column, "\r\n" if "\r\n" in text else "\n"
    entry = f"{indent}{key}: {value}{line_end}"
    example = re.compile(rf"^{indent}#[ ]?{re.escape(key)}:.*(?:\n|\Z)", re.MULTILINE)
    if shown := example.search(text, begin, node.end_mark.index):
        yield _after_line(text, shown.end(), entry, line_end)
    last = node.value[-1][1].end_mark
    if text[last.index - 1] != "\n" and (rest := text.find("\n", last.index)) >= 0:
        yield _after_line(text, rest + 1, entry, line_end)
    yield _after_line(text, len(text), entry, line_end)
    yield _cut(text, first.index, first.index, entry[first.column :] + indent)


def _after_line(text: str, at: int, entry: str, line_end: str) -> str:
    before = text[:at]
    return before + ("" if before.endswith("\n") else line_end) + entry + text[at:]


def _cut(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def spelled(value: Value) -> str:
    """The value as YAML on one line; raises Refused for a number that is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        if not math.isfinite(value):
            raise Refused("a number must be finite")
        return repr(value)
    if isinstance(value, str):
        # A text in JSON is one in YAML, except for characters that the result is checked for.
        return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    if hasattr(value, "items"):
        return "{" + ", ".join(f"{spelled(key)}: {spelled(one)}" for key, one in value.items()) + "}"
    return "[" + ", ".join(map(spelled, value)) + "]"
