"""What a person does on the page, in Chromium: sign in, every page, a photo, events as they happen, sign out."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from edgeface.demo.scenario import CAMERA, PEOPLE
from edgeface.web.http.limits import MAX_UPLOAD_BYTES
from edgeface.web.texts import strings
from tests.support.browsing import ARGUMENTS, CHROMIUM
from tests.support.ingress import PREFIX
from tools.proxy.servers import HOST
from tools.steps import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from ssl import SSLContext

    from playwright.sync_api import Browser, BrowserContext, Frame, Page

    View = Page | Frame

PATIENCE, ROUND = 20_000, 60_000
"""Milliseconds for what comes at once, and for what takes a while: someone comes by, photos are checked."""
_PHOTOS = sorted(str(path) for path in (PEOPLE / "Joe_Biden").iterdir())
_HIDDEN = (
    "/enroll/camera",
    "/proposals",
    "/notifications",
    "/sessions",
    "/accounts",
    "/tokens",
    "/forget?id=barack_obama",
)
"""Pages that others lead to only at times."""
_FILES = re.compile(r"/(visits\.csv|events/export|people/[^/]+/export)$")
_IDS = re.compile(r"/(events|people|unknowns|settings/cameras)/[^/]+")
LINKS = "[...document.querySelectorAll('a[href]:not([download])')].map((one) => one.href)"
FORGED = {
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-For": "203.0.113.7",
    "X-Ingress-Path": "/evil",
    "X-Remote-User-Id": "1",
    "X-Remote-User-Name": "anna",
}
"""What a client may try to have passed on."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that knows the proxies' host name."""
    from playwright.sync_api import sync_playwright

    arguments = [*ARGUMENTS, f"--host-resolver-rules=MAP {HOST} 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A browser at one address of the page, `origin` and `base`, and what it has asked for."""

    context: BrowserContext
    view: View
    origin: str
    base: str
    wrong: list[str] = field(default_factory=list)
    """Requests elsewhere, errors of scripts, and answers that are errors."""
    requests: int = 0

    @property
    def root(self) -> str:
        """The address of the start page, without its slash."""
        return f"{self.origin}{self.base}"

    def watch(self) -> None:
        """Note every request that is not below the base, and everything that fails."""
        self.context.set_default_timeout(PATIENCE)
        self.context.on("request", lambda one: self._note(one.url))
        self.context.on("response", lambda one: self._judge(one.url, one.status))
        self.context.on("requestfailed", lambda one: self._fail(one.url, one.failure or ""))
        self.context.on("weberror", lambda one: self.wrong.append(f"a script failed: {one.error}"))

    def _note(self, url: str) -> None:
        self.requests += 1
        if not url.startswith((f"{self.root}/", "data:", "blob:")) and urlsplit(url).path != "/":
            self.wrong.append(f"requested {url}")

    def _judge(self, url: str, status: int) -> None:
        # A camera may have no picture yet.
        if status >= 400 and not (status == 503 and "/cameras/" in url):  # noqa: PLR2004 - HTTP
            self.wrong.append(f"HTTP {status} for {url}")

    def _fail(self, url: str, reason: str) -> None:
        # Whoever leaves a page ends its requests.
        if "ERR_ABORTED" not in reason:
            self.wrong.append(f"{reason} for {url}")

    def go(self, path: str) -> int:
        """Open a page; gives the status of the answer."""
        answer = self.view.goto(f"{self.root}{path}")
        return 0 if answer is None else answer.status


def sign_in(visit: Visit, password: str) -> None:
    """Sign in with the form."""
    visit.go("/people")
    view = visit.view
    require(urlsplit(view.url).path == f"{visit.base}/login", f"the start leads to {view.url}")
    view.locator("#secret").fill(password)
    view.locator("main form button").first.click()
    view.wait_for_url(f"{visit.root}/people")


def every_page(visit: Visit) -> int:
    """Open every page that a link leads to; gives their number."""
    waiting, seen = [f"{visit.root}/", *(f"{visit.root}{one}" for one in _HIDDEN)], set[str]()
    while waiting:
        url = waiting.pop()
        kind = _IDS.sub(r"/\1/*", urlsplit(url).path)
        if kind in seen or _FILES.search(kind):
            continue
        seen.add(kind)
        answer = visit.view.goto(url)
        require(answer is not None and answer.ok, f"{url}: {answer}")
        require(visit.view.locator("h1").count() == 1, f"{url} has not one heading of level 1")
        waiting += [one for one in visit.view.evaluate(LINKS) if "#" not in one]
    return len(seen)


def upload(visit: Visit) -> None:
    """Enroll someone with photos, and forget them."""
    view = visit.view
    visit.go("/enroll")
    view.get_by_label(strings.ENROLL_ID, exact=True).fill("joe")
    view.get_by_label(strings.PERSON_NAME, exact=True).fill("Joe")
    view.get_by_label(strings.ENROLL_CHOOSE).set_input_files(_PHOTOS)
    view.get_by_role("button", name=strings.ENROLL, exact=True).click()
    view.get_by_text(strings.DONE["enrolled"]).first.wait_for(timeout=ROUND)
    visit.go("/people/joe")
    view.wait_for_function("() => document.querySelector('.faces img').naturalWidth > 0")
    visit.go("/people/joe/forget")
    view.get_by_label(strings.CONFIRM.format(id="joe")).fill("joe")
    view.get_by_role("button", name=strings.FORGET_DO).click()
    view.locator("main > .note.ok, main [role=status]").first.wait_for(timeout=ROUND)


def see_live(visit: Visit) -> None:
    """See someone by name in the live picture."""
    visit.go("/live")
    seen = visit.view.locator(f"section[data-camera={CAMERA}] .seen li", has_text="Barack")
    seen.first.wait_for(timeout=ROUND)
    visit.view.wait_for_function("() => document.querySelector('.stage > img').naturalWidth >= 320")


def see_events(visit: Visit, device: Device) -> None:
    """See a row of the journal arrive without a reload."""
    visit.go("/events?kind=renamed")
    visit.view.locator("[data-live]", has_text=strings.EVENTS_LIVE).wait_for()
    device.rename("Barack")
    visit.view.locator("tbody tr.fresh").first.wait_for()
    device.rename("Barack Obama")


def sign_out(visit: Visit) -> None:
    """Sign out; the session has ended, and its cookie is gone."""
    visit.go("/people")
    visit.view.get_by_role("button", name=strings.LOGOUT).click()
    visit.view.wait_for_url(f"{visit.root}/login")
    left = [one for one in visit.context.cookies() if one.get("name", "").endswith("edgeface")]
    require(not left, "the session's cookie is left")
    visit.go("/people")
    require("/login" in visit.view.url, f"still signed in at {visit.view.url}")


@dataclass
class Device:
    """The page at its own address, for programs."""

    port: int
    token: str

    @property
    def url(self) -> str:
        """Its own address, without a proxy."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """Those of a program with the role admin."""
        return {"authorization": f"Bearer {self.token}"}

    def rename(self, name: str) -> None:
        """Make an event."""
        path = f"{self.url}/api/v1/people/barack_obama"
        httpx.patch(
            path, json={"name": name}, headers={**self.headers, "if-match": "*"}, trust_env=False
        ).raise_for_status()


def client_of(address: str, tls: SSLContext) -> httpx.Client:
    """A program that requests an address of a proxy, whose host name no resolver knows."""
    host = urlsplit(address).netloc

    def named(request: httpx.Request) -> None:
        request.headers["host"] = host
        request.extensions = {**request.extensions, "sni_hostname": HOST}

    local = address.replace(HOST, "127.0.0.1")
    return httpx.Client(base_url=local, verify=tls, trust_env=False, timeout=30, event_hooks={"request": [named]})


def event_seconds(client: httpx.Client, device: Device, rounds: int = 5) -> float:
    """The median of the seconds from a change to its event at the other end of a stream."""
    took: list[float] = []
    with client, client.stream("GET", "/api/v1/events/stream", headers=device.headers) as stream:
        stream.raise_for_status()
        lines = stream.iter_lines()
        next(lines)
        for number in range(rounds):
            begun = time.monotonic()
            device.rename(f"Barack {number}")
            next(line for line in lines if line == "event: renamed")
            took.append(time.monotonic() - begun)
    device.rename("Barack Obama")
    return sorted(took)[rounds // 2]


def limit_is_the_pages(client: httpx.Client, device: Device) -> str:
    """A body of the page's limit reaches the page; one byte more is refused by the proxy."""
    headers = {**device.headers, "content-type": "image/jpeg"}
    with client:
        bodies = (b"x" * MAX_UPLOAD_BYTES, b"x" * (MAX_UPLOAD_BYTES + 1))
        most, more = (client.post("/api/v1/recognise", content=one, headers=headers) for one in bodies)
    require("x-frame-options" in most.headers and most.status_code == 422, f"HTTP {most.status_code}")  # noqa: PLR2004 - HTTP
    # Caddy 2.6 reports a body that is too large as a failure of the page.
    require("x-frame-options" not in more.headers and more.status_code in {413, 502}, f"HTTP {more.status_code}")
    return f"refused ({more.status_code})"


def forged_is_ignored(client: httpx.Client) -> str:
    """What the client writes into the proxy's headers changes nothing."""
    with client:
        for path in ("/login", "/people", "/nowhere"):
            plain, forged = client.get(path), client.get(path, headers=FORGED)
            require(forged.status_code == plain.status_code, f"another status for {path}")
            require(forged.text == plain.text, f"another page for {path}")
            require(forged.headers.get("location") == plain.headers.get("location"), f"another redirect for {path}")
            require(forged.headers["x-frame-options"] == "DENY", f"a frame may show {path}")
    return "ignored"


def is_refused(browser: Browser, folder: Path, address: str, other: str) -> str:
    """A page elsewhere cannot show this address in a frame, although it can show the other one."""
    page, file = browser.new_page(), folder / "frame.html"
    for shown, refused in ((address, True), (other, False)):
        file.write_text(f'<!doctype html><title>elsewhere</title><iframe src="{shown}"></iframe>')
        page.goto(file.as_uri(), wait_until="load")
        frame = page.locator("iframe").element_handle().content_frame()
        url = "" if frame is None else frame.evaluate("location.href")
        require(
            url.startswith("chrome-error:") if refused else url.startswith(shown), f"the frame of {shown} shows {url}"
        )
    page.close()
    return "refused"


def claims_are_ignored(device: Device) -> str:
    """From another address than the Supervisor's, even a trusted proxy's, the headers of the ingress sign no one in."""
    claims = {name: FORGED[name] for name in ("X-Remote-User-Id", "X-Remote-User-Name")}
    claims["X-Ingress-Path"] = PREFIX
    with httpx.Client(trust_env=False) as client:
        for path in ("/people", "/settings"):
            answer = client.get(device.url + path, headers=claims)
            require(answer.headers.get("location") == f"{PREFIX}/login?next={path}", f"HTTP {answer.status_code}")
            require(answer.headers["x-frame-options"] == "DENY", "a frame is allowed")
    return "ignored"
