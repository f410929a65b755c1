"""A reader of README in a fresh Debian: which system, which rights, and what they type."""

from __future__ import annotations

import os
import re
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.clock import SystemClock
from edgeface.demo.subscriber import Subscriber
from tools.docs.terminal import SETTING, Terminal
from tools.service import roots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.docs.commands import Command

BUILD = roots.HERE / "build" / "first-hour"
PACKAGES = "git,make,python3,sudo,ca-certificates"
"""What README names as needed, and sudo."""

PHOTOS = ("obama", "obama2", "obama3")
PASSWORD = "correct horse battery"  # noqa: S105 - of this trial only
SUITES = ("bookworm", "trixie")
RIGHTS = ("root", "sudo", "none")
PORT = 1883
LIMIT = 1800.0
"""Seconds for one line."""

BUSY = "this machine was too slow or too busy for the clip"
"""What the demo reports of a busy machine: that is no fault of the road, which continues."""

_ASKED = re.compile(r"run: sudo (apt-get install .+)")


class Typed(NamedTuple):
    """One line of the transcript."""

    line: str
    status: int
    seconds: float
    output: str
    by: str
    """reader, or admin for the one line that a reader without rights has to ask for."""


class Road(NamedTuple):
    """One system and one reader."""

    suite: str
    rights: str

    @property
    def user(self) -> str:
        """Who types."""
        return "root" if self.rights == "root" else "reader"

    @property
    def home(self) -> str:
        """Their home."""
        return "/root" if self.rights == "root" else "/home/reader"


def pristine(suite: str) -> Path:
    """A root as a fresh Debian is, with what README needs."""
    folder = BUILD / "roots" / suite
    if not (folder / "etc").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        print(f"making a root of Debian {suite}", flush=True)
        include = f"--include={PACKAGES}"
        roots.run("mmdebstrap", "--quiet", "--variant=important", include, suite, folder, roots.MIRROR)
    return folder


def prepared(road: Road) -> Path:
    """A copy of the root with the reader, their checkout and their photos."""
    inside = BUILD / "running"
    subprocess.run(["rm", "-rf", inside], check=True)
    roots.run("cp", "-a", "--reflink=auto", pristine(road.suite), inside)
    if road.user != "root":
        roots.run("chroot", inside, "useradd", "--create-home", "--shell", "/bin/bash", road.user)
    if road.rights == "sudo":
        (inside / "etc/sudoers.d/reader").write_text("reader ALL=(ALL) NOPASSWD: ALL\n")
    checkout = inside / road.home.lstrip("/") / "edgeface"
    roots.source(checkout)
    for number, photo in enumerate(PHOTOS, 1):
        source = roots.HERE / "tools" / "demo" / "photos" / f"{photo}.jpg"
        (checkout / f"a{number}.jpg").write_bytes(source.read_bytes())
    (inside / "etc/resolv.conf").unlink(missing_ok=True)
    (inside / "etc/resolv.conf").write_bytes(Path("/etc/resolv.conf").read_bytes())
    roots.run("chroot", inside, "chown", "-R", road.user, f"{road.home}/edgeface")
    return inside


def shell(inside: Path, user: str, home: str) -> tuple[str, ...]:
    """The command that starts a shell in the root, with this machine's way to the package indexes."""
    names = sorted(name for name in os.environ if name.startswith("PIP_") and name != "PIP_FIND_LINKS")
    passed = [f"{name}={os.environ[name]}" for name in names]
    # A machine whose way to the indexes has a certificate of its own.
    certificates = os.environ.get("PIP_CERT")
    bind = [f"--bind-ro={certificates}"] if certificates else []
    nspawn = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--as-pid2", f"--directory={inside}"]
    setting = [f"{name}={value}" for name, value in SETTING.items()]
    start = ["/usr/bin/env", *setting, *passed, f"HOME={home}", "bash"]
    return (*nspawn, *bind, f"--user={user}", f"--chdir={home}/edgeface", *start)


@contextmanager
def broker(inside: Path) -> Iterator[None]:
    """The broker that Debian starts when its package is installed on a booted system."""
    # Not in a container of its own, which would need the folder for itself.
    with subprocess.Popen(["chroot", inside, "/usr/sbin/mosquitto"], stdout=-3, stderr=-3, stdin=-3) as process:
        time.sleep(2)
        try:
            yield
        finally:
            process.terminate()


def walk(road: Road, commands: list[Command]) -> Iterator[Typed]:
    """Type the commands in a fresh system until a match arrives at the broker; yields each line when it is done."""
    inside = prepared(road)
    answers = {
        "camera: a device": "edgeface/demo_data/clip.mp4",
        "name of this device": "",
        "MQTT broker": "",
        "password (12": PASSWORD,
        "repeat it": PASSWORD,
    }
    demo, *own = commands
    with Terminal(BUILD, os.environ, shell(inside, road.user, road.home)) as terminal:
        first = typed(terminal, demo.text)
        yield first
        if asked := _ASKED.search(first.output):
            yield as_admin(inside, asked[1])
            first = typed(terminal, demo.text)
            yield first
        if first.status and BUSY not in first.output:
            return
        with broker(inside):
            heard = Subscriber(PORT, "edgeface/+/+/event", BUILD / "events.jsonl", SystemClock(), lambda _: None)
            heard.start()
            for command in own:
                runs = command.text == "edgeface run"
                yield typed(terminal, command.text, answers, heard if runs else None)
            heard.stop()


def typed(
    terminal: Terminal, line: str, answers: dict[str, str] | None = None, heard: Subscriber | None = None
) -> Typed:
    """Type one line; with a subscriber, end the program once a match of alice has arrived."""

    def matched() -> bool:
        return heard is not None and any(one.wire.get("person") == "alice" for one in heard.events)

    began = time.monotonic()
    done = terminal.type(line, answers, seconds=LIMIT, until=matched if heard is not None else None)
    output = done.output.partition("\n")[2]
    if heard is not None and not matched():
        return Typed(line, done.status or 1, time.monotonic() - began, f"{output}no match arrived\n", "reader")
    note = "a match of alice arrived at the broker\n" if heard is not None else ""
    return Typed(line, done.status, time.monotonic() - began, output + note, "reader")


def as_admin(inside: Path, line: str) -> Typed:
    """Run the one line that a reader without rights was asked to pass on."""
    began = time.monotonic()
    script = f"apt-get update -qq; DEBIAN_FRONTEND=noninteractive {line} -y -q --no-install-recommends"
    done = subprocess.run(
        ["chroot", inside, "bash", "-c", script], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    output = done.stdout + done.stderr if done.returncode else ""
    return Typed(line, done.returncode, time.monotonic() - began, output, "admin")
