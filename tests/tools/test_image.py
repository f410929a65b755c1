"""The files of packages/image, without podman; `make image-test` builds and runs the image."""

import json
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

from edgeface.cli.parser import parser
from edgeface.core import systemd
from edgeface.core.installed.parts import PARTS

HERE = Path(__file__).parents[2]
IMAGE = HERE / "packages" / "image"
CONTAINERFILE = (IMAGE / "Containerfile").read_text()


def test_each_stage_names_its_processor() -> None:
    assert re.findall(r"^FROM (\S+)", CONTAINERFILE, re.MULTILINE) == [
        "--platform=${BUILDPLATFORM}",
        "--platform=${TARGETPLATFORM}",
    ]


def test_the_script_is_posix_shell() -> None:
    subprocess.run(["/bin/sh", "-n", IMAGE / "install"], check=True, timeout=20)


def test_the_image_is_run_by_a_user_and_asks_for_its_health() -> None:
    assert re.findall(r"^USER (\S+)$", CONTAINERFILE, re.MULTILINE) == ["900"]
    assert f"{systemd.HEALTH}=/dev/shm/" in CONTAINERFILE
    check = re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)
    assert check is not None
    program, *words = json.loads(check[1])
    assert program == "edgeface"
    assert callable(parser().parse_args(words).verb)


def test_the_parts_of_the_image_exist() -> None:
    found = re.search(r"extras=([\w,-]+)\$", (IMAGE / "install").read_text())
    assert found is not None
    assert set(found[1].split(",")) <= PARTS.keys()


def test_the_context_has_what_the_image_is_built_from() -> None:
    lines = (HERE / ".dockerignore").read_text().splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]
    assert "*" in lines
    assert [name for name in kept if not (HERE / name).exists()] == []
    needed = (
        "packages/release/lock-debian13.txt",
        "tools/install/platforms",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "edgeface",
        "models",
        "tools/install/prune",
        "packages/image/install",
    )
    assert [name for name in needed if not any(fnmatch(name, pattern) for pattern in kept)] == []
