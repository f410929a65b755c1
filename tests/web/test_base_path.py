"""The page below a path of a proxy: every link, redirect, cookie and script uses it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import pytest

pytest.importorskip("starlette")

from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from edgeface.config import loader
from edgeface.config.configuration import PAGE_SEGMENTS, Web, require_base_path
from edgeface.core.errors import ConfigError
from edgeface.web.app import routes
from edgeface.web.http.base_path import below, on_site
from edgeface.web.pages.render import HERE
from tests.support.web import EVENT, UNKNOWN, Stage, make_app, stage  # noqa: F401 - fixtures
from tests.web.test_pages import Markup

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

BASE = "/doors/edgeface"
PROXY = "127.0.0.9"
TEMPLATES = sorted((HERE / "templates").iterdir())
SCRIPTS = sorted((HERE / "static").glob("*.js"))
LINKS = {"href", "src", "srcset", "action", "formaction", "poster", "data-path"}
ADDRESS = re.compile(rf'\b(?:{"|".join(LINKS)})=(?:"([^"]*)")?')
WITHOUT_BASE = re.compile(r"""(?<!\bat\()["'`]/\w[^"'`]*["'`]""")
NO_ADDRESS = {"times.js": 1, "notifications.js": 2}
"""Texts with a slash alone: the path of a cookie, and a letter of base64."""
DATA = {'src="{{ picture }}"', 'src="{{ code }}"', 'src="data:image/jpeg;base64,{{ picture }}"'}
"""Pictures that are in the page itself."""


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_makes_a_link_without_the_base(path: Any) -> None:
    text = path.read_text()
    found = [match for match in ADDRESS.finditer(text) if match[0] not in DATA]
    # An address that is not in double quotes is wrong, too.
    assert [one[0] for one in found if not re.match(r"\{\{ base\(\) \}\}(/|\{\{ )|#", one[1] or "")] == []
    assert not re.search(r'http-equiv="refresh" content="[^"]*url', text, re.IGNORECASE)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_an_address_without_the_base(path: Any) -> None:
    text = re.sub(r"//.*", "", path.read_text())
    assert WITHOUT_BASE.findall(text) == []
    assert len(re.findall(r"""["'`]/["'`]""", text)) == NO_ADDRESS.get(path.name, 0)
    assert re.findall(r"location\s*=|location\.(?:assign|replace|href)", text) == []


def test_the_rules_notice_what_they_are_for() -> None:
    assert ADDRESS.search('<a href="/people">') is not None
    assert WITHOUT_BASE.findall('fetch("/events"); fetch(at("/events"))') == ['"/events"']


@pytest.mark.parametrize(
    ("base", "path", "expected"),
    [
        ("", "/people", "/people"),
        ("/doors/edgeface", "/doors/edgeface/people", "/people"),
        ("/doors/edgeface", "/doors/edgeface", "/"),
        ("/doors/edgeface", "/doors/edgeface/", "/"),
        ("/doors/edgeface", "/people", "/people"),
        ("/doors/edgeface", "/doors", "/doors"),
        ("/doors/edgeface", "/doors/edgefaces/people", "/doors/edgefaces/people"),
        ("/doors/edgeface", "/doors/edgeface//evil.example", "//evil.example"),
    ],
)
def test_the_base_is_removed_where_the_proxy_has_not(base: str, path: str, expected: str) -> None:
    assert below(base, path) == expected


@pytest.mark.parametrize("location", ["/people?done=renamed", "http://localhost/people?done=renamed"])
def test_a_redirect_stays_below_the_base(location: str) -> None:
    assert on_site(BASE, location) == f"{BASE}/people?done=renamed"
    assert on_site(BASE, "//evil.example/x") == f"{BASE}/x"


