"""Paints what must not be taken for a cover: clear glasses, beards, hats, shadows, and darker skin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tools.covered.canvas import LEFT_EYE, RIGHT_EYE, chance, ellipse, jittered, middle, mirrored

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.covered.canvas import Canvas


def clear_glasses(canvas: Canvas) -> None:
    """Ordinary glasses: a frame, almost clear lenses and small reflections."""
    rng = canvas.rng
    power, drop = rng.uniform(2, 6), rng.uniform(-1, 4)
    width, height = rng.uniform(13, 18), rng.uniform(8, 15)
    lenses = [ellipse(x, 51.6 + drop, width, height, power) for x in (RIGHT_EYE[0] - 1, LEFT_EYE[0] + 1)]
    frame = canvas.texture(canvas.colour() * 0.6)
    canvas.paint(canvas.shape(*lenses), canvas.flat(rng.uniform(0, 255)), rng.uniform(0, 0.15))
    if chance(rng, 0.5):
        spots = [
            ellipse(*middle(lens, *rng.uniform(-8, 8, 2)), rng.uniform(1, 4), rng.uniform(1, 3)) for lens in lenses
        ]
        canvas.paint(canvas.shape(*spots), canvas.flat(245), rng.uniform(0.3, 0.9))
    sides = [np.array([[22.0, 50 + drop], [3, 48]]), np.array([[90.0, 50 + drop], [109, 48]])]
    bridge = np.array([[50, 50 + drop], [62, 50 + drop]])
    canvas.paint(canvas.shape(*lenses, bridge, *sides, lines=rng.uniform(0.8, 3.2)), frame, rng.uniform(0.6, 1.0))


def hat(canvas: Canvas) -> None:
    """A cap or a hat that leaves the eyebrows free."""
    rng = canvas.rng
    low = rng.uniform(24, 36)
    points = jittered(rng, [(-5, low + 6), (56, low), (117, low + 6), (110, -40), (2, -40)], 2)
    canvas.paint(canvas.shape(points), canvas.texture())


def light(canvas: Canvas) -> None:
    """Light from one side."""
    rng = canvas.rng
    x, y = canvas.grid()
    centre = canvas.place(np.array([[56.0, 72.0]]))[0] / canvas.unit
    angle = rng.uniform(0, 2 * np.pi)
    ramp = ((x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)) / rng.uniform(4, 40)
    share = 1 / (1 + np.exp(-np.clip(ramp, -30, 30)))
    canvas.image *= (rng.uniform(0.25, 0.7) + share * rng.uniform(0.4, 0.9))[..., None]


def shadow(canvas: Canvas) -> None:
    """The hard shadow of something next to the face or above it."""
    rng = canvas.rng
    edge, slant = rng.uniform(20, 95), rng.uniform(-40, 40)
    points = mirrored(rng, np.array([[edge + slant, -70], [edge - slant, 190], [190, 190], [190, -70]]))
    if chance(rng, 0.4):
        low = rng.uniform(30, 60)
        points = jittered(rng, [(-60, low + 5), (56, low), (170, low + 5), (170, -70), (-60, -70)], 4)
    canvas.paint(canvas.shape(points), canvas.image * rng.uniform(0.35, 0.75))


def darkened(canvas: Canvas) -> None:
    """A darker picture of the face, by gamma."""
    canvas.image = 255 * (canvas.image.clip(0, 255) / 255) ** canvas.rng.uniform(1.3, 2.3)


def closed_eyes(canvas: Canvas) -> None:
    """Skin over the eyes, with a line of lashes."""
    rng = canvas.rng
    eyes = (RIGHT_EYE, LEFT_EYE)
    lids = [ellipse(eye[0], eye[1], 8, 3.5) for eye in eyes]
    canvas.paint(canvas.shape(*lids), canvas.flat(canvas.skin * rng.uniform(0.75, 1.0)))
    lashes = [
        np.array([[eye[0] - 8, eye[1] + 1.5], [eye[0], eye[1] + 3.5], [eye[0] + 8, eye[1] + 1.5]]) for eye in eyes
    ]
    canvas.paint(canvas.shape(*lashes, lines=1.2), canvas.flat(rng.uniform(15, 60)), rng.uniform(0.5, 1.0))


def beard(canvas: Canvas) -> None:
    """A full beard around a free mouth, a moustache, or a beard of the chin."""
    rng = canvas.rng
    dark = rng.choice([rng.uniform(10, 60), rng.uniform(60, 120), rng.uniform(150, 220)])
    base = np.clip(dark * np.array([1.1, 0.95, 0.85]), 0, 255)
    cheek = rng.uniform(76, 92)
    outlines: dict[str, list[tuple[float, float]]] = {
        "full": [(16, cheek - 8), (28, cheek), (44, 84), (56, 81), (68, 84), (84, cheek), (96, cheek - 8), (88, 112),
                 (56, rng.uniform(120, 140)), (24, 112)],
        "moustache": [(36, 90), (44, 83), (56, 81), (68, 83), (76, 90), (66, 89), (56, 87), (46, 89)],
        "chin": [(42, 100), (56, 97), (70, 100), (68, 116), (56, rng.uniform(118, 130)), (44, 116)],
    }  # fmt: skip
    outline = outlines[canvas.pick("full", "full", "moustache", "chin")]
    mouth = ellipse(56, 92.5, rng.uniform(13, 18), rng.uniform(4, 7))
    coverage = np.clip(canvas.shape(jittered(rng, outline, 1.5)) - canvas.shape(mouth), 0, 1)
    noise = canvas.rng.normal(0, rng.uniform(8, 22), canvas.image.shape[:2])[..., None]
    canvas.paint(coverage, np.clip(base + noise, 0, 255), rng.uniform(0.4, 0.95))


HARMLESS: dict[str, Callable[[Canvas], None]] = {
    "clear glasses": clear_glasses, "hat": hat, "light": light, "shadow": shadow, "darkened": darkened,
    "closed eyes": closed_eyes, "beard": beard,
}  # fmt: skip
"""What must be taken."""
