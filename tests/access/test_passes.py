"""Passes: what is signed, what is refused and why, and the list that makes a pass valid."""

from __future__ import annotations

import base64
import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edgeface.access.pass_list import FILE, PassList, PassRulesFile
from edgeface.access.passes import MAX_CHARACTERS, Pass, PassError, PassRules, new, opens, verify, write
from edgeface.core.errors import EdgefaceError, VaultError
from edgeface.security import signing_keys
from edgeface.security.signing_keys import CHECK_SECONDS, SigningKey
from edgeface.security.vault import Vault, open_vault
from tests.support.clock import FixedClock

if TYPE_CHECKING:
    from pathlib import Path

WALL = 1_795_435_200.0
DAY = 86_400.0
KEY = SigningKey("2026-11", Ed25519PrivateKey.generate())
OTHER = SigningKey("2026-11", Ed25519PrivateKey.generate())
PASS = new("alice", ("front-door",), "front", WALL, 7)
RULES = PassRules("front", (KEY.private.public_key().public_bytes_raw(),), {PASS.id: "alice"})


def reason(text: str, rules: PassRules = RULES, wall: float = WALL, *, synced: bool = True) -> str:
    """`accept`, or why the pass is refused."""
    try:
        verify(text, rules, wall, synced=synced)
    except PassError as error:
        return error.reason
    return "accept"


def body_of(text: str) -> bytes:
    """What the signature of a pass covers, without its context."""
    letters = text.removeprefix("EFP1:")
    return base64.b32decode(letters + "=" * (-len(letters) % 8))[64:]


def test_a_pass_is_small_and_is_read_as_it_was_made() -> None:
    text = write(PASS, KEY)
    assert len(text) <= 250
    assert verify(text, RULES, WALL, synced=True) == PASS
    assert (PASS.until - PASS.since) * 60 == 7 * DAY


@pytest.mark.parametrize(
    ("one", "rules", "wall", "why"),
    [
        ({}, {}, WALL - 60, "not_yet"),
        ({}, {}, WALL + 7 * DAY - 1, "accept"),
        ({}, {}, WALL + 7 * DAY, "expired"),
        ({}, {"site": "back"}, WALL, "site"),
        ({}, {"issued": {}}, WALL, "revoked"),
        ({}, {"issued": {PASS.id: "bob"}}, WALL, "revoked"),
        ({}, {"keys": ()}, WALL, "signature"),
        ({}, {"keys": (OTHER.private.public_key().public_bytes_raw(), *RULES.keys)}, WALL, "accept"),
        ({"person": "bob"}, {}, WALL, "revoked"),
    ],
)
def test_every_reason(one: dict[str, Any], rules: dict[str, Any], wall: float, why: str) -> None:
    assert reason(write(PASS._replace(**one), KEY), dataclasses.replace(RULES, **rules), wall) == why


def test_the_key_of_another_device_and_a_grant_sign_no_pass() -> None:
    assert reason(write(PASS, OTHER)) == "signature"
    body = body_of(write(PASS, KEY))
    plain = base64.b32encode(KEY.private.sign(body) + body).decode().rstrip("=")
    assert reason(f"EFP1:{plain}") == "signature", "a signature of a grant is no signature of a pass"


def test_an_unsynchronised_clock_refuses_every_pass() -> None:
    assert reason(write(PASS, KEY), synced=False) == "clock"


def test_the_doors_of_a_pass() -> None:
    assert opens(PASS, ["back-door", "front-door"]) == ("front-door",)
    assert opens(PASS._replace(doors=()), ["back-door", "front-door"]) == ("back-door", "front-door")
    with pytest.raises(PassError, match="door"):
        opens(PASS, ["back-door"])


def test_names_that_are_too_long_for_a_camera_make_no_pass() -> None:
    long = PASS._replace(person="p" * 64, doors=("d" * 64, "e" * 64))
    with pytest.raises(EdgefaceError, match="name fewer doors"):
        write(long, KEY)
    assert len(write(long._replace(doors=()), KEY)) <= MAX_CHARACTERS


@given(st.text(max_size=400) | st.from_regex("EFP1:[A-Z2-7]{0,300}", fullmatch=True))
def test_garbage_is_refused_and_nothing_else_is_raised(text: str) -> None:
    assert reason(text) in {"malformed", "signature"}


