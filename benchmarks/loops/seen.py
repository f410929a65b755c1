"""What every loop returns for a face, in plain numbers, because a loop's environment may not have edgeface."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Image: TypeAlias = NDArray[np.uint8]
"""Height x width x 3, RGB."""


class Seen(NamedTuple):
    """A face that a loop has found in one frame."""

    box: tuple[float, float, float, float]
    """Left, top, right, bottom in pixels."""
    name: str | None
    """As it was enrolled; None if the loop gives no name."""


class Loop(Protocol):
    """One way of recognising the people of a clip."""

    def __init__(self, people: Mapping[str, Sequence[Path]], size: tuple[int, int]) -> None:
        """Load the models and enroll `people` from their photos; `size` is the frames' width and height."""
        ...

    def look(self, image: Image, seconds: float) -> list[Seen]:
        """Process the next frame, taken `seconds` into the clip."""
        ...
