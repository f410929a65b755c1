"""The pages in other languages: every text is there, in its shape, and the browser chooses."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette")

from edgeface.web.languages.catalogues import ENGLISH, catalogue, english, language, languages
from edgeface.web.languages.negotiation import preferred
from edgeface.web.pages import render
from edgeface.web.pages.faults import remedy
from edgeface.web.texts import strings
from tests.support.web import client, stage  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from starlette.testclient import TestClient

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

LOADED = render
"""With the pages, every text is loaded."""
TRANSLATED = sorted(languages() - {ENGLISH})
SAME = frozenset(
    {
        "liveness_strings.ARROWS.turn_left",
        "liveness_strings.ARROWS.turn_right",
        "strings.APP",
        "strings.FACTS.step",
        "strings.FORGET_LIST.1",
        "strings.FORGET_LIST.2",
        "strings.FORGET_UNKNOWN_LIST.1",
        "strings.FORGET_UNKNOWN_LIST.2",
        "strings.HEALTH_CELSIUS",
        "strings.HEALTH_SECONDS",
        "strings.LOGIN_COMMAND",
        "strings.VERSION",
    }
)
"""Texts that are the same in every language."""
SAME_IN = {
    "de": frozenset(
        {
            "account_strings.ACCOUNTS_COLUMNS.0",
            "account_strings.TOKENS_COLUMNS.0",
            "account_strings.TOKENS_NAME",
            "factor_strings.DOOR_FACTOR_KINDS.pin",
            "notify_strings.NOTIFY_OK",
            "remedies.BROKER",
            "remedies.JOURNAL",
            "self_enrollment_strings.LINKS",
            "self_enrollment_strings.LINKS_ADDRESS",
            "settings_strings.CAMERA_ID",
            "settings_strings.CAMERA_NAME",
            "strings.ENROLL_ID",
            "strings.ENROLL_WHO",
            "strings.EVENTS_COLUMNS.2",
            "strings.EVENTS_WHO",
            "strings.HEALTH_BROKER",
            "strings.HEALTH_CAMERA_COLUMNS.1",
            "strings.HEALTH_JOURNAL",
            "strings.HEALTH_MEGABYTES",
            "strings.LIVE",
            "strings.PAGES./live",
            "strings.PERSON_NAME",
            "strings.PERSON_TEMPLATES",
            "strings.STATUSES.offline",
            "strings.STATUSES.online",
            "today_strings.VISIT_DOOR",
        }
    ),
    "es": frozenset(
        {
            "factor_strings.DOOR_FACTOR_KINDS.pin",
            "strings.HEALTH_CAMERA_COLUMNS.2",
            "strings.HEALTH_DURATION",
            "strings.HEALTH_MEGABYTES",
            "strings.LIVE_FPS",
            "strings.NO",
            "today_strings.VISIT_DOOR",
        }
    ),
    "fr": frozenset(
        {
            "account_strings.SESSIONS",
            "factor_strings.DOOR_FACTOR_KINDS.code",
            "notify_strings.NOTIFY",
            "photo_strings.PHOTO.plural",
            "photo_strings.PHOTO.singular",
            "strings.ENROLL_PHOTOS",
            "strings.FACTS.version",
            "strings.HEALTH_JOURNAL",
            "strings.KIND_LABELS.config",
            "strings.NAV",
        }
    ),
    "nl": frozenset(
        {
            "account_strings.ACCOUNTS",
            "account_strings.SESSIONS_ACCOUNT",
            "door_strings.DOOR_CONTACTS.open",
            "level_strings.LEVEL_PLACES.camera",
            "factor_strings.DOOR_FACTOR_KINDS.code",
            "notify_strings.NOTIFY_BROWSERS",
            "notify_strings.NOTIFY_OK",
            "remedies.BROKER",
            "remedies.CAMERA",
            "self_enrollment_strings.LINKS",
            "self_enrollment_strings.LINKS_ADDRESS",
            "settings_strings.CAMERA_ID",
            "strings.CAMERA",
            "strings.ENROLL_ID",
            "strings.HEALTH_BROKER",
            "strings.HEALTH_CAMERA_COLUMNS.0",
            "strings.HEALTH_CAMERA_COLUMNS.1",
            "strings.HEALTH_MEGABYTES",
            "strings.LIVE",
            "strings.LIVE_SCORE",
            "strings.PAGES./live",
            "strings.PERSON_TEMPLATES",
            "strings.STATUSES.offline",
            "strings.STATUSES.online",
            "strings.TEMPLATE.plural",
            "strings.TEMPLATE.singular",
            "today_strings.TODAY_LATER",
            "today_strings.VISIT_DOOR",
        }
    ),
}
"""Texts that are the same in this language."""


def is_noun(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) <= 2 and all(isinstance(one, str) for one in value)


def texts(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Each text of a constant by its path; an English noun without a plural has one that adds an s."""
    if isinstance(value, str):
        yield name, value
    elif is_noun(value):
        yield f"{name}.singular", value[0]
        yield f"{name}.plural", value[-1] + "s" * (len(value) == 1)
    else:
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from texts(one, f"{name}.{key}")


