"""Paints on a picture of a face: shapes, colours and textures.

All shapes are in the coordinates of the embedder's 112 x 112 template, and may reach beyond it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edgeface.faces.embedder import TEMPLATE, similarity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgeface.core.types import Image, Landmarks

    Floats = NDArray[np.float64]
    Rng = np.random.Generator

_FIVE = [0, 1, 2, 6, 7]
RIGHT_EYE, LEFT_EYE, _NOSE = TEMPLATE[:3].astype(float)
# Points are drawn with 4 bits behind the point, so that edges are smooth.
_SHIFT = 4


def chance(rng: Rng, share: float) -> bool:
    """True for this share of the calls."""
    return bool(rng.random() < share)


class Canvas:
    """A picture with one face, to paint on in the template's coordinates."""

    def __init__(self, image: Image, landmarks: Landmarks, rng: Rng, others: list[Image]) -> None:
        self.image = image.astype(np.float64)
        self.rng = rng
        self.looks: list[str] = []
        """The names of the choices that make up the look."""
        self._others = others
        matrix = similarity(TEMPLATE, landmarks[_FIVE])
        self._matrix = matrix
        self.scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        cheeks = np.array([[36.0, 76.0], [76.0, 76.0], [56.0, 36.0]]) @ matrix[:, :2].T + matrix[:, 2]
        rows = np.clip(cheeks[:, 1].round().astype(int), 0, image.shape[0] - 1)
        columns = np.clip(cheeks[:, 0].round().astype(int), 0, image.shape[1] - 1)
        self.skin: Floats = np.median(self.image[rows, columns], axis=0)

    def pick(self, *names: str) -> str:
        """One of the looks, which is noted; a name may be given more than once to make it more frequent."""
        self.looks.append(str(self.rng.choice(names)))
        return self.looks[-1]

    def place(self, points: Floats) -> NDArray[np.int32]:
        """The template's points in the picture, for drawing."""
        placed = np.asarray(points, float) @ self._matrix[:, :2].T + self._matrix[:, 2]
        return np.asarray(np.clip(placed * (1 << _SHIFT), -1e6, 1e6).round(), np.int32)

    def shape(self, *polygons: Floats, lines: float = 0.0) -> Floats:
        """Coverage, 0 to 1, of polygons, or of lines of this width along them."""
        mask = np.zeros(self.image.shape[:2], np.uint8)
        for polygon in polygons:
            points = [self.place(polygon)]
            if lines:
                width = max(1, round(lines * self.scale))
                cv2.polylines(
                    mask, points, isClosed=False, color=255, thickness=width, lineType=cv2.LINE_AA, shift=_SHIFT
                )
            else:
                cv2.fillPoly(mask, points, 255, lineType=cv2.LINE_AA, shift=_SHIFT)
        return mask / 255.0

    def paint(self, coverage: Floats, colours: Floats, opacity: float = 1.0) -> None:
        """Put colours where the coverage is, softened as a lens would."""
        soft = cv2.GaussianBlur(coverage, (0, 0), max(0.3, self.rng.uniform(0.2, 0.8) * self.scale)) * opacity
        self.image += soft[..., None] * (colours - self.image)

    def done(self) -> Image:
        """The painted picture."""
        return np.asarray(np.clip(self.image.round(), 0, 255), np.uint8)

    def texture(self, base: Floats | None = None) -> Floats:
        """Colours of a cover: plain, patterned, of another photo, or like skin; lit from somewhere."""
        height, width = self.image.shape[:2]
        rng = self.rng
        base = (self.colour, self.skin_like)[int(rng.integers(2))]() if base is None else base
        kind = rng.choice(["plain", "plain", "stripes", "blobs", "photo"])
        colours = self.flat(base)
        if kind in ("stripes", "blobs"):
            share = self._stripes() if kind == "stripes" else self._blobs()
            colours = colours + share[..., None] * (self.colour() - base)
        elif kind == "photo" and self._others:
            other = self._others[rng.integers(len(self._others))]
            top, left = (int(rng.integers(0, side // 2)) for side in other.shape[:2])
            cut = other[top : top + other.shape[0] // 2, left : left + other.shape[1] // 2]
            colours = cv2.resize(cut, (width, height)).astype(float)
        return self.lit(colours)

    def colour(self) -> Floats:
        """A random colour, often grey, white or black."""
        rng = self.rng
        if chance(rng, 0.4):
            return np.full(3, rng.choice([rng.uniform(5, 60), rng.uniform(190, 255), rng.uniform(60, 190)]))
        return rng.uniform(0, 255, 3)

    def skin_like(self) -> Floats:
        """A colour like the face's own."""
        return np.clip(self.skin * self.rng.uniform(0.75, 1.2) + self.rng.normal(0, 8, 3), 0, 255)

    def grid(self) -> tuple[Floats, Floats]:
        """Columns and rows of the picture in units of the template."""
        height, width = self.image.shape[:2]
        y, x = np.mgrid[:height, :width].astype(float)
        return x / self.scale, y / self.scale

    def rows(self, *rows: float) -> list[float]:
        """Rows of the template in the middle of the face, in the units of `grid`."""
        return [float(y) / self.unit for y in self.place(np.array([[56.0, row] for row in rows]))[:, 1]]

    @property
    def unit(self) -> float:
        """How many of the numbers of `place` are one of `grid`."""
        return (1 << _SHIFT) * self.scale

    def _stripes(self) -> Floats:
        x, y = self.grid()
        angle, period = self.rng.uniform(0, np.pi), self.rng.uniform(4, 25)
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
        if chance(self.rng, 0.5):
            wave = wave * np.sin((y * np.cos(angle) - x * np.sin(angle)) * 2 * np.pi / period)
        return np.asarray(np.clip(wave * 2 + 0.5, 0, 1))

    def _blobs(self) -> Floats:
        height, width = self.image.shape[:2]
        coarse = max(2, round(max(height, width) / (self.scale * self.rng.uniform(4, 30))))
        noise = cv2.resize(self.rng.normal(0, 1, (coarse, coarse)), (width, height), interpolation=cv2.INTER_CUBIC)
        return np.clip(noise + 0.5, 0, 1)

    def flat(self, colour: Floats | float) -> Floats:
        """A picture of one colour."""
        return np.broadcast_to(colour, self.image.shape).astype(float)

    def lit(self, colours: Floats) -> Floats:
        """With folds, a gradient of light, and noise."""
        x, y = self.grid()
        angle = self.rng.uniform(0, 2 * np.pi)
        ramp = (x * np.cos(angle) + y * np.sin(angle)) / 112
        light = 1 + self.rng.uniform(0, 0.6) * (ramp - ramp.mean()) + self.rng.uniform(0, 0.25) * (self._blobs() - 0.5)
        noise = self.rng.normal(0, self.rng.uniform(0, 6), colours.shape)
        return np.asarray(np.clip(colours * light[..., None] + noise, 0, 255))


def jittered(rng: Rng, points: Sequence[tuple[float, float]], jitter: float) -> Floats:
    """The points, each shifted a little."""
    return np.array(points) + rng.normal(0, jitter, (len(points), 2))


def flipped(points: Floats) -> Floats:
    """The points on the other side of the face."""
    return np.column_stack([112 - points[:, 0], points[:, 1]])


def mirrored(rng: Rng, points: Floats) -> Floats:
    """The points on either side of the face."""
    return points if chance(rng, 0.5) else flipped(points)


def middle(shape: Floats, right: float, down: float) -> tuple[float, float]:
    """The middle of a shape, shifted."""
    x, y = shape.mean(axis=0)
    return float(x) + right, float(y) + down


def ellipse(x: float, y: float, a: float, b: float, power: float = 2.0, angle: float = 0.0) -> Floats:
    """A superellipse; with a high power it is nearly a rectangle."""
    t = np.linspace(0, 2 * np.pi, 40)
    u = a * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** (2 / power)
    v = b * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** (2 / power)
    return np.column_stack([x + u * np.cos(angle) - v * np.sin(angle), y + u * np.sin(angle) + v * np.cos(angle)])
