"""The page Today without a browser: its cards, its filters, its forms, its file, and the REST interface of visits."""

from __future__ import annotations

import csv
import html
import io
import re
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

pytest.importorskip("starlette")

from edgeface.config import loader
from edgeface.core.clock import SystemClock, rfc3339
from edgeface.gallery.unknowns import Alike, Unknown
from edgeface.journal.rows import JournalRow
from edgeface.web.http.time_zone import COOKIE, day_of, span_of
from edgeface.web.texts import today_strings
from edgeface.web.today.export import CSV_COLUMNS, lines
from tests.support.clock import FixedClock
from tests.support.photos import FOLDER
from tests.support.visits import announced, noted, visit
from tests.support.web import CAMERA, EVENT, UNKNOWN, Stage, client, context, stage  # noqa: F401 - fixtures
from tests.web.test_pages import Markup, post, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.testclient import TestClient

    Make = Callable[..., TestClient]

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def admin(client: Make) -> TestClient:
    return client("admin")


@pytest.fixture
def noon(stage: Stage) -> float:
    """Noon of today in UTC, around which visits are written; for the page it is eight hours later."""
    wall = SystemClock().wall()
    noon = wall - wall % DAY + DAY / 2
    stage.context = stage.app.state.context = replace(stage.context, clock=FixedClock(noon + 8 * HOUR))
    return noon


def write(stage: Stage, *rows: JournalRow) -> None:
    assert stage.context.journal.write(rows, ())


def cards(text: str) -> list[str]:
    return re.findall(r"<article class=\"card visit\".*?</article>", text, re.DOTALL)


def words(part: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part))).strip()


def test_who_came_today_is_grouped_by_person_the_latest_first(admin: TestClient, stage: Stage, noon: float) -> None:
    write(stage, *visit(noon, 1, person="barack"), *visit(noon + 60, 2, unknown=UNKNOWN))
    write(stage, *visit(noon + 120, 3, person="barack"), *visit(noon - DAY, 4, person="eileen"))
    answer = admin.get("/")
    assert (Markup(answer.text).wrong, Markup(answer.text).open) == ([], [])
    first, second = cards(answer.text)
    assert 'href="/people/barack"' in first
    assert "/faces/barack/0" in first
    assert first.count("<li>") == 2
    assert rfc3339(noon + 120) in first
    assert today_strings.VISIT_STRANGER in second
    assert f"/faces/{UNKNOWN}/0" in second
    assert not any("/people/eileen" in card for card in cards(answer.text))
    yesterday = day_of(noon - DAY, timezone.utc)
    assert f'href="/?day={yesterday}"' in answer.text
    earlier = admin.get(f"/?day={yesterday}")
    assert ["Eileen" in words(card) for card in cards(earlier.text)] == [True]


def test_without_a_visit_today_the_last_day_with_one_is_shown(admin: TestClient, stage: Stage, noon: float) -> None:
    write(stage, *visit(noon - 5 * DAY, 1, person="eileen"))
    text = admin.get("/").text
    assert today_strings.TODAY_NONE in text
    assert len(cards(text)) == 1
    assert f'datetime="{day_of(noon - 5 * DAY, timezone.utc)}"' in text


def test_a_visit_that_goes_on_what_the_doors_did_and_a_spoof_are_said(admin: TestClient, stage: Stage) -> None:
    now = stage.context.clock.wall()
    write(
        stage,
        announced(now - 20, 1, person="barack"),
        noted("opened", now - 19, door="front", person="barack", grant_seq=1),
        noted("refused", now - 18, door="shed", person="barack", reason="schedule"),
        announced(now - 15, 2, "spoof", reason="screen_or_print", looks_like="eileen"),
        announced(now - 10, 3, "uncertain", reason="two_people"),
    )
    shown = {words(card).split("  ")[0]: words(card) for card in cards(admin.get("/").text)}
    (person,) = [text for text in shown.values() if "Barack" in text]
    assert today_strings.VISIT_NOW in person
    assert today_strings.VISIT_DOOR.format(door="front", outcome="opened") in person
    assert today_strings.VISIT_DOOR.format(door="shed", outcome="refused") in person
    assert any("Presentation attack" in text for text in shown.values())
    assert any(today_strings.VISIT_UNCERTAIN in text for text in shown.values())
    assert "Eileen" not in admin.get("/").text


