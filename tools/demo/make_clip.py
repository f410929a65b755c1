"""Makes the demo's clip, its ground truth and the photos to enroll from: python -m tools.demo.make_clip.

Two runs on one machine with the same OpenCV, numpy and FFmpeg give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.imaging.opencv import cv2
from tools.demo.people import ACTORS, ENROLLED, PHOTOS
from tools.demo.porch import HEIGHT, WIDTH, flowers, porch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from tools.demo.cutout import Cutout, Picture
    from tools.demo.people import Actor, Step

DATA = Path(__file__).parents[2] / "edgeface" / "demo_data"
FPS = 15
SECONDS = 32
SEED = 17

_SHUTTER = 0.4
"""Share of a frame's time for which it is exposed."""
_EXPOSURES = 3
"""Drawings averaged per frame."""


def main() -> None:
    """Write everything to the given folder; default: edgeface/demo_data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DATA)
    out: Path = parser.parse_args().out
    cv2.setNumThreads(1)
    out.mkdir(parents=True, exist_ok=True)
    copy_people(out / "people")
    (out / "truth.json").write_text(json.dumps(truth(), separators=(",", ":")) + "\n")
    encode(frames(), out / "clip.mp4")
    print(f"{out / 'clip.mp4'}: {(out / 'clip.mp4').stat().st_size / 1e6:.2f} MB")


def copy_people(folder: Path) -> None:
    """Copy the photos to enroll from to FOLDER/NAME/PHOTO, replacing the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, photos in ENROLLED.items():
        target = folder / name.replace(" ", "_")
        target.mkdir(parents=True)
        for photo in photos:
            shutil.copyfile(PHOTOS / photo, target / photo)


def truth() -> dict[str, Any]:
    """Who is in view when and where; boxes for every third frame, clipped to the picture."""
    people: dict[str, Any] = {}
    visits = []
    boxes: dict[str, list[list[int]]] = {}
    for actor in ACTORS:
        people[actor.person] = {"name": actor.name, "enrolled": True} if actor.name else {"enrolled": False}
        for steps in actor.visits:
            seen = {frame: box for frame in range(SECONDS * FPS) if (box := face_box(actor, steps, frame / FPS))}
            visits.append({"person": actor.person, "from": round(min(seen) / FPS, 2), "to": round(max(seen) / FPS, 2)})
            boxes.setdefault(actor.person, []).extend([f, *box] for f, box in seen.items() if f % 3 == 0)
    visits.sort(key=lambda visit: float(str(visit["from"])))
    return {"fps": FPS, "size": [WIDTH, HEIGHT], "people": people, "visits": visits, "boxes": boxes}


def face_box(actor: Actor, steps: Sequence[Step], seconds: float) -> tuple[int, int, int, int] | None:
    """The face's box, clipped to the picture; None if it is outside."""
    place = placed(actor, steps, seconds)
    if place is None:
        return None
    x, y, height, _ = place
    left, right = max(0, round(x - height / 2)), min(WIDTH, round(x + height / 2))
    return (left, round(y - height / 2), right, round(y + height / 2)) if left < right else None


def placed(actor: Actor, steps: Sequence[Step], seconds: float) -> tuple[float, float, float, float] | None:
    """Where the face is: centre x and y, height in pixels, and the head's tilt in degrees; None when away.

    The body rises and falls with each step, and leans from foot to foot.
    """
    times = [step[0] for step in steps]
    if not times[0] <= seconds <= times[-1]:
        return None
    x, y, height = (_through(times, [step[n] for step in steps], seconds) for n in (1, 2, 3))
    pace = 2 * np.pi * 1.7 * seconds + len(actor.person)
    rise, lean = float(np.sin(pace)), float(np.sin(pace / 2))
    return x + 0.02 * height * lean, y + 0.022 * height * rise, height, 1.6 * float(np.sin(pace / 2 + 1))


def frames() -> Iterator[NDArray[np.uint8]]:
    """The clip's frames, BGR."""
    random = np.random.default_rng(SEED)
    wall, box = porch(random), flowers(random)
    cutouts = [actor.cutout() for actor in ACTORS]
    for frame in range(SECONDS * FPS):
        moments = frame / FPS + np.arange(_EXPOSURES) * _SHUTTER / FPS / _EXPOSURES
        shots = [_drawn(wall, cutouts, float(seconds)) for seconds in moments]
        picture = np.mean(shots, axis=0) if any_seen(frame / FPS) else shots[0]
        picture = picture * (1 - box[:, :, 3:]) + box[:, :, :3]
        yield _photographed(picture, frame / FPS, random)


