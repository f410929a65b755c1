"""QR codes in pictures: read in a process that may crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edgeface.imaging import qr_codes
from edgeface.imaging.qr_codes import MAX_TEXT, SECONDS, SIDE, QrReader, reduced
from tests.support import qr
from tests.support.broker import until
from tests.support.slack import Slack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.core.types import Image

TEXT = "EFP1:" + "ABCDEFGH234567" * 15


@pytest.fixture
def reader() -> Iterator[QrReader]:
    one = QrReader()
    yield one
    one.close()


def picture(text: str, share: float = 0.5, size: tuple[int, int] = (720, 1280), noise: float = 8.0) -> Image:
    """A grey wall with a code that is `share` of the picture's width, with the noise of a camera."""
    side = round(size[1] * share)
    code = cv2.resize(qr.modules(text), (side, side), interpolation=cv2.INTER_NEAREST)
    wall = np.full((*size, 3), 120, np.uint8)
    top, left = (size[0] - side) // 2, (size[1] - side) // 3
    wall[top : top + side, left : left + side] = code[..., None]
    blurred = cv2.GaussianBlur(wall, (3, 3), 0).astype(np.float32)
    noisy = blurred + np.random.default_rng(1).normal(0, noise, wall.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("share", [0.3, 0.35, 0.45, 0.55])
def test_a_pass_is_read_from_a_third_of_the_picture_on(reader: QrReader, share: float) -> None:
    assert reader.read(picture(TEXT, share)) == TEXT


def test_no_code_no_text(reader: QrReader) -> None:
    assert reader.read(np.full((480, 640, 3), 99, np.uint8)) is None
    assert reader.failures == 0


def test_a_text_that_is_too_long_is_not_returned(reader: QrReader) -> None:
    assert reader.read(picture("A" * (MAX_TEXT + 1), 0.55)) is None
    assert reader.failures == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (2, 3), (480, 640), (1080, 1920)])
def test_pictures_of_any_size_are_small_and_harmless(reader: QrReader, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (*size, 3), np.uint8)
    assert max(reduced(noise).shape) <= SIDE
    assert reader.read(noise) is None


def test_patterns_that_look_like_codes_are_harmless(reader: QrReader) -> None:
    chance = np.random.default_rng(3)
    good = picture(TEXT, 0.5)
    for _ in range(40):
        broken = good.copy()
        top, left = chance.integers(0, 500), chance.integers(0, 900)
        broken[top : top + 200, left : left + 300] = chance.integers(0, 256, (1, 1, 3))
        broken = np.roll(broken, chance.integers(-300, 300), axis=1)
        assert reader.read(broken) in {None, TEXT}
    grid = np.kron(chance.integers(0, 2, (60, 80)) * 255, np.ones((8, 8))).astype(np.uint8)
    assert reader.read(np.repeat(grid[..., None], 3, axis=2)) is None


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_child_that_crashes_costs_one_picture(reader: QrReader, number: int) -> None:
    assert reader.read(picture(TEXT)) == TEXT
    child = reader._process.id
    assert child is not None
    os.kill(child, number)
    until(lambda: "Z" in Path(f"/proc/{child}/stat").read_text().split()[2])
    until(lambda: reader.read(picture(TEXT)) == TEXT)
    assert reader._process.id != child


def test_a_child_that_hangs_is_ended(reader: QrReader) -> None:
    assert reader.read(picture(TEXT)) == TEXT
    child = reader._process.id
    assert child is not None
    os.kill(child, signal.SIGSTOP)
    began = time.monotonic()
    with Slack() as slack:
        assert reader.read(picture(TEXT)) is None
    assert time.monotonic() - began < SECONDS + 1 + slack.late
    assert reader.failures == 1
    assert reader.read(picture(TEXT)) == TEXT


def test_the_child_has_no_files_and_bounded_memory(reader: QrReader) -> None:
    reader.read(picture(TEXT))
    text = Path(f"/proc/{reader._process.id}/limits").read_text()
    limits = {line[:26].strip(): line[26:].split()[:2] for line in text.splitlines()}
    assert limits["Max open files"] == ["0", "0"]
    assert limits["Max address space"][0] != "unlimited"


def test_a_reply_that_is_too_long_is_not_believed() -> None:
    script = [sys.executable, "-c", r"import os; os.write(1, b'\xff' * 4)"]
    with subprocess.Popen(script, stdout=subprocess.PIPE) as child, pytest.raises(EOFError, match="more text"):
        qr_codes._received(child)
