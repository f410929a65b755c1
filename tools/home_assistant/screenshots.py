"""Pictures of Home Assistant's own pages with edgeface in it, for docs/images: Home Assistant, broker, door, all real.

    python -m tools.home_assistant.screenshots PYTHON [--out FOLDER]

PYTHON has Home Assistant (make home-assistant-screenshots makes it); the packages of its page are added. The owner is
created as a browser does it, and the broker is entered with a user and a password.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode

from edgeface.core.clock import SystemClock
from edgeface.demo import door as demo_door
from edgeface.demo.mosquitto import Mosquitto, free_port
from edgeface.demo.scenario import CAMERA, PEOPLE
from tests.support.browsing import ARGUMENTS, CHROMIUM, cut
from tools.home_assistant.__main__ import BLUEPRINT, daemon, enroll, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

OUT = Path(__file__).parents[2] / "docs" / "images"
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
SPAN = (2.4, 13.8)
"""Of the demo's clip: Obama, no one, a stranger, and no one."""
_SHOWN = 1500
"""Milliseconds until the page shows a new face; each of the two stays longer."""
_SETUP = 300.0
_PATIENCE = 60.0
_USER = "edgeface"
_BROKER = "mosquitto"
_EVENT, _IMAGE, _PEOPLE = "event.front_porch_face_event", "image.front_porch_face", "sensor.front_porch_people"
_DECISION = f"sensor.door_{demo_door.NAME.replace('-', '_')}_last_decision"
_SEEN = "sensor.barack_obama_last_seen"
_CONFIG = """\
device: front
data: {data}
cameras: {{{camera}: {{type: replay, path: {clip}, loop: true}}}}
mqtt: {{port: {port}, username: {user}, password_file: {password}, people: everyone}}
doors: {{{door}: {{camera: {camera}, allow: [{{person: {allowed}}}], single_face: false}}}}
privacy: {{snapshots: all}}
unknown: {{per_minute: 60}}
web: {{port: {web}, hosts: [edgeface.local]}}
"""
_SETTINGS = """\
homeassistant: {{name: Home, time_zone: Europe/Berlin, unit_system: metric}}
frontend:
config:
automation: !include automations.yaml
http: {{server_host: 127.0.0.1, server_port: {port}}}
"""
_PACKAGES = """\
import importlib.util, json, pathlib
(root,) = importlib.util.find_spec("homeassistant").submodule_search_locations
left = ["frontend", "hassio", "camera", "assist_satellite", "ai_task", "analytics", "infrared", "radio_frequency"]
known, found = set(), set()
while left:
    name = left.pop()
    path = pathlib.Path(root, "components", name, "manifest.json")
    if name not in known and path.exists():
        about = json.loads(path.read_text())
        left += about.get("dependencies", [])
        found |= {*about.get("requirements", [])}
    known.add(name)
# The versions that it names of these two are published as source alone, and need a compiler.
source = ("pymicro-vad", "pyspeex-noise")
print(*(one.partition("==")[0] if one.startswith(source) else one for one in sorted(found)))
"""
"""Asks this Home Assistant for the packages of its page, and of what that and the form of MQTT need."""
_AUTOMATION = {
    "alias": "A stranger, on my phone",
    "use_blueprint": {
        "path": "edgeface/stranger.yaml",
        "input": {
            "event": _EVENT,
            "image": _IMAGE,
            "page": "https://edgeface.local:8099",
            "send": "notify.mobile_app_phone",
        },
    },
}


