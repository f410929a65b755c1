"""What the demo plays, and what has to come of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from edgeface.cameras.replay import ReplayCamera
from edgeface.config.configuration import Configuration, Privacy, Web
from edgeface.core.log import Log
from edgeface.demo import door, truth
from edgeface.mqtt.settings import Mqtt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgeface.access.policy import Door
    from edgeface.core.types import FrameResult
    from edgeface.demo.playback import Finding, Span
    from edgeface.demo.subscriber import Wire

DATA = Path(__file__).parents[1] / "demo_data"
CLIP = DATA / "clip.mp4"
PEOPLE = DATA / "people"
TRUTH = DATA / "truth.json"
DEVICE, CAMERA = "demo", "porch"

_Configured = TypeVar("_Configured", bound=Configuration)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A clip, the configuration that plays it, and what is right."""

    clip: Path
    configuration: Configuration
    opens: Sequence[Span]
    """When the front door opens, once in each span; seconds of the clip."""
    event_faults: Callable[[Sequence[Wire], Callable[[float], float]], list[Finding]]
    """Lists what is wrong with the events of a clip; the function gives the clip's time at a wall time."""
    observers: Sequence[Callable[[FrameResult], None]] = ()
    """They get the result of every frame."""
    rate: float = truth.rate(TRUTH)
    """Frames per second of the clip."""


def configuration(of: type[_Configured], out: Path, port: int, clip: Path, doors: Mapping[str, Door]) -> _Configured:
    """The demo's configuration: everything in the folder, the broker on loopback."""
    return of(
        device=DEVICE,
        data=out / "data",
        cameras={CAMERA: ReplayCamera(type="replay", path=clip)},
        mqtt=Mqtt(port=port),
        doors=dict(doors),
        privacy=Privacy(pictures="all"),
        # A page on any free port, if the extra `web` is installed.
        web=Web(port=0) if find_spec("starlette") is not None and find_spec("uvicorn") is not None else None,
        log=Log(level="warning"),
    )


def supplied(out: Path, port: int, *, doors: bool) -> Scenario:
    """The supplied clip, with or without two doors."""
    return Scenario(
        CLIP,
        configuration(Configuration, out, port, CLIP, door.door_config(CAMERA) if doors else {}),
        door.allowed_visits(TRUTH),
        partial(truth.findings, TRUTH),
    )
