"""The question before templates are added that may be of another person."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("starlette")

from edgeface.people.enrollment import EnrollOptions, Plan
from edgeface.people.guided import Guide
from edgeface.web.pages.doubt import WAIT_SECONDS, WaitingPlans
from edgeface.web.pages.guided import Guidance, Progress
from edgeface.web.texts import level_strings, strings
from tests.support.clock import FixedClock
from tests.support.doors import SHORT, guarded, ship
from tests.support.photos import FOLDER
from tests.support.web import CAMERA, UNKNOWN, Stage, client, context, stage  # noqa: F401 - fixtures
from tests.web.test_pages import Markup, admin, post, text_of  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from starlette.testclient import TestClient

    Make = Callable[..., TestClient]

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811


def asked(answer: httpx.Response, who: str, *, new: str) -> dict[str, str]:
    """The fields of the question's form, with its address as `action`; both faces are shown."""
    assert answer.status_code == 409
    page = Markup(answer.text)
    assert (page.wrong, page.open) == ([], [])
    assert strings.DOUBT in answer.text
    pictures = [one["src"] for one in page.all("img")]
    assert any(one.startswith(f"/faces/{who}/") for one in pictures)
    assert any(one.startswith(new) for one in pictures)
    (form,) = [one for one in page.all("form") if one["action"] != "/logout"]
    hidden = {one["name"]: one["value"] for one in page.all("input") if one["type"] == "hidden"}
    return {**hidden, "action": form["action"]}


def insist(client: TestClient, fields: dict[str, str]) -> httpx.Response:
    return post(client, fields["action"], {name: value for name, value in fields.items() if name != "action"})


@pytest.mark.parametrize("path", ["/people/barack/photos", "/enroll"])
def test_photos_of_another_face_wait_for_an_answer(admin: TestClient, stage: Stage, path: str) -> None:
    post(admin, "/people/barack/photos", {}, ("obama2",))
    stage.notes.clear()
    answer = post(admin, path, {"id": "barack"}, ("biden",))
    assert "The face differs from the enrolled one: cosine " in text_of(answer)
    fields = asked(answer, "barack", new="data:image/jpeg;base64,")
    assert stage.notes == []
    assert insist(admin, fields).headers["location"] == "/people/barack?done=enrolled"
    assert stage.notes == [("enrolled", {"person": "barack", "anyway": True})]
    again = insist(admin, fields)
    assert again.status_code == 409
    assert strings.DOUBT_GONE in text_of(again)


def test_photos_that_wait_are_refused_if_the_face_was_enrolled_in_the_meantime(admin: TestClient, stage: Stage) -> None:
    post(admin, "/people/barack/photos", {}, ("obama2",))
    fields = asked(post(admin, "/people/barack/photos", {}, ("biden",)), "barack", new="data:")
    post(admin, "/enroll", {"id": "joe"}, ("biden",))
    stage.notes.clear()
    answer = insist(admin, fields)
    assert answer.status_code == 409
    assert "already enrolled as joe" in text_of(answer)
    assert stage.notes == []


def test_a_viewer_cannot_insist(admin: TestClient, stage: Stage, client: Make) -> None:
    post(admin, "/people/barack/photos", {}, ("obama2",))
    fields = asked(post(admin, "/people/barack/photos", {}, ("biden",)), "barack", new="data:")
    stage.notes.clear()
    assert insist(client("viewer"), fields).status_code == 403
    assert stage.notes == []


def test_a_photo_of_someone_enrolled_is_refused_before_any_question(admin: TestClient, stage: Stage) -> None:
    answer = post(admin, "/enroll", {"id": "joe"}, ("biden", "obama2"))
    assert "already enrolled as barack" in text_of(answer)
    assert stage.notes == []


def test_an_unknown_asks_before_it_becomes_someone_with_another_face(admin: TestClient, stage: Stage) -> None:
    post(admin, "/people/barack/photos", {}, ("obama2",))
    stage.notes.clear()
    answer = post(admin, f"/unknowns/{UNKNOWN}/enroll", {"id": "barack", "given": "2026-11-01"})
    fields = asked(answer, "barack", new=f"/faces/{UNKNOWN}/0")
    assert (fields["given"], fields["anyway"]) == ("2026-11-01", "1")
    assert insist(admin, fields).headers["location"] == "/people/barack?done=enrolled"
    assert ("enrolled", {"person": "barack", "anyway": True, "unknown": UNKNOWN}) in stage.notes


def test_a_merge_of_two_faces_asks_first(admin: TestClient, stage: Stage) -> None:
    post(admin, "/people/eileen/photos", {}, ("astronaut",))
    stage.notes.clear()
    answer = post(admin, "/people/barack/merge", {"into": "eileen", "confirm": "barack"})
    assert "The face differs from the enrolled one: cosine " in text_of(answer)
    fields = {one["name"]: one["value"] for one in Markup(answer.text).all("input") if one["type"] == "hidden"}
    assert insist(admin, {**fields, "action": "/people/barack/merge"}).headers["location"].endswith("?done=merged")
    assert ("enrolled", {"person": "eileen", "anyway": True}) in stage.notes