class Home:
    """Home Assistant's interface for its own page, as the owner."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.tokens: dict[str, Any] = {}

    def ask(self, path: str, about: Any = None, *, form: bool = False) -> Any:
        """The answer to a GET, or to a POST with `about`."""
        data = None if about is None else (urlencode(about) if form else json.dumps(about)).encode()
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        headers = {"Content-Type": kind}
        if self.tokens:
            headers["Authorization"] = f"Bearer {self.tokens['access_token']}"
        try:
            answer = urllib.request.urlopen(urllib.request.Request(self.base + path, data, headers), timeout=30)  # noqa: S310
            content = answer.read().decode()
        except HTTPError as error:
            raise SystemExit(f"Home Assistant, {path}: {error}, {error.read().decode()[:500]}") from error
        return json.loads(content) if answer.headers.get_content_type() == "application/json" else content

    def is_up(self) -> bool:
        """Whether its page can be asked for."""
        try:
            with urllib.request.urlopen(f"{self.base}/api/onboarding", timeout=30):  # noqa: S310
                return True
        except (URLError, ConnectionError):
            return False

    def is_running(self) -> bool:
        """Whether its start is complete."""
        return bool(self.ask("/api/config")["state"] == "RUNNING")

    def own(self) -> None:
        """Create the owner, and sign in."""
        client = f"{self.base}/"
        owner = {"name": "Owner", "username": "owner", "password": secrets.token_urlsafe(), "language": "en"}
        code = self.ask("/api/onboarding/users", {**owner, "client_id": client})["auth_code"]
        asked = {"grant_type": "authorization_code", "code": code, "client_id": client}
        got = self.ask("/auth/token", asked, form=True)
        self.tokens = {**got, "hassUrl": self.base, "clientId": client, "expires": (time.time() + 1800) * 1000}

    def connect(self, port: int, password: str) -> None:
        """Add the integration MQTT, with a user and a password."""
        flow = "/api/config/config_entries/flow"
        step = self.ask(flow, {"handler": "mqtt", "show_advanced_options": False})
        known = {"broker": "127.0.0.1", "port": port, "username": _USER, "password": password}
        broker = {**_defaults(step["data_schema"]), **known}
        made = self.ask(f"{flow}/{step['flow_id']}", broker)
        if made.get("type") != "create_entry":
            raise SystemExit(f"Home Assistant did not accept the broker: {made}")

    def state(self, entity: str) -> dict[str, Any]:
        """State and attributes; empty if there is no such entity."""
        return next((one for one in self.ask("/api/states") if one["entity_id"] == entity), {})

    def device(self, entity: str) -> str:
        """The path of the page of an entity's device."""
        return f"/config/devices/device/{self.ask('/api/template', {'template': f'{{{{ device_id({entity!r}) }}}}'})}"

    def is_complete(self) -> bool:
        """Whether a match, a stranger, a picture, a decision of the door and a visit have been received."""
        wanted = (_EVENT, _IMAGE, _PEOPLE, _DECISION, _SEEN)
        known = all(self.state(one).get("state", "unknown") not in {"unknown", "unavailable", "none"} for one in wanted)
        return known and self.shows("match")()

    def shows(self, kind: str) -> Callable[[], bool]:
        """Whether the newest event is of a kind."""
        return lambda: self.state(_EVENT).get("attributes", {}).get("event_type") == kind


def _defaults(fields: list[dict[str, Any]]) -> dict[str, Any]:
    """What a form sends if nothing is entered: the fields differ between versions."""
    inner = {one["name"]: _defaults(one["schema"]) for one in fields if one.get("type") == "expandable"}
    return {one["name"]: _default(one) for one in fields if one.get("required")} | inner


def _default(one: dict[str, Any]) -> Any:
    """A required field's default; else what a browser shows: a box without a tick, or the first choice."""
    choices = one.get("selector", {}).get("select", {}).get("options", [False])
    return one.get("default", choices[0])


@contextmanager
def home_assistant(python: Path, folder: Path) -> Iterator[Home]:
    """The whole of Home Assistant core, with its page; `folder` is its configuration."""
    port = free_port()
    (folder / "blueprints" / "automation" / "edgeface").mkdir(parents=True)
    shutil.copy(BLUEPRINT, folder / "blueprints" / "automation" / "edgeface" / "stranger.yaml")
    (folder / "configuration.yaml").write_text(_SETTINGS.format(port=port))
    (folder / "automations.yaml").write_text("[]\n")
    # The other steps would set up integrations that ask services on the internet.
    done = {"done": ["core_config", "analytics", "integration"]}
    (folder / ".storage").mkdir()
    (folder / ".storage" / "onboarding").write_text(
        json.dumps({"version": 4, "minor_version": 1, "key": "onboarding", "data": done})
    )
    # Home Assistant would build packages of what is not wanted here.
    command = [str(python), "-m", "homeassistant", "--skip-pip", "--config", str(folder)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    home = Home(port)
    try:
        if not until(lambda: home.is_up() or process.poll() is not None, _SETUP) or process.poll() is not None:
            raise SystemExit(f"Home Assistant did not start: {(folder / 'log').read_text()[-2000:]}")
        home.own()
        yield home
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def device(folder: Path) -> Iterator[tuple[int, str]]:
    """Edgeface with a door, and a broker with a login; the broker's port and the password."""
    password = secrets.token_urlsafe(16)
    secret, logins, data = folder / "mqtt.password", folder / "logins", folder / "data"
    secret.touch(mode=0o600)
    secret.write_text(password)
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(logins), _USER, password], check=True)
    data.mkdir(mode=0o700)
    clock, clip = SystemClock(), cut(folder / "clip.avi", SPAN)
    public = demo_door.make_key(data, clock.wall())
    # The door of the demo has no login of its own.
    with Mosquitto(folder, ("allow_anonymous true", f"password_file {logins}")) as broker:
        parts = {"camera": CAMERA, "clip": clip, "port": broker.port, "user": _USER, "password": secret, "data": data}
        door = {"door": demo_door.NAME, "allowed": demo_door.ALLOWED, "web": free_port()}
        (folder / "config.yaml").write_text(_CONFIG.format(**parts, **door))
        enroll(folder, PEOPLE)
        watched = demo_door.WatchedDoor(folder, broker.port, public, clock, lambda _: None)
        watched.start()
        try:
            with daemon(folder):
                yield broker.port, password
        finally:
            watched.stop()