@given(st.integers(5, len(write(PASS, KEY)) - 1), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_changed_letter_is_refused(at: int, letter: str) -> None:
    text = write(PASS, KEY)
    changed = text[:at] + letter + text[at + 1 :]
    assert (reason(changed) == "accept") == (changed == text)


@given(st.binary(max_size=90) | st.text(max_size=40).map(str.encode))
def test_a_body_of_garbage_is_refused_even_when_it_is_signed(body: bytes) -> None:
    signature = KEY.private.sign(b"edgeface pass v1\0" + body)
    text = base64.b32encode(signature + body).decode().rstrip("=")
    assert reason(f"EFP1:{text}") == "malformed"


def test_one_pass_has_one_spelling() -> None:
    text = write(PASS, KEY)
    for spelled in (text + "=", text.lower(), f" {text}", text + "A", text + "\n"):
        assert reason(spelled) == "malformed"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return open_vault(tmp_path)


def test_a_book_keeps_revokes_and_drops_what_has_expired(tmp_path: Path, vault: Vault) -> None:
    pass_list = PassList(tmp_path, vault)
    assert pass_list.passes() == ()
    second = new("bob", (), "front", WALL, 1)
    pass_list.add(PASS, WALL)
    pass_list.add(second, WALL)
    assert pass_list.passes() == (PASS, second)
    assert pass_list.revoke(PASS.id) == PASS
    with pytest.raises(EdgefaceError, match="no pass"):
        pass_list.revoke(PASS.id)
    pass_list.add(PASS, WALL + 2 * DAY)
    assert pass_list.passes() == (PASS,)


def test_nothing_of_a_person_is_in_the_clear_or_left_after_erasure(tmp_path: Path, vault: Vault) -> None:
    pass_list = PassList(tmp_path, vault)
    pass_list.add(PASS, WALL)
    pass_list.add(new("bob", (), "front", WALL, 1), WALL)
    assert not any(word in (tmp_path / FILE).read_bytes() for word in (b"alice", PASS.id.encode()))
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    pass_list.erase("alice")
    assert [one.person for one in pass_list.passes()] == ["bob"]


@pytest.mark.parametrize("content", [b"", b"x" * 40, b"[]"])
def test_a_damaged_book_accepts_nothing(tmp_path: Path, vault: Vault, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(VaultError):
        PassList(tmp_path, vault).passes()


def test_a_running_daemon_takes_up_passes_and_keys_and_accepts_nothing_while_it_cannot(
    tmp_path: Path, vault: Vault
) -> None:
    clock = FixedClock()
    rules_file = PassRulesFile(tmp_path, vault, "front", clock)

    def rules() -> PassRules:
        clock.sleep(CHECK_SECONDS)
        rules_file.refresh()
        return rules_file.rules

    assert rules() == PassRules("front", (), {})
    signing_keys.write(tmp_path, signing_keys.new((), "a", vault, 1.0))
    key = signing_keys.active(signing_keys.read(tmp_path), vault)
    assert key is not None
    text = write(PASS, key)
    assert reason(text, rules()) == "revoked"
    PassList(tmp_path, vault).add(PASS, WALL)
    assert reason(text, rules()) == "accept"
    PassList(tmp_path, vault).revoke(PASS.id)
    assert reason(text, rules()) == "revoked"
    PassList(tmp_path, vault).add(PASS, WALL)
    after = signing_keys.rotate(signing_keys.new(signing_keys.read(tmp_path), "b", vault, 1.0))
    signing_keys.write(tmp_path, after)
    assert reason(text, rules()) == "signature", "a retired key signs no pass"
    (tmp_path / FILE).write_bytes(b"x" * 40)
    assert rules() == PassRules("front", (), {})
    assert rules_file.problem is not None


@pytest.mark.parametrize("public", ["a", "\u00e9" * 44, "A" * 44, "A" * 42 + "==", "\n" * 44, "A" * 43 + "=\n", ""])
def test_a_public_key_that_is_none_is_a_problem_of_one_line(tmp_path: Path, vault: Vault, public: str) -> None:
    signing_keys.write(tmp_path, signing_keys.new((), "a", vault, 1.0))
    (record,) = signing_keys.read(tmp_path)
    signing_keys.write(tmp_path, [dataclasses.replace(record, public=public)])
    rules_file = PassRulesFile(tmp_path, vault, "front", FixedClock())
    rules_file.refresh()
    assert rules_file.rules == PassRules("front", (), {})
    assert rules_file.problem == f"{tmp_path}/keys.json: not a file of signing keys"


def test_a_pass_of_version_1_stays_readable() -> None:
    one = Pass("front", "a" * 16, "alice", ("front-door",), 1, 2)
    text = write(one, KEY)
    assert body_of(text) == b'["front","aaaaaaaaaaaaaaaa","alice",["front-door"],1,2]'
