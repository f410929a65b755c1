"""The REST interface: identify the faces in a picture.

One picture is weak evidence: the rules are those of a track with a single frame; no door opens, nothing is recorded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

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
    from starlette.responses import Response

    from edgeface.core.types import Embedding, Image
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.faces.photo_face import Found
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.gallery.unknowns import Unknown
    from edgeface.recognition.decision import Decision, Thresholds
    from edgeface.web.context import WebContext

MAX_FACES = 20
"""Faces of one picture that are examined."""

_SINGLE_FRAME = Recognition.model_construct(frames=1, seconds=0.0, unknown_frames=0)


@dataclass(frozen=True, eq=False)
class _Known:
    """The people and unknowns to compare with."""

    context: WebContext
    snapshot: GallerySnapshot
    accept: Thresholds
    level: str

    @cached_property
    def unknowns(self) -> list[Unknown]:
        """The unknowns; read only for a face of someone who is not enrolled."""
        with self.context.gallery() as gallery:
            return gallery.unknowns()

    @property
    def same_unknown(self) -> float:
        """The cosine from which a face is that of an unknown."""
        return same_unknown(table_of(self.context.configuration().embedder.model), max(1, len(self.unknowns)))


def recognise(call: Call) -> Response:
    """Identify the faces in a picture."""
    try:
        photo = photos.decode(call.body)
    except PhotoError as error:
        raise Problem(422, detail=str(error)) from None
    known = _known(call)
    with call.context.analyzer() as analyzer:
        found = [_face(analyzer, photo, one, known) for one in faces(analyzer, photo)[:MAX_FACES]]
        model = analyzer.embedder.name
    height, width = photo.shape[:2]
    return reply(device_models.Recognised(faces=found, frame_size=[width, height], model=model))


def _known(call: Call) -> _Known:
    configuration = call.context.configuration()
    table, level = table_of(configuration.embedder.model), configuration.recognition.level
    snapshot = call.context.latest() or _read(call.context)
    return _Known(call.context, snapshot, thresholds(table, level, snapshot), level)


def _read(context: WebContext) -> GallerySnapshot:
    with context.gallery() as gallery:
        return gallery.snapshot(context.clock.wall())


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
