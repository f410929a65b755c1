from __future__ import annotations

import pytest

from edgeface.security.single_use_tokens import AHEAD_SECONDS, TokenRecord, digest, find, make, redeem, unexpired

WALL = 1_800_000_000.0


def test_a_token_is_random_and_its_record_does_not_hold_it() -> None:
    made = [make({"person": "joe"}, WALL, 3600.0) for _ in range(50)]
    assert len({token for token, _ in made}) == 50
    for token, record in made:
        assert len(token) == 32
        assert token.isascii()
        assert token not in record.model_dump_json()
        assert token[:8] not in f"{record!r} {record.id}"
        assert record.facts == {"person": "joe"}


def test_a_token_is_found_until_it_expires_and_redeemed_once() -> None:
    token, record = make({"person": "joe"}, WALL, 3600.0)
    other, second = make({}, WALL, 3600.0)
    records = (record, second)
    assert find(records, token, WALL) is record
    assert find(records, token, WALL + 3599.9) is record
    assert find(records, token, WALL + 3600.0) is None
    found, left = redeem(records, token, WALL + 1)
    assert found is record
    assert left == (second,)
    assert redeem(left, token, WALL + 2) == (None, (second,))
    assert redeem(left, other, WALL + 2) == (second, ())


def test_a_clock_that_was_set_back_does_not_make_a_token_valid_for_longer() -> None:
    token, record = make({}, WALL, 3600.0)
    assert find([record], token, WALL - AHEAD_SECONDS) is record
    assert find([record], token, WALL - AHEAD_SECONDS - 1) is None


def test_what_has_expired_is_dropped_when_another_is_redeemed() -> None:
    _, old = make({}, WALL - 7200.0, 3600.0)
    token, record = make({}, WALL, 3600.0)
    assert unexpired([old, record], WALL) == (record,)
    assert redeem([old, record], token, WALL) == (record, ())


@pytest.mark.parametrize("guess", ["", "x", "\udc80", "a" * 100_000, "../..", "\0", "ä" * 32])
def test_a_guess_finds_nothing(guess: str) -> None:
    _, record = make({}, WALL, 3600.0)
    assert find([record], guess, WALL) is None
    assert redeem([record], guess, WALL) == (None, (record,))
    assert find([record], record.digest, WALL) is None


def test_a_token_with_something_added_is_another_one() -> None:
    token, record = make({}, WALL, 3600.0)
    for near in (token + "x", token + "x" * 1000, token[:-1], token.swapcase(), " " + token):
        assert find([record], near, WALL) is None


def test_a_record_survives_a_file_and_a_damaged_one_is_refused() -> None:
    _, record = make({"person": "joe"}, WALL, 60.0)
    assert TokenRecord.model_validate_json(record.model_dump_json()) == record
    with pytest.raises(ValueError, match="digest"):
        TokenRecord(digest="x", made=0.0, expires=1.0)
    assert len(digest("\udc80")) == 64
