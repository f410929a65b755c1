"""`make arm64`: the demo clip gives the same people and scores on emulated ARM processors as on this machine.

A Debian root for arm64, the aarch64 wheels that a device would install, and qemu-user as a Cortex-A72 (Raspberry
Pi 4) and a Cortex-A76 (Raspberry Pi 5; the instructions of Jetson Orin's A78AE are a superset of its own).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[2]
BUILD = HERE / "build" / "arm64"
ROOT = BUILD / "root"
MIRROR = "http://deb.debian.org/debian"
SUITE, PYTHON = "bookworm", "3.11"
BOARDS = {"cortex-a72": "Raspberry Pi 4", "cortex-a76": "Raspberry Pi 5, Jetson Orin"}
CLOSE = 0.02
"""Cosine by which a score may differ: kernels for other processors round differently."""
NEEDS = {"mmdebstrap": "mmdebstrap", "qemu-aarch64-static": "qemu-user-static", "update-binfmts": "binfmt-support"}

# qemu-user shows the host's processor; LiteRT's cpuinfo needs to see an ARM one, and gives up otherwise.
CPUINFO = """\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: {features}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: {part}
CPU revision\t: 3

"""
FEATURES = "fp asimd evtstrm crc32 cpuid"
PARTS = {"cortex-a72": ("0xd08", FEATURES), "cortex-a76": ("0xd0b", f"{FEATURES} aes atomics fphp asimdhp asimddp")}

Events = list[dict[str, Any]]


def main() -> int:
    """Run each board; 0 if its events are those of this machine."""
    parser = argparse.ArgumentParser(prog="make arm64", description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", choices=BOARDS, help="run only this processor")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table to FILE")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("arm64: entering another root needs root: sudo make arm64")
    for program, package in NEEDS.items():
        if shutil.which(program) is None:
            raise SystemExit(f"arm64: {program} is missing: apt-get install {package}")
    prepare()
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "events.jsonl"
        run([sys.executable, "-m", "edgeface.cli", *replay(HERE, own)])
        expected = read(own)
    chosen = [cpu for cpu in BOARDS if arguments.cpu in {None, cpu}]
    with ThreadPoolExecutor() as pool:
        rows = list(pool.map(lambda cpu: board(cpu, expected), chosen))
    header = "| processor | board | doctor | events | people | largest difference of a score | seconds |"
    table = "\n".join([header, "|" + "---|" * 7, *(row for row, _ in rows)]) + "\n"
    print(table)
    if arguments.markdown is not None:
        arguments.markdown.write_text(table)
    return 0 if all(ok for _, ok in rows) else 1


def prepare() -> None:
    """Make the root and copy the wheels and this checkout into it."""
    if not (ROOT / "usr/bin/python3").exists():
        print(f"making a root of Debian {SUITE} for arm64", flush=True)
        ROOT.parent.mkdir(parents=True, exist_ok=True)
        packages = "--include=python3,libstdc++6,tzdata"
        run(["mmdebstrap", "--quiet", "--arch=arm64", "--variant=extract", packages, SUITE, str(ROOT), MIRROR])
    if not Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", "/proc/sys/fs/binfmt_misc"], check=False)
        run(["update-binfmts", "--enable", "qemu-aarch64"])
    tags = ["manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in range(17, 37))]
    platform = [word for tag in tags for word in ("--platform", tag)]
    site = ROOT / "opt/edgeface"
    needs, fetched = _dependencies(), ROOT / "opt/needs"
    if not fetched.exists() or fetched.read_text() != str(needs):
        print("fetching the aarch64 wheels", flush=True)
        shutil.rmtree(site, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(site)]
        run([*pip, "--only-binary", ":all:", "--python-version", PYTHON, *platform, *needs])
        fetched.write_text(str(needs))
    for name in ("edgeface", "models"):
        shutil.rmtree(site / name, ignore_errors=True)
        shutil.copytree(HERE / name, site / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dev", "proc", "root", "sys/devices/system/cpu", "tmp"):
        (ROOT / name).mkdir(parents=True, exist_ok=True)
    for name in ("possible", "present", "online"):
        (ROOT / "sys/devices/system/cpu" / name).write_text("0-3\n")
    # The photo decoder uses it to limit its own memory; nothing is mounted on the root's /proc.
    (ROOT / "proc/self").mkdir(exist_ok=True)
    (ROOT / "proc/self/statm").write_text("250000 20000 10000 1 0 50000 0\n")
    for device, minor in (("null", 3), ("urandom", 9)):
        if not (ROOT / "dev" / device).exists():
            os.mknod(ROOT / "dev" / device, 0o666 | 0o020000, os.makedev(1, minor))


def board(cpu: str, expected: Events) -> tuple[str, bool]:
    """One processor's row of the table, and whether its events were as expected."""
    print(f"replaying the demo clip on an emulated {cpu}", flush=True)
    part, features = PARTS[cpu]
    root = BUILD / cpu
    shutil.rmtree(root, ignore_errors=True)
    run(["cp", "-a", "--reflink=auto", str(ROOT), str(root)])
    (root / "proc/cpuinfo").write_text(CPUINFO.format(part=part, features=features) * 4)
    (root / "root/config.yaml").write_text(
        "data: /root/data\ncameras: {porch: {type: replay, path: /opt/edgeface/edgeface/demo_data/clip.mp4}}\n"
    )
    began = time.monotonic()
    doctor = emulate(root, cpu, "doctor", "--config", "/root/config.yaml", check=False)
    print(doctor.stdout, flush=True)
    emulate(root, cpu, *replay(Path("/opt/edgeface"), Path("/root/events.jsonl")))
    heard = read(root / "root/events.jsonl")
    same = [told(event) for event in heard] == [told(event) for event in expected]
    pairs = zip(heard, expected, strict=False)
    gaps = [abs(one["score"] - other["score"]) for one, other in pairs if one["score"] and other["score"]]
    furthest = max(gaps, default=1.0)
    people = ", ".join(dict.fromkeys(event["person"] for event in heard if event["person"])) or "no one"
    said = f"{len(heard)} of {len(expected)}" + ("" if same else ", NOT THE SAME")
    cells = (
        cpu,
        BOARDS[cpu],
        f"exit {doctor.returncode}",
        said,
        people,
        f"{furthest:.4f}",
        f"{time.monotonic() - began:.0f}",
    )
    return f"| {' | '.join(cells)} |", same and furthest <= CLOSE


