"""What a reverse proxy reports of a request: trusted ones that end TLS or lie, and peers that only claim to be one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from edgeface.config.configuration import Ingress, Web
from tests.support.web import Stage, make_app, stage  # noqa: F401 - fixtures
from tests.web.test_base_path import WRONG

if TYPE_CHECKING:
    import httpx

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

PROXY, STRANGER = "127.0.0.9", "127.0.0.8"
SETTINGS = Web(trusted_proxies=(PROXY,), hosts=("home.example",))
CLAIMS = {
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "home.example:8443",
    "x-forwarded-prefix": "/doors/edgeface",
    "x-ingress-path": "/api/hassio_ingress/abc",
    "x-remote-user-id": "0123456789abcdef",
    "x-remote-user-name": "anna",
}
TOKEN = "ab_cdEF-0123456789"  # noqa: S105 - part of a path


def client_at(stage: Stage, peer: str, headers: dict[str, str] | None = None, settings: Web = SETTINGS) -> TestClient:
    """A client whose connection comes from `peer`."""
    base = "http://127.0.0.1:8099"
    return TestClient(
        make_app(stage.context, settings), base_url=base, client=(peer, 1), follow_redirects=False, headers=headers
    )


def sign_in(client: Any, **headers: str) -> httpx.Response:
    """The answer to a form that a browser sends with these headers."""
    code = client.app.state.auth.sessions.make_code("admin")
    return client.post("/login", data={"secret": code}, headers=headers)  # type: ignore[no-any-return]


def test_https_at_the_proxy_signs_in(stage: Stage) -> None:
    client = client_at(
        stage, PROXY, {"x-forwarded-proto": "https", "x-forwarded-host": "home.example:8443", "host": "127.0.0.1"}
    )
    answer = sign_in(client, origin="https://home.example:8443")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert re.match(r"__Host-edgeface=.*; Secure$", answer.headers["set-cookie"])
    assert "strict-transport-security" not in answer.headers, "the proxy's host may serve others over http"
    for origin in ("http://home.example:8443", "https://home.example", "https://evil.example", "null"):
        assert sign_in(client, origin=origin).status_code == 403, origin
    assert sign_in(client, **{"sec-fetch-site": "cross-site"}).status_code == 403


def test_several_proxies_that_agree_on_https_are_https(stage: Stage) -> None:
    client = client_at(stage, PROXY, {"x-forwarded-proto": "https, https", "host": "home.example"})
    assert sign_in(client, origin="http://home.example").status_code == 403
    assert "Secure" in sign_in(client, origin="https://home.example").headers["set-cookie"]


def test_several_proxies_that_do_not_agree_report_no_scheme(stage: Stage) -> None:
    client = client_at(stage, PROXY, {"x-forwarded-proto": "https, http", "host": "home.example"})
    assert "Secure" not in sign_in(client, origin="https://home.example").headers["set-cookie"]


def test_http_at_the_proxy_is_no_https(stage: Stage) -> None:
    client = client_at(stage, PROXY, {"x-forwarded-proto": "http", "host": "home.example"})
    assert sign_in(client, origin="https://home.example").status_code == 403
    answer = sign_in(client, origin="http://home.example")
    assert answer.status_code == 303
    assert "Secure" not in answer.headers["set-cookie"]


def test_a_proxy_that_does_not_report_the_scheme_may_have_ended_tls(stage: Stage) -> None:
    client = client_at(stage, PROXY, {"host": "home.example"})
    assert sign_in(client, origin="https://home.example").status_code == 303
    assert sign_in(client, origin="http://home.example").status_code == 303
    assert (
        sign_in(client_at(stage, STRANGER, {"host": "home.example"}), origin="https://home.example").status_code == 403
    )


def test_the_host_that_the_proxy_reports_must_be_known(stage: Stage) -> None:
    known = client_at(stage, PROXY, {"x-forwarded-host": "home.example", "host": "backend.internal"})
    assert known.get("/login").status_code == 200
    unknown = client_at(stage, PROXY, {"x-forwarded-host": "evil.example", "host": "home.example"})
    assert unknown.get("/login").status_code == 421


@pytest.mark.parametrize("settings", [SETTINGS, SETTINGS.model_copy(update={"trusted_proxies": ()})])
def test_what_an_untrusted_peer_claims_is_ignored(stage: Stage, settings: Web) -> None:
    plain, claiming = client_at(stage, STRANGER, None, settings), client_at(stage, STRANGER, CLAIMS, settings)
    for path in ("/login", "/people", "/api/v1/people", "/nowhere"):
        expected, answer = plain.get(path), claiming.get(path)
        assert answer.status_code == expected.status_code
        assert answer.headers == expected.headers
        assert answer.text == expected.text
        assert answer.headers["x-frame-options"] == "DENY"
    assert sign_in(claiming, origin="https://home.example:8443").status_code == 403
    answer = sign_in(claiming, origin="http://127.0.0.1:8099")
    assert re.fullmatch(r"edgeface=[\w-]{43}; HttpOnly; Path=/; SameSite=strict", answer.headers["set-cookie"])
    # The addresses that limits count are those of the connections.
    for number in range(25):
        claiming.post("/login", data={"secret": "wrong"}, headers={"x-forwarded-for": f"203.0.113.{number}"})
    assert "wait=" in claiming.post("/login", data={"secret": "wrong"}).headers["location"]


def test_a_trusted_proxy_names_no_user(stage: Stage) -> None:
    """Only Home Assistant's Supervisor does."""
    for ingress in (Ingress(), Ingress(enabled=True)):
        client = client_at(stage, PROXY, CLAIMS, SETTINGS.model_copy(update={"ingress": ingress}))
        answer = client.get("/people")
        assert answer.headers["location"] == "/api/hassio_ingress/abc/login?next=/people"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


