"""Cuts and shrinks the original photos into tools/demo/photos: python -m tools.demo.shrink FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

from edgeface.imaging.opencv import cv2

PHOTOS = Path(__file__).parent / "photos"
LONGEST = 900
"""Pixels of the longer side."""
QUALITY = 90

CUTS = {
    "obama.jpg": (130, 0, 780, 900),
    "obama2.jpg": (0, 120, 600, 960),
    "obama3.jpg": (150, 130, 1300, 1830),
    "biden.jpg": (0, 40, 970, 1900),
    "astronaut.png": (0, 0, 512, 512),
}
"""Left, top, right and bottom in the originals' pixels; this cuts away wall, flags and legs."""


def shrink(folder: Path) -> None:
    """Write every photo of `folder` that the clip needs to PHOTOS, as JPEG."""
    PHOTOS.mkdir(exist_ok=True)
    for name, (left, top, right, bottom) in CUTS.items():
        photo = cv2.imread(str(folder / name))
        if photo is None:
            sys.exit(f"{folder / name}: cannot be read")
        part = photo[top:bottom, left:right]
        scale = min(1.0, LONGEST / max(part.shape[:2]))
        small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        path = PHOTOS / Path(name).with_suffix(".jpg")
        cv2.imwrite(str(path), small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        print(f"{path}: {small.shape[1]} x {small.shape[0]}")


if __name__ == "__main__":
    shrink(Path(sys.argv[1]))
