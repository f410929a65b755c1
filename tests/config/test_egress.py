import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgeface.cli import main
from edgeface.cli.setup import egress as cli_egress
from edgeface.config import egress, loader
from edgeface.config.egress import Peer
from edgeface.core.errors import BrokerError, CameraError

UNITS = Path(__file__).parents[2] / "systemd"
ANALYSE = shutil.which("systemd-analyze")
UNKNOWN_HOST = "no-such-host.invalid"


def of(text: str, tmp_path: Path, resolvers: str = "") -> tuple[Peer, ...]:
    file = tmp_path / "resolv.conf"
    file.write_text(resolvers)
    return egress.peers(loader.parse(text.encode(), "config.yaml"), file)


def test_loopback_suffices_where_nothing_else_is_needed(tmp_path: Path) -> None:
    text = "cameras: {porch: {type: opencv, source: 0}}\nmqtt: {host: 127.0.0.1}\n"
    found = of(text, tmp_path, "nameserver 9.9.9.9\n")
    assert found == (Peer("broker", "127.0.0.1", ()),)
    lines = cli_egress.drop_in(found).splitlines()
    assert [line for line in lines if line.startswith("IPAddress")] == [
        "IPAddressDeny=",
        "IPAddressDeny=any",
        "IPAddressAllow=",
        "IPAddressAllow=localhost",
    ]
    assert "# broker: 127.0.0.1, on this machine" in lines


def test_a_page_that_others_may_open_lets_the_private_networks_in(tmp_path: Path) -> None:
    text = "cameras: {porch: {type: opencv, source: 0}}\nweb: {host: 192.168.1.5, insecure: true}\n"
    (peer,) = found = of(text, tmp_path)
    assert peer.what == "browsers"
    assert {"192.168.0.0/16", "fc00::/7"} <= set(peer.addresses)
    assert not {"127.0.0.0/8", "::1/128"} & set(peer.addresses)
    assert "IPAddressAllow=192.168.0.0/16" in cli_egress.drop_in(found).splitlines()
    assert egress.outside(found) == ()
    assert of(text.replace("192.168.1.5", "127.0.0.1"), tmp_path) == ()


def test_every_network_camera_and_the_broker_are_let_through_and_nobody_else(tmp_path: Path) -> None:
    text = """
cameras:
  yard: {type: opencv, source: "rtsp://viewer:pass%40word@192.168.1.20:554/secret"}
  gate: {type: gstreamer, preset: rtsp, url: "rtsp://viewer:pw@[fd00::7]:554/secret"}
  own: {type: gstreamer, pipeline: "souphttpsrc location=http://u:pw@10.1.2.3/secret ! multipartdemux ! jpegdec"}
  desk: {type: opencv, source: /dev/video0}
  clip: {type: replay, path: clip.mp4}
mqtt: {host: 192.0.2.9, tls: {}}
"""
    found = of(text, tmp_path, "nameserver 9.9.9.9\n")
    assert [(peer.what, peer.addresses) for peer in found] == [
        ("broker", ("192.0.2.9",)),
        ("camera yard", ("192.168.1.20",)),
        ("camera gate", ("fd00::7",)),
        ("camera own", ("10.1.2.3",)),
    ]
    written = cli_egress.drop_in(found)
    assert not re.search("secret|viewer|pass|pw", written)
    assert re.findall(r"^IPAddressAllow=([0-9a-f].*)", written, re.MULTILINE) == [
        "192.0.2.9",
        "192.168.1.20",
        "fd00::7",
        "10.1.2.3",
    ]
    assert [peer.what for peer in egress.outside(found)] == ["broker"]


def test_resolvers_are_let_through_where_names_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("192.168.1.9", 0))])
    resolvers = (
        "# made by dhcpcd\nnameserver 192.168.1.1\nnameserver fe80::1%eth0\nnameserver 127.0.0.53\nsearch home\n"
    )
    text = "cameras: {porch: {type: opencv, source: 0}}\nmqtt: {host: mqtt.home, tls: {}}\n"
    found = of(text, tmp_path, resolvers)
    assert found == (
        Peer("broker", "mqtt.home", ("192.168.1.9",)),
        Peer("resolver", "192.168.1.1", ("192.168.1.1",)),
        Peer("resolver", "fe80::1%eth0", ("fe80::1",)),
        Peer("resolver", "127.0.0.53", ()),
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f"cameras: {{porch: {{type: opencv, source: 0}}}}\nmqtt: {{host: {UNKNOWN_HOST}, tls: {{}}}}\n", BrokerError),
        (f'cameras: {{porch: {{type: opencv, source: "rtsp://u:secret@{UNKNOWN_HOST}/secret"}}}}\n', CameraError),
        ('cameras: {porch: {type: gstreamer, pipeline: "x location=rtsp://secret@[::/secret"}}\n', CameraError),
    ],
)
def test_an_address_that_cannot_be_had_is_an_error_and_no_hole(
    tmp_path: Path, text: str, error: type[Exception]
) -> None:
    with pytest.raises(error) as raised:
        of(text, tmp_path)
    assert "secret" not in str(raised.value)


