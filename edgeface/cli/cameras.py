"""`edgeface cameras`: tests the cameras that are attached and those that are configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.cameras.discovery import attached, missing, take_image
from edgeface.cli.main import UNAVAILABLE
from edgeface.config import loader
from edgeface.config.configuration import Configuration
from edgeface.core.console import say
from edgeface.core.errors import CameraError, UsageError, system_reason
from edgeface.core.files import put_whole
from edgeface.core.text import cleaned
from edgeface.doctor.cameras import open_analyzer, wrong_way_up
from edgeface.imaging.drawing import jpeg

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from edgeface.cameras.base import CameraBase
    from edgeface.faces.analyzer import FaceAnalyzer


def run_cameras(arguments: argparse.Namespace) -> int:
    """`edgeface cameras`: returns 0, or 69 if a configured camera delivers no image."""
    folder = _folder(arguments.out)
    configuration = loader.load(arguments.config) if arguments.config.exists() else None
    configured = None if configuration is None else configuration.cameras
    analyzer = open_analyzer(configuration or Configuration.model_construct(cameras={}))
    found = list(attached())
    say("this machine has:")
    for one in found:
        say(f"  {one.where:<14}{cleaned(one.what)}; {one.hint}")
        if one.camera is not None and not any(map(one.camera.same_device, (configured or {}).values())):
            say(f"  {'':<14}{_test(one.name, one.camera, folder, analyzer)[1]}")
    if not found:
        say("  no camera plugged in; RTSP and HTTP cameras must be configured")
    for hint in missing():
        say(f"  {hint}")
    if configured is None:
        return 0
    say(f"{arguments.config} has:")
    good = True
    for name, camera in configured.items():
        works, line = _test(name, camera, folder, analyzer)
        say(f"  {name:<14}{line}" + ("" if camera.name is None else f"; {camera.name}"))
        good = good and works
    return 0 if good else UNAVAILABLE


def _folder(out: Path | None) -> Path | None:
    if out is not None:
        try:
            out.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--out: {out} cannot be a folder ({system_reason(error)})") from error
    return out


def _test(name: str, camera: CameraBase, folder: Path | None, analyzer: FaceAnalyzer | None) -> tuple[bool, str]:
    """Whether the camera delivers an image, and a line about it; the image is written to the folder."""
    try:
        image = take_image(camera)
    except CameraError as error:
        return False, str(error)
    height, width = image.shape[:2]
    line = f"{width} x {height}, brightness {image.mean() / 255:.0%}"
    turned = None if analyzer is None else wrong_way_up(camera, image, analyzer)
    if turned is not None:
        line += f"; {turned[0]}: set {turned[1]}"
    if folder is None:
        return True, line
    file = folder / f"{name}.jpg"
    try:
        put_whole(file, jpeg(image))
    except OSError as error:
        return True, f"{line}, but {file} cannot be written ({system_reason(error)})"
    return True, f"{line}, in {file}"
