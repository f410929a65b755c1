"""Passes in front of a camera: which pictures are searched, and what is reported."""

from __future__ import annotations

import base64
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edgeface.access.factor_messages import PassShown
from edgeface.access.pass_list import PassList, PassRulesFile
from edgeface.access.passes import Pass, new, write
from edgeface.access.policy import AccessPolicy, Door
from edgeface.core.types import Face, Frame, FrameResult
from edgeface.daemon.pass_reader import ATTENTION, INTERVAL, REFUSALS_PER_MINUTE, PassReader, doors_by_camera
from edgeface.security import signing_keys
from edgeface.security.vault import open_vault
from tests.support import qr
from tests.support.broker import until
from tests.support.clock import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgeface.core.types import Image

WALL = 1_795_435_200.0
FACE: Any = object.__new__(Face)
DOORS = {"porch": ("front-door", "back-door")}
BLANK = np.full((240, 320, 3), 90, np.uint8)


def picture(text: str) -> Image:
    code = cv2.resize(qr.modules(text), None, fx=7, fy=7, interpolation=cv2.INTER_NEAREST)
    wall = np.full((480, 640, 3), 90, np.uint8)
    wall[30 : 30 + len(code), 60 : 60 + len(code)] = code[..., None]
    return wall


def result(image: Image, at: float, camera: str = "porch", *, face: bool = True) -> FrameResult:
    frame = Frame(camera, 1, at, WALL, image)
    return FrameResult(frame, (FACE,) if face else (), (), (), ())


