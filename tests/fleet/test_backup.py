"""A backup of a device is no second device, and brings back no one of the centre."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from edgeface.cli.main import main
from edgeface.people import trace_search
from tests.support.embeddings import unit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet_device import Device


def backup(device: Device, path: Path) -> Path:
    assert main(["backup", "--data", str(device.data), str(path)]) == 0
    return path


def restore(device: Device, path: Path, *more: str) -> None:
    assert main(["restore", "--data", str(device.data), str(path), *more]) == 0


@pytest.fixture
def saved(device: Device, tmp_path: Path) -> Path:
    """A backup of a device with alice and bob of the centre and zoe of its own; bob was forgotten since."""
    device.enroll("zoe", 9)
    device.centre.put("alice", unit(1), person=b"a" * 16)
    device.centre.put("bob", unit(2), person=b"b" * 16)
    device.done(2)
    path = backup(device, tmp_path / "first.backup")
    assert device.matched == {"alice", "bob", "zoe"}
    device.centre.forget(b"b" * 16)
    device.done()
    return path


@pytest.mark.parametrize("lost", [(), ("--lost",)])
def test_after_a_restore_the_centre_says_again_who_is_matched(
    device: Device, saved: Path, lost: tuple[str, ...]
) -> None:
    if lost:
        (device.data / "gallery.db").unlink()
    restore(device, saved, *lost)
    assert device.stored == {"zoe"}
    device.done(2)
    assert device.matched == {"alice", "zoe"}
    # Neither was anyone forgotten here, nor enrolled.
    assert device.centre.proposals == []
    device.centre.put("carol", unit(3))
    device.done()
    assert device.matched == {"alice", "carol", "zoe"}


def test_who_was_forgotten_here_is_still_proposed_and_does_not_come_back(device: Device, saved: Path) -> None:
    device.centre.refuse["proposals"] = 503
    with device.gallery() as gallery:
        gallery.remove(["alice"])
    device.rounds()
    restore(device, saved)
    device.centre.refuse.clear()
    device.rounds(3)
    assert device.matched == {"zoe"}
    assert [one.forget for one, _ in device.centre.proposals] == [True]


def test_what_waited_for_the_centre_is_proposed_again(device: Device, tmp_path: Path) -> None:
    device.centre.put("alice", unit(1))
    device.done(2)
    device.centre.refuse["proposals"] = 503
    device.enroll("dora", 7)
    device.rounds()
    restore(device, backup(device, tmp_path / "b.backup"))
    device.centre.refuse.clear()
    device.rounds(3)
    assert device.matched == {"alice", "dora"}
    assert [facts.id for _, facts in device.centre.proposals if facts is not None] == ["dora"]


def test_in_another_folder_it_is_no_device_and_has_no_one_of_the_centre(device: Device, saved: Path) -> None:
    with device.gallery() as gallery:
        terms = trace_search.terms(gallery, ["alice"], 0.6)
    key = (device.data / "key").read_bytes()
    shutil.rmtree(device.data)
    device.data.mkdir(mode=0o700)
    (device.data / "key").write_bytes(key)
    (device.data / "key").chmod(0o600)
    restore(device, saved, "--lost")
    assert device.stored == {"zoe"}
    assert not list(device.data.glob("fleet*"))
    (device.data / "journal.db").unlink()
    assert trace_search.search(device.data, terms)[1] == []
    device.join()
    device.done(2)
    assert device.matched == {"alice", "zoe"}
