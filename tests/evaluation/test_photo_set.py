from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgeface.core.errors import GalleryError
from edgeface.evaluation import photo_set

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "fold,same,a,b\n"


def test_photos_of_any_ending_are_found_and_what_systems_put_into_folders_is_not(tmp_path: Path) -> None:
    names = ("anna/1.jfif", "anna/2.HEIC", "anna/.3.jpg", "anna/Thumbs.db", "bob/4", "bob/@eaDir/5.jpg", "@eaDir/6.jpg")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\xff\xd8\xff")
    found = [str(path.relative_to(tmp_path)) for path in photo_set.find(tmp_path)]
    assert found == ["anna/1.jfif", "anna/2.HEIC", "bob/4"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x93NUMPY"])
def test_a_file_that_is_no_cache_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "cache.npz"
    file.write_bytes(content)
    with pytest.raises(GalleryError, match="not a cache of"):
        photo_set.restore(file, "mark")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "0,1,a/1.jpg,a/2.jpg\n0,0,a/1.jpg,b/9.jpg\n", r"pairs.csv:3: no such photo in the folder: b/9.jpg"),
        ("a,b\n", "the first line must be fold,same,a,b"),
        ("", "the first line must be"),
        (HEADER, "needs pairs of the same and of different people"),
        (HEADER + "0,1,a/1.jpg,a/2.jpg\n1,1,a/1.jpg,a/2.jpg\n", "of different people"),
        (HEADER + "0,1,a/1.jpg,a/2.jpg\n0,0,a/1.jpg,b/1.jpg\n", "two folds"),
        (HEADER + "0,yes,a/1.jpg,a/2.jpg\n", "pairs.csv:2: fold must be a number, and same 0 or 1"),
        (HEADER + "0,1\n", "pairs.csv:2: no such photo"),
        (HEADER + "\x00\xff", "pairs.csv"),
    ],
)
def test_a_wrong_list_of_pairs_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(GalleryError, match=message) as caught:
        photo_set.read_pairs(file, ["a/1.jpg", "a/2.jpg", "b/1.jpg"])
    assert "\n" not in str(caught.value)
