"""`make image-test`: builds the image and tries it in podman, as narrow as docs/container.md says; arm64 emulated."""

from __future__ import annotations

import argparse
import shutil
import sys

from tools import figures
from tools.image import arm64, podman
from tools.image.broker import Broker
from tools.image.container import CONFIG_VOLUME, DATA_VOLUME, Container
from tools.image.steps import Steps
from tools.steps import Result, attempt, passed, table

TAG = "localhost/edgeface:trial"


def main() -> int:
    """Build and try; 0 if every step did what it should."""
    parser = argparse.ArgumentParser(prog="make image-test", description=__doc__)
    parser.add_argument("--only", choices=("amd64", "arm64"), help="one architecture")
    parser.add_argument("--keep", action="store_true", help="try the image that the last run has built")
    parser.add_argument("--steps", nargs="+", metavar="STEP", help="amd64: only these steps, after those before them")
    arguments = parser.parse_args()
    chosen = [arguments.only] if arguments.only else ["amd64", "arm64"]
    podman.require("image-test", arm64="arm64" in chosen, more={"qemu-x86_64-static": "qemu-user-static"})
    results: list[Result] = []
    if "amd64" in chosen:
        results += _amd64(keep=arguments.keep, chosen=arguments.steps)
    if "arm64" in chosen:
        results += map(attempt, arm64.steps(keep=arguments.keep))
    columns = {"result": results}
    print(table(columns))
    figures.save("image-test", table(columns), partial=bool(arguments.only or arguments.steps))
    return 0 if passed(columns) else 1


def _amd64(*, keep: bool, chosen: list[str] | None) -> list[Result]:
    if not keep:
        podman.build("amd64", TAG)
    for volume in (CONFIG_VOLUME, DATA_VOLUME):
        podman.podman("volume", "rm", "--force", volume, check=False)
    container = Container(TAG)
    with Broker(podman.BUILD / "broker") as broker:
        try:
            steps = Steps(container, broker).all()
            results = [attempt(step) for step in steps if chosen is None or step.__name__ in chosen]
        finally:
            container.remove()
    shutil.rmtree(podman.BUILD / "copies", ignore_errors=True)
    return results


if __name__ == "__main__":
    sys.exit(main())
