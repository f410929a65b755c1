"""Accounts by invitation, sessions that are listed and ended, and tokens made in the page."""

from __future__ import annotations

import dataclasses
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from edgeface.config import loader
from edgeface.config.configuration import Web
from edgeface.core.errors import GalleryError, UsageError
from edgeface.web.account_pages.accounts import page_address
from edgeface.web.auth import accounts, last_use
from edgeface.web.auth.accounts import Account, digest, read
from edgeface.web.auth.devices import device_of
from edgeface.web.auth.invitations import MAX_OPEN, SECONDS, Invitations
from edgeface.web.http.throttle import ADDRESS_TRIES, PAIR_TRIES
from edgeface.web.live import stream
from edgeface.web.texts import account_strings
from tests.support.clock import FixedClock
from tests.support.web import (  # noqa: F401 - fixtures
    COOKIE,
    ORIGIN,
    Stage,
    addressed,
    client,
    make_app,
    server,
    sign_in,
    stage,
)
from tests.web.test_live import Listening, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from edgeface.web.server import Server

    Make = Callable[..., TestClient]

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

PASSWORD = "correct horse battery"  # noqa: S105 - of a test
PAGE = "https://faces.example"
DATA = Path(__file__).parents[1] / "data" / "v0.1" / "data"
PHONE = "Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0"


def admin_of(stage: Stage, name: str = "root") -> TestClient:
    """A browser in which an administrator with a password is signed in."""
    accounts.set_password(stage.data, name, "admin", PASSWORD, 0.0)
    return signed_in(stage, name)


def signed_in(stage: Stage, name: str, **headers: str) -> TestClient:
    browser = TestClient(stage.app, base_url=ORIGIN, follow_redirects=False, headers=headers)
    answer = browser.post("/login", data={"name": name, "secret": PASSWORD})
    assert answer.headers["location"] == "/", answer.headers
    auth = stage.app.state.auth
    browser.headers["x-csrf-token"] = auth.sessions.peek(browser.cookies[COOKIE]).csrf
    return browser


def invite(browser: TestClient, role: str = "viewer") -> str:
    """Make an invitation; gives the path of its link."""
    answer = browser.post("/accounts/invitations", data={"role": role})
    assert answer.status_code == 200, answer.text
    return shown(answer).removeprefix(PAGE)


def shown(answer: httpx.Response) -> str:
    """The secret that a page shows once."""
    (found,) = re.findall(r"data-secret>([^<]+)<", answer.text)
    return str(found)


def accept(browser: TestClient, path: str, name: str = "anna", secret: str = PASSWORD, **more: str) -> httpx.Response:
    given = {"name": name, "password": secret, "repeat": secret, **more}
    return browser.post(path, data=given)  # type: ignore[no-any-return]


def notes(stage: Stage) -> list[dict[str, Any]]:
    return [facts for _, facts in stage.notes]


# Invitations


