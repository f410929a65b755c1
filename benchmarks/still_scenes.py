"""How often encoders repeat the pictures of a camera, and whether that counts as a recording.

    make still-scenes [ARGS="--minutes 10 --photo FILE"]

Scenes with and without noise pass through real encoders of GStreamer, and through cameras.repetition on a clock of 15
pictures per second. Prints a table: per scene and encoder the pictures, those identical to the last, those identical
to an earlier one, and seconds during which the camera counted as a recording, and as frozen. All must be 0 there,
except in the last rows: a recording of a moving scene in a loop, and a frozen picture in which a pixel, a lamp or a
clock changes; these must be noticed. A scene without noise counts as frozen: no sensor gives one.
"""

from __future__ import annotations

import argparse
import threading
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.cameras.freshness import Freshness
from edgeface.cameras.repetition import Repetition
from edgeface.core.types import CameraImage
from edgeface.imaging import photos
from edgeface.imaging.opencv import cv2
from tests.support import gst

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.core.types import Image

FPS = 15
PHOTO = Path(__file__).parents[1] / "tests" / "data" / "obama.jpg"
_X264 = "x264enc tune=zerolatency threads=1"
_AVC, _HEVC = "h264parse ! avdec_h264", "h265parse ! avdec_h265"
ENCODERS = {
    "H.264 1500 kbit/s": f"{_X264} speed-preset=ultrafast key-int-max=10 bitrate=1500 ! {_AVC}",
    "H.264 500 kbit/s": f"{_X264} speed-preset=veryfast key-int-max=30 bitrate=500 ! {_AVC}",
    "H.264 100 kbit/s": f"{_X264} speed-preset=veryfast key-int-max=60 bitrate=100 ! {_AVC}",
    "H.264 QP 30": f"{_X264} pass=quant quantizer=30 key-int-max=15 ! {_AVC}",
    "H.264 QP 45": f"{_X264} pass=quant quantizer=45 key-int-max=15 ! {_AVC}",
    "H.264 QP 42, B": f"x264enc bframes=2 pass=quant quantizer=42 key-int-max=30 threads=1 ! {_AVC}",
    "H.264 refresh": f"{_X264} pass=qual quantizer=28 intra-refresh=true key-int-max=50 ! {_AVC}",
    "H.265 200 kbit/s": f"x265enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=200 ! {_HEVC}",
    "MPEG-4 300 kbit/s": "avenc_mpeg4 bitrate=300000 gop-size=12 ! avdec_mpeg4",
    "VP8 200 kbit/s": "vp8enc deadline=1 keyframe-max-dist=30 target-bitrate=200000 ! vp8dec",
    "MJPEG": "jpegenc quality=50 ! jpegdec",
}
# Brightness of the photo, standard deviation of the noise, and a lamp of 24 x 24 pixels that blinks each second.
SCENES: dict[str, tuple[float, float, bool]] = {
    "light, no noise": (1.0, 0.0, False),
    "dark, no noise": (0.08, 0.0, False),
    "dark, no noise, lamp blinks": (0.08, 0.0, True),
    "dark, noise 0.4": (0.08, 0.4, False),
    "dark, noise 1.5": (0.08, 1.5, False),
    "light, noise 0.5": (1.0, 0.5, False),
    "light, noise 4": (1.0, 4.0, False),
}


def still(photo: Image, count: int, brightness: float, noise: float, *, lamp: bool) -> Iterator[Image]:
    """A scene in which nothing moves, as a sensor without and with noise gives it."""
    random, scene = np.random.default_rng(1), photo.astype(np.float32) * brightness
    for number in range(count):
        picture = scene + random.normal(0, noise, scene.shape).astype(np.float32) if noise else scene.copy()
        if lamp and number // FPS % 2:
            picture[200:224, 300:324] = 255
        yield np.clip(picture, 0, 255).astype(np.uint8)


def looped(photo: Image, count: int) -> Iterator[Image]:
    """The photo pans to and fro for 8 s with noise, again and again."""
    random = np.random.default_rng(2)
    clip = [
        np.clip(np.roll(photo, round(60 * np.sin(n / 19)), axis=1) + random.normal(0, 2, photo.shape), 0, 255)
        for n in range(8 * FPS)
    ]
    for number in range(count):
        yield clip[number % len(clip)].astype(np.uint8)


