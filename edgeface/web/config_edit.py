"""The values in config.yaml that an admin changes on the pages: writes one value, keeps comments, and reloads."""

from __future__ import annotations

import os
import stat
import threading
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from edgeface.config import loader
from edgeface.core import yaml_editor, yaml_reader
from edgeface.core.errors import ConfigError, system_reason
from edgeface.core.files import read_at_most, swap
from edgeface.core.text import printable, printable_path
from edgeface.recognition.scene import WHOLE
from edgeface.web.api.device_models import Editable, Edited
from edgeface.web.http.operation import etag, reply, require_match
from edgeface.web.http.problems import MAX_ERRORS, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.responses import Response

    from edgeface.config.configuration import Configuration
    from edgeface.web.context import WebContext
    from edgeface.web.http.operation import Call

    Change = Callable[[Configuration, bytes], bytes]

# One change at a time: the version that If-Match was compared with is the one that is replaced.
_WRITING = threading.Lock()


def view(call: Call) -> Response:
    """A camera's view settings in config.yaml, or the running ones if the file has none; the ETag is the file's."""
    configuration, camera = call.context.configuration(), call.path["camera"]
    problem, headers = None, {}
    try:
        source = _source(call.context)
        data = _read(source)
        configuration = _parsed(data, source, HTTPStatus.CONFLICT, "config.yaml has mistakes")
        headers["ETag"] = etag(data)
        _require_writable(source)
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


def may_write(context: WebContext) -> bool:
    """Whether the daemon may change config.yaml."""
    try:
        _require_writable(_source(context))
    except Problem:
        return False
    return True


def write_pictures(context: WebContext, whose: Literal["none", "all"]) -> None:
    """Set `privacy.pictures`; raises Problem if the file cannot be changed."""

    def change(configuration: Configuration, data: bytes) -> bytes:
        if "privacy" not in configuration.model_fields_set:
            return yaml_editor.put(data, ("privacy",), {"pictures": whose})
        return yaml_editor.put(data, ("privacy", "pictures"), whose)

    _write(context, change, lambda _: None)
    context.reload()


def _edit(call: Call, change: Change, key: str) -> Response:
    """Change the file if it is still the version that the client read, and reload."""
    after, wanted = _write(call.context, change, lambda before: require_match(call, before, required=True))
    _, kept = loader.merge(call.context.configuration(), wanted)
    call.context.reload()
    edited = Edited(changed=key, effective="restart" if key.partition(".")[0] in kept else "at_once")
    return reply(edited, headers={"ETag": etag(after)})


def _write(context: WebContext, change: Change, check: Callable[[bytes], None]) -> tuple[bytes, Configuration]:
    """Change the file after `check` has seen it; all of the result is checked before it is written."""
    source = _source(context)
    _require_writable(source)
    with _WRITING:
        before = _read(source)
        check(before)
        now = _parsed(before, source, HTTPStatus.CONFLICT, "config.yaml has mistakes already")
        try:
            after = change(now, before)
        except yaml_editor.Refused as error:
            raise Problem(409, detail=f"config.yaml: {error}") from error
        wanted = _parsed(after, source, HTTPStatus.UNPROCESSABLE_ENTITY, "this value is not possible")
        if after != before:
            with _os_errors(source, "written"):
                swap(source, after)
    return after, wanted


def require_camera(configuration: Configuration, camera: str) -> None:
    """Raise Problem 404 if there is no such camera."""
    if camera not in configuration.cameras:
        raise Problem(404, detail=f"there is no camera {printable(camera, 64)}")


def _source(context: WebContext) -> Path:
    if context.source is None:
        raise Problem(409, detail="the daemon runs without a config.yaml: there is nothing to change")
    return context.source


def _read(source: Path) -> bytes:
    with _os_errors(source, "read"):
        return read_at_most(source, yaml_reader.MAX_BYTES)


def _require_writable(source: Path) -> None:
    """Raise Problem 409 if replacing the file would break something or would fail; changes nothing."""
    shown = printable_path(source)
    with _os_errors(source, "written"):
        facts = source.lstat()
        if not stat.S_ISREG(facts.st_mode):
            raise Problem(409, detail=f"{shown} is a link or not a file: change it at its real place")
        if facts.st_nlink > 1:
            raise Problem(409, detail=f"{shown} has more than one name (hard links): change it by hand")
        if facts.st_uid != os.geteuid() and os.geteuid() != 0:
            raise Problem(
                409, detail=f"{shown} belongs to another user than the daemon's: change it by hand, then reload"
            )
    if not (os.access(source, os.W_OK) and os.access(source.parent, os.W_OK)) or not facts.st_mode & stat.S_IWUSR:
        raise Problem(
            409, detail=f"{shown} is read-only for the daemon: change it by hand, then `systemctl reload edgeface`"
        )


@contextmanager
def _os_errors(source: Path, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Problem(409, detail=f"{printable_path(source)} cannot be {done} ({system_reason(error)})") from error


def _parsed(data: bytes, source: Path, status: HTTPStatus, problem: str) -> Configuration:
    try:
        return loader.parse(data, printable_path(source))
    except ConfigError as error:
        lines: Any = str(error).splitlines()
        raise Problem(status, detail=f"{problem}: {lines[0]}", more={"errors": lines[:MAX_ERRORS]}) from error
