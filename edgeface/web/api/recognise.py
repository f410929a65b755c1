"""The REST interface: identify the faces in a picture.

One picture is weak evidence: the rules are those of a track with a single frame; no door opens, nothing is recorded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from edgeface.core.errors import PhotoError
from edgeface.faces.calibration import table_of
from edgeface.faces.photo_face import faces
from edgeface.imaging import photos
from edgeface.recognition.decision import Evidence, decide, same_unknown, thresholds
from edgeface.recognition.settings import Recognition
from edgeface.web.api import device_models
from edgeface.web.http.bodies import image_body
from edgeface.web.http.operation import Call, Operation, reply
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from starlette.responses import Response

    from edgeface.config.configuration import Configuration
    from edgeface.core.types import Embedding, Image
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.faces.photo_face import Found
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.gallery.unknowns import Unknown
    from edgeface.recognition.decision import Decision, Thresholds

MAX_FACES = 20
"""Faces of one picture that are examined."""

_SINGLE_FRAME = Recognition.model_construct(frames=1, seconds=0.0, unknown_frames=0)


class Matching(Protocol):
    """What recognition works with: the daemon's web, or the recognition service."""

    def configuration(self) -> Configuration:
        """The running configuration."""

    def snapshot(self) -> GallerySnapshot:
        """The people as they are now."""

    def unknowns(self) -> Sequence[Unknown]:
        """Those who were seen and are not enrolled."""

    def analyzer(self) -> AbstractContextManager[FaceAnalyzer]:
        """Wait for exclusive use of the models. Raises ModelError."""


@dataclass(frozen=True, eq=False)
class _Known:
    """The people and unknowns to compare with."""

    context: Matching
    snapshot: GallerySnapshot
    accept: Thresholds
    level: str

    @cached_property
    def unknowns(self) -> Sequence[Unknown]:
        """The unknowns; read only for a face of someone who is not enrolled."""
        return self.context.unknowns()

    @property
    def same_unknown(self) -> float:
        """The cosine from which a face is that of an unknown."""
        return same_unknown(table_of(self.context.configuration().embedder.model), max(1, len(self.unknowns)))


def recognise(call: Call) -> Response:
    """Identify the faces in a picture."""
    return reply(recognised(call.context, call.body))


def recognised(context: Matching, picture: bytes) -> device_models.Recognised:
    """The faces in a picture, and who they are. Raises Problem 422 if it is none, and ModelError."""
    try:
        photo = photos.decode(picture)
    except PhotoError as error:
        raise Problem(422, detail=str(error)) from None
    known = _known(context)
    with context.analyzer() as analyzer:
        found = [_face(analyzer, photo, one, known) for one in faces(analyzer, photo)[:MAX_FACES]]
        model = analyzer.embedder.name
    height, width = photo.shape[:2]
    return device_models.Recognised(faces=found, frame_size=[width, height], model=model)


def _known(context: Matching) -> _Known:
    configuration, snapshot = context.configuration(), context.snapshot()
    table, level = table_of(configuration.embedder.model), configuration.recognition.level
    return _Known(context, snapshot, thresholds(table, level, snapshot), level)


def _face(analyzer: FaceAnalyzer, photo: Image, found: Found, known: _Known) -> device_models.RecognisedFace:
    reason = found.quality.reason
    if reason is not None:
        return _api_face(photo, found, known, "not_judged", reason=reason)
    embedding = analyzer.embed(found.image, found.detection)
    decision = decide(Evidence((embedding,), (0.0,)), known.snapshot, known.accept, _SINGLE_FRAME)
    if decision is None:
        raise AssertionError("with these rules one frame gives a decision")
    unknown = _nearest(known, embedding) if decision.kind == "unknown" else None
    return _api_face(photo, found, known, decision.kind, decision, unknown, decision.reason)


def _nearest(known: _Known, embedding: Embedding) -> str | None:
    """The id of the unknown with this face; None if there is none."""
    best = max(known.unknowns, key=lambda one: float(one.mean @ embedding), default=None)
    return best.id if best is not None and float(best.mean @ embedding) >= known.same_unknown else None


def _api_face(
    photo: Image,
    found: Found,
    known: _Known,
    label: str,
    decision: Decision | None = None,
    unknown: str | None = None,
    reason: str | None = None,
) -> device_models.RecognisedFace:
    match = decision.match if decision is not None else None
    person = decision.person if decision is not None else None
    accept, quality = known.accept.accept, found.quality
    return device_models.RecognisedFace.model_validate(
        {
            "box": _box(photo, found),
            "label": label,
            "person": person,
            "name": None if person is None else known.snapshot.name(person),
            "score": None if match is None else round(match.score, 4),
            "level": known.accept.level,
            "level_basis": known.accept.basis,
            "threshold": round(accept, 4) if math.isfinite(accept) else None,
            "margin": None if match is None or match.margin is None else round(match.margin, 4),
            "unknown": unknown,
            "quality": device_models.FaceQuality(
                height_px=quality.height_px,
                sharpness=round(quality.sharpness, 2),
                brightness=round(quality.brightness, 2),
                yaw=round(quality.yaw, 1),
                pitch=round(quality.pitch, 1),
            ),
            "reason": reason,
        }
    )


def _box(photo: Image, found: Found) -> list[int]:
    """The part of the box inside the picture: left, top, right, bottom in its pixels."""
    scale = photo.shape[1] / found.image.shape[1]
    limits = (photo.shape[1], photo.shape[0]) * 2
    return [min(max(round(edge * scale), 0), side) for edge, side in zip(found.detection.box, limits, strict=True)]


OPERATIONS = tuple(
    Operation("POST", path, "recognise", "recognise", "Identify the faces in a picture", recognise,
              {200: device_models.Recognised}, body=image_body(), errors=(409,), heavy=True)
    for path in ("/recognise", "/recognize")
)  # fmt: skip
"""Recognition, in British and American spelling."""
