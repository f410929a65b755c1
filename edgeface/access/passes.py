"""Passes: signed QR codes that name a person. Whoever copies one has only the name: the face still decides."""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from edgeface.core.errors import EdgefaceError
from edgeface.core.settings import Id  # noqa: TC001 - pydantic evaluates the annotations of Pass

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from edgeface.security.signing_keys import SigningKey

MAX_CHARACTERS = 300
"""Characters of a pass; more make a QR code that a camera reads badly."""
MAX_DAYS = 366
"""Days for which a pass may be valid."""

PassReason = Literal["malformed", "signature", "site", "revoked", "clock", "not_yet", "expired", "door"]
"""Why a pass is refused, in the order of the checks."""

# Upper case, digits and ":" are what a QR code stores in 5.5 bits a character (ISO/IEC 18004, 7.4.4).
_PREFIX = "EFP1:"
_FORM = re.compile(rf"{_PREFIX}[A-Z2-7]+")
_SIGNATURE_BYTES = 64
_MINUTE = 60
_CONTEXT = b"edgeface pass v1\0"

# Minutes since 1970 until the year 4000.
Minutes = Annotated[int, Field(ge=0, le=2**30)]


class Pass(NamedTuple):
    """What the signature of a pass covers."""

    site: Id
    """The device that made it, and the only one that accepts it."""
    id: Annotated[str, Field(pattern="^[a-z2-7]{16}$")]
    """80 random bits in base32."""
    person: Id
    doors: Annotated[tuple[Id, ...], Field(max_length=4)]
    """Empty: every door that accepts a pass."""
    since: Minutes
    """Minutes since 1970 from which it is valid."""
    until: Minutes
    """Minutes since 1970 at which it expires."""

    @property
    def expires(self) -> float:
        """Wall seconds at which it expires."""
        return float(self.until * _MINUTE)


class PassError(EdgefaceError):
    """A pass is refused."""

    def __init__(self, reason: PassReason, person: str | None = None) -> None:
        super().__init__(f"pass refused: {reason}")
        self.reason = reason
        self.person = person
        """The person that it names; None unless a known key has signed it."""


@dataclass(frozen=True, slots=True)
class PassRules:
    """What a device accepts."""

    site: str
    """The device's own id."""
    keys: tuple[bytes, ...]
    """Its public signing keys, 32 bytes each; none that is retired."""
    issued: Mapping[str, str]
    """The person by id of each pass that was made and not revoked."""


def new(person: str, doors: Collection[str], site: str, wall: float, days: int) -> Pass:
    """A pass for a person, valid from now for some days; not yet signed."""
    id_ = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    since = int(wall // _MINUTE)
    return Pass(site, id_, person, tuple(doors), since, since + days * 24 * _MINUTE)


def write(one: Pass, key: SigningKey) -> str:
    """The text of the QR code; raises EdgefaceError if the names in it are too long together."""
    body = json.dumps(one, separators=(",", ":")).encode()
    text = _PREFIX + base64.b32encode(key.private.sign(_CONTEXT + body) + body).decode().rstrip("=")
    if len(text) > MAX_CHARACTERS:
        raise EdgefaceError(
            f"the pass has {len(text)} characters, and {MAX_CHARACTERS} is the most that a camera reads well: "
            "name fewer doors, or none for all"
        )
    return text


def verify(text: str, rules: PassRules, wall: float, *, synced: bool) -> Pass:
    """The pass in the text of a QR code, if it is valid at wall seconds `wall`; raises PassError and nothing else.

    `synced` is whether that clock is known to be right: without it nothing says whether a pass has expired.
    """
    signature, body = _parts(text)
    # Nothing in the body is read before its signature has been verified.
    if not any(_signed(raw, signature, body) for raw in rules.keys):
        raise PassError("signature")
    one = _parsed(body)
    minutes = wall / _MINUTE
    refusals: tuple[tuple[PassReason, bool], ...] = (
        ("site", one.site != rules.site),
        ("revoked", rules.issued.get(one.id) != one.person),
        ("clock", not synced),
        ("not_yet", minutes < one.since),
        ("expired", minutes >= one.until),
    )
    for reason, holds in refusals:
        if holds:
            raise PassError(reason, one.person)
    return one


def opens(one: Pass, doors: Collection[str]) -> tuple[str, ...]:
    """The doors among `doors` for which a pass is; raises PassError if there is none."""
    found = tuple(door for door in doors if not one.doors or door in one.doors)
    if not found:
        raise PassError("door", one.person)
    return found


def _parts(text: str) -> tuple[bytes, bytes]:
    if len(text) > MAX_CHARACTERS or _FORM.fullmatch(text) is None:
        raise PassError("malformed")
    letters = text.removeprefix(_PREFIX)
    try:
        raw = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except binascii.Error:
        raise PassError("malformed") from None
    # Base32 has spare bits, which would give one pass several spellings.
    if base64.b32encode(raw).decode().rstrip("=") != letters:
        raise PassError("malformed")
    return raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]


def _parsed(body: bytes) -> Pass:
    try:
        return _parser().validate_json(body)
    except ValidationError:
        raise PassError("malformed") from None


@cache
def _parser() -> TypeAdapter[Pass]:
    return TypeAdapter(Pass, config=ConfigDict(strict=True))


def _signed(raw: bytes, signature: bytes, body: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, _CONTEXT + body)
    except (InvalidSignature, ValueError):
        return False
    return True
