"""The values in config.yaml that the REST interface changes: one value each, and the comments stay."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from edgeface.config import loader
from edgeface.core import yaml_editor
from edgeface.core.text import printable
from edgeface.recognition.scene import WHOLE
from edgeface.web import config_file
from edgeface.web.api.device_models import Editable, Edited
from edgeface.web.http.operation import etag, reply, require_match
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from starlette.responses import Response

    from edgeface.config.configuration import Configuration
    from edgeface.web.config_file import Change
    from edgeface.web.context import WebContext
    from edgeface.web.http.operation import Call


def view(call: Call) -> Response:
    """A camera's view settings in config.yaml, or the running ones if the file has none; the ETag is the file's."""
    configuration, camera = call.context.configuration(), call.path["camera"]
    problem, headers = None, {}
    try:
        source = config_file.source_of(call.context)
        data = config_file.read(source)
        configuration = config_file.parsed(data, source, HTTPStatus.CONFLICT, "config.yaml has mistakes")
        headers["ETag"] = etag(data)
        config_file.require_writable(source)
    except Problem as error:
        problem = error.detail
    require_camera(configuration, camera)
    settings = Editable(
        camera=camera,
        region=list(configuration.cameras[camera].region or WHOLE),
        smallest_face=configuration.detector.face_limit,
        writable=problem is None,
        problem=problem,
    )
    return reply(settings, headers=headers)


def put_region(call: Call) -> Response:
    """Set a camera's region."""
    camera, region = call.path["camera"], [round(side, 4) for side in call.body.region]

    def change(configuration: Configuration, data: bytes) -> bytes:
        require_camera(configuration, camera)
        return yaml_editor.put(data, ("cameras", camera, "region"), region)

    return _edit(call, change, f"cameras.{camera}.region")


def put_smallest_face(call: Call) -> Response:
    """Set the smallest face of the detector."""
    pixels = call.body.smallest_face

    def change(configuration: Configuration, data: bytes) -> bytes:
        detector = configuration.detector
        if detector.face_limit is None:
            raise Problem(409, detail=f"the detector {detector.type} has no smallest face")
        if "detector" not in configuration.model_fields_set:
            return yaml_editor.put(data, ("detector",), {"type": detector.type, "smallest_face": pixels})
        return yaml_editor.put(data, ("detector", "smallest_face"), pixels)

    return _edit(call, change, "detector.smallest_face")


def write_pictures(context: WebContext, whose: Literal["none", "all"], by: str) -> None:
    """Set `privacy.pictures`; raises Problem if the file cannot be changed."""

    def change(_: Configuration, data: bytes) -> bytes:
        return yaml_editor.put_below(data, ("privacy", "pictures"), whose)

    config_file.write(context, change, lambda _: None, "privacy.pictures", by)


def _edit(call: Call, change: Change, key: str) -> Response:
    """Change the file if it is still the version that the client read, and reload."""
    running = call.context.configuration()
    by = call.request.state.account
    done = config_file.write(call.context, change, lambda before: require_match(call, before, required=True), key, by)
    _, kept = loader.merge(running, done.wanted)
    edited = Edited(changed=key, effective="restart" if key.partition(".")[0] in kept else "at_once")
    return reply(edited, headers={"ETag": etag(done.after)})


def require_camera(configuration: Configuration, camera: str) -> None:
    """Raise Problem 404 if there is no such camera."""
    if camera not in configuration.cameras:
        raise Problem(404, detail=f"there is no camera {printable(camera, 64)}")
