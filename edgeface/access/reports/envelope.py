"""A door's report under the signature of the door's own key; docs/events.md is the contract.

docs/result-vectors.json has test cases for other languages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TYPE_CHECKING, Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edgeface.access.protocol import BOOT, NONCE, read_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ReportKind = Literal["result", "state", "event"]
Fault = Literal["unsigned", "key", "algorithm", "signature", "malformed", "door", "replayed", "unknown_grant", "stale"]
"""Why a report does not count, in the order of the checks; the last three need what the device remembers."""

MAX_REPORT_BYTES = 8_000
"""Bytes of a report; a result has about 700."""
VERSION = 2
"""The version of a signed payload; version 1 is the message without one."""

_SIGNED = ("payload", "kid", "alg", "sig")
# The integers on which JSON readers of all languages agree (RFC 8259, 6).
_MAX_INT = 2**53 - 1


class ReportError(Exception):
    """A report that does not count; `fault` is why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def key_id(public: bytes) -> str:
    """The kid of a door's key, which follows from its 32 bytes: 16 hex digits of their SHA-256."""
    return hashlib.sha256(public).hexdigest()[:16]


def sign_report(outer: Mapping[str, Any], payload: Mapping[str, Any], private: Ed25519PrivateKey) -> bytes:
    """The message with both, and a signature over the exact bytes of the payload (RFC 8032).

    A device that does not know the key, or reads version 1 only, reads the keys of `outer`.
    """
    text = json.dumps(payload, separators=(",", ":"))
    kid, sig = key_id(private.public_key().public_bytes_raw()), base64.b64encode(private.sign(text.encode())).decode()
    return json.dumps(
        {**outer, "payload": text, "kid": kid, "alg": "ed25519", "sig": sig}, separators=(",", ":")
    ).encode()


def open_report(message: bytes, public: bytes, kind: ReportKind, door: str) -> dict[str, Any]:
    """The payload of a message of a door's topic; raises ReportError, and nothing else, if the key has not signed it.

    Its v, kind, door, boot, seq and newest are as the contract has them; the rest is not checked.
    """
    outer = read_object(message, MAX_REPORT_BYTES)
    if outer is None:
        raise ReportError("malformed")
    if not set(_SIGNED) <= outer.keys():
        raise ReportError("unsigned")
    text = _verified(*(outer[name] for name in _SIGNED), public=public)
    facts = read_object(text, MAX_REPORT_BYTES)
    if facts is None or not _well_formed(facts) or facts["kind"] != kind:
        raise ReportError("malformed")
    if facts["door"] != door:
        raise ReportError("door")
    return facts


def _verified(text: object, kid: object, alg: object, sig: object, *, public: bytes) -> bytes:
    """The bytes of a payload after its signature has been verified."""
    if not isinstance(text, str) or not isinstance(sig, str):
        raise ReportError("malformed")
    if kid != key_id(public):
        raise ReportError("key")
    if alg != "ed25519":
        raise ReportError("algorithm")
    try:
        payload, signature = text.encode(), base64.b64decode(sig, validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise ReportError("malformed") from None
    # Base64 has spare bits, which would give one signature several spellings.
    if base64.b64encode(signature).decode() != sig:
        raise ReportError("malformed")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, payload)
    except (InvalidSignature, ValueError):
        raise ReportError("signature") from None
    return payload


def _well_formed(facts: Mapping[str, Any]) -> bool:
    version, seq, newest = facts.get("v"), facts.get("seq"), facts.get("newest")
    return (
        # True and 1.0 equal 1 in Python.
        type(version) is int
        and version == VERSION
        and type(seq) is int
        and 0 < seq <= _MAX_INT
        and all(isinstance(facts.get(name), str) for name in ("kind", "door", "boot"))
        and BOOT.fullmatch(facts["boot"]) is not None
        and isinstance(newest, str)
        and (newest == "" or NONCE.fullmatch(newest) is not None)
    )
