"""Signing keys: made, rotated, sealed, and taken up by a daemon that runs."""

import base64
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edgeface.cli import main
from edgeface.core.clock import thread_cpu
from edgeface.core.errors import EdgefaceError, VaultError
from edgeface.journal.journal import Journal
from edgeface.security import signing_keys
from edgeface.security.vault import Vault, open_vault
from tests.support.clock import FixedClock


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return open_vault(tmp_path)


Run = Callable[..., str]


@pytest.fixture
def edgeface(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str, status: int = 0) -> str:
        assert main.main(["keys", *arguments, "--data", str(tmp_path)]) == status
        return "".join(capsys.readouterr())

    return run


def states(folder: Path) -> list[tuple[str, str]]:
    return [(record.kid, record.state) for record in signing_keys.read(folder)]


def made(folder: Path, vault: Vault, *kids: str) -> None:
    records: tuple[signing_keys.KeyRecord, ...] = signing_keys.read(folder)
    for kid in kids:
        records = signing_keys.new(records, kid, vault, 1_800_000_000.0)
    signing_keys.write(folder, records)


def test_the_envelope_holds_the_payload_as_it_is_and_a_signature_over_it() -> None:
    private = Ed25519PrivateKey.generate()
    payload = '{"v":1,"person":"anna-b","note":"\\u00e9 é"}'.encode()
    envelope = json.loads(signing_keys.sign(payload, "2026-11", private))
    assert set(envelope) == {"payload", "kid", "alg", "sig"}
    assert (envelope["kid"], envelope["alg"]) == ("2026-11", "ed25519")
    assert envelope["payload"].encode() == payload
    signature = base64.b64decode(envelope["sig"], validate=True)
    private.public_key().verify(signature, payload)
    with pytest.raises(InvalidSignature):
        private.public_key().verify(signature, payload + b" ")


def test_a_signature_costs_less_than_a_millisecond() -> None:
    private, payload = Ed25519PrivateKey.generate(), b"x" * 300
    took = []
    for _ in range(50):
        start = thread_cpu()
        signing_keys.sign(payload, "a", private)
        took.append(thread_cpu() - start)
    assert sorted(took)[25] < 0.001


def test_the_life_of_keys(tmp_path: Path, edgeface: Run) -> None:
    assert "no signing key (edgeface keys new)" in edgeface("show")
    edgeface("new", "--kid", "first")
    assert states(tmp_path) == [("first", "active")]
    edgeface("rotate", status=1)
    edgeface("new", "--kid", "first", status=1)
    shown = edgeface("new", "--kid", "second")
    assert states(tmp_path) == [("first", "active"), ("second", "next")]
    for record in signing_keys.read(tmp_path):
        assert f'  "{record.kid}": {record.public}\n' in shown, "both are put into the doors before the change"
    assert "keys rotate" in edgeface("new", "--kid", "third", status=1)
    shown = edgeface("rotate")
    assert states(tmp_path) == [("first", "retired"), ("second", "active")]
    assert '"first":' not in shown
    assert [record.private is None for record in signing_keys.read(tmp_path)] == [True, False]
    assert "no next key" in edgeface("rotate", status=1)
    edgeface("new", "--kid", "Third One", status=1)
    with closing(Journal(tmp_path / "journal.db")) as journal:
        rows = [json.loads(row.payload) for row in journal.unpublished(99) if row.kind == "keys"]
    assert [(row["action"], row["kid"]) for row in rows] == [("new", "first"), ("new", "second"), ("rotate", "second")]


def test_a_key_is_named_after_its_month(tmp_path: Path, edgeface: Run) -> None:
    edgeface("new")
    (kid,) = [kid for kid, _ in states(tmp_path)]
    assert len(kid) == 7
    assert kid[4] == "-"


def test_the_private_key_is_nowhere_in_the_clear(tmp_path: Path, vault: Vault) -> None:
    made(tmp_path, vault, "a")
    key = signing_keys.active(signing_keys.read(tmp_path), vault)
    assert key is not None
    raw = key.private.private_bytes_raw()
    encoded = base64.b64encode(raw)
    assert (tmp_path / signing_keys.FILE).stat().st_mode & 0o777 == 0o600
    for path in tmp_path.iterdir():
        data = path.read_bytes()
        assert raw not in data
        assert encoded not in data
        assert raw.hex().encode() not in data


