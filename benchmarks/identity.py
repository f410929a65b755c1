"""What happens when a look-alike steps into the place of a person who was matched, and what that costs the person.

Takes a folder PERSON/PHOTO of photos, as in LFW; people with six photos or more are used. Each is enrolled from three
photos, and comes with the other three.

- joins: every photo of every other person is added to a person's evidence. Those that join it are held there for 20
  frames by the pipeline's rules, and claims are counted.
- swaps: the look-alikes among them, which join best although they score low alone, go through the whole pipeline as
  pictures: the person for 3 s, then the look-alike in the same place for 6 s.
- visits: one photo a visit, with camera noise and a gentle sway. The models see each frame once; the rules are then
  applied for each level and number of people.

    python -m benchmarks.identity FACES [--people 60] [--out build/identity.json]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.config.configuration import Configuration
from edgeface.core.types import Frame
from edgeface.faces.calibration import CalibrationTable
from edgeface.faces.photo_face import faces
from edgeface.gallery.snapshot import GallerySnapshot, Person, make_snapshot, unit_mean
from edgeface.gallery.unknowns import Unknowns
from edgeface.imaging import photos
from edgeface.recognition.decision import Evidence
from edgeface.recognition.pipeline import Pipeline, PipelineRules
from edgeface.recognition.settings import Recognition, UnknownSettings
from tests.support import scripted
from tests.support.doors import DOOR, levels, limits_for, policy_for
from tests.support.scripted import Look, ScriptedFaces
from tests.support.unknowns import fixed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from edgeface.core.settings import Level
    from edgeface.core.types import Embedding, FrameResult, Image
    from edgeface.faces.analyzer import FaceAnalyzer

FPS = scripted.FPS
PHOTOS, ENROLLED = 6, 3
HELD = 20
"""Frames for which a photo that has joined is held."""
JOINS, ALONE, SWAPS = 0.50, 0.48, 20
"""A look-alike joins at this cosine or more, and scores less than this alone; so many are swapped."""
EMPTY, STAY = 0.5, 3.0
"""Seconds of a visit."""
SOON = 2.0
"""Seconds within which a person wants to be let in."""
GALLERIES = (1, 5, 10)
_NOISE = 2.0
_CORNER = (200, 100)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """One person: the embedding and the picture of each photo."""

    name: str
    embeddings: tuple[Embedding, ...]
    images: tuple[Image, ...]

    @property
    def template(self) -> Embedding:
        """What the person is matched against."""
        return unit_mean(self.embeddings[:ENROLLED])

    @property
    def evidence(self) -> Evidence:
        """Ten frames of the photos that are not enrolled, in one second."""
        gathered = Evidence()
        for number in range(10):
            gathered = gathered.add(self.embeddings[ENROLLED + number % ENROLLED], number / 10, -1.0)
        return gathered


@dataclass(frozen=True, slots=True, eq=False)
class Stranger:
    """A photo of another person that joins a person's evidence."""

    known: Known
    other: str
    embedding: Embedding
    image: Image
    joins: float
    alone: float