def emulate(root: Path, cpu: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run edgeface inside the root, on the emulated processor."""
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/bin",
        "HOME": "/root",
        "QEMU_CPU": cpu,
        "PYTHONPATH": "/opt/edgeface",
        "LANG": "C.UTF-8",
    }
    command = ["/usr/sbin/chroot", str(root), "/usr/bin/python3", "-m", "edgeface.cli", *arguments]
    done = subprocess.run(
        command, env=environment, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if check and done.returncode:
        raise SystemExit(f"arm64: edgeface {arguments[0]}: exit status {done.returncode}\n{done.stdout[-2000:]}")
    return done


def replay(folder: Path, out: Path) -> list[str]:
    """The arguments of the replay command."""
    data = folder / "edgeface" / "demo_data"
    return ["replay", str(data / "clip.mp4"), "--gallery", str(data / "people"), "--events", str(out)]


def told(event: dict[str, Any]) -> tuple[object, ...]:
    """The parts of an event that must be the same everywhere."""
    return event["event_type"], event["person"], event["unknown"] is None, event["camera"]


def read(path: Path) -> Events:
    """The events of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def run(command: list[str]) -> None:
    """Run a command; its output goes to the terminal only if it fails."""
    done = subprocess.run(command, cwd=HERE, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])}: exit status {done.returncode}\n{done.stdout[-2000:]}")


def _dependencies() -> list[str]:
    text = (HERE / "pyproject.toml").read_text()
    block = text[text.index("dependencies = [") : text.index("]", text.index("dependencies = ["))]
    return [line.strip().strip('",') for line in block.splitlines() if line.strip().startswith('"')]


if __name__ == "__main__":
    sys.exit(main())