def test_someone_who_is_invited_makes_an_account_and_is_signed_in(addressed: Stage, client: Make) -> None:
    admin = admin_of(addressed)
    link = shown(admin.post("/accounts/invitations", data={"role": "viewer"}))
    assert re.fullmatch(PAGE + r"/invitation/[\w-]{43}", link)
    path, nobody = link.removeprefix(PAGE), client(None)
    page = nobody.get(path)
    assert (page.status_code, "autofocus" in page.text, 'autocomplete="new-password"' in page.text) == (200, True, True)
    answer = accept(nobody, path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert nobody.get("/people").status_code == 200
    assert nobody.get("/accounts").status_code == 403
    assert [(one.name, one.role, one.kind) for one in read(addressed.data)] == [
        ("root", "admin", "password"),
        ("anna", "viewer", "password"),
    ]
    assert client(None).post("/login", data={"name": "anna", "secret": PASSWORD}).headers["location"] == "/"
    assert notes(addressed) == [
        {"web": "account invited", "role": "viewer", "by": "root"},
        {"web": "account added", "account": "anna", "role": "viewer", "by": "root"},
    ]
    files = [one.read_bytes() for one in addressed.data.rglob("*") if one.is_file()]
    secret = path.rpartition("/")[2]
    assert not any(secret.encode() in one or PASSWORD.encode() in one for one in files)


def test_a_link_is_shown_once_and_works_once(addressed: Stage, client: Make) -> None:
    admin = admin_of(addressed)
    path = invite(admin)
    assert path.rpartition("/")[2] not in admin.get("/accounts").text
    assert accept(client(None), path).status_code == 303
    late = accept(client(None), path, "berta")
    assert (late.status_code, account_strings.INVITED_GONE in late.text) == (404, True)
    assert client(None).get(path).status_code == 404
    assert {one.name for one in read(addressed.data)} == {"root", "anna"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": "../x"}, "not an id"),
        ({"name": "Anna Smith"}, "not an id"),
        ({"name": ""}, "not an id"),
        ({"name": "root"}, "this name is taken"),
        ({"password": "too short", "repeat": "too short"}, "at least 12 characters"),
        ({"password": "x" * 1025, "repeat": "x" * 1025}, "at most 1024 bytes"),
        ({"repeat": "another horse battery"}, account_strings.INVITED_DIFFERENT),
    ],
)
def test_a_form_with_a_mistake_does_not_use_the_link(
    addressed: Stage, client: Make, fields: dict[str, str], says: str
) -> None:
    path, nobody = invite(admin_of(addressed)), client(None)
    wrong = nobody.post(path, data={"name": "anna", "password": PASSWORD, "repeat": PASSWORD, **fields})
    assert (wrong.status_code, says in wrong.text) == (409, True)
    assert PASSWORD not in wrong.text
    assert "set-cookie" not in wrong.headers
    assert accept(nobody, path).status_code == 303


def test_another_site_cannot_use_a_link_and_no_file_is_taken(addressed: Stage, client: Make) -> None:
    path, nobody = invite(admin_of(addressed)), client(None)
    given = {"name": "anna", "password": PASSWORD, "repeat": PASSWORD}
    assert nobody.post(path, data=given, headers={"origin": "http://evil.example"}).status_code == 403
    assert nobody.post(path, data=given, files={"photo": ("a.jpg", b"x")}).status_code == 415
    assert nobody.post(path, content=b"{}", headers={"content-type": "application/json"}).status_code == 415
    assert accept(nobody, path).status_code == 303


def test_wrong_links_are_limited_and_right_ones_are_not(addressed: Stage, client: Make) -> None:
    path, nobody = invite(admin_of(addressed)), client(None)
    statuses = [nobody.get(f"/invitation/{n}").status_code for n in range(PAIR_TRIES + 1)]
    assert statuses == [404] * PAIR_TRIES + [429]
    limited = nobody.post("/invitation/x", data={"name": "anna"})
    assert (limited.status_code, 1 <= int(limited.headers["retry-after"]) <= 60) == (429, True)
    assert accept(nobody, path).status_code == 303


def test_wrong_links_take_no_tries_of_those_who_sign_in_at_the_same_address(addressed: Stage, client: Make) -> None:
    nobody, throttle = client(None), addressed.app.state.auth.throttle
    for number in range(2 * ADDRESS_TRIES):
        nobody.get(f"/invitation/{number}")
    answers = [throttle.begin(f"someone-{number}", "testclient") for number in range(ADDRESS_TRIES + 1)]
    assert answers[:-1] == [0.0] * ADDRESS_TRIES
    assert answers[-1] > 0


def test_an_invitation_ends_after_a_day_and_when_it_is_revoked() -> None:
    clock, by = FixedClock(), Account("root", "admin", "password", "h", 0.0)
    made = Invitations(clock, lambda account: account == by)
    old, other = made.make("viewer", by), made.make("admin", by)
    assert [one.role for one in made.open()] == ["viewer", "admin"]
    found = made.find(other)
    assert found is not None
    assert made.revoke(found.id) == found
    assert (made.find(other), made.revoke(found.id)) == (None, None)
    clock.sleep(SECONDS - 1)
    assert made.left(made.open()[0]) == pytest.approx(1.0)
    assert made.find(old) is not None
    clock.sleep(1)
    assert (made.find(old), made.take(old), made.open()) == (None, None, [])


