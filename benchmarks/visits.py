"""A clip in which people come and go, one at a time, and its ground truth."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeface.imaging.opencv import cv2
from tests.support.film import DATA, FPS, picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgeface.core.types import Image
    from tests.support.film import Actor

SIZE = (640, 480)
PEOPLE = {"obama": ("obama2", "obama3"), "biden": ("biden",), "astronaut": ("astronaut",)}
"""The people in the clips, each as a photo of tests/data, and the photos they are enrolled from."""

# Upper left corners of a portrait: far enough apart that no one is mistaken for a person who was elsewhere before.
_PLACES = ((30, 60), (350, 40), (40, 150), (330, 130), (190, 20))
_FACES = (90, 120, 70, 105)
"""Pixels from brow to chin."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One person in view; frames count from 0, `until` is exclusive."""

    person: str
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Clip:
    """A looping file, and who is in it when."""

    path: Path
    frames: int
    visits: tuple[Visit, ...]

    def at(self, frame: int) -> Visit | None:
        """Who is in view in a frame; the frame may belong to a later loop of the clip."""
        place = frame % self.frames
        return next((visit for visit in self.visits if visit.since <= place < visit.until), None)


def make(path: Path, *, seconds: float, gap: float, visits: int = 15, seed: int = 0) -> Clip:
    """Write a clip of `visits` visits: each person appears at once, stays for `seconds`, and leaves for `gap` seconds.

    A person comes back after more than recognition.gap, which makes a new event. The whole face is visible from the
    first frame of a visit.
    """
    stay, pause = round(seconds * FPS), round(gap * FPS)
    people = tuple(PEOPLE)
    order = [people[(number + seed) % len(people)] for number in range(visits)]
    truth = tuple(
        Visit(person, number * (stay + pause), number * (stay + pause) + stay) for number, person in enumerate(order)
    )
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    try:
        for image in _images(order, stay, pause, seed):
            writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    finally:
        writer.release()
    return Clip(path, visits * (stay + pause), truth)


def people(folder: Path) -> Path:
    """Lay out photos to enroll from: FOLDER/PERSON/PHOTO."""
    for person, photos in PEOPLE.items():
        (folder / person).mkdir(parents=True)
        for photo in photos:
            shutil.copy(DATA / f"{photo}.jpg", folder / person)
    return folder


def _images(order: list[str], stay: int, pause: int, seed: int) -> Iterator[Image]:
    frame = 0
    for number, person in enumerate(order, seed):
        x, y = _PLACES[number % len(_PLACES)]
        face = _FACES[number % len(_FACES)]
        for step in range(stay + pause):
            sway = round(4 * np.sin(frame / 4))
            actors: tuple[Actor, ...] = ((person, x + sway, y),) if step < stay else ()
            yield picture(*actors, face=face, size=SIZE, seed=frame)
            frame += 1
