"""`edgeface fleet lost` with the owner's keys on the same computer: no door accepts a grant of the device any more."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from edgeface.cli.main import main
from edgeface.door.key_list import KeyList, read
from edgeface.door.verifier import GrantVerifier, Rules
from tests.support.broker import until
from tests.support.centre import SITE, Centre
from tests.support.clock import FixedClock
from tools.faults import grants

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgeface.demo.mosquitto import Mosquitto
    from edgeface.security.signing_keys import SigningKey
    from tests.support.broker import Listener

KEYS = "edgeface/doors/keys"


@pytest.fixture
def config(conninfo: str, tmp_path: Path) -> Path:
    """A centre with the site and an owner's folder, without a broker."""
    file = tmp_path / "centre.yaml"
    file.write_text(
        f"names: [localhost]\ndatabase: {{conninfo: '{conninfo}'}}\n"
        f"data: {tmp_path}/data\nkeyring: {tmp_path}/second\nowner_keys: {tmp_path}/owner\n"
    )
    (tmp_path / "owner").mkdir()
    assert main(["centre", "--config", str(file), "init"]) == 0
    assert main(["fleet", "--config", str(file), "site", SITE]) == 0
    return file


def own(tmp_path: Path, *words: str) -> None:
    """A command of the owner, in the owner's folder."""
    assert main(["keys", *words, "--data", str(tmp_path / "owner")]) == 0


def joined(conninfo: str, tmp_path: Path, device: str, *grant_keys: bytes) -> None:
    """A device that has told the centre these keys."""
    folders = tmp_path / "data" / "keyring", tmp_path / "second"
    with Centre(conninfo, folders, FixedClock(epoch=1.0)) as centre:
        centre.joined(device)
        with centre.store._database.changing() as transaction:
            transaction.execute("UPDATE devices SET grant_keys = %s WHERE device = %s", (list(grant_keys), device))


def line_of(device: grants.Device) -> str:
    return f"sign:{device.kid}:{base64.b64encode(device.public).decode()}"


def opens(keys: KeyList, device: grants.Device) -> bool:
    """Whether a door with this list opens for a grant of a device."""
    gate = GrantVerifier(Rules(grants.DOOR, keys.signing_keys(grants.DOOR)))
    return grants.opens(gate, device.grant(grants.nonce(gate.challenge(1000.0)), 100), 1000.0)


@pytest.mark.broker
def test_a_door_refuses_the_grants_of_a_lost_device(
    config: Path,
    conninfo: str,
    tmp_path: Path,
    broker: Mosquitto,
    listen: Callable[..., Listener],
    capsys: pytest.CaptureFixture[str],
) -> None:
    config.write_text(f"{config.read_text()}mqtt: {{port: {broker.port}}}\n")
    stolen, good = grants.Device(kid="stolen-1"), grants.Device(kid="good-1")
    own(tmp_path, "owner", "new", "--kid", "o1")
    # In the list, the device has another name than in the fleet: the key decides.
    for name, device in (("porch-camera", stolen), ("good", good)):
        own(tmp_path, "add", name, line_of(device), "--out", str(tmp_path / "list"))
    public = {"o1": owner_public(tmp_path)}
    before = read((tmp_path / "list").read_bytes(), public)
    assert opens(before, stolen)
    joined(conninfo, tmp_path, "front", stolen.public)
    listener = listen(broker, KEYS)
    capsys.readouterr()
    assert main(["fleet", "--config", str(config), "lost", "front"]) == 0
    out = capsys.readouterr().out
    for text in ("front: revoked", "new keys, epoch 2", "published: the broker has accepted it", "revoked: stolen-1"):
        assert text in out
    assert "edgeface keys revoke" not in out
    until(lambda: listener.payloads(KEYS))
    after = read(listener.payloads(KEYS)[-1], public)
    assert after.number > before.number
    assert not opens(after, stolen)
    assert opens(after, good)


def test_what_fails_is_told_last_with_the_command(
    config: Path, conninfo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No owner key, then no broker, then no such device: the centre's own part is done each time."""
    stolen = grants.Device(kid="stolen-1")
    joined(conninfo, tmp_path, "front", stolen.public)
    command = f"edgeface keys revoke front --data {tmp_path}/owner"
    capsys.readouterr()

    def lost() -> str:
        assert main(["fleet", "--config", str(config), "lost", "front"]) != 0
        printed = capsys.readouterr()
        assert "front: revoked" in printed.out
        assert printed.err.rstrip().endswith(command)
        return printed.err

    assert "no owner key" in lost()
    own(tmp_path, "owner", "new", "--kid", "o1")
    capsys.readouterr()
    assert "there is no mqtt" in lost()
    own(tmp_path, "add", "front", line_of(stolen), "--out", str(tmp_path / "list"))
    capsys.readouterr()
    assert "there is no mqtt" in lost()


def test_a_passphrase_opens_the_owner_s_file(
    config: Path, conninfo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stolen, words = grants.Device(kid="stolen-1"), tmp_path / "words"
    words.write_text("correct horse battery\n")
    words.chmod(0o600)
    file = ["--owner", str(tmp_path / "owner.key"), "--passphrase-file", str(words)]
    own(tmp_path, "owner", "new", "--kid", "o1", "--out", file[1], "--passphrase-file", str(words))
    own(tmp_path, "add", "front", line_of(stolen), "--out", str(tmp_path / "list"), *file)
    joined(conninfo, tmp_path, "front", stolen.public)
    capsys.readouterr()
    assert main(["fleet", "--config", str(config), "lost", "front", *file]) != 0
    assert "there is no mqtt" in capsys.readouterr().err


def owner_public(tmp_path: Path) -> bytes:
    """The owner's public key."""
    from edgeface.security import owner_key
    from edgeface.security.vault import open_vault

    key: SigningKey | None = owner_key.active_owner(tmp_path / "owner", open_vault(tmp_path / "owner"))
    assert key is not None
    return key.private.public_key().public_bytes_raw()
