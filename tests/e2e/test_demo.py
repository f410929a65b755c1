"""The demo as a user runs it, in a network of its own where every packet that leaves the machine is counted."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgeface.cameras.video_file import read_frames
from edgeface.imaging import photos

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.slow(seconds=37)

# The name server and the default route are on a network without anyone to answer, so that every look-up and connection
# shows as a packet, even if it is only an address request.
SCRIPT = """
set -e
ip link add wire type veth peer name end
sysctl -qw net.ipv6.conf.wire.disable_ipv6=1 net.ipv6.conf.end.disable_ipv6=1
ip addr add 10.99.0.1/24 dev wire
ip link set wire up; ip link set end up; ip link set lo up
ip route add default via 10.99.0.2 dev wire
echo nameserver 10.99.0.2 > "$1/resolv.conf"
mount --bind "$1/resolv.conf" /etc/resolv.conf
count() { awk '$1 == "wire:" { print $11 }' /proc/net/dev; }
before=$(count)
shift
status=0
"$@" || status=$?
echo "packets $(($(count) - before))"
exit $status
"""


def isolated(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    arguments = ["unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c", SCRIPT, "sh", str(folder)]
    environment = {
        **os.environ, "RES_OPTIONS": "timeout:1 attempts:1", "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"
    }  # fmt: skip
    return subprocess.run(
        [*arguments, *command], capture_output=True, text=True, timeout=120, check=False, env=environment, cwd=ROOT
    )


@dataclass(frozen=True)
class Shown:
    done: subprocess.CompletedProcess[str]
    out: Path
    counted: bool
    """Whether this machine allows network namespaces for users."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "edgeface.cli", "demo", "--door", "--out", str(folder / "out")]
    if shutil.which("unshare") is not None and isolated(folder, "true").returncode == 0:
        return Shown(isolated(folder, *command), folder / "out", counted=True)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    return Shown(done, folder / "out", counted=False)


@pytest.mark.broker
def test_every_visit_is_published_correctly(shown: Shown) -> None:
    assert shown.done.returncode == 0, shown.done.stdout + shown.done.stderr
    assert "every visit was published correctly" in shown.done.stdout
    assert "Traceback" not in shown.done.stderr


@pytest.mark.broker
def test_the_door_opens_for_one_person_and_not_for_a_replayed_grant(shown: Shown) -> None:
    printed = [line[14:].split() for line in shown.done.stdout.splitlines() if line[14:].startswith("front-door  ")]
    opened = ["front-door grant accepted barack_obama", "front-door opens", "front-door shuts"]
    assert [" ".join(words) for words in printed] == [
        *opened,
        *opened,
        "front-door grant rejected: replayed barack_obama",
    ]


@pytest.mark.broker
def test_the_door_with_a_keypad_opens_for_pin_and_face_and_for_neither_alone(shown: Shown) -> None:
    printed = [line[14:].split() for line in shown.done.stdout.splitlines() if line[14:].startswith("office-door  ")]
    assert [" ".join(words) for words in printed] == [
        "office-door PIN typed, 8.9 s into the clip",
        "office-door PIN typed, 23.5 s into the clip",
        "office-door grant accepted barack_obama",
        "office-door opens",
        "office-door shuts",
    ]
    assert "4711" not in shown.done.stdout + shown.done.stderr


@pytest.mark.broker
def test_the_summary_agrees_with_the_events_received(shown: Shown) -> None:
    events = [json.loads(line) for line in (shown.out / "events.jsonl").read_text().splitlines()]
    summary = json.loads((shown.out / "summary.json").read_text())
    assert summary["faults"] == []
    assert sum(summary["events"].values()) == len(events)
    assert summary["events"]["left"] == len(events) / 2
    assert {e["person"] for e in events if e["event_type"] == "match"} == {"barack_obama", "joe_biden"}


@pytest.mark.broker
def test_the_video_and_the_contact_sheet_can_be_read(shown: Shown) -> None:
    assert photos.load(shown.out / "faces.png").std() > 20
    assert sum(1 for _ in read_frames(shown.out / "video.mp4", 15.0)) > 300


@pytest.mark.broker
def test_nothing_is_sent_beyond_this_machine(shown: Shown) -> None:
    if not shown.counted:
        pytest.skip("this machine gives no network namespaces to users")
    assert shown.done.stdout.splitlines()[-1] == "packets 0"


def test_the_count_sees_a_single_look_up(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or isolated(tmp_path, "true").returncode:
        pytest.skip("this machine gives no network namespaces to users")
    script = "import socket\ntry: socket.getaddrinfo('example.org', 80)\nexcept OSError: print('no answer')"
    done = isolated(tmp_path, sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 0
