"""Paints covers on faces: masks, scarves, dark glasses, half faces, hands, phones and hair, in many looks.

All shapes are in the coordinates of the embedder's 112 x 112 template, and may reach beyond it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tools.covered.canvas import LEFT_EYE, RIGHT_EYE, chance, ellipse, flipped, jittered, middle, mirrored

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.covered.canvas import Canvas, Floats

_SURGICAL = ((150, 190, 215), (235, 238, 240), (25, 25, 28), (110, 160, 190), (225, 180, 195), (120, 170, 150))


def mask(canvas: Canvas) -> None:
    """A mask over mouth and nose: pleated, of cloth, cup-shaped, or a plain rectangle."""
    rng, shape = canvas.rng, canvas.pick("surgical", "surgical", "cloth", "cloth", "cup", "rectangle")
    top = rng.uniform(54, 62) if shape == "cup" else rng.uniform(56, 68)
    outline = {
        "surgical": [(13, top + 6), (36, top + 1), (56, top), (76, top + 1), (99, top + 6), (97, 104), (78, 117),
                     (56, 121), (34, 117), (15, 104)],
        "cloth": [(11, top + 2), (34, top + 3), (56, top), (78, top + 3), (101, top + 2), (96, 100), (80, 116),
                  (56, 122), (32, 116), (16, 100)],
        "cup": [(14, 84), (30, 74), (46, top + 4), (56, top), (66, top + 4), (82, 74), (98, 84), (92, 108), (74, 122),
                (56, 126), (38, 122), (20, 108)],
        "rectangle": [(12, top), (100, top), (100, 126), (12, 126)],
    }[shape]  # fmt: skip
    points, colours = jittered(rng, outline, 1.5), _mask_colours(canvas, shape)
    if shape != "rectangle" and chance(rng, 0.6):
        loops = [jittered(rng, [(100, 76), (113, 55)], 3), jittered(rng, [(97, 102), (112, 78)], 3)]
        canvas.paint(canvas.shape(*loops, *map(flipped, loops), lines=1.5), colours)
    canvas.paint(canvas.shape(points), colours)
    _folds(canvas, shape, colours, top)


def _mask_colours(canvas: Canvas, shape: str) -> Floats:
    rng = canvas.rng
    if shape == "surgical" or (shape == "cup" and chance(rng, 0.7)):
        base = np.array(_SURGICAL[rng.integers(len(_SURGICAL))] if shape == "surgical" else rng.choice([240, 30, 205]))
        return canvas.lit(canvas.flat(base + rng.normal(0, 12, 3)))
    if canvas.pick("coloured", "coloured", "skin-coloured") == "coloured":
        return canvas.texture(canvas.colour())
    return canvas.texture(canvas.skin_like())


def _folds(canvas: Canvas, shape: str, colours: Floats, top: float) -> None:
    rng = canvas.rng
    lines = {
        "surgical": [[(16, y), (56, y + rng.uniform(-1, 3)), (96, y)] for y in np.linspace(top + 14, 106, 3)],
        "cup": [[(56, top + 2), (56, 124)]] if chance(rng, 0.5) else [[(20, 92), (56, 96), (92, 92)]],
    }.get(shape, [])
    if lines:
        folds = canvas.shape(*map(np.array, lines), lines=rng.uniform(0.6, 1.6))
        canvas.paint(folds, colours * rng.uniform(0.6, 0.9), rng.uniform(0.3, 0.9))
    if shape == "cup" and chance(rng, 0.3):
        valve = ellipse(rng.uniform(50, 72), rng.uniform(94, 104), 8, 6, 4)
        canvas.paint(canvas.shape(valve), canvas.flat(canvas.colour()))


def scarf(canvas: Canvas) -> None:
    """A scarf or a collar over the mouth and what is below it."""
    rng = canvas.rng
    left, centre, right = rng.uniform(64, 82), rng.uniform(64, 80), rng.uniform(64, 82)
    points = jittered(
        rng, [(-8, left), (30, centre), (56, centre), (82, centre), (120, right), (125, 160), (-13, 160)], 2
    )
    canvas.paint(canvas.shape(points), canvas.texture())


def sunglasses(canvas: Canvas) -> None:
    """Dark glasses of many shapes; black, tinted, graded or mirrored, from half transparent to opaque."""
    rng, drop = canvas.rng, canvas.rng.uniform(-1, 4)
    lenses = _lenses(canvas, drop)
    tint = canvas.pick("black", "black", "brown", "green", "blue", "graded", "mirrored")
    colours = _tint(canvas, tint)
    coverage, frame = canvas.shape(*lenses), canvas.texture(np.full(3, rng.uniform(0, 120)))
    if tint == "graded":
        _, y = canvas.grid()
        rows = canvas.rows(40, 66)
        share = np.clip((y - rows[0]) / max(1.0, rows[1] - rows[0]), 0, 1)
        coverage = coverage * (1 - rng.uniform(0.2, 0.5) * share)
    pale = tint != "graded" and canvas.pick(*["opaque"] * 3, "pale") == "pale"
    canvas.paint(coverage, colours, rng.uniform(0.5, 0.8) if pale else rng.uniform(0.8, 1.0))
    canvas.paint(canvas.shape(np.array([[48, 50 + drop], [64, 50 + drop]]), lines=rng.uniform(1, 3)), frame)
    sides = [np.array([[20.0, 50 + drop], [3, 48]]), np.array([[92.0, 50 + drop], [109, 48]])]
    canvas.paint(canvas.shape(*sides, lines=rng.uniform(1, 3)), frame)
    if chance(rng, 0.4):
        closed = [np.vstack([lens, lens[:1]]) for lens in lenses]
        canvas.paint(canvas.shape(*closed, lines=rng.uniform(0.8, 2.5)), frame)
    if chance(rng, 0.4):
        spot = rng.uniform(-7, 7, 2)
        glints = [ellipse(*middle(lens, *spot), 4, 2) for lens in lenses]
        canvas.paint(canvas.shape(*glints), canvas.flat(235), rng.uniform(0.2, 0.7))


def _lenses(canvas: Canvas, drop: float) -> list[Floats]:
    """The outlines of the lenses; `drop` is how far they sit below the eyes."""
    rng = canvas.rng
    shape = canvas.pick("aviator", "square", "wrap-around", "round", "large", "cat-eye", "bar")
    if shape in ("wrap-around", "bar"):
        wide, high = rng.uniform(34, 44), rng.uniform(8, 14)
        return [ellipse(55.9, 51.6 + drop, wide, high, rng.uniform(2.5, 5) if shape == "wrap-around" else 12)]
    width, height, power = {
        "aviator": (rng.uniform(15, 19), rng.uniform(12, 16), 2.6),
        "square": (rng.uniform(14, 19), rng.uniform(9, 14), rng.uniform(4, 8)),
        "round": (rng.uniform(11.5, 15.5), rng.uniform(11, 15), 2.0),
        "large": (rng.uniform(18, 22), rng.uniform(15, 19), rng.uniform(2, 3.5)),
        "cat-eye": (rng.uniform(14, 18), rng.uniform(9, 12), 3.0),
    }[shape]
    lens = ellipse(0, 0, width, height, power)
    across, down = lens[:, 0].copy(), lens[:, 1].copy()
    if shape == "aviator":
        across += np.clip(down / height, 0, 1) * (width * 0.12 - across * 0.25)
    if shape == "cat-eye":
        down -= np.clip(across / width, 0, 1) * rng.uniform(3, 6)
    left = np.column_stack([LEFT_EYE[0] + 1 + across, 51.6 + drop + down])
    right = np.column_stack([RIGHT_EYE[0] - 1 - across, 51.6 + drop + down])
    return [right, left]


def _tint(canvas: Canvas, tint: str) -> Floats:
    rng = canvas.rng
    if tint == "mirrored":
        return canvas.texture(canvas.colour())
    base = {
        "brown": np.array([70, 42, 20]) * rng.uniform(0.5, 1.3),
        "green": np.array([28, 50, 34]) * rng.uniform(0.5, 1.3),
        "blue": np.array([25, 35, 65]) * rng.uniform(0.5, 1.3),
    }.get(tint, np.full(3, rng.uniform(3, 45)))
    return canvas.lit(canvas.flat(base))


def half(canvas: Canvas) -> None:
    """Something flat before one half of the face, or before its upper corner with the eye."""
    rng = canvas.rng
    slant, inner = rng.uniform(-14, 14), rng.uniform(50, 60)
    if canvas.pick("whole half", "whole half", "corner") == "corner":
        low = rng.uniform(62, 72)
        points = np.array([[inner + slant, -70], [inner, low], [190, low + rng.uniform(-5, 25)], [190, -70]])
    else:
        points = np.array([[inner + slant, -70], [inner - slant, 190], [190, 190], [190, -70]])
    canvas.paint(canvas.shape(mirrored(rng, points)), canvas.texture())


def phone(canvas: Canvas) -> None:
    """A telephone or a card before one half of the face."""
    rng = canvas.rng
    tall, wide = rng.uniform(60, 85), rng.uniform(27, 36)
    body = ellipse(rng.uniform(80, 90), rng.uniform(55, 80), wide, tall, 9, rng.uniform(-0.3, 0.3))
    body = mirrored(rng, body)
    canvas.paint(canvas.shape(body), canvas.texture())
    if chance(rng, 0.5):
        x, y = middle(body, rng.uniform(-12, 12), -tall * 0.75)
        canvas.paint(canvas.shape(ellipse(x, y, 6, 6), ellipse(x, y + 14, 6, 6)), canvas.texture())


def hand(canvas: Canvas) -> None:
    """A hand before one half of the face."""
    turn = canvas.rng.uniform(-0.35, 0.35)
    fingers = [ellipse(64 + 12 * n, 50 + 5 * abs(n - 1.5), 7.5, 42, 3, turn) for n in range(4)]
    _skin_shapes(canvas, [ellipse(82, 100, 27, 32, 3, turn), *fingers])


def hand_on_mouth(canvas: Canvas) -> None:
    """A hand before mouth and nose."""
    turn = canvas.rng.uniform(-0.5, 0.5)
    fingers = [ellipse(56, 66 + 12.5 * n, 34, 8.5, 3, turn * 0.5) for n in range(4)]
    _skin_shapes(canvas, [ellipse(canvas.rng.uniform(40, 70), 112, 36, 24, 3, turn), *fingers])


def _skin_shapes(canvas: Canvas, parts: list[Floats]) -> None:
    rng = canvas.rng
    colours = canvas.lit(canvas.flat(canvas.skin_like()))
    if chance(rng, 0.5):
        parts = [flipped(part) for part in parts]
    canvas.paint(canvas.shape(*parts), colours)
    canvas.paint(canvas.shape(*parts[1:], lines=1.2), colours * rng.uniform(0.5, 0.85), rng.uniform(0.4, 0.9))


def hair(canvas: Canvas) -> None:
    """Long hair over one side of the face, the eye included."""
    rng = canvas.rng
    dark = rng.choice([rng.uniform(10, 50), rng.uniform(60, 130), rng.uniform(150, 210)])
    base = np.clip(dark * np.array([1.15, 0.95, rng.uniform(0.55, 0.9)]), 0, 255)
    inner, low = rng.uniform(50, 60), rng.uniform(95, 170)
    outline = jittered(rng, [(inner - 8, -20), (inner, 25), (inner + 2, 55), (inner + rng.uniform(2, 12), 80),
                             (inner + rng.uniform(5, 20), low), (140, low), (140, -20)], 2)  # fmt: skip
    other_side = chance(rng, 0.5)

    def side(points: Floats) -> Floats:
        return flipped(points) if other_side else points

    canvas.paint(canvas.shape(side(outline)), canvas.lit(canvas.flat(base)))
    for _ in range(30):
        x = rng.uniform(inner, 125)
        strand = np.array([[x - 12, -20.0], [x - 3, 20], [x, 60], [x + rng.uniform(0, 10), low]])
        tone = canvas.flat(np.clip(base * rng.uniform(0.5, 1.6), 0, 255))
        canvas.paint(canvas.shape(side(strand), lines=rng.uniform(0.8, 2.5)), tone, rng.uniform(0.3, 0.9))


COVERS: dict[str, Callable[[Canvas], None]] = {
    "mask": mask, "scarf": scarf, "sunglasses": sunglasses, "half": half, "phone": phone, "hand": hand,
    "hand on mouth": hand_on_mouth, "hair": hair,
}  # fmt: skip
"""What must be refused."""
