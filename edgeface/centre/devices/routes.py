"""The routes of the listener for devices."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from edgeface.centre.authority import fingerprint
from edgeface.centre.devices.certificates import KEY
from edgeface.centre.devices.limits import limited
from edgeface.centre.devices.timed_answers import WAITED
from edgeface.centre.records import Software
from edgeface.core.errors import FleetError
from edgeface.fleet.join_code import PART_BYTES
from edgeface.fleet.messages import (
    MAX_WAIT,
    MEDIA_TYPE,
    PREFIX,
    Certificate,
    FleetMessage,
    Joined,
    JoinRequest,
    Proposal,
    Receipt,
    Renewal,
    Rows,
    SiteKey,
)
from edgeface.web.http.limits import MAX_BODY_BYTES, media_type
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography import x509
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from edgeface.centre.context import CentreContext
    from edgeface.centre.devices.limits import DeviceLimits, Kind
    from edgeface.centre.records import Device

Message = TypeVar("Message", bound=FleetMessage)

_MAX_MODEL = 120
_VERSION = re.compile(r"edgeface/([0-9A-Za-z.+-]{1,40})")
_MODEL = re.compile(r"[A-Za-z0-9._-]{1,100}:[0-9a-f]{8}")
_MAX_SEQ = 1 << 62
_PART = 64 * 1024
"""Bytes of an answer that are written at a time."""
_MAX_EMPTY = 1000
"""Bytes of an answer without rows."""


async def join(request: Request) -> Response:
    """Let a device join with a code, which is then used up."""
    wanted = await _body(request, JoinRequest)
    async with request.app.state.joining.one():
        return _reply(await run_in_threadpool(_joined, _context(request), wanted))


async def renew(request: Request) -> Response:
    """Give a device its next certificate; the one before holds until the next is used."""
    device, context = await _device(request), _context(request)
    wanted = await _body(request, Renewal)
    _spend(request, "renewals", device.device)

    def renewed() -> Certificate:
        made = _certified(context, device.device, wanted.request)
        context.store.renew_device(device.device, *_identified(made))
        return Certificate(certificate=_pem(made))

    return _reply(await run_in_threadpool(renewed))


async def epoch(request: Request) -> Response:
    """Give a device the key of its site's epoch."""
    device, site = await _member(request)
    return _reply(await run_in_threadpool(_context(request).store.epoch_key, site, device))


async def snapshot(request: Request) -> Response:
    """List everyone of a site."""
    device, site = await _member(request)
    (model,) = _query(request, model="")
    _spend(request, "lists", (device.device, site))
    return _packed(await run_in_threadpool(_context(request).store.snapshot_body, site, model, device.device))


async def changes(request: Request) -> Response:
    """List who has changed after a number; without news, wait for some."""
    device, site = await _member(request)
    model, after_text, wait_text = _query(request, model="", after="", wait="0")
    after, wait = _number(after_text, _MAX_SEQ), _number(wait_text.removesuffix(".0"), int(MAX_WAIT))
    store = _context(request).store
    body = await run_in_threadpool(store.changes_body, site, model, device.device, after)
    if body is not None and wait and not _has_news(body, after):
        before = _context(request).clock.monotonic()
        await request.app.state.waiting.wait(site, after, device, wait)
        request.scope[WAITED] = _context(request).clock.monotonic() - before
        # It may have been revoked meanwhile.
        await _member(request)
        body = await run_in_threadpool(store.changes_body, site, model, device.device, after)
    if body is None:
        raise Problem(HTTPStatus.GONE, detail="these changes are no longer kept: list everyone again")
    return _packed(body)


async def applied(request: Request) -> Response:
    """Take a receipt, and give the lease that it renews."""
    device, site = await _member(request)
    receipt = await _body(request, Receipt)
    try:
        receipt.verify(Ed25519PublicKey.from_public_bytes(device.receipt_key), device.device, site)
    except FleetError as error:
        raise Problem(422, "Unprocessable Content", str(error)) from None
    return _reply(await run_in_threadpool(_context(request).store.applied, device, site, receipt))


async def propose(request: Request) -> Response:
    """Take a proposal in."""
    device, site = await _member(request)
    proposal = await _body(request, Proposal)
    _spend(request, "proposals", device.device)
    return _reply(await run_in_threadpool(_context(request).store.propose, device, site, proposal))


async def _device(request: Request) -> Device:
    """The device whose certificate the connection was made with. Raises Problem 401 or 403."""
    certificate = request.scope.get(KEY)
    if certificate is None:
        raise Problem(HTTPStatus.UNAUTHORIZED, detail="this needs the certificate of a device: edgeface fleet join")
    context = _context(request)
    # A connection may last longer than the certificate that it began with.
    if certificate.ends <= dt.datetime.fromtimestamp(context.clock.wall(), dt.timezone.utc):
        raise Problem(HTTPStatus.FORBIDDEN, detail="the certificate of this device has expired: join again")
    found = await run_in_threadpool(context.store.device_by_fingerprint, certificate.fingerprint, _software(request))
    if found is None:
        raise Problem(HTTPStatus.FORBIDDEN, detail="this device was revoked, or is not known: join again")
    return found