HOST = "the reverse proxy's header X-Forwarded-Host cannot be used: it must be one host name"
PROTO = "the reverse proxy's header X-Forwarded-Proto cannot be used: it must be http or https"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("x-forwarded-proto", "https, javascript", PROTO),
        ("x-forwarded-proto", "javascript", PROTO),
        ("x-forwarded-proto", "\u00e4", PROTO),
        ("x-forwarded-proto", "h" * 8000, "it must have 255 characters at most"),
        ("x-forwarded-host", "home.example, evil.example", HOST),
        ("x-forwarded-host", "[::1", HOST),
        ("x-forwarded-host", "a" * 300, "it must have 255 characters at most"),
        ("x-forwarded-prefix", "/a, /b", "it has a character that is not a letter"),
        ("x-forwarded-prefix", "/a" * 1000, "it must have 255 characters at most"),
        *(
            (name, path, f"it {words}")
            for path, words in WRONG
            if path.isascii() and path.isprintable()
            for name in ("x-forwarded-prefix", "x-ingress-path")
        ),
    ],
)
def test_a_proxy_that_lies_gets_a_clear_answer(
    stage: Stage, name: str, value: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_at(stage, PROXY)
    for path in ("/login", "/api/v1/people"):
        answer = client.get(path, headers=[(name.encode(), value.encode())])
        assert answer.status_code == 400
        assert words.replace("'", "&#x27;" if path == "/login" else "'") in answer.text
        assert value in words or value not in answer.text
        assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["content-type"] == "application/problem+json"
    assert [one.getMessage() for one in caplog.records] == [answer.json()["detail"]], "it is logged once"


@pytest.mark.parametrize("name", ["x-forwarded-proto", "x-forwarded-host", "x-forwarded-prefix", "x-ingress-path"])
def test_two_headers_of_a_kind_are_refused_and_an_empty_one_is_none(stage: Stage, name: str) -> None:
    client, value = client_at(stage, PROXY), CLAIMS[name]
    twice = client.get("/login", headers=[(name, value), (name, value)])
    assert twice.status_code == 400
    assert "cannot be used: it must be sent only once" in twice.text
    assert client.get("/login", headers={name: " "}).text == client.get("/login").text


@pytest.mark.parametrize(
    "value", ["unknown", "None, 172.30.32.1", "203.0.113.7;DROP", "\u00ff" * 50, ", ".join(["1.1.1.1"] * 500)]
)
def test_any_list_of_addresses_is_served(stage: Stage, value: str) -> None:
    answer = client_at(stage, PROXY).get("/login", headers=[(b"x-forwarded-for", value.encode("latin-1"))])
    assert answer.status_code == 200


def test_the_headers_path_wins_over_the_configured_one(stage: Stage) -> None:
    client = client_at(stage, PROXY, None, SETTINGS.model_copy(update={"base_path": "/configured"}))
    assert client.get("/people").headers["location"].startswith("/configured/login")
    given = client.get("/people", headers={"x-forwarded-prefix": f"/{TOKEN}/"})
    assert given.headers["location"] == f"/{TOKEN}/login?next=/people"
