"""How soon a face that comes into view is followed, and how often something that is not a face is followed.

Faces from a folder (PERSON/PHOTO.jpg, as in LFW) are pasted with a soft mask, one face per clip, into 640x480
backgrounds, after 1.5 seconds of empty scene. The default detector with its schedule and the tracker process each clip
frame by frame at 15 fps, with camera noise and slight motion. A face is acquired if a confirmed track lies over it
within 5 frames. Clips without a face follow. For comparison, `--every` searches in every frame, whatever has changed.

The height of a face is chin to crown by default (--height head): 1.45 times BlazeFace's box, which goes from chin
to brow. --height box takes it as the box, so the same number means a face almost half as large again.

    python -m benchmarks.acquisition FACES [--backgrounds FOLDER] [--people 300] [--height head|box] [--every]
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import random
import statistics
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from tqdm import tqdm

from edgeface.core.clock import thread_cpu
from edgeface.core.types import Box
from edgeface.faces.analyzer import round_robin
from edgeface.faces.blazeface import BlazeFace, Region
from edgeface.faces.detectors.tiled_blazeface import BlazefaceDetector
from edgeface.faces.protocols import DetectionRequest
from edgeface.recognition.scheduler import DetectionScheduler
from edgeface.recognition.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from edgeface.core.types import Image
    from edgeface.faces.protocols import Detector

    Floats = NDArray[np.float32]

WIDTH, HEIGHT, FPS = 640, 480, 15
SOON = 5
"""Frames within which a face must be followed."""
FRAMES = 15
"""Length of a clip."""
LEAD = 23
"""Empty frames before the face appears."""
HEAD = 1.45
"""Chin to crown over BlazeFace's box."""
NOISE = 3.0
"""Standard deviation of the camera's noise, in levels of 255."""
OVER = 0.3
"""A track with this IoU or more with the face lies over it."""
_SMALLEST_PHOTO = 200
SPEED = 40.0
"""Maximum speed of a face, pixels per second."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A photo with one face, its box, and a soft mask around the head."""

    image: Image
    box: Box
    mask: Floats


@dataclass(slots=True)
class Tally:
    """The results of a set of clips."""

    clips: int = 0
    frames: int = 0
    acquired: int = 0
    false_tracks: int = 0
    soonest: list[int] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)


def main() -> None:
    """Measure, print the table, and write the figures to build/acquisition.json."""
    options = arguments()
    rng = random.Random(options.seed)
    faces = load_faces(options.faces, options.people, rng)
    backgrounds = Backgrounds(options.backgrounds, rng)
    scale, detector = (
        HEAD if options.height == "head" else 1.0,
        BlazefaceDetector(**json.loads(options.settings)).open(),
    )
    rows: dict[str, Tally] = {}
    for height in options.heights:
        rows[f"face {height} px"] = tally = Tally()
        for face in tqdm(faces, desc=f"{height} px", disable=None):
            measure(detector, clip(backgrounds.next(), face, height / scale, rng), tally, every=options.every)
    for kind in backgrounds.kinds:
        rows[f"no face, {kind}"] = tally = Tally()
        for _ in tqdm(range(options.empty), desc=kind, disable=None):
            measure(detector, clip(backgrounds.next(kind), None, 0, rng), tally, every=options.every)
    report(rows, options)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("faces", type=Path, help="folder of PERSON/PHOTO")
    parser.add_argument("--backgrounds", type=Path, help="folder of photographs without faces")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--heights", type=int, nargs="+", default=[40, 60, 80, 120])
    parser.add_argument("--height", choices=["head", "box"], default="head")
    parser.add_argument("--empty", type=int, default=200, help="clips without a face per kind of background")
    parser.add_argument("--settings", default="{}", help="the detector's settings, as JSON")
    parser.add_argument("--every", action="store_true", help="search in every frame, whatever has changed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/acquisition.json"))
    return parser.parse_args()


def load_faces(folder: Path, people: int, rng: random.Random) -> list[Face]:
    """One photo each of up to `people` people, where the short-range model finds a face in the middle."""
    model = BlazeFace.short_range()
    everyone = sorted(path for path in folder.iterdir() if path.is_dir())
    rng.shuffle(everyone)
    faces: list[Face] = []
    for person in everyone:
        if len(faces) == people:
            break
        image = read(rng.choice(sorted(person.iterdir())))
        face = None if image is None else cut(image, model)
        faces += [face] if face is not None else []
    return faces or sys.exit(f"{folder}: no PERSON/PHOTO with a face in the middle")


