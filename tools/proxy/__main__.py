"""The page behind real proxies, and in a frame of Home Assistant's ingress, in a real browser: make proxy-test.

nginx and Caddy run with the configurations of packages/proxy, over https, at a path, which they remove or keep. Behind
them is a real daemon that plays the demo's clip. The ingress is a stand-in that passes requests on as Home Assistant's
does. Chromium signs in, opens every page, uploads photos, sees events as they happen and signs out. Prints a table and
writes build/proxy-test.json; the exit status is 1 if anything failed.

    python -m tools.proxy [--only caddy] [--screenshot FILE]
"""

from __future__ import annotations

import argparse
import os
import shutil
import ssl
import sys
import tempfile
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from edgeface.core.clock import SystemClock
from edgeface.demo.mosquitto import Mosquitto, free_port
from edgeface.demo.scenario import PEOPLE
from edgeface.web.auth import accounts
from tests.support.browsing import CHROMIUM, bounded, running, three_people
from tests.support.certificates import Authority
from tests.support.ingress import ADDRESS, PREFIX, ingress
from tools import figures, needs
from tools.proxy import servers, walk
from tools.steps import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from tests.support.ingress import Ingress

_PASSWORD = "a long sentence of words"  # noqa: S105 - of an account that is made here
_LIMIT = 400.0
"""Seconds that Chromium may take for one setup."""
_COLUMNS = (
    "sign-in",
    "every page",
    "photo upload",
    "live picture",
    "events",
    "sign-out",
    "10 MB limit",
    "forged headers",
    "requests",
)
_STARTS = {"nginx": servers.nginx, "caddy": servers.caddy}
_IN_OWN_NETWORK = "PROXY_TEST_IN_OWN_NETWORK"
"""Set in the process that is in a network of its own."""


class Row(NamedTuple):
    """One setup, and what came of each step."""

    setup: str
    cells: dict[str, str]

    @property
    def failed(self) -> bool:
        """Whether a step failed."""
        return any(cell.startswith("FAILED") for cell in self.cells.values())


class Place(NamedTuple):
    """What the setups share."""

    folder: Path
    browser: Browser
    authority: Authority
    tls: ssl.SSLContext
    """Trusts the authority."""
    device: walk.Device


def step(row: Row, name: str, work: Callable[[], object]) -> None:
    """Do one step, and note what came of it; a failed one does not end the target."""
    try:
        found = work()
    except Exception as error:  # noqa: BLE001 - whatever fails belongs in the table
        row.cells[name] = "FAILED"
        print(f"{row.setup}: {name}: {type(error).__name__}: {error}", file=sys.stderr)
    else:
        row.cells[name] = "works" if found is None else str(found)


def behind_proxy(place: Place, name: str, *, strips: bool) -> Row:
    """All steps behind one proxy."""
    ports = servers.Ports(free_port(), place.device.port, free_port())
    with (
        tempfile.TemporaryDirectory(dir=place.folder) as folder,
        _STARTS[name](Path(folder), ports, place.authority, strips=strips) as proxy,
        bounded(place.browser, _LIMIT),
    ):
        row = Row(f"{proxy.name} {proxy.version}, path {'removed' if strips else 'kept'}", {})
        context = place.browser.new_context(ignore_https_errors=True)
        visit = walk.Visit(context, context.new_page(), proxy.origin, servers.BASE)
        visit.watch()
        step(row, "sign-in", lambda: walk.sign_in(visit, _PASSWORD))
        _use(row, visit, place.device)
        step(row, "sign-out", lambda: walk.sign_out(visit))
        step(row, "events", lambda: _delay(place, visit.root, row.cells["events"]))
        step(row, "10 MB limit", lambda: walk.limit_is_the_pages(walk.client_of(visit.root, place.tls), place.device))
        step(row, "forged headers", lambda: walk.forged_is_ignored(walk.client_of(visit.root, place.tls)))
        step(row, "requests", lambda: _only_below(visit))
        context.close()
    return row


def _use(row: Row, visit: walk.Visit, device: walk.Device) -> None:
    step(row, "every page", lambda: walk.every_page(visit))
    step(row, "photo upload", lambda: walk.upload(visit))
    step(row, "live picture", lambda: walk.see_live(visit))
    step(row, "events", lambda: walk.see_events(visit, device))


def _delay(place: Place, url: str, seen: str) -> str:
    """How much later an event arrives through the proxy than without it; raises Failed if the page did not see it."""
    require(seen == "works", "the page did not see the event")
    direct = walk.event_seconds(httpx.Client(base_url=place.device.url, trust_env=False, timeout=30), place.device)
    through = walk.event_seconds(walk.client_of(url, place.tls), place.device)
    return f"{through * 1000:.0f} ms, direct {direct * 1000:.0f} ms"


def _only_below(visit: walk.Visit) -> str:
    require(not visit.wrong, "; ".join(visit.wrong[:5]))
    return f"{visit.requests}, all below the path"


def in_ingress_frame(place: Place, home: Ingress, user: str, screenshot: Path | None) -> Row:
    """All steps in a frame of the ingress."""
    with bounded(place.browser, _LIMIT):
        row = Row(f"ingress frame, {user}", {})
        context = place.browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.goto(f"{home.url}/?user={user}")
        page.frame_locator("iframe[name=app]").locator("h1").wait_for()
        frame = page.frame(name="app")
        require(frame is not None, "no frame")
        assert frame is not None  # noqa: S101 - for mypy
        visit = walk.Visit(context, frame, home.url, PREFIX)
        visit.watch()
        row.cells["sign-in"] = "by Home Assistant"
        if user == "anna":
            _use(row, visit, place.device)
            if screenshot is not None:
                visit.go("/live")
                frame.wait_for_function("() => document.querySelector('.stage > img').naturalWidth >= 320")
                page.screenshot(path=screenshot)
        else:
            step(row, "photo upload", lambda: _may_only_look(visit))
            step(row, "live picture", lambda: walk.see_live(visit))
        step(row, "sign-out", lambda: _has_no_sign_out(visit))
        step(row, "requests", lambda: _only_below(visit))
        context.close()
    return row


