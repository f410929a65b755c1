from __future__ import annotations

import json
import os
import pwd
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from edgeface.cli.home_assistant_app import photos, user
from edgeface.cli.home_assistant_app.options import HOW_TO_FIX
from edgeface.cli.main import main
from edgeface.config import loader
from edgeface.core.errors import UsageError
from edgeface.demo.mosquitto import free_port
from edgeface.demo.scenario import CLIP, PEOPLE
from edgeface.people.service import PeopleService
from tests.support.http_receiver import receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.http_receiver import Receiver

CAMERA = {"name": "Porch", "address": str(CLIP)}
CONFIG, USAGE, UNAVAILABLE = 78, 2, 69
SERVICE = {"host": "127.0.0.1", "port": 1883, "ssl": False, "username": "addons", "password": "broker-secret"}


class StartedError(Exception):
    """The daemon would run now."""


class App:
    """The folders of an app, and its start up to the daemon."""

    def __init__(self, folder: Path, supervisor: Receiver) -> None:
        self.data, self.config, self.share = (folder / name for name in ("data", "config", "share"))
        for one in (self.data, self.config, self.share):
            one.mkdir()
        self.supervisor = supervisor
        self.daemon: list[str] = []

    def options(self, **options: Any) -> None:
        (self.data / "options.json").write_text(json.dumps({"cameras": [CAMERA], **options}))

    @property
    def words(self) -> list[str]:
        folders = [f"--data={self.data}", f"--config-folder={self.config}", f"--share={self.share}"]
        return ["app", *folders, f"--supervisor=http://127.0.0.1:{self.supervisor.port}", f"--port={free_port()}"]

    def start(self) -> int | None:
        """The exit status; None if the daemon would run."""
        try:
            return main(self.words)
        except StartedError:
            return None

    @property
    def written(self) -> Path:
        return self.data / "settings" / "config.yaml"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    with receiver() as supervisor:
        supervisor.answer = json.dumps({"result": "ok", "data": SERVICE}).encode()
        made = App(tmp_path, supervisor)

        def started(_: str, words: list[str]) -> NoReturn:
            made.daemon = words
            raise StartedError

        # The process would become the daemon; `make app-test` lets it.
        monkeypatch.setattr(os, "execv", started)
        monkeypatch.setenv("SUPERVISOR_TOKEN", "token")
        made.options()
        yield made


def test_the_daemon_runs_with_the_options(app: App) -> None:
    assert app.start() is None
    assert app.daemon[1:] == ["-m", "edgeface.cli", "run", "--config", str(app.written)]
    found = loader.load(app.written)
    assert found.data == app.data / "edgeface"
    assert found.mqtt is not None
    assert found.mqtt.host == "127.0.0.1"
    assert "SUPERVISOR_TOKEN" not in os.environ


def test_secrets_are_in_files_that_only_the_daemon_reads_and_the_configuration_is_read_only(app: App) -> None:
    app.options(
        cameras=[CAMERA, {"name": "Gate", "address": "rtsp://10.0.0.2/", "username": "v", "password": "cam-secret"}]
    )
    assert app.start() is None
    assert "cam-secret" not in app.written.read_text()
    assert "broker-secret" not in app.written.read_text()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in app.written.parent.iterdir()}
    assert modes == {"config.yaml": 0o440, "mqtt.password": 0o600, "camera-gate.password": 0o600}
    assert (app.written.parent / "camera-gate.password").read_text() == "cam-secret\n"


@pytest.mark.parametrize("own", [False, True], ids=["other options", "a config of the user's own"])
def test_the_secrets_of_what_was_removed_are_removed(app: App, monkeypatch: pytest.MonkeyPatch, *, own: bool) -> None:
    app.options(notifications=[{"address": "json://10.0.0.9"}])
    assert app.start() is None
    names = {"config.yaml", "mqtt.password"}
    assert {path.name for path in app.written.parent.iterdir()} == {*names, "notification-1.url"}
    app.options()
    if own:
        app.supervisor.status, app.supervisor.answer = 400, b'{"result": "error"}'
        names = {"mqtt.password"}
        text = f"data: {app.data}/edgeface\ncameras: {{hall: {{type: replay, path: {CLIP}}}}}\n"
        (app.config / "config.yaml").write_text(text)
    monkeypatch.setenv("SUPERVISOR_TOKEN", "token")
    assert app.start() is None
    assert {path.name for path in app.written.parent.iterdir()} == names


def test_without_the_service_the_log_has_what_to_do(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    app.supervisor.status, app.supervisor.answer = 400, b'{"result": "error", "message": "Service not enabled"}'
    assert app.start() is None
    assert loader.load(app.written).mqtt is None
    assert "install the app Mosquitto broker, then start this app again" in capsys.readouterr().err


def test_a_supervisor_that_refuses_the_app_ends_it(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    app.supervisor.status = 401
    assert app.start() == UNAVAILABLE
    assert "refuses this app's token" in capsys.readouterr().err


def test_outside_home_assistant_it_is_one_line(
    app: App, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SUPERVISOR_TOKEN")
    (app.data / "options.json").unlink()
    assert app.start() == USAGE
    assert "only Home Assistant's app runs this command" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"level": "hi"}, "option level: should be 'low', 'normal' or 'high'"),
        ({"cameras": []}, "option cameras: lists no camera: add one, with a name and an address"),
        (
            {"cameras": [{"name": "A", "address": "0"}, {"name": "B", "address": "/dev/video0"}]},
            "option cameras, entry 2, address: the same device as camera a, and only one can open it",
        ),
        ({"config_file": "mine.yaml"}, "option config_file: no such file in"),
        ({"config_file": "m" * 300}, "option config_file: no such file in"),
        ({"config_file": "../data/options.json"}, "option config_file: should be a path in"),
        ({"photos": "../data"}, "option photos: should be a path in"),
    ],
)
def test_options_that_make_no_config_end_with_lines_that_name_them(
    app: App, capsys: pytest.CaptureFixture[str], options: dict[str, Any], line: str
) -> None:
    app.options(**options)
    assert app.start() == CONFIG
    said = capsys.readouterr().err.splitlines()
    assert any(one.startswith(line) for one in said)
    assert said[-1] == HOW_TO_FIX
    assert not any("config.yaml:" in one for one in said)


