"""The REST interface: cameras, what they show now, doors, and the state of the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from edgeface.core.clock import rfc3339
from edgeface.core.events import plain
from edgeface.recognition.scene import WHOLE
from edgeface.web import config_edit
from edgeface.web.api import device_models
from edgeface.web.http.bodies import json_body
from edgeface.web.http.operation import Call, Media, Operation, reply
from edgeface.web.http.problems import Problem
from edgeface.web.live.feed import Feed
from edgeface.web.live.stream import stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.cameras import CameraSettings
    from edgeface.core.types import Face, FrameResult
    from edgeface.web.context import WebContext

_CAMERA = "/cameras/{camera}"
_FACTS = ("fps", "age", "frames", "processed", "drops", "reopens", "repeated", "replayed", "problem")
"""What is taken over from the state."""


def cameras(call: Call) -> Response:
    """Every camera, with its configuration and its state."""
    context = call.context
    reports = context.hub.state.get("cameras", {})
    found = [
        _camera(context, name, one, reports.get(name, {})) for name, one in context.configuration().cameras.items()
    ]
    return reply(device_models.Cameras(cameras=found))


def switch(call: Call) -> Response:
    """Turn recognition on or off for a camera."""
    name = _name(call)
    if call.context.switch is None:
        raise Problem(503, detail="no cameras run here")
    call.context.switch(name, call.body.on)
    return reply(device_models.Switched(camera=name, on=call.body.on), 202)


def doors(call: Call) -> Response:
    """Every door that this device grants."""
    reports = call.context.hub.state.get("doors", {})
    found = [
        device_models.Door(id=name, camera=door.camera, level=door.level, state=plain(reports.get(name, {})))
        for name, door in call.context.configuration().doors.items()
    ]
    return reply(device_models.Doors(doors=found))


def state(call: Call) -> Response:
    """The content of the state topic."""
    return reply(device_models.State(plain(dict(call.context.hub.state))))


async def picture(call: Call) -> Response:
    """The newest frame as JPEG; the header X-Frame-Seq has its number."""
    feed = _feed(call)
    result = await feed.newest(call.query.seq)
    data = await feed.picture(result, boxes=call.query.boxes, width=call.query.width)
    return Response(data, media_type="image/jpeg", headers={"X-Frame-Seq": str(result.frame.seq)})


async def faces(call: Call) -> Response:
    """The faces that the pipeline found in the newest frame."""
    return reply(_seen(call.context, await _feed(call).newest(call.query.seq)))


def _name(call: Call) -> str:
    name = call.path["camera"]
    config_edit.require_camera(call.context.configuration(), name)
    return name


def _feed(call: Call) -> Feed:
    name, feeds = _name(call), call.request.app.state.feeds
    if name not in feeds:
        feeds[name] = Feed(call.context, name)
    feed: Feed = feeds[name]
    return feed


def _camera(context: WebContext, name: str, camera: CameraSettings, report: Mapping[str, Any]) -> device_models.Camera:
    result = context.hub.latest(name)
    height, width = result.frame.image.shape[:2] if result is not None else (0, 0)
    size = [width, height] if result is not None else camera.size
    status = report.get("status")
    facts = {key: report.get(key) for key in _FACTS}
    return device_models.Camera(
        id=name,
        name=context.configuration().camera_name(name),
        type=camera.type,
        enabled=camera.enabled if status is None else status != "disabled",
        status=status,
        size=None if size is None else list(size),
        region=None if camera.region is None else list(camera.region),
        smallest_face=context.configuration().detector.face_limit,
        **facts,
    )


def _seen(context: WebContext, result: FrameResult) -> device_models.Seen:
    frame = result.frame
    return device_models.Seen(
        camera=frame.camera,
        seq=frame.seq,
        captured_at=rfc3339(frame.wall),
        age=round(context.clock.monotonic() - frame.monotonic, 2),
        frame_size=[frame.image.shape[1], frame.image.shape[0]],
        region=list(context.configuration().cameras[frame.camera].region or WHOLE),
        smallest_face=context.configuration().detector.face_limit,
        faces=[_face(face) for face in result.faces],
    )


def _face(face: Face) -> device_models.SeenFace:
    return device_models.SeenFace(
        track=face.track,
        box=[round(edge) for edge in face.box],
        label=face.label,
        person=face.person,
        name=face.name,
        unknown=face.unknown,
        score=None if face.score is None else round(face.score, 4),
        reason=face.reason,
        event=face.event,
        liveness=face.liveness,
        prompt=face.prompt,
    )


OPERATIONS = (
    Operation("GET", "/cameras", "viewer", "device", "List the cameras", cameras, {200: device_models.Cameras},
              fresh=True),
    Operation("PUT", f"{_CAMERA}/enabled", "admin", "device", "Turn recognition on or off for a camera", switch,
              {202: device_models.Switched}, body=json_body(device_models.Switch), errors=(503,)),
    Operation("GET", "/doors", "viewer", "device", "List the doors", doors, {200: device_models.Doors}, fresh=True),
    Operation("GET", "/state", "viewer", "device", "Get the health of the device", state,
              {200: device_models.State}, fresh=True),
    Operation("GET", f"{_CAMERA}/picture", "viewer", "live", "Get the newest picture of a camera", picture,
              {200: Media("image/jpeg")}, query=device_models.PictureQuery),
    Operation("GET", f"{_CAMERA}/faces", "viewer", "live", "Get the faces found in the newest picture", faces,
              {200: device_models.Seen}, query=device_models.PictureQuery),
    Operation("GET", f"{_CAMERA}/view", "viewer", "live", "Get the view settings of a camera in config.yaml",
              config_edit.view, {200: device_models.Editable}, errors=(409,)),
    Operation("PUT", f"{_CAMERA}/view", "admin", "live", "Set the region where edgeface searches for faces",
              config_edit.put_region, {200: device_models.Edited}, body=json_body(device_models.Region),
              errors=(409, 428), guarded=True),
    Operation("PUT", "/detector", "admin", "live", "Set the smallest face that edgeface searches for",
              config_edit.put_smallest_face, {200: device_models.Edited}, body=json_body(device_models.Smallest),
              errors=(409, 428), guarded=True),
    Operation("GET", "/events/stream", "viewer", "live", "Receive events as they happen (server-sent events)", stream,
              {200: Media("text/event-stream", {"type": "string"})}),
)  # fmt: skip
"""The device, and what it sees now."""
