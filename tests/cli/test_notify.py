"""`edgeface notify test`."""

from pathlib import Path

import pytest

from edgeface.cli.main import main
from tests.support.http_receiver import receiver


def config(tmp_path: Path, url: str) -> str:
    (tmp_path / "secret").write_text("a secret\n")
    (tmp_path / "secret").chmod(0o600)
    path = tmp_path / "config.yaml"
    target = f"{{type: webhook, url: '{url}', secret_file: {tmp_path}/secret, allow_local: true}}"
    path.write_text(
        f"cameras: {{porch: {{type: opencv, source: 0}}}}\ndata: {tmp_path}\n"
        f"notify:\n  targets:\n    house: {target}\n    away: {target.replace(url, 'http://127.0.0.1:9/')}\n"
        "  rules: [{to: [house], kinds: [unknown]}]\n"
    )
    return str(path)


def test_each_target_gets_a_test_and_the_result_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with receiver() as hook:
        path = config(tmp_path, hook.url)
        assert main(["notify", "test", "house", "--config", path]) == 0
        assert capsys.readouterr().out == "house: sent\n"
        assert hook.received[0].json["title"] == "A test of edgeface"
        assert main(["notify", "test", "--config", path]) == 1
        assert capsys.readouterr().out == "house: sent\naway: not sent: it cannot be reached\n"


def test_a_target_that_is_not_there_and_a_section_that_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(tmp_path, "http://127.0.0.1:9/x")
    assert main(["notify", "test", "fone", "--config", path]) == 2
    assert "no target fone; there are house, away" in capsys.readouterr().err
    (tmp_path / "plain.yaml").write_text("cameras: {porch: {type: opencv, source: 0}}\n")
    assert main(["notify", "test", "--config", str(tmp_path / "plain.yaml")]) == 2
    assert "has no section notify" in capsys.readouterr().err
