"""What the doctor and `edgeface check` report about the list of device keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edgeface.cli import main
from edgeface.doctor import key_list
from edgeface.door import key_list_file
from edgeface.security.owner_key import OWNER
from tests.support.key_lists import Owner, listed

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def marks(folder: Path) -> list[tuple[str, str]]:
    return [(found.mark, found.says) for found in key_list.findings(folder)]


def test_the_doctor_reports_a_list_that_is_valid_unpublished_foreign_or_expired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, data = tmp_path / "config.yaml", tmp_path / "data"
    config.write_text(f"data: {data}\ncameras: {{porch: {{type: opencv, source: 0}}}}\nmqtt: {{port: 1}}\n")
    assert marks(data) == []
    arguments = ["--config", str(config)]
    assert main.main(["keys", "owner", "new", *arguments]) == 0
    assert marks(data) == [("note", "an owner key, and no list yet")]
    text = listed("garage").signing[0].text
    assert main.main(["keys", "add", "garage", f"sign:g:{text}", *arguments]) == 69
    ((mark, says),) = marks(data)
    assert (mark, "of 1 device, expires in 23 hours; not published from here" in says) == ("note", True)
    key_list_file.mark_published(data, 2**50)
    assert marks(data)[0][0] == "ok"
    capsys.readouterr()
    assert main.main(["check", *arguments]) == 0
    assert ": device keys: list " in capsys.readouterr().out
    (data / OWNER.file).unlink()
    assert "no owner key to renew it" in marks(data)[0][1]
    key_list_file.write_envelope(data, Owner().list(listed("a"), wall=time.time() - 90_000))
    assert marks(data)[0][0] == "bad"
    assert "EXPIRED: no door with an owner opens" in marks(data)[0][1]
    (data / key_list_file.FILE).write_text("{}")
    assert marks(data)[0][0] == "bad"
    capsys.readouterr()
    assert main.main(["check", *arguments]) == 0
    assert "device keys: device-keys.json: not a list of device keys" in capsys.readouterr().out
