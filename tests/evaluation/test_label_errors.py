from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgeface.core.errors import GalleryError
from edgeface.evaluation import label_errors
from edgeface.evaluation.photo_set import PhotoSet

if TYPE_CHECKING:
    from pathlib import Path

SEEN = PhotoSet(("a/1.jpg", "a/2.jpg", "b/1.jpg", "c/1.jpg"), np.eye(4, dtype=np.float32), ("good",) * 4)


def listed(tmp_path: Path, *lines: str, head: str = "kind,a,b,reason") -> Path:
    file = tmp_path / "errors.csv"
    file.write_text("\n".join([head, *lines]) + "\n")
    return file


def test_wrong_photos_are_left_out_and_two_names_become_one_person(tmp_path: Path) -> None:
    file = listed(tmp_path, "photo,a/2.jpg,,another person", "person,b,c,two spellings")
    found = label_errors.without(SEEN, label_errors.read(file), file)
    assert found.names == ("a/1.jpg", "b/1.jpg", "b/1.jpg")
    assert found.person.tolist() == [0, 1, 1]
    assert (found.embeddings == SEEN.embeddings[[0, 2, 3]]).all()
    assert found.outcomes == ("good",) * 3


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["photo,a/9.jpg,,why"], "errors.csv: not in the folder: a/9.jpg"),
        (["person,a,nobody,why"], "errors.csv: not in the folder: nobody"),
        (["photo,a/1.jpg,b,why"], r"errors.csv:2: not photo,PERSON/PHOTO,,reason or person,A,B,reason"),
        (["photo,a/2.jpg,,why", "face,a,b,why"], "errors.csv:3: not photo"),
        (["person,a,,why"], "errors.csv:2: not photo"),
        (["photo"], "errors.csv:2: not photo"),
    ],
)
def test_a_wrong_list_is_refused_in_one_line(tmp_path: Path, lines: list[str], says: str) -> None:
    file = listed(tmp_path, *lines)
    with pytest.raises(GalleryError, match=says) as caught:
        label_errors.without(SEEN, label_errors.read(file), file)
    assert "\n" not in str(caught.value)


def test_other_columns_or_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="the first line must be kind,a,b,reason"):
        label_errors.read(listed(tmp_path, head="a,b"))
    with pytest.raises(GalleryError, match="cannot be read"):
        label_errors.read(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"kind,a,b,reason\n\xff\xfe")
    with pytest.raises(GalleryError, match="not a CSV file"):
        label_errors.read(tmp_path / "bytes.csv")
