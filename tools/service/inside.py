"""Runs inside the booted root, on its own Python: installs, drives and removes the service, and records the results."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.steps import Failed, attempt, require, until
from tools.threads import busiest, freeze, reap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE, WHEELS, NEWER, RESULTS = Path("/source"), Path("/wheels"), Path("/newer"), Path("/results")
CONFIG, DATA = Path("/etc/edgeface/config.yaml"), Path("/var/lib/edgeface")
CLIP, PEOPLE = SOURCE / "edgeface/demo_data/clip.mp4", SOURCE / "edgeface/demo_data/people"
# The clip used as the camera; the unit cannot see /source, which is not part of the device.
MEDIA = Path("/srv/clip.mp4")

UNIT = Path("/etc/systemd/system/edgeface.service")
DROP_IN = Path("/etc/systemd/system/edgeface.service.d/egress.conf")
# Tries each address briefly, and writes down those that answer.
REACH = """\
import json, socket, sys
port, said, *addresses = sys.argv[1:]
def answers(address):
    try:
        socket.create_connection((address, int(port)), 2).close()
    except OSError:
        return False
    return True
open(said, "w").write(json.dumps([address for address in addresses if answers(address)]))
"""


def main() -> int:
    shutil.copy(CLIP, MEDIA)
    take(
        install, no_camera, broker_comes, enroll_and_match, recognition_service, hardening, egress, reload,
        key_by_credential, killed, hung, camera_gone, wrong_config, full_disk, year_1970, upgrade, uninstall, package,
    )  # fmt: skip
    return 0


def take(*steps: Callable[[], str]) -> None:
    """Take the steps in this order and record their results; after a step that failed, print the service's log."""
    results = []
    for step in steps:
        results.append(attempt(step))
        if not results[-1].ok:
            print(sh("journalctl", "-u", "edgeface", "-n", "30", "--no-pager", check=False), flush=True)
    (RESULTS / "results.json").write_text(json.dumps([result._asdict() for result in results], indent=1))


def install() -> str:
    """install with tools/install/install, without a package index."""
    text = sh(SOURCE / "tools/install/install", WHEELS=WHEELS)
    require(active(), f"not active: {text[-300:]}")
    owner = DATA.stat()
    require(owner.st_uid != 0 and owner.st_mode & 0o777 == 0o700, "the data folder is not the service's own")
    return sh("edgeface", "--version").strip()


def no_camera() -> str:
    """no camera and no broker: runs and reports it."""
    sh("systemctl", "stop", "mosquitto")
    sh("systemctl", "restart", "edgeface")
    time.sleep(4)
    require(active() and restarts() == 0, "not running")
    log = sh("journalctl", "-u", "edgeface", "-n", "40", "--no-pager", "-o", "cat")
    require("camera porch is offline" in log, "the log does not name the camera")
    require("cannot be reached" in log, "the log does not name the broker")
    return "runs; the log names both"


def broker_comes() -> str:
    """the broker starts later: the state arrives by itself."""
    sh("systemctl", "start", "mosquitto")
    took = until(lambda: topic("edgeface/edgeface/status") == "online", 10, "the status is online")
    require(topic("edgeface/edgeface/porch/status") == "offline", "the camera is not reported offline")
    return f"online after {took:.1f} s, camera offline"


def enroll_and_match() -> str:
    """enroll; events arrive at mosquitto."""
    configure()
    sh("edgeface", "enroll", "--folder", PEOPLE)
    sh("systemctl", "restart", "edgeface")
    heard = events({"match", "unknown", "left"}, 60)
    return f"{', '.join(sorted(heard))}; match names {heard['match']['person']}"


def recognition_service() -> str:
    """edgeface-serve.service: a picture is answered, and a worker that was killed is replaced."""
    configure(serve={"workers": 2, "sockets": "/run/edgeface-serve"})
    token = sh("edgeface", "web", "token", "--role", "recognise").strip().splitlines()[-1]
    sh("systemctl", "start", "edgeface-serve")
    sockets = sorted(Path("/run/edgeface-serve").iterdir())
    require(len(sockets) == 2, f"sockets: {sockets}")
    person = recognised(token)
    main = show("MainPID", "edgeface-serve")
    before = children(main)
    sh("kill", "-9", before[0])
    # What the kernel had given to that worker may be lost; the next request is not.
    until(lambda: children(main) != before, 5, "the worker has ended")
    require(recognised(token) == person, "another answer after a worker was killed")
    took = until(lambda: len(set(children(main)) - {before[0]}) == 2, 20, "two workers run")
    sh("systemctl", "stop", "edgeface-serve")
    require(show("Result", "edgeface-serve") == "success", f"it ends with {show('Result', 'edgeface-serve')}")
    return f"names {person}; replaced after {took:.1f} s"


