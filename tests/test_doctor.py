from pathlib import Path

import pytest

from edgeface.doctor import Finding, findings


def data_of(tmp_path: Path, data: Path) -> Finding:
    config = tmp_path / "config.yaml"
    config.write_text(f"data: {data}\ncameras:\n  porch: {{type: replay, path: nowhere}}\n")
    return next(finding for finding in findings(config) if finding.what == "data")


def test_a_data_folder_is_fine_and_may_be_made_later(tmp_path: Path) -> None:
    assert data_of(tmp_path, tmp_path).mark == "ok"
    assert data_of(tmp_path, tmp_path / "later" / "data").mark == "ok"


@pytest.mark.parametrize("below", ["", "data"])
def test_a_file_in_the_place_of_the_data_folder_is_bad(tmp_path: Path, below: str) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    finding = data_of(tmp_path, file / below)
    assert finding.mark == "bad"
    assert "is not a folder" in finding.says
