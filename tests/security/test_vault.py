from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.core.errors import VaultError
from edgeface.security.vault import CREDENTIAL, FILE, MARK, Vault, VaultKey, find_key, open_vault, parse

SECRET = bytes(range(32))


def vault() -> Vault:
    return Vault(VaultKey("file", SECRET))


@given(st.binary(max_size=300))
def test_what_is_sealed_opens_again_and_shows_nothing(plain: bytes) -> None:
    sealed = vault().seal(plain, "gallery.person")
    assert vault().unseal(sealed, "gallery.person") == plain
    assert len(plain) < 4 or plain not in sealed


@given(st.integers(0, 8 * 44 - 1))
def test_a_flipped_bit_is_noticed(bit: int) -> None:
    sealed = bytearray(vault().seal(b"sixteen bytes it", "x"))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VaultError, match="altered"):
        vault().unseal(bytes(sealed), "x")


def test_what_was_sealed_as_one_thing_does_not_open_as_another() -> None:
    with pytest.raises(VaultError):
        vault().unseal(vault().seal(b"alice", "gallery.person"), "journal.row")


def test_another_key_opens_nothing_and_tags_otherwise() -> None:
    other = Vault(VaultKey("file", SECRET[::-1]))
    assert other.tag("alice") != vault().tag("alice")
    assert other.id != vault().id
    with pytest.raises(VaultError, match=vault().id):
        vault().unseal(other.seal(b"alice", "x"), "x")


def test_links_hang_on_the_key_on_the_one_before_and_on_where_parts_end() -> None:
    link = vault().link
    assert link(b"a", b"b") != Vault(VaultKey("file", b"k" * 32)).link(b"a", b"b")
    assert link(b"a", b"b") != link(b"", b"b")
    assert link(b"a", b"bc", b"d") != link(b"a", b"b", b"cd")


def test_a_new_folder_gets_a_key_of_mode_600_and_keeps_it(tmp_path: Path) -> None:
    first, again = open_vault(tmp_path / "data"), open_vault(tmp_path / "data")
    assert first.tier == "file"
    assert first.id == again.id
    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()} == {
        FILE: 0o600,
        MARK: 0o600,
    }
    assert "secret" not in repr(find_key(tmp_path / "data"))


def test_a_lost_key_is_not_replaced(tmp_path: Path) -> None:
    known = open_vault(tmp_path).id
    (tmp_path / FILE).unlink()
    with pytest.raises(VaultError, match=f"key {known} is missing"):
        open_vault(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [MARK]


def test_another_key_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    open_vault(tmp_path)
    (tmp_path / FILE).write_bytes(VaultKey("file", SECRET).text())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(VaultError, match="sealed with key"):
        open_vault(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("tier", ["tpm2", "host", "credential"])
def test_a_credential_says_whose_custody_it_is_in(tmp_path: Path, tier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given_folder = tmp_path / "credentials"
    given_folder.mkdir()
    (given_folder / CREDENTIAL).write_bytes(VaultKey(tier, SECRET).text())  # type: ignore[arg-type]
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given_folder))
    data = tmp_path / "data"
    data.mkdir()
    assert open_vault(data).tier == tier
    assert not (data / FILE).exists()
    # A copy beside the data is what a thief would take.
    (data / FILE).write_bytes(VaultKey("file", SECRET).text())
    assert open_vault(data).tier == "file"


@pytest.mark.parametrize(
    "line",
    [b"", b"x", b"edgeface-key-1:file:AAAA", b"edgeface-key-2:file:" + b"A" * 43 + b"=", b"\xff\xfe", b"a:b:c:d"],
)
def test_what_is_no_key_is_refused_without_showing_it(line: bytes) -> None:
    with pytest.raises(VaultError, match="not an edgeface key"):
        parse(line, Path("key"))


def test_a_key_that_is_a_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(VaultError, match="cannot be used"):
        open_vault(tmp_path)


def test_a_key_that_another_process_makes_meanwhile_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(folder: Path) -> None:
        monkeypatch.undo()
        open_vault(folder)

    monkeypatch.setattr("edgeface.security.vault.find_key", late)
    assert open_vault(tmp_path).id == open_vault(tmp_path).id
