"""Second factors by REST and on the page of a person: what they do, what they refuse, and what they never show."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("starlette")

from edgeface.core.event_kinds import of
from edgeface.daemon.web_page import _pass_on
from edgeface.journal.rows import JournalRow
from edgeface.security.attempts import AttemptKey
from edgeface.web.texts import factor_strings
from tests.support.web import CAMERA, STATE, client, stage  # noqa: F401 - fixtures
from tests.web.test_pages import Markup, post, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.testclient import TestClient

    from tests.support.web import Stage

    Make = Callable[..., TestClient]

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

ONE = "/api/v1/people/barack/factors"
PAGE = "/people/barack/factors"
UID = "04:A2:B3:C4"


@pytest.fixture
def admin(client: Make) -> TestClient:
    return client("admin", token=True)


def test_an_admin_sets_draws_adds_and_removes(admin: TestClient, stage: Stage) -> None:
    assert admin.put(f"{ONE}/pin", json={"pin": "4711", "number": "1042"}).json() == {"number": "1042"}
    assert admin.put(f"{ONE}/duress", json={"pin": "8315"}).status_code == 200
    code = admin.post(f"{ONE}/code", json={}).json()["code"]
    added = admin.post(f"{ONE}/cards", json={"uid": UID})
    assert re.fullmatch("[0-9]{8}", code)
    assert [(one["kind"], one["label"], one["duress"]) for one in added.json()["factors"]] == [
        ("pin", "1042", True),
        ("code", "8", False),
        ("card", "b3c4", False),
    ]
    listed = admin.get(ONE)
    assert listed.json() == added.json()
    assert not [secret for secret in ("4711", "8315", code, "04a2b3c4") if secret in listed.text + str(stage.notes)]
    card = listed.json()["factors"][2]["id"]
    assert len(admin.delete(f"{ONE}/{card}").json()["factors"]) == 2
    assert [(kind, facts["factor"]) for kind, facts in stage.notes] == [
        ("factors", one) for one in ("pin", "duress", "code", "card", "card")
    ]


def test_wrong_pins_are_shown_and_forgotten(admin: TestClient, stage: Stage) -> None:
    with stage.context.gallery() as gallery:
        gallery.put_attempts({AttemptKey("front", "barack"): {"wrong": 5}})
    assert admin.get(ONE).json()["wrong"] == [{"door": "front", "wrong": 5}]
    assert admin.post(f"{ONE}/unlock").json()["wrong"] == []


REFUSED = {
    "a weak pin": ("put", "pin", {"pin": "1234"}, 409, "guessed first"),
    "a short pin": ("put", "pin", {"pin": "471"}, 422, ""),
    "a pin of other digits": ("put", "pin", {"pin": "\u0664\u0667\u0661\u0661"}, 422, ""),
    "a pin that is a number": ("put", "pin", {"pin": 4711}, 422, ""),
    "a long number": ("put", "pin", {"pin": "4711", "number": "12345678901"}, 422, ""),
    "a number that is taken": ("put", "pin", {"pin": "4711", "number": "7"}, 409, "the number 7 is taken"),
    "duress without a pin": ("put", "duress", {"pin": "8315"}, 409, "no PIN yet"),
    "a short code": ("post", "code", {"digits": 5}, 422, ""),
    "no uid": ("post", "cards", {"uid": "x"}, 409, "4 to 10 bytes"),
    "a factor that is not there": ("delete", "0123456789ab", None, 404, "no such factor"),
}


@pytest.mark.parametrize(("method", "path", "body", "status", "line"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_one_line_and_changes_nothing(
    admin: TestClient, stage: Stage, method: str, path: str, body: dict[str, object] | None, status: int, line: str
) -> None:
    assert admin.put("/api/v1/people/eileen/factors/pin", json={"pin": "4711", "number": "7"}).status_code == 200
    stage.notes.clear()
    answer = admin.request(method, f"{ONE}/{path}", json=body)
    assert answer.status_code == status
    assert line in answer.json().get("detail", "")
    assert "4711" not in answer.text.replace("number", "")
    assert (stage.notes, admin.get(ONE).json()["factors"]) == ([], [])


def test_someone_who_is_not_enrolled_is_not_found(admin: TestClient) -> None:
    for method, path, body in (("get", "", None), ("put", "/pin", {"pin": "4711"}), ("post", "/unlock", None)):
        assert admin.request(method, f"/api/v1/people/carol/factors{path}", json=body).status_code == 404


def test_a_viewer_sees_and_changes_none(client: Make, stage: Stage) -> None:
    viewer, page = client("viewer", token=True), client("viewer")
    assert viewer.get(ONE).status_code == 403
    assert viewer.put(f"{ONE}/pin", json={"pin": "4711"}).status_code == 403
    for name in ("pin", "duress", "code", "card", "remove", "unlock"):
        assert post(page, f"{PAGE}/{name}", {"pin": "4711"}).status_code == 403
    assert factor_strings.FACTORS not in page.get("/people/barack").text
    assert stage.notes == []


def test_the_page_sets_draws_adds_unlocks_and_removes(client: Make, stage: Stage) -> None:
    page = client("admin")
    done = [
        post(page, f"{PAGE}/{name}", fields).headers["location"].partition("=")[2]
        for name, fields in (
            ("pin", {"pin": "4711", "number": "1042"}),
            ("duress", {"pin": "8315"}),
            ("card", {"uid": UID}),
            ("unlock", {}),
        )
    ]
    assert done == ["pin", "duress", "card", "unlocked"]
    assert set(done) <= factor_strings.DONE_FACTORS.keys()
    drawn = post(page, f"{PAGE}/code", {})
    (code,) = re.findall("The new code is ([0-9]{8})", text_of(drawn))
    shown = page.get("/people/barack")
    assert Markup(shown.text).wrong == []
    text = text_of(shown)
    for line in ("PIN, person number 1042, with a duress PIN", "Code of 8 digits", "Card, UID …b3c4"):
        assert line in text
    assert not [secret for secret in ("4711", "8315", code, "04a2") if secret in shown.text]
    factor = next(one["value"] for one in Markup(shown.text).all("input") if one.get("name") == "factor")
    assert post(page, f"{PAGE}/remove", {"factor": factor}).headers["location"] == "/people/barack?done=unfactored"
    assert len(stage.notes) == 6


def test_what_is_refused_is_shown_on_the_page(client: Make, stage: Stage) -> None:
    page = client("admin")
    answer = post(page, f"{PAGE}/pin", {"pin": "0000"})
    assert (answer.status_code, "guessed first" in text_of(answer), bool(re.search(r"\b0000\b", answer.text))) == (
        409,
        True,
        False,
    )
    assert post(page, f"{PAGE}/code".replace("barack", "carol"), {}).status_code in {404, 409}
    assert stage.notes == []


def test_the_page_of_the_doors_shows_what_a_door_requires_and_what_was_refused(client: Make, stage: Stage) -> None:
    path = stage.folder / "config.yaml"
    allow = "[{person: barack}, {person: eileen, factor: [pass, card]}]"
    path.write_text(
        f"{path.read_text()}mqtt: {{}}\ndoors:\n  back: {{camera: {CAMERA}, allow: [{{person: barack}}]}}\n"
        f"  front: {{camera: {CAMERA}, factor: pin, allow: {allow}}}\n"
    )
    stage.context.reload()
    facts = {"nonce_age": 0.4, "granted": 1, "refused": {"factor": 2}, "opened": 1, "rejected": 0, "problem": None}
    front = {**facts, "factors": {"right": 3, "refused": {"wrong": 4, "sealed": 1}}}
    stage.context.hub.state = {**STATE, "doors": {"back": facts, "front": front}}
    back, front_text = text_of(client("viewer").get("/doors")).split("front ready")
    assert factor_strings.DOOR_FACTOR not in back.replace("no second factor", "")
    for line in ("card, pass, PIN", "4 . wrong PIN", "1 . cannot be opened", "2 . no second factor was shown"):
        assert re.search(line, front_text)


def test_duress_is_in_the_journal_and_not_where_someone_at_the_door_may_look(client: Make, stage: Stage) -> None:
    wall = stage.context.clock.wall()
    for number, (kind, door) in enumerate((("duress", "front"), ("factor", "front"))):
        facts = json.dumps({"door": door, "person": "barack", "reason": "wrong"})
        row = JournalRow(f"01JDPZ6M8W3V5Q7R9T1X2Y4Z{number:02}", kind, wall, facts)
        stage.context.journal.append(row)
        _pass_on(stage.context, row)
    page = client("admin")
    label, other = of("duress").label, of("factor").label
    assert label in text_of(page.get("/events"))
    for path in ("/live", "/doors"):
        text = text_of(page.get(path))
        assert label not in text
    assert other in text_of(page.get("/live"))
    assert [one["kind"] for one in stage.context.hub.recent()] == ["factor"]
