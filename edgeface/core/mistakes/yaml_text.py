"""What is wrong with text that is not YAML, in a user's words and at the line to change, without PyYAML's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TAGS = "text that begins with ! must be in quotes"
ANCHORS = "& and * repeat nothing here: write the keys out, or quote text that begins with one"
HOME_ASSISTANT = {
    "!secret": "!secret works in Home Assistant only: write the value here, or put a password into a file",
    "!include": "!include works in Home Assistant only: write the keys here",
    "!env_var": "!env_var works in Home Assistant only: write the value here",
}
"""What to write in place of the tags that people bring along."""
_DIRECTIVES = "lines that begin with % are not supported"
_NO_COLON = "the colon is missing: a line is `key: value`"
_NO_SPACE = "a space is missing after the colon: write `key: value`"
_NEVER_CLOSED = "{} is opened here and never closed"
_UNKNOWN = "cannot be read from here: check indentation, colons, brackets and quotes; quote text with other characters"
_CURLY = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb\u2039\u203a\u2033\u2032\u00b4"

# Characters that look like the ones that YAML means.
_NO_BREAK = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_WIDTHLESS = "\u200b\u2060\ufeff"
_EVERYWHERE = re.compile(f"[{_WIDTHLESS}]")
# Such a space inside of a sentence is spelling; at an end, or next to a colon or a dash, it was meant to separate.
_AT_AN_EDGE = re.compile(f"^[{_NO_BREAK}]|[{_NO_BREAK}]$|[:-][{_NO_BREAK}]|[{_NO_BREAK}]:")
_ODD = re.compile(f"[{_NO_BREAK}{_WIDTHLESS}\uff1a]|(?<![^\\s:\\[{{,-])[{_CURLY}]")
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

_KEY = re.compile(r"""\s*(?:-\s+)*(?:"[^"]*"|'[^']*'|[^\s#"':{\[][^:#]*)\s*:(?=\s|$)""")
_GLUED = re.compile(r"\s*(?:-\s+)*[\w-]+:[^\s/]")
_CHARACTER = re.compile(r"character '(.+)' that|found '(.)'$|got '(.)'$")


class Explained(NamedTuple):
    """A mistake: where, and what to do."""

    line: int
    """Counts from 1."""
    text: str


class _Place(NamedTuple):
    """Where PyYAML has stopped."""

    lines: Sequence[str]
    line: int
    """Counts from 1."""
    column: int
    began: int
    """The line where what it was reading begins."""
    found: str
    """The character or the token that it did not expect."""

    @property
    def text(self) -> str:
        return self.lines[self.line - 1] if self.line <= len(self.lines) else ""

    def above(self, line: int) -> int | None:
        """The nearest line above that has more than a comment; None if there is none."""
        numbers = range(line - 1, 0, -1)
        return next((n for n in numbers if self.lines[n - 1].strip() and self.lines[n - 1].lstrip()[0] != "#"), None)


def encoding(data: bytes, error: UnicodeDecodeError) -> Explained:
    """Why a file is not UTF-8."""
    # Of UTF-16, every second byte of a text in Latin letters is zero.
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"} or data.count(0) * 3 > len(data):
        return Explained(1, "not UTF-8 text but UTF-16, as some editors of Windows save it: save it again as UTF-8")
    line = len(re.findall(rb"\r\n|\n|\r", data[: error.start])) + 1
    return Explained(
        line, "not UTF-8 text: a letter such as \u00e4 or \u00e9 is in an old encoding; save the file as UTF-8"
    )


def odd_plain(text: str, *, key: bool) -> str | None:
    """What is wrong with unquoted text that has a character which only looks like another one; None if nothing is.

    Everything else that is not a blank or a tab belongs to the text, as YAML sees it: indentation, too.
    """
    odd = _EVERYWHERE.search(text) or (_ODD if key else _AT_AN_EDGE).search(text)
    if odd is not None:
        character = next(c for c in odd[0] if _ODD.match(c) or _EVERYWHERE.match(c))
        return _odd(character)
    if len(text) > 1 and text[0] in _CURLY and text[-1] in _CURLY:
        return _odd(text[0])
    return None


def explain(text: str, error: yaml.YAMLError) -> Explained:
    """A mistake that stopped PyYAML; nothing of a value is repeated, since it may be a password."""
    if not isinstance(error, yaml.MarkedYAMLError):
        before = text[: getattr(error, "position", 0)]
        return Explained(len(_LINE_BREAK.findall(before)) + 1, "a control character: delete it")
    place, problem = _place(text, error), str(error.problem)
    if "end of stream" in problem or "document separator" in problem:
        return Explained(place.began, _NEVER_CLOSED.format("a quote"))
    if "got '<stream end>'" in problem:
        return Explained(place.began, _NEVER_CLOSED.format("[" if "']'" in problem else "{"))
    if (odd := _odd_line(place)) is not None:
        return odd
    if "directive" in str(error.context):
        return Explained(place.line, _DIRECTIVES)
    return next((say(place) for start, say in SAYINGS if problem.startswith(start)), Explained(place.line, _UNKNOWN))


