"""What is wrong with a key or its value, in a user's words; pydantic's own words and every value stay out."""

from __future__ import annotations

import json
import re
from functools import reduce
from typing import TYPE_CHECKING, Any

from edgeface.core.mistakes.schema import path_of, schema_at, schema_of, step
from edgeface.core.settings import ID_PATTERN
from edgeface.core.text import closest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pydantic_core import ErrorDetails

    from edgeface.core.settings import Settings

NO_ID = "not an id: small letters, digits, - and _, at most 64, a letter or digit first"
_REFERENCE = "the {} that comes with edgeface explains every key"
_UNUSABLE = f"has a value that this key does not take; {_REFERENCE}"
_BELOW = "should have keys below it"
_CLOSE = 0.7
"""How alike a misspelled key is to the one that was meant, as difflib measures it."""

_MEANT = {
    "user": "username",
    "login": "username",
    "broker": "host",
    "server": "host",
    "hostname": "host",
    "address": "host",
    "uri": "url",
    "topic_prefix": "prefix",
    "base_topic": "prefix",
    "threshold": "level",
    "confidence": "level",
}
"""Keys that other programs have, and ours."""
_PASSWORDS = frozenset({"password", "passwd", "pass", "pwd", "passphrase", "passwort", "wachtwoord", "contraseña"})

_KINDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "path": "the path of a file",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "keys below it",
    "model": "keys below it",
}
"""What each kind of error of a type expects."""


class Mistake:
    """One error of pydantic, with the file's values and what the schema allows there."""

    def __init__(self, error: ErrorDetails, tree: Any, model: type[Settings], reference: str) -> None:
        self.reference = reference
        self.kind = error["type"]
        self.context: Mapping[str, Any] = error.get("ctx", {})
        self.path = path_of(error, tree)
        self.tree, self.model, self.message = tree, model, error["msg"]

    @property
    def value(self) -> Any:
        """What the file has there."""
        return reduce(step, self.path, self.tree)

    @property
    def schema(self) -> Mapping[str, Any]:
        """What is allowed there."""
        return schema_at(self.path, self.tree, self.model)

    @property
    def expects(self) -> str | None:
        """What should be there, for an error of a type; None for any other."""
        kind = self.kind.removesuffix("_type").removesuffix("_attributes").removesuffix("_parsing")
        if self.kind in {"literal_error", "enum"}:
            return str(self.context.get("expected", ""))
        if kind == "path" and self.schema.get("format") == "directory-path":
            return "the path of a folder"
        return _KINDS.get(kind) if kind != self.kind else None

    @property
    def words(self) -> str:
        """The mistake in words."""
        say = _WORDS.get(self.kind)
        if say is not None:
            return say(self)
        return _UNUSABLE.format(self.reference) if self.expects is None else f"should be {self.expects}"


def words(errors: Sequence[ErrorDetails], tree: Any, model: type[Settings], reference: str) -> str:
    """The errors of one key in words; there are several if the key has several forms, of which none fits.

    `reference` is the file that explains every key.
    """
    found = [Mistake(error, tree, model, reference) for error in errors]
    forms = [one for one in found if one.expects is not None]
    if len(found) == 1 or len(forms) < len(found):
        return next((one for one in found if one.expects is None), found[0]).words
    return f"should be {' or '.join(dict.fromkeys(str(one.expects) for one in forms))}{_hint(forms[0].value)}"


def _number(mistake: Mistake) -> str:
    return f"should be {mistake.expects}{_limits(mistake.schema)}{_hint(mistake.value)}"


def _limit(mistake: Mistake) -> str:
    schema = mistake.schema
    # Most often a size in pixels, or a percentage.
    fraction = ", as a fraction: 0.5 is half" if (schema.get("minimum"), schema.get("maximum")) == (0, 1) else ""
    return f"should be{_limits(schema) or _own_limit(mistake)}{fraction}"


def _limits(schema: Mapping[str, Any]) -> str:
    """The range of a number, with a blank before it; empty if it has none."""
    schema = next((one for one in schema.get("anyOf", ()) if one.get("type") in {"integer", "number"}), schema)
    low, high = schema.get("minimum"), schema.get("maximum")
    above = schema.get("exclusiveMinimum")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}" if high < 1e6 else f" from {low} to {high}"  # noqa: PLR2004 - as :g shows it
    parts = [f"more than {above:g}"] if above is not None else [f"at least {low:g}"] if low is not None else []
    parts += [f"at most {high:g}"] if high is not None else []
    return f" {' and '.join(parts)}" if parts else ""