def test_only_so_many_invitations_are_open_and_none_is_for_a_program() -> None:
    by = Account("root", "admin", "password", "h", 0.0)
    made = Invitations(FixedClock(), lambda _: True)
    for _ in range(MAX_OPEN):
        made.make("viewer", by)
    with pytest.raises(UsageError, match="revoke one first"):
        made.make("viewer", by)
    with pytest.raises(UsageError, match="as viewer or admin"):
        Invitations(FixedClock(), lambda _: True).make("recognise", by)


def test_only_a_hash_of_a_link_is_kept() -> None:
    made = Invitations(FixedClock(), lambda _: True)
    secret = made.make("viewer", Account("root", "admin", "password", "h", 0.0))
    assert len(secret) * 6 >= 256
    assert secret not in repr(vars(made))
    assert digest(secret) in vars(made)["_open"]


def test_the_invitations_of_an_administrator_end_with_the_account(addressed: Stage, client: Make) -> None:
    root, other = admin_of(addressed), admin_of(addressed, "other")
    path, kept = invite(other), invite(root)
    assert root.post("/accounts/other/remove").status_code == 303
    assert client(None).get(path).status_code == 404
    assert accept(client(None), kept).status_code == 303


def test_an_open_invitation_is_revoked_on_the_page(addressed: Stage, client: Make) -> None:
    admin = admin_of(addressed)
    path = invite(admin, "admin")
    page = admin.get("/accounts").text
    assert "administrator, made by root, ends in 24 h" in page
    (revoke,) = re.findall(r'action="(/accounts/invitations/\w+/revoke)"', page)
    assert admin.post(revoke).headers["location"] == "/accounts?done=invitation_revoked"
    assert admin.post(revoke).status_code == 404
    assert client(None).get(path).status_code == 404
    assert notes(addressed)[-1] == {"web": "invitation revoked", "role": "admin", "by": "root"}


def test_without_an_address_the_page_says_what_to_set(stage: Stage) -> None:
    admin = admin_of(stage)
    for answer in (admin.get("/accounts"), admin.post("/accounts/invitations", data={"role": "viewer"})):
        assert "notify.page" in answer.text
        assert "data-secret" not in answer.text
    assert stage.app.state.auth.invitations.open() == []


@pytest.mark.parametrize(
    ("web", "address"),
    [
        ("", None),
        ("hosts: [faces.example]", None),
        ("tls: {certificate: c, key: k}", None),
        ("tls: {certificate: c, key: k}, hosts: [faces.example, b.example]", "https://faces.example:8099"),
        ("tls: {certificate: c, key: k}, hosts: [faces.example], port: 443", "https://faces.example"),
    ],
)
def test_the_address_of_a_link_is_the_configured_one(stage: Stage, web: str, address: str | None) -> None:
    text = f"data: {stage.data}\ncameras: {{porch: {{type: replay, path: x}}}}\nweb: {{{web}}}\n"
    assert page_address(loader.parse(text.encode(), "c")) == address


def test_no_invitation_is_sent_over_plain_http(stage: Stage) -> None:
    target = "{type: webhook, url: 'https://w.example', secret_env: W}"
    notify = (
        f"notify: {{page: 'http://faces.example/', targets: {{w: {target}}}, rules: [{{kinds: [match], to: [w]}}]}}"
    )
    text = f"data: {stage.data}\ncameras: {{porch: {{type: replay, path: x}}}}\nweb: {{}}\n{notify}\n"
    assert page_address(loader.parse(text.encode(), "c")) is None


# Accounts


def test_accounts_are_listed_with_role_and_last_sign_in(stage: Stage) -> None:
    with_clock = dataclasses.replace(stage.context, clock=FixedClock(1000.0, 1_789_999_000.0))
    fixed = dataclasses.replace(stage, context=with_clock, app=make_app(with_clock, Web()))
    accounts.set_password(stage.data, "anna", "viewer", PASSWORD, 1.0)
    admin = admin_of(fixed)
    rows = {
        name: row
        for row, name in re.findall(r"<tr>(\s*<th scope=\"row\">(\w+).*?)</tr>", admin.get("/accounts").text, re.DOTALL)
    }
    assert "2026-09-21 14:13:20" in rows["root"]
    assert account_strings.ACCOUNTS_YOU in rows["root"]
    assert account_strings.ACCOUNTS_LAST in rows["root"]
    assert "never" in rows["anna"]
    # A daemon that starts later still knows it.
    again = dataclasses.replace(fixed, app=make_app(with_clock, Web()))
    assert "2026-09-21 14:13:20" in signed_in(again, "anna").get("/sessions").text
    assert again.app.state.auth.last_use.of(read(stage.data)[1]) == 1_790_000_000.0
    assert (stage.data / last_use.FILE).stat().st_mode & 0o777 == 0o600


