from __future__ import annotations

import time
from contextlib import suppress
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError

from edgeface.cameras.replay import Fault, ReplayCamera
from edgeface.core.errors import CameraError
from edgeface.imaging.opencv import cv2
from tests.support.clock import FixedClock

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edgeface.core.types import CameraImage

RED = (0, 0, 255)


def noise(seed: int, width: int = 160, height: int = 120) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write_clip(path: Path, frames: int, fps: float = 25.0, codec: str = "MJPG") -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (160, 120))
    assert writer.isOpened()
    for number in range(frames):
        writer.write(noise(number))
    writer.release()
    return path


def write_folder(path: Path, frames: int) -> Path:
    path.mkdir()
    for number in range(frames):
        assert cv2.imwrite(str(path / f"{number:04}.png"), noise(number))
    return path


def camera(path: Path, **keys: Any) -> ReplayCamera:
    return ReplayCamera.model_validate({"type": "replay", "path": str(path), "pace": "fast", **keys})


@pytest.mark.parametrize(("suffix", "codec"), [("avi", "MJPG"), ("mp4", "mp4v"), ("mkv", "mp4v")])
def test_a_clip_gives_every_picture_with_its_time(tmp_path: Path, suffix: str, codec: str) -> None:
    pictures = list(camera(write_clip(tmp_path / f"clip.{suffix}", 20, codec=codec)).images())
    assert len(pictures) == 20
    assert [p.timestamp for p in pictures] == pytest.approx([n / 25 for n in range(20)], abs=0.002)
    assert {p.image.shape for p in pictures} == {(120, 160, 3)}
    assert {p.image.dtype for p in pictures} == {np.dtype(np.uint8)}


def test_pictures_are_rgb(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.full((40, 40, 3), RED, np.uint8))
    (picture,) = camera(folder).images()
    assert picture.image[0, 0].tolist() == [255, 0, 0]


def test_a_folder_is_played_in_the_order_of_its_names_at_its_rate(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "frames", 5)
    (folder / "notes.txt").write_text("no frame")
    (folder / "._00000.png").write_bytes(b"")
    pictures = list(camera(folder, rate=10).images())
    assert [p.timestamp for p in pictures] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    for number, picture in enumerate(pictures):
        assert np.array_equal(picture.image, noise(number)[:, :, ::-1])


def test_two_runs_are_the_same_byte_for_byte(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 10, codec="mp4v")
    first, second = list(camera(clip).images()), list(camera(clip).images())
    assert [p.timestamp for p in first] == [p.timestamp for p in second]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


def test_clip_pace_waits_for_each_picture_on_the_clock(tmp_path: Path) -> None:
    clock = FixedClock(50.0)
    seen = [
        (p.timestamp, clock.now) for p in camera(write_folder(tmp_path / "frames", 4), pace="clip", rate=2).play(clock)
    ]
    assert seen == [(0.0, 50.0), (0.5, 50.5), (1.0, 51.0), (1.5, 51.5)]


def test_clip_pace_takes_real_time_and_fast_does_not(tmp_path: Path) -> None:
    clip, clock = write_clip(tmp_path / "clip.avi", 11), FixedClock()
    began = time.monotonic()
    assert len(list(camera(clip, pace="clip").images())) == 11
    assert time.monotonic() - began >= 0.4
    assert len(list(camera(clip, pace="fast").play(clock))) == 11
    assert clock.now == 0.0


def test_a_slow_reader_is_not_slowed_further(tmp_path: Path) -> None:
    clock = FixedClock()
    for _ in camera(write_folder(tmp_path / "frames", 5), pace="clip", rate=10).play(clock):
        clock.now += 0.2
    assert clock.now == pytest.approx(1.0)


