"""Sealed boxes: only the recipient opens them, and only unaltered, for the same context."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edgeface.security.sealed_box import KEY_BYTES, TAG_BYTES, SealedBoxError, open_box, require_public, seal

ROOT = Path(__file__).parents[2]
KEY = X25519PrivateKey.generate()
PRIVATE, PUBLIC = KEY.private_bytes_raw(), KEY.public_key().public_bytes_raw()
AAD = b"front\0porch"
# The points of low order on the curve and its twist, and their spellings above the prime (RFC 7748, 6.1).
LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
]


@given(st.binary(max_size=600), st.binary(max_size=100))
def test_the_recipient_opens_a_box_and_learns_the_length_only(plain: bytes, aad: bytes) -> None:
    epk, box = seal(plain, PUBLIC, aad)
    assert open_box(PRIVATE, epk, box, aad) == plain
    assert (len(epk), len(box)) == (KEY_BYTES, len(plain) + TAG_BYTES)


def test_two_boxes_of_one_text_have_nothing_in_common() -> None:
    (epk, box), (other_epk, other) = seal(b"1042", PUBLIC, AAD), seal(b"1042", PUBLIC, AAD)
    assert epk != other_epk
    assert box != other
    with pytest.raises(SealedBoxError):
        open_box(PRIVATE, epk, other, AAD)


@given(st.integers(0, 8 * 48 - 1))
def test_a_changed_bit_shuts_the_box(bit: int) -> None:
    epk, box = seal(bytes(32), PUBLIC, AAD)
    altered = bytearray(box)
    altered[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealedBoxError):
        open_box(PRIVATE, epk, bytes(altered), AAD)


def test_another_key_context_or_ephemeral_key_opens_nothing() -> None:
    epk, box = seal(b"1042", PUBLIC, AAD)
    other = X25519PrivateKey.generate()
    for private, shown, aad in (
        (other.private_bytes_raw(), epk, AAD),
        (PRIVATE, other.public_key().public_bytes_raw(), AAD),
        (PRIVATE, epk, AAD + b"\0"),
        (PRIVATE, epk[:-1], AAD),
        (PRIVATE[:-1], epk, AAD),
    ):
        with pytest.raises(SealedBoxError):
            open_box(private, shown, box, aad)
    # RFC 7748, 5: the highest bit is ignored by X25519, but the salt has it.
    with pytest.raises(SealedBoxError):
        open_box(PRIVATE, epk[:-1] + bytes([epk[-1] ^ 0x80]), box, AAD)


@given(st.binary(max_size=64), st.binary(max_size=300), st.binary(max_size=40))
def test_garbage_raises_the_one_error(epk: bytes, box: bytes, aad: bytes) -> None:
    with pytest.raises(SealedBoxError):
        open_box(PRIVATE, epk, box, aad)


@pytest.mark.parametrize("point", LOW_ORDER)
def test_a_point_of_low_order_is_refused_on_both_sides(point: str) -> None:
    weak = bytes.fromhex(point)
    with pytest.raises(SealedBoxError, match="not a public X25519 key"):
        seal(b"1042", weak, AAD)
    with pytest.raises(SealedBoxError, match="not a public X25519 key"):
        open_box(PRIVATE, weak, bytes(20), AAD)
    with pytest.raises(SealedBoxError, match="not a public X25519 key"):
        require_public(weak)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_public_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(SealedBoxError):
        require_public(b"\x09" * length)


def test_it_needs_only_cryptography() -> None:
    script = (
        "import sys; before = set(sys.modules); import edgeface.security.sealed_box; "
        "print(' '.join(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    outside = {name.partition(".")[0] for name in loaded.stdout.split()} - set(sys.stdlib_module_names)
    assert outside - {"_cffi_backend", "_openssl"} <= {"edgeface", "cryptography", "typing_extensions"}


def test_the_construction_is_the_documented_one() -> None:
    """A box made step by step as docs/events.md has it, for readers in other languages."""
    import hashlib
    import hmac

    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    ephemeral = X25519PrivateKey.generate()
    epk = ephemeral.public_key().public_bytes_raw()
    extracted = hmac.digest(epk + PUBLIC, ephemeral.exchange(KEY.public_key()), hashlib.sha256)
    key = hmac.digest(extracted, b"edgeface factor v1\x01", hashlib.sha256)
    box = ChaCha20Poly1305(key).encrypt(bytes(12), b"1042", AAD)
    assert open_box(PRIVATE, epk, box, AAD) == b"1042"
