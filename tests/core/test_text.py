"""Hostile names stay on one line wherever they are shown, and are never ids."""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.core import events
from edgeface.core.errors import GalleryError
from edgeface.core.log import JsonLine, OneLine
from edgeface.core.text import (
    MAX_NAME,
    check_id,
    check_new_id,
    cleaned,
    counted,
    display_name,
    folder_id,
    is_id,
    is_typed_as_name,
    is_unknown_id,
    new_id,
    printable,
)
from edgeface.mqtt.publisher import sentence
from tests.support.sayings import an_event

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 40_000
# Text that breaks logs, terminals, tables and JSON.
PARTS = (
    "\n",
    "\r\n",
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\0",
    "\x08" * 5,
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\u200f",
    "\ud800",
    "\udfff",
    "\x85",
    "\u200b",
    "\ufeff",
    '","event_type":"match"',
    "\\u0000",
    "\\",
    '"}\n{"',
    "{}",
    "%s%n",
    "{0.__class__}",
    "<script>",
    "'; DROP TABLE people;--",
    "../../etc",
    "+/#",
    "Z͑ͫa",
    "👩‍👩‍👧",
    "محمد",
    "Anna",
    " ",
    "\t",
    "\U000e0041",
)
CONTROL = {"Cc", "Cs", "Zl", "Zp"}
DIRECTION = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def hostile_names() -> Iterator[str]:
    """The same 40,000 on every run: PARTS mixed with random characters, and one of a million characters."""
    random = np.random.default_rng(4)
    for _ in range(COUNT - 1):
        parts = random.integers(0, len(PARTS), random.integers(0, 6))
        characters = random.integers(0, 0x110000, random.integers(0, 8))
        yield "".join(PARTS[n] for n in parts) + "".join(map(chr, characters))
    yield "\x1b[2J\n" * 200_000


def is_clean(text: str) -> bool:
    return not any(unicodedata.category(c) in CONTROL or c in DIRECTION for c in text)


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("edgeface.daemon.vision", logging.INFO, "", 0, "%s", (text,), None)


def test_40000_hostile_names_escape_from_no_line() -> None:
    formatters = (OneLine(), JsonLine())
    for number, text in enumerate(hostile_names()):
        name = display_name(text, "anna")
        assert 0 < len(name) <= MAX_NAME
        assert is_clean(name)
        assert name == cleaned(name)
        assert printable(text).isprintable()
        name.encode()
        if number % 16 == 0:
            wire = events.to_json(events.to_wire(an_event(name=name), sent_at=1.0, synced=True, snapshot=None))
            assert json.loads(wire)["name"] == name
            assert len(wire.splitlines()) == 1
            message = sentence(an_event(name=name))
            for formatter in formatters:
                (line,) = formatter.format(record(message)).splitlines()
                assert line.isprintable()


def test_hostile_text_in_a_log_is_one_line_even_if_it_was_not_cleaned() -> None:
    for number, text in enumerate(hostile_names()):
        if number % 16 == 0 and len(text) < 1000:
            (line,) = OneLine().format(record(text)).splitlines()
            assert line.isprintable()
            (line,) = JsonLine().format(record(text)).splitlines()
            message = json.loads(line)["message"]
            # JSON joins two adjacent surrogates.
            assert message.encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")
            assert line.isascii()


def test_no_hostile_name_is_an_id_and_what_is_made_of_it_is_one() -> None:
    for text in hostile_names():
        if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", text) is None:
            assert not is_id(text)
        try:
            made = folder_id(text, lambda _: False)
        except GalleryError as error:
            assert str(error).isprintable()
        else:
            assert is_id(made)


@pytest.mark.parametrize(
    "text",
    [
        "anna\n",
        "\nanna",
        "anna\0",
        "Anna",
        "-anna",
        "",
        "a" * 65,
        "anna b",
        "\uff41nna",
        "u-7f3a",
        "a/b",
        "a+",
        "#",
        "\u0663",
    ],
)
def test_ids_are_matched_as_a_whole(text: str) -> None:
    assert not is_id(text)
    with pytest.raises(GalleryError) as caught:
        check_id(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["u-7f3a\n", "u-7F3A", "u-7f3", "xu-7f3a", "u-" + "a" * 65])
def test_ids_of_unknowns_are_matched_as_a_whole(text: str) -> None:
    assert not is_unknown_id(text)


@given(st.text(max_size=300))
def test_cleaning_twice_changes_nothing_and_keeps_plain_names(text: str) -> None:
    assert cleaned(cleaned(text)) == cleaned(text)
    assert display_name(text, "anna") == display_name(display_name(text, "anna"), "anna")
    assert display_name("Zoë O'Neil-Müller (2)", "zoe") == "Zoë O'Neil-Müller (2)"


