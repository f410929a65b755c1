"""What a device says when the centre refuses it, or is another centre."""

from __future__ import annotations

import ssl
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from edgeface.centre.authority import Authority
from edgeface.centre.lost import lose
from edgeface.cli.main import main
from edgeface.config.configuration import Configuration, Fleet
from edgeface.fleet.device.client import AwayError, CentreClient, reason
from edgeface.fleet.messages import Rows
from tests.centre.test_a_device import RealCentre
from tests.support.centre_server import SITE, Running
from tests.support.fleet_device import Device

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.fleet.device.identity import DeviceIdentity


@pytest.fixture
def device(tmp_path: Path, running: Running) -> Device:
    centre = RealCentre(running)
    settings = Configuration(device="front", data=tmp_path / "device", fleet=Fleet(centres=(centre.url,)))
    made = Device(settings, running.clock, centre)
    made.join()
    centre.put("alice", 1)
    made.done()
    return made


@pytest.fixture
def foreign(tmp_path: Path, running: Running) -> Authority:
    """The authority of another centre."""
    (tmp_path / "foreign").mkdir()
    return Authority.create(tmp_path / "foreign", running.clock)


def identity(device: Device) -> DeviceIdentity:
    with device.opened() as (_, book, __):
        found = book.file.identity()
        assert found is not None
        return found


def away(device: Device, changed: DeviceIdentity) -> str:
    """Why the centre cannot be reached with an identity."""
    with closing(CentreClient([device.centre.url], changed.context())) as client:
        with pytest.raises(AwayError) as raised:
            client.get(f"/sites/{SITE}/snapshot?model={device.model}", Rows)
        return str(raised.value)


def test_a_device_that_was_declared_lost_says_so(
    device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"device: front\ndata: {device.data}\ncameras: {{porch: {{type: opencv, source: 0}}}}\n")
    assert main(["fleet", "status", "--config", str(path)]) == 0
    assert "refuses" not in capsys.readouterr().out
    lose(device.centre.store, "front", "admin")
    assert "this device was revoked" in str(device.rounds().problems)
    assert main(["fleet", "status", "--config", str(path)]) == 0
    said = capsys.readouterr().out
    assert "the centre refuses this device: it was declared lost, revoked, or is not known there any more" in said
    assert device.matched == {"alice"}
    device.join(again=True)
    device.done(2)
    assert main(["fleet", "status", "--config", str(path)]) == 0
    assert "refuses" not in capsys.readouterr().out


def test_a_certificate_of_another_centre_is_named(device: Device, foreign: Authority) -> None:
    own = identity(device)
    made = foreign.device("front", own.keys.request("front")).public_bytes(serialization.Encoding.PEM).decode()
    assert "the certificate of this device" in away(device, own.model_copy(update={"certificate": made}))


def test_another_centre_at_the_address_is_named(device: Device, foreign: Authority) -> None:
    told = away(device, identity(device).model_copy(update={"authority": foreign.pem}))
    assert "it presents a certificate of another authority: not the centre that was joined" in told


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("TLSV1_ALERT_UNKNOWN_CA", "it refuses the certificate of this device"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "it refuses the certificate of this device"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "it refuses the certificate of this device"),
        ("WRONG_VERSION_NUMBER", "it does not speak TLS"),
    ],
)
def test_the_errors_of_tls_are_words(name: str, word: str) -> None:
    error = ssl.SSLError(1, f"[SSL: {name}] something")
    error.reason = name
    assert word in reason(error)
