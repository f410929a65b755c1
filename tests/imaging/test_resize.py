import numpy as np
import pytest

from edgeface.core.types import Image
from edgeface.imaging.opencv import cv2
from edgeface.imaging.resize import resized, scaled


def noise(height: int, width: int) -> Image:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(("shrinks", "how"), [(True, cv2.INTER_AREA), (False, cv2.INTER_LINEAR)])
def test_a_picture_is_averaged_when_it_shrinks(*, shrinks: bool, how: int) -> None:
    image = noise(90, 120)
    assert (resized(image, (40, 30), shrinks=shrinks) == cv2.resize(image, (40, 30), interpolation=how)).all()


@pytest.mark.parametrize(("scale", "shape"), [(0.5, (45, 60, 3)), (2, (180, 240, 3)), (0.001, (1, 1, 3))])
def test_a_scale_keeps_the_proportions(scale: float, shape: tuple[int, ...]) -> None:
    assert scaled(noise(90, 120), scale).shape == shape


def test_a_scale_of_one_copies_nothing() -> None:
    image = noise(9, 12)
    assert scaled(image, 1.0) is image
