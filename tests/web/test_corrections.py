"""Corrections by REST and on the pages: what they do, and what they refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("starlette")

from edgeface.core.errors import GalleryError
from edgeface.core.types import Embedding, Probe
from edgeface.people.corrections import probe_of
from edgeface.web.pages import corrections
from edgeface.web.texts import strings
from tests.support.web import CAMERA, UNKNOWN, Stage, client, stage  # noqa: F401 - fixtures
from tests.web.test_pages import Markup, post, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.testclient import TestClient

    Make = Callable[..., TestClient]

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

API = "/api/v1"
EVENT, NO_ONE, OWN, LATER = (f"01JDPZ6M8W3V5Q7R9T1X2Y4Z6{last}" for last in "ABCD")
MISSING = "01JDPZ6M8W3V5Q7R9T1X2Y4Z6E"


def towards(one: Embedding, cosine: float, seed: int = 1) -> Embedding:
    """A unit vector with this cosine to `one`."""
    across = np.random.default_rng(seed).standard_normal(one.size)
    across -= (across @ one) * one
    return np.asarray(cosine * one + np.sqrt(1 - cosine**2) * across / np.linalg.norm(across), np.float32)


@pytest.fixture(autouse=True)
def _probes(stage: Stage) -> None:
    """Events of which a probe is kept: a false match of Barack, an unknown, and Barack himself."""
    wall = stage.context.clock.wall()
    with stage.context.gallery() as gallery:
        barack = gallery.snapshot().matrix[0]
        gallery.store_probes(
            [
                Probe(EVENT, CAMERA, wall, "barack", None, towards(barack, 0.55)),
                Probe(NO_ONE, CAMERA, wall, None, UNKNOWN, towards(barack, 0.3, 2)),
                Probe(OWN, CAMERA, wall, "barack", None, towards(barack, 0.8, 3)),
                Probe(LATER, CAMERA, wall, None, None, towards(barack, 0.55)),
            ]
        )


@pytest.fixture
def admin(client: Make) -> TestClient:
    return client("admin", token=True)


def correct(caller: TestClient, event: str, kind: str, person: str, **more: object) -> tuple[int, str]:
    answer = caller.post(f"{API}/events/{event}/correction", json={"kind": kind, "person": person, **more})
    return answer.status_code, str(answer.json().get("detail", ""))


def negatives(caller: TestClient, person: str = "barack") -> list[str]:
    answer = caller.get(f"{API}/people/{person}/negatives")
    assert answer.status_code == 200
    return [one["event"] for one in answer.json()["negatives"]]


def test_not_makes_a_negative_template_that_is_listed_and_removed(admin: TestClient, stage: Stage) -> None:
    answer = admin.post(f"{API}/events/{EVENT}/correction", json={"kind": "not", "person": "barack"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["event"], answer.json()["person"]["id"]) == (EVENT, "barack")
    (one,) = admin.get(f"{API}/people/barack/negatives").json()["negatives"]
    assert (one["event"], one["camera"], one["score"]) == (EVENT, CAMERA, 0.55)
    assert set(one) == {"event", "at", "camera", "score"}
    gone = admin.delete(f"{API}/people/barack/negatives/{EVENT}")
    assert (gone.status_code, gone.json()) == (200, {"negatives": []})
    person = {"person": "barack", "event": EVENT}
    assert stage.notes == [("corrected", person), ("restored", person)]


def test_is_adds_the_face_to_a_person_or_enrolls_one(admin: TestClient, stage: Stage) -> None:
    status, detail = correct(admin, NO_ONE, "is", "eileen")
    assert (status, '("anyway": true, if you are sure)' in detail, stage.notes) == (409, True, [])
    assert correct(admin, NO_ONE, "is", "eileen", anyway=True)[0] == 200
    assert admin.get(f"{API}/people/eileen").json()["templates"] == 2
    assert correct(admin, EVENT, "is", "joe", name="Joe")[0] == 200
    assert admin.get(f"{API}/people/joe").json()["name"] == "Joe"
    assert negatives(admin) == [EVENT]
    assert [kind for kind, _ in stage.notes] == ["enrolled", "corrected", "enrolled"]


REFUSED = {
    "expired": (MISSING, "not", "barack", 404, "no event of this device that can be corrected"),
    "no event at all": ("%2e%2e", "is", "barack", 404, ""),
    "names no one": (NO_ONE, "not", "barack", 409, "names no one"),
    "names another": (EVENT, "not", "eileen", 409, "names barack, not eileen"),
    "someone who is gone": (EVENT, "not", "carol", 409, "names barack, not carol"),
    "his own face": (OWN, "not", "barack", 409, "too like barack's own only template"),
    "named already": (EVENT, "is", "barack", 409, "names barack already"),
    "no kind": (EVENT, "maybe", "barack", 422, ""),
    "no id": (EVENT, "is", "Joe Biden", 422, ""),
}


@pytest.mark.parametrize(("event", "kind", "person", "status", "line"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_one_line_and_changes_nothing(
    admin: TestClient, stage: Stage, event: str, kind: str, person: str, status: int, line: str
) -> None:
    found, detail = correct(admin, event, kind, person)
    assert (found, line in detail, "\n" in detail) == (status, True, False)
    assert (stage.notes, negatives(admin), admin.get(f"{API}/people/barack").json()["templates"]) == ([], [], 1)


def test_a_negative_template_that_is_not_there_is_not_found(admin: TestClient) -> None:
    assert admin.delete(f"{API}/people/barack/negatives/{EVENT}").status_code == 404
    assert admin.delete(f"{API}/people/carol/negatives/{EVENT}").status_code == 404
    assert admin.get(f"{API}/people/carol/negatives").status_code == 404


def test_a_viewer_can_make_list_and_remove_none(client: Make, stage: Stage, admin: TestClient) -> None:
    assert correct(admin, EVENT, "not", "barack")[0] == 200
    stage.notes.clear()
    viewer = client("viewer", token=True)
    assert correct(viewer, EVENT, "is", "eileen")[0] == 403
    assert viewer.get(f"{API}/people/barack/negatives").status_code == 403
    assert viewer.delete(f"{API}/people/barack/negatives/{EVENT}").status_code == 403
    page = client("viewer")
    assert page.get(f"/events/{EVENT}/correct").status_code == 403
    for path in (
        f"/events/{EVENT}/correct/not",
        f"/events/{EVENT}/correct/is",
        f"/people/barack/negatives/{EVENT}/remove",
    ):
        assert post(page, path, {"person": "barack"}).status_code == 403
    assert '/correct"' not in page.get("/events").text
    assert strings.PERSON_NEGATIVES not in page.get("/people/barack").text
    assert stage.notes == []


def test_the_page_denies_and_the_person_page_removes(client: Make, stage: Stage) -> None:
    page = client("admin")
    shown = page.get(f"/events/{EVENT}/correct")
    assert "announced as Barack" in text_of(shown)
    assert Markup(shown.text).wrong == []
    answer = post(page, f"/events/{EVENT}/correct/not", {"person": "barack"})
    assert answer.headers["location"] == "/people/barack?done=denied"
    person = page.get("/people/barack?done=denied")
    assert strings.DONE["denied"] in text_of(person)
    assert "score 0.55" in text_of(person)
    answer = post(page, f"/people/barack/negatives/{EVENT}/remove", {})
    assert answer.headers["location"] == "/people/barack?done=undone"
    assert strings.PERSON_NEGATIVES not in page.get("/people/barack").text
    assert [kind for kind, _ in stage.notes] == ["corrected", "restored"]


def test_the_page_identifies_a_person_of_the_list_or_a_new_one(client: Make, stage: Stage) -> None:
    page = client("admin")
    both = post(page, f"/events/{EVENT}/correct/is", {"person": "eileen", "id": "joe"})
    assert (both.status_code, strings.CORRECT_BOTH in text_of(both), stage.notes) == (409, True, [])
    neither = post(page, f"/events/{EVENT}/correct/is", {})
    assert (neither.status_code, stage.notes) == (409, [])
    asked = post(page, f"/events/{NO_ONE}/correct/is", {"person": "eileen", "name": "Not Hers"})
    assert (asked.status_code, strings.DOUBT in text_of(asked), stage.notes) == (409, True, [])
    sent = {one["name"]: one["value"] for one in Markup(asked.text).all("input") if one["name"] != "csrf"}
    answer = post(page, f"/events/{NO_ONE}/correct/is", sent)
    assert answer.headers["location"] == "/people/eileen?done=identified"
    assert "<h1>Eileen</h1>" in page.get("/people/eileen").text
    assert post(page, f"/events/{EVENT}/correct/is", {"id": "joe", "name": "Joe"}).headers["location"] == (
        "/people/joe?done=identified"
    )
    assert [kind for kind, _ in stage.notes] == ["enrolled", "corrected", "enrolled"]


def test_what_is_refused_is_shown_on_the_page(client: Make, stage: Stage) -> None:
    page = client("admin")
    answer = post(page, f"/events/{OWN}/correct/not", {"person": "barack"})
    assert (answer.status_code, "enroll more photos of barack first" in text_of(answer)) == (409, True)
    assert page.get(f"/events/{MISSING}/correct").status_code == 404
    assert (
        page.post(f"/events/{EVENT}/correct/not", data={"person": "barack"}, headers={"x-csrf-token": "x"}).status_code
        == 403
    )
    assert stage.notes == []


def test_recent_events_that_announce_a_face_have_a_link(client: Make, stage: Stage) -> None:
    page, wall = client("admin"), stage.context.clock.wall()
    links = [
        one["href"] for one in Markup(page.get("/events").text).all("a") if one.get("href", "").endswith("/correct")
    ]
    assert links == []  # the events of the fixture are old
    from edgeface.journal.rows import JournalRow

    for kind, event, at in (("match", EVENT, wall), ("left", NO_ONE, wall), ("match", OWN, wall - 8 * 86_400)):
        stage.context.journal.append(JournalRow(event, kind, at, '{"person":"barack","camera":"porch"}'))
    links = [
        one["href"] for one in Markup(page.get("/events").text).all("a") if one.get("href", "").endswith("/correct")
    ]
    assert links == [f"/events/{EVENT}/correct"]


def test_the_live_page_offers_a_correction_to_an_admin_only(client: Make) -> None:
    assert '"correct": {"is"' in client("admin").get("/live").text
    assert '"correct": null' in client("viewer").get("/live").text


def test_the_page_waits_for_the_probe_of_a_new_event(client: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def late(*arguments: Any) -> Probe:
        tries.append(arguments)
        if len(tries) < 3:
            raise GalleryError("no event of this device that can be corrected")
        return probe_of(*arguments)

    monkeypatch.setattr(corrections, "probe_of", late)
    assert client("admin").get(f"/events/{EVENT}/correct").status_code == 200
    assert len(tries) == 3
