"""The REST interface: cameras, doors, and the state of the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeface.core.events import plain
from edgeface.core.text import printable
from edgeface.web.api import device_models
from edgeface.web.http.bodies import json_body
from edgeface.web.http.operation import Call, Operation, missing, reply
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from edgeface.cameras import CameraSettings
    from edgeface.web.site import WebContext

_DISABLED = "disabled"


def cameras(call: Call) -> Response:
    """Every camera, as it is configured and as it is."""
    site = call.site
    reports = _part(site, "cameras")
    found = [_camera(site, name, one, reports.get(name, {})) for name, one in site.configuration().cameras.items()]
    return reply(device_models.Cameras(cameras=found))


def switch(call: Call) -> Response:
    """Have a camera looked at, or not."""
    name = call.path["camera"]
    if name not in call.site.configuration().cameras:
        raise missing(f"{printable(name)}: no such camera")
    if call.site.switch is None:
        raise Problem(503, detail="no cameras run here")
    call.site.switch(name, call.body.on)
    return reply(device_models.Switched(camera=name, on=call.body.on), 202)


def doors(call: Call) -> Response:
    """Every door that this device grants."""
    reports = _part(call.site, "doors")
    found = [
        device_models.Door(id=name, camera=door.camera, level=door.level, state=plain(reports.get(name, {})))
        for name, door in call.site.configuration().doors.items()
    ]
    return reply(device_models.Doors(doors=found))


def state(call: Call) -> Response:
    """What the state topic says."""
    return reply(device_models.State(plain(dict(call.site.hub.state))))


def _camera(site: WebContext, name: str, camera: CameraSettings, report: Mapping[str, Any]) -> device_models.Camera:
    outcome, detector = site.hub.latest(name), site.configuration().detector
    height, width = outcome.frame.image.shape[:2] if outcome is not None else (0, 0)
    known = [width, height] if outcome is not None else camera.size
    status = report.get("status")
    facts = {key: report.get(key) for key in ("fps", "age", "frames", "processed", "drops", "reopens", "problem")}
    return device_models.Camera(
        id=name,
        type=camera.type,
        enabled=camera.enabled if status is None else status != _DISABLED,
        status=status,
        size=None if known is None else list(known),
        region=None if camera.region is None else list(camera.region),
        smallest_face=detector.face_limit,
        **facts,
    )


def _part(site: WebContext, key: str) -> Mapping[str, Any]:
    found = site.hub.state.get(key, {})
    return found if isinstance(found, dict) else {}


OPERATIONS = (
    Operation("GET", "/cameras", "viewer", "device", "The cameras", cameras, {200: device_models.Cameras}, fresh=True),
    Operation("PUT", "/cameras/{camera}/enabled", "admin", "device", "Have a camera looked at, or not", switch,
              {202: device_models.Switched}, body=json_body(device_models.Switch), errors=(503,)),
    Operation("GET", "/doors", "viewer", "device", "The doors", doors, {200: device_models.Doors}, fresh=True),
    Operation("GET", "/state", "viewer", "device", "The health of the device", state,
              {200: device_models.State}, fresh=True),
)  # fmt: skip
"""The device."""