def _multiple(mistake: Mistake) -> str:
    of = mistake.context.get("multiple_of", 1)
    return "should be an even number" if of == 2 else f"should be a multiple of {of}"  # noqa: PLR2004 - even


def _own_limit(mistake: Mistake) -> str:
    names = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
    return next((f" {name} {mistake.context[key]}" for key, name in names.items() if key in mistake.context), "")


def _hint(value: object) -> str:
    """What to change in a value of the wrong type; the value itself is not shown."""
    if value is None:
        return "; it has no value"
    if isinstance(value, (list, dict)):
        return ", not a list" if isinstance(value, list) else ", without keys below it"
    text = str(value).strip() if isinstance(value, str) else ""
    if re.fullmatch(r"[-+]?\d+(\.\d+)?|true|false", text):
        return ", without quotes"
    if re.fullmatch(r"[-+]?\d+,\d+", text):
        return "; decimals have a point, such as 0.5"
    return "; write it without a unit" if re.fullmatch(r"[-+]?\d+(\.\d+)?\s?[A-Za-z%°]+", text) else ""


def _boolean(mistake: Mistake) -> str:
    hint = ", without quotes" if mistake.value in ("true", "false") else ""
    return f"should be true or false{hint}"


def _text(mistake: Mistake) -> str:
    quoted = isinstance(mistake.value, (int, float))
    return f"should be text{': put it in quotes' if quoted else _hint(mistake.value)}"


def _list(mistake: Mistake) -> str:
    schema = mistake.schema
    parts = schema.get("prefixItems")
    example = _example(schema)
    return f"should be a list{f' of {len(parts)} values' if parts else ''}{example or ' in brackets, [ ]'}"


def _example(schema: Mapping[str, Any]) -> str:
    """An example of a list, as YAML, with the words before it; empty if the schema has none."""
    return next((f", such as {flow(one)}" for one in schema.get("examples", ())), "")