def frozen(photo: Image, count: int, kind: str) -> Iterator[Image]:
    """One picture with noise again and again, in which only a pixel, a lamp of 8 x 8 pixels or a clock changes."""
    random = np.random.default_rng(3)
    scene = np.clip(photo + random.normal(0, 2, photo.shape), 0, 255).astype(np.uint8)
    for number in range(count):
        picture, second = scene.copy(), number // FPS
        if kind == "pixel":
            picture[100, 100] = random.integers(0, 256)
        elif kind == "lamp":
            picture[200:208, 300:308] = 255 * (second % 2)
        else:
            text = f"2026-11-29 10:{second // 60:02}:{second % 60:02}"
            cv2.putText(picture, text, (10, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2)
        yield picture


def coded(pictures: Iterator[Image], encoder: str) -> Iterator[Image]:
    """The pictures as they come out of an encoder and its decoder."""
    from gi.repository import Gst

    first = next(pictures)
    height, width = first.shape[:2]
    raw = f"video/x-raw,format=RGB,width={width},height={height},framerate={FPS}/1"
    line = Gst.parse_launch(
        f"appsrc name=in format=time block=true max-bytes=20000000 caps={raw} ! videoconvert ! video/x-raw,format=I420 "
        f"! {encoder} ! videoconvert ! video/x-raw,format=RGB ! appsink name=out sync=false max-buffers=20"
    )
    source, sink, bus = line.get_by_name("in"), line.get_by_name("out"), line.get_bus()
    line.set_state(Gst.State.PLAYING)
    threading.Thread(target=_feed, args=(Gst, source, chain([first], pictures)), daemon=True).start()
    while not sink.get_property("eos"):
        sample = sink.emit("try-pull-sample", Gst.SECOND // 5)
        if (error := bus.pop_filtered(Gst.MessageType.ERROR)) is not None:
            raise RuntimeError(str(error.parse_error()))
        if sample is not None:
            buffer = sample.get_buffer()
            yield np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8).reshape(height, width, 3)
    line.set_state(Gst.State.NULL)


def _feed(gst_module: Any, source: Any, pictures: Iterator[Image]) -> None:
    for number, picture in enumerate(pictures):
        buffer = gst_module.Buffer.new_wrapped(picture.tobytes())
        buffer.pts, buffer.duration = number * gst_module.SECOND // FPS, gst_module.SECOND // FPS
        source.emit("push-buffer", buffer)
    source.emit("end-of-stream")


def row(pictures: Iterator[Image]) -> tuple[str, bool, int]:
    """A row of the table, whether the pictures ever counted as a recording, and how many counted as frozen."""
    fresh, repetition, total, doubtful, replay, took, still_ones = Freshness(), Repetition(), 0, 0, 0, 0.0, 0
    fresh.opened(0.0)
    for number, image in enumerate(pictures):
        picture, now = CameraImage(image, number / FPS), number / FPS
        total += 1
        if fresh.is_new(picture, now):
            before = time.perf_counter()
            doubtful += repetition.doubts(picture, now)
            took += time.perf_counter() - before
        replay += repetition.replayed(now) is not None
        still_ones += fresh.problem(now) is not None
    cost = 1e6 * took / max(1, total - fresh.repeats)
    seconds = f"{replay / FPS:.0f} s | {still_ones / FPS:.0f} s"
    text = f"{total} | {fresh.repeats} | {repetition.repeated} | {doubtful} | {seconds} | {cost:.0f} us"
    return text, replay > 0, still_ones


def main() -> int:
    """Print the table; returns 1 if a still scene counts as a recording, or a recording does not."""
    parser = argparse.ArgumentParser(description="How often encoders repeat the pictures of a still scene.")
    parser.add_argument("--minutes", type=float, default=1.0, help="length of each scene")
    parser.add_argument("--photo", type=Path, default=PHOTO)
    options = parser.parse_args()
    if (reason := gst.why_not()) is not None:
        parser.error(reason)
    from gi.repository import Gst

    Gst.init(None)
    photo = np.asarray(cv2.resize(photos.load(options.photo), (640, 480)), np.uint8)
    count, wrong = round(options.minutes * 60 * FPS), 0
    print(
        "| scene | encoder | pictures | same as the last | as an earlier one | doubtful | recording | frozen | cost |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for scene, (brightness, noise, lamp) in SCENES.items():
        for name, encoder in ENCODERS.items():
            text, found, still_ones = row(coded(still(photo, count, brightness, noise, lamp=lamp), encoder))
            wrong += found or (noise > 0 and still_ones > 0)
            print(f"| {scene} | {name} | {text} |", flush=True)
    for name in ("none", "MJPEG"):
        pictures = looped(photo, count)
        text, found, _ = row(pictures if name == "none" else coded(pictures, ENCODERS[name]))
        wrong += not found
        print(f"| clip of 8 s in a loop | {name} | {text} |", flush=True)
    for kind in ("pixel", "lamp", "clock"):
        for name in ("none", *ENCODERS):
            pictures = frozen(photo, count, kind)
            text, _, still_ones = row(pictures if name == "none" else coded(pictures, ENCODERS[name]))
            # Other encoders encode the whole picture again, with other errors each time.
            wrong += name in {"none", "MJPEG"} and still_ones < count - 7 * FPS
            print(f"| frozen, {kind} | {name} | {text} |", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
