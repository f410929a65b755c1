"""A system to type the commands of README and docs in: this machine under an overlay, with people, events and a broker.

What is written there is gone afterwards, and it has no network but its own. Needs root, unshare and overlayfs.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from tools.docs.terminal import SETTING, Done, Terminal
from tools.service import roots

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOME = "/root/docs"
CHECKOUT = f"{HOME}/edgeface"
CONFIG, DATA = "/etc/edgeface/config.yaml", "/var/lib/edgeface"
PASSWORD = "correct horse battery"  # noqa: S105 - of this trial only
SECONDS = 8.0
"""After which Ctrl-C ends what runs until then."""

LIMIT = 180.0
EVENTS_SECONDS = 30.0
"""How long the daemon runs on the clip, so that there are events and unknowns."""

ENDLESS = re.compile(
    r"edgeface (run|serve)$|edgeface door |mosquitto_sub |edgeface liveness trial|edgeface enroll .*--camera"
)
"""What a person ends with Ctrl-C, or ends by itself once someone has stood there."""

_ENTER = """\
set -e
ip link set lo up
over=$1/over
mount -t tmpfs none "$over"
mkdir "$over/u" "$over/w" "$over/m"
mount -t overlay overlay -o "lowerdir=/,upperdir=$over/u,workdir=$over/w" "$over/m"
mount -t proc proc "$over/m/proc"
for part in dev sys; do mount --rbind "/$part" "$over/m/$part"; done
rm -rf "$over/m"/{etc,opt,var/lib}/edgeface "$over/m/root/.config/edgeface"
cp -a "$1/files/." "$over/m/"
shift
# A session of its own, or Ctrl-C would not reach what runs.
exec setsid --ctty chroot "$over/m" /usr/bin/env -i "$@"
"""

_STAND_INS = {
    "sudo": '[ "$1" != -u ] || shift 2; exec "$@"',
    "edgeface": f'exec {shlex.quote(sys.executable)} -m edgeface.cli "$@"',
    # Most targets are measurements of minutes or hours: that the target and its variables exist is what is tried.
    "make": 'exec /usr/bin/make --dry-run --no-print-directory "$@"',
    "nano": '[ -w "$1" ]',
    # Nothing is booted: the unit's command is started and ended as systemd would do it.
    "systemctl": f"""\
case "$1 $2" in
    "start edgeface") edgeface run --config {CONFIG} >/root/service.log 2>&1 & echo $! >/run/docs.pid
        for second in $(seq 60); do curl -s -o /dev/null http://127.0.0.1:8099/ && break; sleep 1; done ;;
    "stop edgeface") [ ! -e /run/docs.pid ] || {{ kill "$(cat /run/docs.pid)"; sleep 3; rm /run/docs.pid; }} ;;
    "enable --now" | "start edgeface-centre") edgeface centre serve >/root/centre.log 2>&1 & echo $! >/run/centre.pid
        for second in $(seq 60); do grep -q "devices at port" /root/centre.log && break; sleep 1; done ;;
    "stop edgeface-centre") [ ! -e /run/centre.pid ] || {{ kill "$(cat /run/centre.pid)"; sleep 3; }}
        rm -f /run/centre.pid ;;
    *) echo "systemctl $*: not known here" >&2; exit 1 ;;
esac""",
}

_CONFIG = f"""\
device: front
data: {DATA}
cameras:
  porch: {{type: replay, path: {CHECKOUT}/edgeface/demo_data/clip.mp4, loop: true}}
mqtt: {{host: 127.0.0.1}}
web: {{}}
privacy: {{pictures: all}}
doors:
  front-door: {{camera: porch, allow: [{{group: everyone}}]}}
  garage: {{camera: porch, allow: [{{group: everyone}}]}}