def read(path: Path) -> Image | None:
    """Read a photo as RGB; None if it is not one."""
    image = cv2.imread(str(path))
    return None if image is None else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def cut(image: Image, model: BlazeFace) -> Face | None:
    """Find the face in the middle of the photo; None if there is none."""
    height, width = image.shape[:2]
    for found in model.find(image, Region.whole(image), 0.5):
        x, y = found.box.centre
        if abs(x - width / 2) < 0.15 * width and abs(y - height / 2) < 0.15 * height:
            return Face(image, found.box, head_mask(image, found.box))
    return None


def head_mask(image: Image, box: Box) -> Floats:
    """1 over the head, falling to 0 around it: an ellipse 1.7 boxes wide and 2.1 high."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    x, y = box.centre
    away = np.hypot((columns - x) / (0.85 * box.width), (rows - y + 0.12 * box.height) / (1.05 * box.height))
    return np.asarray(np.clip((1 - away) * 4 + 0.5, 0, 1), np.float32)


class Backgrounds:
    """Pictures without faces: generated ones, and pieces of photographs if there is a folder of them."""

    def __init__(self, folder: Path | None, rng: random.Random) -> None:
        self._rng = rng
        images = [] if folder is None else [read(path) for path in sorted(folder.iterdir())]
        self._photos = [image for image in images if image is not None and min(image.shape[:2]) >= _SMALLEST_PHOTO]
        self.kinds = ["generated", "textured", *["photographs"] * bool(self._photos)]

    def next(self, kind: str | None = None) -> Floats:
        """A background of this kind, or of any."""
        kind = kind or self._rng.choice(self.kinds)
        if kind == "photographs":
            return piece(self._rng.choice(self._photos), self._rng)
        return room(self._rng) if kind == "generated" else texture(self._rng)


def piece(photo: Image, rng: random.Random) -> Floats:
    """Part of a photograph, from two fifths of it up to all of it, mirrored or not, brighter or darker."""
    height, width = photo.shape[:2]
    most = min(width / WIDTH, height / HEIGHT)
    zoom = rng.uniform(0.4 * most, most)
    across, down = int(WIDTH * zoom), int(HEIGHT * zoom)
    x, y = rng.randint(0, width - across), rng.randint(0, height - down)
    how = cv2.INTER_AREA if zoom > 1 else cv2.INTER_LINEAR
    part = cv2.resize(photo[y : y + down, x : x + across], (WIDTH, HEIGHT), interpolation=how)
    return np.multiply(part[:, :: rng.choice([1, -1])], rng.uniform(0.6, 1.1), dtype=np.float32)


def room(rng: random.Random) -> Floats:
    """Walls, frames, discs and lines in muted colours, under uneven light."""
    canvas = np.full((HEIGHT, WIDTH, 3), colour(rng), np.uint8)
    for _ in range(rng.randint(5, 40)):
        a, b = ((rng.randint(0, WIDTH), rng.randint(0, HEIGHT)) for _ in range(2))
        ink, width, shape = colour(rng), rng.choice([-1, -1, 1, 2, 6]), rng.randrange(3)
        if shape == 0:
            cv2.rectangle(canvas, a, b, ink, width)
        elif shape == 1:
            radii = (rng.randint(4, 90), rng.randint(4, 90))
            cv2.ellipse(canvas, a, radii, rng.uniform(0, 180), 0, 360, ink, width)
        else:
            cv2.line(canvas, a, b, ink, abs(width))
    light = 1 + blotches(rng, 3, 0.5)[..., None]
    return np.asarray(np.clip(cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.6, 1.6)) * light, 0, 255), np.float32)


def texture(rng: random.Random) -> Floats:
    """Noise on several scales, like leaves, gravel and cloth."""
    layers = np.sum([blotches(rng, cells, rng.uniform(5, 45)) for cells in (4, 10, 24, 60, 150)], axis=0)
    tint = [rng.uniform(0.7, 1.2) for _ in range(3)]
    return np.asarray(np.clip(np.array(colour(rng)) + layers[..., None] * tint, 0, 255), np.float32)


def blotches(rng: random.Random, cells: int, strength: float) -> Floats:
    """Smooth noise, `cells` cells wide."""
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, strength, (cells * 3 // 4, cells))
    return np.asarray(cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.float32)


def colour(rng: random.Random) -> tuple[int, int, int]:
    """A muted colour."""
    grey = rng.randint(20, 220)
    red, green, blue = (min(255, max(0, grey + rng.randint(-40, 40))) for _ in range(3))
    return red, green, blue


def clip(
    background: Floats, face: Face | None, height: float, rng: random.Random
) -> Iterator[tuple[Image, Box | None]]:
    """Give the frames of one clip, and where the face is; `height` is that of BlazeFace's box."""
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, NOISE, (HEIGHT + 64, WIDTH + 64, 3)).astype(np.float32)
    margin = 0.9 * height
    x, y = rng.uniform(margin, WIDTH - margin), rng.uniform(margin, HEIGHT - margin)
    way, speed = rng.uniform(0, 2 * math.pi), rng.uniform(0, SPEED) / FPS
    for n in range(-LEAD, FRAMES):
        picture, box = background, None
        if face is not None and n >= 0:
            picture, box = paste(background, face, height, x + n * speed * math.cos(way), y + n * speed * math.sin(way))
        dy, dx = rng.randrange(64), rng.randrange(64)
        frame = np.clip(picture + noise[dy : dy + HEIGHT, dx : dx + WIDTH], 0, 255).astype(np.uint8)
        yield frame, box


