"""podman as the tests use it, and images made of Debian roots: no registry is asked for one."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tools import needs
from tools.arm64 import emulation
from tools.service.roots import HERE, MIRROR, run

if TYPE_CHECKING:
    from collections.abc import Mapping

BUILD = HERE / "build" / "image"
CONTAINERFILE = HERE / "packages" / "image" / "Containerfile"
SUITE = "trixie"
_PROGRAMS = {
    "podman": "podman",
    "runc": "runc",
    "mmdebstrap": "mmdebstrap",
    "netavark": "netavark aardvark-dns",
    "iptables": "iptables",
}
EPOCH = "1764547200"
"""SOURCE_DATE_EPOCH of a base: 1 December 2025, so that its files do not depend on when it was made."""
# As Debian's own slim images.
_LEFT_OUT = ("doc", "man", "info", "locale", "lintian")
_CERTIFICATES, _PIP = "/run/ca.pem", "/etc/pip.conf"
_ENGINE = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
helper_binaries_dir = ["/usr/libexec/podman", "/usr/lib/podman"]
"""


def require(target: str, *, arm64: bool, more: Mapping[str, str] | None = None) -> None:
    """Exit with one line if this is not root, or if a program is missing; `more` has those of the target itself."""
    needs.root(target, "making roots and user namespaces")
    needs.programs(target, {**_PROGRAMS, **(emulation.PROGRAMS if arm64 else {}), **(more or {})})


def podman(*words: str | Path, check: bool = True, text: str | None = None, seconds: float = 900) -> Done:
    """Run podman with the settings of the tests; raises SystemExit with its output if it fails and `check`."""
    environment = {**os.environ, "CONTAINERS_CONF": str(settings())}
    command = ["podman", *map(str, words)]
    done = subprocess.run(
        command, env=environment, check=False, capture_output=True, text=True, input=text or "", timeout=seconds
    )
    # Without systemd, podman starts no timer for health checks and says so at each start.
    lines = [line for line in done.stderr.splitlines(keepends=True) if "systemd connection" not in line]
    done.stderr = "".join(lines)
    if check and done.returncode:
        raise SystemExit(
            f"{' '.join(command[:6])}: exit status {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return done


Done = subprocess.CompletedProcess[str]


def settings() -> Path:
    """containers.conf with limits that a container may have here, whatever limits this machine itself has."""
    file = BUILD / "containers.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    files, processes = (resource.getrlimit(one)[1] for one in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
    most = 1 << 14
    limits = {
        "files": most if files < 0 else min(files, most),
        "processes": processes if 0 < processes < most else most,
    }
    file.write_text(_ENGINE.format(**limits))
    return file


def root_image(name: str, architecture: str, *packages: str) -> str:
    """An image of a Debian root with packages, made by mmdebstrap if it does not exist; returns its tag."""
    tag = f"localhost/{name}:{SUITE}-{architecture}"
    if podman("image", "exists", tag, check=False).returncode:
        if architecture == "arm64":
            emulation.register()
        archive = BUILD / f"{name}-{architecture}.tar"
        print(f"making a root of Debian {SUITE} for {architecture}: {name}", flush=True)
        options = [f"--dpkgopt=path-exclude=/usr/share/{one}/*" for one in _LEFT_OUT]
        options += ["--dpkgopt=path-include=/usr/share/doc/*/copyright", "--skip=check/qemu", "--variant=minbase"]
        if packages:
            options.append(f"--include={','.join(packages)}")
        options.append(f"--arch={architecture}")
        run("mmdebstrap", "--quiet", *options, SUITE, archive, MIRROR, SOURCE_DATE_EPOCH=EPOCH)
        podman("import", "--arch", architecture, archive, tag)
        archive.unlink()
    return tag


def mosquitto() -> str:
    """The tag of an image with mosquitto and its clients, made if it does not exist."""
    return root_image("mosquitto", "amd64", "mosquitto", "mosquitto-clients")


def build(architecture: str, tag: str, *options: str) -> None:
    """Build the image of edgeface on a root made here, with the way to the package indexes that this machine has."""
    given_to_build = {
        "BASE": root_image("debian", architecture),
        "BUILD_BASE": root_image("debian", host()),
        # podman 4 does not set it by itself.
        "BUILDPLATFORM": f"linux/{host()}",
    }
    pip = BUILD / "pip.conf"
    given = {name[4:].lower().replace("_", "-"): value for name, value in os.environ.items() if name.startswith("PIP_")}
    given.pop("find-links", None)
    volumes = []
    if certificates := given.pop("cert", None):
        given["cert"] = _CERTIFICATES
        volumes += ["--volume", f"{certificates}:{_CERTIFICATES}:ro"]
    pip.write_text("\n".join(["[global]", *(f"{name} = {value}" for name, value in given.items())]) + "\n")
    volumes += ["--volume", f"{pip}:{_PIP}:ro"]
    print(f"building {tag} for {architecture}", flush=True)
    words = ["--quiet", "--pull=never", "--platform", f"linux/{architecture}", "--format", "docker"]
    words += ["--network", "host", *volumes, *options]
    words += [f"--build-arg={name}={value}" for name, value in given_to_build.items()]
    podman("build", *words, "--file", CONTAINERFILE, "--tag", tag, HERE, seconds=5400)


def host() -> str:
    """The architecture of this machine, as Debian calls it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def volume_folder(volume: str) -> Path:
    """The folder of this machine that has the files of a volume."""
    return Path(podman("volume", "inspect", volume, "--format", "{{.Mountpoint}}").stdout.strip())


def healthy(container: str) -> bool:
    """Whether the health check of a container succeeds now; without systemd, nothing else runs it."""
    return podman("healthcheck", "run", container, check=False).returncode == 0


def sizes(tag: str) -> tuple[float, float]:
    """Megabytes of an image unpacked, and as it is pushed: its layers by gzip."""
    unpacked = int(podman("image", "inspect", tag, "--format", "{{.Size}}").stdout)
    pushed = BUILD / "pushed"
    shutil.rmtree(pushed, ignore_errors=True)
    podman("push", "--quiet", "--compress", "--remove-signatures", tag, f"dir:{pushed}")
    compressed = sum(file.stat().st_size for file in pushed.iterdir())
    shutil.rmtree(pushed)
    return unpacked / 1e6, compressed / 1e6
