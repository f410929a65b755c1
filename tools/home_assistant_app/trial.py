"""The app with a fake Supervisor, a fake ingress in Chromium, and a real broker: `make app-test`.

Prints a table, and writes build/app-test.json; the exit status is 1 if something was not as it should be. With
`--image BASE`, the app is its image on that of `make image`, in podman (build/app-image-test.json); otherwise it is the
code of this checkout. With `--screenshot`, docs/images/home-assistant-app.png is taken again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import requests
from playwright.sync_api import Error, sync_playwright

from edgeface.demo.mosquitto import find
from edgeface.demo.scenario import PEOPLE
from edgeface.web.texts import account_strings, strings
from tests.support.broker import Listener, until
from tests.support.browsing import ARGUMENTS, CHROMIUM
from tests.support.ingress import PREFIX
from tests.support.photos import phone_photo
from tools import figures
from tools.home_assistant_app.process import ROOT
from tools.home_assistant_app.site import LOGIN, USERS, Site, site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Frame, FrameLocator, Page

    from tests.support.ingress import Ingress

IMAGE = ROOT / "docs" / "images" / "home-assistant-app.png"
PATIENCE, ROUND = 30_000, 60_000
"""Milliseconds for what should appear at once, and for a round of the clip, on a busy machine."""
WIDTH, HEIGHT = 1280, 800
CONFIG, OK, FORBIDDEN, UNAUTHORIZED = 78, 200, 403, 401
_ROLES = [{"name": "anna", "role": "admin"}, {"name": "guest", "role": "none"}]
_CHANGES = ("/enroll", "/settings")
"""Pages that only admins see."""


class Step(NamedTuple):
    """A row of the table."""

    name: str
    ok: bool
    detail: str


def main() -> int:
    """Returns 0 if every step did what it should."""
    parser = argparse.ArgumentParser(prog="make app-test", description=__doc__)
    parser.add_argument("--screenshot", action="store_true", help="take docs/images/home-assistant-app.png again")
    parser.add_argument("--image", metavar="BASE", help="the image of edgeface, such as localhost/edgeface")
    arguments = parser.parse_args()
    require(image=arguments.image is not None)
    steps: list[Step] = []
    try:
        for step in run(arguments.image, screenshot=arguments.screenshot):
            print(f"{'yes' if step.ok else 'NO'}: {step.name}: {step.detail}", flush=True)
            steps.append(step)
    except (Error, AssertionError, RuntimeError, requests.RequestException) as error:
        print(error, file=sys.stderr)
        steps.append(Step(f"what follows {steps[-1].name if steps else 'nothing'}", ok=False, detail="it failed"))
    table = "\n".join(
        ["| step | as it should be | what was seen |", "|---|---|---|"]
        + [f"| {one.name} | {'yes' if one.ok else 'NO'} | {one.detail.replace('|', chr(92) + '|')} |" for one in steps]
    )
    print(f"\n{table}")
    figures.save("app-test" if arguments.image is None else "app-image-test", table)
    return 0 if all(one.ok for one in steps) else 1


def require(*, image: bool) -> None:
    """End with one line if something that the trial needs is missing."""
    if os.geteuid() != 0:
        raise SystemExit("app-test: the app's start is root: sudo make app-test")
    if image and shutil.which("podman") is None:
        raise SystemExit("app-image-test: podman is missing: apt-get install podman runc")
    if shutil.which("mosquitto_passwd") is None:
        raise SystemExit("app-test: mosquitto_passwd is missing: apt-get install mosquitto")
    find()
    if not Path(CHROMIUM).exists():
        raise SystemExit("app-test: Chromium is missing: apt-get install chromium")


def run(base: str | None, *, screenshot: bool) -> Iterator[Step]:
    """Each step, as soon as it is done."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        # The daemon's user must reach its own folder.
        folder.chmod(0o755)
        around, proxy = stack.enter_context(site(folder, base))
        yield from refused(around)
        yield from started(around)
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        stack.callback(browser.close)
        yield from seen(browser, proxy, folder, screenshot=screenshot)
        yield from elsewhere(browser, around)
        yield from again(browser, around, proxy)


def refused(around: Site) -> Iterator[Step]:
    """Options that make no config."""
    around.options(level="hi", cameras=[{"name": "Gate", "address": "rtsp://u:p@10.0.0.2", "password": "a\nb"}])
    status, said = around.refused()
    lines = [line for line in said.splitlines() if line.startswith("option ")]
    named = {line.split(":")[0] for line in lines} == {"option level", "option cameras, entry 1, password"}
    ok = status == CONFIG and named and "start the app again" in said and "Traceback" not in said
    yield Step("options that make no config", ok, f"exit status {status}, {len(lines)} lines that name the options")