def paste(background: Floats, face: Face, height: float, x: float, y: float) -> tuple[Floats, Box]:
    """Put the face's box, `height` high, with its centre at x, y."""
    zoom = height / face.box.height
    small = cv2.resize(face.image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(face.mask, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_AREA)
    centre = face.box.centre
    shift = np.array([[1, 0, x - centre[0] * zoom], [0, 1, y - centre[1] * zoom]], np.float32)
    over = cv2.warpAffine(small.astype(np.float32), shift, (WIDTH, HEIGHT))
    share = cv2.warpAffine(mask, shift, (WIDTH, HEIGHT))[..., None]
    half = height / 2 * face.box.width / face.box.height
    return background + (over - background) * share, Box(x - half, y - height / 2, x + half, y + height / 2)


def measure(detector: Detector, frames: Iterator[tuple[Image, Box | None]], tally: Tally, *, every: bool) -> None:
    """Track one clip; a false track is one that was never over the face."""
    tracker, schedule = Tracker(), DetectionScheduler()
    seen, real = set[int](), set[int]()
    soonest: int | None = None
    for n, (image, truth) in enumerate(frames):
        before = thread_cpu()
        parts, expected = detector.grid(WIDTH, HEIGHT), tracker.expected(n / FPS)
        if every:
            look, asked = (
                DetectionRequest(round_robin(parts, n + tally.clips), tuple(track.box for track in expected)),
                None,
            )
        else:
            look, asked = schedule.plan(image, parts, expected, (), n / FPS)
        tracks = tracker.update(detector.detect(image, look), n / FPS, asked)
        tally.cpu_ms.append(1000 * (thread_cpu() - before))
        over = {track.id for track in tracks.live if truth is not None and track.box.iou(truth) >= OVER}
        soonest = n + 1 - LEAD if over and soonest is None else soonest
        seen |= {track.id for track in tracks.live}
        real |= over
    tally.clips, tally.frames = tally.clips + 1, tally.frames + LEAD + FRAMES
    tally.false_tracks += len(seen - real)
    tally.acquired += soonest is not None and soonest <= SOON
    tally.soonest += [] if soonest is None else [soonest]


def report(rows: dict[str, Tally], options: argparse.Namespace) -> None:
    """Print the table and write it as JSON."""
    figures: list[dict[str, Any]] = []
    for name, tally in rows.items():
        row = asdict(tally)
        soonest, cpu = sorted(row.pop("soonest")), row.pop("cpu_ms")
        row["median_frame"] = statistics.median(soonest) if soonest else None
        row["cpu_ms_median"], row["cpu_ms_mean"] = statistics.median(cpu), statistics.fmean(cpu)
        figures.append({"clips_of": name, **row})
    print(table(figures))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    what = {
        "height": options.height,
        "every": options.every,
        "settings": options.settings,
        "seed": options.seed,
        "machine": platform.machine(),
    }
    options.out.write_text(json.dumps({**what, "rows": figures}, indent=2) + "\n", encoding="utf-8")


def table(figures: Sequence[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    acquired, strays = f"acquired within {SOON} frames", "false tracks / frames"
    head = ["clips", acquired, "median frame", strays, "CPU ms per frame, median", "mean"]
    rows = [head, ["---"] * len(head)]
    for row in figures:
        share = f"{row['acquired']} / {row['clips']} = {100 * row['acquired'] / row['clips']:.1f} %"
        share, frame = ("", "") if row["median_frame"] is None else (share, f"{row['median_frame']:.0f}")
        false = f"{row['false_tracks']} / {row['frames']}"
        rows.append([row["clips_of"], share, frame, false, f"{row['cpu_ms_median']:.1f}", f"{row['cpu_ms_mean']:.1f}"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    main()
