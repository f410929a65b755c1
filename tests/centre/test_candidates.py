"""Searching by a photo, as an admin or a command does: who may, what is answered, and what the journal keeps."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import yaml
from starlette.testclient import TestClient

from edgeface.centre.admins import rights
from edgeface.centre.admins.app import application
from edgeface.centre.admins.candidates import Rate
from edgeface.centre.enrolling import Enrolling, Facts
from edgeface.centre.records import JournalQuery
from edgeface.centre.search.candidates import NOTE, Inquiry
from edgeface.cli.main import main
from edgeface.core.errors import UsageError
from edgeface.faces.embedder import embedder_name
from edgeface.people.enrollment import EnrollOptions
from edgeface.web.http.problems import Problem
from tests.support.centre import entry
from tests.support.centre_pages import browsers, post
from tests.support.centre_search import Searching
from tests.support.centre_server import SITE
from tests.support.clock import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.centre.context import CentreContext
    from tests.support.centre_server import Running

DATA = Path(__file__).parents[1] / "data"
EVIL = "<img src=x onerror=alert(1)>"
WHY = "found unconscious in the lobby"


@pytest.fixture(scope="module", name="context")
def _context(shared: Running) -> CentreContext:
    """Barack works in the tower, and Joe in the annex."""
    context = shared.context
    context.store.add_site("annex")
    for site, who, photo in ((SITE, "barack", "obama"), ("annex", "joe", "biden")):
        facts = Facts(name=who.title())
        Enrolling(context, site, "test").from_photos(who, facts, [DATA / f"{photo}.jpg"], EnrollOptions())
    return context


@pytest.fixture(scope="module", name="searching")
def _searching(context: CentreContext) -> Iterator[Searching]:
    made = Searching(context)
    made.wait(lambda state: state.people == 2)
    yield made
    made.close()


def client(context: CentreContext, role: Any, *sites: str) -> TestClient:
    token = rights.make_token(context.settings.data, f"{role}-{len(sites)}", role, sites or None, 0.0, None)
    return TestClient(application(context), base_url="https://localhost", headers={"Authorization": f"Bearer {token}"})


def ask(one: TestClient, photo: bytes | str = "obama2.jpg", **fields: str) -> Any:
    data = (DATA / photo).read_bytes() if isinstance(photo, str) else photo
    return one.post("/api/v1/candidates", data={"reason": WHY, **fields}, files={"photo": ("a.jpg", data)})


def noted(context: CentreContext) -> list[tuple[str, set[str], dict[str, Any]]]:
    rows = context.store.journal.query(JournalQuery(what=("search",)))
    return [(one.by, set(one.sites), dict(one.facts)) for one in rows]


def test_without_a_worker_it_is_said_and_the_journal_has_nothing(context: CentreContext) -> None:
    before = noted(context)
    answer = ask(client(context, "admin"))
    assert answer.status_code == 503
    assert "no search worker runs: edgeface centre search" in answer.json()["detail"]
    with browsers(context) as make:
        admin = make("admin")
        for page in (admin.get("/search"), send(admin, WHY)):
            assert "systemctl start edgeface-centre-search" in page.text
        assert page.status_code == 503
    assert noted(context) == before


def test_the_page_counts_searches_as_the_rest_interface_does(context: CentreContext) -> None:
    with browsers(context) as make:
        admin = make("admin")
        app: Any = admin.app
        app.state.searches = Rate(1, context.clock)
        assert send(admin, WHY).status_code != 429
        refused = send(admin, WHY)
        assert (refused.status_code, "retry-after" in refused.headers) == (429, True)


@pytest.mark.slow(seconds=6)
@pytest.mark.usefixtures("searching")
def test_the_one_in_the_photo_comes_first_and_the_journal_says_who_asked_and_why(context: CentreContext) -> None:
    answer = ask(client(context, "admin"))
    assert answer.status_code == 200
    first, second = answer.json()["candidates"]
    assert (first["site"], first["id"], first["name"], first["likeness"]) == (
        SITE, "barack", "Barack", "very similar"
    )  # fmt: skip
    assert (second["id"], second["likeness"]) == ("joe", "hardly similar")
    assert 0.7 < first["score"] < 1
    assert answer.json()["note"] == NOTE
    assert not {"match", "level", "grant", "label"} & {*answer.json(), *first}
    by, sites, facts = noted(context)[0]
    assert (by, sites) == ("admin-0", {SITE, "annex"})
    assert facts == {"reason": WHY, "candidates": 2, "most": 10}
    assert ask(client(context, "admin"), most="1").json()["candidates"] == [first]


@pytest.mark.usefixtures("searching")
def test_an_admin_finds_people_of_their_own_sites_only(context: CentreContext) -> None:
    annex = client(context, "admin", "annex")
    assert [one["id"] for one in ask(annex).json()["candidates"]] == ["joe"]
    assert [one["id"] for one in ask(annex, sites="annex").json()["candidates"]] == ["joe"]
    assert ask(annex, sites=SITE).status_code == 403
    assert ask(annex, sites=f"annex, {SITE}").status_code == 403
    assert noted(context)[0][:2] == ("admin-1", {"annex"})
    everywhere = client(context, "admin")
    assert [one["id"] for one in ask(everywhere, sites=SITE).json()["candidates"]] == ["barack"]
    assert ask(everywhere, sites="nowhere").status_code == 404
    assert ask(client(context, "viewer")).status_code == 403


@pytest.mark.usefixtures("searching")
def test_the_page_names_candidates_as_the_rest_interface_does(context: CentreContext) -> None:
    with browsers(context) as make:
        admin, annex = make("admin"), make("admin", "annex")
        shown = send(admin, WHY)
        assert shown.status_code == 200
        assert NOTE in shown.text
        assert "match" not in shown.text.casefold()
        assert [one.split(">")[0] for one in shown.text.split(f"/sites/{SITE}/people/")[1:]] == ['barack"']
        assert "very similar" in shown.text
        assert noted(context)[0] == ("account-1", {SITE, "annex"}, {"reason": WHY, "candidates": 2, "most": 10})
        found = send(annex, WHY).text
        assert "joe" in found
        assert "barack" not in found.casefold()
        assert noted(context)[0][:2] == ("account-2", {"annex"})
        before = noted(context)
        refused = send(annex, WHY, site=SITE), send(admin, WHY, site="nowhere")
        assert [one.status_code for one in refused] == [403, 404]
        assert send(make("viewer"), WHY).status_code == 403
        wrong = send(admin, "no"), send(admin, WHY, photo=b"x" * 100), post(admin, "/search", reason=WHY)
        assert [one.status_code for one in wrong] == [422] * 3
        for word, one in zip(("Give a reason", "ot a photo", "Choose one photo"), wrong, strict=True):
            assert word in one.text
        assert EVIL not in send(admin, EVIL, photo=b"x").text
        assert noted(context) == before


def send(browser: TestClient, reason: str, photo: bytes | None = None, site: str | None = None) -> Any:
    """Search on the page."""
    data = (DATA / "obama2.jpg").read_bytes() if photo is None else photo
    fields = {} if site is None else {f"site-{site}": "1"}
    return post(browser, "/search", files={"photo": ("a.jpg", data, "image/jpeg")}, reason=reason, **fields)


def photo_of(*people: str, scale: float = 1) -> bytes:
    """A photo of people side by side, or of no one."""
    images = [cv2.imread(str(DATA / f"{who}.jpg")) for who in people] or [np.full((300, 300, 3), 90, np.uint8)]
    height = min(len(one) for one in images if one is not None)
    image = cv2.resize(np.hstack([one[:height] for one in images if one is not None]), None, fx=scale, fy=scale)
    return bytes(cv2.imencode(".jpg", image)[1])


@pytest.mark.parametrize(
    ("photo", "why"),
    [
        (photo_of("obama", "biden"), "2 faces; crop the photo"),
        (photo_of(), "no face found"),
        (b"x" * 100, "not a photo"),
        (photo_of("obama", scale=0.25), "the face is too small"),
    ],
)
def test_a_photo_that_enrollment_refuses_is_refused(context: CentreContext, photo: bytes, why: str) -> None:
    before = noted(context)
    answer = ask(client(context, "admin"), photo)
    assert answer.status_code == 422
    assert why in answer.json()["detail"]
    assert noted(context) == before


def test_forms_that_are_wrong(context: CentreContext) -> None:
    admin = client(context, "admin")
    for fields in ({"reason": "no"}, {"reason": "x" * 201}, {"reason": "   x   "}, {"reason": "two\nlines"},
                   {"most": "0"}, {"most": "51"}, {"most": "many"}, {"sites": "../x"}, {"level": "high"}):  # fmt: skip
        assert ask(admin, **fields).status_code == 422, fields
    photo = (DATA / "obama2.jpg").read_bytes()
    two = [("photo", ("a.jpg", photo)), ("photo", ("b.jpg", photo))]
    assert admin.post("/api/v1/candidates", data={"reason": WHY}, files=two).status_code == 422
    assert admin.post("/api/v1/candidates", files={"photo": ("a.jpg", photo)}).status_code == 422
    with pytest.raises(UsageError, match="at most 500 sites"):
        Inquiry("anna", WHY, ("a",) * 501)


def test_an_account_may_search_so_often_and_then_has_to_wait() -> None:
    clock = FixedClock(100.0)
    rate = Rate(2, clock)
    rate.take("anna")
    rate.take("anna")
    with pytest.raises(Problem, match="too many searches of this account") as refused:
        rate.take("anna")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "30")
    rate.take("bert")
    clock.sleep(30)
    rate.take("anna")


@pytest.mark.slow(seconds=2)
def test_who_was_forgotten_a_moment_ago_is_not_named_even_by_a_worker_that_does_not_know(
    context: CentreContext, searching: Searching
) -> None:
    admin = client(context, "admin")
    face = context.store.means(SITE, embedder_name())["barack"]
    context.store.put(SITE, entry(1, embeddings={embedder_name(): face}), "test")
    searching.wait(lambda state: state.people == 3)
    assert {one["id"] for one in ask(admin).json()["candidates"]} == {"barack", "joe", "person-1"}
    searching.process.send_signal(signal.SIGSTOP)
    gone = next(one.person for one in context.store.people(SITE) if one.id == "person-1")
    context.store.forget(SITE, gone, "test")
    assert {one["id"] for one in ask(admin).json()["candidates"]} == {"barack", "joe"}
    searching.process.send_signal(signal.SIGCONT)
    searching.wait(lambda state: state.people == 2)


@pytest.mark.slow(seconds=2)
@pytest.mark.usefixtures("searching")
def test_the_command_prints_candidates_and_needs_a_reason(
    context: CentreContext, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, file = context.settings, tmp_path / "centre.yaml"
    given = {
        "names": ["localhost"],
        "data": str(settings.data),
        "keyring": str(settings.keyring),
        "database": {"conninfo": settings.database.conninfo},
        "search": {"sockets": str(settings.search.sockets)},
    }
    file.write_text(yaml.safe_dump(given))
    words = ["fleet", "--config", str(file), "search", SITE, str(DATA / "obama2.jpg")]
    assert main(words) == 2
    assert "give a reason of 3 to 200 characters" in capsys.readouterr().err
    assert main([*words, "--reason", WHY]) == 0
    printed = capsys.readouterr()
    assert printed.out.split()[1:] == ["very", "similar", "barack", "Barack"]
    assert NOTE in printed.err
    assert noted(context)[0][:2] == ("command-line", {SITE})


@pytest.mark.usefixtures("searching")
def test_metrics_say_what_the_workers_do(context: CentreContext) -> None:
    text = client(context, "viewer").get("/metrics").text
    assert "edgeface_centre_search_ready 1.0" in text
    assert "edgeface_centre_search_people 2.0" in text
    assert "edgeface_centre_search_seconds_count" in text
    assert "edgeface_centre_search" not in client(context, "viewer", SITE).get("/metrics").text