"""

_CENTRE_CONFIG = "names: [localhost]\n"
_CENTRE_FOLDERS = "etc/edgeface-centre", "var/lib/edgeface-centre", "var/lib/edgeface-centre-keyring"
_ROLE = "createuser edgeface-centre && createdb --owner edgeface-centre edgeface"

_PHOTOS = {"a1": "obama", "a2": "obama2", "a3": "obama3", "visitor": "biden", "joe1": "biden", "joe2": "biden"}
_PHOTOS |= {"joe3": "biden", "joe4": "biden", "visitor2": "astronaut"}


class Name(NamedTuple):
    """Something that only a running device has, as the documents write it."""

    written: str
    """A pattern."""
    ask: str
    """The command whose output contains it."""
    found: str
    """A pattern, with the name as its group."""


_IDS = r"^(u-[0-9a-f]+)"
NAMES = (
    Name(r"u-7f3a\b", "edgeface people --unknown", _IDS),
    Name(r"u-02be\b", "edgeface people --unknown | tac", _IDS),
    Name(r"01JDPZ6M8W3V5Q7R9T1X2Y4Z6A", "tail -1 /root/events", r"\b([0-9A-HJKMNP-TV-Z]{26})\b"),
    Name(r"(?<=--remove )0f3a9c417be2", "edgeface templates alice", r"^\s*([0-9a-f]{12})\b"),
    Name(r"(?<=carol )0f3a9c417be2", "edgeface factors list carol", r"\b([0-9a-f]{12})\b"),
    Name(r"2kq5w7hd3xv4m6pa", "edgeface pass --list", r"^([a-z2-7]{16})\b"),
    Name(r"/media/usb/edgeface-DATE\.backup", "ls /media/usb/*.backup", r"^(/media/usb/\S+\.backup)"),
    Name(r"sign:yard-2026-11:\S+", "edgeface keys show --data /root/yard", r"(sign:yard\S+)"),
    Name(
        r"(?<=fleet join )https://centre\.example:8444",
        "edgeface fleet code front house | tr '\\n' ' '",
        r"(https://localhost:\S+ \S+)",
    ),
    Name(r"BROKER", "echo 127.0.0.1", r"^(127\.0\.0\.1)"),
    Name(r"COPY_OF_KEY", "echo /root/saved/key", r"^(/root/saved/key)"),
)


ONE_OF = r"u-7f3a|correct "
"""Commands that end what the next one of its kind needs: several ways to treat one unknown, or one event."""

ANSWERED = {
    r"edgeface doctor$": " problem",
    r"unknowns merge": "the faces differ",
    r"correct \S+ --(not|is)": "the face is too like alice's own template",
    r"correct \S+ --undo": "no negative template from the event",
}
"""Commands whose exit status is 1 here, with the answer that is right.

