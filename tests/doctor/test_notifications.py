"""What the doctor and the check report about the targets of notifications."""

from pathlib import Path

import pytest

from edgeface.cli.main import main
from edgeface.config import loader
from edgeface.doctor import notifications

CONFIG = """\
data: {folder}/data
cameras: {{porch: {{type: opencv, source: 0}}}}
privacy: {{snapshots: unknown}}
notify:
  targets:
    house: {{type: webhook, url: "https://example.org/x", secret_file: {folder}/secret, pictures: true}}
    phone: {{type: apprise, url_file: {folder}/nowhere}}
    browsers: {{type: web_push, contact: "mailto:me@example.com"}}
  rules: [{{to: [house], kinds: [unknown]}}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("a secret\n")
    (tmp_path / "secret").chmod(0o600)
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


def test_a_target_without_its_address_is_named_with_what_to_do(config: Path) -> None:
    pytest.importorskip("apprise")
    pytest.importorskip("http_ece")
    house, phone, browsers = notifications.findings(loader.load(config))
    assert (house.mark, browsers.mark) == ("ok", "ok")
    assert phone.mark == "bad"
    assert "No such file" in phone.says
    assert "readable for the service's group" in phone.remedy


def test_check_says_which_pictures_leave_the_machine(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(config)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "notify" in line]
    assert lines == [f"{config}: notify target house: pictures of faces leave this machine"]
