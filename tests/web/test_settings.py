"""The pages that change config.yaml, without a browser: what they write, what they refuse, and what they never show."""

from __future__ import annotations

import difflib
import html
import os
import re
import stat
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("starlette")

from edgeface import __version__
from edgeface.cameras import discovery
from edgeface.cameras.opencv import OpencvCamera
from edgeface.core.errors import DISK_FULL
from edgeface.core.types import Frame, FrameResult
from edgeface.web import config_file
from edgeface.web.settings import trial
from edgeface.web.settings.addresses import HiddenError, masked, unmasked
from edgeface.web.texts import settings_strings, strings
from tests.support.broker import until
from tests.support.mjpeg import mjpeg
from tests.support.web import CAMERA, Stage, client, context, stage  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from httpx import Response
    from starlette.testclient import TestClient

    from edgeface.core.types import Image

    Client = Callable[..., TestClient]

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

PAGE = f"/settings/cameras/{CAMERA}"
YARD = "/settings/cameras/yard"
SECRET = "rtsp://viewer:geheim%40x@10.0.0.9:554/stream2?token=abc123&channel=1"  # noqa: S105 - of no camera
SHOWN = "rtsp://viewer:***@10.0.0.9:554/stream2?token=***&channel=1"
NOTIFY = """notify:
  targets:
    # In the hall.
    phone: {type: apprise, url_file: /run/secret-place/phone.url}
    house: {type: webhook, url: "http://192.168.1.20/hook", secret_env: HOUSE_SECRET, allow_local: true}
  rules:
    # At night.
    - to: [phone]
      kinds: [unknown, spoof] # both
      pause: 60.0
    - {to: [phone, house], kinds: [match], cameras: [porch]}
"""


@pytest.fixture
def admin(client: Client) -> TestClient:
    return client("admin")


@pytest.fixture
def source(stage: Stage) -> Path:
    return stage.folder / "config.yaml"


def fields_of(answer: Response, action: str) -> dict[str, str]:
    """What a browser would send with the form of this address."""
    (form,) = re.findall(rf'<form[^>]*action="{action}".*?</form>', answer.text, re.DOTALL)
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and value and ("checkbox" not in tag or "checked" in tag):
            found[name[1]] = html.unescape(value[1])
    for name, options in re.findall(r'<select[^>]*name="([^"]*)".*?>(.*?)</select>', form, re.DOTALL):
        (found[name],) = re.findall(r'value="([^"]*)" selected', options)
    return found


def save(
    client: TestClient, path: str, more: dict[str, str] | None = None, *,
    to: str = "", without: tuple[str, ...] = (), **typed: str,
) -> Response:  # fmt: skip
    """Load a page, type into its fields, and send the form."""
    typed = {key.replace("region_", "region-"): value for key, value in typed.items()}
    fields = {**fields_of(client.get(path), path), **typed, **(more or {})}
    answer: Response = client.post(path + to, data={key: one for key, one in fields.items() if key not in without})
    return answer


def undo(client: TestClient, path: str = PAGE) -> Response:
    answer: Response = client.post("/settings/undo", data=fields_of(client.get(path), "/settings/undo"))
    return answer


def changes(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]


def text_of(answer: Response) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def wrong(answer: Response) -> dict[str, str]:
    """The mistakes next to the fields."""
    return {name: html.unescape(text) for name, text in re.findall(r'id="([\w-]+)-wrong">([^<]*)<', answer.text)}


def add_camera(stage: Stage, source: Path, line: str) -> None:
    source.write_text(source.read_text().replace("privacy:", f"  {line}\nprivacy:"))
    stage.context.reload()


