"""The key's custody, with the real systemd-creds where there is one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edgeface.cli import main
from edgeface.cli import vault as cli_vault
from edgeface.core.errors import GalleryError
from edgeface.security.vault import VaultKey, open_vault, parse


def vault(tmp_path: Path, *arguments: str) -> int:
    config, data = str(tmp_path / "none.yaml"), str(tmp_path / "data")
    return main.main(["vault", arguments[0], "--config", config, "--data", data, *arguments[1:]])


def host_key() -> bool:
    """Whether systemd-creds works here; it makes the host's key when there is none yet."""
    found = shutil.which("systemd-creds")
    return found is not None and os.geteuid() == 0 and subprocess.run([found, "setup"], check=False).returncode == 0


def tpm() -> bool:
    found = shutil.which("systemd-creds")
    return found is not None and subprocess.run([found, "-q", "has-tpm2"], check=False).returncode == 0


def test_no_key_is_made_by_looking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vault(tmp_path, "show") == 0
    assert "no key yet" in capsys.readouterr().out
    assert not (tmp_path / "data").exists()


def test_custody_is_shown_and_the_key_never(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opened = open_vault(tmp_path / "data")
    assert vault(tmp_path, "show") == 0
    out = capsys.readouterr().out
    assert f"key {opened.id}, custody file: next to the data: obfuscation only" in out
    secret = (tmp_path / "data" / "key").read_text().strip().rpartition(":")[2]
    assert secret not in out
    (tmp_path / "data" / "key").unlink()
    assert vault(tmp_path, "show") == 78
    assert f"key {opened.id} is missing" in capsys.readouterr().err


@pytest.mark.skipif(not host_key(), reason="needs root and a systemd-creds that works")
def test_a_key_sealed_to_the_host_opens_the_folder_without_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = tmp_path / "data", tmp_path / "credstore" / "edgeface-key"
    sealed = open_vault(data).seal(b"alice", "test")
    key = parse((data / "key").read_bytes(), data / "key")
    assert vault(tmp_path, "seal", "--with", "host", "--out", str(out)) == 0
    said = capsys.readouterr().out
    assert f"LoadCredentialEncrypted=edgeface-key:{out}" in said
    assert "until then custody is file" in said
    assert out.stat().st_mode & 0o777 == 0o600
    assert key.text().split(b":")[2].strip() not in out.read_bytes() + said.encode()
    # What systemd does with the unit's line.
    given = tmp_path / "credentials"
    given.mkdir()
    command = ["/usr/bin/systemd-creds", "decrypt", "--name=edgeface-key", str(out), str(given / "edgeface-key")]
    subprocess.run(command, check=True, capture_output=True)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    assert open_vault(data).tier == "file"
    (data / "key").unlink()
    opened = open_vault(data)
    assert opened.tier == "host"
    assert opened.unseal(sealed, "test") == b"alice"
    assert vault(tmp_path, "show") == 0
    assert "custody host: sealed to a key on the same disk: obfuscation only" in capsys.readouterr().out
    assert vault(tmp_path, "seal", "--with", "host", "--out", str(out)) == 1
    assert "already exists" in capsys.readouterr().err


@pytest.mark.skipif(tpm() or not host_key(), reason="this machine has a TPM, or no systemd-creds")
def test_no_tpm_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sealed"
    open_vault(tmp_path / "data")
    assert vault(tmp_path, "seal", "--with", "tpm2", "--out", str(out)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "without a TPM, use --with host" in line
    assert not out.exists()


@pytest.mark.skipif(not tpm(), reason="needs a TPM 2 that systemd can use")
def test_a_key_sealed_to_the_tpm_is_opened_again() -> None:
    assert len(cli_vault.seal(VaultKey("file", bytes(32)), "tpm2")) > 32


def test_no_systemd_creds_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GalleryError, match="systemd-creds is missing: it comes with systemd 250"):
        cli_vault.seal(VaultKey("file", bytes(32)), "host")


def test_what_systemd_creds_gives_back_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    false = tmp_path / "systemd-creds"
    false.write_text("#!/bin/sh\necho something else\n")
    false.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(GalleryError, match="did not decrypt what it had encrypted"):
        cli_vault.seal(VaultKey("file", bytes(32)), "host")


def test_seal_without_saying_with_what_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vault(tmp_path, "seal") == 2
    assert "--with tpm2" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keeps = tmp_path / "systemd-creds"
    keeps.write_text("#!/bin/sh\nexec cat\n")
    keeps.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert vault(tmp_path, "seal", "--with", "host", "--out", "/proc/none/edgeface-key") == 1
    assert "/proc/none/edgeface-key: cannot be written" in capsys.readouterr().err
