"""Cameras with 16 bits per pixel: folders of good and hostile files, and what a V4L2 device may deliver."""

import struct
import zlib
from collections.abc import Generator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.cameras.capture import Capture
from edgeface.cameras.gray16 import Gray16Camera, plane, read, shown
from edgeface.cameras.mailbox import Mailbox
from edgeface.core.clock import SystemClock
from edgeface.core.errors import CameraError
from edgeface.core.types import CameraImage, Values
from tests.support.broker import until
from tests.support.clock import FixedClock
from tests.support.sensors import living, pgm

VALUES: Values = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 40 + 300


def png(values: Any) -> bytes:
    return bytes(cv2.imencode(".png", values)[1])


def camera(folder: Path, **keys: Any) -> Gray16Camera:
    return Gray16Camera(source=str(folder), unit="millimetre", **keys)


def first(folder: Path, data: bytes, name: str = "1.pgm", **keys: Any) -> CameraImage:
    """The picture of a file that is put into the folder after it was opened."""
    clock = Putting(folder / name, data)
    return next(camera(folder, **keys).play(clock))


class Putting(FixedClock):
    """Puts a file while the camera waits for one."""

    def __init__(self, path: Path, data: bytes) -> None:
        super().__init__()
        self._path, self._data = path, data

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._path.write_bytes(self._data)


@pytest.mark.parametrize(("name", "data"), [("1.pgm", pgm(VALUES)), ("1.png", png(VALUES))])
def test_a_file_is_read_as_it_was_measured(name: str, data: bytes, tmp_path: Path) -> None:
    picture = first(tmp_path, data, name)
    assert picture.values is not None
    assert picture.values.dtype == np.uint16
    assert np.array_equal(picture.values, VALUES)
    assert picture.image.shape == (24, 32, 3)
    assert picture.image.dtype == np.uint8
    assert picture.timestamp is None


def test_files_that_were_there_before_are_old_and_the_newest_by_name_is_read(tmp_path: Path) -> None:
    for name in ("3.pgm", "readme.txt", ".7.pgm"):
        (tmp_path / name).write_bytes(pgm(VALUES))
    frames = camera(tmp_path).play(Putting(tmp_path / "5.pgm", pgm(VALUES + 1)))
    found = next(frames)
    (tmp_path / "4.pgm").write_bytes(pgm(VALUES + 2))
    assert found.values is not None
    assert np.array_equal(found.values, VALUES + 1)
    with pytest.raises(CameraError, match="has no new picture for 2 s"):
        next(frames)


def test_a_header_may_have_comments_and_units_may_have_steps(tmp_path: Path) -> None:
    data = pgm(VALUES, "P5 # a range camera\n# of 2026\n32\t24\n4095\n")
    for step, expected in ((0.25, np.rint(VALUES * 0.25)), (100.0, np.minimum(VALUES * 100.0, 65535))):
        values = first(tmp_path, data, step=step).values
        assert values is not None
        assert np.array_equal(values, expected)
        (tmp_path / "1.pgm").unlink()


