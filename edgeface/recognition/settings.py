"""Settings of recognition: from embeddings to decisions."""

from typing import Annotated

from pydantic import Field

from edgeface.core.settings import Frames, Level, Seconds, Settings

MIN_FPS = 0.8
"""Pictures per second from which a person who stands is matched within 5 s (`make slow`)."""


class Recognition(Settings):
    """From embeddings to decisions."""

    level: Level = "normal"
    """Accepted false accepts for each stranger who passes: low 1 in 100, normal 1 in 1,000, high 1 in 10,000."""
    frames: Frames = 3
    """Good frames before any decision."""
    seconds: Seconds = 0.3
    """Time that those frames must span."""
    unknown_frames: Frames = 5
    """Good frames before a face is reported as unknown."""
    verify: Seconds = 3.0
    """How often a decided track is checked again; one with a name is checked every 4 s at least."""
    gap: Seconds = 2.0
    """A person who is out of view for less than this has not left."""


class UnknownSettings(Settings):
    """People who are not enrolled."""

    days: Annotated[int, Field(ge=0, le=3650)] = 30
    """How long an unknown's id and embedding are kept after the last sighting; 0 keeps none."""
    most: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Unknowns kept; with more, those seen once and long ago are removed first."""
    per_minute: Annotated[int, Field(ge=1, le=600)] = 6
    """Unknown events that a camera may send in a minute; the rest are only counted."""
