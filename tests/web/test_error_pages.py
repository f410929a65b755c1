"""Pages of errors: the navigation that the role may use, and a way back; programs get problem+json."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from edgeface.web.http import problems
from edgeface.web.http.problems import Problem
from edgeface.web.texts import account_strings, strings
from tests.support.web import COOKIE, Stage, client, stage, with_routes  # noqa: F401 - fixtures
from tests.web.test_http import raising
from tests.web.test_pages import Markup

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from starlette.testclient import TestClient

    Make = Callable[..., TestClient]

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

STATUSES = (400, 403, 404, 408, 409, 413, 422, 429, 500, 503)


def links(answer: httpx.Response) -> list[str]:
    return [one["href"] for one in Markup(answer.text).all("a")]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_an_error_has_the_navigation_and_a_way_back(stage: Stage, client: Make, status: int, role: str) -> None:
    with_routes(stage, fails=raising(Problem(status, detail="for a reason", headers={"Retry-After": "7"})))
    answer = client(role).get("/fails")
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
    assert answer.headers["content-type"].startswith("text/html")
    page = Markup(answer.text)
    assert (page.wrong, page.open) == ([], [])
    assert len(page.all("h1")) == 1
    assert set(strings.PAGES) | {"/sessions", "/"} <= set(links(answer))
    assert "for a reason" in answer.text
    assert ("/fails" in links(answer)) == (status in {429, 503})
    assert client(role).get("/api/fails").headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("status", STATUSES)
def test_a_stranger_gets_no_navigation(stage: Stage, client: Make, status: int) -> None:
    with_routes(stage, fails=raising(Problem(status)))
    answer = client(None).get("/fails")
    assert answer.status_code == status
    assert "/people" not in links(answer)
    assert "/login" in links(answer)


def test_real_errors_lead_back_to_their_section(client: Make) -> None:
    viewer, admin = client("viewer"), client("admin")
    for browser, method, path, status, back in (
        (viewer, "GET", "/people/nobody", 404, "/people"),
        (viewer, "GET", "/nowhere", 404, "/"),
        (viewer, "GET", "/accounts", 403, "/"),
        (viewer, "POST", "/people/barack/rename", 403, "/people"),
        (admin, "POST", "/sessions/0123/end", 404, "/sessions"),
        (admin, "PUT", "/people", 405, "/"),
    ):
        answer = browser.request(method, path)
        assert answer.status_code == status, path
        assert Markup(answer.text).all("a")[-1]["href"] == back, path
        assert set(strings.PAGES) <= set(links(answer)), path
    assert account_strings.PROBLEM_TEXTS[403] in viewer.get("/accounts").text


def test_a_form_that_is_too_large_has_the_navigation(client: Make) -> None:
    answer = client("admin").post("/people/barack/rename", data={"name": "x" * 100_000})
    assert answer.status_code == 413
    assert "/people" in links(answer)


def test_an_error_page_signs_out_with_the_sessions_token(client: Make) -> None:
    browser = client("viewer")
    (csrf,) = re.findall(r'name="csrf" value="([^"]+)"', browser.get("/nowhere").text)
    assert csrf == browser.headers["x-csrf-token"]


def test_what_is_hostile_in_the_address_stays_text(client: Make) -> None:
    answer = client("viewer").get('/people/"><script>alert(1)</script>')
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text


def test_a_session_that_has_ended_has_no_navigation(stage: Stage, client: Make) -> None:
    browser, auth = client("admin"), stage.app.state.auth
    auth.sessions.end(browser.cookies[COOKIE])
    assert "/people" not in links(browser.get("/nowhere"))


def test_an_error_in_the_error_page_still_gives_a_page(
    stage: Stage, client: Make, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_request: object, _problem: Problem) -> None:
        raise RuntimeError("personal")

    stage.app.state.problem_page = fails
    answer = client("viewer").get("/nowhere")
    assert (answer.status_code, "Not Found" in answer.text) == (404, True)
    assert "the page of an error failed: RuntimeError" in caplog.text
    assert "personal" not in caplog.text
    assert problems.for_programs("/api/v1/x")