class Behind:
    """A client whose requests come through the proxy, which removes the base path or does not."""

    def __init__(self, stage: Stage, *, strips: bool) -> None:
        settings = Web(trusted_proxies=(PROXY,), base_path="" if strips else BASE)
        self.strips = strips
        self.app = make_app(stage.context, settings)
        self.client = TestClient(
            self.app,
            base_url="https://localhost",
            client=(PROXY, 1),
            follow_redirects=False,
            headers={
                "x-forwarded-proto": "https",
                "x-forwarded-for": "203.0.113.7",
                **({"x-forwarded-prefix": BASE} if strips else {}),
            },
        )

    def __call__(self, path: str, method: str = "GET", **more: Any) -> httpx.Response:
        """Request what the browser knows as `path`, which begins with the base."""
        assert path == BASE or path.startswith(f"{BASE}/"), path
        # The browser sends the cookies of this path; the proxy then changes it.
        sent = (path.removeprefix(BASE) or "/") if self.strips else path
        return self.client.request(method, sent, **more)  # type: ignore[no-any-return]

    def sign_in(self, role: str = "admin") -> httpx.Response:
        sessions = self.app.state.auth.sessions
        answer = self(f"{BASE}/login", "POST", data={"secret": sessions.make_code(role)})
        (name,) = answer.cookies
        self.client.headers["cookie"] = f"{name}={answer.cookies[name]}"
        self.csrf = sessions.find(answer.cookies[name]).csrf
        return answer


@pytest.fixture(params=[True, False], ids=["prefix removed", "prefix kept"])
def behind(request: pytest.FixtureRequest, stage: Stage) -> Behind:
    return Behind(stage, strips=request.param)


def addresses(answer: httpx.Response) -> list[str]:
    """Every address in a page, except pictures that it has in itself."""
    found = [value for _, tag in Markup(answer.text).tags for key, value in tag.items() if key in LINKS]
    return [one for one in found if not one.startswith("data:")]


def test_the_cookie_is_for_the_base_path_and_https_alone(behind: Behind) -> None:
    answer = behind.sign_in()
    assert answer.headers["location"] == f"{BASE}/"
    cookie = answer.headers["set-cookie"]
    assert re.fullmatch(r"__Secure-edgeface=[\w-]{43}; HttpOnly; Path=/doors/edgeface; SameSite=strict; Secure", cookie)
    assert behind(f"{BASE}/people").status_code == 200
    out = behind(f"{BASE}/logout", "POST", data={"csrf": behind.csrf}, headers={"origin": "https://localhost"})
    assert (out.status_code, out.headers["location"]) == (303, f"{BASE}/login")
    assert re.search(r'__Secure-edgeface="?"?;.*Max-Age=0; Path=/doors/edgeface', out.headers["set-cookie"])
    assert behind(f"{BASE}/people?q=x").headers["location"] == f"{BASE}/login?next=/people%3Fq%3Dx"


def test_the_form_leads_on_to_the_page_that_was_wanted(behind: Behind) -> None:
    assert 'name="next" value="/people"' in behind(f"{BASE}/login?next=/people").text
    wrong = behind(f"{BASE}/login", "POST", data={"secret": "wrong", "next": "/people"})
    assert wrong.headers["location"] == f"{BASE}/login?wrong=1&next=/people"
    elsewhere = behind(f"{BASE}/login", "POST", data={"secret": "wrong", "next": "//evil.example"})
    assert elsewhere.headers["location"] == f"{BASE}/login?wrong=1"


def crawl(behind: Behind, start: list[str]) -> Iterator[tuple[str, httpx.Response]]:
    """Every page that links lead to, from these on."""
    waiting, seen = list(start), set(start)
    while waiting:
        path = waiting.pop()
        answer = behind(path)
        yield path, answer
        if not answer.headers.get("content-type", "").startswith("text/html"):
            continue
        for tag, found in Markup(answer.text).tags:
            for key in LINKS & found.keys():
                value = found[key]
                if value.startswith("data:"):
                    continue
                target = urljoin(path, value).partition("#")[0]
                assert target.startswith(f"{BASE}/"), f"{path}: <{tag} {key}={value}>"
                # The same page with other parameters has the same links.
                kind = urlsplit(target).path
                if key in {"href", "src"} and kind not in seen:
                    seen.add(kind)
                    waiting.append(target)


