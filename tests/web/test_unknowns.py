"""Pairs of unknowns on the page and in the REST interface: proposed, merged, kept apart, and what is refused."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("starlette")

from edgeface.gallery.thumbnails import Thumbnail
from edgeface.gallery.unknowns import Alike, Unknown
from edgeface.journal.journal import Journal
from edgeface.web.texts import unknown_strings
from tests.support.embeddings import unit
from tests.support.web import UNKNOWN, Stage, client, context, stage  # noqa: F401 - fixtures
from tests.web.test_pages import Markup

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from starlette.testclient import TestClient

    from edgeface.core.types import Embedding

    Make = Callable[..., TestClient]

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

API = "/api/v1/unknowns"
NOON = 1_800_000_000.0
ONE, OTHER, THIRD = "u-00000001", "u-00000002", "u-00000003"


def near(seed: int, other: int) -> Embedding:
    mixed = unit(seed) + np.float32(0.8) * unit(other)
    return np.asarray(mixed / np.linalg.norm(mixed), np.float32)


@pytest.fixture(name="pair", autouse=True)
def _pair(stage: Stage) -> None:
    """Two ids of one person, which are proposed, and someone else."""
    faces = {ONE: near(1, 11), OTHER: near(1, 12), THIRD: unit(3)}
    with stage.context.gallery() as gallery:
        gallery.store_unknowns(
            [
                Unknown(one, face, (face,), 2, 1, NOON + n, NOON + n, "porch")
                for n, (one, face) in enumerate(faces.items())
            ],
            alike=[Alike(ONE, OTHER, 0.61)],
        )
        gallery.store_pictures([Thumbnail(one, NOON, b"\xff\xd8\xff") for one in (ONE, OTHER)])


def kept(stage: Stage) -> dict[str, int]:
    with stage.context.gallery() as gallery:
        return {one.id: one.sightings for one in gallery.unknowns() if one.id != UNKNOWN}


def post(browser: TestClient, path: str, **fields: str) -> httpx.Response:
    return browser.post(path, data={**fields, "csrf": browser.headers["x-csrf-token"]})  # type: ignore[no-any-return]


def test_the_page_shows_both_pictures_and_one_click_merges(client: Make, stage: Stage) -> None:
    browser = client("admin")
    shown = browser.get("/unknowns").text
    assert (Markup(shown).wrong, Markup(shown).open) == ([], [])
    card = re.search(rf'<article[^>]*data-pair="{ONE} {OTHER}">.*?</article>', shown, re.DOTALL)
    assert card is not None
    assert all(f"/faces/{one}/0" in card[0] for one in (ONE, OTHER))
    assert "cosine 0.61" in card[0]
    assert card[0].count(">Same person</button>") == 1
    done = post(browser, f"/unknowns/{ONE}/merge", other=OTHER)
    assert done.headers["location"] == "/unknowns?done=merged"
    assert kept(stage) == {ONE: 2, THIRD: 1}
    assert stage.notes == [("merged", {"unknown": ONE, "merged": OTHER})]
    assert unknown_strings.UNKNOWNS_ALIKE not in browser.get("/unknowns").text


def test_a_pair_of_two_people_leaves_the_page(client: Make, stage: Stage) -> None:
    browser = client("admin")
    done = post(browser, f"/unknowns/{ONE}/apart", other=OTHER)
    assert done.headers["location"] == "/unknowns?done=two_unknowns"
    assert unknown_strings.UNKNOWNS_ALIKE not in browser.get("/unknowns").text
    assert kept(stage) == {ONE: 1, OTHER: 1, THIRD: 1}


def test_a_viewer_sees_the_pair_and_cannot_merge_it(client: Make, stage: Stage) -> None:
    browser = client("viewer")
    shown = browser.get("/unknowns").text
    assert unknown_strings.UNKNOWNS_ALIKE in shown
    assert unknown_strings.UNKNOWNS_SAME not in shown
    for verb in ("merge", "apart"):
        assert post(browser, f"/unknowns/{ONE}/{verb}", other=OTHER).status_code == 403
        robot = client("viewer", token=True)
        assert robot.post(f"{API}/{ONE}/{verb}", json={"other": OTHER}).status_code == 403
    assert kept(stage) == {ONE: 1, OTHER: 1, THIRD: 1}


def test_two_who_look_unlike_are_merged_only_after_a_question(client: Make, stage: Stage) -> None:
    browser = client("admin")
    asked = post(browser, f"/unknowns/{ONE}/merge", other=THIRD)
    assert asked.status_code == 409
    assert 'name="anyway" value="1"' in asked.text
    assert unknown_strings.UNKNOWNS_DOUBT in asked.text
    assert "Add anyway" not in asked.text
    assert kept(stage) == {ONE: 1, OTHER: 1, THIRD: 1}
    robot = client("admin", token=True)
    refused = robot.post(f"{API}/{ONE}/merge", json={"other": THIRD})
    assert refused.status_code == 409
    assert '"anyway": true' in refused.json()["detail"]
    post(browser, f"/unknowns/{ONE}/merge", other=THIRD, anyway="1")
    assert kept(stage) == {ONE: 2, OTHER: 1}
    assert stage.notes == [("merged", {"unknown": ONE, "merged": THIRD, "anyway": True})]


def test_pairs_are_listed_merged_and_kept_apart_over_rest(client: Make, stage: Stage) -> None:
    robot = client("admin", token=True)
    (pair,) = robot.get(f"{API}/alike").json()["pairs"]
    assert ([one["id"] for one in pair["unknowns"]], pair["score"]) == ([ONE, OTHER], 0.61)
    assert robot.post(f"{API}/{ONE}/apart", json={"other": THIRD}).json()["pairs"] == [pair]
    merged = robot.post(f"{API}/{OTHER}/merge", json={"other": ONE})
    assert (merged.status_code, merged.json()["id"], merged.json()["visits"]) == (200, ONE, 2)
    assert robot.get(f"{API}/alike").json() == {"pairs": []}
    assert robot.get(f"{API}/{OTHER}").status_code == 404
    assert kept(stage) == {ONE: 2, THIRD: 1}


HOSTILE: list[tuple[str, Any, int]] = [
    (ONE, {"other": ONE}, 422),
    (ONE, {"other": "u-ffffffff"}, 404),
    ("u-ffffffff", {"other": ONE}, 404),
    ("barack", {"other": ONE}, 404),
    ("..%2f..%2fetc", {"other": ONE}, 404),
    (ONE, {"other": "barack"}, 422),
    (ONE, {"other": "u-00000002\n"}, 422),
    (ONE, {"other": "u-" + "0" * 1_000}, 422),
    (ONE, {"other": None}, 422),
    (ONE, {"other": [OTHER]}, 422),
    (ONE, {"other": OTHER, "force": True}, 422),
    (ONE, {}, 422),
    (ONE, [OTHER], 422),
]


@pytest.mark.parametrize(("who", "body", "status"), HOSTILE)
@pytest.mark.parametrize("verb", ["merge", "apart"])
def test_a_hostile_request_is_refused_with_one_line(
    client: Make, stage: Stage, verb: str, who: str, body: Any, status: int
) -> None:
    answer = client("admin", token=True).post(f"{API}/{who}/{verb}", json=body)
    assert answer.status_code == status, answer.text
    assert "\n" not in answer.json().get("detail", "")
    assert len(answer.text) < 1_000
    assert (kept(stage), stage.notes) == ({ONE: 1, OTHER: 1, THIRD: 1}, [])


@pytest.mark.parametrize("other", ["", ONE, "u-ffffffff", "<script>", "u-00000002\n\x00", "barack", "x" * 5_000])
@pytest.mark.parametrize("verb", ["merge", "apart"])
def test_a_hostile_form_is_refused(client: Make, stage: Stage, verb: str, other: str) -> None:
    answer = post(client("admin"), f"/unknowns/{ONE}/{verb}", other=other)
    assert answer.status_code == 404
    assert "<script>" not in answer.text
    assert (kept(stage), stage.notes) == ({ONE: 1, OTHER: 1, THIRD: 1}, [])


def test_a_merge_is_in_the_journal_and_named_by_the_id_that_stays(client: Make, stage: Stage) -> None:
    client("admin", token=True).post(f"{API}/{ONE}/merge", json={"other": OTHER})
    with closing(Journal(stage.data / "journal.db")) as journal:
        (row,) = journal.rows(kinds=("merged",), who=ONE)
        assert row.row.kind == "merged"