def test_removing_an_account_ends_its_sessions_and_the_last_admin_stays(stage: Stage) -> None:
    accounts.set_password(stage.data, "anna", "viewer", PASSWORD, 0.0)
    admin, anna = admin_of(stage), signed_in(stage, "anna")
    assert anna.get("/people").status_code == 200
    assert admin.post("/accounts/anna/remove").headers["location"] == "/accounts?done=account_removed"
    assert anna.get("/people").status_code == 303
    assert [one.account.name for one in stage.app.state.auth.sessions.all()] == ["root"]
    assert notes(stage) == [{"web": "account removed", "account": "anna", "role": "viewer", "by": "root"}]
    # A token is no one who could sign in with a password.
    accounts.make_token(stage.data, "program", "admin", 0.0)
    refused = admin.post("/accounts/root/remove")
    assert (refused.status_code, "is the last administrator" in refused.text) == (409, True)
    assert admin.post("/accounts/nobody/remove").status_code == 409
    other = admin_of(stage, "other")
    assert admin.post("/accounts/root/remove").headers["location"] == "/login"
    assert admin.get("/people").status_code == 303
    assert other.get("/accounts").status_code == 200


def test_two_changes_at_once_lose_nothing(stage: Stage) -> None:
    names = [f"program-{n}" for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda name: accounts.make_token(stage.data, name, "viewer", 0.0), names))
    assert {one.name for one in read(stage.data)} == set(names)
    assert len(set(made)) == len(names)


def test_two_who_remove_the_last_two_admins_at_once_leave_one(stage: Stage) -> None:
    for name in ("anna", "berta"):
        accounts.set_password(stage.data, name, "admin", PASSWORD, 0.0)

    def remove(name: str) -> bool:
        try:
            accounts.remove(stage.data, name, "password")
        except GalleryError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(remove, ("anna", "berta"))) == [False, True]
    assert len(read(stage.data)) == 1


def test_a_file_of_0_1_is_read_and_kept(tmp_path: Path) -> None:
    old = (DATA / "web.json").read_bytes()
    (tmp_path / accounts.FILE).write_bytes(old)
    before = read(tmp_path)
    assert before
    assert all(one.expires is None for one in before)
    accounts.make_token(tmp_path, "new", "viewer", 0.0)
    assert read(tmp_path)[: len(before)] == before
    # What does not expire is written as 0.1 wrote it, so that it can still be read there.
    assert {frozenset(one) for one in json.loads((tmp_path / accounts.FILE).read_text())} == {
        frozenset({"name", "role", "kind", "hash", "created"})
    }


# Sessions


def test_everyone_sees_their_own_sessions_and_an_admin_all(stage: Stage) -> None:
    for name in ("anna", "berta"):
        accounts.set_password(stage.data, name, "viewer", PASSWORD, 0.0)
    admin, anna = admin_of(stage), signed_in(stage, "anna", **{"user-agent": PHONE})
    signed_in(stage, "berta")
    own = anna.get("/sessions").text
    assert "Firefox on Android" in own
    assert PHONE not in own
    assert "testclient" in own, "the address"
    assert own.count('action="/sessions/') == 1
    everyone = admin.get("/sessions").text
    assert len(re.findall(r'action="/sessions/\w{16}/end"', everyone)) == 3
    assert all(f">{name}<" in everyone for name in ("anna", "berta", "root"))


