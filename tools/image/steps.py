"""The steps of `make image-test`: each returns what it has seen, or raises Failed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from statistics import median
from typing import TYPE_CHECKING

from edgeface.core.installed.processor import MODULES
from edgeface.demo.mosquitto import free_port
from tools.image import podman as engine
from tools.image.container import (
    BROKER,
    CLIP,
    CONFIG,
    CONFIG_VOLUME,
    DATA_VOLUME,
    NAME,
    OUTSIDE,
    PEOPLE,
    USER,
    on_host,
    processed,
)
from tools.image.podman import BUILD, podman
from tools.processes import cpu_seconds, settled_memory_mb, threads, tree
from tools.steps import require, until
from tools.threads import busiest, freeze, reap

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.image.broker import Broker
    from tools.image.container import Container

STARTS = 5
UNPACKED, COMPRESSED, START, MEMORY, STOP = 450.0, 160.0, 2.5, 0.10, 10.0
"""The bars: megabytes, megabytes, seconds, share of the host's, seconds."""
FULL = "4m"
# A processor of 2006, and what the kernel would list of it. The other one has x86-64-v2.
OLD, OLD_FLAGS, ENOUGH = "core2duo", "fpu tsc cx8 cmov mmx fxsr sse sse2 ssse3 cx16 lm", "Nehalem"
NEWER = "9.9.9"
PASSWORD = "correct horse battery"  # noqa: S105 - of this trial only


