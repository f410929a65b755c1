"""Where in a settings file pydantic has found an error, and what the schema of the settings allows there."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

    from edgeface.core.settings import Settings

    KeyPath = tuple[str | int, ...]
    """Keys of the file, outermost first."""


def path_of(error: ErrorDetails, value: Any) -> KeyPath:
    """The keys as the file has them, without the tags and markers that pydantic inserts."""
    path: list[str | int] = []
    *above, last = error["loc"] or ("",)
    for one in above:
        tag = isinstance(value, dict) and value.get("type") == one
        if not tag and _has(value, one):
            path.append(one)
            value = step(value, one)
    if _has(value, last) or (error["type"] == "missing" and isinstance(value, dict)):
        path.append(last)
    return tuple(path)


def _has(value: Any, key: str | int) -> bool:
    if isinstance(key, int):
        return isinstance(value, list) and key < len(value)
    return isinstance(value, dict) and key in value


def step(value: Any, key: str | int) -> Any:
    """The value of a key or an item; None if there is none."""
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        return None


@cache
def schema_of(model: type[Settings]) -> dict[str, Any]:
    """The JSON schema of a settings class."""
    return model.model_json_schema()


def schema_at(path: KeyPath, value: Any, model: type[Settings]) -> Mapping[str, Any]:
    """What is allowed at this place of the file."""
    schema = schema_of(model)
    found = _resolve(schema, schema, value)
    for one in path:
        value = step(value, one)
        found = _resolve(schema, _below(found, one), value)
    return found


def _below(schema: Mapping[str, Any], key: str | int) -> Mapping[str, Any]:
    """What is allowed for a key of a section, or an item of a list."""
    if isinstance(key, int):
        parts = schema.get("prefixItems", ())
        found = parts[key] if key < len(parts) else schema.get("items")
    else:
        patterns = list(schema.get("patternProperties", {}).values())
        found = schema.get("properties", {}).get(key) or (
            patterns[0] if patterns else schema.get("additionalProperties")
        )
    return found if isinstance(found, dict) else {}


def _resolve(schema: Mapping[str, Any], part: Mapping[str, Any], value: Any) -> Mapping[str, Any]:
    """Follow references, optional parts, and the tag of a union as the file's value gives it."""
    while True:
        examples = part.get("examples")
        part = next((one for one in part.get("anyOf", ()) if "discriminator" in one), part)  # an optional union
        mapping = part.get("discriminator", {}).get("mapping", {})
        tag = value.get("type") if isinstance(value, dict) else None
        reference = part.get("$ref") or (mapping.get(tag) if isinstance(tag, str) else None)
        if reference is None and "anyOf" in part:
            reference = next((one["$ref"] for one in part["anyOf"] if "$ref" in one), None)
        if reference is None:
            return _present(part, examples)
        part = schema["$defs"][reference.rpartition("/")[2]]


def _present(part: Mapping[str, Any], examples: object) -> Mapping[str, Any]:
    """An optional value as if it were required, with the examples of its key."""
    forms = [one for one in part.get("anyOf", ()) if one.get("type") != "null"]
    found = {**part, **forms[0]} if len(forms) == 1 else part
    return {**found, "examples": examples} if examples else found