def add_page(python: Path) -> None:
    """Install the page in the version that belongs to this Home Assistant."""
    wanted = subprocess.run([python, "-c", _PACKAGES], check=True, capture_output=True, text=True).stdout.split()
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)


def take(home: Home, out: Path) -> None:
    """Write home-assistant-NAME.jpg for each page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)

        def page(size: str) -> Page:
            width, height = SIZES[size]
            context = browser.new_context(
                viewport={"width": width, "height": height}, locale="en", color_scheme="light"
            )
            context.add_init_script(f"localStorage.setItem('hassTokens', {json.dumps(json.dumps(home.tokens))})")
            return context.new_page()

        def write(shown: Page, name: str) -> None:
            path = out / f"home-assistant-{name}.jpg"
            shown.screenshot(path=path, type="jpeg", quality=80)
            print(path.name, path.stat().st_size // 1000, "kB")

        desktop, phone = page("desktop"), page("phone")
        _open(desktop, home, "/config/integrations/integration/mqtt", "front porch")
        write(desktop, "mqtt")
        _open(desktop, home, home.device(_PEOPLE), "Face event")
        until(home.shows("left"), _PATIENCE)
        until(home.shows("match"), _PATIENCE)
        desktop.wait_for_timeout(_SHOWN)
        write(desktop, "camera")
        _open(desktop, home, home.device(_DECISION), "Last decision")
        until(lambda: home.state(_DECISION).get("state") == "granted", _PATIENCE)
        desktop.wait_for_timeout(_SHOWN)
        write(desktop, "door")
        _open(phone, home, home.device(_PEOPLE), "Face event")
        phone.get_by_text("Face event").first.scroll_into_view_if_needed()
        until(home.shows("left"), _PATIENCE)
        until(home.shows("unknown"), _PATIENCE)
        phone.wait_for_timeout(_SHOWN)
        write(phone, "phone")
        home.ask("/api/config/automation/config/stranger", _AUTOMATION)
        _open(desktop, home, "/config/automation/edit/stranger", "Where to send it")
        write(desktop, "blueprint")
        browser.close()


def _open(shown: Page, home: Home, path: str, text: str) -> None:
    shown.goto(f"{home.base}{path}")
    shown.get_by_text(text).first.wait_for(timeout=_PATIENCE * 1000)
    confirm = shown.get_by_role("button", name="Confirm")
    shown.wait_for_timeout(_SHOWN)
    # Its port was chosen in its configuration: it asks once whether it is right.
    if confirm.count():
        confirm.first.click()
        shown.mouse.move(0, 0)
        shown.wait_for_timeout(_SHOWN)


def main() -> None:
    """Start everything, and write the pictures."""
    parser = argparse.ArgumentParser(prog="tools.home_assistant.screenshots")
    parser.add_argument("python", type=Path)
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=OUT)
    wanted = parser.parse_args()
    wanted.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="edgeface-ha-", ignore_cleanup_errors=True) as scratch,
        ExitStack() as stack,
    ):
        add_page(wanted.python)
        folder = Path(scratch)
        (folder / "hass").mkdir()
        port, password = stack.enter_context(device(folder))
        home = stack.enter_context(home_assistant(wanted.python, folder / "hass"))
        if not until(home.is_running, _SETUP):
            raise SystemExit("Home Assistant did not finish its start")
        home.connect(port, password)
        # Those of what was not started.
        home.ask("/api/services/persistent_notification/dismiss_all", {})
        if not until(home.is_complete, _PATIENCE):
            raise SystemExit("edgeface's entities have no values in Home Assistant")
        take(home, wanted.out)


if __name__ == "__main__":
    main()
