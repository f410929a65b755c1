"""What an admin changes by dragging on the live view: one value in config.yaml, whose comments stay, and a reload."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgeface.config import loader
from edgeface.core import yaml_editor, yaml_reader
from edgeface.core.errors import ConfigError
from edgeface.core.files import read_at_most, swap
from edgeface.core.text import printable, printable_path
from edgeface.recognition.scene import WHOLE
from edgeface.web.api.device_models import Region, Smallest
from edgeface.web.auth.guard import admin, viewer
from edgeface.web.http.bodies import json_body
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from edgeface.config.configuration import Configuration
    from edgeface.web.site import WebContext


if TYPE_CHECKING:
    Change = Callable[[Configuration, bytes], bytes]

REGION = json_body(Region)
SMALLEST = json_body(Smallest)

_DIGITS = 4
# One change at a time: what was compared with If-Match is what is replaced.
_WRITING = threading.Lock()


def routes() -> list[BaseRoute]:
    """A camera's view, and the smallest face."""
    return [
        Route("/api/v1/cameras/{camera}/view", view, methods=["GET"]),
        Route("/api/v1/cameras/{camera}/view", put_view, methods=["PUT"]),
        Route("/api/v1/detector", put_detector, methods=["PUT"]),
    ]


@viewer
async def view(request: Request) -> Response:
    """What config.yaml says of a camera's view, or the daemon where the file says nothing; the ETag is the file's."""
    return await run_in_threadpool(_view, request.app.state.site, request.path_params["camera"])


@admin
async def put_view(request: Request) -> Response:
    """Set a camera's region."""
    wanted: Region = await REGION.read(request)
    camera, region = request.path_params["camera"], [round(side, _DIGITS) for side in wanted.region]

    def change(configuration: Configuration, data: bytes) -> bytes:
        _require_camera(configuration, camera)
        return yaml_editor.put(data, ("cameras", camera, "region"), region)

    return await run_in_threadpool(_edit, request.app.state.site, _tags(request), change, f"cameras.{camera}.region")


@admin
async def put_detector(request: Request) -> Response:
    """Set the smallest face that is looked for."""
    wanted: Smallest = await SMALLEST.read(request)

    def change(configuration: Configuration, data: bytes) -> bytes:
        detector = configuration.detector
        if detector.face_limit is None:
            detail = f"the detector {detector.type} has no smallest face"
            raise Problem(HTTPStatus.CONFLICT, detail=detail)
        if "detector" not in configuration.model_fields_set:
            return yaml_editor.put(data, ("detector",), {"type": detector.type, "smallest_face": wanted.smallest_face})
        return yaml_editor.put(data, ("detector", "smallest_face"), wanted.smallest_face)

    return await run_in_threadpool(_edit, request.app.state.site, _tags(request), change, "detector.smallest_face")


def etag(data: bytes) -> str:
    """The ETag of config.yaml: it names the content and says nothing of it."""
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def _view(site: WebContext, camera: str) -> Response:
    configuration = site.configuration()
    problem, headers = None, {}
    try:
        data = _read(_source(site))
        configuration = _parsed(data, _source(site), HTTPStatus.CONFLICT, "config.yaml has mistakes")
        headers["ETag"] = etag(data)
        _require_writable(_source(site))
    except Problem as error:
        problem = error.detail
    _require_camera(configuration, camera)
    detector = configuration.detector
    said = {
        "camera": camera,
        "region": list(configuration.cameras[camera].region or WHOLE),
        "smallest_face": detector.face_limit,
        "writable": problem is None,
        "problem": problem,
    }
    return JSONResponse(said, headers=headers)


def _edit(site: WebContext, tags: list[str], change: Change, key: str) -> Response:
    """Change the file if it still is what the client has seen, check it as a whole, write it, have it read again."""
    source = _source(site)
    _require_writable(source)
    with _WRITING:
        before = _read(source)
        _require_known(before, tags)
        now = _parsed(before, source, HTTPStatus.CONFLICT, "config.yaml has mistakes already")
        try:
            after = change(now, before)
        except yaml_editor.Refused as error:
            raise Problem(HTTPStatus.CONFLICT, detail=f"config.yaml: {error}") from error
        wanted = _parsed(after, source, HTTPStatus.UNPROCESSABLE_ENTITY, "that is not possible")
        if after != before:
            with _writes(source):
                swap(source, after)
    _, kept = loader.merge(site.configuration(), wanted)
    site.reload()
    answer = {"changed": key, "effective": "restart" if key.partition(".")[0] in kept else "at_once"}
    return JSONResponse(answer, headers={"ETag": etag(after)})


def _tags(request: Request) -> list[str]:
    given = [tag.strip() for tag in request.headers.get("if-match", "").split(",") if tag.strip()]
    if not given:
        detail = "If-Match must carry the ETag of the view that is changed, so that no other change is lost"
        raise Problem(HTTPStatus.PRECONDITION_REQUIRED, detail=detail)
    return given


def _require_known(data: bytes, tags: list[str]) -> None:
    if "*" not in tags and etag(data) not in tags:
        detail = "config.yaml has been changed meanwhile: load the page again, and try again"
        raise Problem(HTTPStatus.PRECONDITION_FAILED, detail=detail, headers={"ETag": etag(data)})


def _require_camera(configuration: Configuration, camera: str) -> None:
    if camera not in configuration.cameras:
        raise Problem(HTTPStatus.NOT_FOUND, detail=f"there is no camera {printable(camera, 64)}")


def _source(site: WebContext) -> Path:
    if site.source is None:
        raise Problem(HTTPStatus.CONFLICT, detail="the daemon runs without a config.yaml: there is nothing to change")
    return site.source


def _read(source: Path) -> bytes:
    try:
        return read_at_most(source, yaml_reader.MAX_BYTES)
    except OSError as error:
        detail = f"{printable_path(source)} cannot be read ({error.strerror})"
        raise Problem(HTTPStatus.CONFLICT, detail=detail) from error


def _require_writable(source: Path) -> None:
    """Refuse what writing the file anew would break or could not do; nothing is changed by asking."""
    shown = printable_path(source)
    with _writes(source):
        facts = source.lstat()
        if not stat.S_ISREG(facts.st_mode):
            raise _cannot(f"{shown} is a link or no file: change it where it really is")
        if facts.st_nlink > 1:
            raise _cannot(f"{shown} has more than one name (hard links): change it by hand")
        if facts.st_uid != os.geteuid() and os.geteuid() != 0:
            raise _cannot(f"{shown} belongs to another user than the daemon's: change it by hand, then reload")
    if not (os.access(source, os.W_OK) and os.access(source.parent, os.W_OK)) or not facts.st_mode & stat.S_IWUSR:
        raise _cannot(f"{shown} is read-only for the daemon: change it by hand, then `systemctl reload edgeface`")


@contextmanager
def _writes(source: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _cannot(f"{printable_path(source)} cannot be written ({error.strerror})") from error


def _cannot(detail: str) -> Problem:
    return Problem(HTTPStatus.CONFLICT, detail=detail)


def _parsed(data: bytes, source: Path, status: HTTPStatus, words: str) -> Configuration:
    try:
        return loader.parse(data, printable_path(source))
    except ConfigError as error:
        lines: Any = str(error).splitlines()
        raise Problem(status, detail=f"{words}: {lines[0]}", more={"errors": lines[:20]}) from error
