"""The centre's REST interface: the models of a site's devices, and the rings in which they change over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from edgeface.centre.admins.guard import by, centre, require_right
from edgeface.centre.models.known import find_model, known_models
from edgeface.centre.models.ring import LateError, Ring, set_ring
from edgeface.core.clock import rfc3339
from edgeface.core.errors import ChangedError
from edgeface.core.settings import Id
from edgeface.fleet.messages import MOST_WITHOUT
from edgeface.web.api.models import ApiModel, Time
from edgeface.web.http.bodies import json_body
from edgeface.web.http.operation import Call, Operation, reply

if TYPE_CHECKING:
    from starlette.responses import Response

    from edgeface.centre.records import DeviceModel

_MODELS = "/sites/{site}/models"


class DeviceModelOf(ApiModel):
    """The model of one device at one site."""

    device: str
    signed: str | None
    """The model of its latest receipt."""
    wanted: str | None
    """The model that it is to use; null if nothing was ever said."""
    at: Time | None
    """When that was said."""
    by: str | None
    """The account that said it."""


class SiteModels(ApiModel):
    """The models of the centre, and of the devices of a site."""

    models: list[str]
    """All that the centre knows; the one in centre.yaml is the first."""
    devices: list[DeviceModelOf]


class NewRing(ApiModel):
    """Devices of a site that are to use a model: give one of `devices` and `share`."""

    model: Annotated[str, Field(min_length=1, max_length=200)]
    """The name of a model of the centre, with or without the hash."""
    devices: Annotated[list[Id], Field(min_length=1, max_length=1000)] | None = None
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """1 is all devices. A larger share contains a smaller one."""
    without: Annotated[int, Field(ge=0, le=MOST_WITHOUT)] = 0
    """People who may be left without a template of the model."""
    anyway: bool = False
    """Although devices of the ring before have not changed over."""
    finish: bool = False
    """Have the devices erase the templates of other models."""

    @model_validator(mode="after")
    def _one_of_both(self) -> NewRing:
        if (self.devices is None) == (self.share is None):
            raise ValueError("give one of devices and share")
        return self


class RingSet(ApiModel):
    """The devices that are to use a model now."""

    model: str
    devices: list[str]


def models(call: Call) -> Response:
    """List the models of the centre, and those that each device of a site is to use and has signed."""
    require_right(call, call.path["site"], "viewer")
    found = centre(call).store.rings.models(call.path["site"])
    return reply(SiteModels(models=list(known_models(centre(call).settings)), devices=[_of(one) for one in found]))


def move(call: Call) -> Response:
    """Have devices of a site use a model."""
    site, given = call.path["site"], call.body
    require_right(call, site, "admin")
    centre(call).store.site(site)
    ring = Ring(
        model=find_model(centre(call).settings, given.model),
        site=site,
        devices=None if given.devices is None else tuple(dict.fromkeys(given.devices)),
        share=given.share or 1.0,
        without=given.without,
        anyway=given.anyway,
        finish=given.finish,
    )
    try:
        chosen = set_ring(centre(call), ring, by(call))
    except LateError as error:
        raise ChangedError(f"{error} (to continue all the same: anyway: true)") from error
    return reply(RingSet(model=ring.model, devices=list(chosen)))


def _of(one: DeviceModel) -> DeviceModelOf:
    at = None if one.at is None else rfc3339(one.at)
    return DeviceModelOf(device=one.device, signed=one.signed, wanted=one.wanted, at=at, by=one.by)


OPERATIONS = (
    Operation("GET", _MODELS, "viewer", "sites", "List the models of the centre and of the devices of a site", models,
              {200: SiteModels}, errors=(403,)),
    Operation("POST", _MODELS, "admin", "sites", "Have devices of a site use a model", move, {200: RingSet},
              body=json_body(NewRing), errors=(409,)),
)  # fmt: skip
"""All operations on models."""