class Steps:
    """One run of the trial, in order."""

    def __init__(self, container: Container, broker: Broker) -> None:
        self.container, self.broker = container, broker
        self.token = ""

    def all(self) -> list[Callable[[], str]]:
        """Every step."""
        return [
            self.size, self.no_config, self.first_config, self.doctor, self.enroll_and_match, self.page, self.health,
            self.first_frame, self.memory, self.stops, self.killed, self.hung, self.update, self.full_volume,
            self.wrong_owner, self.old_processor,
        ]  # fmt: skip

    def size(self) -> str:
        """size: at most 450 MB unpacked, 160 MB compressed."""
        return small_enough(self.container.tag)

    def no_config(self) -> str:
        """no configuration: a line with what to mount, exit 78."""
        status, text = self.container.once()
        require(status == 78 and "mount a folder with config.yaml" in text and "init" in text, f"{status}: {text}")
        require("Traceback" not in text, text)
        return f"exit {status}: {text.splitlines()[-1].partition(':')[2].strip()[:60]} …"

    def first_config(self) -> str:
        """edgeface init in the container writes it into the volume."""
        status, text = self.container.once("init", "--camera", CLIP, "--broker", "none", "--yes")
        require(status == 0 and "/etc/edgeface/config.yaml: written" in text, f"{status}: {text}")
        status, text = self.container.once("web", "password", "--role", "admin", text=f"{PASSWORD}\n")
        require(status == 0, f"{status}: {text}")
        status, text = self.container.once("check")
        require(status == 0, f"{status}: {text}")
        self._write_config()
        return "written; with a password for the page, edgeface check finds no mistake"

    def doctor(self) -> str:
        """edgeface doctor: 0 problems, and it knows where it is."""
        status, text = self.container.once("doctor")
        require(status == 0 and "of podman; user 900, outside 100900" in text, f"{status}: {text}")
        require("systemctl" not in text and "sudo" not in text, f"names commands of a service: {text}")
        return next(line for line in text.splitlines() if "container " in line)[17:]

    def enroll_and_match(self) -> str:
        """enroll; events arrive at mosquitto in another container."""
        status, text = self.container.once("enroll", "--folder", PEOPLE)
        require(status == 0, f"{status}: {text}")
        self.token = self.container.once("web", "token", "--role", "viewer", "--name", "trial")[1].split()[0]
        self.container.start()
        return f"match names {self.broker.match()}"

    def page(self) -> str:
        """the page answers at the published port."""
        status, text = self.container.fetch("/login")
        require(status == 200 and "edgeface" in text, f"{status}: {text[:200]}")
        refused, _ = self.container.fetch("/metrics")
        require(refused == 401, f"/metrics without a token: {refused}")
        return f"sign-in {status}; /metrics without a token {refused}"

    def health(self) -> str:
        """the image's health check, and what the container may do."""
        until(lambda: engine.healthy(NAME), 20, "healthy")
        status = self.container.execute("cat", "/proc/self/status")
        capabilities = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff"))
        written = podman("exec", NAME, "touch", "/opt/edgeface/x", check=False)
        require(int(capabilities, 16) == 0 and written.returncode != 0, f"{capabilities}, {written.returncode}")
        return f"healthy; {self.container.execute('edgeface', 'health').strip()}; no capabilities, root read-only"

    def first_frame(self) -> str:
        """from podman start to the first frame: at most 2.5 s."""
        took, engine_took, cpu_took = [], [], []
        for _ in range(STARTS):
            self.container.stop()
            began = time.monotonic()
            podman("start", NAME)
            engine_took.append(time.monotonic() - began)
            until(lambda: processed(self.container.page, self.token) > 0, 30, "a frame", every=0.02)
            took.append(time.monotonic() - began)
            cpu_took.append(cpu_seconds(tree(int(self.container.facts("State.Pid")))))
        text = (
            f"{median(took):.2f} s, the median of {STARTS} ({min(took):.2f} to {max(took):.2f}) with a load of"
            f" {os.getloadavg()[0]:.1f}; podman start itself {median(engine_took):.2f} s; CPU time of the container"
            f" {median(cpu_took):.2f} s"
        )
        require(median(took) <= START, text)
        return text

    def memory(self) -> str:
        """memory with one camera: within 10 % of the same release without a container."""
        self.broker.match()
        inside_mb = settled_memory_mb(int(self.container.facts("State.Pid")))
        self.container.stop()
        config, data = self._copies()
        shutil.chown(config, USER, USER)
        text = (config / "config.yaml").read_text().replace(BROKER, "127.0.0.1")
        page = free_port()
        # Under its own name: the broker remembers the newest generation of each device's data.
        text = f"device: trial-host\n{text}"
        text = text.replace("insecure: true}\nweb: {", f"port: {self.broker.port}}}\nweb: {{port: {page}, ")
        (config / "config.yaml").write_text(text)
        with on_host(self.container.tag, config, data) as process:
            until(lambda: processed(page, self.token) > 0, 30, "a frame on the host")
            self.broker.match()
            host_mb = settled_memory_mb(process.pid)
        self.container.start()
        share = inside_mb / host_mb - 1
        text = f"{inside_mb:.0f} MB, {host_mb:.0f} MB without a container: {share:+.1%}"
        require(abs(share) <= MEMORY, text)
        return text

    def stops(self) -> str:
        """podman stop: ends by itself, says so, leaves no child behind."""
        self.broker.match()
        seconds, status = self.container.stop()
        require(seconds < STOP and status == 0, f"{seconds:.1f} s, exit {status}")
        offline = self.broker.topic("edgeface/edgeface/status")
        require(offline == "offline", f"the retained status is {offline}")
        podman("start", NAME)
        self.broker.match()
        states = podman("top", NAME, "state").stdout.split()[1:]
        require("Z" not in states, f"zombies: {states}")
        return f"{seconds:.1f} s, exit {status}, offline; no zombies"

    def killed(self) -> str:
        """kill -9 and a new start keep the people."""
        before = self._people()
        count = self.container.facts("RestartCount")
        # podman kill would be a wish of the user, after which podman does not start it again.
        os.kill(int(self.container.facts("State.Pid")), signal.SIGKILL)
        until(lambda: self.container.facts("RestartCount") != count, 30, "podman starts it again")
        who = self.broker.match()
        require(self._people() == before, "other people")
        return f"started again by podman; {len(before)} people as before, matches {who}"

    def hung(self) -> str:
        """hung inference: unhealthy, then ended by the kernel and started again."""
        process = next(pid for pid in tree(int(self.container.facts("State.Pid"))) if len(threads(pid)) > 4)
        thread, before = busiest(process), self.container.facts("RestartCount")
        freeze(thread)

        def restarted() -> bool:
            reap(thread)
            return self.container.facts("RestartCount") != before

        took = until(restarted, 60, "a restart")
        who = self.broker.match()
        return f"started again {took:.1f} s after the hang; matches {who}"

    def update(self) -> str:
        """a newer image with the same volumes keeps people, configuration and accounts."""
        before = self._people()
        newer = f"{self.container.tag}-newer"
        file = BUILD / "Containerfile.newer"
        site = "/opt/edgeface/lib/python3*/site-packages/edgeface"
        change = f"RUN sed -i 's/^__version__ = .*/__version__ = \"{NEWER}\"/' {site}/__init__.py"
        again = f"/opt/edgeface/bin/python -m compileall -q --invalidation-mode unchecked-hash -f {site}/__init__.py"
        file.write_text(f"FROM {self.container.tag}\nUSER 0\n{change} && {again}\nUSER {USER}\n")
        podman("build", "--quiet", "--format", "docker", "--network", "host", "--file", file, "--tag", newer, BUILD)
        old, self.container.tag = self.container.tag, newer
        try:
            self.container.start()
            who = self.broker.match()
            version = self.container.execute("edgeface", "--version").split()[-1]
            require(version == NEWER and self._people() == before, f"{version}, {self._people()}")
            until(lambda: self.container.fetch("/metrics", self.token)[0] == 200, 20, "the page takes the token")
        finally:
            self.container.tag = old
        return f"{version}; {len(before)} people as before, matches {who}"

    def full_volume(self) -> str:
        """a full volume: runs and reports it, recovers when there is space."""
        self.container.remove()
        kept, (config, data) = self.container.volumes, self._copies()
        small = BUILD / "small"
        small.mkdir(exist_ok=True)
        mode = f"size={FULL},mode=700,uid={OUTSIDE},gid={OUTSIDE}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", mode, "tmpfs", small], check=True)
        try:
            subprocess.run(["cp", "-a", f"{data}/.", small], check=True)
            subprocess.run(["chown", "-R", f"{OUTSIDE}:{OUTSIDE}", small, config], check=True)
            ballast = small / "ballast"
            subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=4k"], check=False, stderr=subprocess.DEVNULL)
            self.container.volumes = (f"{config}:/etc/edgeface", f"{small}:/var/lib/edgeface")
            self.container.start()
            until(self._problem, 30, "the state reports it")
            who = self.broker.match()
            ballast.unlink()
            took = until(lambda: not self._problem(), 90, "the state reports no problem", every=1)
        finally:
            self.container.remove()
            self.container.volumes = kept
            subprocess.run(["umount", small], check=True)
        return f"matched {who} meanwhile; recovered {took:.0f} s after space was freed"

    def wrong_owner(self) -> str:
        """volumes of another user: a line with the command, exit 78."""
        config, data = self._copies()
        kept, said = self.container.volumes, []
        try:
            for owner in ((0, OUTSIDE), (OUTSIDE, 0)):
                for folder, user in zip((config, data), owner, strict=True):
                    subprocess.run(["chown", "-R", f"{user}:{user}", folder], check=True)
                self.container.volumes = (f"{config}:/etc/edgeface", f"{data}:/var/lib/edgeface")
                status, text = self.container.once()
                require(status == 78 and f"chown -R {OUTSIDE}:{OUTSIDE}" in text, f"{status}: {text}")
                require("Traceback" not in text, text)
                said.append(text.strip())
            require("/etc/edgeface" in said[0] and "/var/lib/edgeface" in said[1], str(said))
        finally:
            self.container.volumes = kept
        return f"exit 78: {said[1]}"

    def old_processor(self) -> str:
        """a processor without the instructions: a line, exit 78; one of 2009 loads every package."""
        cpuinfo = BUILD / "cpuinfo"
        cpuinfo.write_text(f"processor\t: 0\nmodel name\t: {OLD}\nflags\t\t: {OLD_FLAGS}\n\n")
        command = ("-m", "edgeface.cli", "check")
        status, text = self._emulated(OLD, command, "--volume", f"{cpuinfo}:/proc/cpuinfo:ro")
        require(
            status == 78 and f"this processor ({OLD}) lacks instructions that numpy needs" in text, f"{status}: {text}"
        )
        require("Traceback" not in text, text)
        works, report = self._emulated(ENOUGH, ("-c", f"import {', '.join(MODULES)}; print('imported')"))
        require(works == 0 and "imported" in report, f"{ENOUGH}: {works}: {report}")
        return f"{OLD}: exit {status}, one line; {ENOUGH} imports {', '.join(MODULES)}"

    def _emulated(self, processor: str, words: tuple[str, ...], *options: str) -> tuple[int, str]:
        """Run the image's Python on another x86-64 processor, for five minutes at most."""
        emulator = shutil.which("qemu-x86_64-static")
        mounted = ("--timeout", "300", "--volume", f"{emulator}:/qemu:ro", "--entrypoint", "/qemu", *options)
        return self.container.once("-cpu", processor, "/opt/edgeface/bin/python", *words, options=mounted)

    def _people(self) -> list[str]:
        return self.container.execute("edgeface", "people", "--json").splitlines()

    def _problem(self) -> bool:
        state = self.broker.state()
        return bool(state.get("problems") or state.get("journal", {}).get("problem"))

    def _write_config(self) -> None:
        """Put the trial's configuration into the volume, as its user."""
        script = ("-c", "import sys; open('/etc/edgeface/config.yaml', 'w').write(sys.stdin.read())")
        status, text = self.container.once(*script, text=CONFIG, options=("--entrypoint", "python3"))
        require(status == 0, text)

    def _copies(self) -> tuple[Path, Path]:
        """Copies of both volumes, as folders of this machine that belong to the image's user there."""
        copies = []
        for volume in (CONFIG_VOLUME, DATA_VOLUME):
            copy = BUILD / "copies" / volume
            shutil.rmtree(copy, ignore_errors=True)
            copy.parent.mkdir(exist_ok=True)
            subprocess.run(["cp", "-a", engine.volume_folder(volume), copy], check=True)
            subprocess.run(["chown", "-R", f"{USER}:{USER}", copy], check=True)
            copies.append(copy)
        return copies[0], copies[1]


def small_enough(tag: str) -> str:
    """The size of an image; raises Failed if it is above the bars."""
    unpacked, compressed = engine.sizes(tag)
    text = f"{unpacked:.0f} MB unpacked, {compressed:.1f} MB compressed"
    require(unpacked <= UNPACKED and compressed <= COMPRESSED, text)
    return text
