"""Draws the scene: a house front with its door in the evening, and a flower box near the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from edgeface.imaging.opencv import cv2

if TYPE_CHECKING:
    from numpy.random import Generator

    from tools.demo.cutout import Picture

WIDTH, HEIGHT = 640, 480
_FINE = 2
"""Everything is drawn this many times larger, then shrunk."""

Colour: TypeAlias = tuple[float, float, float]
"""Blue, green, red."""

_SIDING: Colour = (176, 182, 178)
_TRIM: Colour = (222, 230, 234)
_DOOR: Colour = (92, 84, 40)
_GLASS: Colour = (96, 78, 60)
_LAMP = (512, 118)


def porch(random: Generator) -> Picture:
    """The wall with door, window, lamp and shrub, HEIGHT x WIDTH."""
    wall = np.empty((HEIGHT * _FINE, WIDTH * _FINE, 3), np.float32)
    wall[:] = _SIDING
    _planks(wall)
    _window(wall, 52, 92, 190, 300)
    _door(wall)
    _number(wall)
    wall *= _grain(random, wall.shape[:2], 0.025)
    _shrub(wall, random, (592, 452), (86, 168))
    _lantern(wall)
    _light(wall)
    small = cv2.resize(wall, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    # The wall is slightly behind the plane of focus.
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 0.8), np.float32)


def flowers(random: Generator) -> Picture:
    """The flower box at the lower edge, out of focus: HEIGHT x WIDTH x 4, BGR times alpha and alpha."""
    box = np.zeros((HEIGHT, WIDTH, 4), np.float32)
    cv2.rectangle(box, (0, 455), (WIDTH, HEIGHT), (40, 52, 66, 1), -1)
    for _ in range(1500):
        x, y = random.uniform(-10, WIDTH + 10), 480 - abs(random.normal(0, 26))
        # A large y is far down: the leaves on top get more light.
        light = float(np.clip((480 - y) / 62, 0.1, 1)) * random.uniform(0.6, 1.1)
        colour = (46 * light, 112 * light, 74 * light, 1)
        _leaf(box, random, (x, max(y, 426 + 6 * np.sin(x / 37))), 8, colour)
    for _ in range(46):
        x, y = random.uniform(0, WIDTH), random.uniform(424, 472)
        colour = ((66, 60, 196, 1), (226, 226, 240, 1), (92, 96, 214, 1))[int(random.integers(3))]
        for _ in range(5):
            dx, dy = random.normal(0, 3.4, 2)
            cv2.circle(box, (int(x + dx), int(y + dy)), 4, colour, -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(box, (0, 0), 2.2, borderType=cv2.BORDER_REPLICATE), np.float32)


def _box(picture: Picture, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
    corner, other = (round(left * _FINE), round(top * _FINE)), (round(right * _FINE) - 1, round(bottom * _FINE) - 1)
    cv2.rectangle(picture, corner, other, colour, -1)


def _planks(wall: Picture) -> None:
    """Clapboards: each is lighter towards its lower edge, and casts a thin shadow on the next."""
    each = 24 * _FINE
    along = np.arange(wall.shape[0]) % each / each
    shade = 0.93 + 0.09 * along
    shade[along > 0.93] = 0.66  # noqa: PLR2004 - the gap
    shade[along < 0.08] = 0.84  # noqa: PLR2004 - the shadow under it
    wall *= shade[:, None, None].astype(np.float32)


def _shadow(wall: Picture, left: float, top: float, right: float, bottom: float, depth: float, soft: float) -> None:
    mask = np.zeros(wall.shape[:2], np.float32)
    cv2.rectangle(mask, (int(left * _FINE), int(top * _FINE)), (int(right * _FINE), int(bottom * _FINE)), depth, -1)
    wall *= 1 - cv2.GaussianBlur(mask, (0, 0), soft * _FINE)[:, :, None]


def _window(wall: Picture, left: float, top: float, right: float, bottom: float) -> None:
    _shadow(wall, left - 8, top - 6, right + 20, bottom + 24, 0.3, 6)
    _box(wall, left - 14, top - 14, right + 14, bottom + 12, _TRIM)
    _box(wall, left - 20, bottom + 8, right + 20, bottom + 18, _TRIM)
    _shadow(wall, left - 20, bottom + 18, right + 20, bottom + 22, 0.35, 1.5)
    _box(wall, left, top, right, bottom, _GLASS)
    pane = wall[top * _FINE : bottom * _FINE, left * _FINE : right * _FINE]
    height, width = pane.shape[:2]
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    down, across = down / height, across / width
    # The evening sky in the glass, and a curtain with the room's light behind it on either side.
    pane *= (1.5 - 0.8 * down + 0.3 * np.clip(across - down, 0, 1))[:, :, None]
    folds = 0.85 + 0.15 * np.sin(across * 46)
    curtain = np.clip((np.abs(across - 0.5) - 0.24 - 0.06 * down) * 30, 0, 1) * 0.75
    pane *= 1 - curtain[:, :, None]
    pane += (curtain * folds)[:, :, None] * np.array((128, 186, 214), np.float32) * (1 - 0.35 * down)[:, :, None]
    middle, half = (left + right) / 2, (top + bottom) / 2
    _box(wall, middle - 4, top, middle + 4, bottom, _TRIM)
    _box(wall, left, half - 4, right, half + 4, _TRIM)
    for edge in (left, middle + 4):
        _shadow(wall, edge, top, edge + 2, bottom, 0.4, 1)
    for edge in (top, half + 4):
        _shadow(wall, left, edge, right, edge + 2, 0.4, 1)


def _door(wall: Picture) -> None:
    left, right, top = 258, 412, 64
    _shadow(wall, left - 16, top - 14, right + 34, HEIGHT, 0.3, 7)
    _box(wall, left - 20, top - 22, right + 20, HEIGHT, _TRIM)
    _box(wall, left - 30, top - 34, right + 30, top - 22, _TRIM)
    _shadow(wall, left - 30, top - 22, right + 30, top - 18, 0.3, 1.5)
    _shadow(wall, left - 3, top - 3, right + 3, HEIGHT, 0.5, 1)
    _box(wall, left, top, right, HEIGHT, _DOOR)
    for column in (left + 18, left + 85):
        _lights(wall, column, top + 20, column + 51, top + 96)
        _panel(wall, column, top + 116, column + 51, top + 250)
        _panel(wall, column, top + 272, column + 51, HEIGHT + 20)
    _knob(wall, right - 10, top + 262)


def _lights(wall: Picture, left: float, top: float, right: float, bottom: float) -> None:
    """A small pane of the door, lit from the hall."""
    _box(wall, left - 3, top - 3, right + 3, bottom + 3, (60, 56, 28))
    _box(wall, left, top, right, bottom, (108, 168, 204))
    pane = wall[int(top * _FINE) : int(bottom * _FINE), int(left * _FINE) : int(right * _FINE)]
    down = np.linspace(1.08, 0.62, pane.shape[0], dtype=np.float32)
    pane *= down[:, None, None]
    _box(wall, left, (top + bottom) / 2 - 1.5, right, (top + bottom) / 2 + 1.5, _DOOR)
    _box(wall, (left + right) / 2 - 1.5, top, (left + right) / 2 + 1.5, bottom, _DOOR)


def _panel(wall: Picture, left: float, top: float, right: float, bottom: float) -> None:
    """A raised panel: dark edges above and left, light ones below and right."""
    _box(wall, left, top, right, bottom, (62, 56, 24))
    _box(wall, left + 3, top + 3, right, bottom, (128, 118, 66))
    _box(wall, left + 3, top + 3, right - 3, bottom - 3, (82, 75, 35))
    _box(wall, left + 9, top + 9, right - 9, bottom - 9, (100, 92, 45))


def _knob(wall: Picture, x: float, y: float) -> None:
    centre = (round(x * _FINE), round(y * _FINE))
    cv2.circle(wall, centre, 9 * _FINE, (44, 52, 30), -1, cv2.LINE_AA)
    cv2.circle(wall, centre, 7 * _FINE, (70, 140, 176), -1, cv2.LINE_AA)
    cv2.circle(wall, (centre[0] - 4, centre[1] - 4), 2 * _FINE, (190, 226, 240), -1, cv2.LINE_AA)


def _number(wall: Picture) -> None:
    for shift, colour in ((1.5, (120, 124, 122)), (0, (56, 54, 52))):
        for left in (496, 513):
            _box(wall, left + shift, 190 + shift, left + 5 + shift, 216 + shift, colour)
        _box(wall, 508 + shift, 190 + shift, 518 + shift, 194 + shift, colour)


def _lantern(wall: Picture) -> None:
    x, y = _LAMP
    dark = (34, 34, 36)
    _shadow(wall, x - 10, y - 24, x + 30, y + 44, 0.35, 6)
    _box(wall, x - 5, y - 44, x + 5, y - 20, dark)
    roof = np.array([(x - 20, y - 20), (x + 20, y - 20), (x + 9, y - 36), (x - 9, y - 36)]) * _FINE
    cv2.fillPoly(wall, [roof.astype(np.int32)], dark, cv2.LINE_AA)
    hub = np.array([(x - 16, y - 20), (x + 16, y - 20), (x + 11, y + 24), (x - 11, y + 24)]) * _FINE
    cv2.fillPoly(wall, [hub.astype(np.int32)], (150, 214, 246), cv2.LINE_AA)
    cv2.ellipse(
        wall, (x * _FINE, (y + 2) * _FINE), (6 * _FINE, 11 * _FINE), 0, 0, 360, (232, 250, 255), -1, cv2.LINE_AA
    )
    _box(wall, x - 1.5, y - 20, x + 1.5, y + 24, dark)
    _box(wall, x - 13, y + 22, x + 13, y + 28, dark)


def _shrub(wall: Picture, random: Generator, centre: tuple[float, float], radius: tuple[float, float]) -> None:
    """Leaves within half an ellipse, the outer and upper ones lighter."""
    _shadow(wall, centre[0] - radius[0], centre[1] - 0.9 * radius[1], WIDTH, HEIGHT, 0.3, 16)
    for n in range(2600):
        angle, far = random.uniform(0, 2 * np.pi), np.sqrt(random.uniform()) * random.uniform(0.9, 1.04)
        x, y = centre[0] + radius[0] * far * np.cos(angle), centre[1] + radius[1] * far * np.sin(angle)
        light = (0.45 + 0.55 * n / 2600) * (0.75 - 0.4 * np.sin(angle) * far) * random.uniform(0.75, 1.2)
        colour = (44 * light, 98 * light, 62 * light)
        _leaf(wall, random, (x * _FINE, y * _FINE), 6 * _FINE, colour)


def _leaf(picture: Picture, random: Generator, at: tuple[float, float], size: float, colour: tuple[float, ...]) -> None:
    axes = (max(2, int(size * random.uniform(0.6, 1.1))), max(1, int(size * random.uniform(0.25, 0.45))))
    turn = float(random.uniform(0, 180))
    cv2.ellipse(picture, (int(at[0]), int(at[1])), axes, turn, 0, 360, colour, -1, cv2.LINE_AA)


def _light(wall: Picture) -> None:
    """The warm glow of the lamp, the cool dusk away from it, and the roof's shadow above."""
    height, width = wall.shape[:2]
    down, across = np.mgrid[0:height, 0:width].astype(np.float32) / _FINE
    distance = np.hypot(across - _LAMP[0], (down - _LAMP[1]) * 0.9)
    near = np.exp(-distance / 190)[:, :, None]
    wall *= 0.62 + near * np.array((0.20, 0.42, 0.56), np.float32)
    halo = np.exp(-((distance / 34) ** 2))[:, :, None]
    wall += halo * np.array((40, 70, 84), np.float32)
    wall *= (1 - 0.55 * np.exp(-down / 26))[:, :, None]
    np.clip(wall, 0, 255, out=wall)


def _grain(random: Generator, shape: tuple[int, ...], depth: float) -> Picture:
    """Weathering: noise at three sizes about 1."""
    total = np.zeros(shape[:2], np.float32)
    for size in (4, 24, 120):
        small = random.normal(0, 1, (shape[0] // size + 2, shape[1] // size + 2)).astype(np.float32)
        total += cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(1 + depth * total[:, :, None], np.float32)
