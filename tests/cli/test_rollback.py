"""`edgeface rollback`, in a folder that is laid out as /opt/edgeface is, on the files of 0.1."""

import shutil
from pathlib import Path
from typing import Literal

import pytest

from edgeface.cli.main import main
from edgeface.cli.setup import rollback
from edgeface.core.files import LOCK, only_one
from edgeface.core.installed.place import Place
from tests.support.systemctl import Systemctl

WRITTEN = Path(__file__).parents[1] / "data" / "v0.1"


@pytest.fixture(name="home")
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """0.1's files after this version has opened them, and two releases, the newer one running; no systemd."""
    shutil.copytree(WRITTEN, tmp_path / "home")
    home = tmp_path / "home"
    for path in (home / "data").iterdir():
        path.chmod(0o600)
    service = tmp_path / "service"
    for name, version in (("1", "0.1.0"), ("2", "0.2.0")):
        program = service / "releases" / name / "bin" / "edgeface"
        program.parent.mkdir(parents=True)
        program.write_text(
            f'#!/bin/sh\n[ "$1" = check ] && [ -e {home}/refuse ] && echo "config.yaml:3: web: unknown" && exit 78\n'
            f"echo edgeface {version}\n"
        )
        program.chmod(0o755)
    (service / "current").symlink_to("releases/2")
    monkeypatch.chdir(home)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(rollback, "SERVICE", service)
    monkeypatch.setattr(rollback, "BOOTED", tmp_path / "no systemd")
    monkeypatch.setattr(rollback, "place", lambda: Place("release", None))
    assert run("people") == run("audit", "show") == 0
    return home


def run(*arguments: str) -> int:
    return main([*arguments, "--config", "config.yaml"])


def running(home: Path) -> str:
    return (home.parent / "service" / "current").readlink().name


def test_nothing_changes_without_the_option_to_lose_changes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("rollback") == 1
    said = capsys.readouterr().err
    assert "gallery.db has schema 7, and it reads 2 at most" in said
    assert "journal.db has schema 3, and it reads 2 at most" in said
    assert "--lose-changes" in said
    assert running(home) == "2"


def test_the_copies_and_the_release_are_put_back_by_one_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("rollback", "--lose-changes") == 0
    assert "edgeface 0.1.0 is the running release again" in capsys.readouterr().out
    assert running(home) == "1"
    for name in ("gallery.db", "journal.db"):
        # The schema is at offset 60 of the file (sqlite.org/fileformat.html).
        assert (home / "data" / name).read_bytes()[60:64] == b"\0\0\0\2"
    assert not (home / "data" / "before-update").exists()


def test_after_an_erasure_there_is_no_copy_and_no_way_back(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (home / "config.yaml").read_text()
    (home / "config.yaml").write_text(text.replace("{person: joe_biden, schedule: workdays}", "{group: family}"))
    assert run("forget", "joe_biden") == 0
    assert not (home / "data" / "before-update").exists()
    assert run("rollback", "--lose-changes") == 1
    assert "no copy from before the update is left" in capsys.readouterr().err
    assert running(home) == "2"


def test_a_configuration_that_the_older_release_refuses_is_shown(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "refuse").touch()
    assert run("rollback", "--lose-changes") == 1
    assert "config.yaml:3: web: unknown" in capsys.readouterr().err
    assert running(home) == "2"
    assert (home / "data" / "before-update" / "gallery.db").exists()


def test_while_a_daemon_runs_nothing_is_put_back(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with only_one(home / "data" / LOCK):
        assert run("rollback", "--lose-changes") == 1
    assert "stop the daemon first" in capsys.readouterr().err
    assert running(home) == "2"
    assert (home / "data" / "before-update" / "gallery.db").exists()


def test_a_release_that_reads_the_data_is_switched_to(home: Path) -> None:
    program = home.parent / "service" / "releases" / "1" / "bin" / "edgeface"
    program.write_text(program.read_text().replace("0.1.0", "0.2.1"))
    assert run("rollback") == 0
    assert running(home) == "1"
    assert (home / "data" / "before-update" / "gallery.db").exists()


@pytest.fixture(name="systemctl")
def _systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> Systemctl:
    monkeypatch.setattr(rollback, "BOOTED", home)
    return Systemctl(tmp_path / "bin", monkeypatch)


@pytest.mark.parametrize("used", [["edgeface"], ["edgeface-serve"], ["edgeface", "edgeface-serve"], []])
@pytest.mark.parametrize("state", ["enabled", "active"])
@pytest.mark.usefixtures("home")
def test_the_services_that_are_used_are_started_again(systemctl: Systemctl, used: list[str], state: str) -> None:
    systemctl.mark(state, *used)
    assert run("rollback", "--lose-changes") == 0
    assert systemctl.started == used
    assert systemctl.those("active") == set(used)


def test_a_service_that_does_not_start_keeps_no_other_from_starting(
    home: Path, systemctl: Systemctl, capsys: pytest.CaptureFixture[str]
) -> None:
    systemctl.mark("enabled", "edgeface", "edgeface-serve")
    systemctl.mark("broken", "edgeface")
    assert run("rollback", "--lose-changes") == 1
    assert "systemctl start edgeface: Job for edgeface.service failed" in capsys.readouterr().err
    assert systemctl.those("active") == {"edgeface-serve"}
    assert running(home) == "1"


def test_for_a_package_the_services_are_stopped(systemctl: Systemctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "place", lambda: Place("package", None))
    systemctl.mark("active", "edgeface", "edgeface-serve")
    assert run("rollback", "--to", "0.1.0", "--lose-changes") == 0
    assert (systemctl.those("active"), systemctl.started) == (set(), [])


def test_without_data_any_version_can_be_installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollback", "--to", "0.1.0", "--data", str(tmp_path / "none")]) == 0
    assert "no data here yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "how"), [("image", "start the older image"), ("checkout", "with git"), ("environment", "install that")]
)
def test_where_there_are_no_releases_the_way_back_is_named_even_without_a_configuration(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: Literal["image", "checkout", "environment"],
    how: str,
) -> None:
    monkeypatch.setattr(rollback, "place", lambda: Place(kind, None))
    assert main(["rollback", "--config", str(tmp_path / "none.yaml")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "edgeface rollback --to VERSION" in line
    assert how in line


@pytest.mark.usefixtures("home")
def test_another_version_is_only_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("rollback", "--to", "0.2.0~dev0+deb12") == 0
    assert run("rollback", "--to", "0.1.0+deb12") == 1
    assert run("rollback", "--to", "yesterday") == 1
    assert "not a version of edgeface" in capsys.readouterr().err


def test_for_a_package_the_copies_are_put_back_and_the_command_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rollback, "place", lambda: Place("package", None))
    assert run("rollback") == 1
    assert "apt install edgeface=VERSION" in capsys.readouterr().err
    assert run("rollback", "--to", "0.1.0", "--lose-changes") == 0
    assert "now install edgeface 0.1.0" in capsys.readouterr().out
    assert (home / "data" / "gallery.db").read_bytes()[60:64] == b"\0\0\0\2"
