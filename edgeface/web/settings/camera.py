"""The page of a camera's settings, where it can also be tried."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from starlette.routing import Route

from edgeface.cameras.base import MAX_NAME
from edgeface.core.errors import CameraError
from edgeface.web import config_file
from edgeface.web.auth.guard import admin
from edgeface.web.http.problems import Problem
from edgeface.web.pages.faults import camera_remedy
from edgeface.web.pages.render import action, context_of, page
from edgeface.web.settings import addresses, fields, saving, trial
from edgeface.web.settings.fields import Field
from edgeface.web.settings.saving import Group, SettingsPage
from edgeface.web.texts import settings_strings, strings

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.cameras.base import CameraBase
    from edgeface.config.configuration import Configuration
    from edgeface.web.pages.render import Form


def overview(request: Request) -> Response:
    """The settings of a camera."""
    return saving.show(request, _page(request))


def save(request: Request, form: Form) -> Response:
    """Write the settings of a camera."""
    return saving.save(request, form, _page(request))


def try_out(request: Request, form: Form) -> Response:
    """Open the camera with what was typed, and show one picture or the reason; nothing is written."""
    shown, context = _page(request), context_of(request)
    typed = fields.read(shown.fields, form)
    if typed.mistakes:
        return saving.show(request, shown, form, typed.mistakes)
    name = request.path_params["camera"]
    try:
        wanted = config_file.prepare(context, fields.change(typed.changes)).wanted
    except Problem as error:
        return saving.refused(request, shown, form, error)
    context.record("config", {"web": "a camera was tried", "camera": name, "by": request.state.account})
    try:
        picture = trial.picture(context, wanted.cameras[name])
    except CameraError as error:
        return saving.show(request, shown, form, reason=(str(error), camera_remedy(str(error))))
    except Problem as error:
        return saving.refused(request, shown, form, error)
    return saving.show(request, shown, form, picture=base64.b64encode(picture).decode())


def _page(request: Request) -> SettingsPage:
    """Raises Problem 404 if config.yaml has no such camera."""
    name = request.path_params["camera"]
    _, configuration = saving.current(request)
    if name not in configuration.cameras:
        raise Problem(404)
    camera = configuration.cameras[name]
    called = Group(settings_strings.CAMERA_NAME, "", (_display_name(name, camera),))
    own = Group(
        settings_strings.CAMERA_SOURCE, _source_text(camera), (*_source(name, camera), *_rate_and_region(name, camera))
    )
    return SettingsPage(
        f"/settings/cameras/{name}",
        settings_strings.CAMERA_TITLE.format(camera=configuration.camera_name(name)),
        (called, own, *_detector(configuration)),
        camera=name,
    )


def _display_name(name: str, camera: CameraBase) -> Field:
    return Field(
        "name", ("cameras", name, "name"), "text", camera.name, settings_strings.NAME, settings_strings.NAME_HINT,
        most=MAX_NAME, optional=True, restart="name" not in camera.restartless,
    )  # fmt: skip


def _source_text(camera: CameraBase) -> str:
    return "" if addresses.source_key(camera) else settings_strings.CAMERA_OTHER


def _source(name: str, camera: CameraBase) -> tuple[Field, ...]:
    key = addresses.source_key(camera)
    if key is None:
        return ()
    return (
        Field(
            "source", ("cameras", name, key), "source", getattr(camera, key),
            settings_strings.SOURCE_KEYS[key], settings_strings.SOURCE_HINT,
            bound=getattr(camera, "username", None) is not None, restart=True,
        ),
    )  # fmt: skip


def _rate_and_region(name: str, camera: CameraBase) -> tuple[Field, ...]:
    path = ("cameras", name)
    least, most = fields.bounds(camera, "fps")
    return (
        Field(
            "fps", (*path, "fps"), "number", camera.fps, settings_strings.FPS, settings_strings.FPS_HINT,
            least=least, most=most, optional=True, restart=True,
        ),
        Field(
            "region", (*path, "region"), "region", camera.region, strings.REGION_EDGES_LABEL,
            settings_strings.REGION_HINT, optional=True,
        ),
    )  # fmt: skip


def _detector(configuration: Configuration) -> tuple[Group, ...]:
    smallest = configuration.detector.face_limit
    if smallest is None:
        return ()
    least, most = fields.bounds(configuration.detector, "smallest_face")
    field = Field(
        "smallest", ("detector", "smallest_face"), "whole", smallest, strings.REGION_SMALLEST, least=least, most=most,
        restart="smallest_face" not in configuration.detector.restartless,
    )  # fmt: skip
    return (Group(settings_strings.DETECTOR, "", (field,)),)


ROUTES = (
    Route("/settings/cameras/{camera}", admin(page(overview))),
    Route("/settings/cameras/{camera}", admin(action(save)), methods=["POST"]),
    Route("/settings/cameras/{camera}/try", admin(action(try_out)), methods=["POST"]),
)
"""The pages of the cameras."""
