"""`edgeface cameras`: what this machine has, what is configured, and a snapshot of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.cameras.discovery import attached, missing, picture, sources
from edgeface.config import loader
from edgeface.core.console import say
from edgeface.core.errors import CameraError, UsageError
from edgeface.core.files import put_whole
from edgeface.core.text import cleaned
from edgeface.imaging.drawing import jpeg

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

    from edgeface.core.types import Camera

AWAY = 69
"""EX_UNAVAILABLE of sysexits.h, as cli.py has it."""


def run_cameras(arguments: argparse.Namespace) -> int:
    """`edgeface cameras`: 0, or 69 when a configured camera gives no picture."""
    folder = _folder(arguments.out)
    configured = _configured(arguments.config)
    found = list(attached())
    say("this machine has:")
    for one in found:
        say(f"  {one.where:<14}{cleaned(one.what)}; {one.hint}")
        if one.camera is not None and one.camera not in sources(configured):
            say(f"  {'':<14}{_look(one.name, one.camera, folder)[1]}")
    if not found:
        say("  no camera that is plugged in; RTSP and HTTP cameras have to be configured")
    for hint in missing():
        say(f"  {hint}")
    if configured is None:
        return 0
    say(f"{arguments.config} has:")
    good = True
    for name, camera in configured.items():
        well, told = _look(name, camera, folder)
        say(f"  {name:<14}{told}")
        good = good and well
    return 0 if good else AWAY


def _configured(path: Path) -> Mapping[str, Camera] | None:
    """The cameras of the configuration; None when there is no file."""
    return loader.load(path).cameras if path.exists() else None


def _folder(out: Path | None) -> Path | None:
    if out is not None:
        try:
            out.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--out: {out} cannot be a folder ({error.strerror})") from error
    return out


def _look(name: str, camera: Camera, folder: Path | None) -> tuple[bool, str]:
    """Whether the camera gives a picture, and a line about it; the picture is written into the folder."""
    try:
        image = picture(camera)
    except CameraError as error:
        return False, str(error)
    height, width = image.shape[:2]
    line = f"{width} x {height}, brightness {image.mean() / 255:.0%}"
    if folder is None:
        return True, line
    file = folder / f"{name}.jpg"
    try:
        put_whole(file, jpeg(image))
    except OSError as error:
        return True, f"{line}, but {file} cannot be written ({error.strerror})"
    return True, f"{line}, in {file}"
