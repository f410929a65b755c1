"""A site's policy as signed bytes: the centre's enrolling key signs it for one site and one version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from pydantic import ValidationError

from edgeface.access.site_policy import SitePolicy, broken_references
from edgeface.core.errors import FleetError
from edgeface.fleet import digest
from edgeface.fleet.packing import packed, unpacked
from edgeface.fleet.sealing import PERSON_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

NUMBER = bytes(PERSON_BYTES)
"""In place of a person's number, in the history and the digest of a site: no person has it."""
MAX_BYTES = 262_144
"""Bytes of a signed policy."""
_PURPOSE = "edgeface fleet policy 1"


def entry(site: str, version: int) -> int:
    """What a version adds to the digest of its site; nothing without one."""
    return digest.entry(site, NUMBER, version) if version else 0


def digest_with(site: str, people: Iterable[tuple[bytes, int]], version: int) -> int:
    """The digest of a site from everyone's number and change number, and the version of its policy."""
    return digest.changed(digest.of(site, people), added=[entry(site, version)])


def sign(site: str, version: int, policy: SitePolicy | None, key: Ed25519PrivateKey) -> bytes:
    """The signed policy; None says that the site has none any more. Raises FleetError if it is too long."""
    body = packed(None if policy is None else policy.model_dump(mode="json", exclude_defaults=True))
    signed = packed([body, key.sign(_message(site, version, body))])
    if len(signed) > MAX_BYTES:
        raise FleetError(f"{site}: the policy is longer than {MAX_BYTES} bytes")
    return signed


def verify(site: str, version: int, signed: bytes, key: Ed25519PublicKey) -> SitePolicy | None:
    """The policy, if `key` signed it for this site and version; raises FleetError otherwise."""
    if not is_signed(site, version, signed, key):
        raise FleetError("the policy is not signed by the enrolling key of the site")
    return read_signed(signed)


def is_signed(site: str, version: int, signed: bytes, key: Ed25519PublicKey) -> bool:
    """Whether `key` signed a policy for this site and version; raises FleetError for other bytes."""
    body, signature = _parts(signed)
    try:
        key.verify(signature, _message(site, version, body))
    except InvalidSignature:
        return False
    return True


def read_signed(signed: bytes) -> SitePolicy | None:
    """The policy, whoever signed it: for the centre, which reads what it has sealed itself; raises FleetError."""
    return _read(_parts(signed)[0])


def _read(body: bytes) -> SitePolicy | None:
    found = unpacked(body, MAX_BYTES)
    if found is None:
        return None
    try:
        policy = SitePolicy.model_validate(found)
    except (ValidationError, RecursionError):
        raise FleetError("the policy of the site cannot be read") from None
    if any(broken_references(policy)):
        raise FleetError("the policy of the site refers to what it does not contain")
    return policy


def _parts(signed: bytes) -> tuple[bytes, bytes]:
    parts: Any = unpacked(signed, MAX_BYTES)
    if not (isinstance(parts, list) and [type(part) for part in parts] == [bytes, bytes]):
        raise FleetError("the policy of the site is not signed")
    return parts[0], parts[1]


def _message(site: str, version: int, body: bytes) -> bytes:
    return packed([_PURPOSE, site, version, body])
