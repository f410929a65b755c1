"""`edgeface replay`: runs a clip through the pipeline at full speed; the same clip gives the same bytes every time."""

from __future__ import annotations

import hashlib
import sys
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.cameras.replay import ReplayCamera
from edgeface.config import loader
from edgeface.config.configuration import Configuration
from edgeface.core.clock import SystemClock
from edgeface.core.errors import CameraError, EdgefaceError, GalleryError, system_reason
from edgeface.core.events import to_json, to_wire
from edgeface.core.text import counted
from edgeface.core.types import Frame
from edgeface.daemon.session import rules
from edgeface.faces.calibration import table_of
from edgeface.gallery.agreement import Limits
from edgeface.gallery.gallery import FILE, Gallery
from edgeface.gallery.snapshot import GallerySnapshot, Person, make_snapshot
from edgeface.gallery.unknowns import Unknowns
from edgeface.imaging.drawing import VideoWriter
from edgeface.people import enrollment, photo_folders
from edgeface.recognition.decision import likeness, thresholds
from edgeface.recognition.pipeline import Pipeline

if TYPE_CHECKING:
    import argparse
    from collections import Counter
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from typing import TextIO

    from edgeface.cameras.base import Camera
    from edgeface.core.types import Event, RejectReason
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.faces.calibration import CalibrationTable

DEVICE, CAMERA = "replay", "clip"
# Bytes hashed at a time, because a clip may be larger than memory.
_BLOCK = 1 << 20


def boot_of(clip: Path) -> str:
    """The boot id of a replay: 16 hex digits of the SHA-256 of the clip, or of a folder's files in order."""
    if clip.exists() and not (clip.is_file() or clip.is_dir()):
        raise CameraError(f"{clip} is neither a file nor a folder")
    digest = hashlib.sha256()
    try:
        for path in sorted(path for path in clip.iterdir() if path.is_file()) if clip.is_dir() else [clip]:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
    except OSError as error:
        raise CameraError(f"{error.filename}: cannot be read ({system_reason(error)})") from error
    return digest.hexdigest()[:16]


def frames(camera: Camera, name: str = CAMERA) -> Iterator[Frame]:
    """The clip's frames; monotonic and wall time are both the clip's own time."""
    for seq, picture in enumerate(camera.images()):
        seconds = picture.timestamp or 0.0
        picture.image.flags.writeable = False
        yield Frame(name, seq, seconds, seconds, picture.image)


def snapshot_of(folder: Path, analyzer: FaceAnalyzer, table: CalibrationTable) -> GallerySnapshot:
    """The people of a data folder, or of a folder of PERSON/PHOTO, which are enrolled in memory only."""
    if not folder.is_dir():
        raise GalleryError(f"{folder}: no such folder")
    if (folder / FILE).exists():
        with closing(Gallery.open(folder, analyzer.embedder.name)) as gallery:
            return gallery.snapshot(SystemClock().wall())
    known = enrollment.KnownFaces(Limits.of(table.cosine))
    plan = photo_folders.from_folder(analyzer, known, folder, list)
    for line in (*plan.rejected, *plan.notes):
        print(f"edgeface: {line}", file=sys.stderr)
    if not plan.candidates:
        raise GalleryError(f"{folder}: neither a data folder nor a folder of PERSON/PHOTO with usable photos")
    people = [Person(c.person, c.name or c.person, False, 0.0, len(c.embeddings), 0) for c in plan.candidates]
    return make_snapshot(people, {c.person: c.embeddings for c in plan.candidates})


def pipeline_for(configuration: Configuration, boot: str, gallery: Path) -> Pipeline:
    """A pipeline that stores nothing: its unknowns last as long as it does."""
    analyzer, table = configuration.open_analyzer(), table_of(configuration.embedder.model)
    snapshot = snapshot_of(gallery, analyzer, table)
    kept = configuration.unknown
    unknowns = Unknowns(boot, partial(likeness, table), max(1, kept.days), most=kept.most)
    accept = thresholds(table, configuration.recognition.level, snapshot)
    return Pipeline(rules(configuration, boot), analyzer, unknowns, snapshot, accept)


def run_replay(arguments: argparse.Namespace) -> int:
    """Write the events as JSON lines, and the clip with boxes and names drawn if requested; raises CameraError."""
    camera = ReplayCamera(type="replay", path=arguments.clip, pace="fast")
    configuration = Configuration(device=DEVICE, cameras={CAMERA: camera})
    if arguments.config is not None:
        named = loader.load(arguments.config)
        keys = ("detector", "embedder", "recognition", "quality", "unknown", "liveness")
        configuration = configuration.model_copy(update={key: getattr(named, key) for key in keys})
    pipeline = pipeline_for(configuration, boot_of(arguments.clip), arguments.gallery)
    last, number, tracks = 0.0, 0, set[int]()
    with _output(arguments.events) as out, VideoWriter(arguments.video) as video:
        for frame in frames(camera):
            result = pipeline.process(frame)
            last, number = frame.monotonic, number + 1
            tracks.update(face.track for face in result.faces)
            _write(out, result.events)
            video.draw(frame.image, result.faces)
        _write(out, pipeline.leave(CAMERA, last, last))
    print(f"edgeface: {_summary(number, len(tracks), pipeline.counts(CAMERA)[0])}", file=sys.stderr)
    return 0


def _summary(frames: int, tracks: int, undecided: Counter[RejectReason]) -> str:
    """What the clip showed: frames, faces that were followed, and those about which nothing was decided, by reason."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in undecided.most_common())
    return f"{counted(frames, 'frame')}, {counted(tracks, 'face')}" + (f"; not decided: {reasons}" if reasons else "")


def _output(name: str) -> AbstractContextManager[TextIO]:
    if name == "-":
        return nullcontext(sys.stdout)
    try:
        return Path(name).open("w", encoding="utf-8")
    except OSError as error:
        raise EdgefaceError(f"{name}: cannot be written ({system_reason(error)})") from error


def _write(out: TextIO, events: tuple[Event, ...]) -> None:
    # The clip has no time but its own, so the clock is reported as unsynced.
    out.writelines(to_json(to_wire(event, sent_at=event.captured_at, synced=False)) + "\n" for event in events)
    out.flush()
