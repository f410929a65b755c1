"""The pages without a browser: their texts, their forms, and what they reject."""

from __future__ import annotations

import html
import itertools
import json
import re
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("starlette")

from edgeface.cameras.repetition import DOUBTFUL, REPEATED_PICTURES, REPEATED_TIMES
from edgeface.config import loader
from edgeface.faces.embedder import embedder_name
from edgeface.faces.photo_face import find_face
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.gallery.thumbnails import thumbnail
from edgeface.gallery.unknowns import Unknown
from edgeface.imaging import photos
from edgeface.mqtt.advice import START
from edgeface.people.guided import TEXTS, Guide
from edgeface.web.languages.catalogues import catalogue, language
from edgeface.web.pages import faults, rows
from edgeface.web.pages.guided import READY_SECONDS, Guidance, Progress, in_words
from edgeface.web.pages.render import HERE, environment, initials
from edgeface.web.texts import (
    account_strings,
    camera_strings,
    door_strings,
    level_strings,
    notify_strings,
    photo_strings,
    remedies,
    self_enrollment_strings,
    settings_strings,
    strings,
    today_strings,
    unknown_strings,
)
from tests.support.broker import until
from tests.support.doors import SHORT, ship
from tests.support.journals import counts
from tests.support.photos import FOLDER
from tests.support.web import CAMERA, EVENT, STATE, UNKNOWN, Stage, client, context, stage  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from starlette.testclient import TestClient

    from edgeface.web.context import WebContext

    Make = Callable[..., TestClient]

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

PAGES = ("/", "/live", "/people", "/people/barack", "/unknowns", "/events", "/doors", "/health")
ADMIN_PAGES = (
    "/enroll",
    "/enroll/camera",
    "/notifications",
    "/settings",
    f"/settings/cameras/{CAMERA}",
    "/settings/cameras/yard",
    "/sessions",
    "/accounts",
    "/tokens",
    "/proposals",
    "/people/barack/forget",
    "/forget?id=barack",
    f"/unknowns/{UNKNOWN}/enroll",
)
VOID = {"meta", "link", "input", "img", "br"}


