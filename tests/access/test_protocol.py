"""What the device keeps of a door's challenges: which grants the door reads, and which nonces a factor may use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgeface.access.protocol import Nonces


def challenge(nonce: str = "n" * 24, **changes: Any) -> bytes:
    return json.dumps({"nonce": nonce, "boot": "b0", **changes}).encode()


@pytest.mark.parametrize(
    ("changes", "version"),
    [({}, 1), ({"reads": [1]}, 1), ({"reads": [1, 2]}, 2), ({"reads": [2, 3]}, 2), ({"reads": [3]}, 1)],
)
def test_a_challenge_says_which_grants_the_door_reads(changes: dict[str, Any], version: int) -> None:
    nonces = Nonces()
    assert nonces.on_message(challenge(**changes), 0.0)
    assert nonces.version == version


@pytest.mark.parametrize("reads", [[], [True], ["2"], [2.0], 2, None, {"2": 2}, [2] * 17])
def test_a_challenge_with_malformed_versions_is_refused(reads: object) -> None:
    nonces = Nonces()
    assert not nonces.on_message(challenge(reads=reads), 0.0)
    assert nonces.age(1.0) is None


def test_the_latest_challenge_counts() -> None:
    nonces = Nonces()
    nonces.on_message(challenge(reads=[1, 2]), 0.0)
    nonces.on_message(challenge("m" * 24), 1.0)
    assert nonces.version == 1


def test_a_factor_uses_a_nonce_once_within_its_lifetime_and_leaves_it_to_the_grant() -> None:
    nonces = Nonces()
    for number, at in enumerate((0.0, 1.0, 2.0)):
        nonces.on_message(challenge(str(number) * 24), at)
    assert not nonces.take_for_factor("0" * 24, 3.1)
    assert nonces.take_for_factor("1" * 24, 3.1)
    assert not nonces.take_for_factor("1" * 24, 3.1)
    assert not nonces.take_for_factor("x" * 24, 3.1)
    assert not nonces.take_for_factor("2" * 24, 1.9)
    assert nonces.take_for_factor("2" * 24, 3.1)
    assert nonces.fresh(3.1)
    assert nonces.take() == "2" * 24


def test_a_nonce_that_a_factor_has_used_is_still_known() -> None:
    nonces = Nonces()
    nonces.on_message(challenge(), 0.0)
    assert nonces.take_for_factor("n" * 24, 0.5)
    assert not nonces.on_message(challenge(), 1.0)
    assert not nonces.take_for_factor("n" * 24, 1.1)
