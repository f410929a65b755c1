"""The fields of a form about config.yaml: what they show, what was typed, and the change that follows."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from edgeface.core import yaml_editor
from edgeface.core.mistakes.schema import schema_at
from edgeface.core.text import is_one_line
from edgeface.recognition.scene import WHOLE
from edgeface.web.settings import addresses
from edgeface.web.texts import settings_strings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from edgeface.config.configuration import Configuration
    from edgeface.core.settings import Settings
    from edgeface.core.yaml_editor import Step
    from edgeface.web.pages.render import Form

EDGES = ("left", "top", "right", "bottom")
_MAX_NUMBER = 20
_MAX_SOURCE = 2000

Kind = Literal["text", "source", "whole", "number", "choice", "flags", "region"]


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One value of config.yaml in a form."""

    name: str
    """Of the form's field, and its id."""
    path: tuple[Step, ...]
    kind: Kind
    value: Any
    """As it is in the file now, or its default; None if it is left out."""
    label: str
    hint: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    """Of `choice` and `flags`: values with their words."""
    least: float | None = None
    most: float | None = None
    """Of a number; of `text`, its characters."""
    optional: bool = False
    """Nothing typed or ticked removes the key."""
    bound: bool = False
    """Of an address: protocol, host and port must stay, because a password is kept for them elsewhere."""
    restart: bool = False
    """A change takes effect at the next start."""

    def shown(self, form: Form | None) -> Any:
        """What its input shows: what was typed, otherwise the value; a set for flags, four texts for a region."""
        if self.kind == "flags":
            found = self.value or ()
            return {one for one in self.choices if (one in found if form is None else form.text(f"{self.name}-{one}"))}
        if self.kind == "region":
            sides = self.value or WHOLE
            texts = [_percent(side) for side in sides]
            return texts if form is None else [form.text(f"{self.name}-{edge}") for edge in EDGES]
        if form is not None:
            return form.text(self.name)
        if self.kind == "source":
            return addresses.masked(str(self.value))
        return "" if self.value is None else f"{self.value:g}" if self.kind == "number" else str(self.value)

    def typed(self, form: Form) -> Any:
        """The value that was typed; None removes the key. Raises ValueError with what is wrong."""
        return _READERS[self.kind](self, form)


def bounds(settings: Settings, key: str) -> tuple[float | None, float | None]:
    """The least and the most that a number may be, as its class declares it."""
    allowed = schema_at((key,), {}, type(settings))
    return allowed.get("minimum"), allowed.get("maximum")


class Typed(NamedTuple):
    """What a form would change."""

    changes: Mapping[Field, Any]
    mistakes: dict[str, str]
    """By the name of the field."""


def read(fields: Iterable[Field], form: Form) -> Typed:
    """The fields that differ from the file, and those that cannot be used."""
    changes: dict[Field, Any] = {}
    mistakes: dict[str, str] = {}
    for one in fields:
        try:
            value = one.typed(form)
        except ValueError as error:
            mistakes[one.name] = str(error)
        else:
            if value != one.value:
                changes[one] = value
    return Typed(changes, mistakes)


def change(changes: Mapping[Field, Any]) -> Callable[[Configuration, bytes], bytes]:
    """The function that makes these changes in the content of a file."""

    def work(configuration: Configuration, data: bytes) -> bytes:
        for one, value in changes.items():
            if value is None:
                data = yaml_editor.remove(data, one.path)
            elif one.path[0] == "detector" and "detector" not in configuration.model_fields_set:
                data = yaml_editor.put(
                    data, ("detector",), {"type": configuration.detector.type, str(one.path[1]): value}
                )
            else:
                data = yaml_editor.put_below(data, one.path, value)
        return data

    return work


def mistakes_of(lines: Sequence[str], fields: Iterable[Field]) -> tuple[dict[str, str], list[str]]:
    """The mistakes that the loader has found, by the name of their field; and those of no field."""
    by_name: dict[str, str] = {}
    others: list[str] = []
    for line in lines:
        found = next((one for one in fields if _is_of(line, one)), None)
        if found is None:
            others.append(line)
        else:
            by_name.setdefault(found.name, re.split(r":\d+: [^ ]+: ", line, maxsplit=1)[-1])
    return by_name, others