def _software(request: Request) -> Software:
    """What the device says of itself; anything unusual counts as nothing."""
    version = _VERSION.fullmatch(request.headers.get("user-agent", ""))
    model = _MODEL.fullmatch(request.query_params.get("model", ""))
    return Software(None if version is None else version[1], None if model is None else model[0])


async def _member(request: Request) -> tuple[Device, str]:
    """The device, and the site of the path, which it must follow. Raises Problem 401 or 403."""
    device, site = await _device(request), request.path_params["site"]
    if site not in device.sites:
        raise Problem(HTTPStatus.FORBIDDEN, detail="this device does not follow this site")
    return device, site


def _spend(request: Request, kind: Kind, key: object) -> None:
    limits: DeviceLimits = request.app.state.limits
    limits.spend(kind, key)


def _joined(context: CentreContext, wanted: JoinRequest) -> Joined:
    # Before the code is used up: what is wrong here, the device can correct.
    made = _certified(context, wanted.device, wanted.request)
    code = context.store.take_code(_secret(wanted.code))
    if code.device != wanted.device:
        raise Problem(HTTPStatus.FORBIDDEN, detail="the code was made for a device of another name: make a new one")
    context.store.add_device(code, wanted, *_identified(made))
    keys = [SiteKey(site=site, enrolling_key=context.store.enrolling_key(site)) for site in code.sites]
    return Joined(certificate=_pem(made), authority=context.authority.pem, sites=tuple(keys))


def _certified(context: CentreContext, name: str, request: str) -> x509.Certificate:
    try:
        return context.authority.device(name, request)
    except FleetError as error:
        raise Problem(422, "Unprocessable Content", str(error)) from None


def _identified(certificate: x509.Certificate) -> tuple[bytes, float]:
    """Its fingerprint, and the wall seconds at which it ends."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    return fingerprint(der), certificate.not_valid_after_utc.timestamp()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _secret(text: str) -> bytes:
    """The secret of a code, as the device sends it; what is none fits no code."""
    try:
        found = base64.b32decode(text)
    except (binascii.Error, ValueError):
        return b""
    return found if len(found) == PART_BYTES else b""


async def _body(request: Request, kind: type[Message]) -> Message:
    """The message of a request. Raises Problem 415 or 422, which quotes nothing of it."""
    if media_type(request) != MEDIA_TYPE:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail=f"the Content-Type must be {MEDIA_TYPE}")
    try:
        return kind.read(await request.body(), MAX_BODY_BYTES)
    except FleetError as error:
        raise Problem(422, "Unprocessable Content", str(error)) from None


def _query(request: Request, **known: str) -> list[str]:
    """The values of the known parameters, those left out by their default. Raises Problem 422 for others."""
    given = request.query_params
    if set(given) - set(known) or len(given.multi_items()) > len(given):
        raise Problem(422, "Unprocessable Content", f"known parameters are {', '.join(known)}, each once")
    found = [given.get(name, default) for name, default in known.items()]
    if not found[0] or len(found[0]) > _MAX_MODEL:
        raise Problem(422, "Unprocessable Content", "model should be the name of an embedder")
    return found


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(_MAX_SEQ)) and int(text) <= most):
        raise Problem(422, "Unprocessable Content", f"after and wait are whole numbers, wait at most {MAX_WAIT:g}")
    return int(text)


def _has_news(body: bytes, after: int) -> bool:
    # A long one is not read: it has rows, and this runs in the event loop.
    return len(body) > _MAX_EMPTY or Rows.read(body).seq > after


def _reply(message: FleetMessage) -> Response:
    return _packed(message.packed())


def _packed(body: bytes) -> Response:
    headers: Mapping[str, str] = {"Cache-Control": "no-store"}
    return _InParts(body, headers=headers, media_type=MEDIA_TYPE)


class _InParts(Response):
    """An answer whose parts are sent one after the other, each when there is room for it.

    OpenSSL keeps, for each connection, a buffer as long as the most that was ever written at once: a list of 10,000
    people would stay in memory for each device that follows.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the form of ASGI
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for start in range(0, max(1, len(self.body)), _PART):
            more = start + _PART < len(self.body)
            part = self.body[start : start + _PART]
            await send({"type": "http.response.body", "body": part, "more_body": more})


def _context(request: Request) -> CentreContext:
    context: CentreContext = request.app.state.context
    return context


_SITE = f"{PREFIX}/sites/{{site}}"
ROUTES = [
    Route(f"{PREFIX}/join", join, methods=["POST"]),
    Route(f"{PREFIX}/renew", limited(renew), methods=["POST"]),
    Route(f"{_SITE}/epoch", limited(epoch), methods=["GET"]),
    Route(f"{_SITE}/snapshot", limited(snapshot), methods=["GET"]),
    Route(f"{_SITE}/changes", limited(changes), methods=["GET"]),
    Route(f"{_SITE}/applied", limited(applied), methods=["POST"]),
    Route(f"{_SITE}/proposals", limited(propose), methods=["POST"]),
]
"""All routes; each answer of the centre is a message of edgeface/fleet/messages.py."""
