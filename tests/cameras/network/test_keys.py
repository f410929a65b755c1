"""Passwords of cameras: where they come from, and that none is ever shown."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from edgeface.cameras.capture import Capture
from edgeface.cameras.mailbox import Mailbox
from edgeface.cli import main
from edgeface.config import egress, loader
from edgeface.core.clock import SystemClock
from edgeface.core.errors import CameraError, ConfigError
from edgeface.doctor import cameras as doctor_cameras
from tests.support.broker import until
from tests.support.still_camera import StillCamera, serving

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.cameras.network.keys import NetworkCamera

SECRET = "hunter2-$ecret"  # noqa: S105 - of the test
KINDS = {
    "rtsp": '{type: rtsp, url: "rtsp://%s"%s}',
    "opencv": '{type: opencv, source: "http://%s"%s}',
    "gstreamer": '{type: gstreamer, preset: rtsp, url: "rtsps://%s"%s}',
    "snapshot": '{type: snapshot, url: "https://%s"%s}',
}


def config(kind: str, address: str, more: str = "") -> bytes:
    return f"cameras:\n  porch: {KINDS[kind] % (address, more)}\n".encode()


def camera(kind: str, address: str, more: str = "") -> NetworkCamera:
    return loader.parse(config(kind, address, more), "c").cameras["porch"]  # type: ignore[return-value]  # each kind is one


def mistakes(data: bytes) -> str:
    with pytest.raises(ConfigError) as raised:
        loader.parse(data, "c")
    return str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_password_comes_from_a_file_the_environment_or_a_credential(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "yard").write_text(SECRET + "\n")
    (tmp_path / "yard").chmod(0o600)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("YARD", SECRET)
    for source in (f"password_file: {tmp_path}/yard", "password_env: YARD", "password_credential: yard"):
        made = camera(kind, "10.0.0.5/x?a=b", f", username: view er, {source}")
        address = made.logged_in("rtsp://10.0.0.5/x?a=b")
        assert address == "rtsp://view%20er:hunter2-%24ecret@10.0.0.5/x?a=b"
        assert SECRET not in repr(made) + str(made.model_dump()) + made.model_dump_json()
        assert made.why_no_password() is None
    assert made.hosts() == ("10.0.0.5",)
    peers = egress.peers(loader.parse(config(kind, "10.0.0.5/x"), "c"))
    assert [(peer.what, peer.addresses) for peer in peers] == [("camera porch", ("10.0.0.5",))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_password_that_is_missing_is_one_line_of_the_camera(kind: str, tmp_path: Path) -> None:
    for source, says in (
        (f"password_file: {tmp_path}/none", f"the camera's password cannot be read: {tmp_path}/none: No such file"),
        ("password_env: EDGEFACE_NOT_SET", "camera.password_env: the environment has no EDGEFACE_NOT_SET"),
        ("password_credential: none", "camera.password_credential: systemd gave no credentials"),
    ):
        made = camera(kind, "127.0.0.1:1/x", f", username: viewer, {source}")
        with pytest.raises(CameraError, match=says):
            made.logged_in("rtsp://127.0.0.1:1/x")


def test_a_password_file_that_everyone_may_read_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "yard"
    file.write_text(SECRET)
    file.chmod(0o644)
    camera("rtsp", "127.0.0.1:1/x", f", username: viewer, password_file: {file}").logged_in("rtsp://127.0.0.1:1/x")
    assert f"{file} holds the camera's password and is open to every user: chmod 640 it" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "address",
    [
        "{CAM_USER}:{CAM_PASSWORD}@10.0.0.5/x",
        "viewer:${CAM_PASSWORD}@10.0.0.5/x",
        "10.0.0.5/x?user=a&pwd={PASSWORD}",
        "{{ secret }}@10.0.0.5/x",
        "viewer:$(PASSWORD)@10.0.0.5/x",
    ],
)
def test_a_name_in_braces_is_refused_with_how_it_is_done_here(kind: str, address: str) -> None:
    key = "source" if kind == "opencv" else "url"
    assert mistakes(config(kind, address)) == (
        f"c:2: cameras.porch.{key}: edgeface does not replace {{NAME}} or ${{NAME}} in an address: leave user name and"
        " password out of it, and set username with password_env, password_file or password_credential"
    )


def test_a_name_in_braces_within_a_pipeline_is_refused_and_caps_in_braces_are_not() -> None:
    text = 'cameras:\n  porch: {type: gstreamer, pipeline: "%s"}\n'
    named = "rtspsrc location=rtsp://u:${PW}@10.0.0.5/x ! decodebin"
    assert "edgeface does not replace {NAME}" in mistakes((text % named).encode())
    loader.parse((text % "videotestsrc ! video/x-raw,format={I420,NV12}").encode(), "c")


@pytest.mark.parametrize(
    ("kind", "address", "more", "says"),
    [
        ("rtsp", "10.0.0.5/x", ", username: a", "a username needs one of password_file, password_env and password_"),
        ("rtsp", "10.0.0.5/x", ", password_env: A", "a password needs a username"),
        ("rtsp", "10.0.0.5/x", ", username: a, password_env: A, password_file: b", "give one of password_file, pass"),
        ("rtsp", "u:p@10.0.0.5/x", ", username: a, password_env: A", "the address has a user name already: remove"),
        ("opencv", "u:p@10.0.0.5/x", ", username: a, password_env: A", "the address has a user name already: remove"),
        ("snapshot", "u@10.0.0.5/x", ", username: a, password_env: A", "the address has a user name already: remove"),
        ("gstreamer", "u@10.0.0.5/x", ", username: a, password_env: A", "the address has a user name already: remove"),
        ("rtsp", "10.0.0.5/x", ', username: "a:b", password_env: A', "a user name has no colon and no control char"),
        ("rtsp", "10.0.0.5:70000/x", "", "a port is a number up to 65535"),
        ("snapshot", "10.0.0.5:70000/x", "", "a port is a number up to 65535"),
    ],
)
def test_keys_that_do_not_fit_together(kind: str, address: str, more: str, says: str) -> None:
    assert says in mistakes(config(kind, address, more))


def test_a_camera_without_an_address_has_no_login() -> None:
    for text in ("type: opencv, source: 0", "type: gstreamer, preset: test", "type: gstreamer, pipeline: videotestsrc"):
        data = f"cameras: {{porch: {{{text}, username: a, password_env: A}}}}".encode()
        assert "password_env" in mistakes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_check_hints_at_a_literal_password_and_does_not_show_it(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    addresses = {
        f"viewer:{SECRET}@10.0.0.5/x": 1,
        f"10.0.0.5/x?pwd={SECRET}": 1,
        "viewer@10.0.0.5/x": 0,
        "10.0.0.5/x": 0,
    }
    for address, hints in addresses.items():
        file.write_bytes(f"data: {tmp_path}\n".encode() + config(kind, address))
        assert main.main(["check", "--config", str(file)]) == 0
        printed = capsys.readouterr().out
        assert printed.count("the address contains a password") == hints
        assert SECRET not in printed


def test_the_doctor_does_not_test_a_camera_whose_password_only_the_service_has(tmp_path: Path) -> None:
    data = config("rtsp", "127.0.0.1:1/x", ", username: viewer, password_credential: yard")
    found = list(doctor_cameras.findings(loader.parse(f"data: {tmp_path}\n".encode() + data, "c")))
    assert [(one.mark, "only the service receives the password" in one.says) for one in found] == [("note", True)]


@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_a_password_appears_in_no_log_and_no_state(
    scheme: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "password"
    file.write_text(SECRET)
    file.chmod(0o600)
    with serving(StillCamera(login=("viewer", "another"), scheme=scheme)) as still:
        keys = f", username: viewer, password_file: {file}"
        text = KINDS["snapshot"].replace("https", "http") % (still.url, keys)
        made = loader.parse(f"cameras: {{porch: {text}}}".encode(), "c").cameras["porch"]
        capture = Capture("porch", made, Mailbox(), SystemClock())
        capture.start()
        until(lambda: capture.supervise().error)
        state = capture.state()
        capture.stop()
        assert capture.join(5)
    assert "refuses the user name or the password" in caplog.text
    for shown in (caplog.text, json.dumps(state.error), repr(state), repr(made)):
        assert "hunter2" not in shown
    assert still.refused == 1