def test_a_stranger_can_be_added_to_the_most_alike_enrolled_ignored_or_merged(
    admin: TestClient, stage: Stage, noon: float, client: Make
) -> None:
    with stage.context.gallery() as gallery:
        older = gallery.unknown(UNKNOWN)
        # Who was seen first keeps the id.
        newer = Unknown("u-0002", older.mean, (older.mean,), 1, 1, older.first + 1, older.last, CAMERA)
        gallery.store_unknowns([newer], alike=[Alike(UNKNOWN, "u-0002", 0.9)])
    write(stage, *visit(noon, 1, unknown=UNKNOWN))
    (card,) = cards(admin.get("/").text)
    assert words(card).count("Add to ") == 2
    assert f'href="/unknowns/{UNKNOWN}/enroll"' in card
    assert f'action="/unknowns/{UNKNOWN}/ignore"' in card
    assert 'name="back" value="/"' in card
    merge = re.search(r'action="(/unknowns/[^"]+/merge)">.*?name="other" value="([^"]+)"', card, re.DOTALL)
    assert merge is not None
    (seen,) = cards(client("viewer").get("/").text)
    assert "<form" not in seen
    assert "enroll" not in seen
    done = post(admin, merge[1], {"other": merge[2], "back": "/?camera=porch"})
    assert done.headers["location"] == "/?camera=porch&done=merged"
    assert (
        post(admin, f"/unknowns/{UNKNOWN}/ignore", {"back": "//evil.example"}).headers["location"] == "/?done=ignored"
    )
    (ignored,) = cards(admin.get("/").text)
    assert today_strings.VISIT_IGNORED in words(ignored)


def test_a_stranger_who_is_someone_gets_the_name_on_all_visits(admin: TestClient, stage: Stage, noon: float) -> None:
    write(stage, *visit(noon - DAY, 1, unknown=UNKNOWN), *visit(noon, 2, unknown=UNKNOWN))
    asked = post(admin, f"/unknowns/{UNKNOWN}/enroll", {"id": "barack", "back": "/"})
    assert asked.status_code == 409, "the faces are not alike, so it asks first"
    assert 'name="back" value="/"' in asked.text
    done = post(admin, f"/unknowns/{UNKNOWN}/enroll", {"id": "joe", "name": "Joe", "back": "/"})
    assert done.headers["location"] == "/?done=enrolled"
    (card,) = cards(admin.get("/").text)
    assert 'href="/people/joe">Joe</a>' in card
    (before,) = cards(admin.get(f"/?day={day_of(noon - DAY, timezone.utc)}").text)
    assert 'href="/people/joe">Joe</a>' in before
    post(admin, "/people/joe/rename", {"name": "Joseph"})
    assert "Joseph" in cards(admin.get("/").text)[0]
    post(admin, "/people/joe/forget", {"confirm": "joe"})
    text = text_of(admin.get("/"))
    assert "Joseph" not in text
    assert UNKNOWN not in text
    assert today_strings.TODAY_ERASED.format(visits="1 event") in text


def test_a_wrong_name_is_corrected_from_the_card(admin: TestClient, stage: Stage, client: Make) -> None:
    wall = stage.context.clock.wall()
    row = announced(wall - 60, 1, "unknown", unknown=UNKNOWN)
    write(stage, JournalRow(EVENT, row.kind, row.at, row.payload))
    (card,) = cards(admin.get("/").text)
    assert f'href="/events/{EVENT}/correct"' in card
    assert "correct" not in cards(client("viewer").get("/").text)[0]
    done = post(admin, f"/events/{EVENT}/correct/is", {"id": "joe", "name": "Joe"})
    assert done.status_code == 303, text_of(done)
    (card,) = cards(admin.get("/").text)
    assert 'href="/people/joe">Joe</a>' in card
    assert today_strings.VISIT_CORRECTED in words(card)


