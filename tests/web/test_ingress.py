"""The page inside Home Assistant: its Supervisor signs people in, and no one else can claim that it has."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from edgeface.config import loader
from edgeface.config.configuration import Ingress, Web
from edgeface.core.errors import ConfigError
from edgeface.web.auth.accounts import read, require_account
from edgeface.web.server import Server
from tests.support.web import Stage, addressed, make_app, make_token, stage  # noqa: F401 - fixtures
from tests.web.test_live import Listening, wait_for
from tests.web.test_pages import Markup

if TYPE_CHECKING:
    import httpx
    from starlette.applications import Starlette

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

SUPERVISOR, PROXY, OTHER_APP = "127.0.30.2", "127.0.0.9", "127.0.30.9"
PATH = "/api/hassio_ingress/ab_cdEF-0123456789"
HOME = "http://homeassistant.local:8123"
USERS = {"anna": "admin", "9f86d081884c7d65": "admin", "guest": "none", "bob": "viewer"}
SETTINGS = Web.model_validate(
    {
        "trusted_proxies": [PROXY],
        "ingress": {"enabled": True, "supervisor": SUPERVISOR, "users": USERS},
    }
)


class Inside:
    """A browser in Home Assistant, whose requests come as the Supervisor sends them."""

    def __init__(
        self,
        stage: Stage,
        name: str,
        id_: str = "",
        *,
        peer: str = SUPERVISOR,
        settings: Web = SETTINGS,
        app: Starlette | None = None,
    ) -> None:
        self.app = app or make_app(stage.context, settings)
        self.client = TestClient(
            self.app,
            base_url=HOME,
            client=(peer, 1),
            follow_redirects=False,
            headers={
                "x-ingress-path": PATH,
                "x-forwarded-for": "None, 192.168.1.20",
                "x-forwarded-host": "homeassistant.local:8123",
                "x-forwarded-proto": "http",
                "x-remote-user-id": id_ or f"id-of-{name}",
                "x-remote-user-name": name,
            },
        )

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.client.get(path, **more)  # type: ignore[no-any-return]

    def csrf(self) -> str:
        return next(one["value"] for one in Markup(self.get("/events").text).all("input") if one.get("name") == "csrf")

    def rename(self, csrf: str = "", **headers: str) -> httpx.Response:
        """Change something, as a form of the page does."""
        sent = {"origin": HOME, "sec-fetch-site": "same-origin", **headers}
        data = {"name": "B. Obama", "csrf": csrf}
        return self.client.post("/people/barack/rename", data=data, headers=sent)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("name", "id_", "role"),
    [
        ("anna", "", "admin"),
        ("bob", "", "viewer"),
        ("someone", "", "viewer"),
        ("someone", "9f86d081884c7d65", "admin"),
        ("", "9f86d081884c7d65", "admin"),
        ("", "0000", "viewer"),
        ("Anna", "", "viewer"),
    ],
)
def test_the_user_of_home_assistant_has_a_role_and_needs_no_password(
    stage: Stage, name: str, id_: str, role: str
) -> None:
    inside = Inside(stage, name, id_)
    page = inside.get("/people")
    assert page.status_code == 200
    assert "set-cookie" not in page.headers
    assert inside.get("/settings").status_code == (200 if role == "admin" else 403)
    links = [one["href"] for one in Markup(page.text).all("a") if not one["href"].startswith("#")]
    assert links
    assert all(one.startswith(f"{PATH}/") for one in links)
    assert f'action="{PATH}/logout"' not in page.text, "Home Assistant signs people out"
    assert inside.get("/login").headers["location"] == f"{PATH}/"


def test_someone_without_a_role_is_told_what_to_do(stage: Stage) -> None:
    inside = Inside(stage, "guest")
    for path in ("/", "/people", "/api/v1/people"):
        answer = inside.get(path)
        assert answer.status_code == 403
        assert "guest has no access: an admin gives a role in" in answer.text
    nobody = SETTINGS.model_copy(update={"ingress": SETTINGS.ingress.model_copy(update={"default_role": "none"})})
    assert Inside(stage, "someone", settings=nobody).get("/people").status_code == 403
    assert Inside(stage, "bob", settings=nobody).get("/people").status_code == 200


@pytest.mark.parametrize("header", ["x-remote-user-id", "x-ingress-path"])
def test_without_the_users_id_or_the_path_no_one_is_signed_in(stage: Stage, header: str) -> None:
    inside = Inside(stage, "anna")
    del inside.client.headers[header]
    inside.client.headers["host"] = "localhost"
    inside.client.headers["x-forwarded-host"] = "localhost"
    assert "/login" in inside.get("/people").headers["location"]


def test_a_request_with_an_empty_path_does_not_come_by_ingress(stage: Stage) -> None:
    inside = Inside(stage, "anna")
    inside.client.headers.update({"x-ingress-path": "/", "host": "localhost", "x-forwarded-host": "localhost"})
    answer = inside.get("/people")
    assert (answer.headers["location"], answer.headers["x-frame-options"]) == ("/login?next=/people", "DENY")


@pytest.mark.parametrize("peer", [PROXY, OTHER_APP, "127.0.0.1", "::1", "172.30.32.2"])
def test_from_any_other_peer_the_headers_give_nothing(stage: Stage, peer: str) -> None:
    outside = Inside(stage, "anna", peer=peer)
    outside.client.headers["host"] = "localhost"
    outside.client.headers["x-forwarded-host"] = "localhost"
    answer = outside.get("/people")
    assert answer.status_code == 303
    assert answer.headers["location"].endswith("/login?next=/people")
    assert answer.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert outside.get("/api/v1/people").status_code == 401


def test_by_default_the_supervisor_is_a_peer_like_any_other(stage: Stage) -> None:
    off = Inside(stage, "anna", settings=SETTINGS.model_copy(update={"ingress": Ingress(supervisor=SUPERVISOR)}))
    off.client.headers["host"] = "localhost"
    assert off.get("/people").headers["location"] == "/login?next=/people"
    assert Ingress() == Ingress(enabled=False, supervisor="172.30.32.2", users={}, default_role="viewer")


def test_an_ipv4_address_inside_ipv6_is_the_supervisors(stage: Stage) -> None:
    assert Inside(stage, "anna", peer=f"::ffff:{SUPERVISOR}").get("/settings").status_code == 200


def test_the_frame_is_allowed_there_alone(stage: Stage) -> None:
    inside = Inside(stage, "anna")
    for path in ("/people", "/nowhere", "/static/base.js", "/api/v1/people"):
        answer = inside.get(path)
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'self'" in policy
        assert "frame-ancestors 'none'" not in policy
        assert "default-src 'none'" in policy
    direct = TestClient(inside.app, base_url="http://localhost", client=("127.0.0.1", 1))
    assert direct.get("/login").headers["x-frame-options"] == "DENY"


def test_changes_need_the_token_of_the_users_own_pages(stage: Stage) -> None:
    anna = Inside(stage, "anna")
    bob, other = Inside(stage, "bob", app=anna.app), Inside(stage, "x", "9f86d081884c7d65", app=anna.app)
    assert anna.rename().status_code == 403
    assert anna.rename(csrf=other.csrf()).status_code == 403
    assert Inside(stage, "anna").csrf() != anna.csrf(), "a token ends with the process"
    right = anna.csrf()
    assert bob.rename(csrf=right).status_code == 403
    assert anna.rename(csrf=right, origin="http://evil.example").status_code == 403
    assert anna.rename(csrf=right, **{"sec-fetch-site": "cross-site"}).status_code == 403
    answer = anna.rename(csrf=right)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}/people/barack?done=renamed")


def test_the_audit_trail_has_the_user_as_one_of_home_assistant(stage: Stage) -> None:
    anna = Inside(stage, "anna")
    sent = {"origin": HOME, "x-csrf-token": anna.csrf()}
    made = anna.client.post("/tokens", data={"name": "garage", "role": "viewer"}, headers=sent)
    assert made.status_code == 200, made.text
    assert stage.notes[-1][1]["by"] == "ingress:anna"


def test_a_user_of_home_assistant_makes_no_administrator_who_would_outlast_their_own_role(addressed: Stage) -> None:
    anna = Inside(addressed, "anna")
    sent = {"origin": HOME, "x-csrf-token": anna.csrf()}
    for path in ("/accounts", "/tokens"):
        assert "admin" not in [one.get("value") for one in Markup(anna.get(path).text).all("option")]
    wanted = {"name": "garage", "days": "", "role": "admin"}
    for path in ("/accounts/invitations", "/tokens"):
        assert anna.client.post(path, data=wanted, headers=sent).status_code == 409
        assert anna.client.post(path, data={**wanted, "role": "viewer"}, headers=sent).status_code == 200
    assert [one.role for one in read(addressed.data)] == ["viewer"]
    assert [one.role for one in anna.app.state.auth.invitations.open()] == ["viewer"]


def test_a_stream_of_events_is_open_to_the_user(stage: Stage) -> None:
    settings = Web(port=0, ingress=Ingress(enabled=True, supervisor="127.0.0.1"))
    server = Server(make_app(stage.context, settings), settings, stage.context.hub)
    server.start()
    try:
        assert server.wait(60), server.problem
        with closing(Listening(server, x_ingress_path=PATH, x_remote_user_id="0000")) as stream:
            assert stream.block() == {"retry": "3000"}
            wait_for(lambda: stage.context.hub.listeners == 1)
            stage.context.hub.on_message({"kind": "match", "id": "a"})
            assert stream.event() == ("a", {"kind": "match", "id": "a"})
        with closing(Listening(server, x_ingress_path=PATH)) as stream:
            assert stream.answer.status == 401
    finally:
        server.stop()


def test_a_user_sees_the_list_of_sessions(stage: Stage) -> None:
    assert Inside(stage, "bob").get("/sessions").status_code == 200


def test_a_token_works_through_ingress_too(stage: Stage) -> None:
    inside = Inside(stage, "guest")
    inside.client.headers["authorization"] = f"Bearer {make_token(stage, 'viewer')}"
    assert inside.get("/api/v1/people").status_code == 200
    inside.client.headers["authorization"] = "Bearer wrong"
    assert inside.get("/api/v1/people").status_code == 401


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-remote-user-id", "a" * 300),
        ("x-remote-user-id", "\u202eanna"),
        ("x-remote-user-name", "a\x7fb"),
    ],
)
def test_a_user_that_cannot_be_shown_is_refused(stage: Stage, header: str, value: str) -> None:
    inside = Inside(stage, "anna")
    answer = inside.client.get("/people", headers=[(header.encode(), value.encode())])
    assert answer.status_code == 400
    assert f"header {header.title()} cannot be used" in answer.text


def test_a_name_in_utf_8_is_the_one_in_the_configuration(stage: Stage) -> None:
    settings = SETTINGS.model_copy(
        update={"ingress": SETTINGS.ingress.model_copy(update={"users": {"j\u00fcrgen": "admin"}})}
    )
    inside = Inside(stage, "someone", settings=settings)
    headers = [(b"x-remote-user-name", "j\u00fcrgen".encode())]
    inside.client.headers.pop("x-remote-user-name")
    assert inside.client.get("/settings", headers=headers).status_code == 200


def test_a_page_inside_home_assistant_needs_no_account_of_its_own(stage: Stage) -> None:
    text = (stage.folder / "config.yaml").read_text()
    open_ = "web: {host: 0.0.0.0, insecure: true%s}\n"
    loaded = [
        loader.parse(text.replace("web: {}\n", open_ % more).encode(), "c")
        for more in ("", ", ingress: {enabled: true}")
    ]
    with pytest.raises(ConfigError, match="no one has an account"):
        require_account(loaded[0])
    require_account(loaded[1])


@pytest.mark.parametrize(
    ("ingress", "words"),
    [
        ({"supervisor": "supervisor"}, "web.ingress.supervisor: should be an IP address, such as 172.30.32.2"),
        ({"supervisor": "172.30.32.0/23"}, "web.ingress.supervisor: should be an IP address, such as 172.30.32.2"),
        ({"users": {"anna": "owner"}}, "web.ingress.users.anna: "),
        ({"users": {"": "admin"}}, "web.ingress.users"),
        ({"default_role": "recognise"}, "web.ingress.default_role: "),
        ({"enable": True}, "web.ingress.enable: "),
    ],
)
def test_a_mistake_is_one_clear_line(ingress: dict[str, object], words: str) -> None:
    text = f"cameras: {{porch: {{type: opencv, source: 0}}}}\nweb:\n  ingress: {json.dumps(ingress)}\n"
    with pytest.raises(ConfigError) as raised:
        loader.parse(text.encode(), "c")
    assert str(raised.value).startswith(f"c:3: {words}")
    assert "\n" not in str(raised.value)
