"""Receipts: what each device has signed about each of its sites, and its lease."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edgeface.centre.records import Behind, DeviceProof, SiteProof
from edgeface.centre.tables import rings, sites
from edgeface.core.clock import DAY
from edgeface.core.errors import UnknownError
from edgeface.fleet import digest
from edgeface.fleet.messages import Lease

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.centre.database import Transaction
    from edgeface.centre.records import Device, ReceiptState, Site
    from edgeface.fleet.messages import Receipt

LEASE_SECONDS = int(30 * DAY)
"""For which a device may match people after a receipt, unless centre.yaml says otherwise."""
_MOST_LOST = 1_000_000_000
"""Changes that a restored database may lack."""


def take(
    transaction: Transaction, device: Device, site: str, receipt: Receipt, wall: float, lease_seconds: int
) -> Lease | None:
    """Keep a receipt; returns the new lease, or None if the device holds another set than the centre had then.

    Raises UnknownError unless the device is of this site, FleetError if the signature is not its own.
    """
    receipt.verify(Ed25519PublicKey.from_public_bytes(device.receipt_key), device.device, site)
    if site not in device.sites:
        raise UnknownError(f"{device.device}: not a device of {site}")
    state = sites.find(transaction, site)
    fits = _set_at(transaction, state, receipt.seq) == (receipt.digest, receipt.count)
    _keep(transaction, device.device, site, receipt, wall, fits=fits)
    if not fits:
        return None
    transaction.execute(
        "UPDATE device_sites SET lease_ends = %s WHERE device = %s AND site = %s",
        (wall + lease_seconds, device.device, site),
    )
    wanted = rings.wanted(transaction, device.device, site)
    return Lease(seconds=lease_seconds, now=int(wall * 1000), wanted=wanted)


def highest(transaction: Transaction, site: Site) -> int:
    """The highest change number that any device has signed, also one that the centre no longer knows.

    What no centre can have given counts for nothing: one device must not use up the numbers.
    """
    row = transaction.execute(
        "SELECT coalesce(max(seq), 0) FROM receipts WHERE site = %s AND seq <= %s", (site.site, site.seq + _MOST_LOST)
    ).fetchone()
    return int(row[0]) if row else 0


def proof(transaction: Transaction, site: str) -> SiteProof:
    """What each device of a site has signed."""
    state = sites.find(transaction, site)
    rows = transaction.execute(
        "SELECT d.device, r.seq, r.digest, r.count, r.at, r.signature, r.fits, d.receipt_key, s.lease_ends,"
        " d.revoked IS NOT NULL, r.model, r.policy"
        " FROM device_sites s JOIN devices d USING (device) LEFT JOIN receipts r USING (device, site)"
        " WHERE s.site = %s ORDER BY d.device",
        (site,),
    )
    return SiteProof(site=state, devices=tuple(_proof(state, row) for row in rows))


def behind(transaction: Transaction) -> tuple[Behind, ...]:
    """How far each device that is not revoked is behind, at each of its sites."""
    rows = transaction.execute(
        "SELECT s.device, s.site, t.seq, r.seq, r.fits, s.lease_ends,"
        " (SELECT at FROM changes c WHERE c.site = s.site AND c.seq > coalesce(r.seq, 0) ORDER BY c.seq LIMIT 1)"
        " FROM device_sites s JOIN devices d USING (device) JOIN sites t USING (site)"
        " LEFT JOIN receipts r USING (device, site) WHERE d.revoked IS NULL ORDER BY 1, 2"
    )
    return tuple(
        Behind(
            device=device,
            site=site,
            state=_state(seq, signed, fits=fits),
            changes=max(0, seq - (signed or 0)),
            since=since,
            lease_ends=lease_ends,
        )
        for device, site, seq, signed, fits, lease_ends, since in rows
    )


def _set_at(transaction: Transaction, site: Site, seq: int) -> tuple[str, int] | None:
    """Digest and count after a change; None if the history does not have it."""
    if seq == site.seq:
        return digest.to_hex(site.digest), site.count
    row = transaction.execute(
        "SELECT digest, count FROM changes WHERE site = %s AND seq = %s", (site.site, seq)
    ).fetchone()
    if row is not None:
        return bytes(row[0]).hex(), row[1]
    return (digest.to_hex(0), 0) if seq == 0 and site.floor == 0 else None


def _keep(transaction: Transaction, device: str, site: str, receipt: Receipt, wall: float, *, fits: bool) -> None:
    transaction.execute(
        "INSERT INTO receipts VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (device, site) DO UPDATE"
        " SET seq = excluded.seq, digest = excluded.digest, count = excluded.count, at = excluded.at,"
        " signature = excluded.signature, fits = excluded.fits, received = excluded.received,"
        " policy = excluded.policy, model = excluded.model",
        (
            device,
            site,
            receipt.seq,
            bytes.fromhex(receipt.digest),
            receipt.count,
            receipt.at,
            receipt.signature,
            fits,
            wall,
            receipt.policy,
            receipt.model,
        ),
    )


def _proof(site: Site, row: Sequence[Any]) -> DeviceProof:
    device, seq, signed, count, at, signature, fits, receipt_key, lease_ends, revoked, model, policy = row
    return DeviceProof(
        device=device,
        state=_state(site.seq, seq, fits=fits),
        seq=seq or 0,
        digest=None if signed is None else bytes(signed).hex(),
        count=count or 0,
        at=at or 0,
        signature=signature,
        receipt_key=receipt_key,
        lease_ends=lease_ends,
        revoked=revoked,
        model=model,
        policy=policy or 0,
    )


def _state(latest: int, seq: int | None, *, fits: bool | None) -> ReceiptState:
    if seq is None:
        return "never"
    if not fits:
        return "differs"
    return "equal" if seq == latest else "behind"