def test_a_loop_goes_on_with_rising_times(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", 5)
    pictures = list(islice(camera(clip, loop=True).images(), 12))
    assert [p.timestamp for p in pictures] == pytest.approx([n / 25 for n in range(12)])
    assert np.array_equal(pictures[0].image, pictures[5].image)


@pytest.mark.parametrize(("fps", "wanted"), [(25, 50), (20, 40), (15, 30), (10, 20), (5, 10), (200, 50)])
def test_fps_thins_out_evenly(tmp_path: Path, fps: float, wanted: int) -> None:
    pictures = list(camera(write_clip(tmp_path / "clip.avi", 50), fps=fps).images())
    assert len(pictures) == pytest.approx(wanted, abs=1)
    times = [p.timestamp or 0.0 for p in pictures]
    assert max(np.diff(times)) <= 1 / fps + 0.0401


def test_rotation_flip_and_size_come_in_this_order(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    bgr = np.zeros((40, 60, 3), np.uint8)
    bgr[:20, :30] = RED
    cv2.imwrite(str(folder / "a.png"), bgr)

    def red(**keys: Any) -> list[str]:
        (picture,) = camera(folder, **keys).images()
        height, width = picture.image.shape[:2]
        at = {
            "top left": picture.image[2, 2],
            "top right": picture.image[2, width - 3],
            "bottom left": picture.image[height - 3, 2],
            "bottom right": picture.image[height - 3, width - 3],
        }
        return [f"{width}x{height}"] + [where for where, pixel in at.items() if pixel[0] > 128]

    assert red() == ["60x40", "top left"]
    assert red(rotation=90) == ["40x60", "top right"]
    assert red(rotation=180) == ["60x40", "bottom right"]
    assert red(rotation=270) == ["40x60", "bottom left"]
    assert red(flip="horizontal") == ["60x40", "top right"]
    assert red(flip="vertical") == ["60x40", "bottom left"]
    assert red(rotation=90, flip="vertical", size=[80, 90]) == ["80x90", "bottom right"]
    assert red(size=[120, 80]) == ["120x80", "top left"]
    assert red(region=[0.5, 0.5, 1, 1]) == ["60x40", "top left"]


def times(pictures: list[Any]) -> list[float]:
    return [round(p.timestamp, 3) for p in pictures]


def test_freeze_repeats_one_picture_while_the_time_goes_on(tmp_path: Path) -> None:
    faulty = camera(write_folder(tmp_path / "f", 8), rate=10, faults=[{"kind": "freeze", "at": 0.2, "seconds": 0.3}])
    pictures = list(faulty.images())
    assert times(pictures) == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    same = [np.array_equal(a.image, b.image) for a, b in pairwise(pictures)]
    assert same == [False, False, True, True, False, False, False]


def test_stand_black_and_jump(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f", 5)
    stand = list(camera(folder, rate=10, faults=[{"kind": "stand", "at": 0.2}]).images())
    assert times(stand) == [0, 0.1, 0.2, 0.2, 0.2]
    assert not np.array_equal(stand[3].image, stand[4].image)
    black = list(camera(folder, rate=10, faults=[{"kind": "black", "at": 0.3}]).images())
    assert [bool(p.image.any()) for p in black] == [True, True, True, False, False]
    jump = [{"kind": "jump", "at": 0.2, "seconds": 0.2, "by": -3600}]
    assert times(list(camera(folder, rate=10, faults=jump).images())) == [0, 0.1, -3599.8, -3599.7, 0.4]


def test_fail_is_a_camera_error_at_its_time(tmp_path: Path) -> None:
    pictures = camera(write_folder(tmp_path / "f", 5), rate=10, faults=[{"kind": "fail", "at": 0.2}]).images()
    assert times([next(pictures), next(pictures)]) == [0, 0.1]
    with pytest.raises(CameraError, match=r"fails at 0\.2 s"):
        next(pictures)


def test_block_gives_nothing_until_it_is_over(tmp_path: Path) -> None:
    clock = FixedClock()
    block = Fault(kind="block", at=0.2, seconds=5)
    faulty = camera(write_folder(tmp_path / "f", 5), rate=10, pace="clip", faults=[block.model_dump()])
    seen = [(p.timestamp, clock.now) for p in faulty.play(clock)]
    assert seen == [(0.0, 0.0), (pytest.approx(0.1), pytest.approx(0.1))]
    assert clock.now == pytest.approx(5.2)


def test_a_clip_that_is_not_there_or_no_clip(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="neither a file nor a folder"):
        next(camera(tmp_path / "nothing.mp4").images())
    (tmp_path / "text.mp4").write_text("not a clip" * 1000)
    with pytest.raises(CameraError, match="not a video"):
        next(camera(tmp_path / "text.mp4").images())
    (tmp_path / "empty").mkdir()
    with pytest.raises(CameraError, match="in it"):
        next(camera(tmp_path / "empty").images())


def test_a_frame_that_is_no_picture_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f", 2)
    (folder / "0001.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    pictures = camera(folder).images()
    next(pictures)
    with pytest.raises(CameraError, match=r"0001\.png"):
        next(pictures)


def test_a_picture_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    ok, png = cv2.imencode(".png", np.zeros((5100, 5100), np.uint8))
    assert ok
    (folder / "bomb.png").write_bytes(png.tobytes())
    with pytest.raises(CameraError, match=r"bomb\.png"):
        next(camera(folder).images())


@pytest.mark.parametrize(("suffix", "codec"), [("avi", "MJPG"), ("mp4", "mp4v"), ("mkv", "mp4v")])
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.98])
def test_a_truncated_clip_is_told_from_one_that_ends(tmp_path: Path, suffix: str, codec: str, kept: float) -> None:
    whole = write_clip(tmp_path / f"clip.{suffix}", 30, codec=codec)
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * kept)])
    assert len(list(camera(whole).images())) == 30
    seen: list[CameraImage] = []
    with pytest.raises(CameraError, match=r"ends early, after \d+ frames|truncated"):
        seen.extend(camera(cut).images())


