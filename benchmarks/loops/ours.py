"""edgeface: the pipeline as the daemon builds it, fed frame by frame."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.loops.seen import Seen
from edgeface.cameras.opencv import OpencvCamera
from edgeface.config.configuration import Configuration
from edgeface.core.text import new_id
from edgeface.core.types import Frame
from edgeface.daemon.session import RecognitionSession
from edgeface.gallery.agreement import Limits
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import unit_mean
from edgeface.people.enrollment import EnrollOptions, KnownFaces, Plan, carry_out, from_photos

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.loops.seen import Image
    from edgeface.core.types import Face

CAMERA = "clip"
_NOON = 1_780_000_000.0
"""Wall seconds at the start of a clip; the value does not matter."""


class Loop:
    """The daemon's pipeline, with its own temporary data folder."""

    def __init__(self, people: Mapping[str, Sequence[Path]], size: tuple[int, int]) -> None:  # noqa: ARG002 - as in the others
        self._folder = TemporaryDirectory(prefix="edgeface-bench-")
        camera = OpencvCamera(type="opencv", source=0)
        configuration = Configuration(data=Path(self._folder.name), cameras={CAMERA: camera})
        self._names = {new_id(name, lambda _: False): name for name in people}
        if people:
            enroll(configuration, people)
        self._session = RecognitionSession(configuration, "bench", _NOON)
        self._seq = 0

    def look(self, image: Image, seconds: float) -> list[Seen]:
        """Process one frame; the faces are those that an observer of the daemon gets."""
        image.flags.writeable = False
        outcome = self._session.pipeline.process(Frame(CAMERA, self._seq, seconds, _NOON + seconds, image))
        self._seq += 1
        return [_seen(face, self._names) for face in outcome.faces]


def _seen(face: Face, names: Mapping[str, str]) -> Seen:
    left, top, right, bottom = face.box
    return Seen((left, top, right, bottom), None if face.person is None else names[face.person])


def enroll(configuration: Configuration, people: Mapping[str, Sequence[Path]]) -> None:
    """Enroll everyone into the configuration's data folder; a rejected photo is skipped and printed."""
    analyzer = configuration.open_analyzer()
    known = KnownFaces(Limits(0.0, 0.0, 0.0, 0.0, 1.0))
    plans: list[Plan] = []
    for name, photos in people.items():
        plans.append(from_photos(analyzer, known, new_id(name, lambda _: False), name, photos))
        known.means.update({one.person: unit_mean(one.embeddings) for one in plans[-1].candidates})
    refused = [line for plan in plans for line in plan.rejected]
    for line in refused:
        print(line)
    everybody = Plan(known.limits, tuple(one for plan in plans for one in plan.candidates))
    with closing(Gallery.open(configuration.data, analyzer.embedder.name)) as gallery:
        carry_out(gallery, everybody, _NOON, EnrollOptions())
