import hashlib

import pytest

from edgeface.core.errors import FleetError
from edgeface.fleet import join_code

AUTHORITY = hashlib.sha256(b"certificate").digest()


def test_a_code_is_read_as_it_was_shown() -> None:
    code = join_code.new(AUTHORITY)
    assert join_code.parse(code.text()) == code
    assert len(code.text()) == 39


@pytest.mark.parametrize("typed", [str.lower, lambda text: text.replace("-", " "), lambda text: f" {text}\n"])
def test_a_code_is_read_however_it_is_typed(typed: object) -> None:
    code = join_code.new(AUTHORITY)
    assert join_code.parse(typed(code.text())) == code  # type: ignore[operator]


def test_digits_that_look_like_letters_are_read_as_those() -> None:
    code = join_code.JoinCode("OIBA" * 4, bytes(10))
    assert join_code.parse(code.text().replace("OIB", "018")) == code


def test_a_code_names_one_authority() -> None:
    code = join_code.new(AUTHORITY)
    assert code.names(AUTHORITY)
    assert not code.names(hashlib.sha256(b"another").digest())


def test_two_codes_differ_in_their_secret_only() -> None:
    one, other = join_code.new(AUTHORITY), join_code.new(AUTHORITY)
    assert one.secret != other.secret
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize("text", ["", "AAAA", "9" * 32, "A" * 33, "é" * 32, "A" * 10_000, "AAAA=" * 8])
def test_anything_else_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(FleetError, match="not a join code") as caught:
        join_code.parse(text)
    assert text not in str(caught.value) or not text
