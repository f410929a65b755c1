"""Seals a short message to the X25519 key of one recipient; needs only cryptography, like the door's verifier."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
"""Bytes of a public key, a private key and an ephemeral public key (RFC 7748, 5)."""
TAG_BYTES = 16
"""Bytes by which a box is longer than its plaintext (RFC 8439, 2.8)."""

_INFO = b"edgeface factor v1"
# Each box has a key of its own, so the nonce never repeats under one key.
_NONCE = bytes(12)


class SealedBoxError(ValueError):
    """A box cannot be opened, or a public key cannot be sealed to; the text does not say which check failed."""


def seal(plaintext: bytes, public: bytes, aad: bytes) -> tuple[bytes, bytes]:
    """Encrypt to a public X25519 key: the ephemeral public key, 32 bytes, and the box, 16 bytes longer than the text.

    `aad` is not sent, and `open_box` must repeat it. The key of the box is HKDF-SHA256 over the shared secret, salted
    with both public keys. Raises SealedBoxError for a key of low order or of another length.
    """
    ephemeral = X25519PrivateKey.generate()
    epk = ephemeral.public_key().public_bytes_raw()
    key = _key(ephemeral, public, epk + public)
    return epk, ChaCha20Poly1305(key).encrypt(_NONCE, plaintext, aad)


def open_box(private: bytes, epk: bytes, box: bytes, aad: bytes) -> bytes:
    """The plaintext that `seal` encrypted; raises SealedBoxError, and nothing else, if anything does not fit."""
    if len(private) != KEY_BYTES:
        raise SealedBoxError("the box cannot be opened")
    own = X25519PrivateKey.from_private_bytes(private)
    key = _key(own, epk, epk + own.public_key().public_bytes_raw())
    try:
        return ChaCha20Poly1305(key).decrypt(_NONCE, box, aad)
    except InvalidTag:
        raise SealedBoxError("the box cannot be opened") from None


def require_public(raw: bytes) -> None:
    """Raise SealedBoxError unless `raw` is a public X25519 key that can be sealed to."""
    _key(X25519PrivateKey.generate(), raw, b"")


def _key(own: X25519PrivateKey, other: bytes, salt: bytes) -> bytes:
    try:
        # cryptography refuses an all-zero shared secret, which is what every point of low order gives (RFC 7748, 6.1).
        shared = own.exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError:
        raise SealedBoxError("not a public X25519 key") from None
    return HKDF(hashes.SHA256(), KEY_BYTES, salt, _INFO).derive(shared)