def test_what_is_changed_is_written_with_the_comments_kept_and_recorded(
    admin: TestClient, stage: Stage, source: Path
) -> None:
    before, reloads = source.read_text(), stage.reloads
    answer = save(admin, PAGE, fps="12,5", region_left="10", region_bottom="62.5")
    assert answer.headers["location"] == f"{PAGE}?done=settings_restart"
    assert changes(before, source.read_text()) == ["+     fps: 12.5", "+     region: [0.1, 0.0, 1.0, 0.625]"]
    assert stage.reloads == reloads + 1
    keys = f"cameras.{CAMERA}.fps, cameras.{CAMERA}.region"
    (note,) = [facts for kind, facts in stage.notes if kind == "config"]
    assert (note["web"], note["keys"], note["by"]) == ("config.yaml was changed", keys, "code")
    again = fields_of(admin.get(PAGE), PAGE)
    assert (again["fps"], again["region-left"], again["region-bottom"]) == ("12.5", "10", "62.5")
    # What is emptied is left out again, and the region alone takes effect at once.
    whole = save(admin, PAGE, region_left="0", region_bottom="100")
    assert whole.headers["location"].endswith("done=settings_saved")
    save(admin, PAGE, fps="")
    assert source.read_text() == before
    assert save(admin, PAGE).headers["location"].endswith("done=settings_same")


NAMED = "Haustür “vorn”: #1 <b>&amp;</b> {x} 🚪"


def test_a_camera_gets_a_name_for_people_and_keeps_its_id(admin: TestClient, stage: Stage, source: Path) -> None:
    before = source.read_text()
    answer = save(admin, PAGE, name=f" {NAMED} ")
    assert answer.headers["location"] == f"{PAGE}?done=settings_saved"
    assert changes(before, source.read_text()) == [f'+     name: "{NAMED}"']
    assert stage.context.configuration().camera_name(CAMERA) == NAMED
    (note,) = [facts for kind, facts in stage.notes if kind == "config"]
    assert (note["keys"], NAMED in str(note)) == (f"cameras.{CAMERA}.name", False)
    shown = admin.get(PAGE)
    assert fields_of(shown, PAGE)["name"] == NAMED
    assert f"ID: {CAMERA}" in text_of(shown)
    # Nothing needs a restart, and the inline camera of one line takes a name too.
    assert save(admin, YARD, name="Garden").headers["location"].endswith("done=settings_saved")
    assert 'yard: {type: opencv, source: /dev/video99, name: "Garden"}' in source.read_text()
    assert undo(admin, YARD).headers["location"] == f"{YARD}?done=settings_undone"
    assert changes(before, source.read_text()) == [f'+     name: "{NAMED}"']
    save(admin, PAGE, name="")
    assert source.read_text() == before


@pytest.mark.parametrize(
    "name", ["x" * 61, "a\x1b[31m", "a\u202eb", "a\u2028b", "a  b", "\u200d", "a\nprivacy: {}", "\ufeffa"]
)
def test_a_hostile_name_is_refused(admin: TestClient, source: Path, name: str) -> None:
    before = source.read_bytes()
    answer = save(admin, PAGE, name=name)
    assert answer.status_code == 409
    assert set(wrong(answer)) == {"name"}
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    "name", ["null", "~", "!!python/object:os.system", "*a", "&a b", "- a", "a: b", "# a", "\\", "'", '"']
)
def test_a_name_that_looks_like_yaml_is_text(admin: TestClient, stage: Stage, name: str) -> None:
    assert save(admin, PAGE, name=name).status_code == 303
    assert stage.context.configuration().cameras[CAMERA].name == name


def test_a_name_that_another_camera_has_is_named_at_its_field(admin: TestClient, source: Path) -> None:
    before = source.read_bytes()
    answer = save(admin, PAGE, name="Yard")
    assert wrong(answer) == {"name": "camera yard has this name too; choose another"}
    assert source.read_bytes() == before


def test_the_lines_to_paste_have_the_name_as_it_was_typed(admin: TestClient, source: Path) -> None:
    source.chmod(0o444)
    # Only the parts of an address are hidden.
    assert 'name: "http://porch/live?token=door"' in text_of(save(admin, PAGE, name="http://porch/live?token=door"))
    assert "yard: source: 0" in text_of(save(admin, YARD, source="0"))
    assert f'source: "{SHOWN}"' in text_of(save(admin, YARD, source=SECRET))