def started(around: Site) -> Iterator[Step]:
    """The first start, and what arrives at the broker."""
    around.options(users=_ROLES)
    seconds = around.start()
    yield Step("start, with the login that the Supervisor gives", True, f"the page answers after {seconds:.1f} s")
    yield privileges(around)
    heard = Listener(around.broker.port, ("homeassistant/#", "edgeface/#"), "trial", LOGIN)
    until(lambda: any("front-door" in one.topic for one in heard.heard if one.topic.startswith("homeassistant/")), 20)
    topics = sorted({one.topic for one in heard.heard if one.topic.startswith("homeassistant/") and one.payload})
    names = {json.loads(one.payload).get("dev", {}).get("name") for one in heard.heard if one.topic in topics}
    until(lambda: any(one.topic == "edgeface/edgeface-app/front-door/event" for one in heard.heard), 30)
    ok = {"Front door"} <= names
    yield Step("discovery and events at the broker", ok, f"{len(topics)} devices: {', '.join(sorted(map(str, names)))}")
    heard.client.loop_stop()


def privileges(around: Site) -> Step:
    """Who the daemon is, and who can change its configuration."""
    place = Path(f"/proc/{around.process.pid()}")
    facts = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
    ids, capabilities = facts["Uid"].split(), int(facts["CapEff"], 16)
    config = (around.data / "settings" / "config.yaml").stat()
    modes = {path.name: f"{path.stat().st_mode & 0o777:o}" for path in (around.data / "settings").iterdir()}
    ok = "0" not in ids and capabilities == 0 and b"SUPERVISOR_TOKEN=" not in (place / "environ").read_bytes()
    ok &= config.st_uid == 0 and modes == {"config.yaml": "440", "mqtt.password": "600"}
    detail = f"it runs as user {ids[0]} without capabilities; config.yaml is root's, mode 440"
    return Step("the daemon is not root", ok, detail)


class Visit:
    """A browser of one of Home Assistant's users, with the app in the frame."""

    def __init__(self, browser: Browser, proxy: Ingress, user: str) -> None:
        self.base = f"{proxy.url}{PREFIX}"
        self.page: Page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, locale="en")
        self.page.set_default_timeout(PATIENCE)
        self.wrong: list[str] = []
        self.page.on("console", lambda one: self.wrong.append(one.text) if one.type in {"error", "warning"} else None)
        self.page.on("pageerror", lambda one: self.wrong.append(str(one)))
        self.page.goto(f"{proxy.url}/?user={user}")

    @property
    def frame(self) -> FrameLocator:
        """The app."""
        return self.page.frame_locator("iframe")

    @property
    def content(self) -> Frame:
        """The app, for scripts."""
        (found,) = (one for one in self.page.frames if one.name == "app")
        return found

    def go(self, path: str) -> int:
        """Open a page of the app in the frame; its HTTP status."""
        answer = self.content.goto(f"{self.base}{path}")
        return 0 if answer is None else answer.status

    def posted(self, path: str) -> int:
        """The status of a change that a script of the page asks for, with the page's own secret."""
        script = """async ([path]) => {
            const token = document.querySelector('meta[name=csrf], [name=csrf]');
            const headers = {'X-CSRF-Token': token === null ? '' : token.content || token.value};
            return (await fetch(path, {method: 'POST', headers})).status;
        }"""
        return int(self.content.evaluate(script, [f"{self.base}{path}"]))


def seen(browser: Browser, proxy: Ingress, folder: Path, *, screenshot: bool) -> Iterator[Step]:
    """What the users of Home Assistant see and may do in the frame."""
    viewer = Visit(browser, proxy, "ben")
    viewer.frame.get_by_role("heading", level=1).first.wait_for()
    statuses = [viewer.go(path) for path in ("/", "/live", "/people", "/events", "/health")]
    yield Step("a viewer sees the pages without signing in", statuses == [OK] * 5, f"5 pages: {set(statuses)}")
    statuses = [viewer.go(path) for path in _CHANGES]
    viewer.go("/people")
    posted = viewer.posted("/enroll")
    yield Step("a viewer changes nothing", {*statuses, posted} == {FORBIDDEN}, f"pages {statuses}, POST {posted}")
    admin = Visit(browser, proxy, "anna")
    yield enrolled(admin, folder)
    yield live(admin)
    if screenshot:
        admin.content.evaluate("document.querySelector('.camera').scrollIntoView()")
        admin.page.screenshot(path=IMAGE)
    yield token(admin)
    yield Step("the browser's console in the frame", not admin.wrong, "; ".join(admin.wrong) or "no error, no warning")
    guest = Visit(browser, proxy, "guest")
    status = guest.go("/people")
    yield Step("a user with the role none sees nothing", status == FORBIDDEN, f"status {status}")


def enrolled(admin: Visit, folder: Path) -> Step:
    """Enroll by upload, with photos as a phone takes them."""
    photos = []
    for name in ("obama", "obama2", "obama3"):
        photos.append(folder / f"{name}.jpg")
        photos[-1].write_bytes(phone_photo(name))
    admin.frame.get_by_role("heading", level=1).first.wait_for()
    admin.go("/enroll")
    admin.frame.get_by_label(strings.PERSON_NAME, exact=True).fill("Barack Obama")
    admin.frame.get_by_label(strings.ENROLL_CHOOSE).set_input_files(photos)
    admin.frame.get_by_role("button", name=strings.ENROLL, exact=True).click()
    admin.frame.get_by_text(strings.DONE["enrolled"], exact=True).wait_for()
    megabytes = sum(photo.stat().st_size for photo in photos) / 1e6
    return Step("an admin enrolls by upload", True, f"3 photos of a phone, {megabytes:.1f} MB, sent in chunks")


