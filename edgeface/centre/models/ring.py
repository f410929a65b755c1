"""Moves devices of a site to a model, ring by ring: a share of them, then more, then all."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeface.centre.models.embedding import SiteEmbedding
from edgeface.core.errors import ChangedError, UnknownError
from edgeface.core.text import counted, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.centre.context import CentreContext
    from edgeface.centre.records import DeviceModel


class LateError(ChangedError):
    """Devices that must have changed over have not; `anyway` continues."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """Which devices are to use a model, and what is allowed."""

    model: str
    site: str
    devices: Sequence[str] | None = None
    """Their names; None: `share` of all."""
    share: float = 1.0
    """0 to 1. A larger share contains a smaller one."""
    without: int = 0
    """People who may be left without a template of the model."""
    anyway: bool = False
    """Although devices of the ring before have not changed over."""
    finish: bool = False
    """Have the devices erase the templates of other models."""


def set_ring(context: CentreContext, ring: Ring, by: str) -> tuple[str, ...]:
    """Have the devices of a ring use its model; returns their names.

    Raises ChangedError if more people than allowed have no template of the model, LateError if devices have not changed
    over: those of the ring before, or with `finish` those of this one, and UnknownError for a device of another site.
    """
    models = context.store.rings.models(ring.site)
    chosen = _chosen(models, ring)
    lacking = SiteEmbedding(context, ring.site, by).lacking(ring.model)
    missing = len(lacking.people) + len(lacking.without)
    if missing > ring.without:
        people = counted(missing, "person has", "people have")
        raise ChangedError(f"{people} no template of {ring.model}: edgeface fleet model embed {ring.site}")
    late = [one.device for one in models if one.signed != ring.model and _must_be_ready(one, ring, chosen)]
    more = any(one.device in chosen and one.wanted != ring.model for one in models)
    if late and (more or ring.finish) and not ring.anyway:
        raise LateError(f"not changed over to {ring.model} yet: {', '.join(late)}")
    context.store.rings.want(ring.site, ring.model, chosen, by, without=ring.without, finish=ring.finish)
    return chosen


def _must_be_ready(one: DeviceModel, ring: Ring, chosen: Sequence[str]) -> bool:
    """Whether a device must have changed over before."""
    return one.device in chosen if ring.finish else one.wanted == ring.model


def _chosen(models: Sequence[DeviceModel], ring: Ring) -> tuple[str, ...]:
    """The devices of the ring, in an order that is another one for each model and always the same."""
    names = [one.device for one in models]
    if ring.devices is not None:
        if unknown := sorted(set(ring.devices) - set(names)):
            raise UnknownError(f"{printable(unknown[0])}: not a device of {ring.site}")
        return tuple(ring.devices)
    names.sort(key=lambda one: hashlib.sha256(f"{ring.model} {one}".encode()).digest())
    return tuple(names[: math.ceil(ring.share * len(names))])
