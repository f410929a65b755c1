"""Sealing keys: made, rotated, sealed on the disk, and taken up by a daemon that runs."""

import base64
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from edgeface.access.factor_messages import PinFactor, SealingKey, open_factor, read_message, seal_factor
from edgeface.cli import main
from edgeface.core import yaml_reader
from edgeface.core.errors import VaultError
from edgeface.journal.journal import Journal
from edgeface.security import signing_keys
from edgeface.security.sealing_keys import SEALING, SealingKeys, usable
from edgeface.security.vault import Vault, open_vault
from tests.support.clock import FixedClock

PIN = PinFactor("1042", "4711")
NONCE = "n" * 24
Run = Callable[..., str]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return open_vault(tmp_path)


@pytest.fixture
def edgeface(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str, status: int = 0) -> str:
        assert main.main(["keys", *arguments, "--data", str(tmp_path)]) == status
        return "".join(capsys.readouterr())

    return run


def made(folder: Path, vault: Vault, *kids: str) -> None:
    records: tuple[signing_keys.KeyRecord, ...] = signing_keys.read(folder, SEALING)
    for kid in kids:
        records = signing_keys.new(records, kid, vault, 1_800_000_000.0, SEALING)
    signing_keys.write(folder, records, SEALING)


def sealed_to(folder: Path, kid: str) -> bytes:
    public = {record.kid: base64.b64decode(record.public) for record in signing_keys.read(folder, SEALING)}[kid]
    return seal_factor(PIN, SealingKey("porch", kid, public), "front", NONCE)


def opens(keys: SealingKeys, message: bytes) -> bool:
    sealed = read_message(message)
    assert sealed is not None
    private = keys.private.get(sealed.kid)
    return private is not None and open_factor(sealed, "front", private) == PIN


def test_the_life_of_sealing_keys_beside_the_signing_keys(tmp_path: Path, edgeface: Run) -> None:
    assert "seal:" not in edgeface("new", "--kid", "signs")
    edgeface("new", "--seal", "--kid", "first")
    edgeface("rotate", "--seal", status=1)
    shown = edgeface("new", "--seal", "--kid", "second")
    records = signing_keys.read(tmp_path, SEALING)
    assert [(record.kid, record.state, record.alg) for record in records] == [
        ("first", "active", "x25519"),
        ("second", "next", "x25519"),
    ]
    assert f'seal:\n  - {{device: DEVICE, kid: "second", key: {records[1].public}}}\n' in shown
    assert "keys rotate --seal" in edgeface("new", "--seal", "--kid", "third", status=1)
    edgeface("rotate", "--seal")
    assert [record.private is None for record in signing_keys.read(tmp_path, SEALING)] == [True, False]
    assert [record.kid for record in signing_keys.read(tmp_path)] == ["signs"]
    with closing(Journal(tmp_path / "journal.db")) as journal:
        rows = [json.loads(row.payload) for row in journal.unpublished(99) if row.kind == "keys"]
    assert [(row["action"], row["purpose"], row["kid"]) for row in rows] == [
        ("new", "signing", "signs"),
        ("new", "sealing", "first"),
        ("new", "sealing", "second"),
        ("rotate", "sealing", "second"),
    ]


def test_show_names_the_device_of_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"device: porch\ndata: {tmp_path}/data\ncameras: {{a: {{type: opencv, source: 0}}}}\n")
    assert main.main(["keys", "new", "--seal", "--kid", "2026-11", "--config", str(config)]) == 0
    shown = capsys.readouterr().out
    lines = shown[shown.index("seal:") :]
    (record,) = signing_keys.read(tmp_path / "data", SEALING)
    assert yaml_reader.read(lines.encode()).value == {
        "seal": [{"device": "porch", "kid": "2026-11", "key": record.public}]
    }


def test_a_running_daemon_opens_the_active_and_the_next_key_and_no_retired_one(tmp_path: Path, vault: Vault) -> None:
    clock = FixedClock()
    keys = SealingKeys(tmp_path, vault, clock)

    def refresh() -> None:
        clock.sleep(signing_keys.CHECK_SECONDS)
        keys.refresh()

    refresh()
    assert (dict(keys.private), keys.problem) == ({}, "no sealing key (edgeface keys new --seal)")
    made(tmp_path, vault, "a")
    old = sealed_to(tmp_path, "a")
    refresh()
    assert keys.problem is None
    made(tmp_path, vault, "b")
    refresh()
    assert opens(keys, old)
    assert opens(keys, sealed_to(tmp_path, "b"))
    signing_keys.write(tmp_path, signing_keys.rotate(signing_keys.read(tmp_path, SEALING), SEALING), SEALING)
    refresh()
    assert not opens(keys, old)
    assert opens(keys, sealed_to(tmp_path, "b"))
    (tmp_path / SEALING.file).write_bytes(b"[]x")
    refresh()
    assert dict(keys.private) == {}
    assert "not a file of sealing keys" in str(keys.problem)


def test_the_private_key_is_nowhere_in_the_clear_and_bound_to_its_purpose(tmp_path: Path, vault: Vault) -> None:
    made(tmp_path, vault, "a")
    records = signing_keys.read(tmp_path, SEALING)
    raw = usable(records, vault)["a"]
    assert (tmp_path / SEALING.file).stat().st_mode & 0o777 == 0o600
    for path in tmp_path.iterdir():
        data = path.read_bytes()
        assert not any(form in data for form in (raw, base64.b64encode(raw), raw.hex().encode()))
    (tmp_path / "other").mkdir()
    with pytest.raises(VaultError, match=r"sealing\.private"):
        usable(records, open_vault(tmp_path / "other"))
    with pytest.raises(VaultError):
        signing_keys.active(records, vault)


def test_a_file_of_signing_keys_is_no_file_of_sealing_keys(tmp_path: Path, vault: Vault) -> None:
    made(tmp_path, vault, "a")
    (tmp_path / SEALING.file).rename(tmp_path / signing_keys.FILE)
    with pytest.raises(VaultError, match="not a file of signing keys"):
        signing_keys.read(tmp_path)


def test_a_retired_key_opens_nothing_even_if_its_private_part_is_left(tmp_path: Path, vault: Vault) -> None:
    made(tmp_path, vault, "a", "b")
    first, second = signing_keys.read(tmp_path, SEALING)
    assert usable((first, second), vault).keys() == {"a", "b"}
    assert usable((replace(first, state="retired"), second), vault).keys() == {"b"}


@pytest.mark.parametrize("private", [None, "", "AAAA", "nonsense!"])
def test_a_private_key_that_is_none_is_refused(tmp_path: Path, vault: Vault, private: str | None) -> None:
    made(tmp_path, vault, "a")
    path = tmp_path / SEALING.file
    records = json.loads(path.read_bytes())
    records[0]["private"] = private
    path.write_text(json.dumps(records))
    with pytest.raises(VaultError):
        usable(signing_keys.read(tmp_path, SEALING), vault)