def any_seen(seconds: float) -> bool:
    """Whether anyone is drawn at this time."""
    return any(steps[0][0] <= seconds <= steps[-1][0] for actor in ACTORS for steps in actor.visits)


def encode(pictures: Iterator[NDArray[np.uint8]], path: Path) -> None:
    """Write H.264 in MP4 with the ffmpeg command, on one thread and without dates and versions."""
    size = f"{WIDTH}x{HEIGHT}"
    source = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", size, "-r", str(FPS), "-i", "-"]
    coder = ["-c:v", "libx264", "-threads", "1", "-preset", "slow", "-crf", "21", "-g", "60", "-pix_fmt", "yuv420p"]
    plain = ["-flags", "+bitexact", "-fflags", "+bitexact", "-map_metadata", "-1", "-movflags", "+faststart"]
    command = ["ffmpeg", "-y", "-loglevel", "error", *source, *coder, *plain, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        if process.stdin is None:
            raise SystemExit("ffmpeg has no input pipe")
        for picture in pictures:
            process.stdin.write(picture.tobytes())
        process.stdin.close()
        if process.wait():
            raise SystemExit("ffmpeg failed; its message is above")


def _drawn(wall: Picture, cutouts: Sequence[Cutout], seconds: float) -> Picture:
    """The wall with everyone in front of it, far ones first."""
    present = []
    for actor, cutout in zip(ACTORS, cutouts, strict=True):
        for steps in actor.visits:
            place = placed(actor, steps, seconds)
            if place is not None:
                present.append((place, actor, cutout))
    picture = wall
    for place, actor, cutout in sorted(present, key=lambda one: one[0][2]):
        picture = _before(picture, actor, cutout, place)
    return picture


def _before(picture: Picture, actor: Actor, cutout: Cutout, place: tuple[float, float, float, float]) -> Picture:
    """One person in front of the picture, with a soft shadow to the lower left, away from the lamp."""
    x, y, height, tilt = place
    layer = cutout.drawn((WIDTH, HEIGHT), x, y, height, tilt)
    alpha = layer[:, :, 3]
    shift = np.array([[1, 0, -0.16 * height], [0, 1, 0.08 * height]], np.float32)
    small = cv2.resize(cv2.warpAffine(alpha, shift, (WIDTH, HEIGHT)), None, fx=0.25, fy=0.25)
    shadow = cv2.resize(cv2.GaussianBlur(small, (0, 0), max(1.0, 0.03 * height)), (WIDTH, HEIGHT))
    # Light is warmer and brighter on the right, near the lamp.
    warm = 0.9 + 0.14 * np.linspace(0, 1, WIDTH, dtype=np.float32)[None, :, None] * np.array(
        [0.8, 1.0, 1.1], np.float32
    )
    lit = layer[:, :, :3] * np.array(actor.light, np.float32) * warm
    shaded = picture * (1 - 0.32 * shadow[:, :, None])
    return np.asarray(shaded * (1 - alpha[:, :, None]) + lit, np.float32)


def _photographed(picture: Picture, seconds: float, random: Generator) -> NDArray[np.uint8]:
    """The scene as a small camera sees it: the exposure drifts, the corners are darker, the sensor is noisy."""
    down, across = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    corners = 1 - 0.10 * (down**2 + across**2)
    drift = 1.04 + 0.05 * np.sin(seconds * 0.7) + 0.015 * np.sin(seconds * 2.9)
    luma = random.normal(0, 2.2, (HEIGHT, WIDTH, 1)) + random.normal(0, 0.7, (HEIGHT, WIDTH, 3))
    noise = cv2.GaussianBlur(luma.astype(np.float32), (0, 0), 0.6) * 1.6
    return np.asarray(np.clip(picture * (drift * corners)[:, :, None] + noise, 0, 255).round(), np.uint8)


def _through(times: Sequence[float], values: Sequence[float], at: float) -> float:
    """The cubic curve through all points; each slope is the mean of those on both sides (Catmull and Rom, 1974)."""
    slopes = np.gradient(np.asarray(values, float), np.asarray(times, float))
    n = int(np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2))
    span = times[n + 1] - times[n]
    t = (at - times[n]) / span
    start = (2 * t**3 - 3 * t**2 + 1) * values[n] + (t**3 - 2 * t**2 + t) * span * slopes[n]
    end = (-2 * t**3 + 3 * t**2) * values[n + 1] + (t**3 - t**2) * span * slopes[n + 1]
    return float(start + end)


if __name__ == "__main__":
    main()