def test_visits_are_found_by_name_id_camera_and_day(admin: TestClient, stage: Stage, noon: float) -> None:
    write(stage, *visit(noon, 1, person="barack"), *visit(noon - 3 * DAY, 2, person="barack", camera="yard"))
    write(stage, *visit(noon, 3, unknown=UNKNOWN), *visit(noon, 4, person="eileen"))
    assert len(cards(admin.get("/?q=BARA").text)) == 3, "one of them is the fixture's"
    # One is the fixture's.
    assert len(cards(admin.get(f"/?q={UNKNOWN}").text)) == 2
    assert len(cards(admin.get("/?who=barack&who=eileen").text)) == 4
    assert len(cards(admin.get("/?q=barack&camera=yard").text)) == 1
    assert len(cards(admin.get(f"/?q=barack&day={day_of(noon, timezone.utc)}").text)) == 1
    assert len(cards(admin.get("/?camera=yard").text)) == 1, "the last day with a visit at this camera or the next"
    assert today_strings.TODAY_NONE_FOUND in admin.get("/?q=nobody-at-all").text


@pytest.mark.parametrize(
    "query",
    ["day=2026-13-40", "day=9999-12-31", "day=0001-01-01", "who=../etc", "q=%00%1b[2J", "camera=<script>", "first=9e9",
     "before=99999999999999999999", "q=" + "x" * 3000, "who=" + "&who=".join(["a"] * 200)],
)  # fmt: skip
def test_a_hostile_query_is_no_error(admin: TestClient, query: str) -> None:
    answer = admin.get(f"/?{query}")
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert (Markup(answer.text).wrong, Markup(answer.text).open) == ([], [])


def test_problems_come_first_on_the_page_that_opens(client: Make) -> None:
    text = client("viewer").get("/").text
    assert "no signing key" in text
    assert text.index("no signing key") < text.index('id="visits"')


def test_many_people_come_in_parts(admin: TestClient, stage: Stage, noon: float) -> None:
    write(stage, *[row for n in range(70) for row in visit(noon + n, n, unknown=f"u-{n:04}")])
    first = admin.get("/").text
    assert len(cards(first)) == 60
    more = re.search(r'href="(/\?first=60)"', first)
    assert more is not None
    assert len(cards(admin.get(more[1]).text)) == 10
    write(stage, *[row for n in range(30) for row in visit(noon + 500 + n, 100 + n, person="barack")])
    card = cards(admin.get("/").text)[0]
    assert card.count("<li>") == 30
    assert "26 visits more" in words(card)


def test_the_browsers_zone_decides_on_which_day_someone_came(admin: TestClient, stage: Stage) -> None:
    midnight = datetime(2026, 11, 20, tzinfo=timezone.utc).timestamp()
    write(stage, *visit(midnight - 1800, 1, person="barack"))
    assert len(cards(admin.get("/?day=2026-11-19").text)) == 1
    assert len(cards(admin.get("/?day=2026-11-20").text)) == 0
    admin.cookies.set(COOKIE, "Europe%2FBerlin")
    assert len(cards(admin.get("/?day=2026-11-19").text)) == 0
    page = admin.get("/?day=2026-11-20")
    assert len(cards(page.text)) == 1
    assert 'data-zone="Europe/Berlin"' in page.text
    assert len(Markup(admin.get("/events?kind=match&day=2026-11-20").text).all("tr")) == 2
    assert len(Markup(admin.get("/events?kind=match&day=2026-11-19").text).all("tr")) == 1


HOSTILE_ZONES = (
    "../../etc/passwd",
    "Europe",
    "Europe/../../etc",
    "/etc/localtime",
    "a" * 300,
    "No/Where",
    "%00",
    "zone.tab",
    "",
)


@pytest.mark.parametrize("name", HOSTILE_ZONES)
def test_a_zone_that_is_none_is_utc(admin: TestClient, name: str) -> None:
    admin.cookies.set(COOKIE, name)
    assert 'data-zone="UTC"' in admin.get("/").text


def test_a_day_has_23_to_25_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-30", 24)):
        span = span_of(day, berlin)
        assert span is not None
        assert (span.until - span.since) / HOUR == hours
    assert span_of("2026-11-31", berlin) is None


def test_someone_is_found_by_a_photo_that_is_stored_nowhere(admin: TestClient, stage: Stage, noon: float) -> None:
    write(stage, *visit(noon, 1, person="barack"), *visit(noon, 2, unknown=UNKNOWN), *visit(noon, 3, person="eileen"))
    before = sorted((path.name, path.stat().st_size) for path in stage.data.iterdir() if "-" not in path.name)
    assert by_photo(admin, "obama2") == ("/?who=barack", "")
    card, _ = cards(admin.get("/?who=barack").text)
    assert "Barack" in words(card)
    assert by_photo(admin, "biden") == (f"/?who={UNKNOWN}", "")
    assert sorted((path.name, path.stat().st_size) for path in stage.data.iterdir() if "-" not in path.name) == before
    assert stage.notes == []


