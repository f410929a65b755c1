"""Settings of recognition: from embeddings to decisions."""

from typing import Annotated

from pydantic import Field

from edgeface.core.settings import Frames, Level, Seconds, Settings


class Recognition(Settings):
    """From embeddings to decisions."""

    level: Level = "normal"
    """False accepts a passer-by that are put up with: low 1 in 100, normal 1 in 1,000, high 1 in 10,000."""
    frames: Frames = 3
    """Good frames before anything is said."""
    seconds: Seconds = 0.3
    """Time that those frames must span."""
    unknown_frames: Frames = 5
    """Good frames before somebody is called unknown."""
    verify: Seconds = 3.0
    """How often a track that has been decided is looked at again."""
    gap: Seconds = 2.0
    """A person away for less than this has not left."""


class Unknowns(Settings):
    """People whom nobody has enrolled."""

    days: Annotated[int, Field(ge=0, le=3650)] = 30
    """How long an unknown's id and embedding are kept since the last sighting; 0 keeps none."""
    per_minute: Annotated[int, Field(ge=1, le=600)] = 6
    """Unknown events a camera may send in a minute; the rest is counted."""
