"""What 0 to 10,000 unknowns cost, and whether a flood of new ones slows the doors.

- `unknowns`: memory, start, and time of one visit, of a change by someone else, of a merge and of the list of pairs, at
  each number of unknowns, with a real gallery file. Embeddings are drawn from the spectrum of the shipped embedder's.
- `flood`: from a claim to its grant at a door, with a real broker, four cameras, 15 pictures a second each, and 10,000
  unknowns stored. One camera sees someone who may open the door every two seconds; the others see no one, or each
  someone new every two seconds. Only the models are left out.
- `faces`, with --faces FOLDER: how many returning people get another id and how many new ones get someone else's, at
  the cosines for several numbers of unknowns.

    python -m benchmarks.unknowns [--seconds 60] [--faces FOLDER] [--cache FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from benchmarks.search import GENUINE, SIZE, SPECTRUM, drawn, mixed
from edgeface.access.policy import AccessPolicy, AllowRule, Door
from edgeface.cameras.mailbox import Mailbox
from edgeface.cameras.replay import ReplayCamera
from edgeface.config.configuration import Configuration, Privacy
from edgeface.core.clock import DAY, SystemClock, thread_cpu
from edgeface.core.types import Frame
from edgeface.daemon.session import RecognitionSession
from edgeface.daemon.vision import Health, Vision
from edgeface.demo.door import make_key
from edgeface.demo.mosquitto import Mosquitto
from edgeface.faces.calibration import CalibrationTable
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import FILE, Gallery
from edgeface.gallery.snapshot import Template, unit_mean
from edgeface.gallery.unknowns import Alike, Unknown
from edgeface.journal.journal import Journal
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from edgeface.mqtt.settings import Mqtt
from edgeface.people.proposals import proposals
from edgeface.recognition.decision import likeness
from edgeface.recognition.settings import Recognition, UnknownSettings
from edgeface.security.signing_keys import Signer
from edgeface.security.vault import open_vault
from tests.support.scripted import BOX, Look, ScriptedFaces, analyzer
from tools import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from edgeface.core.types import Claim, Embedding, Image
    from edgeface.faces.protocols import DetectionRequest

    Floats = NDArray[np.float32]

ROOT = Path(__file__).parent.parent
COUNTS = (0, 1_000, 10_000)
VISITS = 200
"""Visits of each kind that are timed."""
FPS = 15
CAMERAS = ("door", "street", "yard", "lane")
CLOCK = SystemClock()
DOOR, NONCES = "front-door", 0.2
_WARM = 5.0
# Seconds from one new person to the next at a camera, and for which each is in view.
_EVERY, _STAY = 2.0, 1.4


def main() -> None:
    """Measure each part in a process of its own, print the tables, and write the figures."""
    options = arguments()
    if options.one is not None:
        with tempfile.TemporaryDirectory() as name:
            sys.stdout.write(json.dumps(one(options, Path(name))))
        return
    found = {}
    for name, rows_of in parts(options).items():
        found[name] = table(list(rows_of))
        print(f"{name}\n\n{found[name]}\n", flush=True)
    file = figures.BUILD / "bench-unknowns.json"
    file.parent.mkdir(exist_ok=True)
    rows = {name: figures.rows(text) for name, text in found.items()}
    file.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written to {file}")


def one(options: argparse.Namespace, folder: Path) -> dict[str, str]:
    """Measure one part in this process, with its files in an empty folder."""
    if options.one in STATES:
        return flood(folder, options.seconds, flooded=options.one == "flooded")
    return numbers(folder, int(options.one))


STATES = {"quiet": "no one", "flooded": "each of three someone new every 2 s"}


def parts(options: argparse.Namespace) -> dict[str, Iterable[dict[str, str]]]:
    """What makes the rows of each table."""
    floods = ({"cameras see": name} | child(options, state) for state, name in STATES.items())
    found: dict[str, Iterable[dict[str, str]]] = {
        "unknowns": (child(options, str(count)) for count in COUNTS), "flood": floods,
    }  # fmt: skip
    return found if options.faces is None else found | {"faces": costs(options.faces, options.cache)}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each part of the flood")
    parser.add_argument("--faces", type=Path, help="folder of PERSON/PHOTO")
    parser.add_argument("--cache", type=Path, help="cache the embeddings in this file, as edgeface evaluate does")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def child(options: argparse.Namespace, part: str) -> dict[str, str]:
    """Measure one part in its own process, with one thread for BLAS as the daemon has."""
    line = [sys.executable, "-m", "benchmarks.unknowns", "--one", part, "--seconds", str(options.seconds)]
    single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(line, cwd=ROOT, env={**os.environ, **single}, stdout=subprocess.PIPE, check=True)
    made: dict[str, str] = json.loads(done.stdout)
    return made


def table(rows: list[dict[str, str]]) -> str:
    """The figures as Markdown."""
    lines = [[*rows[0]], ["---:"] * len(rows[0]), *([*row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


class Street:
    """Draws people and their frames."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._axes = np.linalg.qr(self._rng.standard_normal((SIZE, SIZE)))[0][:, : len(SPECTRUM)].T.astype(np.float32)

    def people(self, count: int) -> Floats:
        """New people, one per row."""
        return drawn(count, self._axes, self._rng)

    def visit(self, person: Embedding, frames: int = 5) -> list[Embedding]:
        """The frames of a visit: as similar to the person as one visit's are."""
        cosines = np.clip(self._rng.normal(*GENUINE, frames), 0.8, 0.99)
        return list(mixed(np.tile(person, (frames, 1)), drawn(frames, self._axes, self._rng), cosines))