def by_photo(client: TestClient, *names: str, content: bytes | None = None) -> tuple[str, str]:
    """Where the answer leads to, or the error on the page."""
    files = [("photo", (f"{n}.jpg", content or (FOLDER / f"{n}.jpg").read_bytes(), "image/jpeg")) for n in names]
    data = {"csrf": client.headers["x-csrf-token"]}
    answer = client.post("/today/photo", data=data, files=files or [("photo", ("", b"", "image/jpeg"))])
    found = re.search(r'<div class="note bad" role="alert">\s*<p>(.*?)</p>', answer.text)
    return answer.headers.get("location", ""), html.unescape(found[1]) if found else ""


def test_a_photo_that_shows_no_one_known_is_said(admin: TestClient, stage: Stage) -> None:
    with stage.context.gallery() as gallery:
        gallery.store_unknowns([], [UNKNOWN])
    assert by_photo(admin, "biden") == ("", today_strings.TODAY_PHOTO_NO_ONE)
    assert "not a photo" in by_photo(admin, "biden", content=b"<b onload=alert(1)>")[1]
    assert by_photo(admin) == ("", today_strings.TODAY_PHOTO_MISSING)
    assert by_photo(admin, "biden", "obama") == ("", today_strings.TODAY_PHOTO_ONE)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_visits_are_exported_as_csv_with_the_zone_in_each_time(admin: TestClient, stage: Stage, noon: float) -> None:
    write(
        stage, *visit(noon, 1, person="barack"), noted("opened", noon + 1, door="front", person="barack", grant_seq=1)
    )
    write(stage, *visit(noon - 40 * DAY, 2, unknown=UNKNOWN))
    answer = admin.get("/visits.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.search(r'filename="edgeface-front-visits-\d{4}-\d{2}-\d{2}\.csv"', answer.headers["content-disposition"])
    latest, earlier, *_ = rows_of(answer.text)
    assert tuple(latest) == CSV_COLUMNS
    assert latest["first_seen"] == datetime.fromtimestamp(noon, timezone.utc).isoformat(timespec="seconds")
    assert (latest["person"], latest["name"], latest["opened"], latest["in_view"]) == (
        "barack",
        "Barack",
        "front",
        "no",
    )
    assert (earlier["unknown"], earlier["kind"], earlier["name"]) == (UNKNOWN, "unknown", "")
    admin.cookies.set(COOKIE, "Asia%2FKolkata")
    there = rows_of(admin.get("/visits.csv?q=barack").text)[0]
    assert there["first_seen"].endswith("T17:30:00+05:30")
    assert [row["person"] for row in rows_of(admin.get(f"/visits.csv?day={day_of(noon, timezone.utc)}").text)] == [
        "barack"
    ]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '=HYPERLINK("http://x")'])
def test_a_name_is_no_formula_in_the_file(stage: Stage, noon: float, name: str) -> None:
    from edgeface.journal.visit_reader import VisitReader

    write(stage, *visit(noon, 1, person="barack"))
    (found,) = VisitReader().between(stage.context.journal, noon - 1, noon + 1, noon + 99).visits
    (row,) = rows_of("".join(lines([found], timezone.utc, lambda _: name)))
    assert row["name"] == f"'{name}"


def test_a_viewer_sees_the_page_and_gets_neither_file_nor_forms(client: Make, stage: Stage, noon: float) -> None:
    write(stage, *visit(noon, 1, person="barack"))
    viewer = client("viewer")
    text = viewer.get("/").text
    assert len(cards(text)) == 1
    assert "visits.csv" not in text
    assert "today/photo" not in text
    for path, method in (("/visits.csv", "GET"), ("/today/photo", "POST"), ("/today/pictures", "POST")):
        assert viewer.request(method, path).status_code == 403


API = "/api/v1/visits"