def test_a_session_is_ended_from_another_browser(stage: Stage) -> None:
    accounts.set_password(stage.data, "anna", "viewer", PASSWORD, 0.0)
    accounts.set_password(stage.data, "berta", "viewer", PASSWORD, 0.0)
    phone, laptop, berta = (signed_in(stage, name) for name in ("anna", "anna", "berta"))
    ids = {one.account.name: one.id for one in stage.app.state.auth.sessions.all()}
    assert laptop.post(f"/sessions/{ids['berta']}/end").status_code == 404
    assert berta.get("/people").status_code == 200
    of_phone = next(one for one in stage.app.state.auth.sessions.all()[::-1] if one.account.name == "anna")
    assert laptop.post(f"/sessions/{of_phone.id}/end").headers["location"] == "/sessions?done=session_ended"
    assert [one.get("/people").status_code for one in (phone, laptop, berta)] == [303, 200, 200]
    assert notes(stage) == [{"web": "sessions ended", "account": "anna", "count": 1, "by": "anna"}]
    own = next(one for one in stage.app.state.auth.sessions.all() if one.account.name == "anna")
    signed_out = laptop.post(f"/sessions/{own.id}/end")
    assert signed_out.headers["location"] == "/login"
    assert laptop.get("/people").status_code == 303


def test_all_other_sessions_are_ended(stage: Stage) -> None:
    accounts.set_password(stage.data, "anna", "viewer", PASSWORD, 0.0)
    admin = admin_of(stage)
    first, second, third = (signed_in(stage, "anna") for _ in range(3))
    assert first.post("/sessions/end-all").status_code == 403
    assert first.post("/sessions/end-others").headers["location"] == "/sessions?done=sessions_ended"
    assert [one.get("/people").status_code for one in (first, second, third, admin)] == [200, 303, 303, 200]
    assert admin.post("/sessions/end-all").status_code == 303
    assert [one.get("/people").status_code for one in (first, admin)] == [303, 200]


@pytest.mark.parametrize("how", ["session ended", "account removed", "token revoked"])
def test_an_open_stream_ends_at_once_and_nothing_more_is_sent(server: Server, stage: Stage, how: str) -> None:
    assert stream.CHECK_SECONDS <= 1
    accounts.set_password(stage.data, "anna", "viewer", PASSWORD, 0.0)
    admin, anna, auth = admin_of(stage), signed_in(stage, "anna"), stage.app.state.auth
    if how == "token revoked":
        token = accounts.make_token(stage.data, "anna", "viewer", 0.0)
        listening = Listening(server, authorization=f"Bearer {token}")
        path = "/tokens/anna/revoke"
    else:
        listening = Listening(server, cookie=f"{COOKIE}={anna.cookies[COOKIE]}")
        own = next(one for one in auth.sessions.all() if one.account.name == "anna")
        path = f"/sessions/{own.id}/end" if how == "session ended" else "/accounts/anna/remove"
    assert listening.block() == {"retry": "3000"}
    assert admin.post(path).status_code == 303
    stage.context.hub.on_message({"kind": "match", "id": "late"})
    assert listening.block() == {}
    listening.close()


def test_an_idle_stream_ends_within_a_second_of_its_session(server: Server, stage: Stage) -> None:
    accounts.set_password(stage.data, "anna", "viewer", PASSWORD, 0.0)
    anna, auth = signed_in(stage, "anna"), stage.app.state.auth
    listening = Listening(server, cookie=f"{COOKIE}={anna.cookies[COOKIE]}")
    assert listening.block() == {"retry": "3000"}
    auth.sessions.end(anna.cookies[COOKIE])
    wait_for(lambda: stage.context.hub.listeners == 0)
    listening.close()


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (PHONE, "Firefox on Android"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/131.0 Safari/537.36 Edg/131.0", "Edge on Windows"),
        ("curl/8.5.0", ""),
        ("<script>alert(1)</script>" * 1000, ""),
    ],
)
def test_a_browser_is_named_in_two_words(header: str, words: str) -> None:
    assert device_of(header) == words


# Tokens