def test_the_device_has_level_privacy_and_rules(admin: TestClient, stage: Stage, source: Path) -> None:
    source.write_text(source.read_text() + NOTIFY)
    stage.context.reload()
    before = source.read_text()
    page = admin.get("/settings").text
    assert f"edgeface {__version__}<" in page
    for secret in ("secret-place", "HOUSE_SECRET", "192.168.1.20"):
        assert secret not in page
    answer = save(
        admin,
        "/settings",
        {"rule-0-kinds-match": "1", "rule-0-pause": "300", "rule-1-cameras-yard": "1", "rule-1-to-house": ""},
        level="high",
        journal_days="30",
        without=("rule-0-kinds-spoof", "rule-1-cameras-porch"),
    )
    assert answer.headers["location"] == "/settings?done=settings_saved"
    assert changes(before, source.read_text()) == [
        "- privacy: {pictures: all}",
        "+ privacy: {pictures: all, journal_days: 30}",
        "-       kinds: [unknown, spoof] # both",
        "+       kinds: [match, unknown] # both",
        "-       pause: 60.0",
        "+       pause: 300.0",
        "-     - {to: [phone, house], kinds: [match], cameras: [porch]}",
        "+     - {to: [phone], kinds: [match], cameras: [yard]}",
        "+ recognition: {level: high}",
    ]
    assert stage.context.configuration().recognition.level == "high"
    none = save(admin, "/settings", without=("rule-1-cameras-yard", "rule-0-to-phone"))
    assert wrong(none) == {"rule-0-to": settings_strings.MISTAKE_NONE}
    save(admin, "/settings", without=("rule-1-cameras-yard",))
    assert "- {to: [phone], kinds: [match]}" in source.read_text()


def test_a_mistake_is_next_to_its_field_and_nothing_is_written(admin: TestClient, stage: Stage, source: Path) -> None:
    before, reloads = source.read_bytes(), stage.reloads
    answer = save(admin, YARD, source="ftp://x/y", fps="many", smallest="1e3", region_left="x")
    assert answer.status_code == 409
    assert wrong(answer) == {
        "fps": settings_strings.MISTAKE_NUMBER,
        "region": settings_strings.MISTAKE_NUMBER,
        "smallest": settings_strings.MISTAKE_WHOLE,
    }
    assert fields_of(answer, YARD)["fps"] == "many"
    # What only the check of the whole file finds.
    answer = save(admin, YARD, source="ftp://x/y", fps="1000", smallest="5")
    assert answer.status_code == 409
    assert set(wrong(answer)) == {"source", "fps", "smallest"}
    assert "240" in wrong(answer)["fps"]
    assert wrong(answer)["source"].startswith("a stream's address begins with")
    answer = save(admin, PAGE, region_left="80", region_right="20")
    assert "left < right" in text_of(answer)
    assert settings_strings.NOTHING_WRITTEN in text_of(answer)
    assert (source.read_bytes(), stage.reloads) == (before, reloads)
    assert not source.with_name("config.yaml.previous").exists()


def test_one_click_undoes_a_change_and_one_more_repeats_it(admin: TestClient, source: Path) -> None:
    source.chmod(0o640)
    before = source.read_bytes()
    assert settings_strings.UNDO not in admin.get(PAGE).text
    save(admin, PAGE, fps="9")
    after = source.read_bytes()
    kept = source.with_name("config.yaml.previous")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    assert kept.read_bytes().startswith(before)
    answer = undo(admin)
    assert answer.headers["location"] == f"{PAGE}?done=settings_undone_restart"
    assert source.read_bytes() == before
    assert stat.S_IMODE(source.stat().st_mode) == 0o640
    undo(admin)
    assert source.read_bytes() == after


def test_a_file_without_a_line_end_is_restored_byte_for_byte(admin: TestClient, source: Path) -> None:
    before = source.read_bytes().rstrip() + b" # end"
    source.write_bytes(before)
    save(admin, PAGE, fps="9")
    undo(admin)
    assert source.read_bytes() == before


def test_a_change_by_hand_is_not_undone(admin: TestClient, source: Path) -> None:
    save(admin, PAGE, fps="9")
    form = fields_of(admin.get(PAGE), "/settings/undo")
    source.write_text(source.read_text() + "# my own note\n")
    before = source.read_bytes()
    assert settings_strings.UNDO_GONE in text_of(admin.get(PAGE))
    assert admin.post("/settings/undo", data=form).status_code == 409
    form["version"] = fields_of(admin.get(PAGE), PAGE)["version"]
    answer = admin.post("/settings/undo", data=form)
    assert (answer.status_code, "changed by hand since" in text_of(answer)) == (409, True)
    assert source.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"nonsense", b"a: 1\n# edgeface: the version before", b"\xff" * 100_000])