def fill(folder: Path, people: Floats, street: Street) -> None:
    """Store one unknown for each person, seen in the last 30 days, and 100 pairs."""
    now = CLOCK.wall()
    with closing(Gallery.open(folder, embedder_name())) as gallery, gallery.transaction():
        for number, person in enumerate(people):
            seen, frames = now - 29 * DAY * (1 - number / len(people)), street.visit(person)
            mean = unit_mean(frames)
            gallery.store_unknowns([Unknown(f"u-{number:08x}", mean, tuple(frames[:3]), 5, 1, seen, seen, "street")])
        pairs = [Alike(f"u-{n:08x}", f"u-{n + 1:08x}", 0.6) for n in range(0, min(200, len(people)), 2)]
        gallery.store_unknowns([], [], pairs)


def numbers(base: Path, count: int) -> dict[str, str]:
    """The figures at one number of unknowns."""
    street, folder = Street(1), base / "data"
    people = street.people(count)
    fill(folder, people, street)
    configuration = configured(folder, most=count + 10 * VISITS)
    with closing(RecognitionSession(configured(base / "warm"), "warm", CLOCK.wall())):
        before = resident()
    start = CLOCK.monotonic()
    with closing(RecognitionSession(configuration, secrets.token_hex(4), CLOCK.wall(), lambda: True)) as session:
        opened, after = CLOCK.monotonic() - start, resident()
        known = [street.visit(one) for one in people[-VISITS:]]
        new = [street.visit(one) for one in street.people(VISITS)]
        unknowns = session._unknowns  # noqa: SLF001 - a part of the session is measured by itself
        see = partial(unknowns.see, wall=CLOCK.wall(), camera="street")
        returning, strangers = [timed(partial(see, one)) for one in known], [timed(partial(see, one)) for one in new]
        session.refresh(configuration, CLOCK.wall())
        session.stored(60.0)
        with closing(Gallery.open(folder, embedder_name())) as other:
            changed = [timed(partial(_change, session, other, configuration, n)) for n in range(24)]
            listed = timed(partial(proposals, other))
            merge = timed(partial(other.merge_unknowns, f"u-{0:08x}", f"u-{1:08x}", CLOCK.wall())) if count else 0.0
    return {
        "unknowns": f"{count:,}",
        "memory over 0, MB": f"{after - before:.0f}",
        "gallery.db, MB": f"{(folder / FILE).stat().st_size / 1e6:.0f}",
        "start, s": f"{opened:.2f}",
        "ms per visit, known": f"{np.median(returning or [0]):.2f}",
        "new": f"{np.median(strangers):.2f}",
        "ms for a change by someone else": f"{np.median(changed):.1f}",
        "at most": f"{max(changed):.1f}",
        "ms for the list of pairs": f"{listed:.0f}",
        "ms for a merge": f"{merge:.0f}",
    }


