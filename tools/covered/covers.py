"""Paints covers on faces: masks, scarves, dark glasses, half faces, hands, phones and hair, in many looks.

All shapes are in the coordinates of the embedder's 112 x 112 template, and may reach beyond it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edgeface.faces.embedder import TEMPLATE, similarity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edgeface.core.types import Image, Landmarks

    Floats = NDArray[np.float64]
    Rng = np.random.Generator

_FIVE = [0, 1, 2, 6, 7]
_RIGHT_EYE, _LEFT_EYE, _NOSE = TEMPLATE[:3].astype(float)
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
        self._others = others
        matrix = similarity(TEMPLATE, landmarks[_FIVE])
        self._matrix = matrix
        self.scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        cheeks = np.array([[36.0, 76.0], [76.0, 76.0], [56.0, 36.0]]) @ matrix[:, :2].T + matrix[:, 2]
        rows = np.clip(cheeks[:, 1].round().astype(int), 0, image.shape[0] - 1)
        columns = np.clip(cheeks[:, 0].round().astype(int), 0, image.shape[1] - 1)
        self.skin: Floats = np.median(self.image[rows, columns], axis=0)

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
        colours = np.broadcast_to(base, (height, width, 3)).astype(float)
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

    def lit(self, colours: Floats) -> Floats:
        """With folds, a gradient of light, and noise."""
        x, y = self.grid()
        angle = self.rng.uniform(0, 2 * np.pi)
        ramp = (x * np.cos(angle) + y * np.sin(angle)) / 112
        light = 1 + self.rng.uniform(0, 0.6) * (ramp - ramp.mean()) + self.rng.uniform(0, 0.25) * (self._blobs() - 0.5)
        noise = self.rng.normal(0, self.rng.uniform(0, 6), colours.shape)
        return np.asarray(np.clip(colours * light[..., None] + noise, 0, 255))


def _points(rng: Rng, points: Sequence[tuple[float, float]], jitter: float) -> Floats:
    return np.array(points) + rng.normal(0, jitter, (len(points), 2))


def _flipped(points: Floats) -> Floats:
    return np.column_stack([112 - points[:, 0], points[:, 1]])


def _mirrored(rng: Rng, points: Floats) -> Floats:
    return points if chance(rng, 0.5) else _flipped(points)


def _middle(shape: Floats, right: float, down: float) -> tuple[float, float]:
    """The middle of a shape, shifted."""
    x, y = shape.mean(axis=0)
    return float(x) + right, float(y) + down


def _ellipse(x: float, y: float, a: float, b: float, power: float = 2.0, angle: float = 0.0) -> Floats:
    """A superellipse; with a high power it is nearly a rectangle."""
    t = np.linspace(0, 2 * np.pi, 40)
    u = a * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** (2 / power)
    v = b * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** (2 / power)
    return np.column_stack([x + u * np.cos(angle) - v * np.sin(angle), y + u * np.sin(angle) + v * np.cos(angle)])


def mask(canvas: Canvas) -> None:
    """A mask over mouth and nose, of cloth or paper, or a plain rectangle."""
    rng = canvas.rng
    top = rng.uniform(56, 69)
    if chance(rng, 0.25):
        points = [(12, top), (100, top), (100, 126), (12, 126)]
    else:
        side = top + rng.uniform(-4, 8)
        points = [(11, side), (34, top + rng.uniform(0, 6)), (56, top), (78, top + rng.uniform(0, 6)), (101, side),
                  (96, 100), (80, 116), (56, rng.uniform(117, 126)), (32, 116), (16, 100)]  # fmt: skip
    colours = canvas.texture()
    if chance(rng, 0.5):
        sides = [_points(rng, [(12, 70), (0, 52)], 3), _points(rng, [(100, 70), (112, 52)], 3)]
        canvas.paint(canvas.shape(*sides, lines=1.5), colours)
    canvas.paint(canvas.shape(_points(rng, points, 1.5)), colours)


def scarf(canvas: Canvas) -> None:
    """A scarf or a collar over the mouth and what is below it."""
    rng = canvas.rng
    left, middle, right = rng.uniform(64, 82), rng.uniform(64, 80), rng.uniform(64, 82)
    points = _points(
        rng, [(-8, left), (30, middle), (56, middle), (82, middle), (120, right), (125, 160), (-13, 160)], 2
    )
    canvas.paint(canvas.shape(points), canvas.texture())


def sunglasses(canvas: Canvas) -> None:
    """Dark glasses: two lenses or one bar; black, brown, graded or mirrored."""
    rng = canvas.rng
    width, height = rng.uniform(13.5, 20), rng.uniform(9, 16)
    drop, power = rng.uniform(-1, 4), rng.uniform(2, 6)
    lenses = [_ellipse(x, 51.6 + drop, width, height, power) for x in (_RIGHT_EYE[0] - 1, _LEFT_EYE[0] + 1)]
    if chance(rng, 0.3):
        lenses = [_ellipse(55.9, 51.6 + drop, rng.uniform(33, 42), height, 8)]
    kind = rng.choice(["dark", "brown", "graded", "mirrored"], p=[0.5, 0.2, 0.15, 0.15])
    base = {
        "dark": np.full(3, rng.uniform(3, 45)),
        "brown": np.array([70, 42, 20]) * rng.uniform(0.5, 1.3),
        "graded": np.full(3, rng.uniform(5, 40)),
        "mirrored": canvas.colour(),
    }[kind]
    colours = canvas.lit(np.broadcast_to(base, canvas.image.shape).astype(float))
    if kind == "mirrored":
        colours = canvas.texture(base)
    coverage, frame = canvas.shape(*lenses), canvas.texture(np.full(3, rng.uniform(0, 120)))
    if kind == "graded":
        _, y = canvas.grid()
        rows = canvas.place(np.array([[56.0, 40.0], [56.0, 66.0]]))[:, 1] / (1 << _SHIFT) / canvas.scale
        share = np.clip((y - rows[0]) / max(1.0, rows[1] - rows[0]), 0, 1)
        coverage = coverage * (1 - rng.uniform(0.2, 0.5) * share)
    canvas.paint(coverage, colours, rng.uniform(0.85, 1.0))
    canvas.paint(canvas.shape(np.array([[48, 50 + drop], [64, 50 + drop]]), lines=2), frame)
    sides = [np.array([[20.0, 50 + drop], [3, 48]]), np.array([[92.0, 50 + drop], [109, 48]])]
    canvas.paint(canvas.shape(*sides, lines=rng.uniform(1, 3)), frame)
    if chance(rng, 0.4):
        spot = rng.uniform(-7, 7, 2)
        glints = [_ellipse(*_middle(lens, *spot), 4, 2) for lens in lenses]
        canvas.paint(canvas.shape(*glints), canvas.image * 0 + 235, rng.uniform(0.2, 0.7))


def half(canvas: Canvas) -> None:
    """Something flat before one half of the face, from the nose to beyond the ear."""
    rng = canvas.rng
    slant, middle = rng.uniform(-14, 14), rng.uniform(50, 60)
    points = np.array([[middle + slant, -70], [middle - slant, 190], [190, 190], [190, -70]])
    canvas.paint(canvas.shape(_mirrored(rng, points)), canvas.texture())


def phone(canvas: Canvas) -> None:
    """A telephone or a card before one half of the face."""
    rng = canvas.rng
    tall, wide = rng.uniform(60, 85), rng.uniform(27, 36)
    body = _ellipse(rng.uniform(80, 90), rng.uniform(55, 80), wide, tall, 9, rng.uniform(-0.3, 0.3))
    body = _mirrored(rng, body)
    canvas.paint(canvas.shape(body), canvas.texture())
    if chance(rng, 0.5):
        x, y = _middle(body, rng.uniform(-12, 12), -tall * 0.75)
        canvas.paint(canvas.shape(_ellipse(x, y, 6, 6), _ellipse(x, y + 14, 6, 6)), canvas.texture())


def hand(canvas: Canvas) -> None:
    """A hand before one half of the face."""
    turn = canvas.rng.uniform(-0.35, 0.35)
    fingers = [_ellipse(64 + 12 * n, 50 + 5 * abs(n - 1.5), 7.5, 42, 3, turn) for n in range(4)]
    _skin_shapes(canvas, [_ellipse(82, 100, 27, 32, 3, turn), *fingers])


def hand_on_mouth(canvas: Canvas) -> None:
    """A hand before mouth and nose."""
    turn = canvas.rng.uniform(-0.5, 0.5)
    fingers = [_ellipse(56, 66 + 12.5 * n, 34, 8.5, 3, turn * 0.5) for n in range(4)]
    _skin_shapes(canvas, [_ellipse(canvas.rng.uniform(40, 70), 112, 36, 24, 3, turn), *fingers])


def _skin_shapes(canvas: Canvas, parts: list[Floats]) -> None:
    rng = canvas.rng
    colours = canvas.lit(np.broadcast_to(canvas.skin_like(), canvas.image.shape).astype(float))
    if chance(rng, 0.5):
        parts = [_flipped(part) for part in parts]
    canvas.paint(canvas.shape(*parts), colours)
    canvas.paint(canvas.shape(*parts[1:], lines=1.2), colours * rng.uniform(0.5, 0.85), rng.uniform(0.4, 0.9))


def hair(canvas: Canvas) -> None:
    """Long hair over one side of the face, the eye included."""
    rng = canvas.rng
    dark = rng.choice([rng.uniform(10, 50), rng.uniform(60, 130), rng.uniform(150, 210)])
    base = np.clip(dark * np.array([1.15, 0.95, rng.uniform(0.55, 0.9)]), 0, 255)
    inner, low = rng.uniform(50, 60), rng.uniform(95, 170)
    outline = _points(rng, [(inner - 8, -20), (inner, 25), (inner + 2, 55), (inner + rng.uniform(2, 12), 80),
                            (inner + rng.uniform(5, 20), low), (140, low), (140, -20)], 2)  # fmt: skip
    mirrored = chance(rng, 0.5)

    def side(points: Floats) -> Floats:
        return _flipped(points) if mirrored else points

    canvas.paint(canvas.shape(side(outline)), canvas.lit(np.broadcast_to(base, canvas.image.shape).astype(float)))
    for _ in range(30):
        x = rng.uniform(inner, 125)
        strand = np.array([[x - 12, -20.0], [x - 3, 20], [x, 60], [x + rng.uniform(0, 10), low]])
        tone = np.broadcast_to(np.clip(base * rng.uniform(0.5, 1.6), 0, 255), canvas.image.shape)
        canvas.paint(canvas.shape(side(strand), lines=rng.uniform(0.8, 2.5)), tone, rng.uniform(0.3, 0.9))


def clear_glasses(canvas: Canvas) -> None:
    """Ordinary glasses: a frame, almost clear lenses and small reflections. Not a cover."""
    rng = canvas.rng
    power, drop = rng.uniform(2, 6), rng.uniform(-1, 4)
    width, height = rng.uniform(13, 18), rng.uniform(8, 15)
    lenses = [_ellipse(x, 51.6 + drop, width, height, power) for x in (_RIGHT_EYE[0] - 1, _LEFT_EYE[0] + 1)]
    frame = canvas.texture(canvas.colour() * 0.6)
    canvas.paint(canvas.shape(*lenses), canvas.image * 0 + rng.uniform(0, 255), rng.uniform(0, 0.15))
    if chance(rng, 0.5):
        spots = [
            _ellipse(*_middle(lens, *rng.uniform(-8, 8, 2)), rng.uniform(1, 4), rng.uniform(1, 3)) for lens in lenses
        ]
        canvas.paint(canvas.shape(*spots), canvas.image * 0 + 245, rng.uniform(0.3, 0.9))
    sides = [np.array([[22.0, 50 + drop], [3, 48]]), np.array([[90.0, 50 + drop], [109, 48]])]
    bridge = np.array([[50, 50 + drop], [62, 50 + drop]])
    canvas.paint(canvas.shape(*lenses, bridge, *sides, lines=rng.uniform(0.8, 3.2)), frame, rng.uniform(0.6, 1.0))


def hat(canvas: Canvas) -> None:
    """A cap or a hat that leaves the eyebrows free. Not a cover."""
    rng = canvas.rng
    low = rng.uniform(24, 36)
    points = _points(rng, [(-5, low + 6), (56, low), (117, low + 6), (110, -40), (2, -40)], 2)
    canvas.paint(canvas.shape(points), canvas.texture())


def light(canvas: Canvas) -> None:
    """Light from one side, or a hard shadow. Not a cover."""
    rng = canvas.rng
    x, y = canvas.grid()
    middle = canvas.place(np.array([[56.0, 72.0]]))[0] / (1 << _SHIFT) / canvas.scale
    angle = rng.uniform(0, 2 * np.pi)
    ramp = ((x - middle[0]) * np.cos(angle) + (y - middle[1]) * np.sin(angle)) / rng.uniform(4, 40)
    share = 1 / (1 + np.exp(-np.clip(ramp, -30, 30)))
    canvas.image *= (rng.uniform(0.25, 0.7) + share * rng.uniform(0.4, 0.9))[..., None]


def closed_eyes(canvas: Canvas) -> None:
    """Skin over the eyes, with a line of lashes. Not a cover."""
    rng = canvas.rng
    eyes = (_RIGHT_EYE, _LEFT_EYE)
    lids = [_ellipse(eye[0], eye[1], 8, 3.5) for eye in eyes]
    canvas.paint(
        canvas.shape(*lids), np.broadcast_to(canvas.skin * rng.uniform(0.75, 1.0), canvas.image.shape).astype(float)
    )
    lashes = [
        np.array([[eye[0] - 8, eye[1] + 1.5], [eye[0], eye[1] + 3.5], [eye[0] + 8, eye[1] + 1.5]]) for eye in eyes
    ]
    canvas.paint(canvas.shape(*lashes, lines=1.2), canvas.image * 0 + rng.uniform(15, 60), rng.uniform(0.5, 1.0))


def beard(canvas: Canvas) -> None:
    """A full beard around a free mouth. Not a cover."""
    rng = canvas.rng
    dark = rng.choice([rng.uniform(10, 60), rng.uniform(60, 120), rng.uniform(150, 220)])
    base = np.clip(dark * np.array([1.1, 0.95, 0.85]), 0, 255)
    cheek = rng.uniform(76, 92)
    outline = _points(rng, [(16, cheek - 8), (28, cheek), (44, 84), (56, 81), (68, 84), (84, cheek), (96, cheek - 8),
                            (88, 112), (56, rng.uniform(120, 140)), (24, 112)], 2)  # fmt: skip
    coverage = np.clip(
        canvas.shape(outline) - canvas.shape(_ellipse(56, 92.5, rng.uniform(13, 18), rng.uniform(4, 7))), 0, 1
    )
    noise = canvas.rng.normal(0, rng.uniform(8, 22), canvas.image.shape[:2])[..., None]
    canvas.paint(coverage, np.clip(base + noise, 0, 255), rng.uniform(0.4, 0.95))


COVERS: dict[str, Callable[[Canvas], None]] = {
    "mask": mask, "scarf": scarf, "sunglasses": sunglasses, "half": half, "phone": phone, "hand": hand,
    "hand on mouth": hand_on_mouth, "hair": hair,
}  # fmt: skip
"""What must be refused."""

HARMLESS: dict[str, Callable[[Canvas], None]] = {
    "clear glasses": clear_glasses, "hat": hat, "light": light, "closed eyes": closed_eyes, "beard": beard,
}  # fmt: skip
"""What must not."""


def painted(name: str, image: Image, landmarks: Landmarks, rng: Rng, others: list[Image]) -> Image:
    """The picture with one cover of a kind, in a random look."""
    canvas = Canvas(image, landmarks, rng, others)
    (COVERS | HARMLESS)[name](canvas)
    return canvas.done()
