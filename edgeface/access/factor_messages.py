"""The second factor on its way from a door to a device: the kinds, the plaintext, and the sealed message."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from edgeface.access.protocol import NONCE, read_object
from edgeface.core.files import loads_strict
from edgeface.core.settings import ID_PATTERN
from edgeface.security.sealed_box import KEY_BYTES, TAG_BYTES, SealedBoxError, open_box, seal

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAINTEXT_BYTES = 256
"""Bytes of every plaintext, filled up with spaces, so that the length of a box reveals nothing."""


@dataclass(frozen=True, slots=True)
class PinFactor:
    """A person number, which is not secret, and the PIN that belongs to it."""

    number: str = field(repr=False)
    """1 to 10 digits."""
    pin: str = field(repr=False)
    """4 to 12 digits."""

    kind: Literal["pin"] = field(default="pin", init=False)


@dataclass(frozen=True, slots=True)
class CodeFactor:
    """A code that names the person by itself."""

    code: str = field(repr=False)
    """6 to 12 digits."""

    kind: Literal["code"] = field(default="code", init=False)


@dataclass(frozen=True, slots=True)
class CardFactor:
    """A card or a tag, by its UID: an identifier that anyone near the card can read, and no secret."""

    uid: str = field(repr=False)
    """4 to 10 bytes in lower-case hexadecimal."""

    kind: Literal["card"] = field(default="card", init=False)


@dataclass(frozen=True, slots=True)
class ReaderFactor:
    """A person identified by a reader of one's own."""

    person: str
    """The person's id."""

    kind: Literal["reader"] = field(default="reader", init=False)


ShownFactor = PinFactor | CodeFactor | CardFactor | ReaderFactor


@dataclass(frozen=True, slots=True)
class PassShown:
    """A valid pass that a camera has read; it names the person, and the face still decides."""

    door: str | None
    """The only door that it is for; None: every door of the camera that accepts a pass."""
    camera: str
    person: str
    id: str
    """The random id of the pass, by which it is revoked."""
    monotonic: float
    """When the picture was captured, in monotonic seconds."""

    kind: Literal["pass"] = field(default="pass", init=False)


class SealingKey(NamedTuple):
    """The device to which a door seals."""

    device: str
    kid: str
    public: bytes
    """32 bytes of an X25519 key."""


class SealedFactor(NamedTuple):
    """A message of a door's factor topic, still sealed."""

    device: str
    kid: str
    nonce: str
    epk: bytes
    box: bytes


def seal_factor(factor: ShownFactor, key: SealingKey, door: str, nonce: str) -> bytes:
    """The message of a door's factor topic; raises ValueError for a factor or a key outside the contract."""
    epk, box = seal(plaintext(factor), key.public, _context(door, key.device, key.kid, nonce))
    facts = {"v": 1, "device": key.device, "kid": key.kid, "nonce": nonce, "epk": _base64(epk), "box": _base64(box)}
    return json.dumps(facts, separators=(",", ":")).encode()


def read_message(payload: bytes) -> SealedFactor | None:
    """Read a message of a door's factor topic; None if it breaks the contract."""
    facts = read_object(payload) if payload.isascii() else None
    if facts is None or facts.keys() != {"v", "device", "kid", "nonce", "epk", "box"}:
        return None
    version, epk, box = facts["v"], _bytes(facts["epk"], KEY_BYTES), _bytes(facts["box"], PLAINTEXT_BYTES + TAG_BYTES)
    if type(version) is not int or version != 1 or epk is None or box is None or not _fits(_OUTER, facts):
        return None
    return SealedFactor(facts["device"], facts["kid"], facts["nonce"], epk, box)


def open_factor(message: SealedFactor, door: str, private: bytes) -> ShownFactor | None:
    """The factor in a message of the door's topic; None if it was altered, was sealed otherwise, or is none."""
    try:
        plain = open_box(private, message.epk, message.box, _context(door, message.device, message.kid, message.nonce))
    except SealedBoxError:
        return None
    return read_plaintext(plain)


def is_valid(factor: ShownFactor) -> bool:
    """Whether each field is as the contract has it."""
    return _fits(_INNER, _facts(factor))


def plaintext(factor: ShownFactor) -> bytes:
    """What is sealed: one line of JSON, filled up to PLAINTEXT_BYTES; raises ValueError if a field is malformed."""
    if not is_valid(factor):
        raise ValueError(f"not a valid {factor.kind}")  # the values are secret
    return json.dumps(_facts(factor), separators=(",", ":")).encode().ljust(PLAINTEXT_BYTES)


def read_plaintext(data: bytes) -> ShownFactor | None:
    """The factor in a plaintext; None if it breaks the contract."""
    if len(data) != PLAINTEXT_BYTES or not data.isascii():
        return None
    try:
        facts = loads_strict(data)
    except (ValueError, RecursionError):
        return None
    kind = facts.get("kind") if isinstance(facts, dict) else None
    if not isinstance(facts, dict) or not isinstance(kind, str) or facts.keys() != _KEYS.get(kind):
        return None
    if not _fits(_INNER, facts):
        return None
    return _CLASSES[kind](**{name: value for name, value in facts.items() if name != "kind"})


_OUTER = {"device": re.compile(ID_PATTERN), "kid": re.compile(ID_PATTERN), "nonce": NONCE}
_INNER = {
    "number": re.compile("[0-9]{1,10}"),
    "pin": re.compile("[0-9]{4,12}"),
    "code": re.compile("[0-9]{6,12}"),
    "uid": re.compile("(?:[0-9a-f]{2}){4,10}"),
    "person": re.compile(ID_PATTERN),
}
_CLASSES: Mapping[str, type[PinFactor | CodeFactor | CardFactor | ReaderFactor]] = {
    "pin": PinFactor,
    "code": CodeFactor,
    "card": CardFactor,
    "reader": ReaderFactor,
}
_KEYS: Mapping[str, frozenset[str]] = {name: frozenset(made.__slots__) for name, made in _CLASSES.items()}


def _facts(factor: ShownFactor) -> dict[str, str]:
    return {name: getattr(factor, name) for name in sorted(_KEYS[factor.kind])}


def _fits(patterns: Mapping[str, re.Pattern[str]], facts: Mapping[str, Any]) -> bool:
    """Whether each fact that has a pattern is a string that matches it as a whole."""
    return all(
        isinstance(value, str) and patterns[name].fullmatch(value) is not None
        for name, value in facts.items()
        if name in patterns
    )


def _context(door: str, device: str, kid: str, nonce: str) -> bytes:
    """What a box is bound to: another door, device, key or nonce does not open it."""
    return f"edgeface factor v1\0{door}\0{device}\0{kid}\0{nonce}".encode("ascii")


def _bytes(text: object, length: int) -> bytes | None:
    """The bytes of canonical base64 with that many bytes; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == length and _base64(raw) == text else None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
