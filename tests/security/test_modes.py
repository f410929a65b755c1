"""A data folder that other users can open is named."""

import os
from pathlib import Path

import pytest

from edgeface.cli.main import main
from edgeface.doctor import tampering
from edgeface.security.modes import too_open
from tests.support.data_folders import fill


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path / "data")
    return tmp_path / "data"


def test_what_others_may_open_is_named(folder: Path) -> None:
    assert too_open(folder) == []
    (folder / "key").chmod(0o644)
    folder.chmod(0o777)
    assert too_open(folder) == [
        f"{folder}: mode 0777 lets other users in: chmod 700",
        f"{folder}/key: mode 0644 lets other users in: chmod 600",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_named(folder: Path) -> None:
    os.chown(folder / "passes", 12345, 12345)
    assert too_open(folder) == [f"{folder}/passes: owned by user 12345, the folder by 0"]


def test_a_link_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "keys.json").rename(tmp_path / "elsewhere")
    (folder / "keys.json").symlink_to(tmp_path / "elsewhere")
    assert too_open(folder) == [f"{folder}/keys.json: a link, and not a file of its own"]


def test_vault_show_and_doctor_name_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "gallery.db").chmod(0o660)
    assert main(["vault", "show", "--data", str(folder)]) == 0
    assert "gallery.db: mode 0660 lets other users in" in capsys.readouterr().err
    assert [one.what for one in tampering.findings(folder) if one.mark == "bad"] == ["modes"]