def test_programs_list_visits_page_by_page(client: Make, stage: Stage, noon: float) -> None:
    base = noon - 2 * DAY
    write(
        stage, *[row for n in range(25) for row in visit(base + 0.0004 * (n // 2) + 60 * (n // 5), n, person="barack")]
    )
    write(stage, noted("refused", base + 1, door="front", person="barack", reason="schedule"))
    program = client("viewer", token=True)
    found: list[dict[str, Any]] = []
    until: dict[str, str] = {}
    for _ in range(30):
        answer = program.get(API, params={"limit": 4, "who": "barack", "since": "2020-01-01", **until})
        assert answer.status_code == 200, answer.text
        found += answer.json()["visits"]
        if answer.json()["until"] is None:
            break
        until = {"until": answer.json()["until"]}
    assert len(found) == len({one["event"] for one in found}) == 25
    every = program.get(API, params={"limit": 500}).json()["visits"]
    assert [one["event"] for one in every] == [one["event"] for one in found]
    assert any(one["doors"] == [{"door": "front", "outcome": "refused", "reason": "schedule"}] for one in found)
    assert found[0]["name"] == "Barack"
    assert program.get(API, params={"camera": "yard"}).json() == {"visits": [], "until": None}
    assert program.get(API, params={"who": "nobody"}).json()["visits"] == []


@pytest.mark.parametrize("query", [{"since": "yesterday"}, {"until": "2026-02-31"}, {"limit": "0"}, {"what": "x"}])
def test_a_wrong_parameter_is_named(client: Make, query: dict[str, str]) -> None:
    answer = client("viewer", token=True).get(API, params=query)
    assert answer.status_code == (400 if "what" in query else 422)
    assert next(iter(query)) in answer.text


def silent(stage: Stage) -> None:
    """As a config.yaml is that says nothing about pictures."""
    source = stage.folder / "config.yaml"
    source.write_text(source.read_text().replace("privacy: {pictures: all}\n", "# Keep this comment.\n"))
    stage.context.reload()


@pytest.mark.parametrize(("answer", "value", "done"), [("yes", "all", "pictures_on"), ("no", "none", "pictures_off")])
def test_the_question_about_pictures_is_asked_once_and_the_answer_is_in_the_file(
    admin: TestClient, client: Make, stage: Stage, answer: str, value: str, done: str
) -> None:
    asked = today_strings.PICTURES_ASK.format(days="30 days")
    assert asked not in admin.get("/").text
    silent(stage)
    assert asked in admin.get("/").text
    assert asked not in client("viewer").get("/").text
    assert today_strings.PICTURES_NONE in client("viewer").get("/").text
    assert post(admin, "/today/pictures", {"answer": "perhaps"}).status_code == 400
    assert asked in admin.get("/").text
    assert post(admin, "/today/pictures", {"answer": answer}).headers["location"] == f"/?done={done}"
    text = (stage.folder / "config.yaml").read_text()
    assert "# Keep this comment." in text
    assert loader.load(stage.folder / "config.yaml").privacy.pictures == value
    shown = admin.get("/").text
    assert asked not in shown
    assert (today_strings.PICTURES_NONE in shown) == (answer == "no")


def test_the_question_is_not_asked_where_the_answer_cannot_be_written(admin: TestClient, stage: Stage) -> None:
    silent(stage)
    source = stage.folder / "config.yaml"
    other = source.with_name("real.yaml")
    source.rename(other)
    source.symlink_to(other)
    shown = admin.get("/").text
    assert today_strings.PICTURES_ASK.format(days="30 days") not in shown
    assert today_strings.PICTURES_NONE in shown
    refused = post(admin, "/today/pictures", {"answer": "yes"})
    assert (refused.status_code, "is a link" in text_of(refused)) == (409, True)
    assert loader.load(other).privacy.pictures == "none"


def test_altered_rows_are_an_alarm_on_their_day(admin: TestClient, stage: Stage, noon: float) -> None:
    write(stage, *visit(noon, 1, person="barack"))
    stage.context.journal.attempt(
        lambda db, _: db.execute("UPDATE rows SET payload = x'00' WHERE at = ?", (noon,)), otherwise=None
    )
    text = text_of(admin.get("/"))
    assert today_strings.TODAY_ALTERED.format(rows="1 row") in text


def test_a_name_of_markup_is_shown_as_text(admin: TestClient, stage: Stage, noon: float) -> None:
    post(admin, "/people/barack/rename", {"name": "<img src=x onerror=alert(1)>"})
    write(stage, *visit(noon, 1, person="barack", camera="<b>"))
    text = admin.get("/").text
    assert "<img src=x" not in text
    assert "<b>" not in text