def snippet(changes: Mapping[Field, Any]) -> str:
    """The changed keys as they are written in config.yaml, each below its section; hidden parts stay hidden."""
    return "\n".join(line for one, value in changes.items() for line in _lines(one, value))


def _lines(one: Field, value: Any) -> Iterator[str]:
    for depth, step in enumerate(one.path[:-1]):
        text = f"# {settings_strings.ITEM.format(number=step + 1)}" if isinstance(step, int) else f"{step}:"
        yield "  " * depth + text
    indent, key = "  " * (len(one.path) - 1), one.path[-1]
    if value is None:
        yield f"{indent}# {key}: {settings_strings.REMOVED}"
    else:
        shown = addresses.masked(value) if one.kind == "source" and isinstance(value, str) else value
        yield f"{indent}{key}: {yaml_editor.spelled(shown)}"


def _is_of(line: str, one: Field) -> bool:
    key = ".".join(map(str, one.path))
    return re.search(rf":\d+: {re.escape(key)}(\.[^ ]*)?: ", line) is not None


def _text(one: Field, form: Form) -> str | None:
    text = form.text(one.name)
    if text and not is_one_line(text):
        raise ValueError(settings_strings.MISTAKE_LINE)
    if one.most is not None and len(text) > one.most:
        raise ValueError(settings_strings.MISTAKE_LONG.format(most=one.most))
    return text or None


def _source(one: Field, form: Form) -> Any:
    text = form.text(one.name)
    if not text or len(text) > _MAX_SOURCE or not text.isprintable():
        raise ValueError(settings_strings.MISTAKE_SOURCE)
    if isinstance(one.value, int) or (one.path[-1] == "source" and text.isascii() and text.isdigit()):
        return _number(text, whole=True)
    try:
        value = addresses.unmasked(text, str(one.value))
    except addresses.HiddenError:
        raise ValueError(settings_strings.MISTAKE_HIDDEN) from None
    if one.bound and not addresses.same_place(value, str(one.value)):
        raise ValueError(settings_strings.MISTAKE_BOUND)
    if not addresses.may_be_source(value):
        raise ValueError(settings_strings.MISTAKE_SOURCE)
    return value


def _whole(one: Field, form: Form) -> int | None:
    text = form.text(one.name)
    return None if one.optional and not text else int(_number(text, whole=True))


def _decimal(one: Field, form: Form) -> float | None:
    text = form.text(one.name)
    return None if one.optional and not text else float(_number(text, whole=False))


def _number(text: str, *, whole: bool) -> float:
    pattern = r"-?\d{1,9}" if whole else r"-?\d{1,9}([.,]\d{1,6})?"
    if len(text) > _MAX_NUMBER or not re.fullmatch(pattern, text, re.ASCII):
        raise ValueError(settings_strings.MISTAKE_WHOLE if whole else settings_strings.MISTAKE_NUMBER)
    return int(text) if whole else float(text.replace(",", "."))


def _choice(one: Field, form: Form) -> str:
    text = form.text(one.name)
    if text not in one.choices:
        raise ValueError(settings_strings.MISTAKE_CHOICE)
    return text


def _flags(one: Field, form: Form) -> Any:
    found = tuple(choice for choice in one.choices if form.text(f"{one.name}-{choice}"))
    if not found and not one.optional:
        raise ValueError(settings_strings.MISTAKE_NONE)
    if set(found) == set(one.value or ()):
        return one.value
    return found or None


def _region(one: Field, form: Form) -> Any:
    texts = [form.text(f"{one.name}-{edge}") for edge in EDGES]
    if texts == one.shown(None):
        return one.value
    sides = tuple(round(_number(text, whole=False) / 100, 4) for text in texts)
    return None if sides == WHOLE else sides


def _percent(side: float) -> str:
    return f"{100 * side:.2f}".rstrip("0").rstrip(".") if math.isfinite(side) else ""


_READERS: dict[Kind, Callable[[Field, Form], Any]] = {
    "text": _text,
    "source": _source,
    "whole": _whole,
    "number": _decimal,
    "choice": _choice,
    "flags": _flags,
    "region": _region,
}