def _may_only_look(visit: walk.Visit) -> str:
    require(visit.go("/enroll") == 403, "a viewer may enroll")  # noqa: PLR2004 - HTTP
    visit.wrong.clear()
    return "refused to a viewer"


def _has_no_sign_out(visit: walk.Visit) -> str:
    visit.go("/people")
    require(visit.view.locator("form[action$='/logout']").count() == 0, "it has a button to sign out")
    require(
        not [one for one in visit.context.cookies() if "edgeface" in one.get("name", "") and one.get("httpOnly")],
        "it has a cookie of a session",
    )
    return "by Home Assistant"


def elsewhere(place: Place, other: str) -> Row:
    """Frames of other pages are refused, and so is a peer that claims to be the Supervisor."""
    row, login = Row("direct, and in a frame of another page", {}), f"{place.device.url}/login"
    with bounded(place.browser, _LIMIT):
        step(row, "sign-in", lambda: f"frame {walk.is_refused(place.browser, place.folder, login, other)}")
        step(row, "forged headers", lambda: walk.claims_are_ignored(place.device))
    return row


@contextmanager
def device(folder: Path, port: int, web: str) -> Iterator[walk.Device]:
    """A real daemon with an admin who has a password, and a token for this program."""
    folder.mkdir()
    shutil.copytree(PEOPLE / "Barack_Obama", folder / "people" / "Barack_Obama")
    (folder / "data").mkdir(mode=0o700)
    wall = SystemClock().wall()
    accounts.set_password(folder / "data", "root", "admin", _PASSWORD, wall)
    token = accounts.make_token(folder / "data", "proxy-test", "admin", wall)
    page = free_port()
    text = f"{{port: {page}, hosts: [{servers.HOST}], trusted_proxies: [127.0.0.1], {web}}}"
    with running(folder, port, folder / "people", "", three_people(folder / "clip.avi"), text) as daemon:
        require(daemon.sign_in_link(), "the page does not start")
        yield walk.Device(page, token)


def measured(only: str | None, screenshot: Path | None) -> Iterator[Row]:
    """Each setup in turn."""
    settings = {
        True: f"ingress: {{enabled: true, supervisor: {ADDRESS}, users: {{anna: admin}}}}",
        False: f"base_path: {servers.BASE}",
    }
    with tempfile.TemporaryDirectory() as name, walk.chromium() as browser:
        folder = Path(name)
        (folder / "broker").mkdir()
        authority = Authority(folder / "tls")
        tls = ssl.create_default_context(cafile=authority.ca)
        with Mosquitto(folder / "broker") as broker:
            for strips, web in settings.items():
                with device(folder / f"device-{strips}", broker.port, web) as found:
                    place = Place(folder, browser, authority, tls, found)
                    for proxy in _STARTS:
                        if only in {None, proxy}:
                            yield behind_proxy(place, proxy, strips=strips)
                    if strips and only in {None, "ingress"}:
                        with ingress(found.port, {"anna": "0123456789abcdef", "ben": "fedcba9876543210"}) as home:
                            yield in_ingress_frame(place, home, "anna", screenshot)
                            yield in_ingress_frame(place, home, "ben", None)
                            yield elsewhere(place, home.url)


def tabled(rows: list[Row]) -> str:
    """The rows as a table."""
    head = f"| setup | {' | '.join(_COLUMNS)} |\n|{'---|' * (len(_COLUMNS) + 1)}"
    lines = [f"| {row.setup} | {' | '.join(row.cells.get(one, '') for one in _COLUMNS)} |" for row in rows]
    return "\n".join([head, *lines])


def enter_own_network() -> None:
    """Start again in a network of its own, where nothing but this target is.

    Chromium ends its HTTP/2 connections whenever an interface of the machine comes or goes, as those of containers do.
    """
    if os.environ.get(_IN_OWN_NETWORK):
        return
    unshare, ip = needs.program("proxy-test", "unshare", "util-linux"), needs.program("proxy-test", "ip", "iproute2")
    again = [sys.executable, "-m", "tools.proxy", *sys.argv[1:]]
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = [unshare, *user, "--net", "sh", "-c", '"$0" link set lo up && exec "$@"', ip, *again]
    sys.stdout.flush()
    os.execve(unshare, command, {**os.environ, _IN_OWN_NETWORK: "1"})  # noqa: S606 - no shell takes part in it


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=(*_STARTS, "ingress"))
    parser.add_argument("--screenshot", type=Path, help="a file for a picture of the page in the ingress frame")
    options: Any = parser.parse_args()
    if not Path(CHROMIUM).exists():
        raise SystemExit("proxy-test: chromium is missing: sudo apt-get install chromium")
    if find_spec("playwright") is None:
        raise SystemExit("proxy-test: playwright is missing: make setup-dev")
    needs.programs("proxy-test", {program: program for program in _STARTS})
    enter_own_network()
    rows: list[Row] = []
    for row in measured(options.only, options.screenshot):
        print(f"{row.setup}: {row.cells}", file=sys.stderr, flush=True)
        rows.append(row)
    table = tabled(rows)
    print(table)
    figures.save("proxy-test", table)
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