def _place(text: str, error: yaml.MarkedYAMLError) -> _Place:
    mark, context = error.problem_mark, error.context_mark
    line, column = (mark.line + 1, mark.column) if mark is not None else (1, 0)
    named = _CHARACTER.search(str(error.problem))
    found = next((one for one in named.groups() if one), "") if named else ""
    return _Place(_LINE_BREAK.split(text), line, column, context.line + 1 if context is not None else line, found)


def _odd_line(place: _Place) -> Explained | None:
    """A character on the line, or on the one above, that only looks right."""
    for number in (place.line, place.above(place.line)):
        line = place.lines[number - 1] if number is not None and number <= len(place.lines) else ""
        if number is not None and (odd := _ODD.search(line)) is not None:
            return Explained(number, _odd(odd[0]))
    return None


def _odd(character: str) -> str:
    code = f"U+{ord(character):04X}"
    if character in _CURLY:
        return f"a curly quote ({code}), which does not quote: use \" or '"
    if character == "\uff1a":
        return f"a full-width colon ({code}): use :"
    if re.match(f"[{_WIDTHLESS}]", character):
        return f"an invisible character ({code}): type this line again"
    return f"a non-breaking space ({code}), which does not indent or separate: replace it with a space"


def _values_not_allowed(place: _Place) -> Explained:
    """A colon where none may be: a second one in a line, or below a line that has a value or no colon."""
    first = _KEY.match(place.text)
    if first is not None and first.end() <= place.column:
        return Explained(place.line, "a second colon in this line: put the value in quotes")
    above = place.above(place.line)
    if above is None or first is None:
        return Explained(place.line, "a colon in the wrong place: put text that has one in quotes")
    if _KEY.match(place.lines[above - 1]) is None:
        return _without_colon(place, above)
    text = f"indented deeper than line {above}, which has a value: remove that value, or indent both alike"
    return Explained(place.line, text)


def _without_colon(place: _Place, line: int) -> Explained:
    return Explained(line, _NO_SPACE if _GLUED.match(place.lines[line - 1]) else _NO_COLON)


def _cannot_begin(place: _Place) -> Explained:
    if place.found != "\\t":
        return Explained(place.line, f"text that begins with {place.found} must be in quotes")
    where = "a tab after the text" if place.text[: place.column].strip() else "a tab in the indentation"
    return Explained(place.line, f"{where}: use spaces")


def _here(text: str) -> Callable[[_Place], Explained]:
    return lambda place: Explained(place.line, text.format(found=place.found))


SAYINGS: tuple[tuple[str, Callable[[_Place], Explained]], ...] = (
    ("mapping values are not allowed", _values_not_allowed),
    ("could not find expected ':'", lambda place: _without_colon(place, place.began)),
    ("found character", _cannot_begin),
    ("expected <block end>, but found '<scalar>'", _here("text after a closing quote: quote the whole value")),
    ("expected <block end>, but found '-'", _here("a list item (-) among keys: indent it below its key")),
    ("expected <block end>, but found '?'", _here("a key among list items (-): write keys or a list, not both")),
    ("expected <block end>, but found ':'", _here("no key before the colon")),
    ("expected <block end>", _here("does not line up: the keys of a section begin in the same column")),
    ("expected ',' or ']'", _here("a comma or ] is missing in this list; quote text that has : , [ ] {{ or }} in it")),
    ("expected ',' or '}'", _here("a comma or }} is missing; quote text that has : , [ ] {{ or }} in it")),
    ("expected the node content", _here("a value is missing, or a bracket or comma is too many")),
    ("expected '<document start>'", _here("a closing bracket too many, or text after the end")),
    ("sequence entries are not allowed", _here("a list item (-) needs a line of its own")),
    ("mapping keys are not allowed", _here("text that begins with ? must be in quotes")),
    ("found unknown escape", _here("a backslash in double quotes: use single quotes, or double each backslash")),
    ("expected escape sequence", _here("a backslash in double quotes: use single quotes, or double each backslash")),
    ("expected chomping", _here("nothing may follow | or > in the same line: its text begins in the next line")),
    ("expected indentation indicator", _here("no number may follow | or >")),
    ("expected a comment or a line break", _here("nothing may follow here in the same line")),
    ("expected alphabetic or numeric", _here(ANCHORS)),
    ("found undefined tag handle", _here(TAGS)),
    ("expected URI", _here(TAGS)),
    ("expected '!'", _here(TAGS)),
    ("expected '>'", _here(TAGS)),
    ("expected ' '", _here(TAGS)),
    ("duplicate tag handle", _here(TAGS)),
    ("expected a digit", _here(_DIRECTIVES)),
    ("found duplicate YAML directive", _here(_DIRECTIVES)),
    ("found incompatible YAML document", _here(_DIRECTIVES)),
)
"""How PyYAML's problems begin (scanner.py and parser.py of 6.0), and what they mean; the first one counts."""
