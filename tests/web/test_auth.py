"""Authentication: roles, sessions, tokens, and attacks from other sites."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.cli import main
from edgeface.config import loader
from edgeface.config.configuration import Web, WebTls
from edgeface.core.errors import ConfigError, UsageError
from edgeface.web.app import routes
from edgeface.web.auth import accounts
from edgeface.web.auth.accounts import Account, read
from edgeface.web.auth.login import local
from edgeface.web.auth.sessions import IDLE_SECONDS, MAX_OF_ACCOUNT, MAX_SECONDS, MAX_SESSIONS, Sessions
from edgeface.web.http.headers import KnownHosts, host_name
from edgeface.web.http.throttle import ACCOUNT_TRIES, ADDRESS_TRIES, ALL_TRIES, PAIR_TRIES, LoginThrottle
from edgeface.web.texts import account_strings
from tests.support.clock import FixedClock
from tests.support.web import CAMERA, COOKIE, UNKNOWN, Stage, make_app, make_token, sign_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.testclient import TestClient

    Make = Callable[..., TestClient]

PASSWORD = "correct horse battery"  # noqa: S105 - of a test
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens there
ICON = {("/favicon.ico", "GET"), ("/favicon.ico", "HEAD")}
LINKS = {
    *(
        (path, method)
        for path in ("/stranger/{token}", "/invitation/{secret}", "/join/{token}")
        for method in ("GET", "HEAD", "POST")
    ),
    *(("/service-worker.js", method) for method in ("GET", "HEAD")),
}
"""A link in a message has a secret of its own; a browser fetches the script without a session."""
PUBLIC = {("/login", "GET"), ("/login", "HEAD"), ("/login", "POST"), ("/static", "GET"), *ICON, *LINKS}
RECOGNISE = {("/api/v1/recognise", "POST"), ("/api/v1/recognize", "POST")}
ROLES = {"viewer", "admin", "recognise"}
VALUES = {"camera": CAMERA, "person": "barack", "id": "barack", "unknown": UNKNOWN, "who": "barack", "number": "1"}
# They never end; they have tests of their own.
STREAMS = ("stream", "guidance", "video", "live")


def every() -> Iterator[tuple[str, str, str]]:
    """Path, method and role of every route."""
    for route in routes():
        endpoint: Any = getattr(route, "endpoint", None)
        for method in sorted(getattr(route, "methods", None) or {"GET"}):
            yield getattr(route, "path", ""), method, getattr(endpoint, "role", "none")


ROUTES = list(every())


def filled(path: str) -> str:
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda found: VALUES.get(found[1], "x1"), path)


@pytest.mark.parametrize(("path", "method", "role"), ROUTES)
def test_every_route_names_its_role(path: str, method: str, role: str) -> None:
    assert (role in ROLES) != ((path, method) in PUBLIC)


def test_only_admins_change_anything() -> None:
    others = {(path, method) for path, method, role in ROUTES if method not in {"GET", "HEAD"} and role != "admin"}
    own_sessions = {("/sessions/end-others", "POST"), ("/sessions/{session}/end", "POST")}
    links = {("/stranger/{token}", "POST"), ("/invitation/{secret}", "POST"), ("/join/{token}", "POST")}
    own_view = {("/today/steps/hide", "POST")}
    assert others == {("/login", "POST"), ("/logout", "POST"), *own_sessions, *own_view, *links, *RECOGNISE}


def test_nobody_gets_in_anywhere(client: Make) -> None:
    nobody = client(None)
    for path, method, role in ROUTES:
        if role in ROLES:
            answer = nobody.request(method, filled(path))
            where = answer.headers.get("location", "")
            assert answer.status_code == 401 or (answer.status_code == 303 and where.startswith("/login")), path
            assert answer.status_code == 401 or not path.startswith("/api"), path


def test_a_wrong_token_gets_in_nowhere(client: Make) -> None:
    assert client("admin", token=True).get("/people").status_code == 200, "the file has a token, but another one"
    stranger = client(None)
    stranger.headers["authorization"] = "Bearer edgeface_x"
    for path, method, role in ROUTES:
        if role in ROLES:
            assert stranger.request(method, filled(path)).status_code == 401, path


@pytest.mark.parametrize("token", [False, True])
def test_a_viewer_gets_where_viewers_may_and_not_further(client: Make, *, token: bool) -> None:
    viewer = client("viewer", token=token)
    for path, method, role in ROUTES:
        if role in {"admin", "recognise"}:
            assert viewer.request(method, filled(path)).status_code == 403, path
        elif role == "viewer" and method == "GET" and not any(word in path for word in STREAMS):
            assert viewer.get(filled(path)).status_code not in {401, 403, 303, 500}, path


def test_a_token_that_recognises_gets_nowhere_else(client: Make) -> None:
    program = client("recognise", token=True)
    for path, method, role in ROUTES:
        if role in ROLES:
            status = program.request(method, filled(path)).status_code
            assert (status == 403) != ((path, method) in RECOGNISE), (path, method, status)
    for path, _ in RECOGNISE:
        # It is the picture that is missing.
        assert program.post(path, content=b"x", headers={"content-type": "image/jpeg"}).status_code == 422


def test_a_token_that_recognises_cannot_sign_in(stage: Stage, client: Make) -> None:
    nobody, token = client(None), make_token(stage, "recognise")
    answer = nobody.post("/login", data={"secret": token})
    assert (answer.headers["location"], "set-cookie" in answer.headers) == ("/login?program=1", False)
    assert account_strings.LOGIN_PROGRAM in nobody.get(answer.headers["location"]).text
    with pytest.raises(UsageError, match="the role recognise is for programs"):
        accounts.set_password(stage.data, "anna", "recognise", PASSWORD, 0.0)


def test_an_admin_gets_to_read_everything(client: Make) -> None:
    admin = client("admin")
    for path, method, role in ROUTES:
        if role in {"viewer", "admin"} and method == "GET" and not any(word in path for word in STREAMS):
            assert admin.get(filled(path)).status_code not in {401, 403, 500}, path


def test_a_page_leads_to_the_sign_in_and_back(client: Make) -> None:
    answer = client(None).get("/people?page=2")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/people%3Fpage%3D2")


def test_a_change_needs_the_sessions_token(client: Make) -> None:
    browser = client("viewer")
    right = browser.headers.pop("x-csrf-token")
    assert browser.post("/logout").status_code == 403
    assert browser.post("/logout", headers={"x-csrf-token": "x" * len(right)}).status_code == 403
    assert browser.post("/logout", data={"csrf": "x"}).status_code == 403
    assert (
        browser.post("/logout", headers={"x-csrf-token": client("viewer").headers["x-csrf-token"]}).status_code == 403
    )
    assert browser.post("/logout", data={"csrf": right}).status_code == 303


def test_a_form_with_a_file_may_carry_the_token_too(client: Make) -> None:
    browser = client("viewer")
    right = browser.headers.pop("x-csrf-token")
    answer = browser.post("/logout", data={"csrf": right}, files={"photo": ("a.jpg", b"x")})
    assert answer.status_code == 303


def test_a_bearer_needs_no_such_token(client: Make) -> None:
    assert client("viewer", token=True).post("/logout").status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "https://localhost"},
        {"origin": "http://localhost:81"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_site_can_neither_change_anything_nor_sign_in(client: Make, headers: dict[str, str]) -> None:
    assert client("admin").post("/logout", headers=headers).status_code == 403
    assert client(None).post("/login", data={"secret": "x"}, headers=headers).status_code == 403


def test_our_own_pages_may(client: Make) -> None:
    headers = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert client("admin").post("/logout", headers=headers).status_code == 303


@pytest.mark.parametrize("path", ["//[", "http://[", "//\u2100", "//evil.example", "/\\evil.example"])
def test_a_path_to_continue_at_that_is_none_is_the_start_page(path: str) -> None:
    assert local(path) == "/"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8099", "localhost.evil.example", "10.0.0.5", "", "[::1"]
)
def test_the_page_answers_to_no_other_name(client: Make, host: str) -> None:
    answer = client("admin").get("/api/v1/openapi.json", headers={"host": host})
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("host", ["localhost", "localhost:8099", "127.0.0.1:8099", "[::1]:8099", "LOCALHOST.", "::1"])
def test_the_page_answers_to_its_own_names(client: Make, host: str) -> None:
    assert client("admin").get("/login", headers={"host": host}).status_code == 200


def test_configured_names_and_the_address_of_the_connection_are_ours(stage: Stage) -> None:
    from starlette.testclient import TestClient

    settings = Web(host=EVERYWHERE, insecure=True, hosts=("Edgeface.local",))
    app = make_app(stage.context, settings)
    browser = TestClient(app, base_url="http://edgeface.local:8099")
    assert browser.get("/login").status_code == 200
    # The test client reports the requested address as the connection's own.
    assert TestClient(app, base_url="http://192.168.1.9:8099").get("/login").status_code == 200
    assert browser.get("/login", headers={"host": "192.168.1.9"}).status_code == 421
    assert browser.get("/login", headers={"host": EVERYWHERE}).status_code == 421


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("a.b:1", "a.b"),
        ("A.B.", "a.b"),
        ("[::1]:8", "::1"),
        ("::1", "::1"),
        ("[::1]x", ""),
        ("a:b", ""),
        ("", ""),
        ("[", ""),
    ],
)
def test_a_host_header_is_read(header: str, name: str) -> None:
    assert host_name(header) == name


@pytest.mark.parametrize("address", ["192.168.1.9", "::ffff:192.168.1.9"])
def test_the_address_of_the_connection_is_ours_inside_ipv6_too(address: str) -> None:
    asked: list[str] = []

    async def inner(*_: Any) -> None:
        asked.append(address)

    scope = {"type": "http", "path": "/", "headers": [(b"host", b"192.168.1.9:8099")], "server": (address, 8099)}
    asyncio.run(KnownHosts(inner, names=())(scope, None, None))  # type: ignore[arg-type]
    assert asked == [address]


def test_nobody_uploads_files_to_the_sign_in(client: Make) -> None:
    answer = client(None).post("/login", data={"secret": "x"}, files={"photo": ("a.jpg", b"x" * 1000)})
    assert answer.status_code == 415


def test_a_session_is_new_at_each_sign_in_and_the_old_one_ends(stage: Stage, client: Make) -> None:
    auth, browser = stage.app.state.auth, client("viewer")
    first = browser.cookies[COOKIE]
    code = auth.sessions.make_code("admin")
    answer = browser.post("/login", data={"secret": code})
    assert answer.cookies[COOKIE] != first
    assert auth.sessions.find(first) is None
    assert auth.sessions.find(answer.cookies[COOKIE]).account.role == "admin"


def test_a_session_that_an_attacker_planted_is_not_taken_up(stage: Stage, client: Make) -> None:
    auth, browser = stage.app.state.auth, client(None)
    browser.cookies.set(COOKIE, "planted")
    answer = browser.post("/login", data={"secret": auth.sessions.make_code("viewer")})
    assert answer.cookies[COOKIE] != "planted"
    assert auth.sessions.find("planted") is None


def test_the_cookie_is_for_this_site_and_no_script(stage: Stage, client: Make) -> None:
    code = stage.app.state.auth.sessions.make_code("viewer")
    told = client(None).post("/login", data={"secret": code}).headers["set-cookie"]
    assert re.fullmatch(r"edgeface=[\w-]{43}; HttpOnly; Path=/; SameSite=strict", told)


def test_with_tls_the_cookie_is_bound_to_it(stage: Stage) -> None:
    from starlette.testclient import TestClient

    settings = Web(tls=WebTls(certificate=stage.folder / "c", key=stage.folder / "k"))
    app = make_app(stage.context, settings)
    browser = TestClient(app, base_url="https://localhost", follow_redirects=False)
    answer = browser.post("/login", data={"secret": app.state.auth.sessions.make_code("viewer")})
    assert re.fullmatch(
        r"__Host-edgeface=[\w-]{43}; HttpOnly; Path=/; SameSite=strict; Secure", answer.headers["set-cookie"]
    )
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert browser.get("/people").status_code == 200


def test_signing_out_ends_the_session(stage: Stage, client: Make) -> None:
    auth, browser = stage.app.state.auth, client("viewer")
    id_ = browser.cookies[COOKIE]
    browser.post("/logout")
    assert auth.sessions.find(id_) is None
    assert browser.get("/people").status_code == 303


@contextmanager
def at_fixed_time(stage: Stage) -> Iterator[tuple[Stage, FixedClock]]:
    """The stage with a clock that stands still."""
    clock = FixedClock(1000.0, 1_790_000_000.0)
    context = dataclasses.replace(stage.context, clock=clock)
    yield dataclasses.replace(stage, context=context, app=make_app(context, Web())), clock


def test_a_session_ends_when_nobody_uses_it(stage: Stage) -> None:
    with at_fixed_time(stage) as (fixed, clock):
        browser = sign_in(fixed, "viewer")
        for _ in range(3):
            clock.sleep(IDLE_SECONDS - 1)
            assert browser.get("/people").status_code == 200
        clock.sleep(IDLE_SECONDS)
        assert browser.get("/people").status_code == 303


def test_a_session_ends_after_half_a_day_in_any_case(stage: Stage) -> None:
    with at_fixed_time(stage) as (fixed, clock):
        browser = sign_in(fixed, "viewer")
        end = clock.now + MAX_SECONDS
        while clock.now + IDLE_SECONDS / 2 < end:
            assert browser.get("/people").status_code == 200
            clock.sleep(IDLE_SECONDS / 2)
        clock.now = end
        assert browser.get("/people").status_code == 303


def test_a_code_serves_once_and_for_five_minutes(stage: Stage) -> None:
    with at_fixed_time(stage) as (fixed, clock):
        sessions, nobody = fixed.app.state.auth.sessions, sign_in(fixed, None)
        code = sessions.make_code("admin")
        assert nobody.post("/login", data={"secret": code}).headers["location"] == "/"
        assert nobody.post("/login", data={"secret": code}).headers["location"] == "/login?wrong=1"
        code = sessions.make_code("admin")
        clock.sleep(300)
        assert nobody.post("/login", data={"secret": code}).headers["location"] == "/login?wrong=1"


def test_a_password_signs_in_and_what_is_wrong_is_not_told(stage: Stage, client: Make) -> None:
    for name in ("anna", "claire"):
        accounts.set_password(stage.data, name, "viewer", PASSWORD, 0.0)
    nobody = client(None)
    wrong = [("anna", "wrong"), ("berta", PASSWORD), ("", PASSWORD), ("anna", ""), ("x" * 500, "y" * 5000)]
    answers = [nobody.post("/login", data={"name": name, "secret": secret}) for name, secret in wrong]
    assert {(one.status_code, one.headers["location"]) for one in answers} == {(303, "/login?wrong=1")}
    assert not any(COOKIE in one.cookies for one in answers)
    right = nobody.post("/login", data={"name": "anna", "secret": PASSWORD, "next": "/people"})
    assert right.headers["location"] == "/people"
    assert nobody.get("/people").status_code == 200


def test_with_one_account_the_password_is_enough_and_tries_count_for_that_account(stage: Stage) -> None:
    accounts.set_password(stage.data, "anna", "admin", PASSWORD, 0.0)
    with at_fixed_time(stage) as (fixed, _):
        nobody = sign_in(fixed, None)
        page = nobody.get("/login").text
        assert 'name="name"' not in page
        assert re.search(r'<input id="secret"[^>]* autofocus', page)
        assert "anna" not in page, "a stranger must not read the name of the account"
        for n in range(PAIR_TRIES):
            assert nobody.post("/login", data={"secret": f"wrong {n}"}).headers["location"] == "/login?wrong=1"
        for fields in ({"secret": PASSWORD}, {"name": "anna", "secret": PASSWORD}):
            assert nobody.post("/login", data=fields).headers["location"] == "/login?wait=60"
        assert sign_in(fixed, None).get("/login").status_code == 200
    alone = sign_in(stage, None)
    assert alone.post("/login", data={"secret": make_token(stage, "viewer")}).headers["location"] == "/"
    assert sign_in(stage, None).post("/login", data={"name": "anna", "secret": PASSWORD}).headers["location"] == "/"
    assert sign_in(stage, None).post("/login", data={"secret": PASSWORD}).headers["location"] == "/"


def test_a_failed_sign_in_keeps_the_name_outside_the_address(stage: Stage, client: Make) -> None:
    for name in ("anna", "berta"):
        accounts.set_password(stage.data, name, "viewer", PASSWORD, 0.0)
    nobody = client(None)
    first = nobody.get("/login").text
    assert re.search(r'<input id="name"[^>]* autocomplete="username"[^>]* autofocus', first)
    assert len(re.findall("autofocus", first)) == 1
    answer = nobody.post("/login", data={"name": "anna", "secret": "wrong"})
    assert answer.headers["location"] == "/login?wrong=1"
    assert re.fullmatch(
        r"edgeface-name=anna; HttpOnly; Max-Age=120; Path=/; SameSite=strict", answer.headers["set-cookie"]
    )
    again = nobody.get("/login?wrong=1").text
    assert re.search(r'<input id="name"[^>]* value="anna"', again)
    assert re.search(r'<input id="secret"[^>]* autocomplete="current-password"[^>]* autofocus', again)
    assert len(re.findall("autofocus", again)) == 1
    # What cannot be a name may be a password in the wrong field, or an attack.
    answer = nobody.post("/login", data={"name": 'My "password"; x=1', "secret": "wrong"})
    assert 'edgeface-name=""; HttpOnly; Max-Age=0' in answer.headers["set-cookie"]
    assert 'value="anna"' not in nobody.get("/login?wrong=1").text
    nobody.post("/login", data={"name": "anna", "secret": "wrong"})
    right = nobody.post("/login", data={"name": "anna", "secret": PASSWORD})
    assert right.headers["location"] == "/"
    assert "edgeface-name" not in nobody.cookies


def test_passwords_cannot_be_tried_for_ever(stage: Stage) -> None:
    accounts.set_password(stage.data, "anna", "viewer", PASSWORD, 0.0)
    accounts.set_password(stage.data, "berta", "admin", PASSWORD, 0.0)
    with at_fixed_time(stage) as (fixed, clock):
        nobody = sign_in(fixed, None)

        def attempt(name: str, secret: str) -> str:
            return str(nobody.post("/login", data={"name": name, "secret": secret}).headers["location"])

        assert [attempt("anna", f"wrong {n}") for n in range(PAIR_TRIES)] == ["/login?wrong=1"] * PAIR_TRIES
        assert attempt("anna", PASSWORD) == "/login?wait=60"
        assert attempt("anna", PASSWORD) == "/login?wait=60"
        assert attempt("berta", PASSWORD) == "/"
        clock.sleep(60)
        assert attempt("anna", PASSWORD) == "/"
    assert stage.notes == [("config", {"web": "too many wrong passwords"})]


def test_an_address_is_limited_whatever_the_names() -> None:
    clock = FixedClock()
    attempts = LoginThrottle(clock)
    assert [attempts.begin(f"name-{n}", "a") for n in range(ADDRESS_TRIES)] == [0.0] * ADDRESS_TRIES
    assert attempts.begin("another", "a") == pytest.approx(3.0)
    assert attempts.begin("another", "b") == 0.0
    clock.sleep(3)
    assert attempts.begin("another", "a") == 0.0
    assert attempts.begin("a third", "a") > 0


def test_an_account_is_limited_over_all_addresses_except_where_it_has_signed_in() -> None:
    clock = FixedClock()
    attempts = LoginThrottle(clock)
    assert attempts.begin("root", "home") == 0.0
    attempts.succeeded("root", "home")
    assert [attempts.begin("root", f"a{n}") for n in range(ACCOUNT_TRIES)] == [0.0] * ACCOUNT_TRIES
    assert attempts.begin("root", "new") == pytest.approx(36.0)
    assert attempts.begin("other", "new") == 0.0
    assert attempts.begin("root", "home") == 0.0
    # Nor may that address guess on for ever.
    assert [attempts.begin("root", "home") for _ in range(5)][-1] > 0


def test_after_many_failures_checks_are_spaced_out() -> None:
    clock = FixedClock()
    attempts = LoginThrottle(clock)
    assert [attempts.pause() for _ in range(ALL_TRIES)] == [0.0] * ALL_TRIES
    assert attempts.pause() == pytest.approx(0.25)
    clock.sleep(1)
    attempts.succeeded("root", "a")
    assert attempts.pause() == 0.0


def test_a_viewer_never_ends_an_admins_session() -> None:
    clock = FixedClock()
    sessions = Sessions(clock)
    admins = [Account(f"admin-{n}", "admin", "password", "h", 0.0) for n in range(MAX_SESSIONS // MAX_OF_ACCOUNT)]
    ids = [sessions.begin(admin, "a") for admin in admins for _ in range(MAX_OF_ACCOUNT - 1)]
    for n in range(5 * MAX_SESSIONS):
        clock.sleep(0.1)
        sessions.begin(Account(f"viewer-{n % 50}", "viewer", "password", "h", 0.0), f"v{n}")
    assert all(sessions.peek(one) for one in ids)
    # With nothing but admins' sessions, a viewer's own ends.
    ids += [sessions.begin(admin, "a") for admin in admins]
    alone = sessions.begin(Account("late", "viewer", "password", "h", 0.0), "v")
    assert sessions.peek(alone) is None
    assert all(sessions.peek(one) for one in ids)


def test_too_many_sessions_of_an_account_end_the_oldest_of_its_busiest_address() -> None:
    sessions = Sessions(FixedClock())
    account = Account("anna", "viewer", "password", "h", 0.0)
    home = sessions.begin(account, "home")
    many = [sessions.begin(account, "elsewhere") for _ in range(3 * MAX_OF_ACCOUNT)]
    assert sessions.peek(home)
    assert [one for one in many if sessions.peek(one)] == many[-MAX_OF_ACCOUNT + 1 :]


def test_a_token_signs_in_by_the_form_too_and_its_revocation_ends_the_session(stage: Stage, client: Make) -> None:
    token, browser = make_token(stage, "viewer"), client(None)
    assert browser.post("/login", data={"secret": token}).headers["location"] == "/"
    assert browser.get("/people").status_code == 200
    accounts.revoke(stage.data, "viewer")
    assert browser.get("/people").status_code == 303
    browser.headers["authorization"] = f"Bearer {token}"
    assert browser.get("/people").status_code == 401


def test_another_password_ends_the_sessions_of_the_old_one(stage: Stage, client: Make) -> None:
    accounts.set_password(stage.data, "anna", "viewer", PASSWORD, 0.0)
    browser = client(None)
    browser.post("/login", data={"name": "anna", "secret": PASSWORD})
    assert browser.get("/people").status_code == 200
    accounts.set_password(stage.data, "anna", "viewer", f"{PASSWORD} staple", 1.0)
    assert browser.get("/people").status_code == 303


def test_a_file_of_accounts_that_is_damaged_lets_nobody_in(stage: Stage, client: Make) -> None:
    browser = client("admin", token=True)
    assert browser.get("/login").status_code == 200
    (stage.data / accounts.FILE).write_text('[{"name": "x", "role": "root"}]')
    assert browser.get("/people").status_code == 401
    with pytest.raises(ConfigError, match="not a file of accounts"):
        read(stage.data)


@pytest.mark.parametrize(
    "after",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "evil",
        "",
        "/a\nb",
        "/\t/evil.example",
        "javascript:x",
    ],
)
def test_nobody_is_led_elsewhere(client: Make, stage: Stage, after: str) -> None:
    code = stage.app.state.auth.sessions.make_code("viewer")
    assert client(None).post("/login", data={"secret": code, "next": after}).headers["location"] == "/"
    assert local(after) == "/"


def web(stage: Stage, *arguments: str, status: int = 0) -> None:
    assert main.main(["web", *arguments, "--config", str(stage.folder / "config.yaml")]) == status


def test_the_verb_makes_and_takes_away(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    web(stage, "list")
    assert "no one can sign in" in capsys.readouterr().out
    web(stage, "token", "--role", "viewer", "--name", "grafana")
    told = capsys.readouterr()
    token = told.out.strip()
    assert token not in told.err
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    web(stage, "password", "--role", "admin")
    file = stage.data / accounts.FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert token not in file.read_text()
    assert PASSWORD not in file.read_text()
    assert {(one["name"], one["kind"]) for one in json.loads(file.read_text())} == {
        ("grafana", "token"),
        ("admin", "password"),
    }
    web(stage, "revoke", "--name", "grafana")
    assert [one.name for one in read(stage.data)] == ["admin"]
    rows = [json.loads(row.row.payload) for row in stage.context.journal.rows(kinds=("config",))]
    assert rows == [
        {"web": "token made", "account": "grafana", "role": "viewer"},
        {"web": "password made", "account": "admin", "role": "admin"},
        {"web": "account revoked", "account": "grafana"},
    ]


def test_the_verb_refuses_what_makes_no_sense(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    web(stage, "token", status=2)
    web(stage, "revoke", status=2)
    web(stage, "revoke", "--name", "nobody", status=1)
    web(stage, "token", "--role", "admin", "--name", "Not An Id", status=1)
    monkeypatch.setattr("sys.stdin", io.StringIO("too short\n"))
    web(stage, "password", "--role", "admin", status=2)
    assert read(stage.data) == ()


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.168.1.5", "edgeface.local"])
def test_plaintext_to_other_machines_is_refused_unless_one_insists(host: str) -> None:
    text = f"cameras: {{porch: {{type: opencv, source: 0}}}}\nweb: {{host: '{host}'}}\n"
    with pytest.raises(ConfigError, match=r"^c:2: web: plaintext on .* insecure: true$"):
        loader.parse(text.encode(), "c")
    assert loader.parse(
        text.replace("}\n", ", insecure: true}\n", 2).replace("0}, insecure: true}", "0}}").encode(), "c"
    )


def test_other_machines_need_an_account_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"data: {tmp_path / 'data'}\ncameras: {{porch: {{type: opencv, source: 0}}}}\n"
        "web: {host: 0.0.0.0, insecure: true}\n"
    )
    # The daemon runs without the page: tests/daemon/test_web_page.py.
    assert main.main(["check", "--config", str(path)]) == 78
    assert "no one has an account" in capsys.readouterr().err
    assert main.main(["web", "token", "--role", "admin", "--config", str(path)]) == 0
    assert main.main(["check", "--config", str(path)]) == 0