def flow(value: object) -> str:
    """Plain values as YAML in one line: [1280, 720], or [{group: family}]."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    return value if isinstance(value, str) and re.fullmatch(r"[a-z][\w-]*", value) else json.dumps(value)


def _section(mistake: Mistake) -> str:
    value, last = mistake.value, mistake.path[-1] if mistake.path else ""
    if isinstance(last, int):
        examples = schema_at(mistake.path[:-1], mistake.tree, mistake.model).get("examples", [])
        return f"should have keys, such as {flow(examples[0][0])}" if examples else _BELOW
    if isinstance(value, list):
        return f"{_BELOW}, not a list: write names with a colon (porch:) in place of the dashes"
    glued = isinstance(value, str) and re.match(r"[A-Za-z_]+:\S", value) is not None
    return f"{_BELOW}; a space is missing after a colon: write `key: value`" if glued else _BELOW


def _short(mistake: Mistake) -> str:
    least = int(mistake.context.get("min_length", 1))
    return "should not be empty" if least == 1 else f"should have at least {least}"


def _long(mistake: Mistake) -> str:
    most = mistake.context.get("max_length")
    if mistake.schema.get("prefixItems"):
        return _list(mistake)
    return f"should have at most {most} {'characters' if mistake.kind == 'string_too_long' else 'entries'}"


def _missing(mistake: Mistake) -> str:
    """A key that must be there, or an item of a list of fixed length."""
    return _list(mistake) if isinstance(mistake.value, list) else "missing"


def _choice(mistake: Mistake) -> str:
    expected, value = str(mistake.context.get("expected", "")), mistake.value
    choices = re.findall(r"'([^']*)'", expected)
    if isinstance(value, str) and value not in choices and value.lower() in choices:
        return f"should be {expected}, in small letters"
    return f"should be {expected}{_hint(value) if not choices else ''}"


def _pattern(mistake: Mistake) -> str:
    pattern = mistake.context.get("pattern", "")
    if ID_PATTERN in pattern:
        return NO_ID
    described = mistake.schema.get("x-form")
    if described is not None:
        return f"should be {described}"
    return _UNUSABLE.format(mistake.reference)


def _unknown_key(mistake: Mistake) -> str:
    known = list(schema_at(mistake.path[:-1], mistake.tree, mistake.model).get("properties", {}))
    key = str(mistake.path[-1])
    if key.lower() in known:
        return f"unknown key: write it in small letters, {key.lower()}"
    secret = f"{'password' if key.lower() in _PASSWORDS else key.lower()}_file"
    if secret in known:
        place = f"put it into a file of its own that only edgeface can read, and name that file with {secret}"
        return f"unknown key: secrets are not written here; {place}"
    if key.lower() in _PASSWORDS:
        return "unknown key: no password is written here; docs/configuration.md has its place"
    if (section := _section_of(key, mistake)) is not None:
        return f"unknown key here: it belongs {section}"
    meant = _meant(key.lower(), known)
    return f"unknown key (did you mean {meant}?)" if meant else f"unknown key; {_REFERENCE.format(mistake.reference)}"


def _section_of(key: str, mistake: Mistake) -> str | None:
    """Where a key that was indented too much or too little belongs; None if no section nearby has it, or several do."""
    above = mistake.path[:-1]
    here = schema_at(above, mistake.tree, mistake.model).get("properties", {})
    below = [
        name for name in here if key in schema_at((*above, name), mistake.tree, mistake.model).get("properties", {})
    ]
    if above and key in schema_at(above[:-1], mistake.tree, mistake.model).get("properties", {}):
        return "one level further out: indent it as its section is"
    return f"below {below[0]}" if len(below) == 1 else None


def _meant(key: str, known: Iterable[str]) -> str | None:
    named = _MEANT.get(key)
    # Where a secret comes from is not guessed: a variable is the least safe of its places.
    others = [one for one in known if not one.endswith(("_env", "_credential")) or key.endswith(one[-4:])]
    return named if named in others else closest(key, others, _CLOSE)


def _no_type(mistake: Mistake) -> str:
    types = mistake.schema.get("discriminator", {}).get("mapping", {})
    return f"needs a type: one of {', '.join(sorted(types))}"


def _unknown_type(mistake: Mistake) -> str:
    expected = str(mistake.context.get("expected_tags", "")).replace("'", "")
    given = str(step(mistake.value, "type")).lower()
    meant = closest(given, expected.split(", "), _CLOSE) or _mentions(given, mistake)
    hint = f" (did you mean {meant}?)" if meant else ""
    return f"unknown type; known are {expected}{hint}"


def _mentions(word: str, mistake: Mistake) -> str | None:
    """The first type of a union whose description has this word, such as usb."""
    whole = schema_of(mistake.model)
    for tag, reference in mistake.schema.get("discriminator", {}).get("mapping", {}).items():
        part = json.dumps(whole["$defs"][reference.rpartition("/")[2]], ensure_ascii=False)
        if re.search(rf"\b{re.escape(word)}\b", part, re.IGNORECASE):
            return str(tag)
    return None


_WORDS: dict[str, Callable[[Mistake], str]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "bool_type": _boolean,
    "int_type": _number,
    "float_type": _number,
    "int_from_float": lambda one: f"should be a whole number{_limits(one.schema)}",
    "finite_number": lambda one: f"should be a number{_limits(one.schema)}",
    "multiple_of": _multiple,
    **dict.fromkeys(("greater_than", "greater_than_equal", "less_than", "less_than_equal"), _limit),
    "string_type": _text,
    "string_too_short": _short,
    "string_too_long": _long,
    "string_pattern_mismatch": _pattern,
    **dict.fromkeys(("tuple_type", "list_type", "set_type", "frozen_set_type"), _list),
    "too_short": _short,
    "too_long": _long,
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type", "mapping_type"), _section),
    **dict.fromkeys(("literal_error", "enum"), _choice),
    "union_tag_not_found": _no_type,
    "union_tag_invalid": _unknown_type,
    # These texts are ours: validators of the settings raise them.
    "value_error": lambda one: one.message.removeprefix("Value error, "),
    "invalid_key": lambda _: "a key must be text",
}