def test_a_data_folder_that_cannot_be_written_is_one_line(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    (app.data / "settings").write_text("a file in the place of the folder")
    assert app.start() == CONFIG
    assert capsys.readouterr().err == f"{app.data}: cannot be written (File exists)\n"


@pytest.mark.parametrize("name", ["config.yaml", "mine.yaml"])
def test_a_config_of_the_users_own_is_used_instead(app: App, capsys: pytest.CaptureFixture[str], name: str) -> None:
    password = app.data / "settings" / "mqtt.password"
    own = app.config / name
    own.write_text(
        f"data: {app.data}/edgeface\ncameras: {{hall: {{type: replay, path: {CLIP}}}}}\n"
        f"mqtt: {{username: addons, password_file: {password}}}\nweb: {{port: 0, ingress: {{enabled: true}}}}\n"
    )
    app.options(cameras=[], **({} if name == "config.yaml" else {"config_file": name}))
    assert app.start() is None
    assert app.daemon[-1] == str(own)
    assert password.read_text() == "broker-secret\n"
    assert "is used instead of the options, except for the option photos" in capsys.readouterr().err
    assert not app.written.exists()


def test_a_config_of_the_users_own_may_not_lose_people(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    (app.config / "config.yaml").write_text(f"cameras: {{hall: {{type: replay, path: {CLIP}}}}}\n")
    assert app.start() == CONFIG
    assert (
        f"data: should be {app.data}/edgeface: an update of the app erases everything else" in capsys.readouterr().err
    )


def test_mistakes_in_a_config_of_the_users_own_have_its_lines(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    (app.config / "config.yaml").write_text("camera: {}\n")
    assert app.start() == CONFIG
    assert f"{app.config}/config.yaml:1: camera: unknown key" in capsys.readouterr().err


@pytest.mark.slow(seconds=8)
def test_people_whose_photos_wait_are_enrolled_and_the_photos_are_moved(
    app: App, capfd: pytest.CaptureFixture[str]
) -> None:
    people = app.share / "edgeface" / "people"
    for name, source in (("Barack_Obama", PEOPLE / "Barack_Obama"), ("--anyway", PEOPLE / "Joe_Biden")):
        (people / name).mkdir(parents=True)
        for photo in source.iterdir():
            (people / name / photo.name).write_bytes(photo.read_bytes())
    (people / "nobody").mkdir()
    (people / "broken").mkdir()
    (people / "broken" / "a.jpg").write_bytes(b"\xff\xd8\xff nothing")
    app.options(photos="/share/edgeface/people".removeprefix("/share/"))
    assert app.start() is None
    said = capfd.readouterr().err
    assert "broken: no one was enrolled; the photos stay" in said
    moved = sorted(path.name for path in (app.share / "edgeface" / "people-enrolled").iterdir())
    assert moved == ["Barack_Obama"]
    assert (people / "broken" / "a.jpg").exists()
    with PeopleService(loader.load(app.written)).gallery() as gallery:
        # A folder is never taken for an option.
        assert {one.id for one in gallery.snapshot().people} == {"barack-obama"}


def test_what_reads_photos_does_not_get_the_token(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(photos, "enroll_waiting", lambda *_: seen.append("SUPERVISOR_TOKEN" in os.environ))
    app.options(photos="people")
    assert app.start() is None
    assert seen == [False]


def test_a_folder_of_photos_that_is_missing_is_no_reason_not_to_run(
    app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    app.options(photos="people")
    assert app.start() is None
    assert "option photos:" in capsys.readouterr().err


def test_an_unknown_user_is_one_line() -> None:
    with pytest.raises(UsageError, match="there is no user no-such"):
        user.named("no-such")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_daemon_is_not_root_and_owns_its_data(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    found = user.named("nobody")
    assert found == (nobody.pw_uid, nobody.pw_gid, nobody.pw_dir)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("")
    (tmp_path / "a" / "link").symlink_to("/etc/passwd")
    user.own(tmp_path, found)
    assert (tmp_path / "a" / "b").stat().st_uid == nobody.pw_uid
    assert (tmp_path / "a" / "link").lstat().st_uid == nobody.pw_uid
    assert os.stat("/etc/passwd").st_uid == 0  # noqa: PTH116 - what the link points to
    code = (
        "import os, sys; sys.path.insert(0, '.');"
        "from edgeface.cli.home_assistant_app import user;"
        "user.become(user.named('nobody')); print(os.getresuid(), os.getresgid(), 0 in os.getgroups());"
        "os.setuid(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    ids = (nobody.pw_uid,) * 3, (nobody.pw_gid,) * 3
    assert done.stdout == f"{ids[0]} {ids[1]} False\n"
    assert "Operation not permitted" in done.stderr


def test_the_groups_of_cameras_are_kept(tmp_path: Path) -> None:
    for number, group in enumerate((44, 0, 44)):
        path = tmp_path / f"video{number}"
        path.touch()
        if os.geteuid() == 0:
            os.chown(path, 0, group)
    assert user.camera_groups(tmp_path) == ([44] if os.geteuid() == 0 else [os.getegid()])
