"""Devices and the codes with which they join."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from edgeface.centre.records import Device, JoinCode
from edgeface.centre.tables import sites
from edgeface.core.errors import GoneError, UnknownError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgeface.centre.database import Transaction
    from edgeface.fleet.messages import JoinRequest

SECRET_BYTES = 10
"""Bytes of the secret in a join code."""
CODE_SECONDS = 900.0
_SEEN_SECONDS = 60.0
_DEVICES = (
    "SELECT d.device, d.fingerprint, d.certificate_ends, d.sealing_key, d.receipt_key, d.grant_keys, d.joined, d.seen,"
    " d.revoked, array(SELECT site FROM device_sites s WHERE s.device = d.device ORDER BY site), d.earlier"
    " FROM devices d"
)


def make_code(transaction: Transaction, site_names: Sequence[str], device: str, by: str, wall: float) -> bytes:
    """A new secret for a device; only its hash is kept. Earlier codes for the device hold no longer."""
    for site in site_names:
        sites.find(transaction, site)
    transaction.execute("DELETE FROM join_codes WHERE device = %s OR ends <= %s", (device, wall))
    secret = secrets.token_bytes(SECRET_BYTES)
    transaction.execute(
        "INSERT INTO join_codes VALUES (%s, %s, %s, %s, %s)",
        (_hash(secret), device, list(site_names), wall + CODE_SECONDS, by),
    )
    return secret


def take_code(transaction: Transaction, secret: bytes, wall: float) -> JoinCode:
    """Use up a secret; raises GoneError if it is unknown, used or too old."""
    row = transaction.execute(
        "DELETE FROM join_codes WHERE hash = %s AND ends > %s RETURNING device, sites", (_hash(secret), wall)
    ).fetchone()
    if row is None:
        raise GoneError("the code is unknown, was used already, or is too old: ask for a new one")
    return JoinCode(row[0], tuple(row[1]))


def add(
    transaction: Transaction, code: JoinCode, request: JoinRequest, fingerprint: bytes, ends: float, wall: float
) -> Device:
    """Add a device; one of the same name is replaced."""
    transaction.execute("DELETE FROM devices WHERE device = %s", (code.device,))
    transaction.execute(
        "INSERT INTO devices"
        " (device, fingerprint, certificate_ends, sealing_key, receipt_key, grant_keys, joined, seen)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            code.device,
            fingerprint,
            ends,
            request.sealing_key,
            request.receipt_key,
            list(request.grant_keys),
            wall,
            wall,
        ),
    )
    sites.execute_all(
        transaction,
        "INSERT INTO device_sites (device, site) VALUES (%s, %s)",
        [(code.device, one) for one in code.sites],
    )
    return _only(transaction.execute(f"{_DEVICES} WHERE d.device = %s", (code.device,)).fetchall(), code.device)


def renew(transaction: Transaction, device: str, fingerprint: bytes, ends: float) -> None:
    """Give a device its next certificate; raises UnknownError also for a revoked one.

    An earlier certificate that is still known is the one in use: the answer with the last one was lost.
    """
    changed = transaction.execute(
        "UPDATE devices SET earlier = coalesce(earlier, fingerprint), fingerprint = %s, certificate_ends = %s"
        " WHERE device = %s AND revoked IS NULL",
        (fingerprint, ends, device),
    )
    _require(changed.rowcount, device)


def by_fingerprint(transaction: Transaction, fingerprint: bytes, wall: float) -> Device | None:
    """The device of a certificate, unless it is revoked."""
    row = transaction.execute(
        f"{_DEVICES} WHERE (d.fingerprint = %s OR d.earlier = %s) AND d.revoked IS NULL", (fingerprint, fingerprint)
    ).fetchone()
    if row is None:
        return None
    device, earlier = _device(row), row[-1]
    if device.fingerprint == fingerprint and earlier is not None:
        transaction.execute("UPDATE devices SET earlier = NULL WHERE device = %s", (device.device,))
    if not 0 <= wall - device.seen < _SEEN_SECONDS:
        transaction.execute("UPDATE devices SET seen = %s WHERE device = %s", (wall, device.device))
    return device


def every(transaction: Transaction) -> tuple[Device, ...]:
    """All devices, by name."""
    return tuple(_device(row) for row in transaction.execute(f"{_DEVICES} ORDER BY d.device"))


def revoke(transaction: Transaction, device: str, by: str, wall: float) -> tuple[str, ...]:
    """Refuse a device from now on; the first time is kept. Returns its sites."""
    changed = transaction.execute(
        "UPDATE devices SET revoked = coalesce(revoked, %s), revoked_by = coalesce(revoked_by, %s) WHERE device = %s",
        (wall, by, device),
    )
    _require(changed.rowcount, device)
    homes = transaction.execute("SELECT site FROM device_sites WHERE device = %s ORDER BY site", (device,))
    return tuple(site for (site,) in homes)


def _require(changed: int, device: str) -> None:
    if not changed:
        raise UnknownError(f"{device}: no such device")


def _only(rows: Iterable[Sequence[Any]], device: str) -> Device:
    found = [_device(row) for row in rows]
    _require(len(found), device)
    return found[0]


def _device(row: Sequence[Any]) -> Device:
    device, fingerprint, ends, sealing_key, receipt_key, grant_keys, joined, seen, revoked, of, _ = row
    return Device(
        device=device,
        sites=tuple(of),
        fingerprint=fingerprint,
        certificate_ends=ends,
        sealing_key=sealing_key,
        receipt_key=receipt_key,
        grant_keys=tuple(grant_keys),
        joined=joined,
        seen=seen,
        revoked=revoked,
    )


def _hash(secret: bytes) -> bytes:
    # 80 random bits that hold for 15 minutes need no slow hash.
    return hashlib.sha256(b"edgeface join code 1" + secret).digest()
