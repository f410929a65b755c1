"""podman as the tests use it, and images made of Debian roots: no registry is asked for one."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
from pathlib import Path

from tools.service.roots import HERE, MIRROR

BUILD = HERE / "build" / "image"
CONTAINERFILE = HERE / "packages" / "image" / "Containerfile"
SUITE = "trixie"
NEEDS = {
    "podman": "podman",
    "runc": "runc",
    "mmdebstrap": "mmdebstrap",
    "netavark": "netavark aardvark-dns",
    "iptables": "iptables",
}
ARM_NEEDS = {"qemu-aarch64-static": "qemu-user-static", "update-binfmts": "binfmt-support"}
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


def require(target: str, needs: dict[str, str]) -> None:
    """End with one line if this is not root, or a program is missing."""
    if os.geteuid() != 0:
        raise SystemExit(f"{target}: roots and user namespaces need root: sudo make {target}")
    folders = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/lib/podman"))
    for program, package in needs.items():
        if shutil.which(program, path=folders) is None:
            raise SystemExit(f"{target}: {program} is missing: apt-get install {package}")


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
            emulate()
        archive = BUILD / f"{name}-{architecture}.tar"
        print(f"making a root of Debian {SUITE} for {architecture}: {name}", flush=True)
        options = [f"--dpkgopt=path-exclude=/usr/share/{one}/*" for one in _LEFT_OUT]
        options += ["--dpkgopt=path-include=/usr/share/doc/*/copyright", "--skip=check/qemu", "--variant=minbase"]
        if packages:
            options.append(f"--include={','.join(packages)}")
        command = ["mmdebstrap", "--quiet", f"--arch={architecture}", *options, SUITE, str(archive), MIRROR]
        _run(command, {**os.environ, "SOURCE_DATE_EPOCH": EPOCH})
        podman("import", "--arch", architecture, archive, tag)
        archive.unlink()
    return tag


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
    words = [
        "build",
        "--quiet",
        "--pull=never",
        "--platform",
        f"linux/{architecture}",
        "--format",
        "docker",
        "--network",
        "host",
    ]
    podman(
        *words,
        *(word for name, value in given_to_build.items() for word in ("--build-arg", f"{name}={value}")),
        *volumes,
        *options,
        "--file",
        CONTAINERFILE,
        "--tag",
        tag,
        HERE,
        seconds=5400,
    )


def host() -> str:
    """The architecture of this machine, as Debian calls it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def emulate() -> None:
    """Have the kernel run programs of arm64 by qemu-user."""
    place = Path("/proc/sys/fs/binfmt_misc")
    if not (place / "register").exists():
        _run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(place)])
    if not (place / "qemu-aarch64").exists():
        _run(["update-binfmts", "--enable", "qemu-aarch64"])


def sizes(tag: str) -> tuple[float, float]:
    """Megabytes of an image unpacked, and as it is pushed: its layers by gzip."""
    unpacked = int(podman("image", "inspect", tag, "--format", "{{.Size}}").stdout)
    pushed = BUILD / "pushed"
    shutil.rmtree(pushed, ignore_errors=True)
    podman("push", "--quiet", "--compress", "--remove-signatures", tag, f"dir:{pushed}")
    compressed = sum(file.stat().st_size for file in pushed.iterdir())
    shutil.rmtree(pushed)
    return unpacked / 1e6, compressed / 1e6


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])}: exit status {done.returncode}\n{done.stderr[-3000:]}")