def test_the_verb_prints_it_or_writes_it_for_everybody_to_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("cameras: {porch: {type: opencv, source: 0}}\nmqtt: {host: 192.168.1.9, tls: {}}\n")
    assert main.main(["egress", "--config", str(file)]) == 0
    printed = capsys.readouterr().out
    out = tmp_path / "edgeface.service.d" / "egress.conf"
    assert main.main(["egress", "--config", str(file), "--write", str(out)]) == 0
    said = capsys.readouterr().out
    assert out.read_text() == printed
    assert out.stat().st_mode & 0o777 == 0o644
    assert "systemctl daemon-reload && systemctl restart edgeface" in said
    assert [path.name for path in out.parent.iterdir()] == ["egress.conf"]


def test_a_door_has_one_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "door.yaml"
    key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    file.write_text(
        f'door: front\nkeys: {{k: "{key}"}}\nrelay: {{type: log}}\nmqtt: {{host: 192.168.1.9, tls: {{}}}}\n'
    )
    assert main.main(["egress", "--door", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "edgeface-door.service" in printed
    assert "IPAddressAllow=192.168.1.9\n" in printed


def test_a_relay_with_a_web_server_is_a_peer_of_its_door(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "door.yaml"
    key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    relay = "{type: http, device: tasmota, url: 'http://192.168.1.40', insecure: true}"
    file.write_text(f'door: front\nkeys: {{k: "{key}"}}\nrelay: {relay}\nmqtt: {{host: 127.0.0.1}}\n')
    assert main.main(["egress", "--door", str(file)]) == 0
    assert "IPAddressAllow=192.168.1.40\n" in capsys.readouterr().out


def test_a_place_that_cannot_be_written_is_reported_with_what_helps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("cameras: {porch: {type: opencv, source: 0}}\n")
    assert main.main(["egress", "--config", str(file), "--write", "/proc/none/egress.conf"]) == 1
    assert "sudo edgeface egress" in capsys.readouterr().err


@pytest.mark.skipif(ANALYSE is None, reason="systemd-analyze is missing")
@pytest.mark.parametrize("unit", ["edgeface", "edgeface-door"])
def test_systemd_finds_nothing_wrong_with_a_unit_and_its_drop_in(tmp_path: Path, unit: str) -> None:
    folder = tmp_path / f"{unit}.service.d"
    folder.mkdir()
    text = (UNITS / f"{unit}.service").read_text()
    (tmp_path / f"{unit}.service").write_text(re.sub(r"^ExecStart=.*", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    (folder / "egress.conf").write_text(
        cli_egress.drop_in((Peer("broker", "mqtt.home", ("192.168.1.9", "fd00::7")),), unit)
    )
    command = [str(ANALYSE), "verify", "--man=no", "--recursive-errors=no", str(tmp_path / f"{unit}.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert unit not in done.stderr, done.stderr


@pytest.mark.skipif(ANALYSE is None, reason="systemd-analyze is missing")
@pytest.mark.parametrize("unit", ["edgeface", "edgeface-door"])
def test_a_unit_exposes_little(unit: str) -> None:
    command = [
        str(ANALYSE),
        "security",
        "--offline=true",
        "--threshold=20",
        "--no-pager",
        str(UNITS / f"{unit}.service"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "Overall exposure level" in done.stdout
    assert done.returncode == 0, done.stdout[-200:]


@pytest.mark.parametrize("unit", ["edgeface", "edgeface-door"])
def test_a_unit_lets_nothing_out_to_the_internet(unit: str) -> None:
    text = (UNITS / f"{unit}.service").read_text()
    assert "\nIPAddressDeny=any\n" in text
    allowed = re.findall(r"^IPAddressAllow=(.*)$", text, re.MULTILINE)
    assert set(" ".join(allowed).replace("localhost", "127.0.0.0/8 ::1/128").split()) == set(
        map(str, egress.UNIT_ALLOWS)
    )
