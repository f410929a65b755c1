"""Hostile clips and folders, or those of a failing card, give images or a CameraError of one line; never a crash."""

from __future__ import annotations

import resource
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgeface.cameras.replay import ReplayCamera
from edgeface.cameras.video_file import read_frames
from edgeface.core.errors import CameraError
from edgeface.imaging import opencv
from edgeface.imaging.opencv import MAX_PIXELS, cv2
from tests.support import hostile
from tests.support.clock import FixedClock

if TYPE_CHECKING:
    from edgeface.core.types import CameraImage

PICTURES = 20


def clip(path: Path, codec: str = "MJPG", size: tuple[int, int] = (160, 120), fps: float = 15.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, size)
    assert writer.isOpened()
    random = np.random.default_rng(1)
    for _ in range(PICTURES):
        writer.write(random.integers(0, 256, (size[1], size[0], 3), np.uint8))
    writer.release()
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("clips")
    return {
        suffix: clip(folder / f"whole{suffix}", codec).read_bytes()
        for suffix, codec in ((".avi", "MJPG"), (".mp4", "mp4v"), (".mkv", "MJPG"))
    }


def played(path: Path) -> tuple[list[CameraImage], str]:
    """The images up to the end, 200 at most, and the error that ended them."""
    camera = ReplayCamera.model_validate({"path": path})
    pictures: list[CameraImage] = []
    try:
        # One by one, so that an error keeps those before it.
        pictures.extend(picture for picture in islice(camera.play(FixedClock()), 200))
    except CameraError as error:
        assert str(error).isprintable()
        return pictures, str(error)
    return pictures, ""


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv"])
def test_truncated_clips(clips: dict[str, bytes], tmp_path: Path, suffix: str) -> None:
    data = clips[suffix]
    for number, length in enumerate((0, 1, 16, 100, len(data) // 3, len(data) // 2, len(data) - 200)):
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(data[:length])
        pictures, error = played(path)
        assert error, f"{length} of {len(data)} bytes are no whole clip"
        assert len(pictures) <= PICTURES


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv"])
def test_clips_with_changed_bytes(clips: dict[str, bytes], tmp_path: Path, suffix: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        data = bytearray(clips[suffix])
        end = 600 if seed % 2 else len(data)
        for position in random.integers(0, end, random.integers(1, 30)):
            data[position] = random.integers(256)
        path = tmp_path / f"{seed}{suffix}"
        path.write_bytes(data)
        pictures, _ = played(path)
        read += bool(pictures)
        times = [picture.timestamp for picture in pictures if picture.timestamp is not None]
        assert all(a < b for a, b in pairwise(times)), "times of a clip rise"
        assert not times or times[-1] < 86_400 * 365
        assert all(picture.image.size <= 3 * MAX_PIXELS for picture in pictures)
    assert read > 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_a_clip_of_large_frames_is_refused_unseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = clip(tmp_path / "large.avi")
    assert len(played(whole)[0]) == PICTURES
    monkeypatch.setattr(opencv, "MAX_PIXELS", 160 * 120 - 1)
    assert played(whole) == ([], f"{whole} has frames that are too large")


def test_a_header_of_65535_pixels_a_side(clips: dict[str, bytes], tmp_path: Path) -> None:
    data = bytearray(clips[".avi"])
    main, stream = data.index(b"avih"), data.index(b"strf")
    data[main + 40 : main + 48] = b"\xff\xff\0\0\xff\xff\0\0"
    data[stream + 12 : stream + 20] = b"\xff\xff\0\0\xff\xff\0\0"
    path = tmp_path / "huge.avi"
    path.write_bytes(data)
    pictures, error = played(path)
    # FFmpeg may trust the images more than the header.
    assert error or all(picture.image.shape == (120, 160, 3) for picture in pictures)


@pytest.mark.parametrize("fps", [0, 1, 2**31 - 1, 2**32 - 1])
def test_an_absurd_rate_is_not_believed(clips: dict[str, bytes], tmp_path: Path, fps: int) -> None:
    data = bytearray(clips[".avi"])
    at = data.index(b"strh") + 8 + 20
    data[at : at + 8] = (1).to_bytes(4, "little") + fps.to_bytes(4, "little")
    path = tmp_path / "rate.avi"
    path.write_bytes(data)
    try:
        times = [frame.seconds for frame in islice(read_frames(path, 15.0), 60)]
    except CameraError as error:
        assert str(error).isprintable()
        return
    assert all(a < b for a, b in pairwise(times))
    assert times[-1] - times[0] < 600


def test_a_size_that_changes_in_the_middle_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "changes.mjpeg"
    random = np.random.default_rng(1)
    sizes = [(120, 160)] * 5 + [(240, 320)] * 5 + [(60, 80)] * 5
    path.write_bytes(
        b"".join(cv2.imencode(".jpg", random.integers(0, 256, (*size, 3), np.uint8))[1].tobytes() for size in sizes)
    )
    pictures, error = played(path)
    assert len(pictures) >= 10 or error
    assert {picture.image.shape[2] for picture in pictures} <= {3}


@pytest.mark.parametrize("name", hostile.corpus())
def test_a_folder_with_a_hostile_picture(tmp_path: Path, name: str) -> None:
    if Path(name).suffix == ".gif":
        name = "text.png"
    (tmp_path / "0.jpg").write_bytes(hostile.photo())
    (tmp_path / f"1{Path(name).suffix}").write_bytes(hostile.corpus()[name])
    pictures, error = played(tmp_path)
    assert len(pictures) == (1 if error else 2)


def test_a_folder_with_a_pipe_or_a_folder_for_a_picture(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "0.jpg")
    assert "not a file" in played(tmp_path)[1]
    (tmp_path / "0.jpg").unlink()
    (tmp_path / "0.jpg").mkdir()
    assert "a folder" in played(tmp_path)[1]