def test_another_vault_does_not_open_it(tmp_path: Path, vault: Vault) -> None:
    made(tmp_path, vault, "a")
    (tmp_path / "other").mkdir()
    with pytest.raises(VaultError, match=r"keys\.private"):
        signing_keys.active(signing_keys.read(tmp_path), open_vault(tmp_path / "other"))


def change(folder: Path, **changes: Any) -> None:
    path = folder / signing_keys.FILE
    records = json.loads(path.read_bytes())
    records[0].update(changes)
    path.write_text(json.dumps(records))


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "none"},
        {"state": "live"},
        {"kid": "../a"},
        {"extra": 1},
        {"created": "now"},
        {"public": 5},
        {"kid": "b"},
        {"state": "next"},
    ],
    ids=str,
)
def test_what_is_no_file_of_keys_is_refused(tmp_path: Path, vault: Vault, changes: dict[str, Any]) -> None:
    made(tmp_path, vault, "a", "b")
    change(tmp_path, **changes)
    with pytest.raises(VaultError, match="not a file of signing keys"):
        signing_keys.read(tmp_path)


@pytest.mark.parametrize("data", [b"", b"{}", b"[", b"\xff", b"[" * 9999, b"null", b" " * 300_000])
def test_garbage_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / signing_keys.FILE).write_bytes(data)
    with pytest.raises(VaultError, match="not a file of signing keys"):
        signing_keys.read(tmp_path)


def test_a_public_key_that_is_not_the_private_ones_is_refused(tmp_path: Path, vault: Vault) -> None:
    made(tmp_path, vault, "a", "b")
    change(tmp_path, public=signing_keys.read(tmp_path)[1].public)
    with pytest.raises(VaultError, match="does not belong to its public key"):
        signing_keys.active(signing_keys.read(tmp_path), vault)


@pytest.mark.parametrize("private", [None, "", "AAAA", "nonsense!"])
def test_a_private_key_that_is_none_is_refused(tmp_path: Path, vault: Vault, private: str | None) -> None:
    made(tmp_path, vault, "a")
    change(tmp_path, private=private)
    with pytest.raises(VaultError):
        signing_keys.active(signing_keys.read(tmp_path), vault)


def test_a_running_daemon_takes_up_a_change(tmp_path: Path, vault: Vault) -> None:
    clock = FixedClock()
    signer = signing_keys.Signer(tmp_path, vault, clock)

    def kid() -> str | None:
        clock.sleep(signing_keys.CHECK_SECONDS)
        signer.refresh()
        return signer.key.kid if signer.key is not None else None

    missing = (None, "no signing key (edgeface keys new)")
    assert (kid(), signer.problem) == missing
    made(tmp_path, vault, "a")
    assert (kid(), signer.problem) == ("a", None)
    made(tmp_path, vault, "b")
    assert kid() == "a"
    signing_keys.write(tmp_path, signing_keys.rotate(signing_keys.read(tmp_path)))
    assert kid() == "b"
    (tmp_path / signing_keys.FILE).write_bytes(b"[]x")
    assert kid() is None
    assert "not a file of signing keys" in str(signer.problem)
    (tmp_path / signing_keys.FILE).unlink()
    assert (kid(), signer.problem) == missing


def test_the_file_is_not_checked_all_the_time(tmp_path: Path, vault: Vault) -> None:
    clock = FixedClock()
    signer = signing_keys.Signer(tmp_path, vault, clock)
    signer.refresh()
    made(tmp_path, vault, "a")
    clock.sleep(signing_keys.CHECK_SECONDS / 2)
    signer.refresh()
    before = signer.problem
    clock.sleep(signing_keys.CHECK_SECONDS / 2)
    signer.refresh()
    assert (before is None, signer.problem is None) == (False, True)


def test_what_is_shown_is_the_public_key(tmp_path: Path, vault: Vault) -> None:
    made(tmp_path, vault, "a")
    key, (record,) = signing_keys.active(signing_keys.read(tmp_path), vault), signing_keys.read(tmp_path)
    assert key is not None
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(record.public, validate=True))
    public.verify(key.private.sign(b"x"), b"x")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EdgefaceError, match="cannot be written"):
        signing_keys.write(tmp_path / "nowhere", ())


def test_a_time_that_no_date_can_be_made_of_is_refused(tmp_path: Path) -> None:
    records = signing_keys.new((), "a", open_vault(tmp_path), 1.0)
    signing_keys.write(tmp_path, records)
    file = tmp_path / signing_keys.FILE
    file.write_text(file.read_text().replace('"created": 1.0', '"created": 1e300'))
    with pytest.raises(VaultError):
        signing_keys.read(tmp_path)