def recognised(token: str) -> str:
    """The person in a photo of someone enrolled, as edgeface-serve says."""
    photo = next(PEOPLE.rglob("*.jpg")).read_bytes()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "image/jpeg"}
    request = urllib.request.Request("http://127.0.0.1:8098/api/v1/recognise", photo, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - it is ours
        face = json.loads(answer.read())["faces"][0]
    require(face["label"] == "match", f"not matched: {face}")
    return str(face["person"])


def children(process: str) -> list[str]:
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def hardening() -> str:
    """exposure by systemd-analyze security: at most 2.0."""
    found = []
    for unit in sorted(Path("/etc/systemd/system").glob("edgeface*.service")):
        text = sh("systemd-analyze", "security", "--offline=true", "--no-pager", unit, check=False)
        found.append(float(re.findall(r"(\d+\.\d) [A-Z]+", text)[-1]))
    require(found and max(found) <= 2.0, str(found))
    return ", ".join(map(str, found))


def egress() -> str:
    """the unit's firewall: no internet; with edgeface egress only what the configuration needs."""
    home, away = "10.9.9.9", "203.0.113.9"
    for address in (home, away):
        sh("ip", "address", "replace", f"{address}/32", "dev", "lo")
    shipped = reached(UNIT, home, away)
    sh("edgeface", "egress", "--write")
    narrowed = reached(DROP_IN, home, away)
    shutil.rmtree(DROP_IN.parent)
    sh("systemctl", "daemon-reload")
    require(shipped == ["127.0.0.1", home], f"the unit lets through {shipped}")
    require(narrowed == ["127.0.0.1"], f"the drop-in lets through {narrowed}")
    return "private networks; with the drop-in only the broker"


def reload() -> str:
    """systemctl reload reads the configuration again."""
    configure(recognition={"level": "low"})
    sh("systemctl", "reload", "edgeface")
    said = "configuration read again"
    until(lambda: said in sh("journalctl", "-u", "edgeface", "-n", "20", "-o", "cat"), 10, f"the log has {said!r}")
    require(restarts() == 0, "it was restarted")
    return "without a restart"


def key_by_credential() -> str:
    """the data key by LoadCredential; the state reports its custody."""
    held = Path("/root/edgeface-key")
    held.write_bytes((DATA / "key").read_bytes().replace(b":file:", b":credential:"))
    (DATA / "key").unlink()
    with drop_in("[Service]\nLoadCredential=edgeface-key:/root/edgeface-key\n"):
        sh("systemctl", "restart", "edgeface")
        until(lambda: state().get("key") == "credential", 10, "the state names the credential")
        heard = events({"match"}, 60)
    sh("systemctl", "stop", "edgeface")
    sh("systemctl", "start", "edgeface", check=False)
    time.sleep(3)
    refused = show("ExecMainStatus"), show("NRestarts")
    require(refused == ("78", "0"), f"without the key: status {refused[0]}, {refused[1]} restarts")
    (DATA / "key").write_bytes(held.read_bytes().replace(b":credential:", b":file:"))
    shutil.chown(DATA / "key", "edgeface", "edgeface")
    sh("systemctl", "reset-failed", "edgeface")
    sh("systemctl", "start", "edgeface")
    return f"matches {heard['match']['person']}; without the key exit 78, no restart"


def killed() -> str:
    """kill -9: restarts by itself."""
    before = restarts()
    sh("systemctl", "kill", "--signal=KILL", "edgeface")
    took = until(lambda: restarts() > before and active(), 15, "restarted")
    events({"match"}, 60)
    return f"active after {took:.1f} s, matches again"


def hung() -> str:
    """hung inference: the watchdog ends it."""
    before, process = restarts(), int(show("MainPID"))
    thread = busiest(process)
    freeze(thread)

    def restarted() -> bool:
        reap(thread)
        return restarts() > before and active()

    took = until(restarted, 60, "restarted")
    log = sh("journalctl", "-u", "edgeface", "-n", "60", "--no-pager", "-o", "cat")
    require("atchdog" in log, "the log does not mention the watchdog")
    events({"match"}, 60)
    return f"restarted {took:.1f} s after the hang, matches again"


def camera_gone() -> str:
    """the camera is gone for a minute: offline, no restart, then online again."""
    before, away = restarts(), MEDIA.with_suffix(".away")
    MEDIA.rename(away)
    noticed = until(lambda: topic("edgeface/edgeface/porch/status") != "online", 40, "the camera is no longer online")
    time.sleep(60)
    away.rename(MEDIA)
    took = until(lambda: topic("edgeface/edgeface/porch/status") == "online", 15, "the camera is online")
    events({"match"}, 60)
    require(restarts() == before, "it was restarted")
    return f"reported when the clip ended, after {noticed:.0f} s; online {took:.1f} s after its return, matches again"


def wrong_config() -> str:
    """an invalid configuration: exit 78, no restart loop."""
    good = CONFIG.read_text()
    CONFIG.write_text("cameras: 5\n")
    sh("systemctl", "restart", "edgeface", check=False)
    time.sleep(6)
    seen = show("ExecMainStatus"), show("NRestarts"), show("ActiveState")
    CONFIG.write_text(good)
    sh("systemctl", "reset-failed", "edgeface")
    sh("systemctl", "restart", "edgeface")
    require(seen[0] == "78" and seen[2] == "failed", str(seen))
    return f"status {seen[0]}, {seen[1]} restarts"


def full_disk() -> str:
    """a full disk at start: runs, reports it, recovers."""
    sh("systemctl", "stop", "edgeface")
    kept = Path("/root/kept")
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(DATA, kept)
    sh("mount", "-t", "tmpfs", "-o", "size=4m,mode=700,uid=edgeface,gid=edgeface", "tmpfs", DATA)
    try:
        sh("cp", "-a", f"{kept}/.", DATA)
        sh("chown", "-R", "edgeface:edgeface", DATA)
        ballast = DATA / "ballast"
        sh("sh", "-c", f"dd if=/dev/zero of={ballast} bs=4k 2>/dev/null; true")
        sh("systemctl", "start", "edgeface")
        until(problem, 15, "the state reports a problem")
        heard = events({"match"}, 60)
        ballast.unlink()
        took = until(lambda: not problem(), 60, "the state reports no problem")
    finally:
        sh("systemctl", "stop", "edgeface", check=False)
        sh("umount", DATA)
    sh("systemctl", "start", "edgeface")
    return f"matched {heard['match']['person']} meanwhile; recovered {took:.0f} s after space was freed"


def year_1970() -> str:
    """a clock set to 1970: runs, reports unsynced, erases no one."""
    with drop_in("[Service]\nEnvironment=LD_PRELOAD=/shim/year1970.so\n"):
        sh("systemctl", "restart", "edgeface")
        heard = events({"match"}, 60)
        require(str(heard["match"]["captured_at"]).startswith("1970"), "the clock was not faked")
        require(heard["match"]["clock"] == "unsynced", "the clock is reported as synchronised")
    sh("systemctl", "restart", "edgeface")
    return "matches, stamped 1970 and unsynced"


def upgrade() -> str:
    """upgrade: a new release, the same people."""
    before = enrolled()
    for wheel in WHEELS.glob("edgeface-*.whl"):
        require("9.9.9" not in wheel.name, "the new wheel is among the old ones")
    CONFIG.write_text(CONFIG.read_text() + "# ours\n")
    text = sh(SOURCE / "tools/install/install", WHEELS=with_newer())
    require("9.9.9" in sh("edgeface", "--version"), text[-300:])
    require(enrolled() == before, "the people changed")
    require("# ours" in CONFIG.read_text(), "the configuration was changed")
    events({"match"}, 60)
    return f"{len(list(Path('/opt/edgeface/releases').iterdir()))} releases kept, people and configuration as before"


def uninstall() -> str:
    """uninstall keeps the data; PURGE=1 removes it."""
    sh(SOURCE / "tools/install/uninstall")
    require((DATA / "gallery.db").exists() and CONFIG.exists(), "the data was removed too")
    require(not Path("/opt/edgeface").exists() and not active(), "something was left behind")
    sh(SOURCE / "tools/install/uninstall", PURGE="1")
    require(not DATA.exists() and not CONFIG.exists(), "something was left behind after PURGE")
    return "data kept, then purged"


def package() -> str:
    """the package: install, match, remove keeps the data, purge does not."""
    file = next(WHEELS.glob("edgeface_*.deb"))
    sh("dpkg", "-i", file)
    require(active(), "not active after dpkg -i")
    configure()
    sh("edgeface", "enroll", "--folder", PEOPLE)
    sh("systemctl", "restart", "edgeface")
    heard = events({"match"}, 60)
    sh("dpkg", "-r", "edgeface")
    require((DATA / "gallery.db").exists(), "removal took the data")
    sh("dpkg", "-P", "edgeface")
    require(not DATA.exists() and not CONFIG.exists() and not Path("/opt/edgeface/lib").exists(), "purge left files")
    return f"{file.stat().st_size / 1e6:.0f} MB; matches {heard['match']['person']}"


def with_newer() -> Path:
    """A folder with the wheels of this version and of the newer one."""
    both = Path("/root/wheels")
    both.mkdir(exist_ok=True)
    for file in [*WHEELS.glob("*.whl"), *NEWER.glob("*.whl")]:
        if not (both / file.name).exists():
            (both / file.name).symlink_to(file)
    return both


def reached(rules: Path, *others: str) -> list[str]:
    """Which of these addresses, this machine's first, a service with this unit's address rules can reach."""
    lines = [line for line in rules.read_text().splitlines() if line.startswith("IPAddress")]
    require(lines, f"{rules} has no IPAddress rules")
    script, said = Path("/run/reach.py"), Path("/run/reached.json")
    script.write_text(REACH)
    with socket.create_server(("", 0)) as server:
        words = [str(server.getsockname()[1]), str(said), "127.0.0.1", *others]
        command = f"ExecStart=/usr/bin/python3 {script} {' '.join(words)}"
        unit = "\n".join(["[Service]", "Type=oneshot", *lines, command, ""])
        Path("/run/systemd/system/reach.service").write_text(unit)
        sh("systemctl", "daemon-reload")
        sh("systemctl", "start", "reach")
    return list(json.loads(said.read_text()))


def configure(**more: object) -> None:
    """Write the configuration, with the clip as a camera. JSON is valid YAML."""
    camera = {"type": "replay", "path": str(MEDIA), "loop": True}
    CONFIG.write_text(json.dumps({"cameras": {"porch": camera}, "mqtt": {}, **more}, indent=1) + "\n")


def enrolled() -> list[str]:
    """The rows of the table of people; the lines after it depend on the journal."""
    return [line for line in sh("edgeface", "people").splitlines() if "-" in line and ":" not in line]


@contextmanager
def drop_in(text: str) -> Iterator[None]:
    folder = Path("/etc/systemd/system/edgeface.service.d")
    folder.mkdir(exist_ok=True)
    (folder / "test.conf").write_text(text)
    sh("systemctl", "daemon-reload")
    try:
        yield
    finally:
        shutil.rmtree(folder)
        sh("systemctl", "daemon-reload")


def events(kinds: set[str], seconds: float) -> dict[str, dict[str, object]]:
    """Listen until each kind has arrived; returns the last event of each."""
    heard: dict[str, dict[str, object]] = {}
    command = ["timeout", str(seconds), "mosquitto_sub", "-V", "5", "-t", "edgeface/+/+/event"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        for line in listener.stdout:
            wire = json.loads(line)
            heard[wire["event_type"]] = wire
            if kinds <= heard.keys():
                break
        listener.terminate()
    require(kinds <= heard.keys(), f"received only {sorted(heard)} of {sorted(kinds)} in {seconds:.0f} s")
    return heard


def topic(name: str) -> str:
    return sh("mosquitto_sub", "-V", "5", "-C", "1", "-W", "1", "-t", name, check=False).strip()


def state() -> dict[str, Any]:
    text = topic("edgeface/edgeface/state")
    return dict(json.loads(text)) if text.startswith("{") else {}


def problem() -> bool:
    """Whether the state reports a problem, of the journal or another one."""
    now = state()
    return bool(now.get("journal", {}).get("problem") or now.get("problems"))


def active() -> bool:
    return show("ActiveState") == "active"


def restarts() -> int:
    return int(show("NRestarts"))


def show(name: str, unit: str = "edgeface") -> str:
    return sh("systemctl", "show", "--value", "--property", name, unit).strip()


def sh(*command: object, check: bool = True, **environment: object) -> str:
    """Run a command and return its output; Failed with the end of its output if it fails."""
    named = {name: str(value) for name, value in environment.items()}
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **named}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if check and done.returncode:
        raise Failed(f"{command[0]}: status {done.returncode}: {' '.join(done.stdout.split())[-300:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