class Hall:
    """A reader with a data folder, and what it has reported."""

    def __init__(self, folder: Path, *, synced: bool = True) -> None:
        vault = open_vault(folder)
        signing_keys.write(folder, signing_keys.new((), "a", vault, 1.0))
        key = signing_keys.active(signing_keys.read(folder), vault)
        assert key is not None
        self.key = key
        self.pass_list = PassList(folder, vault)
        self.clock = FixedClock()
        self.shown: list[PassShown] = []
        self.rows: list[tuple[str, Any]] = []
        rules_file = PassRulesFile(folder, vault, "front", self.clock)
        self.reader = PassReader(
            rules_file, self.clock, self.shown.append, lambda *row: self.rows.append(row), synced=lambda: synced
        )
        self.reader.doors = DOORS

    def made(self, *doors: str, person: str = "alice") -> Pass:
        one = new(person, doors, "front", self.clock.wall(), 7)
        self.pass_list.add(one, self.clock.wall())
        return one

    def show(self, text: str, at: float) -> None:
        searched = self.reader.facts()["searched"]
        self.reader.observe(result(picture(text), at))
        until(lambda: self.reader.facts()["searched"] == searched + 1)

    @property
    def refused(self) -> list[tuple[str, str | None]]:
        """Reason and person of the rows about the first door; the second has the same."""
        assert {kind for kind, _ in self.rows} <= {"factor"}
        assert [facts["door"] for _, facts in self.rows] == [*DOORS["porch"]] * (len(self.rows) // 2)
        return [(facts["reason"], facts["person"]) for _, facts in self.rows[::2]]


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    made = Hall(tmp_path)
    made.reader.start()
    yield made
    made.reader.stop()


def test_a_pass_is_reported_for_each_of_its_doors_with_the_time_of_its_picture(hall: Hall) -> None:
    one, every = hall.made("front-door"), hall.made()
    hall.show(write(one, hall.key), 10.0)
    assert hall.shown == [PassShown("front-door", "porch", "alice", one.id, 10.0)]
    hall.show(write(every, hall.key), 11.0)
    assert [shown.door for shown in hall.shown[1:]] == ["front-door", "back-door"]
    assert hall.refused == []


def test_a_refused_pass_is_reported_once_in_a_while_and_a_foreign_code_never(hall: Hall) -> None:
    other = write(hall.made("garage"), hall.key)
    for at in (10.0, 11.0, 12.0):
        hall.show(other, at)
    assert hall.refused == [("pass_door", "alice")]
    hall.show(other, 16.0)
    assert len(hall.refused) == 2
    revoked = hall.made()
    hall.pass_list.revoke(revoked.id)
    hall.clock.sleep(signing_keys.CHECK_SECONDS)
    hall.show(write(revoked, hall.key), 17.0)
    assert hall.refused[2:] == [("pass_revoked", "alice")]
    hall.show("https://example.org/parcel", 18.0)
    assert len(hall.refused) == 3
    assert hall.reader.facts()["refused"] == {"door": 2, "revoked": 1, "malformed": 1}
    assert hall.shown == []


def test_a_file_of_keys_that_was_damaged_ends_nothing(hall: Hall, tmp_path: Path) -> None:
    text, keys = write(hall.made("front-door"), hall.key), (tmp_path / "keys.json").read_bytes()
    public = base64.b64encode(hall.key.private.public_key().public_bytes_raw())
    (tmp_path / "keys.json").write_bytes(keys.replace(public, b"a"))
    hall.show(text, 10.0)
    assert hall.shown == []
    assert hall.reader.facts()["problem"] == f"{tmp_path}/keys.json: not a file of signing keys"
    (tmp_path / "keys.json").write_bytes(keys)
    hall.clock.sleep(signing_keys.CHECK_SECONDS)
    hall.show(text, 20.0)
    assert [shown.door for shown in hall.shown] == ["front-door"]
    assert hall.reader.facts()["problem"] is None


def test_without_a_synchronised_clock_no_pass_is_accepted(tmp_path: Path) -> None:
    hall = Hall(tmp_path, synced=False)
    hall.reader.start()
    hall.show(write(hall.made(), hall.key), 10.0)
    assert (hall.shown, hall.refused) == ([], [("pass_clock", "alice")])
    hall.reader.stop()


def searched(reader: PassReader, *results: FrameResult) -> list[float]:
    """The times of the pictures that would be searched; the thread does not run."""
    found = []
    for one in results:
        reader.observe(one)
        if (frame := reader._frames.pop(one.frame.camera, None)) is not None:
            found.append(frame.monotonic)
    return found


def test_a_picture_is_searched_now_and_then_and_only_after_a_face(tmp_path: Path) -> None:
    reader = Hall(tmp_path).reader
    frames = [result(BLANK, n / 10, face=n == 20) for n in range(200)]
    times = searched(reader, *frames)
    assert times[0] == 2.0
    assert all(later - earlier >= INTERVAL - 1e-9 for earlier, later in pairwise(times))
    assert 2.0 + ATTENTION - INTERVAL <= times[-1] <= 2.0 + ATTENTION
    assert len(times) >= ATTENTION / (INTERVAL + 0.1)


def test_a_camera_without_such_a_door_is_never_searched(tmp_path: Path) -> None:
    reader = Hall(tmp_path).reader
    assert searched(reader, *(result(BLANK, float(n), "yard") for n in range(5))) == []


def test_a_picture_that_may_be_old_is_not_searched(tmp_path: Path) -> None:
    reader = Hall(tmp_path).reader
    old = [replace(one, frame=replace(one.frame, doubtful=True)) for one in (result(BLANK, float(n)) for n in range(5))]
    assert searched(reader, *old) == []


def test_only_the_newest_picture_of_a_camera_waits(tmp_path: Path) -> None:
    reader = Hall(tmp_path).reader
    for n in range(5):
        reader.observe(result(BLANK, float(n)))
    assert [frame.monotonic for frame in reader._frames.values()] == [4.0]


def test_pictures_of_random_codes_are_harmless(hall: Hall) -> None:
    chance = np.random.default_rng(1)
    for at in range(12):
        text = base64.b32encode(chance.bytes(100)).decode()
        hall.show(f"EFP1:{text}", float(at))
    assert hall.shown == []
    assert hall.reader.facts()["refused"] == {"signature": 12}
    assert hall.refused == [("pass_signature", None)] * REFUSALS_PER_MINUTE


def test_the_doors_that_accept_a_pass() -> None:
    doors = {
        name: Door.model_validate({"camera": camera, "allow": [{"person": "alice", **rule}], **changes})
        for name, camera, rule, changes in (
            ("a", "porch", {}, {}),
            ("b", "porch", {}, {"factor": "pass"}),
            ("c", "porch", {"factor": ["pin", "pass"]}, {}),
            ("d", "yard", {"factor": "none"}, {"factor": "pass"}),
        )
    }
    assert doors_by_camera(AccessPolicy(doors)) == {"porch": ("b", "c")}
