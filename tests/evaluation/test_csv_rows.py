from pathlib import Path

from edgeface.evaluation.csv_rows import read_rows


def test_a_table_of_a_windows_editor_is_read(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    assert read_rows(file, ("a", "b")) == [({"a": "1", "b": "2"}, f"{file}:2")]