def _change(session: RecognitionSession, other: Gallery, configuration: Configuration, number: int) -> None:
    """Someone is enrolled by another program, and the session takes it up; only the second part is timed by `timed`."""
    template = Template(Street(100 + number).people(1)[0], other.model, "photo", CLOCK.wall())
    other.enroll(f"person-{number}", None, [template], CLOCK.wall())
    _restart_clock()
    session.refresh(configuration, CLOCK.wall())


_began = [0.0]


def _restart_clock() -> None:
    _began[0] = thread_cpu()


def timed(work: Callable[[], object]) -> float:
    """CPU milliseconds of this thread, from the start or the last `_restart_clock`."""
    _restart_clock()
    work()
    return 1000 * (thread_cpu() - _began[0])


def resident() -> float:
    """Resident memory of this process in MB."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) * 1024 / 1e6


def configured(folder: Path, most: int = 10_000) -> Configuration:
    """Four cameras and a data folder; pictures of everyone are kept, which is the most work."""
    cameras: dict[str, Any] = {name: ReplayCamera(type="replay", path=Path("none.mp4")) for name in CAMERAS}
    doors = {DOOR: Door(camera="door", allow=(AllowRule(person="alice"),), level="normal", cooldown=0)}
    return Configuration.model_construct(
        data=folder, cameras=cameras, doors=doors, privacy=Privacy(pictures="all"),
        recognition=Recognition(gap=0.5), unknown=UnknownSettings(most=most, per_minute=600),
    )  # fmt: skip


class TaggedFaces(ScriptedFaces):
    """Shows in each picture the face whose number is written in its first pixel; 0 is no one."""

    def __init__(self) -> None:
        super().__init__(embedder=SimpleNamespace(name=embedder_name()))
        self.shown: dict[int, Embedding] = {}

    def detect(self, image: Image, request: DetectionRequest) -> list[Any]:
        """The face of the picture."""
        number = int(image[0, 0] @ np.array((1, 256, 65_536)))
        self.look = Look(self.shown[number]) if number else None
        return super().detect(image, request)


class Scenes:
    """What the cameras see at a time."""

    def __init__(self, faces: TaggedFaces, street: Street, alice: Embedding, *, flooded: bool) -> None:
        self._faces, self._street, self._alice, self._flooded = faces, street, alice, flooded
        self._people: dict[tuple[str, int], Embedding] = {}
        self._count = 0

    def picture(self, camera: str, second: float) -> Image:
        """The picture of a camera."""
        image = np.full((240, 320, 3), 110, np.uint8)
        person = self._person(camera, second)
        number = 0
        if person is not None:
            self._count += 1
            number = self._count
            self._faces.shown[number] = self._street.visit(person, 1)[0]
            self._faces.shown.pop(number - 1000, None)
            image[int(BOX.top) : int(BOX.bottom), int(BOX.left) : int(BOX.right)] = 40 + 37 * int(second) % 200
        image[0, 0] = (number % 256, number // 256 % 256, number // 65_536)
        return image

    def _person(self, camera: str, second: float) -> Embedding | None:
        if camera == "door":
            return self._alice if second % 2 < 1 else None
        since = (second + CAMERAS.index(camera) / len(CAMERAS)) % _EVERY
        if not self._flooded or since > _STAY:
            return None
        key = camera, int((second - since) / _EVERY)
        if key not in self._people:
            self._people[key] = self._street.people(1)[0]
        return self._people[key]


class Visitor:
    """The door: publishes nonces and receives grants."""

    def __init__(self, port: int) -> None:
        import paho.mqtt.client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        self.grants: list[float] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "bench-door", protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(f"edgeface/doors/{DOOR}/grant", qos=1)
        self._client.on_message = lambda *_: self.grants.append(CLOCK.monotonic())
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def ask(self) -> None:
        """Publish a nonce."""
        message = json.dumps({"nonce": secrets.token_urlsafe(18), "boot": "d1"})
        self._client.publish(f"edgeface/doors/{DOOR}/challenge", message)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


def flood(folder: Path, seconds: float, *, flooded: bool) -> dict[str, str]:
    """The time from a claim to its grant, with or without new people at the other cameras."""
    street = Street(2)
    fill(folder / "data", street.people(10_000), street)
    alice = street.people(1)[0]
    configuration = configured(folder / "data")
    with closing(Gallery.open(configuration.data, embedder_name())) as gallery:
        templates = [Template(one, gallery.model, "photo", 1.0) for one in street.visit(alice, 3)]
        gallery.enroll("alice", "Alice", templates, CLOCK.wall())
    make_key(configuration.data, CLOCK.wall())
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder))
        journal = stack.enter_context(closing(Journal(configuration.journal_path, clock=CLOCK)))
        policy = AccessPolicy(configuration.doors)
        publisher = MqttPublisher(
            Mqtt(port=broker.port), "bench", CLOCK, journal, on_enabled=lambda *_: None, cameras=CAMERAS, boot="b1",
            policy=lambda: policy, signer=Signer(configuration.data, open_vault(configuration.data), CLOCK),
        )  # fmt: skip
        claims = watched(publisher)
        mailbox, health, faces = Mailbox(), Health(CLOCK), TaggedFaces()
        delays: list[float] = []
        stored: list[RecognitionSession] = []
        vision = Vision(
            partial(opened, faces, stored), configuration, mailbox, publisher, health, CLOCK,
            [lambda result: delays.append(CLOCK.monotonic() - result.frame.monotonic)],
        )  # fmt: skip
        vision.start()
        publisher.start()
        visitor = stack.enter_context(closing(Visitor(broker.port)))
        began = stored[0].unknowns
        play(mailbox, Scenes(faces, street, alice, flooded=flooded), visitor, seconds + _WARM)
        mailbox.close()
        vision.join()
        publisher.close()
    waits = list(waited(claims, visitor.grants))
    return {
        "new unknowns a minute": f"{60 * len(stored[0].unknowns - began) / (seconds + _WARM):.0f}",
        "unknowns at the end": f"{len(stored[0].unknowns):,}",
        "grants": str(len(waits)),
        "claim to grant, ms: p50": f"{1000 * np.quantile(waits, 0.5):.1f}",
        "p95": f"{1000 * np.quantile(waits, 0.95):.1f}",
        "at most": f"{1000 * max(waits):.1f}",
        "picture to processed, ms: p50": f"{1000 * np.quantile(delays, 0.5):.1f}",
        "p95 ": f"{1000 * np.quantile(delays, 0.95):.1f}",
        "at most ": f"{1000 * max(delays):.1f}",
    }


def opened(
    faces: TaggedFaces, made: list[RecognitionSession], configuration: Configuration, wall: float
) -> RecognitionSession:
    """A session whose faces are given."""
    session = RecognitionSession(configuration, secrets.token_hex(4), wall, lambda: True)
    session.analyzer = analyzer(faces)
    session.pipeline._faces = session.analyzer  # noqa: SLF001 - everything else stays as the daemon has it
    made.append(session)
    return session


def watched(publisher: MqttPublisher) -> list[float]:
    """The times at which the publisher gets a claim, from now on."""
    times: list[float] = []
    claim = publisher.claim

    def noted(one: Claim) -> None:
        times.append(CLOCK.monotonic())
        claim(one)

    cast("Any", publisher).claim = noted
    return times


def play(mailbox: Mailbox, scenes: Scenes, visitor: Visitor, seconds: float) -> None:
    """Put the pictures of all cameras, and have the door ask, in real time."""
    done = threading.Event()

    def ask() -> None:
        while not done.wait(NONCES):
            visitor.ask()

    asking = threading.Thread(target=ask)
    asking.start()
    start = CLOCK.monotonic()
    for number in range(int(seconds * FPS)):
        for offset, camera in enumerate(CAMERAS):
            due = start + (number + offset / len(CAMERAS)) / FPS
            time.sleep(max(0.0, due - CLOCK.monotonic()))
            picture = scenes.picture(camera, due - start)
            mailbox.put(Frame(camera, number, CLOCK.monotonic(), CLOCK.wall(), picture))
    done.set()
    asking.join()


def waited(claims: list[float], grants: list[float]) -> Iterator[float]:
    """For each grant, the seconds since the first claim of its visit."""
    firsts = [at for before, at in zip([-1e9, *claims], claims, strict=False) if at - before > 1 - 2 / FPS]
    for grant in grants:
        before = [at for at in firsts if at <= grant]
        if before and grant - before[-1] < 1:
            yield grant - before[-1]


def costs(folder: Path, cache: Path | None) -> Iterator[dict[str, str]]:
    """Photos as visits: who returns and gets another id, and who is new and gets someone else's, by unknowns."""
    from benchmarks.corrections import load
    from benchmarks.identity import open_analyzer

    faces = load(open_analyzer(), folder, cache)
    shared, chosen = CalibrationTable.shipped(), np.random.default_rng(0)
    people = [chosen.permutation(np.flatnonzero(faces.person == one)) for one in np.unique(faces.person)]
    for visits in (1, 2, 3, 5):
        means = np.stack([unit_mean(faces.rows[one[: min(visits, max(1, len(one) - 1))]]) for one in people])
        probes = [(n, one[visits:][:5]) for n, one in enumerate(people) if len(one) > visits]
        for count in (100, 1_000, 3_000, 10_000):
            among = likeness(shared, count)
            yield (
                {"visits before": str(visits), "people": str(len(probes)), "unknowns": f"{count:,}"}
                | _shares(faces.rows, means, probes, among.same, count)
                | {"cosine of a pair": f"{among.alike:.3f}"}
                | _pair_shares(faces.rows, means, probes, among.alike, count)
            )


