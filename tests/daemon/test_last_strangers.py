"""The button in Home Assistant: who it puts on the ignore list, and how."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgeface.config.configuration import Configuration
from edgeface.core.types import Box, Event, Face, Frame, FrameResult
from edgeface.daemon.last_strangers import RECENT, LastStrangers, ignore
from edgeface.daemon.storage import GalleryWriter, Unsaved
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.gallery.unknowns import Unknown, UnknownChanges
from edgeface.people.service import PeopleService
from tests.support.disks import full_disk
from tests.support.embeddings import unit
from tests.support.sayings import an_event

if TYPE_CHECKING:
    from pathlib import Path

BOX = Box(0, 0, 10, 10)
NO_ONE: dict[str, Any] = {"person": None, "name": None, "score": None, "reason": None}
MODEL = embedder_name()


def result(now: float, *events: Event, track: int = 1, unknown: str | None = None, **face: Any) -> FrameResult:
    shown = Face(track=track, box=BOX, label="unknown", unknown=unknown, **{**NO_ONE, **face})
    return FrameResult(Frame("porch", 0, now, 0.0, np.zeros((2, 2, 3), np.uint8)), (shown,), events)


def stranger(track: int = 1, unknown: str | None = "u-0001") -> Event:
    return an_event(track, type="unknown", person=None, name=None, unknown=unknown, track=track)


def test_the_last_stranger_is_taken_once_and_only_for_ten_minutes() -> None:
    strangers = LastStrangers()
    assert strangers.take("porch", 0.0) is None
    strangers.observe(result(100.0, stranger(), unknown="u-0001"))
    assert strangers.take("yard", 100.0) is None
    assert strangers.take("porch", 100.0 + RECENT + 0.1) is None
    assert strangers.take("porch", 100.0 + RECENT) == "u-0001"
    assert strangers.take("porch", 100.0) is None
    # Someone who stays in view is not announced again, and not ignored by a second press.
    strangers.observe(result(101.0, unknown="u-0001"))
    assert strangers.take("porch", 101.0) is None


def test_the_time_counts_from_the_last_sight_and_the_id_may_come_later() -> None:
    strangers = LastStrangers()
    strangers.observe(result(0.0, stranger(unknown=None)))
    assert strangers.take("porch", 0.0) is None
    strangers.observe(result(RECENT, unknown="u-0001"))
    strangers.observe(result(RECENT + 1, track=2, unknown="u-0002"))
    assert strangers.take("porch", 2 * RECENT) == "u-0001"


def test_someone_without_an_id_takes_the_place_of_someone_with_one() -> None:
    strangers = LastStrangers()
    strangers.observe(result(0.0, stranger(1), unknown="u-0001"))
    strangers.observe(result(1.0, stranger(2, None), track=2))
    assert strangers.take("porch", 1.0) is None


def test_a_stranger_who_turns_out_to_be_enrolled_is_not_ignored() -> None:
    strangers = LastStrangers()
    strangers.observe(result(0.0, stranger(), unknown="u-0001"))
    strangers.observe(result(1.0, person="alice"))
    assert strangers.take("porch", 1.0) is None


class Desk:
    """The thread that writes the gallery, with the button's work in it, and what it has recorded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[tuple[str, dict[str, Any]]] = []
        configuration = Configuration.model_construct(cameras={}, data=folder)
        people = PeopleService(configuration, lambda _: None)
        self.writer = GalleryWriter(
            folder,
            MODEL,
            lambda unknown: ignore(people, unknown, lambda kind, facts: self.rows.append((kind, {**facts}))),
        )

    def press(self, unknown: str, *seen: Unknown) -> None:
        self.writer.offer(Unsaved(UnknownChanges(seen), ignored=(unknown,)))
        assert self.writer.wait(30.0)
        self.writer.close(5.0)

    def people(self) -> dict[str, bool]:
        with closing(Gallery.open(self.folder, MODEL)) as gallery:
            return {one.id: one.ignored for one in gallery.people()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        gallery.enroll("alice", None, [Template(unit(1), MODEL, "photo", 1.0)], 1.0)
    return Desk(tmp_path)


def an_unknown(seed: int) -> Unknown:
    return Unknown("u-7f3a", unit(seed), (unit(seed),), 2, 1, 1.0, 1.0, "porch")


def test_a_stranger_who_is_not_on_the_disk_yet_is_ignored_and_the_audit_trail_says_by_what(desk: Desk) -> None:
    desk.press("u-7f3a", an_unknown(9))
    assert desk.people() == {"alice": False, "ignored-7f3a": True}
    assert desk.rows == [("enrolled", {"person": "ignored-7f3a", "unknown": "u-7f3a", "by": "mqtt"})]


def test_someone_who_looks_like_alice_and_someone_who_is_gone_are_not_ignored(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.press("u-7f3a", an_unknown(1))
    assert "already enrolled as alice" in caplog.text
    again = Desk(desk.folder)
    again.press("u-dead")
    assert "u-dead: no such unknown" in caplog.text
    assert again.people() == {"alice": False}
    assert again.rows == desk.rows == []


def test_no_one_is_ignored_later_because_the_disk_was_full(desk: Desk) -> None:
    with full_disk():
        desk.writer.offer(Unsaved(UnknownChanges((an_unknown(9),)), ignored=("u-7f3a",)))
        assert not desk.writer.wait(5.0)
    desk.press("u-dead")
    assert desk.people() == {"alice": False}