def test_shots_of_a_camera_stay_until_the_question_is_answered(admin: TestClient, stage: Stage) -> None:
    from edgeface.faces.photo_face import find_face
    from edgeface.gallery.thumbnails import thumbnail
    from edgeface.imaging import photos

    post(admin, "/people/barack/photos", {}, ("obama2",))
    with stage.context.gallery() as gallery, stage.context.analyzer() as analyzer:
        found = find_face(analyzer, photos.load(FOLDER / "biden.jpg"))
        shot = analyzer.embed(found.image, found.detection)
        guide = Guide(analyzer, stage.context.people.known_faces(gallery), "barack", [("straight ahead", shot)] * 5)
    guide.pictures.append(thumbnail(found.image, found.detection.box))
    guidance: Guidance = stage.app.state.guidance
    guidance._progress, guidance._guide = Progress("barack", None, CAMERA, None, None, "ready", taken=5), guide
    guidance._ended = stage.context.clock.monotonic()
    stage.notes.clear()
    fields = asked(post(admin, "/enroll/camera/finish", {}), "barack", new="data:")
    assert stage.notes == []
    assert insist(admin, fields).headers["location"] == "/people/barack?done=enrolled"
    assert stage.notes == [("enrolled", {"person": "barack", "anyway": True})]


def test_two_people_with_one_face_are_look_alikes(admin: TestClient, stage: Stage) -> None:
    answer = post(admin, "/enroll", {"id": "twin"}, ("obama2",))
    assert "already enrolled as barack" in text_of(answer)
    assert strings.ENROLL_ALIKE in text_of(answer)
    assert post(admin, "/enroll", {"id": "twin", "different_people": "1"}, ("obama2",)).status_code == 200
    assert ("enrolled", {"person": "twin", "different_people": True}) in stage.notes
    assert "look-alike of barack" in text_of(admin.get("/people/twin"))
    assert "look too alike" not in text_of(admin.get("/people"))


def test_only_the_newest_few_wait_and_none_for_long() -> None:
    clock = FixedClock(0.0)
    waiting, plan = WaitingPlans(clock), Plan(None, ())  # type: ignore[arg-type]  # it is only kept
    tokens = [waiting.put(plan, EnrollOptions()) for _ in range(5)]
    assert waiting.take(tokens[0]) is None
    found = waiting.take(tokens[1])
    assert found is not None
    assert found.plan is plan
    assert waiting.take(tokens[1]) is None
    clock.now = WAIT_SECONDS + 1
    assert [waiting.take(token) for token in tokens] == [None] * 5
    old = waiting.put(plan, EnrollOptions())
    clock.now += WAIT_SECONDS + 1
    new = waiting.put(plan, EnrollOptions())
    assert (old in waiting._plans, new in waiting._plans) == (False, True)


ENDS = "With this person, door front can no longer guarantee 'high': 3 of 2 people (ways out: a smaller allow-list,"


def limited(answer: httpx.Response) -> dict[str, str]:
    """The fields of the question's form, with its address as `action`; no faces are compared."""
    assert answer.status_code == 409
    page = Markup(answer.text)
    assert (page.wrong, page.open) == ([], [])
    assert [one["src"] for one in page.all("img")] == ["/static/icon.svg"]
    assert level_strings.LIMIT in answer.text
    assert ENDS in html.unescape(text_of(answer))
    (form,) = [one for one in page.all("form") if one["action"] != "/logout"]
    hidden = {one["name"]: one["value"] for one in page.all("input") if one["type"] == "hidden"}
    return {**hidden, "action": form["action"]}


def test_photos_that_end_the_level_of_a_door_wait_for_an_answer(
    admin: TestClient, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded(stage, monkeypatch)
    fields = limited(post(admin, "/enroll", {"id": "joe"}, ("biden",)))
    assert stage.notes == []
    assert insist(admin, fields).headers["location"] == "/people/joe?done=enrolled"
    assert stage.notes == [("enrolled", {"person": "joe", "accept_limits": True})]


def test_an_unknown_that_ends_the_level_of_a_door_asks_first(
    admin: TestClient, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded(stage, monkeypatch)
    fields = limited(post(admin, f"/unknowns/{UNKNOWN}/enroll", {"id": "joe", "given": "2026-11-01"}))
    assert (fields["given"], fields["accept_limits"], stage.notes) == ("2026-11-01", "1", [])
    assert insist(admin, fields).headers["location"] == "/people/joe?done=enrolled"
    assert ("enrolled", {"person": "joe", "accept_limits": True, "unknown": UNKNOWN}) in stage.notes


@pytest.mark.parametrize(("rows", "status"), [(4, 200), (3, 409)])
def test_what_enrollment_lowers_or_ends_at_a_camera_is_told_with_its_display_name(
    admin: TestClient, stage: Stage, monkeypatch: pytest.MonkeyPatch, rows: int, status: int
) -> None:
    # Normal, or low, for two people at most.
    ship(replace(SHORT, rows=SHORT.rows[:rows]), monkeypatch)
    path = stage.folder / "config.yaml"
    text = path.read_text().replace("    # A clip.", '    name: "Front <b>door</b>"\n    people: family')
    path.write_text(f"{text}groups: {{family: [barack, eileen, joe]}}\n")
    stage.context.reload()
    answer = post(admin, "/enroll", {"id": "joe"}, ("biden",))
    assert answer.status_code == status
    assert "camera Front &lt;b&gt;door&lt;/b&gt;: " in answer.text
    assert f"camera {CAMERA}" not in answer.text


def test_someone_who_may_not_pass_is_enrolled_without_a_question(
    admin: TestClient, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded(stage, monkeypatch, "barack, eileen")
    assert post(admin, "/enroll", {"id": "joe"}, ("biden",)).status_code == 200
    assert stage.notes == [("enrolled", {"person": "joe"})]