def test_a_clip_with_its_index_in_front_plays_up_to_where_it_was_cut(tmp_path: Path) -> None:
    data = write_clip(tmp_path / "clip.mp4", 30, codec="mp4v").read_bytes()
    start = data.index(b"mdat") - 4
    end = data.index(b"moov") - 4
    head, media, index = data[:start], data[start:end], bytearray(data[end:])
    # As `qtfaststart` does: the index moves to the front, and its chunk offsets grow by its size.
    table = index.index(b"stco") + 8
    for place in range(table + 4, table + 4 + 4 * int.from_bytes(index[table : table + 4], "big"), 4):
        offset = int.from_bytes(index[place : place + 4], "big") + len(index)
        index[place : place + 4] = offset.to_bytes(4, "big")
    fast = tmp_path / "fast.mp4"
    fast.write_bytes(head + index + media)
    assert len(list(camera(fast).images())) == 30
    fast.write_bytes((head + index + media)[: len(head + index) + len(media) // 2])
    seen: list[CameraImage] = []
    with pytest.raises(CameraError, match=r"ends early, after \d+ frames"):
        seen.extend(camera(fast).images())
    assert 0 < len(seen) < 30


@pytest.mark.parametrize("suffix", ["mp4", "avi", "mkv"])
def test_damage_inside_a_clip_is_no_traceback(tmp_path: Path, suffix: str) -> None:
    data = write_clip(tmp_path / f"clip.{suffix}", 30, codec="mp4v").read_bytes()
    random = np.random.default_rng(1)
    for _ in range(6):
        broken = bytearray(data)
        for place in (*random.integers(0, len(broken), 100), random.integers(4, 64)):
            broken[place] = random.integers(0, 256)
        (tmp_path / f"broken.{suffix}").write_bytes(broken)
        stamps: list[float] = []
        with suppress(CameraError):
            stamps.extend(p.timestamp or 0.0 for p in camera(tmp_path / f"broken.{suffix}").images())
        assert all(a < b for a, b in pairwise(stamps))


@pytest.mark.parametrize(
    "keys",
    [
        {"pace": "slow"},
        {"rate": 0},
        {"rotation": 45},
        {"region": [0.5, 0, 0.5, 1]},
        {"region": [0, 0.9, 1, 0.1]},
        {"region": [0, 0, 1]},
        {"region": [0, 0, 1, 1.5]},
        {"size": [640]},
        {"size": [640, "480"]},
        {"size": [1, 1]},
        {"fps": 0},
        {"fps": True},
        {"loop": "yes"},
        {"faults": [{"kind": "explode", "at": 1}]},
        {"colour": "red"},
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        camera(tmp_path, **keys)
