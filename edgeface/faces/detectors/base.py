"""What every detector type shares."""

from abc import abstractmethod
from typing import ClassVar

from edgeface.core.settings import Settings
from edgeface.faces.protocols import Detector


class DetectorBase(Settings):
    """A detector's settings; a detector type overrides what the defaults miss."""

    takes_threads: ClassVar[bool] = False
    """Whether `open` can set the number of threads."""

    @abstractmethod
    def open(self, threads: int = 1) -> Detector:
        """Load the model; raises ModelError if it cannot be used."""

    @property
    def face_limit(self) -> int | None:
        """The key `smallest_face`, which the page shows and edits; None if the type has no such key."""
        limit: int | None = getattr(self, "smallest_face", None)
        return limit