def main() -> None:
    """Measure, print the table, and write the figures."""
    options = arguments(__doc__, "identity", people=60)
    analyzer = open_analyzer()
    people = load(analyzer, options.faces, options.people)
    alike, compared = strangers(people)
    if not alike:
        raise SystemExit(f"no photo of another person comes near anyone's evidence, of {compared}: give more people")
    figures = {"people": len(people), **joins(alike, compared), **swaps(analyzer, alike), **visits(analyzer, people)}
    print("\n".join(["| what | figure |", "|---|---|", *(f"| {name} | {value} |" for name, value in figures.items())]))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def arguments(about: str | None, target: str, **numbers: int) -> argparse.Namespace:
    """Read the command line: the folder, `numbers` with their defaults, and where the figures go."""
    parser = argparse.ArgumentParser(description=(about or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("faces", type=Path, help="folder of PERSON/PHOTO")
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, default=Path(f"build/{target}.json"))
    return parser.parse_args()


def open_analyzer() -> FaceAnalyzer:
    """The shipped models."""
    return Configuration.model_validate({"cameras": {"porch": {"type": "opencv", "source": 0}}}).open_analyzer()


def load(analyzer: FaceAnalyzer, folder: Path, most: int) -> list[Known]:
    """The people with enough good photos."""
    named = {one: sorted(one.glob("*.jpg"))[:PHOTOS] for one in sorted(folder.iterdir()) if one.is_dir()}
    chosen = [one for one, found in named.items() if len(found) == PHOTOS]
    random.Random(1).shuffle(chosen)
    made = [known(analyzer, one.name, named[one]) for one in chosen[:most]]
    return [one for one in made if len(one.embeddings) == PHOTOS]


def known(analyzer: FaceAnalyzer, name: str, paths: Sequence[Path]) -> Known:
    """A person, without the photos that are not worth embedding."""
    embeddings, images = list["Embedding"](), list["Image"]()
    for image in map(photos.load, paths):
        good = [face for face in faces(analyzer, image) if face.quality.reason is None]
        if good:
            largest = max(good, key=lambda face: face.detection.box.height)
            embeddings.append(analyzer.embed(largest.image, largest.detection))
            images.append(image)
    return Known(name, tuple(embeddings), tuple(images))


def pipeline(
    analyzer: FaceAnalyzer, people: Sequence[Known], level: Level = "normal", door: Level = "high"
) -> Pipeline:
    """A pipeline that knows these people, with a door at its camera."""
    view = gallery(people)
    rules = PipelineRules("front", "boot", Recognition(level=level), UnknownSettings())
    accept, cameras = limits_for(view, level, door)
    return Pipeline(rules, analyzer, Unknowns("boot", fixed(accept.accept)), view, accept, cameras)


def gallery(people: Sequence[Known]) -> GallerySnapshot:
    """Each person's first photos."""
    persons = [Person(one.name, one.name, False, 0.0, ENROLLED, 0) for one in people]
    return make_snapshot(persons, {one.name: list(one.embeddings[:ENROLLED]) for one in people})


def strangers(people: Sequence[Known]) -> tuple[list[Stranger], int]:
    """The photos of others that come near a person's evidence, and how many were compared."""
    means = {one.name: one.evidence.mean() for one in people}
    every = [
        Stranger(one, other.name, e, image, float(e @ means[one.name]), float(e @ one.template))
        for one in people
        for other in people
        if other is not one
        for e, image in zip(other.embeddings, other.images, strict=True)
    ]
    return [one for one in every if one.joins >= CalibrationTable.shipped().threshold("low", 1)], len(every)


def joins(alike: Sequence[Stranger], compared: int) -> dict[str, Any]:
    """How many photos join, and what is claimed of them below what the level of the claim requires of one frame."""
    same = CalibrationTable.shipped().threshold("normal", 1)
    joined = [one for one in alike if one.known.evidence.add(one.embedding, 1.0, same).frames > 1]
    below, claimed = 0, 0
    for one in alike:
        policy = policy_for(gallery([one.known]), "high")
        needed = {limit.level: limit.cosine for limit in policy.limits_of(DOOR).levels}
        reached = levels(policy, (claim for result in held(one) for claim in result.claims))
        claimed += len(reached)
        below += sum(
            level is not None and (cosine := needed[level]) is not None and one.alone < cosine for _, level in reached
        )
    return {
        "photos of others compared with evidence": compared,
        "of these, join it": len(joined),
        "claims after the change": claimed,
        "claims whose frame alone is below the level of the claim": below,
    }


def held(stranger: Stranger) -> list[FrameResult]:
    """The frames after a stranger has come into the place of a person, each judged."""
    shown = ScriptedFaces()
    made = pipeline(scripted.analyzer(shown), [stranger.known])
    before = [Look(stranger.known.embeddings[ENROLLED + n // 3 % ENROLLED]) for n in range(45)]
    results = list(scripted.play(made, shown, [*before, *[Look(stranger.embedding)] * HELD * 6]))
    return results[45:]


def swaps(analyzer: FaceAnalyzer, alike: Sequence[Stranger]) -> dict[str, Any]:
    """What the whole pipeline reports of the person after a look-alike has come into their place."""
    pairs = sorted((one for one in alike if one.alone < ALONE), key=lambda one: -one.joins)[:SWAPS]
    claims, matches, named = 0, 0, list[float]()
    for one in pairs:
        results = list(swap(analyzer, one))
        claims += sum(len(result.claims) for result in results)
        matches += sum(event.type == "match" for result in results for event in result.events)
        last = [n for n, result in enumerate(results) if any(f.person for f in result.faces)]
        named.append((last[-1] + 1) / FPS if last else 0.0)
    return {
        "look-alikes swapped": len(pairs),
        f"of these, join at {JOINS} or more": sum(one.joins >= JOINS for one in pairs),
        "claims of the wrong person after a swap": claims,
        "match events of the wrong person after a swap": matches,
        "seconds for which the wrong name stays, median and longest": spread(named, 1.0),
    }


def swap(analyzer: FaceAnalyzer, stranger: Stranger) -> Iterator[FrameResult]:
    """The frames after the swap."""
    made, seconds = pipeline(analyzer, [stranger.known]), 3.0
    images = [stranger.known.images[ENROLLED + n // 3 % ENROLLED] for n in range(round(seconds * FPS))]
    for number, image in enumerate([*images, *[stranger.image] * round(2 * seconds * FPS)]):
        result = made.process(Frame("porch", number, number / FPS, 1_000.0 + number / FPS, picture(image, number)))
        if number >= len(images):
            yield result


def picture(photo: Image | None, number: int) -> Image:
    """A grey picture with camera noise, and a photo in it that sways."""
    canvas = np.full((480, 640, 3), 110, np.int16)
    if photo is not None:
        x, y = _CORNER[0] + round(4 * np.sin(number / 4)), _CORNER[1]
        canvas[y : y + photo.shape[0], x : x + photo.shape[1]] = photo[: 480 - y, : 640 - x]
    made = np.asarray(np.clip(canvas + noise(number % 16), 0, 255), np.uint8)
    made.flags.writeable = False
    return made


@cache
def noise(seed: int) -> NDArray[np.int16]:
    """A camera's noise for one picture."""
    return np.asarray(np.random.default_rng(seed).normal(0, _NOISE, (480, 640, 3)).round(), np.int16)


def visits(analyzer: FaceAnalyzer, people: Sequence[Known]) -> dict[str, Any]:
    """How soon people are matched, and who is claimed at level high within two seconds."""
    seen = [
        (number, perceived(analyzer, photo)) for number, one in enumerate(people) for photo in one.images[ENROLLED:]
    ]
    matches = [first(looks, [people[number]], "match") for number, looks in seen]
    matched = [at for at in matches if at is not None]
    figures: dict[str, Any] = {
        "visits": len(seen),
        "matched": len(matched),
        "seconds to the match, median and 95 %": spread(matched, 0.95),
    }
    for size in GALLERIES:
        known = [(looks, [*people, *people][number : number + size]) for number, looks in seen]
        soon = [first(looks, chosen, "claim") for looks, chosen in known]
        figures[f"claimed at level high within {SOON:.0f} s, {size} enrolled"] = sum(
            at is not None and at <= SOON for at in soon
        )
    return figures


def perceived(analyzer: FaceAnalyzer, photo: Image) -> list[Look | None]:
    """What the models see in each frame of a visit."""
    looks: list[Look | None] = [None] * round(EMPTY * FPS)
    for number in range(round(STAY * FPS)):
        image = picture(photo, number)
        found = max(analyzer.faces(image), key=lambda face: face.detection.box.height, default=None)
        if found is None:
            looks.append(None)
            continue
        embedding = analyzer.embed(image, found.detection)
        looks.append(Look(embedding, found.detection.box, found.quality.reason))
    return looks


def first(looks: Sequence[Look | None], people: Sequence[Known], what: str) -> float | None:
    """Seconds from the first frame of a visit to the match event of the first of these people, or to a high claim."""
    shown = ScriptedFaces()
    made = pipeline(scripted.analyzer(shown), people)
    for number, result in enumerate(scripted.play(made, shown, looks)):
        matched = any(event.type == "match" and event.person == people[0].name for event in result.events)
        claimed = any(claim.level == "high" and claim.person == people[0].name for claim in result.claims)
        if matched if what == "match" else claimed:
            return number / FPS - round(EMPTY * FPS) / FPS
    return None


def spread(seconds: Sequence[float], share: float) -> list[float]:
    """The median, and the value that this share of them does not exceed."""
    if not seconds:
        return []
    return [round(value, 2) for value in (statistics.median(seconds), float(np.quantile(seconds, share)))]


if __name__ == "__main__":
    main()