def _shares(
    rows: Floats, means: Floats, probes: list[tuple[int, NDArray[np.intp]]], cosine: float, count: int
) -> dict[str, str]:
    missed, wrong = _rates(rows, means, probes, cosine)
    return {
        "cosine": f"{cosine:.3f}",
        "returning people with another id": f"{100 * missed:.1f} %",
        "new people with someone else's": f"{100 * -np.expm1(-wrong * count):.2f} %",
    }


def _pair_shares(
    rows: Floats, means: Floats, probes: list[tuple[int, NDArray[np.intp]]], cosine: float, count: int
) -> dict[str, str]:
    missed, wrong = _rates(rows, means, probes, cosine)
    return {
        "returning people neither recognised nor proposed": f"{100 * missed:.1f} %",
        "new people proposed with someone else": f"{100 * -np.expm1(-wrong * count):.1f} %",
    }


def _rates(
    rows: Floats, means: Floats, probes: list[tuple[int, NDArray[np.intp]]], cosine: float
) -> tuple[float, float]:
    """FNMR, and FMR of one comparison; each person weighs alike."""
    missed, wrong = [], []
    for own, photos in probes:
        scores = rows[photos] @ means.T
        missed.append(float(np.mean(scores[:, own] < cosine)))
        scores[:, own] = -1.0
        wrong.append(float(np.mean(scores >= cosine)) * len(means) / (len(means) - 1))
    return float(np.mean(missed)), float(np.mean(wrong))


if __name__ == "__main__":
    main()