def test_an_empty_name_is_replaced_by_the_id() -> None:
    assert display_name("\u202e\n\0", "anna") == "anna"
    assert display_name(None, "anna") == "anna"


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 people"), (1, "1 person"), (2, "2 people"), (1015, "1,015 people")]
)
def test_a_number_agrees_with_its_noun(number: int, shown: str) -> None:
    assert counted(number, "person", "people") == shown
    assert counted(number, "row").endswith("row" if number == 1 else "rows")


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("Joe Biden", "joe-biden"),
        ("  Joe   Biden  ", "joe-biden"),
        ("Anna Böhm", "anna-bohm"),
        ("Zoë O'Brien-Groß", "zoe-obrien-gross"),
        ("Łukasz Żółw", "lukasz-zolw"),
        ("Søren Ærø", "soren-aero"),
        ("I\u0307lker I\u015f\u0131k", "ilker-isik"),
        ("J. R. R.", "j-r-r"),
        ("\u5b89\u5a1c", "anna"),
        ("\u0410\u043d\u043d\u0430", "anna"),
        ("\u5b89\u5a1c Ana", "anna-ana"),
        (
            "\u0410\u043b\u0435\u043a\u0441\u0430\u043d\u0434\u0440 \u0421\u043e\u043b\u043e\u0432\u044c\u0451\u0432",
            "aleksandr-solovev",
        ),
        ("\u5c71\u7530 \u592a\u90ce", "shantian-tailang"),
        ("\uae40\ucca0\uc218", "gimcheolsu"),
        ("\u0645\u062d\u0645\u062f", "mhmd"),
        ("Bo\u0308hm \U0001f600", "bohm"),
        ("Nobody", "nobody-2"),
        ("UNKNOWN", "unknown-2"),
        ("007", "person"),
        ("\U0001f600", "person"),
        ("", "person"),
        ("-", "person"),
        ("U 7f3a", "u-7f3a-2"),
        ("../etc/passwd", "etc-passwd"),
        ("a" * 100, "a" * 64),
        ("a" * 63 + " b", "a" * 63),
    ],
)
def test_an_id_is_made_from_a_name(name: str, made: str) -> None:
    assert new_id(name, lambda _: False) == made
    assert is_id(made)


def test_an_id_that_is_made_from_a_name_is_no_other_persons() -> None:
    taken = {"joe-biden", "joe-biden-2", "person", "a" * 64}
    assert new_id("Joe Biden", taken.__contains__) == "joe-biden-3"
    assert new_id("007", taken.__contains__) == "person-2"
    assert new_id("A" * 70, taken.__contains__) == "a" * 62 + "-2"


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("Anna B\u00f6hm", "anna-bohm"),
        ("Anna Bo\u0308hm", "anna-bohm"),
        ("George_W_Bush", "george_w_bush"),
        ("alice", "alice"),
        ("007", "007"),
        ("\u0410\u043b\u0435\u043a\u0441\u0430\u043d\u0434\u0440", "aleksandr"),
        ("Joe Biden", "joe-biden-2"),
    ],
)
def test_a_folder_whose_name_is_an_id_keeps_it_and_any_other_name_gives_one(name: str, made: str) -> None:
    assert folder_id(name, {"joe-biden", "alice"}.__contains__) == made


@pytest.mark.parametrize("name", ["Unknown", "stranger", "NOBODY", "none", "unavailable", "everyone"])
def test_no_folder_and_no_new_person_has_a_reserved_id(name: str) -> None:
    for refused in (partial(folder_id, taken=lambda _: False), check_new_id):
        with pytest.raises(GalleryError, match="reserved"):
            refused(name.lower())


@pytest.mark.parametrize("name", ["\U0001f600", "---", "1 2"])
def test_a_folder_without_letters_in_its_name_is_to_be_renamed(name: str) -> None:
    with pytest.raises(GalleryError, match="rename the folder"):
        folder_id(name, lambda _: False)


def test_every_name_gives_an_id() -> None:
    for text in hostile_names():
        assert is_id(new_id(text, {"person", "u-1"}.__contains__))


@pytest.mark.parametrize("text", ["Joe Biden", "Joe", "joe biden", "jörg", "\u5b89\u5a1c", "-Joe"])
def test_a_name_in_the_place_of_an_id_is_known_as_one(text: str) -> None:
    assert is_typed_as_name(text)


@pytest.mark.parametrize(
    "text", ["joe", "joe-biden", "u-7f3a", "../alice", "a+", "", " ", "-", "1 2", "a/b", "alice.jpg"]
)
def test_what_may_be_a_mistyped_id_is_no_name(text: str) -> None:
    assert not is_typed_as_name(text)
