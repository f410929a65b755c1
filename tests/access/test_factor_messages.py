"""Factor messages: what a door seals, a device reads; everything else is refused without a word about its content."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edgeface.access.factor_messages import (
    PLAINTEXT_BYTES,
    CardFactor,
    CodeFactor,
    PinFactor,
    ReaderFactor,
    SealingKey,
    ShownFactor,
    open_factor,
    plaintext,
    read_message,
    read_plaintext,
    seal_factor,
)
from edgeface.access.protocol import MAX_MESSAGE_BYTES
from edgeface.security.sealed_box import seal

KEY = X25519PrivateKey.generate()
PRIVATE = KEY.private_bytes_raw()
PORCH = SealingKey("porch", "2026-11", KEY.public_key().public_bytes_raw())
NONCE = "n" * 24
FACTORS: list[ShownFactor] = [
    PinFactor("1042", "4711"),
    CodeFactor("40819273"),
    CardFactor("04a2b3c4d5e6f7"),
    ReaderFactor("alice"),
]


def message(factor: ShownFactor = FACTORS[0], **changes: Any) -> bytes:
    return json.dumps({**json.loads(seal_factor(factor, PORCH, "front", NONCE)), **changes}).encode()


@pytest.mark.parametrize("factor", FACTORS)
def test_what_a_door_seals_the_device_reads(factor: ShownFactor) -> None:
    sealed = read_message(seal_factor(factor, PORCH, "front", NONCE))
    assert sealed is not None
    assert sealed[:3] == ("porch", "2026-11", NONCE)
    assert open_factor(sealed, "front", PRIVATE) == factor


def test_all_messages_have_the_same_length_and_show_nothing() -> None:
    messages = [seal_factor(factor, PORCH, "front", NONCE) for factor in FACTORS]
    assert len({len(one) for one in messages}) == 1
    assert not any(word in one for one in messages for word in (b"1042", b"4711", b"alice", b"pin"))


def test_the_largest_message_fits() -> None:
    longest = SealingKey("d" * 64, "k" * 64, PORCH.public)
    assert len(seal_factor(ReaderFactor("p" * 64), longest, "front", "n" * 128)) <= MAX_MESSAGE_BYTES


def test_no_text_of_a_factor_shows_what_was_typed() -> None:
    shown = repr(FACTORS[:3])
    assert not any(secret in shown for secret in ("1042", "4711", "40819273", "04a2b3c4d5e6f7"))


@pytest.mark.parametrize(
    ("door", "changes"),
    [
        ("back", {}),
        ("front", {"device": "yard"}),
        ("front", {"kid": "2026-12"}),
        ("front", {"nonce": "m" * 24}),
    ],
)
def test_a_box_is_bound_to_door_device_key_and_nonce(door: str, changes: dict[str, Any]) -> None:
    sealed = read_message(message(**changes))
    assert sealed is not None
    assert open_factor(sealed, door, PRIVATE) is None


def test_the_key_of_another_device_opens_nothing() -> None:
    sealed = read_message(message())
    assert sealed is not None
    assert open_factor(sealed, "front", X25519PrivateKey.generate().private_bytes_raw()) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": True},
        {"v": 1.0},
        {"device": "Porch"},
        {"kid": ""},
        {"kid": 1},
        {"nonce": "short"},
        {"nonce": NONCE + "\n"},
        {"epk": ""},
        {"epk": None},
        {"epk": base64.b64encode(bytes(31)).decode()},
        {"epk": "A" * 42 + "B="},
        {"box": base64.b64encode(bytes(PLAINTEXT_BYTES)).decode()},
        {"box": "-" * 364},
        {"pin": "4711"},
        {"pad": "x" * 500},
        {"device": "por\u00e7h"},
    ],
)
def test_a_malformed_message_is_refused(changes: dict[str, Any]) -> None:
    assert read_message(message()) is not None
    assert read_message(message(**changes)) is None


def test_a_message_with_a_missing_or_repeated_key_is_refused() -> None:
    facts = json.loads(message())
    for name in facts:
        assert read_message(json.dumps({key: value for key, value in facts.items() if key != name}).encode()) is None
    assert read_message(message()[:-1] + b',"v":1}') is None
    assert read_message(message().replace(b'"porch"', '"p\u00f6rch"'.encode())) is None


@given(st.binary(max_size=1200))
def test_garbage_is_no_message(data: bytes) -> None:
    assert read_message(data) is None


@pytest.mark.parametrize(
    "factor",
    [
        PinFactor("", "4711"),
        PinFactor("12345678901", "4711"),
        PinFactor("1042", "471"),
        PinFactor("1042", "4" * 13),
        PinFactor("\u0661\u0662", "4711"),
        CodeFactor("12345"),
        CodeFactor("1234567\n"),
        CardFactor("04A2B3C4"),
        CardFactor("04a2b3"),
        CardFactor("04a2b3c4d"),
        CardFactor("04" * 11),
        ReaderFactor("Alice"),
    ],
)
def test_a_factor_outside_the_contract_is_not_sealed_and_not_quoted(factor: ShownFactor) -> None:
    with pytest.raises(ValueError, match=rf"^not a valid {factor.kind}$"):
        seal_factor(factor, PORCH, "front", NONCE)


def filled(text: str) -> bytes:
    return text.encode().ljust(PLAINTEXT_BYTES)


@pytest.mark.parametrize(
    "data",
    [
        filled('{"kind":"pin","number":"1042","pin":"4711","more":1}'),
        filled('{"kind":"pin","number":"1042"}'),
        filled('{"kind":"pin","number":1042,"pin":"4711"}'),
        filled('{"kind":"pin","number":"1042","pin":"4711","pin":"4712"}'),
        filled('{"kind":"pass","person":"alice"}'),
        filled('{"kind":["pin"],"number":"1042","pin":"4711"}'),
        filled('{"kind":"code","code":"123"}'),
        filled("[]"),
        filled(""),
        filled('{"kind":"code","code":"40819273"}') + b" ",
        b'{"kind":"code","code":"40819273"}',
    ],
)
def test_a_malformed_plaintext_is_refused(data: bytes) -> None:
    assert read_plaintext(plaintext(FACTORS[0])) == FACTORS[0]
    assert read_plaintext(data) is None


@given(st.one_of(st.binary(max_size=PLAINTEXT_BYTES + 1), st.text(max_size=80).map(filled)))
def test_garbage_is_no_plaintext_even_when_it_was_sealed(data: bytes) -> None:
    assert read_plaintext(data) is None
    context = b"edgeface factor v1\0front\0porch\x002026-11\0" + NONCE.encode()
    epk, box = seal(data.ljust(PLAINTEXT_BYTES)[:PLAINTEXT_BYTES], PORCH.public, context)
    encoded: dict[str, Any] = {"epk": base64.b64encode(epk).decode(), "box": base64.b64encode(box).decode()}
    sealed = read_message(message(**encoded))
    assert sealed is not None
    assert open_factor(sealed, "front", PRIVATE) is None