def test_a_token_is_made_in_the_page_shown_once_and_revoked(stage: Stage, client: Make) -> None:
    admin = admin_of(stage)
    answer = admin.post("/tokens", data={"name": "grafana", "role": "viewer", "days": "30"})
    token = shown(answer)
    assert re.fullmatch(r"edgeface_[\w-]{43}", token)
    assert token not in admin.get("/tokens").text
    assert token not in (stage.data / accounts.FILE).read_text()
    program = client(None)
    program.headers["authorization"] = f"Bearer {token}"
    assert account_strings.TOKENS_COLUMNS[3] in admin.get("/tokens").text
    assert program.get("/api/v1/people").status_code == 200
    (made,) = [one for one in read(stage.data) if one.kind == "token"]
    assert made.expires == pytest.approx(made.created + 30 * 86_400)
    assert stage.app.state.auth.last_use.of(made) is not None
    assert admin.post("/tokens/grafana/revoke").headers["location"] == "/tokens?done=token_revoked"
    assert program.get("/api/v1/people").status_code == 401
    assert admin.post("/tokens/grafana/revoke").status_code == 409
    assert notes(stage) == [
        {"web": "token made", "account": "grafana", "role": "viewer", "by": "root"},
        {"web": "token revoked", "account": "grafana", "role": "viewer", "by": "root"},
    ]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": "Not An Id"}, "not an id"),
        ({"role": "root"}, account_strings.TOKENS_CHOOSE),
        ({"days": "-1"}, account_strings.TOKENS_CHOOSE),
        ({"days": "9" * 30}, account_strings.TOKENS_CHOOSE),
        ({"name": "taken"}, "this name is taken"),
    ],
)
def test_a_token_with_a_mistake_is_not_made(stage: Stage, fields: dict[str, str], says: str) -> None:
    kept = accounts.make_token(stage.data, "taken", "viewer", 0.0)
    before, admin = read(stage.data), admin_of(stage)
    answer = admin.post("/tokens", data={"name": "grafana", "role": "viewer", "days": "", **fields})
    assert (answer.status_code, says in answer.text) == (409, True)
    assert [one for one in read(stage.data) if one.kind == "token"] == list(before)
    assert stage.app.state.auth.accounts.by_token(kept) is not None


def test_a_token_ends_on_its_day_also_as_a_session_and_with_a_clock_that_was_reset(stage: Stage) -> None:
    clock = FixedClock(1000.0, 1_790_000_000.0)
    made, with_clock = clock.wall(), dataclasses.replace(stage.context, clock=clock)
    fixed = dataclasses.replace(stage, context=with_clock, app=make_app(with_clock, Web()))
    token = accounts.make_token(stage.data, "grafana", "viewer", clock.wall(), days=1)
    known, session = fixed.app.state.auth.accounts, sign_in(fixed, None)
    assert session.post("/login", data={"secret": token}).headers["location"] == "/"
    assert session.get("/people").status_code == 200
    for wall, valid in ((86_399.0, True), (86_400.0, False), (-299.0, True), (-301.0, False), (-1.79e9, False)):
        clock.epoch = made + wall - clock.now
        assert (known.by_token(token) is not None) == valid, wall
        assert (session.get("/people").status_code == 200) == valid, wall


def test_a_lifetime_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    for days in (0, -1, accounts.MAX_DAYS + 1):
        with pytest.raises(UsageError, match="expires after 1 to"):
            accounts.make_token(tmp_path, "x", "viewer", 0.0, days=days)


def test_the_time_of_last_use_is_written_once_an_hour_and_no_fault_of_it_matters(tmp_path: Path) -> None:
    clock = FixedClock(1000.0, 1_790_000_000.0)
    used, account = last_use.LastUse(tmp_path, clock), Account("grafana", "viewer", "token", "h", 1_789_000_000.0)
    assert [used.note(account), used.note(account)] == [True, False]
    clock.sleep(last_use.WRITE_SECONDS)
    assert used.note(account)
    used.save()
    assert last_use.LastUse(tmp_path, clock).of(account) == used.of(account) is not None
    made_later = dataclasses.replace(account, created=clock.wall() + 1)
    assert used.of(made_later) is None
    for broken in ("", "[]", '{"x": "y"}', '{"x": 1e999}', "x" * 100_000):
        (tmp_path / last_use.FILE).write_text(broken)
        assert last_use.LastUse(tmp_path, clock).of(account) is None
    last_use.LastUse(tmp_path / "missing", clock).save()


def test_nothing_on_these_pages_is_for_a_viewer(stage: Stage, client: Make) -> None:
    viewer = client("viewer")
    for path in ("/accounts", "/tokens"):
        assert viewer.get(path).status_code == 403
        assert f'href="{path}"' not in viewer.get("/sessions").text
    assert all(f'href="{path}"' in client("admin").get("/sessions").text for path in ("/accounts", "/tokens"))
    assert stage.app.state.auth.invitations.open() == []
