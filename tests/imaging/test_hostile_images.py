"""Hostile pictures are read or rejected with one line, within the limits of time and memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from edgeface.core.errors import PhotoError
from edgeface.imaging import photos
from edgeface.imaging.opencv import MAX_PIXELS
from tests.support import hostile
from tests.support.photos import peak

READ = {
    "bomb-zeros.png": (4999, 5000, 3),
    "bomb-text.png": (32, 32, 3),
    "bomb-profile.png": (32, 32, 3),
    "animated.png": (32, 32, 3),
    "polyglot-html.bmp": (32, 32, 3),
    "exif-orientation-9.jpg": (512, 315, 3),
    "exif-empty.jpg": (512, 315, 3),
    "exif-outside.jpg": (512, 315, 3),
    "polyglot-zip.jpg": (512, 315, 3),
    "two.jpg": (512, 315, 3),
}
"""The files of the corpus that are pictures, as far as versions of OpenCV agree."""

VARIES = {"exif-many.jpg", "exif-loop.jpg", "bomb-deep.png", "minus.bmp"}


@pytest.mark.parametrize("name", hostile.corpus())
def test_a_hostile_picture_is_refused_in_one_line_or_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(hostile.corpus()[name])
    photos.decode(hostile.photo())
    before, began = peak(photos._DECODER.process), time.monotonic()
    try:
        image = photos.load(path)
    except PhotoError as error:
        assert name not in READ, error
        assert str(error).startswith(f"{path}: ")
        assert str(error).isprintable()
    else:
        assert name in VARIES or image.shape == READ[name]
        assert image.shape[0] * image.shape[1] <= MAX_PIXELS
    assert time.monotonic() - began < 30
    assert peak(photos._DECODER.process) - before < 200e6
    assert photos.decode(hostile.photo()).shape == (512, 315, 3), "the next photo is read as usual"


def test_the_files_of_the_corpus_are_those_that_it_makes() -> None:
    small = {name: data for name, data in hostile.corpus().items() if len(data) <= hostile.SMALL}
    assert {path.name: path.read_bytes() for path in hostile.FOLDER.iterdir() if path.suffix != ".md"} == small


def test_200_damaged_photos_are_photos_or_photo_errors() -> None:
    read = 0
    for seed in range(200):
        try:
            read += photos.decode(hostile.flipped(seed)).ndim == 3
        except PhotoError as error:
            assert str(error).isprintable()
    assert 20 < read < 190, "some are read and some are not"


def test_pipes_folders_and_devices_are_no_photos(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    for path in (tmp_path / "pipe.jpg", tmp_path / "folder.jpg", Path("/dev/zero"), Path("/dev/stdin")):
        with pytest.raises(PhotoError, match=r"not a file|a folder|no such|cannot"):
            photos.load(path)
