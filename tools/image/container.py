"""One container of the trial, and the same release as a plain process of this machine to compare it with."""

from __future__ import annotations

import re
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgeface.demo.mosquitto import free_port
from tools.image.podman import BUILD, podman
from tools.service.roots import HERE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEDIA = "/media"
TEMPORARY = "/tmp"  # noqa: S108 - of the container
CLIP, PEOPLE = f"{MEDIA}/clip.mp4", f"{MEDIA}/people"
DEMO = HERE / "edgeface" / "demo_data"
NETWORK, BROKER, NAME = "edgeface-trial", "edgeface-trial-broker", "edgeface-trial"
CONFIG_VOLUME, DATA_VOLUME = "edgeface-trial-config", "edgeface-trial-data"
USER, OUTSIDE = 900, 100900
"""The image's user, inside and outside of the containers' user namespace."""
NAMESPACE = ("--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536")
NARROW = ("--read-only", "--cap-drop=all", "--security-opt", "no-new-privileges", *NAMESPACE)
"""As narrow as docs/container.md says."""
CONFIG = f"""\
cameras: {{porch: {{type: replay, path: {CLIP}, loop: true}}}}
mqtt: {{host: {BROKER}, insecure: true}}
web: {{host: 0.0.0.0, insecure: true}}
"""


class Container:
    """edgeface in a container with its volumes; `tag` is the image that the next start uses."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.page = 0
        self.volumes: tuple[str, ...] = (f"{CONFIG_VOLUME}:/etc/edgeface", f"{DATA_VOLUME}:/var/lib/edgeface")

    @property
    def options(self) -> list[str]:
        """Of every container of the trial."""
        mounts = [word for volume in (*self.volumes, f"{DEMO}:{MEDIA}:ro") for word in ("--volume", volume)]
        return [*NARROW, "--network", NETWORK, *mounts]

    def once(self, *words: str, text: str | None = None, options: tuple[str, ...] = ()) -> tuple[int, str]:
        """Run a command in a container of its own; returns its exit status and what it printed."""
        fixed = ("--rm", "--interactive", "--no-healthcheck", *self.options)
        done = podman("run", *fixed, *options, self.tag, *words, check=False, text=text)
        return done.returncode, done.stdout + done.stderr

    def start(self) -> None:
        """Start the daemon."""
        self.remove()
        # A container that podman has started again by itself can leave its forwarding of a port behind.
        self.page = free_port()
        publish = ("--publish", f"127.0.0.1:{self.page}:8099", "--restart", "on-failure")
        podman("run", "--detach", "--name", NAME, *self.options, *publish, self.tag)

    def stop(self) -> tuple[float, int]:
        """Stop it as podman does; returns seconds and exit status."""
        began = time.monotonic()
        podman("stop", "--time", "10", NAME)
        return time.monotonic() - began, int(self.facts("State.ExitCode"))

    def remove(self) -> None:
        """Remove it, running or not; the volumes stay."""
        podman("rm", "--force", "--time", "5", "--ignore", NAME)

    def facts(self, path: str) -> str:
        """A fact of podman inspect."""
        return podman("inspect", NAME, "--format", f"{{{{.{path}}}}}").stdout.strip()

    def execute(self, *words: str, text: str | None = None) -> str:
        """What a command prints in the running container."""
        return podman("exec", "--interactive", NAME, *words, text=text).stdout

    def log(self) -> str:
        """All that it has written."""
        done = podman("logs", NAME, check=False)
        return done.stdout + done.stderr

    def fetch(self, path: str, token: str | None = None) -> tuple[int, str]:
        """Status and text of a page."""
        return fetch(self.page, path, token)


def fetch(port: int, path: str, token: str | None = None) -> tuple[int, str]:
    """Status and text of a page of this machine; status 0 if no one answers."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - as above
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def processed(port: int, token: str) -> int:
    """Frames that the daemon has processed, by its metrics."""
    found = re.search(r"^edgeface_camera_processed_total\{.*\} (\S+)$", fetch(port, "/metrics", token)[1], re.MULTILINE)
    return 0 if found is None else int(float(found[1]))


@contextmanager
def on_host(tag: str, config: Path, data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The release of an image as a process of this machine: no container, only another root folder."""
    root = podman("image", "mount", tag).stdout.strip()
    script = f"""
        mount --bind {config} {root}/etc/edgeface && mount --bind {data} {root}/var/lib/edgeface
        mount --bind {DEMO} {root}{MEDIA} && mount --rbind /dev {root}/dev && mount -t proc proc {root}/proc
        mount -t tmpfs tmpfs {root}{TEMPORARY}
        exec chroot --userspec={USER}:{USER} {root} /usr/bin/env -i LANG=C.UTF-8 \\
            EDGEFACE_CONFIG=/etc/edgeface/config.yaml /opt/edgeface/bin/edgeface run
    """
    command, null = ["unshare", "--mount", "sh", "-ec", script], subprocess.DEVNULL
    with (BUILD / "host.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=null)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)
            podman("image", "unmount", tag)
