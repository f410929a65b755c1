"""The three people of the clip: where they are in their photos, and how they walk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tools.demo.cutout import Cutout, cut

PHOTOS = Path(__file__).parent / "photos"
STRANGER = "stranger"

Outline: TypeAlias = tuple[tuple[int, int], ...]
Step: TypeAlias = tuple[float, float, float, float]
"""Seconds; x and y of the centre of the face, and the height of its box in pixels. The camera is above eye level, so
people who are near are lower in the picture."""

# Drawn by hand in the pixels of tools/demo/photos; grabCut finds the edge near them. The lowest points are below the
# photo, where the person continues.
_OBAMA: Outline = (
    (324, 48),
    (350, 51),
    (379, 68),
    (399, 93),
    (406, 128),
    (406, 169),
    (411, 175),
    (408, 210),
    (399, 227),
    (385, 251),
    (369, 275),
    (378, 294),
    (411, 317),
    (467, 337),
    (507, 348),
    (525, 379),
    (534, 432),
    (548, 490),
    (569, 554),
    (560, 595),
    (525, 641),
    (496, 667),
    (507, 723),
    (525, 799),
    (531, 920),
    (531, 920),
    (70, 920),
    (91, 816),
    (111, 746),
    (131, 682),
    (82, 679),
    (58, 636),
    (44, 571),
    (52, 513),
    (68, 461),
    (70, 385),
    (87, 350),
    (128, 338),
    (192, 321),
    (239, 294),
    (259, 275),
    (266, 251),
    (262, 222),
    (251, 208),
    (239, 210),
    (230, 181),
    (229, 157),
    (239, 149),
    (247, 134),
    (251, 105),
    (274, 70),
    (297, 52),
)
_BIDEN: Outline = (
    (279, 32),
    (309, 34),
    (339, 50),
    (357, 77),
    (365, 114),
    (358, 151),
    (350, 178),
    (339, 205),
    (331, 231),
    (315, 256),
    (307, 266),
    (352, 290),
    (411, 309),
    (437, 333),
    (453, 375),
    (462, 418),
    (467, 461),
    (467, 514),
    (461, 546),
    (443, 573),
    (389, 576),
    (411, 620),
    (427, 663),
    (439, 727),
    (453, 834),
    (465, 920),
    (13, 920),
    (21, 898),
    (27, 812),
    (30, 738),
    (43, 663),
    (51, 589),
    (32, 535),
    (21, 450),
    (19, 375),
    (23, 322),
    (48, 290),
    (117, 269),
    (176, 242),
    (194, 221),
    (198, 189),
    (190, 178),
    (185, 151),
    (190, 125),
    (194, 82),
    (213, 53),
    (245, 36),
)
_COLLINS: Outline = (
    (232, 16),
    (256, 20),
    (282, 31),
    (297, 52),
    (301, 84),
    (298, 107),
    (285, 123),
    (274, 133),
    (266, 137),
    (261, 157),
    (256, 175),
    (282, 185),
    (300, 209),
    (305, 238),
    (313, 239),
    (334, 251),
    (347, 272),
    (358, 298),
    (363, 334),
    (364, 349),
    (397, 343),
    (434, 350),
    (465, 376),
    (486, 413),
    (494, 449),
    (504, 470),
    (508, 502),
    (507, 525),
    (31, 525),
    (26, 470),
    (21, 418),
    (20, 392),
    (26, 355),
    (37, 313),
    (47, 282),
    (68, 246),
    (94, 222),
    (118, 206),
    (114, 193),
    (118, 185),
    (128, 167),
    (152, 152),
    (178, 149),
    (185, 148),
    (184, 137),
    (178, 131),
    (175, 123),
    (162, 107),
    (154, 86),
    (154, 68),
    (167, 50),
    (191, 37),
    (201, 24),
)


@dataclass(frozen=True, slots=True)
class Actor:
    """One person, and the photo that the clip shows."""

    person: str
    """The id in truth.json, which edgeface derives from the folder's name."""
    name: str | None
    """Display name; None for the stranger."""
    photo: str
    outline: Outline
    face: tuple[float, float, float]
    """Centre x and y, and height, of BlazeFace's box in the photo, in pixels."""
    light: tuple[float, float, float]
    """Gains of blue, green and red that match the photo's light to the porch's."""
    visits: tuple[tuple[Step, ...], ...]
    mirrored: bool = False

    def cutout(self) -> Cutout:
        """Cut the person out of the photo."""
        return cut(PHOTOS / self.photo, self.outline, self.face, mirrored=self.mirrored)


ENROLLED = {
    "Barack Obama": ("obama.jpg", "obama2.jpg"),
    "Joe Biden": ("biden.jpg",),
}
"""Photos by display name."""

ACTORS = (
    Actor(
        "barack_obama",
        "Barack Obama",
        "obama3.jpg",
        _OBAMA,
        (328.5, 186.0, 134.0),
        (0.95, 1.0, 1.03),
        (
            (
                (1.9, -130, 71, 62),
                (2.8, 60, 88, 70),
                (3.8, 210, 162, 105),
                (4.8, 320, 256, 150),
                (5.6, 430, 235, 140),
                (6.3, 600, 193, 120),
                (6.9, 800, 172, 110),
            ),
            (
                (22, 800, 143, 96),
                (22.9, 600, 134, 92),
                (24, 430, 117, 84),
                (25, 285, 105, 78),
                (26.3, 120, 126, 88),
                (27.4, -100, 138, 94),
                (28, -260, 138, 94),
            ),
        ),
    ),
    Actor(
        "joe_biden",
        "Joe Biden",
        "biden.jpg",
        _BIDEN,
        (269.5, 185.8, 138.4),
        (1.0, 1.03, 1.02),
        (
            (
                (13.3, -220, 96, 74),
                (14.4, 60, 117, 84),
                (15.4, 170, 151, 100),
                (16.6, 215, 214, 130),
                (17.6, 190, 239, 142),
                (18.4, 60, 214, 130),
                (19.3, -220, 193, 120),
            ),
            (
                (22.6, -260, 225, 114),
                (23.7, 40, 234, 118),
                (24.6, 210, 253, 127),
                (25.5, 370, 263, 132),
                (26.5, 540, 251, 126),
                (27.4, 760, 238, 120),
                (28, 940, 234, 118),
            ),
        ),
        mirrored=True,
    ),
    Actor(
        STRANGER,
        None,
        "astronaut.jpg",
        _COLLINS,
        (225.5, 123.5, 103.0),
        (0.9, 0.94, 0.95),
        (
            (
                (7.2, 900, 126, 88),
                (8.2, 600, 134, 92),
                (9.2, 430, 176, 112),
                (10.2, 300, 218, 132),
                (11, 150, 189, 118),
                (11.8, -60, 168, 108),
                (12.5, -350, 159, 104),
            ),
            (
                (15.5, 900, 126, 88),
                (16.6, 560, 130, 90),
                (17.6, 470, 147, 98),
                (18.6, 440, 164, 106),
                (19.4, 520, 151, 100),
                (20.3, 720, 134, 92),
                (21, 930, 126, 88),
            ),
        ),
    ),
)
