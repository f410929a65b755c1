from pathlib import Path

import pytest

from edgeface.centre import settings
from edgeface.core.errors import ConfigError

REFERENCE = Path(__file__).parents[2] / "packages" / "centre" / "centre.yaml"


def test_the_reference_is_right_and_has_every_key() -> None:
    found = settings.load(REFERENCE)
    text = REFERENCE.read_text()
    parts = {
        "": found,
        "database": found.database,
        "devices": found.devices,
        "admins": found.admins,
        "search": found.search,
    }
    for section, part in parts.items():
        for key in type(part).model_fields:
            assert f"{key}:" in text, (section, key)


def test_the_broker_of_the_reference_is_a_valid_one() -> None:
    lines = REFERENCE.read_text().partition("#mqtt:\n")[2].partition("\n\n")[0].splitlines()
    section = "\n".join(line.removeprefix("#") for line in lines)
    found = settings.parse(f"names: [a]\nmqtt:\n{section}\n".encode(), "centre.yaml")
    assert found.mqtt is not None
    assert found.mqtt.tls is not None
    assert (found.mqtt.host, found.mqtt.port) == ("mqtt.example.org", 8883)


def test_what_is_commented_out_in_the_reference_is_the_default() -> None:
    import re

    text = re.sub(r"^( *)#(\w+: .*)$", r"\1\2", REFERENCE.read_text(), flags=re.MULTILINE)
    for line in ("password_file", "password_env", "password_credential", "passphrase_file", "passphrase_env",
                 "passphrase_credential", "tls", "balancer", "model", "owner_keys"):  # fmt: skip
        text = re.sub(rf"^ *{line}: .*\n", "", text, flags=re.MULTILINE)
    assert settings.parse(text.encode(), "centre.yaml") == settings.load(REFERENCE)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "centre.yaml:1: empty or not a list of keys"),
        ("data: /a", "centre.yaml:1: names: missing"),
        ("names: []", "centre.yaml:1: names:"),
        ("names: [https://x]", "centre.yaml:1: names.0: an address with ://"),
        (
            "names: [a]\ndatabase: {conninfo: 'host=x password=secret'}",
            "centre.yaml:2: database.conninfo: has a password",
        ),
        (
            "names: [a]\ndatabase: {conninfo: 'secret secret'}",
            "centre.yaml:2: database.conninfo: not a connection string",
        ),
        ("names: [a]\ndatabase:\n  password_file: /a\n  password_env: B", "centre.yaml:2: database: give one of"),
        ("names: [a]\npassphrase_file: /a\npassphrase_env: B", "centre.yaml:1: the file: give one of passphrase_file"),
        ("names: [a]\ndata: here", "centre.yaml:2: data: should be an absolute path"),
        ("names: [a]\ndata: /x\nkeyring: /x/", "keyring should not be data or inside it"),
        ("names: [a]\ndata: /x\nkeyring: /x/y", "keyring should not be data or inside it"),
        ("names: [a]\nlease_days: 0", "centre.yaml:2: lease_days:"),
        ("names: [a]\nlease_days: 60", "history_days should be more than lease_days"),
        ("names: [a]\ndevices: {port: 70000}", "centre.yaml:2: devices.port:"),
        ("names: [a]\nmqtt: {host: mqtt.example.org}", "centre.yaml:2: mqtt: plaintext to mqtt.example.org"),
        ("names: [a]\nmqtt:\n  hosts: x", "centre.yaml:3: mqtt.hosts: unknown key"),
        ("names: [a]\nadmins:\n  proxies: []", "centre.yaml:3: admins.proxies: unknown key"),
    ],
)
def test_each_mistake_is_named_with_its_line(text: str, mistake: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.parse(text.encode(), "centre.yaml")
    assert mistake in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_password_of_the_database_is_in_no_setting(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("it's secret\n")
    (tmp_path / "password").chmod(0o600)
    found = settings.parse(f"names: [a]\ndatabase: {{password_file: {tmp_path}/password}}".encode(), "centre.yaml")
    assert "secret" not in repr(found)
    assert found.database.open_conninfo() == r"dbname=edgeface password='it\'s secret'"
    (tmp_path / "password").unlink()
    with pytest.raises(ConfigError, match="password of the database cannot be read"):
        found.database.open_conninfo()