def test_a_kept_version_that_is_none_offers_nothing(admin: TestClient, source: Path, content: bytes) -> None:
    source.with_name("config.yaml.previous").write_bytes(content)
    assert settings_strings.UNDO not in admin.get(PAGE).text
    form = {"version": fields_of(admin.get(PAGE), PAGE)["version"], "csrf": admin.headers["x-csrf-token"]}
    assert admin.post("/settings/undo", data=form).status_code == 409


def test_a_link_in_place_of_the_kept_version_is_replaced_not_followed(admin: TestClient, source: Path) -> None:
    other = source.with_name("other")
    other.write_text("mine")
    source.with_name("config.yaml.previous").symlink_to(other)
    assert settings_strings.UNDO not in admin.get(PAGE).text
    save(admin, PAGE, fps="9")
    assert other.read_text() == "mine"
    assert not source.with_name("config.yaml.previous").is_symlink()


def test_who_has_not_seen_the_file_as_it_is_changes_nothing(admin: TestClient, source: Path) -> None:
    form = {**fields_of(admin.get(PAGE), PAGE), "fps": "9"}
    source.write_text(source.read_text() + "# a note\n")
    before = source.read_bytes()
    answer = admin.post(PAGE, data=form)
    assert (answer.status_code, settings_strings.MISTAKE_VERSION in text_of(answer)) == (409, True)
    assert source.read_bytes() == before


def test_a_file_that_cannot_be_written_is_named_and_the_lines_are_shown(admin: TestClient, source: Path) -> None:
    source.write_text(source.read_text() + NOTIFY)
    source.chmod(0o444)
    before = source.read_bytes()
    page = text_of(admin.get(PAGE))
    assert "read-only for the daemon" in page
    assert settings_strings.SETTINGS_LINES in page
    answer = save(admin, PAGE, fps="9", region_left="10")
    assert f"cameras: {CAMERA}: fps: 9.0 cameras: {CAMERA}: region: [0.1, 0.0, 1.0, 1.0]" in text_of(answer)
    answer = save(admin, "/settings", {"rule-0-pause": "5"})
    assert "notify: rules: # number 1 of the list pause: 5.0" in text_of(answer)
    # A mistake is found here too.
    assert "240" in wrong(save(admin, PAGE, fps="1000"))["fps"]
    assert source.read_bytes() == before


def test_only_an_admin_with_the_token_of_the_page_changes_anything(client: Client, source: Path) -> None:
    before = source.read_bytes()
    viewer, forged = client("viewer"), client("admin")
    fields = {**fields_of(client("admin").get(PAGE), PAGE), "fps": "9"}
    del forged.headers["x-csrf-token"]
    for path in ("/settings", PAGE):
        assert viewer.get(path).status_code == 403
        assert client().get(path).status_code == 303
    for path in ("/settings", "/settings/undo", PAGE, f"{PAGE}/try"):
        assert viewer.post(path, data=fields).status_code == 403
        assert client().post(path, data=fields).status_code in {303, 401, 403}
        assert forged.post(path, data={**fields, "csrf": "x"}).status_code == 403
        assert forged.post(path, data={"version": "x"}).status_code == 403
    assert source.read_bytes() == before
    assert "/settings" not in viewer.get("/live").text + viewer.get("/health").text
    assert PAGE in client("admin").get("/live").text
    assert 'href="/settings"' in client("admin").get("/health").text


@pytest.mark.parametrize("path", ["/settings/cameras/nowhere", "/settings/cameras/..%2f..", "/settings/cameras/%00"])
def test_a_camera_that_does_not_exist_is_not_found(admin: TestClient, path: str) -> None:
    assert admin.get(path).status_code == 404
    assert admin.post(f"{path}/try", data={"csrf": admin.headers["x-csrf-token"]}).status_code == 404


