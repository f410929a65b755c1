"""How a device joins, and what refuses: one line and an exit status each."""

from __future__ import annotations

import io
import json
import socket
from typing import TYPE_CHECKING

import pytest

from edgeface.cli import main
from edgeface.config.configuration import Configuration
from edgeface.faces.embedder import embedder_name
from edgeface.fleet import join_code
from edgeface.security.vault import open_vault
from tests.support.embeddings import unit
from tests.support.fleet import SmallCentre

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet_device import Device

CAMERA = "cameras: {porch: {type: opencv, source: 0}}\n"


def configured(tmp_path: Path, more: str = "") -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(f"device: front\ndata: {tmp_path / 'data'}\n{CAMERA}{more}")
    return path


def fleet(config: Path, *words: str) -> int:
    return main.main(["fleet", *words, "--config", str(config)])


def test_a_device_joins_once(tmp_path: Path, small: SmallCentre, capsys: pytest.CaptureFixture[str]) -> None:
    config = configured(tmp_path)
    assert fleet(config, "join", small.url, small.code()) == 0
    out = capsys.readouterr().out
    assert "front: joined" in out
    assert f"fleet: {{centres: [{small.url}]}}" in out
    assert fleet(config, "join", small.url, small.code()) == 69
    assert "already joined" in capsys.readouterr().err
    assert fleet(config, "join", small.url, small.code().lower().replace("-", ""), "--again") == 0


def test_the_code_is_read_from_standard_input(
    tmp_path: Path, small: SmallCentre, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(tmp_path)
    for typed, status in (("", 69), ("ABCD\n", 69), (f"{small.code()}\n", 0)):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        assert fleet(config, "join", small.url) == status
    printed = capsys.readouterr()
    assert printed.err.count("not a join code") == 2
    assert "front: joined" in printed.out


def test_no_private_key_lies_open_on_the_disk(device: Device) -> None:
    from contextlib import closing

    from edgeface.fleet.device.fleet_file import FleetFile

    with closing(FleetFile(device.data, open_vault(device.data))) as file:
        identity = file.identity()
    assert identity is not None
    keys = identity.keys
    for path in device.data.iterdir():
        data = path.read_bytes()
        assert path.name == "key.id" or path.stat().st_mode & 0o077 == 0
        for secret in (keys.tls[36:68], keys.sealing, keys.receipt):
            assert secret not in data


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("join",), 2, "give the centre's URL, and the code when asked"),
        (("join", "http://centre", "CODE"), 2, "should be https://"),
        (("join", "https://centre:8444/path", "CODE"), 2, "should be https://"),
        (("join", "https://127.0.0.1:1", "ABCD"), 69, "not a join code"),
        (("status", "now"), 2, "no further words"),
        (("status",), 69, "has not joined"),
    ],
)
def test_what_is_refused_without_a_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], status: int, said: str
) -> None:
    assert fleet(configured(tmp_path), *words) == status
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_code_that_was_used_is_refused(
    tmp_path: Path, small: SmallCentre, capsys: pytest.CaptureFixture[str]
) -> None:
    code = small.code()
    small.codes.clear()
    assert fleet(configured(tmp_path), "join", small.url, code) == 69
    error = capsys.readouterr().err
    assert "not joined: the centre refuses (410): the code is unknown, used or too old" in error
    assert code not in error
    assert fleet(configured(tmp_path), "status") == 69


def test_the_secret_is_not_sent_to_another_centre(
    tmp_path: Path, small: SmallCentre, capsys: pytest.CaptureFixture[str]
) -> None:
    other = SmallCentre(tmp_path / "other", embedder_name(Configuration().embedder.model))
    code = other.code()
    assert fleet(configured(tmp_path), "join", small.url, code) == 69
    assert "not the centre that made this code: the code was not sent" in capsys.readouterr().err
    assert small.asked == []


def test_a_server_that_only_shows_the_authority_gets_no_secret(tmp_path: Path, small: SmallCentre) -> None:
    """Whoever knows the authority's certificate can show it, but not a certificate that it has signed."""
    mimic = SmallCentre(tmp_path / "mimic", small.model)
    mimic.shown = small.authority
    with mimic.serving():
        assert fleet(configured(tmp_path), "join", mimic.url, small.code()) == 69
        assert mimic.asked == []


def test_no_network_is_one_line(tmp_path: Path, small: SmallCentre, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert fleet(configured(tmp_path), "join", f"https://127.0.0.1:{port}", small.code()) == 69
    error = capsys.readouterr().err
    assert "cannot be reached (Connection refused)" in error
    assert len(error.splitlines()) == 1


def test_status_names_people_only_to_whoever_runs_it(
    tmp_path: Path, device: Device, capsys: pytest.CaptureFixture[str]
) -> None:
    device.enroll("alice", 9)
    device.centre.put("alice", unit(1))
    device.centre.put("bob", unit(2))
    device.done(2)
    config = configured(tmp_path)
    assert fleet(config, "status") == 0
    out = capsys.readouterr().out
    assert "house: 1 person, change 2" in out
    assert "alice: the centre has someone with this id" in out
    assert fleet(config, "status", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["sites"]["house"]["seq"] == 2
    assert "alice" not in json.dumps(facts)


def test_a_certificate_is_renewed_after_two_thirds_of_its_time(device: Device) -> None:
    with device.opened() as (follower, book, applier):
        before = book.file.identity()
        assert before is not None
        device.clock.epoch = before.ends - 25 * 86_400
        follower.round(book, applier)
        assert "POST renew" not in device.centre.asked
        device.clock.epoch = before.ends - 5 * 86_400
        follower.round(book, applier)
        follower.round(book, applier)
        after = book.file.identity()
    assert device.centre.asked.count("POST renew") >= 1
    assert after is not None
    assert after.certificate != before.certificate


def test_a_site_that_the_device_no_longer_follows_leaves_no_one(device: Device) -> None:
    device.centre.put("alice", unit(1))
    device.done()
    device.enroll("zoe", 9)
    device.done()
    device.centre.site, device.centre.people, device.centre.seq = "annex", {}, 0
    device.centre.put("bob", unit(2))
    device.join(again=True)
    with device.opened() as (follower, book, applier):
        follower.round(book, applier)
        follower.round(book, applier)
        assert follower.problems == ()
        assert set(book.sites) == {"annex"}
    assert device.stored == {"bob", "zoe"}
    assert [one.person for one, facts in device.centre.proposals if facts is not None and facts.id == "zoe"]


def test_a_code_is_for_one_authority(small: SmallCentre) -> None:
    code = join_code.parse(small.code())
    assert code.names(code.fingerprint)
    assert not code.names(bytes(10))