The clip has neither one stranger with two IDs nor someone who was taken for someone else.
"""

PREPARED = {
    r"correct .*--undo alice": "edgeface correct 01JDPZ6M8W3V5Q7R9T1X2Y4Z6A --not alice",
    r"edgeface import": "edgeface export people.json; edgeface forget alice",
    # A reader does this once; here it has been done.
    r"edgeface init": f"rm -rf {CONFIG} {HOME}/.config/edgeface",
    # One of several ways to the same person.
    r"enroll alice --unknown": "edgeface forget alice",
    r"keys owner new": "edgeface keys new",
    r"keys revoke front$": "edgeface keys new; edgeface keys owner new; edgeface keys add front",
    r"enroll --folder": "edgeface forget alice",
    r"edgeface pass alice": "edgeface keys new",
    r"edgeface door ": "sed -i 's/type: gpio/type: log/' /etc/edgeface-door/door.yaml",
    r"createuser edgeface-centre": "systemctl stop edgeface-centre; dropdb --if-exists edgeface;"
    " dropuser --if-exists edgeface-centre; rm -rf /var/lib/edgeface-centre*/*",
    r"fleet (lost|devices)": "edgeface fleet join $(edgeface fleet code front house | cut -d' ' -f4-) --again",
    r"dropdb": "pg_dump --format custom --file /var/lib/postgresql/edgeface.dump edgeface",
    r"fleet (forget|proof)": "edgeface fleet enroll house alice a1.jpg",
    r"\$CENTRE": "export CENTRE=$(edgeface centre token curl --role viewer 2>/dev/null)",
    r"127\.0\.0\.1:8098": "export RECOGNISE=$(edgeface web token --role recognise 2>/dev/null);"
    " (edgeface serve >/dev/null 2>&1 &);"
    " until curl -sf http://127.0.0.1:8098/health/ready; do sleep 1; done",
    r"factors draw-code bob": "edgeface enroll bob joe1.jpg; edgeface enroll carol visitor2.jpg",
}
"""What is done before a command, by its pattern, and not said where it stands."""


class Sandbox:
    """A shell in the sandbox; a context manager."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "over").mkdir(parents=True)
        _write_files(folder / "files")
        path = f"/opt/docs/bin:{os.environ['PATH']}:/usr/sbin:/sbin"
        setting = {**SETTING, "PATH": path, "HOME": HOME, "PYTHONPATH": CHECKOUT, "EDGEFACE_CONFIG": CONFIG}
        words = (f"{name}={value}" for name, value in setting.items())
        # With processes of its own, so that all of them end with it.
        own = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private")
        enter = (*own, "bash", "-c", _ENTER, "enter", str(folder))
        self._terminal = Terminal(folder, os.environ, (*enter, *words, "bash"))

    def __enter__(self) -> Sandbox:
        # A program that is missing in front of a pipe fails the line.
        self.run(f"cd {CHECKOUT}; set -o pipefail")
        self.run("useradd --system edgeface 2>/dev/null || id edgeface")
        self.run("(mosquitto >/root/mosquitto.log 2>&1 &)")
        self.run("edgeface enroll alice --name Alice a1.jpg a2.jpg")
        self.run("edgeface run", until=EVENTS_SECONDS)
        self.run("edgeface audit export /root/events --kind match; cat /root/events")
        self.run("edgeface backup /media/usb/")
        self.run("edgeface keys new --kid yard-2026-11 --data /root/yard; edgeface keys show --data /root/yard")
        self.run("export TOKEN=$(edgeface web token --role viewer --name t 2>/dev/null)")
        self.run("export ADMIN=$(edgeface web token --role admin --name a 2>/dev/null)")
        self.run(f"cp -a {DATA} /root/saved; cp {CONFIG} /root/config.yaml")
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.run("systemctl stop edgeface")
        self._terminal.__exit__(None, None, None)

    def reset(self) -> None:
        """Put people, events and configuration back."""
        self.run(f"systemctl stop edgeface; rm -rf {DATA}; cp -a /root/saved {DATA}; cp /root/config.yaml {CONFIG}")
        self.run(f"cd {CHECKOUT}")

    def centre(self) -> None:
        """Start a database and the centre of a fleet in it, which stay."""
        self.run("(python -m tools.docs.centre /run/database >/root/database.log 2>&1 &)")
        self.run("until [ -s /run/database ]; do sleep 1; done; . /run/database")
        self.run(
            f"{_ROLE} && edgeface centre init && edgeface fleet site house && systemctl enable --now edgeface-centre"
        )

    def run(self, line: str, until: float | None = None) -> Done:
        """Type a line that is part of the preparation, or `until` so many seconds."""
        return self._terminal.type(line, seconds=LIMIT, until=None if until is None else _after(until))

    def try_command(self, text: str) -> Done:
        """Type a command of a document, with the names of this sandbox."""
        if re.search(ONE_OF, text):
            self.reset()
        line = self._named(text)
        for pattern, preparation in PREPARED.items():
            if re.search(pattern, text):
                self.run(self._named(preparation))
        endless = ENDLESS.search(text) is not None
        answers = _answers(text)
        done = self._terminal.type(line, answers, seconds=LIMIT, until=_after(SECONDS) if endless else None)
        if text.startswith("edgeface init"):
            self.run(f"cp /root/config.yaml {CONFIG}")
        answered = any(re.search(one, text) and answer in done.output for one, answer in ANSWERED.items())
        fine = answered or (endless and done.status == INTERRUPTED)
        return done._replace(status=0) if fine else done

    def _named(self, text: str) -> str:
        for name in NAMES:
            if re.search(name.written, text):
                found = re.search(name.found, self.run(name.ask).output, re.MULTILINE)
                if found is not None:
                    text = re.sub(name.written, found[1], text)
        return text


INTERRUPTED = 130


def _answers(text: str) -> dict[str, str]:
    """What a person types when a command asks."""
    if " factors " in text:
        pin = "860417" if "duress" in text else "739205"
        return {"digits): ": pin, "repeat it: ": pin}
    found = {"camera: a device": "edgeface/demo_data/clip.mp4", "name of this device": "", "MQTT broker": ""}
    return {**found, "characters or more): ": PASSWORD, "repeat it: ": PASSWORD}


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def _write_files(files: Path) -> None:
    """The files of the sandbox: the checkout, photos, stand-ins and the configuration."""
    checkout = roots.source(files / CHECKOUT.lstrip("/"))
    (checkout / ".venv").symlink_to(sys.prefix)
    photos = roots.HERE / "tools" / "demo" / "photos"
    for name, photo in _PHOTOS.items():
        shutil.copy(photos / f"{photo}.jpg", checkout / f"{name}.jpg")
    shutil.copy(roots.HERE / "edgeface" / "demo_data" / "clip.mp4", checkout / "clip.mp4")
    shutil.copytree(roots.HERE / "edgeface" / "demo_data" / "people", checkout / "people")
    programs = files / "opt" / "docs" / "bin"
    programs.mkdir(parents=True)
    for name, text in _STAND_INS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    for folder in (
        "etc/edgeface",
        "etc/edgeface-door",
        "var/lib/edgeface",
        "media/usb",
        "var/lib/postgresql",
        *_CENTRE_FOLDERS,
    ):
        (files / folder).mkdir(parents=True)
    (files / CONFIG.lstrip("/")).write_text(_CONFIG)
    (files / "etc" / "edgeface-centre" / "centre.yaml").write_text(_CENTRE_CONFIG)