HOSTILE = [
    "",
    "x" * 3000,
    "/etc/shadow",
    "file:///etc/shadow",
    "../../x",
    "rtsp://a/\nprivacy: {pictures: none}",
    "rtsp://a/\x00",
    "rtsp://a/\u2028b: 1",
    "{a: 1}",
    "!!python/object:os.system",
    "&a",
    "9" * 30,
    "-1",
    "64",
    "rtsp://user:pa/ss@host/",
    "javascript://alert",
    "rtsp://<script>alert(1)</script>/",
    "*",
    "***",
    "rtsp://***@10.0.0.9/",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_source_is_refused_and_shown_as_text(admin: TestClient, source: Path, value: str) -> None:
    before = source.read_bytes()
    answer = save(admin, YARD, source=value)
    assert answer.status_code == 409
    assert set(wrong(answer)) == {"source"}
    assert "<script>alert" not in answer.text
    assert source.read_bytes() == before


@pytest.mark.parametrize("name", ["fps", "smallest", "region-left", "region"])
@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "-5", "9" * 400, "\u0664\u0665", "[1]", "0x10", "<b>", "1_0"])
def test_a_hostile_number_is_refused(admin: TestClient, source: Path, name: str, value: str) -> None:
    before = source.read_bytes()
    answer = save(admin, PAGE, {name: value})
    # The region as a whole is no field of the form, and is ignored.
    assert answer.status_code == (303 if name == "region" else 409), answer.text
    assert source.read_bytes() == before


def test_fields_that_the_page_does_not_have_change_nothing(admin: TestClient, source: Path) -> None:
    before = source.read_bytes()
    answer = save(admin, "/settings", {"rule-9-pause": "1", "privacy.pictures": "none", "data": "/", "web": "x"})
    assert answer.headers["location"].endswith("done=settings_same")
    assert wrong(save(admin, "/settings", level="none")) == {"level": settings_strings.MISTAKE_CHOICE}
    assert wrong(save(admin, "/settings", without=("pictures",))) == {"pictures": settings_strings.MISTAKE_CHOICE}
    assert source.read_bytes() == before


def test_a_password_is_never_shown_and_stays_when_it_is_saved_hidden(
    admin: TestClient, stage: Stage, source: Path
) -> None:
    add_camera(stage, source, f'gate: {{type: opencv, source: "{SECRET}"}} # to the street')
    gate = "/settings/cameras/gate"
    page = admin.get(gate)
    assert fields_of(page, gate)["source"] == SHOWN
    texts = [page.text]
    before = source.read_text()
    texts.append(save(admin, gate, fps="5").text)
    assert changes(before, source.read_text())[1:] == [
        f'+   gate: {{type: opencv, source: "{SECRET}", fps: 5.0}} # to the street'
    ]
    # Another stream of the same camera keeps the password.
    save(admin, gate, source=SHOWN.replace("stream2", "stream1"))
    assert SECRET.replace("stream2", "stream1") in source.read_text()
    before = source.read_text()
    # To another host, by another protocol, or for another user it is never sent.
    for changed in (
        SHOWN.replace("10.0.0.9", "10.0.0.66"),
        SHOWN.replace(":554", ":555"),
        SHOWN.replace("rtsp://", "http://"),
        SHOWN.replace("viewer", "root"),
        SHOWN.replace("token=", "other="),
        SHOWN.replace("/stream2", "/***"),
    ):
        for to in ("", "/try"):
            refused = save(admin, gate, to=to, source=changed)
            assert wrong(refused) == {"source": settings_strings.MISTAKE_HIDDEN}, changed
            texts.append(refused.text)
    texts.append(save(admin, gate, fps="1000").text)
    source.chmod(0o444)
    lines = save(admin, gate, source="rtsp://viewer:ganzneu@10.0.0.66/live").text
    assert "rtsp://viewer:***@10.0.0.66/live" in lines
    # What was typed into the field itself is still in it; the lines to paste hide it.
    assert lines.count("ganzneu") == 1
    assert source.read_text() == before
    for text in texts:
        assert "geheim" not in text
        assert "abc123" not in text
    assert "geheim" not in str(stage.notes)


