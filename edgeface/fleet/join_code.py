"""The code with which a device joins: a secret, and the beginning of the authority's fingerprint.

The centre shows it once; a person types it at the device. The device compares the fingerprint with the authority of the
server before it sends the secret, and sends nothing else of the code.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import NamedTuple

from edgeface.core.errors import FleetError

PART_BYTES = 10
"""Bytes of the secret, and of the fingerprint: 80 bits each."""
SECONDS = 15 * 60
"""Seconds for which a code holds."""

_GROUP = 4
_LETTERS = PART_BYTES * 8 // 5
_TYPED = str.maketrans({"0": "O", "1": "I", "8": "B", "-": None, " ": None})


class JoinCode(NamedTuple):
    """A code in its parts."""

    secret: str
    """What `JoinRequest.code` has: 16 letters and digits of base32 (RFC 4648)."""
    fingerprint: bytes
    """The first 10 bytes of SHA-256 of the authority's certificate in DER."""

    def text(self) -> str:
        """What is shown and typed: 32 letters and digits in groups of four."""
        whole = self.secret + base64.b32encode(self.fingerprint).decode()
        return "-".join(whole[at : at + _GROUP] for at in range(0, len(whole), _GROUP))

    def names(self, fingerprint: bytes) -> bool:
        """Whether the code is for the authority with this SHA-256 of its certificate."""
        return secrets.compare_digest(fingerprint[:PART_BYTES], self.fingerprint)


def new(fingerprint: bytes, secret: bytes | None = None) -> JoinCode:
    """A code of the authority with this SHA-256 of its certificate, with a secret of 10 bytes or a new one."""
    given = secrets.token_bytes(PART_BYTES) if secret is None else secret
    return JoinCode(base64.b32encode(given).decode(), fingerprint[:PART_BYTES])


def parse(text: str) -> JoinCode:
    """The code that someone typed, in any case and with or without hyphens; raises FleetError, which quotes nothing."""
    letters = text.strip().upper().translate(_TYPED)
    try:
        fingerprint = base64.b32decode(letters[_LETTERS:])
        base64.b32decode(letters[:_LETTERS])
    except (binascii.Error, ValueError):
        fingerprint = b""
    if len(letters) != 2 * _LETTERS or len(fingerprint) != PART_BYTES:
        raise FleetError("not a join code: 32 letters and digits from 2 to 7, as the centre has shown them")
    return JoinCode(letters[:_LETTERS], fingerprint)