def test_every_page_has_links_below_the_base_only(behind: Behind) -> None:
    behind.sign_in()
    # Pages that others lead to only at times.
    more = [
        "/enroll/camera",
        "/proposals",
        "/notifications",
        f"/events/{EVENT}/correct",
        f"/unknowns/{UNKNOWN}/delete",
        "/forget?id=barack",
    ]
    reached: set[str] = set()
    for path, answer in crawl(
        behind, [f"{BASE}/", *(f"{BASE}{one}" for one in more), f"{BASE}/login", f"{BASE}/nowhere"]
    ):
        # One camera has no picture, and the other none at first.
        others = {404} if path.endswith("nowhere") else {200, 303, 503} if "/picture" in path else {200, 303}
        assert answer.status_code in others, path
        if "location" in answer.headers:
            assert answer.headers["location"].startswith(f"{BASE}/"), path
        reached.add(urlsplit(path).path.removeprefix(BASE))
    plain = {
        one.path
        for one in routes()
        if isinstance(one, Route) and one.methods and "GET" in one.methods and "{" not in one.path
    }
    # The others are for scripts, and for what a test of the browser does.
    rest = {one for one in plain - reached if not one.startswith(("/api/", "/today/", "/metrics"))}
    assert rest == {"/enroll/camera/progress", "/enroll/id", "/events/rows", "/favicon.ico", "/service-worker.js"}
    assert len(reached) > 40


def test_errors_before_the_application_link_below_the_base(behind: Behind) -> None:
    unknown = behind(f"{BASE}/people", headers={"host": "evil.example"})
    both = behind(f"{BASE}/people", "POST", headers={"content-length": "1", "transfer-encoding": "chunked"})
    for answer, status in ((unknown, 421), (both, 400)):
        assert answer.status_code == status
        assert addresses(answer)
        assert all(one.startswith(f"{BASE}/") for one in addresses(answer))


def test_a_missing_slash_and_one_too_many_lead_to_the_page(behind: Behind) -> None:
    behind.sign_in()
    assert behind(BASE).status_code == 200
    assert behind(f"{BASE}/people/").headers["location"] == f"{BASE}/people"


def test_the_openapi_document_names_the_base(behind: Behind) -> None:
    behind.sign_in()
    assert behind(f"{BASE}/api/v1/openapi.json").json()["servers"] == [{"url": BASE}]


def test_static_files_and_the_service_worker_are_below_the_base(behind: Behind) -> None:
    static = behind(f"{BASE}/static/base.js")
    assert (static.status_code, static.headers["cache-control"]) == (200, "no-cache")
    assert behind(f"{BASE}/static/missing.js").status_code == 404
    assert behind(f"{BASE}/service-worker.js").headers["content-type"].startswith("text/javascript")
    assert behind(f"{BASE}/login").headers["cache-control"] == "no-store"


def test_links_for_others_lead_below_the_base(stage: Stage) -> None:
    config = stage.folder / "config.yaml"
    target = "{type: webhook, url: 'https://w.example', secret_env: W}"
    rules = "[{kinds: [match], to: [w]}]"
    notify = f"notify: {{page: 'https://localhost{BASE}/', targets: {{w: {target}}}, rules: {rules}}}\n"
    config.write_text(config.read_text() + notify)
    stage.context.reload()
    behind = Behind(stage, strips=False)
    behind.sign_in()
    same = {"origin": "https://localhost"}
    for path, fields, kind in (
        ("/accounts/invitations", {"role": "viewer"}, "invitation"),
        ("/proposals/links", {"name": "Joe", "id": "joe"}, "join"),
    ):
        answer = behind(f"{BASE}{path}", "POST", data={**fields, "csrf": behind.csrf}, headers=same)
        found = re.search(rf"https://localhost({BASE}/{kind}/[\w-]+)", answer.text)
        assert found is not None, answer.text
        form = behind(found[1])
        assert form.status_code == 200
        assert all(one.startswith(("#", f"{BASE}/")) for one in addresses(form))


