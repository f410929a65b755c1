"""The REST interface: second factors of people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from edgeface.core.clock import rfc3339
from edgeface.people.factors import FactorService, factors_of
from edgeface.security.pins import DEFAULT_CODE, MAX_CODE, MIN_CODE
from edgeface.web.api.models import ApiModel, Time
from edgeface.web.api.people import existing
from edgeface.web.http.bodies import json_body
from edgeface.web.http.operation import Call, Operation, reply, writable_gallery
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from starlette.responses import Response

    from edgeface.gallery.gallery import Gallery

Pin = Annotated[str, Field(pattern="^[0-9]{4,12}$", max_length=12)]


class Factor(ApiModel):
    """A second factor of a person, without its secret."""

    id: str
    kind: Literal["pin", "code", "card"]
    at: Time
    label: str
    """The person number of a PIN, the length of a code, the last digits of a card's UID."""
    duress: bool
    """There is a duress PIN as well."""


class WrongPins(ApiModel):
    """The wrong PINs of a person at one door since the last right one."""

    door: str
    wrong: int


class Factors(ApiModel):
    """The second factors of a person."""

    factors: list[Factor]
    wrong: list[WrongPins]


class NewPin(ApiModel):
    """A PIN to set."""

    pin: Pin
    number: Annotated[str, Field(pattern="^[0-9]{1,10}$", max_length=10)] | None = None
    """The person number; the old one if left out, or a new one."""


class Duress(ApiModel):
    """A duress PIN to set."""

    pin: Pin


class Number(ApiModel):
    """The person number that belongs to a PIN."""

    number: str


class NewCode(ApiModel):
    """A code to draw."""

    digits: Annotated[int, Field(ge=MIN_CODE, le=MAX_CODE)] = DEFAULT_CODE


class Code(ApiModel):
    """A code that was drawn; it cannot be shown again."""

    code: str


class NewCard(ApiModel):
    """A card to add."""

    uid: Annotated[str, Field(max_length=40)]
    """4 to 10 bytes in hexadecimal."""


_ONE = "/people/{person}/factors"


def listed(call: Call) -> Response:
    """List the second factors of a person."""
    with call.context.gallery() as gallery:
        return _reply(gallery, call)


def set_pin(call: Call) -> Response:
    """Set the PIN of a person."""
    return reply(Number(number=_service(call).set_pin(call.path["person"], call.body.pin, call.body.number)))


def set_duress(call: Call) -> Response:
    """Set the duress PIN of a person."""
    _service(call).set_duress(call.path["person"], call.body.pin)
    return listed(call)


def draw_code(call: Call) -> Response:
    """Draw a code for a person."""
    return reply(Code(code=_service(call).draw_code(call.path["person"], call.body.digits)))


def add_card(call: Call) -> Response:
    """Add a card of a person."""
    _service(call).add_card(call.path["person"], call.body.uid)
    return listed(call)


def remove(call: Call) -> Response:
    """Remove a second factor of a person."""
    service, who, factor = _service(call), call.path["person"], call.path["factor"]
    if factor not in [one.id for one in service.of(who).factors]:
        raise Problem(404, detail=f"{who}: no such factor")
    service.remove(who, factor)
    return listed(call)


def unlock(call: Call) -> Response:
    """Forget the wrong PINs of a person."""
    _service(call).unlock(call.path["person"])
    return listed(call)


def _service(call: Call) -> FactorService:
    """The workflows, for a person that there is and a gallery that can be written."""
    with writable_gallery(call) as gallery:
        existing(gallery, call.path["person"])
    return FactorService(call.context.people)


def _reply(gallery: Gallery, call: Call) -> Response:
    found = factors_of(gallery, existing(gallery, call.path["person"]).id)
    factors = [
        Factor(id=one.id, kind=one.kind, at=rfc3339(one.set_at), label=one.label, duress=one.duress)
        for one in found.factors
    ]
    return reply(Factors(factors=factors, wrong=[WrongPins(door=door, wrong=wrong) for door, wrong in found.wrong]))


OPERATIONS = (
    Operation("GET", _ONE, "admin", "factors", "List the second factors of a person", listed, {200: Factors}),
    Operation("PUT", f"{_ONE}/pin", "admin", "factors", "Set the PIN of a person", set_pin, {200: Number},
              body=json_body(NewPin), errors=(409,)),
    Operation("PUT", f"{_ONE}/duress", "admin", "factors", "Set the duress PIN of a person", set_duress,
              {200: Factors}, body=json_body(Duress), errors=(409,)),
    Operation("POST", f"{_ONE}/code", "admin", "factors", "Draw a code for a person; it is shown once", draw_code,
              {200: Code}, body=json_body(NewCode), errors=(409,)),
    Operation("POST", f"{_ONE}/cards", "admin", "factors", "Add a card of a person", add_card, {200: Factors},
              body=json_body(NewCard), errors=(409,)),
    Operation("DELETE", f"{_ONE}/{{factor}}", "admin", "factors", "Remove a second factor of a person", remove,
              {200: Factors}, errors=(409,)),
    Operation("POST", f"{_ONE}/unlock", "admin", "factors", "Forget the wrong PINs of a person", unlock,
              {200: Factors}, errors=(409,)),
)  # fmt: skip
"""All operations on second factors."""