class Markup(HTMLParser):
    """The tags of a page, and those that are not closed properly."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def all(self, *names: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def post(client: TestClient, path: str, data: dict[str, str], shown: tuple[str, ...] = ()) -> httpx.Response:
    """Submit a form as the page would."""
    fields = {**data, "csrf": client.headers["x-csrf-token"]}
    files = [("photos", (f"{name}.jpg", (FOLDER / f"{name}.jpg").read_bytes(), "image/jpeg")) for name in shown]
    return client.post(path, data=fields, files=files or None)  # type: ignore[no-any-return]


def text_of(answer: httpx.Response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


@pytest.fixture
def admin(client: Make) -> TestClient:
    return client("admin")


@pytest.mark.parametrize("path", [*PAGES, *ADMIN_PAGES, f"/unknowns/{UNKNOWN}/delete", "/login"])
def test_a_page_is_whole_and_can_be_used_by_everybody(client: Make, path: str) -> None:
    answer = (client() if path == "/login" else client("admin")).get(path)
    assert answer.status_code == 200
    page = Markup(answer.text)
    assert page.wrong == []
    assert page.open == []
    assert page.all("html") == [{"lang": "en", "data-base": ""}]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {one.get("for") for one in page.all("label")}
    fields = [one for one in page.all("input", "select") if one.get("type") not in {"hidden", "checkbox"}]
    assert [one for one in fields if one.get("id") not in labelled] == []
    assert [one for one in page.all("img") if "alt" not in one] == []
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    named = {
        one for _, a in page.tags for one in f"{a.get('aria-labelledby', '')} {a.get('aria-describedby', '')}".split()
    }
    assert named <= set(ids)
    assert len(page.all("main")) == 1


@pytest.mark.parametrize("path", [*PAGES, *ADMIN_PAGES, "/login"])
def test_a_page_has_nothing_inline_and_nothing_from_elsewhere(client: Make, path: str) -> None:
    page = Markup((client() if path == "/login" else client("admin")).get(path).text)
    assert [a for _, a in page.tags if any(key == "style" or key.startswith("on") for key in a)] == []
    assert page.all("style") == []
    scripts = [one for one in page.all("script") if one.get("type") != "application/json"]
    assert all(one["src"].startswith("/static/") for one in scripts)
    addresses = [
        value for _, a in page.tags for key, value in a.items() if key in {"href", "src", "action", "formaction"}
    ]
    assert [one for one in addresses if not one.startswith(("/", "#"))] == []


@pytest.mark.parametrize("path", PAGES)
def test_a_viewer_sees_nothing_that_changes_anything(client: Make, path: str) -> None:
    page = Markup(client("viewer").get(path).text)
    forms = [one["action"] for one in page.all("form") if one.get("method", "get") == "post"]
    assert forms == ["/logout"]
    assert [one for one in page.all("a") if re.search("enroll|forget|delete|export", one["href"])] == []


def test_every_form_that_posts_has_the_token(admin: TestClient) -> None:
    for path in (*PAGES, *ADMIN_PAGES):
        text = admin.get(path).text
        for form in re.findall(r'<form[^>]*method="post".*?</form>', text, re.DOTALL):
            assert f'name="csrf" value="{admin.headers["x-csrf-token"]}"' in form


def test_every_string_is_used_and_the_templates_have_no_text_of_their_own() -> None:
    sources = {path: path.read_text() for path in (*(HERE / "templates").iterdir(), *HERE.rglob("*.py"))}
    used = set(re.findall(r"\b(?:s|\w*strings)\.([A-Z_]+)", "".join(sources.values())))
    used |= set(re.findall(r"import ([A-Z_]+)$", "".join(sources.values()), re.MULTILINE))
    texts = (
        strings,
        account_strings,
        camera_strings,
        level_strings,
        notify_strings,
        photo_strings,
        self_enrollment_strings,
        settings_strings,
        today_strings,
        unknown_strings,
    )
    there = {name for one in texts for name in vars(one) if name.isupper()} - {"EVENT_KINDS"}
    assert there - used == set()
    for path, text in sources.items():
        if path.suffix == ".html":
            plain = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", " ", text, flags=re.DOTALL)
            assert re.findall(r"[A-Za-z]{2,}", re.sub(r"<[^>]*>", " ", plain)) == [], path.name
            assert environment().get_template(path.name)


def test_what_is_hostile_is_shown_as_text(admin: TestClient, context: WebContext) -> None:
    name = "<script>alert(1)</script>"
    assert post(admin, "/people/barack/rename", {"name": name}).status_code == 303
    context.journal.record("granted", 2e9, {"door": "<b>x</b>", "person": "barack", "reason": "'\"><img src=x>"})
    for path in ("/people", "/people/barack", "/people/barack/forget", "/events"):
        text = admin.get(path).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "<b>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in admin.get("/people/barack").text


CALLED = "Haustür <b>“vorn”</b> '\"{{ s }} 🚪"


def test_people_are_shown_the_name_of_a_camera_and_programs_its_id(admin: TestClient, stage: Stage) -> None:
    path = stage.folder / "config.yaml"
    text = path.read_text().replace(
        "    # A clip.", f"    name: {json.dumps(CALLED, ensure_ascii=False)}\n    people: family"
    )
    text += "groups: {family: [barack]}\nmqtt: {}\ndoors:\n"
    path.write_text(f"{text}  front: {{camera: {CAMERA}, allow: [{{person: barack}}]}}\n")
    stage.context.reload()
    offline = {**STATE["cameras"][CAMERA], "status": "offline", "problem": "no frames"}
    problems = [f"camera {CAMERA}: no level can be guaranteed", "camera is off"]
    stage.context.hub.state = {**STATE, "cameras": {CAMERA: offline}, "problems": problems}
    shown = {
        "/": f"Camera {CALLED}: no frames",
        "/live": f"Camera {CALLED}: no frames",
        "/events": CALLED,
        "/health": f"Camera {CALLED}: no frames",
        "/people": f"Camera {CALLED} normal",
        "/people/barack": f", {CALLED}",
        "/unknowns": f"Camera {CALLED}",
        "/doors": f"Camera {CALLED}",
        "/settings": f"{CALLED} {CAMERA}",
        f"/settings/cameras/{CAMERA}": f"Settings of camera {CALLED} ID: {CAMERA}",
        "/enroll": CALLED,
        f"/events/{EVENT}/correct": f", {CALLED}",
    }
    for page, words in shown.items():
        answer = admin.get(page)
        assert answer.status_code == 200, page
        assert words in html.unescape(text_of(answer)), page
        assert "<b>“" not in answer.text
    for page in ("/", "/events", "/enroll"):
        assert f'<option value="{CAMERA}"' in admin.get(page).text
    live = admin.get("/live")
    assert f'data-camera="{CAMERA}"' in live.text
    assert html.unescape(re.findall(r'<h2 id="camera-porch">(.*?)</h2>', live.text)[0]) == CALLED
    health = html.unescape(text_of(admin.get("/health")))
    assert f"camera {CALLED}: no level can be guaranteed" in health
    assert "camera is off" in health
    assert CALLED not in admin.get("/visits.csv").text
    assert CALLED not in admin.get("/events/export").text


def test_the_list_says_who_is_enrolled_and_finds_them(admin: TestClient) -> None:
    everybody = text_of(admin.get("/people"))
    assert "Barack barack" in everybody
    assert "Eileen eileen" in everybody
    found = admin.get("/people?q=EIL").text
    assert "/people/eileen" in found
    assert "/people/barack" not in found
    assert strings.PEOPLE_FOUND_NONE in admin.get("/people?q=nobody&first=99999999").text


def test_a_person_is_enrolled_from_photos_and_written_down(admin: TestClient, stage: Stage) -> None:
    answer = post(admin, "/enroll", {"id": "joe", "name": "Joe B", "given": "2026-11-01"}, ("biden",))
    # One photo is few, and the page notes it.
    assert "or more different photos work better" in text_of(answer)
    assert answer.status_code == 200
    assert ("enrolled", {"person": "joe"}) in stage.notes
    assert ("consent", {"person": "joe", "given": "2026-11-01", "expires": None}) in stage.notes
    assert "Joe B" in admin.get("/people/joe").text
    picture = admin.get("/faces/joe/0")
    assert picture.headers["content-type"] == "image/jpeg"
    assert admin.get("/faces/joe/9").status_code == 404


def test_the_name_comes_first_and_makes_the_id(admin: TestClient, stage: Stage) -> None:
    for path in ("/enroll", f"/unknowns/{UNKNOWN}/enroll", f"/events/{EVENT}/correct"):
        text = admin.get(path).text
        assert text.index('name="name"') < text.index('name="id"'), path
        assert "/static/new-id.js" in text
    assert admin.get("/enroll/id?name=Barack").json() == {"id": "barack-2"}
    assert admin.get("/enroll/id?name=%20").json() == {"id": ""}
    assert post(admin, "/enroll", {"name": "Joe Biden"}, ("biden",)).status_code == 200
    assert files(stage) == ["barack", "eileen", "joe-biden"]
    assert "give a name" in text_of(post(admin, "/enroll", {"name": " "}, ("biden",))).lower()


def test_an_unknown_and_a_correction_need_a_name_only(admin: TestClient, stage: Stage) -> None:
    done = post(admin, f"/events/{EVENT}/correct/is", {"person": "", "id": "", "name": "Joe B"})
    assert done.headers["location"] == "/people/joe-b?done=identified"
    assert "already enrolled as joe-b" in text_of(post(admin, f"/unknowns/{UNKNOWN}/enroll", {"name": "Joe B"}))
    post(admin, "/people/joe-b/forget", {"confirm": "joe-b"})
    assert files(stage) == ["barack", "eileen"]


def test_photos_that_cannot_be_used_are_named_and_nothing_is_kept(admin: TestClient, stage: Stage) -> None:
    before = files(stage)
    files_ = [("photos", ("noise.jpg", b"not a photo", "image/jpeg"))]
    fields = {"id": "joe", "name": "Joe", "csrf": admin.headers["x-csrf-token"]}
    answer = admin.post("/enroll", data=fields, files=files_)
    assert answer.status_code == 409
    assert "noise.jpg: not a photo" in text_of(answer)
    assert 'value="Joe"' in answer.text
    assert "already" in text_of(post(admin, "/enroll", {"id": "joe"}, ("obama2",)))
    assert "not an id" in text_of(post(admin, "/enroll", {"id": "../etc"}, ("biden",)))
    assert "no photo" in text_of(post(admin, "/enroll", {"id": "joe"}))
    assert stage.notes == []
    assert files(stage) == before


BAD = ("photos", ("noise.jpg", b"not a photo", "image/jpeg"))


def photo_file(name: str) -> tuple[str, tuple[str, bytes, str]]:
    return ("photos", (f"{name}.jpg", (FOLDER / f"{name}.jpg").read_bytes(), "image/jpeg"))


def plan_of(answer: httpx.Response) -> str:
    """The token of the photos that wait."""
    return next(one["value"] for one in Markup(answer.text).all("input") if one.get("name") == "plan")


@pytest.fixture
def mixed(admin: TestClient) -> httpx.Response:
    """The answer to one good photo, one that is none, and one of someone else who is enrolled."""
    form = {"name": "Joe", "csrf": admin.headers["x-csrf-token"]}
    return admin.post("/enroll", data=form, files=[photo_file("biden"), BAD, photo_file("obama2")])  # type: ignore[no-any-return]


def test_good_photos_are_kept_and_the_bad_ones_named_and_shown(
    admin: TestClient, stage: Stage, mixed: httpx.Response
) -> None:
    assert mixed.status_code == 409
    page, text = Markup(mixed.text), text_of(mixed)
    assert (page.wrong, page.open) == ([], [])
    assert "noise.jpg: not a photo" in text
    assert "obama2.jpg: this face is already enrolled as barack" in text
    # Of the two bad ones, one can be shown; the good one is the face.
    assert [one["width"] for one in page.all("img") if one["src"].startswith("data:")] == ["72", "120"]
    assert files(stage) == ["barack", "eileen"]
    done = post(admin, "/enroll/anyway", {"plan": plan_of(mixed)})
    assert done.headers["location"] == "/people/joe?done=enrolled"
    assert files(stage) == ["barack", "eileen", "joe"]
    assert stage.notes == [("enrolled", {"person": "joe"})]
    assert admin.get("/faces/joe/0").status_code == 200
    again = post(admin, "/enroll/anyway", {"plan": plan_of(mixed)})
    assert (again.status_code, strings.DOUBT_GONE in text_of(again)) == (409, True)


def test_other_photos_are_added_to_the_good_ones_that_were_kept(admin: TestClient, stage: Stage) -> None:
    form = {"name": "Barack", "id": "barry", "csrf": admin.headers["x-csrf-token"]}
    post(admin, "/people/barack/forget", {"confirm": "barack"})
    first = admin.post("/enroll", data=form, files=[photo_file("obama"), BAD])
    second = admin.post("/enroll/more", data={**form, "plan": plan_of(first)}, files=[photo_file("obama2"), BAD])
    assert second.status_code == 409
    assert text_of(second).count("noise.jpg") == 1
    third = admin.post("/enroll/more", data={**form, "plan": plan_of(second)}, files=[photo_file("obama3")])
    assert third.headers["location"] == "/people/barry?done=enrolled"
    with opened(stage.context) as gallery:
        assert (gallery.person("barry").templates, gallery.person("barry").name) == (3, "Barack")
    gone = admin.post("/enroll/more", data={**form, "plan": plan_of(second)}, files=[photo_file("obama3")])
    assert strings.DOUBT_GONE in text_of(gone)


def test_photos_of_someone_else_are_not_added_to_those_that_were_kept(admin: TestClient, mixed: httpx.Response) -> None:
    post(admin, "/people/barack/forget", {"confirm": "barack"})
    form = {"csrf": admin.headers["x-csrf-token"], "plan": plan_of(mixed)}
    answer = admin.post("/enroll/more", data=form, files=[photo_file("obama")])
    assert answer.status_code == 409
    assert strings.DOUBT in answer.text


def test_a_person_gets_the_good_ones_of_more_photos(admin: TestClient) -> None:
    fields = {"csrf": admin.headers["x-csrf-token"]}
    answer = admin.post("/people/barack/photos", data=fields, files=[photo_file("obama2"), BAD])
    assert answer.status_code == 409
    post(admin, "/enroll/anyway", {"plan": plan_of(answer)})
    assert re.search(r"Templates\s+2", text_of(admin.get("/people/barack")))
    none = admin.post("/people/barack/photos", data=fields, files=[BAD, photo_file("astronaut")])
    assert "no photo can be used" in text_of(none)
    assert len([one for one in Markup(none.text).all("img") if one["src"].startswith("data:")]) == 1


def files(stage: Stage) -> list[str]:
    with opened(stage.context) as gallery:
        return [person.id for person in gallery.people()]


def opened(context: WebContext) -> Any:
    configuration = context.configuration()
    return closing(Gallery.open(configuration.data, embedder_name(configuration.embedder.model)))


def test_more_photos_are_added_to_a_person_only_when_they_are_theirs(admin: TestClient) -> None:
    assert (
        post(admin, "/people/barack/photos", {}, ("obama2", "obama3")).headers["location"]
        == "/people/barack?done=added"
    )
    assert re.search(r"Templates\s+3", text_of(admin.get("/people/barack")))
    assert post(admin, "/people/barack/photos", {}, ("astronaut",)).status_code == 409


def test_a_template_is_removed_on_the_page_of_the_person(admin: TestClient, stage: Stage, client: Make) -> None:
    post(admin, "/people/barack/photos", {}, ("obama2",))
    shown = Markup(admin.get("/people/barack").text)
    assert shown.wrong == []
    first, second = [one["value"] for one in shown.all("input") if one.get("name") == "template"]
    assert f"Picture of template {second}" in admin.get("/people/barack").text
    assert "templates/remove" not in client("viewer").get("/people/barack").text
    assert post(client("viewer"), "/people/barack/templates/remove", {"template": first}).status_code == 403
    gone = post(admin, "/people/barack/templates/remove", {"template": "0123456789ab"})
    assert (gone.status_code, "no such template" in text_of(gone)) == (409, True)
    done = post(admin, "/people/barack/templates/remove", {"template": first})
    assert done.headers["location"] == "/people/barack?done=removed"
    assert ("removed", {"person": "barack", "template": first}) in stage.notes
    last = post(admin, "/people/barack/templates/remove", {"template": second})
    assert "the last template cannot be removed" in text_of(last)


def test_a_person_who_is_two_is_named_on_the_page(admin: TestClient, stage: Stage) -> None:
    marked = strings.PERSON_DIVIDED.partition("(")[0]
    assert marked not in text_of(admin.get("/people/barack"))
    eye = np.eye(192, dtype=np.float32)
    with stage.context.gallery() as gallery:
        gallery.enroll("both", None, [Template(eye[n], gallery.model, "photo", 1.0) for n in range(2)], 1.0)
    assert marked in text_of(admin.get("/people/both"))


def test_a_rename_and_the_days_of_consent_are_kept_and_said(admin: TestClient, stage: Stage) -> None:
    answer = post(admin, "/people/barack/rename", {"name": "B. Obama"})
    assert answer.headers["location"] == "/people/barack?done=renamed"
    assert strings.DONE["renamed"] in admin.get(answer.headers["location"]).text
    assert ("renamed", {"person": "barack"}) in stage.notes
    post(admin, "/people/barack/consent", {"given": "2026-01-01", "expires": "2030-01-01"})
    assert "2030-01-01" in admin.get("/people").text
    post(admin, "/people/barack/consent", {"expires": "2031-01-01", "never": "1"})
    assert "2030-01-01" not in admin.get("/people").text
    wrong = post(admin, "/people/barack/consent", {"given": "2026-02-31"})
    assert wrong.status_code == 409
    assert "not a day" in text_of(wrong)


def test_forgetting_wants_the_id_typed_and_gives_the_proof(admin: TestClient, stage: Stage) -> None:
    warning = text_of(admin.get("/people/barack/forget"))
    assert "1 template " in warning
    assert "0 unknowns that look like this person" in warning
    assert strings.FORGET_TEXT in warning
    refused = post(admin, "/people/barack/forget", {"confirm": "Barack"})
    assert refused.status_code == 409
    assert admin.get("/people/barack").status_code == 200
    proof = post(admin, "/people/barack/forget", {"confirm": "barack"})
    assert re.search(r"No trace was found\. Searched: \d+ files of the data folder", text_of(proof))
    assert admin.get("/people/barack").status_code == 404
    assert "barack" not in text_of(admin.get("/events?kind=match"))
    assert strings.EVENTS_REDACTED in admin.get("/events").text
    assert stage.context.journal.verify().fault is None


def test_several_people_are_forgotten_together(admin: TestClient, stage: Stage) -> None:
    listed = admin.get("/people").text
    assert [box["value"] for box in Markup(listed).all("input") if box.get("type") == "checkbox"] == [
        "barack",
        "eileen",
    ]
    warning = text_of(admin.get("/forget?id=barack&id=eileen&id=barack"))
    assert "Forget 2 people" in warning
    assert strings.FORGET_TEXT in warning
    assert admin.get("/forget").status_code == 303
    assert admin.get("/forget?id=barack&id=nobody").status_code == 404
    assert admin.get("/forget?id=../x").status_code == 404
    refused = post(admin, "/forget", {"ids": "barack eileen", "confirm": "3"})
    assert refused.status_code == 409
    assert files(stage) == ["barack", "eileen"]
    proof = post(admin, "/forget", {"ids": "barack eileen", "confirm": "2"})
    assert re.search(r"No trace was found\. Searched: \d+ files of the data folder", text_of(proof))
    assert files(stage) == []


def test_unknowns_come_in_parts(admin: TestClient, stage: Stage) -> None:
    with opened(stage.context) as gallery:
        face = gallery.unknowns()[0].mean
        gallery.store_unknowns(Unknown(f"u-{n:04}", face, (), 2, 1, n, n, "porch") for n in range(60))
    first, second = admin.get("/unknowns").text, admin.get("/unknowns?first=50").text
    assert [text.count("data-unknown=") for text in (first, second)] == [50, 11]
    assert 'href="/unknowns?first=50"' in first
    assert 'href="/unknowns?first=0"' in second
    assert admin.get("/unknowns?first=999999").text.count("data-unknown=") == 0


def test_with_many_people_the_other_one_is_typed(admin: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Markup(admin.get("/people/barack").text).all("select") != []
    monkeypatch.setattr("edgeface.web.pages.people.CHOICE", 0)
    page = Markup(admin.get("/people/barack").text)
    assert page.all("select") == []
    assert [box["id"] for box in page.all("input") if box.get("name") == "into"] == ["into"]


def test_the_page_of_a_person_does_not_examine_everyone(admin: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gallery, "divided", None)
    assert admin.get("/people/barack").status_code == 200


def test_two_who_are_not_alike_are_not_merged_and_the_same_person_is(admin: TestClient, stage: Stage) -> None:
    refused = post(admin, "/people/barack/merge", {"into": "eileen", "confirm": "barack"})
    assert refused.status_code == 409
    assert "The face differs from the enrolled one: cosine " in text_of(refused)
    assert post(admin, "/people/barack/merge", {"into": "barack", "confirm": "barack"}).status_code == 409
    assert post(admin, "/people/barack/merge", {"into": "eileen", "confirm": ""}).status_code == 409
    with opened(stage.context) as gallery:
        gallery.enroll("barry", "Barry", gallery.templates("barack"), 1.0)
    assert "barack and barry look too alike" in text_of(admin.get("/people"))
    done = post(admin, "/people/barry/merge", {"into": "barack", "confirm": "barry"})
    assert done.headers["location"] == "/people/barack?done=merged"
    assert files(stage) == ["barack", "eileen"]


def test_an_unknown_is_shown_enrolled_or_put_on_the_ignore_list(admin: TestClient, stage: Stage) -> None:
    card = admin.get("/unknowns")
    assert f"/faces/{UNKNOWN}/0" in card.text
    assert "2 visits" in text_of(card)
    taken = post(admin, f"/unknowns/{UNKNOWN}/enroll", {"id": "u-1234", "name": "Joe"})
    assert taken.status_code == 409
    done = post(admin, f"/unknowns/{UNKNOWN}/enroll", {"id": "joe", "name": "Joe"})
    assert done.headers["location"] == "/people/joe?done=enrolled"
    # Its picture now belongs to the person.
    assert admin.get("/faces/joe/0").status_code == 200
    assert unknown_strings.UNKNOWNS_NONE in admin.get("/unknowns").text
    assert admin.get(f"/unknowns/{UNKNOWN}/enroll").status_code == 404
    assert ("enrolled", {"person": "joe", "unknown": UNKNOWN}) in stage.notes


def test_an_ignored_unknown_is_on_the_list_as_such(admin: TestClient) -> None:
    assert post(admin, f"/unknowns/{UNKNOWN}/ignore", {}).headers["location"] == "/unknowns?done=ignored"
    assert strings.PERSON_IGNORED in admin.get("/people/ignored-7f3a").text


def test_an_unknown_is_deleted_once_its_id_is_typed(admin: TestClient) -> None:
    assert post(admin, f"/unknowns/{UNKNOWN}/delete", {"confirm": ""}).status_code == 409
    assert "No trace was found" in text_of(post(admin, f"/unknowns/{UNKNOWN}/delete", {"confirm": UNKNOWN}))
    assert unknown_strings.UNKNOWNS_NONE in admin.get("/unknowns").text


def kinds(answer: httpx.Response) -> list[str]:
    return re.findall(r'<span class="badge[^"]*">([^<]+)</span>', answer.text)


def test_events_are_filtered_by_kind_person_camera_and_day(admin: TestClient) -> None:
    assert {"Match", "Granted", "Refused"} <= set(kinds(admin.get("/events")))
    assert set(kinds(admin.get("/events?kind=refused"))) == {"Refused"}
    assert "Refused" not in kinds(admin.get("/events?who=barack"))
    assert "Granted" in kinds(admin.get("/events?who=barack"))
    assert "Granted" not in kinds(admin.get(f"/events?camera={CAMERA}"))
    assert "Match" in kinds(admin.get(f"/events?camera={CAMERA}"))
    assert "Granted" in kinds(admin.get("/events?day=1970-01-01"))
    assert strings.EVENTS_NONE in admin.get("/events?day=1999-01-01").text
    # Invalid parts are left out.
    assert len(kinds(admin.get("/events?kind=x&day=2026-13-45&who=../x&before=-1"))) == len(kinds(admin.get("/events")))


def test_a_long_journal_comes_in_parts_and_new_rows_as_a_piece_of_the_table(
    admin: TestClient, context: WebContext
) -> None:
    for number in range(120):
        context.journal.record("keys", 2_000.0 + number, {"kid": f"k{number}"})
    seen: list[str] = []
    path = "/events?kind=keys"
    while path:
        text = admin.get(path).text
        seen += re.findall(r"kid k(\d+)", text)
        older = re.search(r'href="(/events\?[^"]*)" rel="next"', text)
        path = older[1].replace("&amp;", "&") if older else ""
    assert seen == [str(number) for number in reversed(range(120))]
    head = context.journal.head()[0]
    assert kinds(admin.get(f"/events/rows?after={head}")) == []
    context.journal.record("opened", 3e9, {"door": "front", "person": "barack"})
    assert kinds(admin.get(f"/events/rows?after={head}")) == ["Opened"]
    assert kinds(admin.get(f"/events/rows?after={head}&kind=match")) == []


def test_the_journal_is_exported_and_verified(admin: TestClient, context: WebContext) -> None:
    answer = admin.get("/events/export?kind=granted")
    assert "attachment" in answer.headers["content-disposition"]
    (line,) = answer.text.splitlines()
    assert json.loads(line)["payload"]["person"] == "barack"
    assert len(admin.get("/events/export").text.splitlines()) == counts(context.journal)[0]
    head = context.journal.head()[1]
    assert head[:16] in post(admin, "/events/verify", {"head": head[:20]}).text
    assert "cut off" in text_of(post(admin, "/events/verify", {"head": "f" * 16}))
    assert strings.EVENTS_BAD_HEAD in post(admin, "/events/verify", {"head": "xyz"}).text


def test_a_row_that_was_altered_says_so(admin: TestClient, context: WebContext) -> None:
    import sqlite3

    with closing(sqlite3.connect(context.configuration().data / "journal.db")) as db, db:
        db.execute("UPDATE rows SET payload = x'00' WHERE kind = 'granted'")
    assert strings.EVENTS_ALTERED in admin.get("/events").text
    assert "is not intact" in text_of(post(admin, "/events/verify", {}))


def test_what_is_wrong_comes_first_with_what_to_do(client: Make, context: WebContext) -> None:
    path = context.source
    assert path is not None
    path.write_text(f"{path.read_text()}mqtt: {{}}\n")
    context.reload()
    text = text_of(client("viewer").get("/health"))
    assert "door front: no signing key" in text
    assert "edgeface keys new" in text
    camera = {**STATE["cameras"][CAMERA], "status": "offline", "problem": "delivers no image"}
    refused = "the broker 127.0.0.1:1883 cannot be reached: Connection refused"
    mqtt = {"problem": refused, "lost": 3}
    context.hub.state = {**STATE, "cameras": {CAMERA: camera}, "mqtt": mqtt, "clock": "unsynced", "throttled": True}
    found = faults.faults(context)
    assert found[0].text == f"Camera {CAMERA}: delivers no image"
    assert {f"Broker: {refused}", remedies.CLOCK} <= {one.text for one in found}
    assert [one.remedy for one in found if one.text == f"Broker: {refused}"] == [START]
    assert [one.tone for one in found] == sorted(one.tone for one in found)
    assert all(one.remedy for one in found)


@pytest.mark.parametrize(
    ("problem", "remedy"),
    [
        ("gives 0.4 pictures per second; at least 0.8 are needed to recognise people", "Raise fps"),
        (REPEATED_PICTURES, "Is this a recording?"),
        (DOUBTFUL, "Is this a recording?"),
        (REPEATED_TIMES, "Is this a recording?"),
        ("something new", "edgeface doctor"),
    ],
)
def test_a_problem_has_the_remedy_of_its_own(problem: str, remedy: str) -> None:
    assert remedy in faults.remedy(problem)


def test_health_says_nothing_is_wrong_only_when_nothing_is(client: Make, context: WebContext) -> None:
    context.hub.state = {**STATE, "problems": []}
    text = text_of(client("viewer").get("/health"))
    assert strings.HEALTH_WELL in text
    assert "51.5 °C" in text
    assert "2 too small" in text
    context.hub.state = {}
    assert strings.HEALTH_NO_STATE in text_of(client("viewer").get("/health"))


def test_a_door_that_stays_shut_comes_first(client: Make, stage: Stage) -> None:
    path = stage.folder / "config.yaml"
    doors = "".join(
        f"  {name}: {{camera: {CAMERA}, allow: [{{person: barack}}]}}\n" for name in ("back", "front", "side")
    )
    path.write_text(f"{path.read_text()}mqtt: {{}}\ndoors:\n{doors}")
    stage.context.reload()
    facts = {"nonce_age": 0.4, "granted": 1, "refused": {"schedule": 2}, "opened": 1, "rejected": 0, "problem": None}
    doors_now = {"back": facts, "front": {**facts, "problem": "no signing key"}, "side": {**facts, "nonce_age": None}}
    stage.context.hub.state = {**STATE, "doors": doors_now}
    text = text_of(client("viewer").get("/doors"))
    assert text.index("front stays shut") < text.index("side waiting for its controller") < text.index("back ready")
    assert "0.4 s ago" in text
    assert re.search("2 . not at this time", text)
    assert loader.load(path).doors.keys() == {"back", "front", "side"}


def test_a_door_shows_its_contact_its_alarms_and_reports_that_do_not_count(client: Make, stage: Stage) -> None:
    path = stage.folder / "config.yaml"
    path.write_text(
        f"{path.read_text()}mqtt: {{}}\ndoors:\n  front: {{camera: {CAMERA}, allow: [{{person: barack}}]}}\n"
    )
    stage.context.reload()
    facts = {"contact": "forced", "alarms": {"door_forced": 2, "doorbell": 1}, "unproven": {"unsigned": 3}}
    stage.context.hub.state = {**STATE, "doors": {"front": {"nonce_age": 0.4, "problem": None, **facts}}}
    stage.context.journal.record("door_forced", 1.0, {"door": "front", "number": 2, "door_boot": "b", "proven": True})
    text = text_of(client("viewer").get("/doors"))
    assert re.search(
        r"Contact forced open Reported 2 . Forced open, 1 . Doorbell Reports not counted 3 . unsigned", text
    )
    assert "number 2, signed by the door" in text
    for word in ("open", "shut", "held", "unknown"):
        stage.context.hub.state = {**STATE, "doors": {"front": {"nonce_age": 0.4, "problem": None, "contact": word}}}
        assert f"Contact {door_strings.DOOR_CONTACTS[word]}" in text_of(client("viewer").get("/doors"))


def test_the_pages_show_the_level_in_force_at_each_camera_and_door(
    client: Make, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship(SHORT, monkeypatch)
    path = stage.folder / "config.yaml"
    path.write_text(
        f"{path.read_text()}mqtt: {{}}\ndoors:\n  front: {{camera: {CAMERA}, allow: [{{person: barack}}]}}\n"
    )
    stage.context.reload()
    text = text_of(client("viewer").get("/people"))
    assert "Events normal 0.460 2 of at most 28" in text
    assert "Door front high 0.500 1 of at most 2" in text
    limit = {"level": "high", "level_basis": "estimated", "threshold": 0.5, "people": 1, "most": 2}
    stage.context.hub.state = {**STATE, "doors": {"front": {"nonce_age": 0.4, "limit": limit, "problem": None}}}
    text = text_of(client("viewer").get("/doors"))
    assert "Level high estimated People who may pass 1 of at most 2 Cosine to reach 0.500" in text


def test_a_level_that_is_not_guaranteed_comes_first_on_the_page_of_the_people(
    client: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship(replace(SHORT, rows=SHORT.rows[:3]), monkeypatch)
    text = html.unescape(text_of(client("viewer").get("/people")))
    line = "Events: level low, cosine 0.420 or more, 2 people; level 'normal' cannot be guaranteed for 2 people"
    assert text.index(line) < text.index("Barack")


def test_a_row_is_put_into_words(context: WebContext) -> None:
    context.journal.record("refused", 1.0, {"door": "front", "person": "eileen", "reason": "no_nonce"})
    line = rows.line_of(context.journal.rows(last=1)[0])
    assert line[3:] == ("bad", "eileen", "", "", "", "front", strings.REFUSALS["no_nonce"], "")


@pytest.mark.parametrize(("name", "letters"), [("Anna Maria Böhm", "AB"), ("joe", "J"), ("", ""), ("ß x", "SSX")])
def test_initials(name: str, letters: str) -> None:
    assert initials(name) == letters


def test_the_guide_leads_one_person_at_a_time(admin: TestClient, context: WebContext) -> None:
    fields = {"id": "newcomer", "name": "New", "camera": CAMERA}
    assert post(admin, "/enroll/camera", {**fields, "camera": "cellar"}).status_code == 409
    assert post(admin, "/enroll/camera", {**fields, "id": "No Id"}).status_code == 409
    assert post(admin, "/enroll/camera", fields).headers["location"] == "/enroll/camera"
    assert strings.GUIDE_BUSY in text_of(post(admin, "/enroll/camera", {**fields, "id": "other"}))
    # Two people are in front of the camera in these tests.
    until(lambda: "2 faces in view" in admin.get("/enroll/camera/progress").json()["advice"], 20)
    assert "2 faces in view" in text_of(admin.get("/enroll/camera"))
    assert post(admin, "/enroll/camera/finish", {}).status_code == 409
    assert post(admin, "/enroll/camera/cancel", {}).headers["location"] == "/enroll?done=cancelled"
    assert admin.get("/enroll/camera/progress").json()["state"] == "cancelled"
    with opened(context) as gallery:
        assert "newcomer" not in [person.id for person in gallery.people()]


@pytest.mark.parametrize(
    ("line", "key"),
    [*((text.format(count=2), key) for key, text in TEXTS.items()), ("3 of 5 taken; hold still", "taken")],
)
def test_an_instruction_is_in_the_language_of_the_page(line: str, key: str) -> None:
    own = catalogue("fr")["camera_strings"]["GUIDE_ADVICE"]
    before = language.set("fr")
    try:
        shown = in_words(line)
    finally:
        language.reset(before)
    assert shown.startswith(own[key].format(count=3 if ";" in line and key == "taken" else 2))
    assert shown.endswith(own["blurred"]) == ("hold still" in line)
    assert in_words(line) == line


def test_the_guide_says_which_pose_is_next_in_words() -> None:
    begun = Progress("joe", None, CAMERA, None, None, taken=2, missing=("turned right",), pose="turned right")
    assert begun.count == "2 of 5 pictures. Next: turn your head a little to your right."
    assert begun.poses == {"straight ahead": "taken", "turned left": "taken", "turned right": "next"}
    done = replace(begun, taken=5, missing=(), pose=None)
    assert (done.count, set(done.poses.values())) == ("5 of 5 pictures", {"taken"})
    again = replace(begun, taken=3, missing=(), pose="straight ahead")
    assert again.poses["straight ahead"] == "next"
    assert Progress("joe", None, CAMERA, None, None).advice == strings.GUIDE_STARTING


def test_what_the_guide_has_taken_is_enrolled_once_somebody_says_so(admin: TestClient, stage: Stage) -> None:
    with opened(stage.context) as gallery, stage.context.analyzer() as analyzer:
        known = stage.context.people.known_faces(gallery)
        found = find_face(analyzer, photos.load(FOLDER / "biden.jpg"))
        guide = Guide(analyzer, known, "joe", [("straight ahead", analyzer.embed(found.image, found.detection))] * 5)
    guide.pictures.append(thumbnail(found.image, found.detection.box))
    admin.get("/enroll/camera/progress")
    guidance: Guidance = stage.app.state.guidance
    guidance._progress, guidance._guide = Progress("joe", "Joe", CAMERA, "2026-11-01", None, "ready", taken=5), guide
    guidance._ended = stage.context.clock.monotonic()
    assert f">{strings.ENROLL}</button>" in admin.get("/enroll/camera").text
    assert post(admin, "/enroll/camera/finish", {}).headers["location"] == "/people/joe?done=enrolled"
    assert "2026-11-01" in admin.get("/people/joe").text
    assert admin.get("/faces/joe/0").status_code == 200
    assert admin.get("/enroll/camera/progress").json() == {"state": None}


def test_what_the_guide_has_taken_is_let_go_after_a_while(context: WebContext) -> None:
    from tests.support.clock import FixedClock

    clock = FixedClock(0.0)
    object.__setattr__(context, "clock", clock)
    guidance = Guidance(context)
    guidance._progress = Progress("joe", None, CAMERA, None, None, "ready")
    assert guidance.progress is not None
    clock.now = READY_SECONDS + 1
    assert guidance.progress is None
