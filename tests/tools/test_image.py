"""The parts of the image's build that need no podman; `make image-test` builds and runs it."""

import re
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
CONTAINERFILE = (HERE / "packages" / "image" / "Containerfile").read_text()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_wheels_for_every_older_c_library_are_accepted_and_for_no_newer(machine: str) -> None:
    command: list[str | Path] = [HERE / "tools" / "install" / "platforms", machine, "13", "41"]
    words = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert words[:2] == ["--python-version", "3.13"]
    accepted = [word for word in words if word.endswith(machine)]
    assert accepted == [f"manylinux2014_{machine}", *(f"manylinux_2_{minor}_{machine}" for minor in range(17, 42))]
    assert words.count("--platform") == len(accepted)


def test_each_stage_names_its_processor() -> None:
    assert re.findall(r"^FROM (\S+)", CONTAINERFILE, re.MULTILINE) == [
        "--platform=${BUILDPLATFORM}",
        "--platform=${TARGETPLATFORM}",
    ]
