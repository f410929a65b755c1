"""The first steps on the page Today: when they are there, how each stands, and who may do what."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("starlette")

from edgeface.config import loader
from edgeface.core.clock import SystemClock
from edgeface.demo.mosquitto import free_port
from edgeface.mqtt import advice
from edgeface.notify.notifier import Notifier
from edgeface.notify.rules import RuleContext
from edgeface.notify.subscriptions import SubscriptionFile
from edgeface.security.vault import open_vault
from edgeface.web.texts import strings, today_strings
from tests.support.broker import until
from tests.support.push_browser import PushBrowser
from tests.support.visits import announced, noted, visit
from tests.support.web import CAMERA, STATE, UNKNOWN, Stage, client, context, stage  # noqa: F401 - fixtures
from tests.web.test_pages import Markup, post
from tests.web.test_today import words, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.testclient import TestClient

    Make = Callable[..., TestClient]

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

BROKER = {"problem": None, "lost": 0}


@pytest.fixture
def empty(stage: Stage) -> Stage:
    """A device where no one is enrolled; both cameras work."""
    with stage.context.gallery() as gallery:
        gallery.remove(["barack", "eileen"])
    for person in ("barack", "eileen"):
        stage.context.journal.redact(person)
    stage.context.hub.state = {**STATE, "problems": [], "cameras": {CAMERA: STATE["cameras"][CAMERA]}}
    alone(stage, "")
    return stage


def alone(stage: Stage, more: str) -> None:
    """Configure one camera, and what a test adds."""
    source = stage.folder / "config.yaml"
    text = re.sub(r"  yard: .*\n", "", source.read_text())
    source.write_text(text + more)
    stage.context.reload()


def steps(client: TestClient) -> dict[str, str]:
    """Each step with its state."""
    answer = client.get("/")
    assert (Markup(answer.text).wrong, Markup(answer.text).open) == ([], [])
    return dict(re.findall(r'data-step="(\w+)" data-state="(\w+)"', answer.text))


def step(client: TestClient, key: str) -> str:
    """The part of the page about one step."""
    text = client.get("/").text
    (found,) = re.findall(rf'<li data-step="{key}".*?</li>', text, re.DOTALL)
    return str(found)


def enroll(stage: Stage) -> None:
    """As the daemon does it."""
    with stage.context.gallery() as gallery:
        unknown = gallery.find_unknown(UNKNOWN)
        assert unknown is not None
        stage.context.people.enroll_unknown(UNKNOWN, "joe", "Joe")


def test_an_empty_device_leads_through_four_steps_until_all_are_done(client: Make, empty: Stage) -> None:
    admin = client("admin")
    assert steps(admin) == {"camera": "done", "person": "todo", "match": "todo", "connect": "todo"}
    assert words(step(admin, "camera")).startswith("done The camera works porch: 15.0 fps")
    assert 'class="button primary" href="/enroll"' in step(admin, "person")
    assert today_strings.STEP_MATCH_FIRST in step(admin, "match")
    enroll(empty)
    assert steps(admin) == {"camera": "done", "person": "done", "match": "todo", "connect": "todo"}
    assert today_strings.STEP_MATCH_TODO in step(admin, "match")
    write(empty, announced(empty.context.clock.wall(), 1, person="joe"))
    assert "Joe was recognised at porch." in step(admin, "match")
    assert 'class="button primary" href="/notifications"' in step(admin, "connect")
    alone(empty, "mqtt: {}\n")
    empty.context.hub.state = {**empty.context.hub.state, "mqtt": BROKER}
    assert steps(admin) == {}
    assert admin.get("/today/steps").text.strip() == ""


def test_the_steps_name_a_camera_as_people_call_it(client: Make, empty: Stage) -> None:
    source = empty.folder / "config.yaml"
    source.write_text(source.read_text().replace("    # A clip.", '    name: "Front <b>door</b>"'))
    empty.context.reload()
    admin = client("admin")
    assert "Front &lt;b&gt;door&lt;/b&gt;: 15.0 fps" in step(admin, "camera")
    enroll(empty)
    write(empty, announced(empty.context.clock.wall(), 1, person="joe"))
    assert "Joe was recognised at Front &lt;b&gt;door&lt;/b&gt;." in step(admin, "match")
    failing = {**STATE["cameras"][CAMERA], "status": "offline", "problem": "/dev/video0 cannot be opened"}
    empty.context.hub.state = {**empty.context.hub.state, "cameras": {CAMERA: failing}}
    # The step names the fault, so the page does not name it again.
    assert admin.get("/").text.count("Front &lt;b&gt;door&lt;/b&gt;: /dev/video0 cannot be opened") == 1


def test_a_camera_that_fails_is_named_once_with_the_way_out(client: Make, empty: Stage) -> None:
    failing = {**STATE["cameras"][CAMERA], "status": "offline", "problem": "/dev/video0 cannot be opened"}
    empty.context.hub.state = {**empty.context.hub.state, "cameras": {CAMERA: failing}}
    text = client("admin").get("/").text
    assert text.count("/dev/video0 cannot be opened") == 1
    assert "Is the camera on and connected" in text
    assert steps(client("admin"))["camera"] == "problem"
    for status, state in (("starting", "todo"), ("disabled", "todo"), ("ended", "done")):
        now = {**STATE["cameras"][CAMERA], "status": status}
        empty.context.hub.state = {**empty.context.hub.state, "cameras": {CAMERA: now}}
        assert strings.STATUSES[status] in step(client("admin"), "camera")
        assert steps(client("admin"))["camera"] == state
    empty.context.hub.state = {}
    assert steps(client("admin"))["camera"] == "todo"


def test_a_broker_that_never_answered_is_a_problem_and_one_that_did_brings_nothing_back(
    client: Make, empty: Stage
) -> None:
    refused = f"the broker 127.0.0.1:{free_port()} cannot be reached: Connection refused"
    alone(empty, "mqtt: {}\n")
    empty.context.hub.state = {**empty.context.hub.state, "mqtt": {**BROKER, "problem": refused}}
    enroll(empty)
    write(empty, announced(empty.context.clock.wall(), 1, person="joe"))
    admin = client("admin")
    assert steps(admin)["connect"] == "problem"
    assert advice.START.replace("`", "") in re.sub(r"<[^>]+>", "", step(admin, "connect"))
    assert admin.get("/").text.count(refused) == 1
    started = noted("started", 1.0)
    write(empty, started)
    assert steps(admin)["connect"] == "problem"
    assert empty.context.journal.write((), [started.id])
    assert steps(admin) == {}
    assert refused in admin.get("/").text


def test_a_face_that_matches_no_one_after_the_enrollment_is_said(client: Make, empty: Stage) -> None:
    now = empty.context.clock.wall()
    write(empty, *visit(now - 60, 1, unknown=UNKNOWN))
    enroll(empty)
    assert today_strings.STEP_MATCH_TODO in step(client("admin"), "match")
    write(empty, announced(now, 2, "uncertain", reason="near_threshold"))
    assert today_strings.STEP_MATCH_UNKNOWN in step(client("admin"), "match")


def test_ignored_and_forgotten_people_do_not_count(client: Make, empty: Stage) -> None:
    empty.context.people.ignore_unknown(UNKNOWN)
    write(empty, announced(empty.context.clock.wall(), 1, person="someone-who-was-forgotten"))
    assert steps(client("admin"))["person"] == "todo"
    assert steps(client("admin"))["match"] == "todo"


@contextmanager
def notifying(stage: Stage, target: str) -> Iterator[Notifier]:
    """With one target of notifications, and a notifier that does not send yet."""
    alone(stage, f"notify: {{targets: {{phone: {target}}}, rules: [{{kinds: [unknown], to: [phone]}}]}}\n")
    settings = stage.context.configuration().notify
    assert settings is not None
    browsers = SubscriptionFile(stage.data, open_vault(stage.data))
    made = Notifier(settings, RuleContext({}, {}), SystemClock(), browsers)
    object.__setattr__(stage.context, "notifier", lambda: made)
    made.start()
    try:
        yield made
    finally:
        made.close()


def test_a_browser_for_notifications_has_to_be_added_first(client: Make, empty: Stage) -> None:
    admin = client("admin")
    with notifying(empty, "{type: web_push, contact: 'mailto:me@example.com'}"):
        assert steps(admin)["connect"] == "todo"
        answer = post(admin, "/notifications/browsers", PushBrowser().fields("https://push.example/a"))
        assert answer.headers["location"] == "/notifications?done=browser_added"
        assert today_strings.STEP_PHONE in step(admin, "connect")
        assert steps(admin)["connect"] == "done"


def test_a_target_of_notifications_that_fails_reaches_no_one(client: Make, empty: Stage) -> None:
    admin, address = client("admin"), f"http://127.0.0.1:{free_port()}/hook"
    secret = empty.folder / "secret"
    secret.write_text("a secret\n")
    secret.chmod(0o600)
    target = f"{{type: webhook, url: '{address}', secret_file: {secret}, allow_local: true}}"
    with notifying(empty, target) as notifier:
        assert steps(admin)["connect"] == "done"
        notifier.send_test()
        until(lambda: notifier.facts()["targets"]["phone"]["problem"], 20)
        assert steps(admin)["connect"] == "todo"


def test_a_viewer_sees_only_what_a_viewer_may_do(client: Make, empty: Stage) -> None:
    viewer = client("viewer")
    assert list(steps(viewer)) == ["camera", "person", "match"]
    assert "<a " not in step(viewer, "person")
    for path in re.findall(r'href="([^"]+)"', "".join(step(viewer, key) for key in steps(viewer))):
        assert viewer.get(path).status_code == 200, path
    enroll(empty)
    write(empty, announced(empty.context.clock.wall(), 1, person="joe"))
    assert steps(viewer) == {}


@pytest.mark.usefixtures("empty")
def test_hiding_them_lasts_in_this_browser_only(client: Make) -> None:
    admin, other = client("admin"), client("admin")
    answer = post(admin, "/today/steps/hide", {})
    assert answer.headers["location"] == "/"
    (cookie,) = [one for one in answer.headers.get_list("set-cookie") if "-steps=" in one]
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    assert steps(admin) == {}
    assert admin.get("/today/steps").text.strip() == ""
    assert "person" in steps(other)


def test_they_are_on_the_newest_page_only(client: Make, empty: Stage) -> None:
    for query in ("?day=2026-01-01", "?q=joe", f"?camera={CAMERA}", "?first=60"):
        assert "data-step" not in client("admin").get(f"/{query}").text, query
    assert loader.load(empty.folder / "config.yaml").mqtt is None
