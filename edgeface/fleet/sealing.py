"""The keys of a person and of an epoch: a row is sealed with the person's key, that with the site's epoch key."""

from __future__ import annotations

import os
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edgeface.core.errors import FleetError
from edgeface.security import sealed_box

KEY_BYTES = 32
NONCE_BYTES = 12
PERSON_BYTES = 16
"""Bytes of a person's random number, which says nothing about them."""


def new_key() -> bytes:
    """A key for AES-256-GCM."""
    return secrets.token_bytes(KEY_BYTES)


def new_person() -> bytes:
    """The random number by which the centre and its devices know a person."""
    return secrets.token_bytes(PERSON_BYTES)


def seal_row(key: bytes, site: str, person: bytes, seq: int, model: str, plain: bytes) -> bytes:
    """Seal a person's signed facts; bound to site, person, change number and model (NIST SP 800-38D)."""
    return _seal(key, plain, b"row", site.encode(), person, seq.to_bytes(8, "big"), model.encode())


def open_row(key: bytes, site: str, person: bytes, seq: int, model: str, sealed: bytes) -> bytes:
    """What `seal_row` sealed; raises FleetError if anything differs."""
    return _open(key, sealed, b"row", site.encode(), person, seq.to_bytes(8, "big"), model.encode())


def seal_proposal(key: bytes, site: str, person: bytes, seq: int, plain: bytes) -> bytes:
    """Seal the facts that a device proposes; bound to site, person and the change number that the device knew."""
    return _seal(key, plain, b"proposal", site.encode(), person, seq.to_bytes(8, "big"))


def open_proposal(key: bytes, site: str, person: bytes, seq: int, sealed: bytes) -> bytes:
    """What `seal_proposal` sealed; raises FleetError if anything differs."""
    return _open(key, sealed, b"proposal", site.encode(), person, seq.to_bytes(8, "big"))


def seal_event(key: bytes, site: str, device: str, event: str, plain: bytes) -> bytes:
    """Seal what a device has said of an event; bound to site, device and the event's id."""
    return _seal(key, plain, b"event", site.encode(), device.encode(), event.encode())


def open_event(key: bytes, site: str, device: str, event: str, sealed: bytes) -> bytes:
    """What `seal_event` sealed; raises FleetError if anything differs."""
    return _open(key, sealed, b"event", site.encode(), device.encode(), event.encode())


def seal_crop(key: bytes, site: str, person: bytes, n: int, plain: bytes) -> bytes:
    """Seal one crop of a person, or as number 0 their consent to crops; bound to site, person and number."""
    return _seal(key, plain, b"crop", site.encode(), person, n.to_bytes(8, "big"))


def open_crop(key: bytes, site: str, person: bytes, n: int, sealed: bytes) -> bytes:
    """What `seal_crop` sealed; raises FleetError if anything differs."""
    return _open(key, sealed, b"crop", site.encode(), person, n.to_bytes(8, "big"))


def seal_policy(key: bytes, site: str, epoch: int, version: int, plain: bytes) -> bytes:
    """Seal a site's signed policy for its devices, or with epoch 0 for the centre; bound to site, epoch and version."""
    return _seal(key, plain, b"policy", site.encode(), epoch.to_bytes(8, "big"), version.to_bytes(8, "big"))


def open_policy(key: bytes, site: str, epoch: int, version: int, sealed: bytes) -> bytes:
    """What `seal_policy` sealed; raises FleetError if anything differs."""
    return _open(key, sealed, b"policy", site.encode(), epoch.to_bytes(8, "big"), version.to_bytes(8, "big"))


def wrap_key(epoch_key: bytes, site: str, epoch: int, person: bytes, key: bytes) -> bytes:
    """Wrap a person's key with the key of the site's epoch."""
    return _seal(epoch_key, key, b"key", site.encode(), epoch.to_bytes(8, "big"), person)


def unwrap_key(epoch_key: bytes, site: str, epoch: int, person: bytes, wrapped: bytes) -> bytes:
    """What `wrap_key` wrapped; raises FleetError if anything differs."""
    return _open(epoch_key, wrapped, b"key", site.encode(), epoch.to_bytes(8, "big"), person)


def wrap_epoch(public: bytes, site: str, epoch: int, epoch_key: bytes) -> bytes:
    """Wrap the key of an epoch for one device, by its X25519 public key."""
    ephemeral, box = sealed_box.seal(epoch_key, public, _epoch_about(site, epoch))
    return ephemeral + box


def unwrap_epoch(private: bytes, site: str, epoch: int, wrapped: bytes) -> bytes:
    """What `wrap_epoch` wrapped; raises FleetError if anything differs."""
    size = sealed_box.KEY_BYTES
    try:
        return sealed_box.open_box(private, wrapped[:size], wrapped[size:], _epoch_about(site, epoch))
    except (sealed_box.SealedBoxError, ValueError):
        raise FleetError(f"the key of epoch {epoch} of {site} is not for this device") from None


def _epoch_about(site: str, epoch: int) -> bytes:
    return b"edgeface fleet epoch 1" + epoch.to_bytes(8, "big") + site.encode()


def _seal(key: bytes, plain: bytes, *about: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, _joined(about))


def _open(key: bytes, sealed: bytes, *about: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _joined(about))
    except (InvalidTag, ValueError):
        raise FleetError(f"a sealed {about[0].decode()} does not fit") from None


def _joined(parts: tuple[bytes, ...]) -> bytes:
    return b"edgeface fleet 1" + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
