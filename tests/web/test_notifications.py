"""The pages about notifications, and the link in a message."""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from edgeface.config import loader
from edgeface.core.clock import SystemClock
from edgeface.notify.notifier import Notifier
from edgeface.notify.rules import RuleContext
from edgeface.notify.subscriptions import SubscriptionFile
from edgeface.security.vault import open_vault
from edgeface.web.texts import notify_strings as words
from tests.support.broker import until
from tests.support.http_receiver import Receiver, receiver
from tests.support.push_browser import PushBrowser
from tests.support.web import (  # noqa: F401 - fixtures
    ORIGIN,
    UNKNOWN,
    Stage,
    _enrolled,
    _outcomes,
    client,
    context,
    sign_in,
    stage,
)

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    Make = Callable[..., TestClient]

SECTION = """
notify:
  page: https://edgeface.example
  targets:
    house: {{type: webhook, url: "{url}", secret_file: {folder}/secret, allow_local: true}}
    browsers: {{type: web_push, contact: "mailto:me@example.com"}}
  rules: [{{to: [house], kinds: [unknown]}}]
"""


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture
def notifier(stage: Stage, hook: Receiver) -> Iterator[Notifier]:  # noqa: F811 - a fixture
    """The stage with a section notify, and its notifier."""
    (stage.folder / "secret").write_text("a secret\n")
    (stage.folder / "secret").chmod(0o600)
    path = stage.folder / "config.yaml"
    path.write_text(path.read_text() + SECTION.format(url=hook.url, folder=stage.folder))
    configuration = loader.load(path)
    assert configuration.notify is not None
    browsers = SubscriptionFile(stage.data, open_vault(stage.data))
    made = Notifier(configuration.notify, RuleContext({}, {}), SystemClock(), browsers)
    made.start()
    object.__setattr__(stage.context, "configuration", lambda: configuration)
    object.__setattr__(stage.context, "notifier", lambda: made)
    yield made
    made.close()


def test_without_the_section_the_page_says_so(client: "Make") -> None:  # noqa: F811 - a fixture
    assert words.NOTIFY_NONE in client("admin").get("/notifications").text
    assert client("admin").post("/notifications/test", data={"x": ""}).status_code == 404
    assert words.STRANGER_GONE in client().get("/stranger/guessed").text


@pytest.mark.usefixtures("notifier")
def test_the_page_has_each_target_and_only_admins_see_it(client: "Make", notifier: Notifier) -> None:  # noqa: F811
    text = client("admin").get("/notifications").text
    assert re.findall(r'<th scope="row">(\w+)</th>', text) == ["house", "browsers"]
    assert f'data-key="{notifier.browsers.public()}"' in text
    assert client("viewer").get("/notifications").status_code == 403
    assert client().get("/notifications").status_code == 303


def test_a_test_is_sent_to_every_target(client: "Make", notifier: Notifier, hook: Receiver) -> None:  # noqa: F811
    answer = client("admin").post("/notifications/test", data={"x": ""})
    assert answer.headers["location"] == "/notifications?done=test_sent"
    until(lambda: hook.received, 20)
    assert hook.received[0].json["kind"] == "test"
    until(lambda: notifier.facts()["targets"]["house"]["sent"] == 1)


def test_a_browser_is_added_and_removed(client: "Make", stage: Stage, notifier: Notifier) -> None:  # noqa: F811
    admin = client("admin")
    fields = {**PushBrowser().fields("https://push.example/secret-part"), "label": "  Anna's\x00 phone "}
    answer = admin.post("/notifications/browsers", data=fields)
    assert answer.headers["location"] == "/notifications?done=browser_added"
    known = notifier.browsers.browsers()
    assert known is not None
    (browser,) = known.subscriptions
    assert browser.label == "Anna's phone"
    text = admin.get("/notifications").text
    assert "Anna&#39;s phone" in text
    assert "push.example" not in text
    assert ("config", {"web": "a browser for notifications was added"}) in stage.notes
    admin.post(f"/notifications/browsers/{browser.id}/remove", data={"x": ""})
    known = notifier.browsers.browsers()
    assert known is not None
    assert known.subscriptions == ()


@pytest.mark.parametrize("wrong", [{"endpoint": "http://push.example/"}, {"auth": ""}, {"p256dh": "x"}])
def test_what_is_no_browser_is_refused(client: "Make", notifier: Notifier, wrong: dict[str, str]) -> None:  # noqa: F811
    fields = {**PushBrowser().fields("https://push.example/a"), **wrong}
    assert client("admin").post("/notifications/browsers", data=fields).status_code == 409
    assert client("viewer").post("/notifications/browsers", data=fields).status_code == 403
    known = notifier.browsers.browsers()
    assert known is None or known.subscriptions == ()


def test_a_link_ignores_a_stranger_once_without_sign_in(
    client: "Make",  # noqa: F811 - a fixture
    stage: Stage,  # noqa: F811 - a fixture
    notifier: Notifier,
) -> None:
    anyone, path = client(), f"/stranger/{notifier.links.make(UNKNOWN)}"
    shown = anyone.get(path)
    assert shown.status_code == 200
    assert words.STRANGER_IGNORE in shown.text
    assert '<img src="/faces' not in shown.text
    # Reading it uses nothing, since mail programs open links; a POST from another site is refused.
    assert anyone.post(path, headers={"origin": "https://evil.example"}).status_code == 403
    assert words.STRANGER_IGNORE in anyone.get(path).text
    done = anyone.post(path, headers={"origin": ORIGIN})
    assert words.STRANGER_DONE in done.text
    assert words.STRANGER_GONE in anyone.post(path, headers={"origin": ORIGIN}).text
    assert words.STRANGER_GONE in anyone.get(path).text
    with stage.context.gallery() as gallery:
        assert [one.id for one in gallery.people() if one.ignored] == [f"ignored-{UNKNOWN.removeprefix('u-')}"]
        assert gallery.find_unknown(UNKNOWN) is None


def test_a_link_to_a_stranger_who_is_gone_says_so(client: "Make", notifier: Notifier) -> None:  # noqa: F811
    path = f"/stranger/{notifier.links.make('u-00000000')}"
    assert client().post(path).status_code == 409


def test_the_script_of_the_browser_is_served_to_everyone(client: "Make") -> None:  # noqa: F811 - a fixture
    answer = client().get("/service-worker.js")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "showNotification" in answer.text


def test_the_health_page_names_a_target_that_fails(stage: Stage, notifier: Notifier) -> None:  # noqa: F811
    stage.context.hub.state = {**stage.context.hub.state, "notify": notifier.facts()}
    text = sign_in(stage, "viewer").get("/health").text
    assert "house" in text
    assert 'href="/notifications"' not in text
    assert 'href="/notifications"' in sign_in(stage, "admin").get("/health").text
