"""The live view's routes: a camera's picture, the faces in it, what is said, and the region by dragging."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgeface.core.clock import rfc3339
from edgeface.core.text import printable
from edgeface.recognition.scene import WHOLE
from edgeface.web import config_edit
from edgeface.web.api.device_models import Look
from edgeface.web.auth.guard import viewer
from edgeface.web.http.bodies import checked
from edgeface.web.http.problems import Problem
from edgeface.web.live import stream
from edgeface.web.live.feed import Feed

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from edgeface.core.types import Face, FrameResult
    from edgeface.web.site import WebContext


def routes() -> list[BaseRoute]:
    """Pictures, faces, events as they come, and what an admin changes while looking."""
    return [
        Route("/api/v1/cameras/{camera}/picture", picture, methods=["GET"]),
        Route("/api/v1/cameras/{camera}/faces", faces, methods=["GET"]),
        Route("/api/v1/events/stream", stream.stream, methods=["GET"]),
        *config_edit.routes(),
    ]


@viewer
async def picture(request: Request) -> Response:
    """The newest frame as JPEG; the header X-Frame-Seq names it."""
    wanted = _wanted(request)
    feed = _feed(request)
    shot = await feed.shot(wanted.seq)
    data = await feed.picture(shot, boxes=wanted.boxes, width=wanted.width)
    return Response(data, media_type="image/jpeg", headers={"X-Frame-Seq": str(shot.frame.seq)})


@viewer
async def faces(request: Request) -> Response:
    """What the pipeline has made of the newest frame."""
    wanted = _wanted(request)
    return JSONResponse(seen(request.app.state.site, await _feed(request).shot(wanted.seq)))


def seen(site: WebContext, shot: FrameResult) -> dict[str, Any]:
    """An outcome as JSON."""
    frame, configuration = shot.frame, site.configuration()
    camera, detector = configuration.cameras[frame.camera], configuration.detector
    return {
        "camera": frame.camera,
        "seq": frame.seq,
        "captured_at": rfc3339(frame.wall),
        "age": round(site.clock.monotonic() - frame.monotonic, 2),
        "frame_size": [frame.image.shape[1], frame.image.shape[0]],
        "region": list(camera.region or WHOLE),
        "smallest_face": detector.face_limit,
        "faces": [_face(face) for face in shot.faces],
    }


def _face(face: Face) -> dict[str, Any]:
    return {
        "track": face.track,
        "box": [round(edge) for edge in face.box],
        "label": face.label,
        "person": face.person,
        "name": face.name,
        "unknown": face.unknown,
        "score": None if face.score is None else round(face.score, 4),
        "reason": face.reason,
    }


def _wanted(request: Request) -> Look:
    wanted: Look = checked(Look, dict(request.query_params), request, strict=False)
    return wanted


def _feed(request: Request) -> Feed:
    site: WebContext = request.app.state.site
    camera = request.path_params["camera"]
    if camera not in site.configuration().cameras:
        raise Problem(HTTPStatus.NOT_FOUND, detail=f"there is no camera {printable(camera, 64)}")
    if not hasattr(request.app.state, "feeds"):
        request.app.state.feeds = {}
    feeds: dict[str, Feed] = request.app.state.feeds
    if camera not in feeds:
        feeds[camera] = Feed(site, camera)
    return feeds[camera]