def test_the_address_of_the_page_has_the_base(stage: Stage) -> None:
    text = (stage.folder / "config.yaml").read_text()
    web = f"web: {{hosts: [home.example], base_path: {BASE}}}\n"
    assert loader.parse(text.replace("web: {}\n", web).encode(), "c").page == f"http://home.example:8099{BASE}/"


def test_without_a_base_nothing_changes(stage: Stage) -> None:
    client = TestClient(make_app(stage.context, Web()), base_url="http://localhost", follow_redirects=False)
    assert client.get("/people").headers["location"] == "/login?next=/people"
    assert client.get(f"{BASE}/people", headers={"x-forwarded-prefix": BASE}).status_code == 404


WRONG = [
    ("doors/edgeface", "should begin with a slash, such as /doors/edgeface"),
    ("https://example.org/doors", "should begin with a slash, such as /doors/edgeface"),
    ("/doors/../edgeface", "has a segment of dots: write the path as the browser shows it, such as /doors/edgeface"),
    ("/./edgeface", "has a segment of dots: write the path as the browser shows it, such as /doors/edgeface"),
    ("//evil.example", "has two slashes next to each other: write one"),
    ("/doors//", "has two slashes next to each other: write one"),
    ("/doors?x=1", "has a character that is not a letter a-z, digit, hyphen, dot, underscore or tilde"),
    ("/doors/%2e%2e", "has a character that is not a letter a-z, digit, hyphen, dot, underscore or tilde"),
    ("/doors/edge face", "has a character that is not a letter a-z, digit, hyphen, dot, underscore or tilde"),
    ("/doors\\edgeface", "has a character that is not a letter a-z, digit, hyphen, dot, underscore or tilde"),
    ("/türen", "has a character that is not a letter a-z, digit, hyphen, dot, underscore or tilde"),
    ("/doors\n", "has a character that is not a letter a-z, digit, hyphen, dot, underscore or tilde"),
    ('/"><script>', "has a character that is not a letter a-z, digit, hyphen, dot, underscore or tilde"),
    ("/" + "a" * 200, "has more than 200 characters"),
    ("/events", "is a path that the page itself uses: choose another, such as /doors/edgeface"),
    ("/people/", "is a path that the page itself uses: choose another, such as /doors/edgeface"),
]


@pytest.mark.parametrize(("path", "words"), WRONG)
def test_a_path_that_cannot_be_a_base_is_one_clear_mistake(path: str, words: str) -> None:
    with pytest.raises(ValueError, match=rf"^{re.escape(words)}$"):
        require_base_path(path)
    quoted = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    text = f'cameras: {{porch: {{type: opencv, source: 0}}}}\nweb:\n  base_path: "{quoted}"\n'
    with pytest.raises(ConfigError) as raised:
        loader.parse(text.encode(), "c")
    assert str(raised.value) == f"c:3: web.base_path: {words}"


def test_every_first_segment_of_the_page_is_refused_as_a_base() -> None:
    paths = [one.path for one in routes() if isinstance(one, Route | Mount)]
    assert len(paths) == len(routes())
    assert {path.split("/")[1] for path in paths} - {""} == PAGE_SEGMENTS


@pytest.mark.parametrize(
    ("path", "base"), [("", ""), ("/", ""), ("/home/", "/home"), ("/a.b/c~d_e-F9", "/a.b/c~d_e-F9")]
)
def test_a_final_slash_makes_no_difference(path: str, base: str) -> None:
    assert require_base_path(path) == base
    assert Web(base_path=path).base_path == base