def test_keys_of_every_camera_apply_to_the_values(tmp_path: Path) -> None:
    values = first(tmp_path, pgm(VALUES), rotation=90, flip="horizontal", size=(48, 64)).values
    assert values is not None
    assert values.shape == (64, 48)
    assert np.array_equal(values[::2, ::2], np.fliplr(np.rot90(VALUES, -1)))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "neither a PGM"),
        (b"P2\n2 2\n65535\n1 2 3 4", "neither a PGM"),
        (b"P5" + b"#" * 100_000, "neither a PGM"),
        (b"\xff\xd8\xff" + bytes(100), "neither a PGM"),
        (pgm(VALUES)[:-1], "truncated"),
        (pgm(VALUES) + b"\0", "longer than its header says"),
        (pgm(VALUES, "P5\n32 24\n255\n"), "not 16 bits"),
        (pgm(VALUES, "P5\n32 24\n65536\n"), "not 16 bits"),
        (pgm(VALUES, "P5\n99999 99999\n65535\n"), "too many"),
        (pgm(VALUES, "P5\n0 24\n65535\n"), "or none"),
        (png(VALUES)[:-20], "truncated"),
        (png(VALUES.astype(np.uint8)), "not a grey PNG with 16 bits"),
        (png(np.repeat(VALUES[:, :, None], 3, axis=2)), "not a grey PNG with 16 bits"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_one_line(data: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(CameraError, match=says) as caught:
        first(tmp_path, data)
    assert str(caught.value).startswith(str(tmp_path / "1.pgm"))
    assert "\n" not in str(caught.value)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("side", [2_100, 60_000])
def test_a_png_of_huge_dimensions_is_refused_before_it_is_decoded(side: int, tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", side, side, 16, 0, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(CameraError, match=r"too many|too large"):
        read(path)


def test_a_png_whose_data_are_damaged_is_refused(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 32, 24, 16, 0, 0, 0, 0)
    path = tmp_path / "damaged.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"nothing") + chunk(b"IEND", b""))
    with pytest.raises(CameraError, match="damaged"):
        read(path)


@settings(max_examples=200)
@given(st.data())
def test_any_file_gives_values_or_a_camera_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "any.png"
    content = bytearray(data.draw(st.sampled_from((pgm(VALUES), png(VALUES)))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    path.write_bytes(content)
    try:
        values = read(path)
    except CameraError as error:
        assert str(error).isprintable()
    else:
        assert values.dtype == np.uint16
        assert values.ndim == 2


@settings(max_examples=50)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_pgm_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, seed: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.pgm"
    values = np.random.default_rng(seed).integers(0, 65536, (height, width)).astype(np.uint16)
    path.write_bytes(pgm(values))
    assert np.array_equal(read(path), values)


def test_a_folder_that_is_missing_or_full_or_has_a_pipe_in_it_is_a_camera_error(
    tmp_path: Path,
) -> None:
    with pytest.raises(CameraError, match="cannot be read"):
        next(camera(tmp_path / "none").play(FixedClock()))
    with pytest.raises(CameraError, match="cannot be read"):
        read(tmp_path)
    for number in range(10_001):
        (tmp_path / f"{number}.pgm").touch()
    with pytest.raises(CameraError, match="more than 10000 files"):
        next(camera(tmp_path).play(FixedClock()))


def test_a_buffer_of_a_device_is_little_endian_whether_opencv_knows_its_format_or_not() -> None:
    assert np.array_equal(plane(VALUES, 32, 24), VALUES)
    raw = np.frombuffer(VALUES.astype("<u2").tobytes(), np.uint8)
    assert np.array_equal(plane(raw.reshape(1, -1), 32, 24), VALUES)
    assert np.array_equal(plane(raw.reshape(24, 64, 1), 32, 24), VALUES)


@pytest.mark.parametrize("size", [(32, 25), (0, 0), (-32, -24), (100_000, 100_000)])
def test_a_buffer_of_another_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(CameraError, match="16 bits per pixel"):
        plane(VALUES, *size)
    with pytest.raises(CameraError, match="16 bits per pixel"):
        plane(np.zeros((24, 32, 3), np.uint8), 32, 24)


def test_a_device_that_is_missing_says_so() -> None:
    absent = Gray16Camera(source="/dev/video63", unit="centikelvin", pixels="Z16")
    assert (absent.local_device, absent.exclusive, absent.measures) == ("/dev/video63", True, "centikelvin")
    with pytest.raises(CameraError, match="does not exist"):
        next(absent.play(FixedClock()))


def test_what_is_measured_can_be_looked_at() -> None:
    values = VALUES.copy()
    values[0] = 0
    image = shown(values)
    assert (int(image[0].max()), int(image[1:].min()), int(image.max())) == (0, 0, 255)
    assert shown(np.zeros((4, 4), np.uint16)).max() == 0
    assert shown(np.full((4, 4), 65535, np.uint16)).max() == 0


def test_a_folder_is_captured_like_any_camera_and_its_values_are_read_only(tmp_path: Path) -> None:
    mailbox, noise = Mailbox(), np.random.default_rng(1)
    capture = Capture("depth", camera(tmp_path, read_timeout=1.0), mailbox, SystemClock())
    capture.start()

    def pictures() -> Generator[bool, None, None]:
        for number in range(1000):
            part = tmp_path / ".part"
            part.write_bytes(pgm(living() + noise.integers(0, 3, (240, 320), np.uint16)))
            part.rename(tmp_path / f"{number:06}.pgm")
            yield capture.state().frames >= 3

    source = pictures()
    until(lambda: next(source), 10)
    frame = mailbox.take(1.0)
    assert frame is not None
    assert frame.values is not None
    assert not frame.values.flags.writeable
    # The program that puts the files has died.
    until(lambda: capture.supervise().error is not None and capture.state().status in {"offline", "stalled"}, 10)
    capture.stop()
    assert capture.join(5)


def test_frames_are_no_more_than_asked_for(tmp_path: Path) -> None:
    class Busy(FixedClock):
        """Puts a file at each look at the folder."""

        number = 0

        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            self.number += 1
            (tmp_path / f"{self.number:04}.pgm").write_bytes(pgm(VALUES))

    clock = Busy()
    list(islice(camera(tmp_path, fps=5.0).play(clock), 6))
    assert clock.now == pytest.approx(1.0, abs=0.15)
