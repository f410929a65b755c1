"""A flat or bent picture that is held before a camera: where each of its points is seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.types import Box
from edgeface.imaging.opencv import cv2

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeface.core.types import Image

    Floats = NDArray[np.float32]

SIZE = (320, 400)
"""Height and width of the camera's picture, in pixels."""
_WALL = (112, 108, 104)
_COARSE = 2
"""The rays of every so many pixels are followed, and the points between them are interpolated."""
_OUTSIDE = -9.0


@dataclass(frozen=True, slots=True)
class Pose:
    """How a picture is held; angles in degrees."""

    yaw: float = 0.0
    """Positive: its face looks to the right of the image, as a head does that turns to its own left."""
    pitch: float = 0.0
    roll: float = 0.0
    bend: float = 0.0
    """Half the angle of the cylinder that the picture covers, whose axis is upright: positive for a middle that is
    nearer to the camera than the edges; 0 is flat."""
    off: float = 0.0
    """Where the middle of the cylinder's face is, in widths of the picture to its right."""
    width: float = 200.0
    """Of the picture when it is flat and not turned, in pixels."""
    x: float = 0.0
    y: float = 0.0
    """Shift of its middle from the middle of the image, in pixels."""
    focal: float = 440.0
    """Focal length, in pixels."""


def held(picture: Image, pose: Pose) -> Image:
    """What the camera sees: the picture in front of a plain wall."""
    height, width = picture.shape[:2]
    across, down = _points(pose, height / width)
    x, y = (across + 0.5) * width - 0.5, (down + height / width / 2) * width - 0.5
    seen = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=_WALL)
    return np.asarray(cv2.GaussianBlur(seen, (3, 3), 0.6), np.uint8)


def placed(box: Box, picture: Image, pose: Pose) -> Box | None:
    """Where a box of the picture is seen; None if it is not."""
    height, width = picture.shape[:2]
    across, down = _points(pose, height / width)
    x, y = (across + 0.5) * width, (down + height / width / 2) * width
    rows, columns = np.nonzero((x >= box.left) & (x < box.right) & (y >= box.top) & (y < box.bottom))
    if not len(rows):
        return None
    return Box(float(columns.min()), float(rows.min()), float(columns.max()) + 1, float(rows.max()) + 1)


def _points(pose: Pose, aspect: float) -> tuple[Floats, Floats]:
    """The point of the picture that each pixel shows, in widths from its middle; far outside where it shows none."""
    shape = (SIZE[0] // _COARSE, SIZE[1] // _COARSE)
    v, u = np.mgrid[: shape[0], : shape[1]] * _COARSE + _COARSE / 2
    rays = np.stack(
        [(u - SIZE[1] / 2 - pose.x) / pose.focal, (v - SIZE[0] / 2 - pose.y) / pose.focal, np.ones_like(u)], axis=-1
    )
    turned = _rotation(pose)
    rays = rays @ turned
    eye = -turned.T @ np.array([0.0, 0.0, pose.focal / pose.width])
    across, down = _flat(rays, eye) if pose.bend == 0 else _bent(rays, eye, pose, aspect)
    outside = (np.abs(across) > 0.5) | (np.abs(down) > aspect / 2)  # noqa: PLR2004 - half a width
    across[outside] = down[outside] = _OUTSIDE
    size = (SIZE[1], SIZE[0])
    found = [cv2.resize(one.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) for one in (across, down)]
    return np.asarray(found[0], np.float32), np.asarray(found[1], np.float32)


def _rotation(pose: Pose) -> NDArray[np.float64]:
    yaw, pitch, roll = -math.radians(pose.yaw), math.radians(pose.pitch), math.radians(pose.roll)
    about_y = [[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
    about_x = [[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]]
    about_z = [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
    turned: NDArray[np.float64] = np.array(about_z) @ np.array(about_y) @ np.array(about_x)
    return turned


def _flat(rays: NDArray[np.float64], eye: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    reach = -eye[2] / rays[..., 2]
    reach = np.where(reach > 0, reach, np.inf)
    with np.errstate(invalid="ignore"):
        return eye[0] + reach * rays[..., 0], eye[1] + reach * rays[..., 1]


def _bent(
    rays: NDArray[np.float64], eye: NDArray[np.float64], pose: Pose, aspect: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first point of the part of the cylinder that the picture covers."""
    radius = 0.5 / math.radians(abs(pose.bend))
    side = math.copysign(1.0, pose.bend)
    from_axis = eye[2] - side * radius
    a = rays[..., 0] ** 2 + rays[..., 2] ** 2
    b = eye[0] * rays[..., 0] + from_axis * rays[..., 2]
    root = np.sqrt(np.maximum(b * b - a * (eye[0] ** 2 + from_axis**2 - radius**2), 0.0))
    across, down = np.full(a.shape, _OUTSIDE), np.full(a.shape, _OUTSIDE)
    for reach in ((-b + root) / a, (-b - root) / a):  # the nearer one replaces the farther one
        x, y, z = eye[0] + reach * rays[..., 0], eye[1] + reach * rays[..., 1], from_axis + reach * rays[..., 2]
        around = np.arctan2(x, -side * z) * radius + pose.off
        hit = (root > 0) & (reach > 0) & (np.abs(around) <= 0.5) & (np.abs(y) <= aspect / 2)  # noqa: PLR2004
        across[hit], down[hit] = around[hit], y[hit]
    return across, down
