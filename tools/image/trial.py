"""`make image-test`: builds the image and tries it in podman, as narrow as docs/container.md says; arm64 emulated."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from typing import TYPE_CHECKING

from tools import figures
from tools.image import arm64, podman, running
from tools.image.steps import Steps, said

if TYPE_CHECKING:
    from collections.abc import Callable

NEEDS = {
    **podman.NEEDS,
    "qemu-x86_64-static": "qemu-user-static",
}
TAG = "localhost/edgeface:trial"


def main() -> int:
    """Build and try; 0 if every step did what it should."""
    parser = argparse.ArgumentParser(prog="make image-test", description=__doc__)
    parser.add_argument("--only", choices=("amd64", "arm64"), help="one architecture")
    parser.add_argument("--keep", action="store_true", help="try the image that the last run has built")
    parser.add_argument("--steps", nargs="+", metavar="STEP", help="amd64: only these steps, after those before them")
    arguments = parser.parse_args()
    chosen = [arguments.only] if arguments.only else ["amd64", "arm64"]
    podman.require("image-test", {**NEEDS, **(podman.ARM_NEEDS if "arm64" in chosen else {})})
    rows: list[tuple[str, bool, str]] = []
    if "amd64" in chosen:
        rows += _amd64(keep=arguments.keep, chosen=arguments.steps)
    if "arm64" in chosen:
        rows += [row(step) for step in arm64.steps(keep=arguments.keep)]
    table = "\n".join(["| step | result |", "|---|---|", *(f"| {name} | {cell} |" for name, _, cell in rows)]) + "\n"
    print(table)
    figures.save("image-test", table, partial=bool(arguments.only or arguments.steps))
    return 0 if all(ok for _, ok, _ in rows) else 1


def _amd64(*, keep: bool, chosen: list[str] | None) -> list[tuple[str, bool, str]]:
    if not keep:
        podman.build("amd64", TAG)
    for volume in (running.CONFIG_VOLUME, running.DATA_VOLUME):
        podman.podman("volume", "rm", "--force", volume, check=False)
    container = running.Container(TAG)
    with running.Broker(podman.BUILD / "broker") as broker:
        try:
            steps = Steps(container, broker).all()
            rows = [row(step) for step in steps if chosen is None or step.__name__ in chosen]
        finally:
            container.remove()
    shutil.rmtree(podman.BUILD / "copies", ignore_errors=True)
    return rows


def row(step: Callable[[], str]) -> tuple[str, bool, str]:
    """Take one step; its name, whether it did what it should, and its cell."""
    began = time.monotonic()
    ok, detail = said(step)
    name = (step.__doc__ or "").rstrip(".")
    cell = f"{'yes' if ok else 'NO'}, {time.monotonic() - began:.1f} s: {detail}".replace("\n", "; ").replace(
        "|", "\\|"
    )
    print(f"{name}: {cell}", flush=True)
    return name, ok, cell


if __name__ == "__main__":
    sys.exit(main())