def all_texts(modules: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    constants = ((f"{module}.{name}", value) for module, found in modules.items() for name, value in found.items())
    return {path: text for name, value in constants for path, text in texts(value, name)}


def placed(text: str) -> list[str]:
    """The parts of a text that stay as they are."""
    return sorted(re.findall(r"\{[^}]*\}|`[^`]*`", text))


def test_the_shipped_languages_are_there() -> None:
    assert languages() == {"en", "de", "es", "fr", "nl"}


@pytest.mark.parametrize("chosen", TRANSLATED)
def test_no_text_is_missing_or_too_many(chosen: str) -> None:
    own, expected = all_texts(catalogue(chosen)), all_texts(english())
    assert expected.keys() - own.keys() == set(), f"python -m tools.translations {chosen} prints them"
    assert own.keys() - expected.keys() == set()


@pytest.mark.parametrize("chosen", TRANSLATED)
def test_what_is_filled_in_and_what_is_typed_stays_as_it_is(chosen: str) -> None:
    own = all_texts(catalogue(chosen))
    for path, text in all_texts(english()).items():
        assert placed(own[path]) == placed(text), path
        assert own[path] == own[path].strip(), path


@pytest.mark.parametrize("chosen", TRANSLATED)
def test_a_text_that_equals_the_english_one_is_missing(chosen: str) -> None:
    own, same = all_texts(catalogue(chosen)), SAME | SAME_IN.get(chosen, frozenset())
    equal = {path for path, text in all_texts(english()).items() if own[path] == text}
    assert equal - same == set()
    assert same - equal == set(), "listed, and not the same"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("pt-BR,pt;q=0.9,es;q=0.7,en;q=0.5", "es"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("en;q=0.1,fr;q=0.2", "fr"),
        ("fr;q=0,nl", "nl"),
        ("fr;q=0", "en"),
        ("*", "en"),
        ("DE", "de"),
        ("../../etc/passwd", "en"),
        ("de;q=nan,nl;q=0.1", "nl"),
        ("de;q=x", "en"),
        (",".join(["xx"] * 100) + ",de", "en"),
        ("\u00e4,;;=,=;q=1", "en"),
    ],
)
def test_the_browser_chooses(header: str, expected: str) -> None:
    assert preferred(header) == expected


def test_a_page_is_in_the_language_of_its_request(client: Callable[..., TestClient]) -> None:
    page = client("viewer").get("/health", headers={"accept-language": "de"}).text
    assert '<html lang="de"' in page
    assert catalogue("de")["strings"]["PAGES"]["/health"] in page
    assert ">Health<" not in page
    # The next request of another browser is not.
    assert '<html lang="en"' in client("viewer").get("/health").text


@pytest.mark.parametrize("chosen", TRANSLATED)
def test_every_text_is_read_in_the_language(chosen: str) -> None:
    """Also those whose keys are numbers, such as the titles of error pages."""
    shown: dict[str, dict[str, Any]] = {}
    before = language.set(chosen)
    try:
        for name, own in english().items():
            module = import_module(f"edgeface.web.texts.{name}")
            shown[name] = {constant: getattr(module, constant) for constant in own}
    finally:
        language.reset(before)
    assert all_texts(shown) == all_texts(catalogue(chosen))


def test_rest_stays_english_in_every_language(client: Callable[..., TestClient]) -> None:
    answers = [
        client("viewer", token=True).get("/api/v1/people/nobody-here", headers={"accept-language": accepted}).json()
        for accepted in ("en", "de")
    ]
    assert answers[0]["detail"] == answers[1]["detail"]


def test_texts_that_are_read_outside_a_request_are_english() -> None:
    assert strings.PAGES["/health"] == "Health"
    token = language.set("fr")
    try:
        assert strings.PAGES["/health"] == catalogue("fr")["strings"]["PAGES"]["/health"]
    finally:
        language.reset(token)


def test_no_module_copies_a_text_when_it_is_loaded() -> None:
    # `from edgeface.web.texts.strings import LIVE`, or a constant made of texts, would stay English.
    copies = []
    for file in sorted((render.HERE).rglob("*.py")):
        if file.parent.name == "texts":
            continue
        source = file.read_text()
        copies += [f"{file.name}: {line}" for line in re.findall(r"from edgeface\.web\.texts\.\w+ import .*", source)]
        copies += [
            f"{file.name}: {line}"
            for line in re.findall(r"^[A-Z_]+\b[^(\n]*\b\w*strings\.[A-Z].*", source, re.MULTILINE)
        ]
    assert copies == []


@pytest.mark.parametrize("chosen", TRANSLATED)
def test_the_advice_for_a_problem_that_no_one_knows_is_translated(chosen: str) -> None:
    before = language.set(chosen)
    try:
        assert remedy("something odd") == catalogue(chosen)["remedies"]["REMEDY_ELSE"]
    finally:
        language.reset(before)