def test_a_password_that_is_kept_in_a_file_is_for_its_host_only(admin: TestClient, stage: Stage, source: Path) -> None:
    secret = stage.folder / "gate.password"
    secret.write_text("geheim\n")
    gate = "/settings/cameras/gate"
    line = f'gate: {{type: snapshot, url: "http://10.0.0.9/image.jpg", username: viewer, password_file: {secret}}}'
    add_camera(stage, source, line)
    before = source.read_text()
    for changed in ("http://10.0.0.66/image.jpg", "https://10.0.0.9/image.jpg", "http://10.0.0.9:81/image.jpg"):
        for to in ("", "/try"):
            assert wrong(save(admin, gate, to=to, source=changed)) == {"source": settings_strings.MISTAKE_BOUND}
    assert source.read_text() == before
    assert save(admin, gate, source="http://10.0.0.9/snap.jpg").status_code == 303
    assert 'url: "http://10.0.0.9/snap.jpg", username: viewer' in source.read_text()


def test_what_a_pipeline_or_a_clip_is_cannot_be_changed_on_the_page(
    admin: TestClient, stage: Stage, source: Path
) -> None:
    pipeline = "rtspsrc location=rtsp://10.0.0.9/ user-pw=geheim ! decodebin"
    add_camera(stage, source, f'gate: {{type: gstreamer, pipeline: "{pipeline}", insecure: true}}')
    for path in ("/settings/cameras/gate", PAGE):
        page = admin.get(path)
        assert settings_strings.CAMERA_OTHER in text_of(page)
        assert "source" not in fields_of(page, path)
        assert "geheim" not in page.text
    before = source.read_text()
    save(admin, "/settings/cameras/gate", source="filesrc ! filesink", pipeline="filesrc ! filesink")
    assert source.read_text() == before


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://10.0.0.9:554/stream2", "rtsp://10.0.0.9:554/stream2"),
        ("rtsp://viewer@10.0.0.9/", "rtsp://***@10.0.0.9/"),
        ("rtsp://:pw@h/", "rtsp://:***@h/"),
        ("rtsp://h/user=admin_password=pw_channel=1", "rtsp://h/***"),
        ("rtsp://h/live/hunter2", "rtsp://h/live/***"),
        ("rtsp://h/h264Preview_01_main", "rtsp://h/h264Preview_01_main"),
        ("rtsps://h:7441/AbCdEf123456?enableSrtp", "rtsps://h:7441/***?***"),
        ("rtsp://h/Streaming/Channels/101", "rtsp://h/Streaming/Channels/101"),
        ("rtsp://h/cam/realmonitor?channel=1&subtype=0", "rtsp://h/cam/realmonitor?channel=1&subtype=0"),
        ("http://h/video?pw=1234#frag", "http://h/video?pw=***#***"),
        ("/dev/video0", "/dev/video0"),
        ("0", "0"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(address: str, shown: str) -> None:
    assert masked(address) == shown
    assert unmasked(shown, address) == address


PART = st.text("ab1/:@?#&=*%.-", max_size=12)


@given(PART, PART, PART)
def test_what_is_hidden_comes_back_as_it_was(login: str, host: str, rest: str) -> None:
    address = f"rtsp://{login}@{host}{rest}"
    assert unmasked(masked(address), address) == address


@given(PART, PART, PART, PART)
def test_a_hidden_password_never_moves_to_another_host(host: str, rest: str, login: str, path: str) -> None:
    stored = "rtsp://viewer:geheim@camera.lan/geheim1234567"
    for given_address in (f"rtsp://viewer:***@{host}{rest}", f"rtsp://{login}@{host}/***{path}"):
        try:
            found = unmasked(given_address, stored)
        except HiddenError:
            continue
        assert "geheim" not in found or re.match(r"rtsp://([^@/?#]*@)?camera\.lan(/|$)", found)


def test_a_try_shows_one_picture_and_writes_nothing(admin: TestClient, stage: Stage, source: Path) -> None:
    before, reloads = source.read_bytes(), stage.reloads
    answer = save(admin, PAGE, to="/try", fps="10", region_left="10")
    assert answer.status_code == 200, text_of(answer)
    assert 'src="data:image/jpeg;base64,' in answer.text
    assert settings_strings.TRY_WORKS in text_of(answer)
    assert fields_of(answer, PAGE)["fps"] == "10"
    assert (source.read_bytes(), stage.reloads) == (before, reloads)
    assert [path.name for path in source.parent.iterdir() if "previous" in path.name] == []
    assert [facts["camera"] for _, facts in stage.notes if facts.get("web") == "a camera was tried"] == [CAMERA]


def test_a_try_gives_the_reason_of_the_camera_and_what_to_do(admin: TestClient) -> None:
    answer = save(admin, YARD, to="/try", source="/dev/video98")
    assert "/dev/video98 does not exist" in text_of(answer)
    assert strings.HEALTH_DO in text_of(answer)
    assert "240" in wrong(save(admin, YARD, to="/try", fps="1000"))["fps"]


def noise() -> Iterator[Image]:
    random = np.random.default_rng(1)
    while True:
        yield random.integers(0, 255, (240, 320, 3), np.uint8)


def test_a_camera_on_the_network_is_tried_with_the_hidden_password(
    admin: TestClient, stage: Stage, source: Path
) -> None:
    gate = "/settings/cameras/gate"
    with mjpeg(noise(), 30) as address:
        secret = address.replace("http://", "http://viewer:geheim@")
        add_camera(stage, source, f'gate: {{type: opencv, source: "{secret}"}}')
        answer = save(admin, gate, to="/try")
        assert settings_strings.TRY_WORKS in text_of(answer)
        assert "geheim" not in answer.text
    gone = save(admin, gate, to="/try")
    assert "http://127.0.0.1:" in text_of(gone)
    assert "listening on this port" in text_of(gone)
    assert "geheim" not in gone.text


def test_a_camera_that_hangs_is_given_up_and_only_one_is_tried_at_a_time(
    admin: TestClient, client: Client, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, release = threading.Event(), threading.Event()

    def hang(*_: Any) -> Any:
        opened.set()
        assert release.wait(60)
        yield from ()

    monkeypatch.setattr(OpencvCamera, "play", hang)
    # Nothing is seen there meanwhile, and the daemon has not opened it.
    monkeypatch.setattr(trial, "RUNNING_SECONDS", 0.05)
    answers: list[Response] = []
    first = threading.Thread(target=lambda: answers.append(save(client("admin"), YARD, to="/try")))
    monkeypatch.setattr(discovery, "IMAGE_TIMEOUT", 2.0)
    first.start()
    assert opened.wait(30)
    second = save(admin, PAGE, to="/try")
    assert settings_strings.TRY_BUSY in text_of(second)
    first.join(60)
    assert "hangs in its driver" in text_of(answers[0])
    # A driver that hangs keeps its thread, so there may only be a few.
    monkeypatch.setattr(discovery, "IMAGE_TIMEOUT", 0.05)
    for _ in range(trial.MAX_HANGING - 1):
        assert "hangs in its driver" in text_of(save(admin, YARD, to="/try"))
    assert settings_strings.TRY_HANGING in text_of(save(admin, YARD, to="/try"))
    release.set()
    monkeypatch.setattr(discovery, "IMAGE_TIMEOUT", 20.0)
    until(lambda: settings_strings.TRY_WORKS in text_of(save(admin, PAGE, to="/try")), 20)
    assert stage.reloads == 0


def test_of_a_device_that_the_daemon_has_open_its_picture_is_shown(admin: TestClient, stage: Stage) -> None:
    done = threading.Event()

    def play() -> None:
        frame = Frame("yard", 1, 0.0, 0.0, np.full((720, 1280, 3), 90, np.uint8))
        while not done.wait(0.02):
            stage.context.hub(FrameResult(frame, (), ()))

    player = threading.Thread(target=play)
    player.start()
    try:
        answer = save(admin, YARD, to="/try")
    finally:
        done.set()
        player.join()
    assert settings_strings.TRY_WORKS in text_of(answer)


def test_a_disk_that_refuses_leaves_the_file_and_is_named(
    admin: TestClient, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = source.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(config_file, "swap", full)
    answer = save(admin, PAGE, fps="9")
    assert (answer.status_code, DISK_FULL in text_of(answer)) == (409, True)
    assert source.read_bytes() == before


def test_a_file_with_mistakes_is_named_instead_of_a_form(admin: TestClient, source: Path, stage: Stage) -> None:
    source.write_text(source.read_text() + "nonsense: 1\n")
    answer = admin.get("/settings")
    assert (answer.status_code, "nonsense" in text_of(answer)) == (409, True)
    object.__setattr__(stage.context, "source", None)
    assert "without a config.yaml" in text_of(admin.get("/settings"))
