"""A camera that refuses the login: the log, the state, the pages and REST say so, and nothing shows the password."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import httpx
import pytest

from edgeface.cameras.network import faults
from edgeface.config import loader
from edgeface.daemon.daemon import Daemon
from edgeface.web.auth.accounts import make_token
from tests.support.broker import until
from tests.support.still_camera import StillCamera, serving
from tests.support.threaded import threaded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgeface.demo.mosquitto import Mosquitto
    from tests.support.broker import Listener

SECRETS = ("hunter2", "hunter3", "snap.jpg", "lookout")
PAGES = ("", "live", "health", "doors", "api/v1/cameras", "api/v1/state", "metrics")

CONFIG = """\
data: {data}
cameras:
  porch: {{type: snapshot, url: "http://{still}?pwd=hunter3", username: lookout, password_file: {secret}}}
  yard: {{type: rtsp, url: "rtsp://lookout:hunter2@{still}?pwd=hunter3"}}
mqtt: {{port: {port}}}
web: {{port: 0}}
"""


@pytest.mark.broker
@pytest.mark.slow(seconds=8)
def test_what_is_wrong_with_a_camera_is_shown_everywhere_and_its_password_nowhere(
    tmp_path: Path, broker: Mosquitto, listen: Callable[..., Listener], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    secret.chmod(0o600)
    token = make_token(tmp_path / "data", "robot", "admin", 0.0)
    listener = listen(broker, "#")
    with serving(StillCamera(login=("lookout", "another"))) as still:
        text = CONFIG.format(data=tmp_path / "data", still=still.url, secret=secret, port=broker.port)
        lines = {"porch": f"http://127.0.0.1:{still.port} {faults.WRONG_LOGIN}"}
        lines["yard"] = f"rtsp://127.0.0.1:{still.port} {faults.HTTP_NOT_RTSP}"
        daemon = Daemon(loader.parse(text.encode(), "c"))
        with threaded(daemon):

            def problems() -> dict[str, str]:
                states = listener.of("edgeface/edgeface/state")
                return {name: one["problem"] for name, one in states[-1].json["cameras"].items()} if states else {}

            until(lambda: problems() == lines, 20)
            link = daemon.sign_in_link()
            assert link is not None
            headers = {"authorization": f"Bearer {token}"}
            with httpx.Client(base_url=link.partition("login")[0], headers=headers) as browser:
                shown = {page: browser.get(page) for page in PAGES}
            assert still.refused == 1
    assert {page: answer.status_code for page, answer in shown.items()} == dict.fromkeys(PAGES, 200)
    assert all(line.replace("'", "&#39;") in shown["health"].text for line in lines.values())
    assert all(f"camera {name} is offline: {line}" in caplog.text for name, line in lines.items())
    for text in (caplog.text, *(answer.text for answer in shown.values()), *(str(one) for one in listener.heard)):
        assert [word for word in SECRETS if word in text] == []
