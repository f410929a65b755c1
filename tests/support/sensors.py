"""Synthetic pictures of depth and thermal cameras, and their files."""

import numpy as np

from edgeface.core.types import Box, Detection, Frame, Image, Landmarks, Values

SIZE = (320, 240)
"""Width and height of a companion's picture; the camera's is twice as large."""
GREY: Image = np.full((480, 640, 3), 110, np.uint8)
GREY.flags.writeable = False

FACE = Box(240, 140, 400, 340)
"""In the camera's picture."""
LANDMARKS: Landmarks = np.array(
    [(285, 210), (355, 210), (320, 255), (320, 300), (245, 220), (395, 220), (295, 298), (345, 298)], np.float32
)


def face(box: Box = FACE, landmarks: Landmarks = LANDMARKS) -> Detection:
    return Detection(box, 0.9, landmarks)


def taken(companion: Frame | None, camera: str = "porch", monotonic: float = 10.0, image: Image = GREY) -> Frame:
    """A frame of the camera, with the picture of its companion."""
    return Frame(camera, 0, monotonic, 0.0, image, companion=companion)


def measured(
    values: Values | None, monotonic: float = 10.0, *, camera: str = "beside", doubtful: bool = False
) -> Frame:
    """A companion's picture."""
    image = np.zeros((*SIZE[::-1], 3), np.uint8) if values is None else np.repeat(values[:, :, None] // 256, 3, axis=2)
    return Frame(camera, 0, monotonic, 0.0, image.astype(np.uint8), doubtful, values)


def flat(away: float = 600.0, slope: tuple[float, float] = (0.0, 0.0)) -> Values:
    """A plane: `away` in its middle, and so many millimetres further for each pixel to the right and down.

    The inverse of the distance is linear in the pixels of a pinhole camera.
    """
    x, y = np.meshgrid(np.arange(SIZE[0]) - SIZE[0] / 2, np.arange(SIZE[1]) - SIZE[1] / 2)
    return np.asarray(np.rint(1 / (1 / away - (x * slope[0] + y * slope[1]) / away**2)), np.uint16)


def living(nose: float = 25.0, away: float = 600.0) -> Values:
    """A face whose nose is nearer than its plane by so many millimetres."""
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    tip = LANDMARKS[2] / 2
    bump = nose * np.clip(1 - np.hypot(x - tip[0], y - tip[1]) / 14, 0, 1) ** 0.5
    return np.asarray(np.rint(away - bump), np.uint16)


def heat(of_face: float = 34.0, around: float = 22.0) -> Values:
    """A face of a temperature in surroundings of another one, in degrees Celsius."""
    values = np.full(SIZE[::-1], centikelvin(around), np.uint16)
    left, top, right, bottom = (int(side / 2) for side in FACE)
    values[top:bottom, left:right] = centikelvin(of_face)
    return values


def centikelvin(celsius: float) -> int:
    return round((celsius + 273.15) * 100)


def pgm(values: Values, header: str | None = None) -> bytes:
    """A binary PGM with 16 bits per pixel."""
    height, width = values.shape
    return (header or f"P5\n{width} {height}\n65535\n").encode() + values.astype(">u2").tobytes()
