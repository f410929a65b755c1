import ssl
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edgeface.core.errors import BrokerError, ConfigError
from edgeface.mqtt.client import tls_context
from edgeface.mqtt.settings import Mqtt, Tls, is_loopback, require_safe
from edgeface.security.secret_sources import password


def a_broker(**options: Any) -> Mqtt:
    return Mqtt.model_construct(**{**Mqtt().model_dump(), "username": "front", **options})


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)
    require_safe(a_broker(host=host))


@pytest.mark.parametrize("host", ["localhost.evil.example", "10.0.0.1", "127.0.0.1.nip.io", "::", "0.0.0.0"])  # noqa: S104
def test_another_machine_needs_tls(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigError, match="plaintext"):
        require_safe(a_broker(host=host))
    require_safe(a_broker(host=host, tls=Tls()))
    require_safe(a_broker(host=host, insecure=True))
    with pytest.raises(ValidationError, match="plaintext"):
        Mqtt(host=host)


def test_a_password_is_the_first_line_of_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "secret"
    file.write_text("pa ss\u00e9\r\nnext\n", newline="")
    file.chmod(0o600)
    assert password(a_broker(password_file=file)) == "pa ss\u00e9"
    assert not caplog.records
    file.chmod(0o644)
    password(a_broker(password_file=file))
    assert "is open to every user" in caplog.text
    assert "pa ss" not in caplog.text


def test_a_password_file_of_a_windows_editor(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"\xef\xbb\xbfhunter2\r\n")
    file.chmod(0o600)
    assert password(a_broker(password_file=file)) == "hunter2"
    file.write_bytes("hunter2\r\n".encode("utf-16"))
    with pytest.raises(BrokerError, match="is UTF-16; save it again as UTF-8") as caught:
        password(a_broker(password_file=file))
    assert "hunter2" not in str(caught.value)
    file.write_bytes(b"\xef\xbb\xbf\r\nsecond line\r\n")
    with pytest.raises(BrokerError, match="is empty or too long"):
        password(a_broker(password_file=file))


def test_a_password_from_the_environment_or_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mqtt").write_text("from systemd\n")
    (tmp_path / "mqtt").chmod(0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("MQTT_SECRET", "from environment")
    assert password(a_broker(password_credential="mqtt")) == "from systemd"  # noqa: S106 - a name
    assert password(a_broker(password_env="MQTT_SECRET")) == "from environment"  # noqa: S106 - a name
    assert password(a_broker()) is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"password_file": Path("/nowhere/secret")}, "No such file"),
        ({"password_env": "EDGEFACE_NO_SUCH"}, "environment has no"),
        ({"password_credential": "mqtt"}, "LoadCredential"),
    ],
)
def test_a_missing_password_is_reported(options: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(BrokerError, match=says):
        password(a_broker(**options))


@pytest.mark.parametrize("name", ["../mqtt", "..", "/etc/passwd", "", "a\n"])
def test_a_credential_stays_in_its_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(BrokerError):
        password(a_broker(password_credential=name))


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 70_000, b"\xff\xfe\n"])
def test_a_file_that_is_no_password(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(BrokerError, match="cannot be used"):
        password(a_broker(password_file=file))


def test_tls_is_strict(tmp_path: Path) -> None:
    context = tls_context(Tls())
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(BrokerError, match=r"ca\.pem"):
        tls_context(Tls(ca=tmp_path / "ca.pem"))