def live(admin: Visit) -> Step:
    """Events and pictures arrive without a reload."""
    admin.go("/live")
    frame, newest = (
        admin.content,
        "Math.max(0, ...[...document.querySelectorAll('.log [data-seq]')].map(row => +row.dataset.seq))",
    )
    first = frame.evaluate(newest)
    began = time.monotonic()
    frame.wait_for_function(f"() => {newest} > {first}", timeout=ROUND)
    event = time.monotonic() - began
    admin.frame.locator(".tag text", has_text="Barack Obama").first.wait_for(timeout=ROUND)
    frame.wait_for_function("() => document.querySelector('.stage > img').naturalWidth >= 320")
    admin.frame.locator(".log .badge", has_text="Match").first.wait_for(timeout=ROUND)
    detail = f"a new event after {event:.1f} s; the face has its name"
    return Step("live view in the frame: video, and events without a reload", True, detail)


def token(admin: Visit) -> Step:
    """A change that the audit trail notes with who made it."""
    admin.go("/tokens")
    admin.frame.get_by_label(account_strings.TOKENS_NAME, exact=True).fill("grafana")
    admin.frame.get_by_role("button", name=account_strings.TOKENS_MAKE, exact=True).click()
    admin.frame.locator("[data-secret]").wait_for()
    return Step("an admin makes a token", True, "for Prometheus, named grafana")


def elsewhere(browser: Browser, around: Site) -> Iterator[Step]:
    """Requests that do not come from the Supervisor."""
    base = f"http://127.0.0.1:{around.port}"
    forged = {"X-Ingress-Path": PREFIX, "X-Remote-User-Id": USERS["anna"], "X-Remote-User-Name": "anna"}
    answers = {path: _asked(base + path, forged) for path in ("/people", "/api/v1/people", "/settings")}
    ok = all(status in {UNAUTHORIZED, FORBIDDEN} or "/login" in where for status, where in answers.values())
    statuses = ", ".join(f"{path}: {status}" for path, (status, _) in answers.items())
    yield Step("ingress headers from another address", ok, f"sign-in is asked for ({statuses})")
    page = browser.new_page()
    page.goto("data:text/html,<iframe name=app></iframe>")
    (frame,) = (one for one in page.frames if one.name == "app")
    try:
        frame.goto(f"{base}/login")
        shown = bool(frame.locator("form").count())
    except Error as error:
        shown, said = False, str(error).splitlines()[0]
    else:
        said = frame.url
    yield Step("another frame", not shown, f"the browser refuses it ({said.partition(' at ')[0]})")


def _asked(address: str, headers: dict[str, str]) -> tuple[int, str]:
    """Status and final address of an answer."""
    answer = requests.get(address, headers=headers, timeout=10)
    return answer.status_code, answer.url


def again(browser: Browser, around: Site, proxy: Ingress) -> Iterator[Step]:
    """Other options, and a start again."""
    status, seconds = around.stop()
    yield Step("stop", status == 0 and seconds < 30, f"exit status {status} after {seconds:.1f} s")  # noqa: PLR2004
    photos = around.share / "people" / "Joe_Biden"
    shutil.copytree(PEOPLE / "Joe_Biden", photos)
    around.options(users=[{"name": "ben", "role": "admin"}], others="none", photos="people")
    around.start()
    ben, anna = Visit(browser, proxy, "ben"), Visit(browser, proxy, "anna")
    statuses = ben.go("/settings"), anna.go("/people")
    ben.go("/people")
    there = ben.frame.get_by_text("Barack Obama").count() > 0
    ok = statuses == (OK, FORBIDDEN) and there
    yield Step(
        "other roles after a restart; people stay", ok, f"ben, now admin: {statuses[0]}; anna, none: {statuses[1]}"
    )
    enrolled_too = ben.frame.get_by_text("Joe Biden").count() > 0 and not photos.exists()
    detail = "Joe Biden, from /share/people; his photos are in /share/people-enrolled"
    yield Step("people are enrolled from a folder", enrolled_too, detail)
    noted = [line for line in _audited(around).splitlines() if "grafana" in line]
    audit = len(noted) == 1 and "ingress:anna" in noted[0]
    yield Step(
        "the audit trail names Home Assistant's user", audit, noted[0].split("  ")[-1].strip() if noted else "no row"
    )
    around.stop()
    problems: list[str] = [
        line for line in around.process.log().splitlines() if "Traceback" in line or " error " in line
    ]
    yield Step("the app's log", not problems, "; ".join(problems[:3]) or "no error")


def _audited(around: Site) -> str:
    config = around.data / "settings" / "config.yaml"
    command = [sys.executable, "-m", "edgeface.cli", "audit", "show", "--config", str(config)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
