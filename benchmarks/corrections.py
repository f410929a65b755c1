"""What a correction "this is not Alice" ends, and what it costs Alice.

Takes a folder PERSON/PHOTO of photos, as in LFW. Each person is enrolled from a few photos. Every photo of someone else
that reaches a level's threshold is a false match; where there is none, the nearest photo of someone else counts as one.
Each is corrected on its own.

- the table: corrections that are refused; the person's other photos that no longer match; the stranger's other photos
  that match all the same; and the corrections of the person's own photos, which are mistakes, that are refused.
- replays: the false matches as visits, with camera noise and a gentle sway, before and after the correction.

    python -m benchmarks.corrections FACES [--cache FILE] [--replays 20]
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.identity import open_analyzer, perceived
from edgeface.core.errors import GalleryError
from edgeface.evaluation import photo_set
from edgeface.faces.calibration import CalibrationTable
from edgeface.gallery.negatives import harm
from edgeface.gallery.snapshot import GallerySnapshot, Person, make_snapshot, unit_mean
from edgeface.gallery.unknowns import Unknowns
from edgeface.imaging import photos
from edgeface.recognition.pipeline import Pipeline, PipelineRules
from edgeface.recognition.settings import Recognition, UnknownSettings
from tests.support import scripted
from tests.support.doors import limits_for
from tests.support.scripted import Look, ScriptedFaces
from tests.support.unknowns import fixed
from tools import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgeface.core.settings import Level
    from edgeface.core.types import Embedding, FrameResult
    from edgeface.faces.analyzer import FaceAnalyzer

LEVELS: tuple[Level, ...] = ("low", "normal", "high")
TEMPLATES = (1, 2, 3, 5)
SPARE = 2
"""Photos that a person must have in addition to the templates."""
REPLAYED: tuple[Level, int] = ("normal", 3)
"""Level and number of templates of the replays."""
_COLUMNS = (
    "templates",
    "level",
    "people",
    "false matches",
    "corrections refused",
    "own photos checked",
    "of these, lost",
    "other photos of the strangers",
    "of these, still matched",
    "mistaken corrections",
    "of these, refused",
)


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The photos that are worth embedding, by person."""

    names: tuple[str, ...]
    rows: NDArray[np.float32]
    person: NDArray[np.int64]


@dataclass(slots=True)
class Tally:
    """One row of the table."""

    people: int = 0
    corrected: int = 0
    refused: int = 0
    own: int = 0
    lost: int = 0
    others: int = 0
    still: int = 0
    mistakes: int = 0
    mistakes_refused: int = 0
    made: list[tuple[int, int]] = field(default_factory=list)
    """The false matches whose correction was not refused: the person, and the photo of someone else."""


def main() -> None:
    """Measure, print the table, and write the figures."""
    options = _arguments()
    analyzer = open_analyzer()
    faces = load(analyzer, options.faces, options.cache)
    tallies = {(level, count): measure(faces, level, count) for count in TEMPLATES for level in LEVELS}
    table = _table(tallies)
    print(table)
    print(_replays(analyzer, faces, options.faces, tallies[REPLAYED].made[: options.replays]))
    print(f"written to {figures.save('corrections', table)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("faces", type=Path, help="folder of PERSON/PHOTO")
    parser.add_argument("--cache", type=Path, help="cache the embeddings in this file, as edgeface evaluate does")
    parser.add_argument("--replays", type=int, default=20)
    return parser.parse_args()


def load(analyzer: FaceAnalyzer, folder: Path, cache: Path | None) -> Faces:
    """Embed the folder, or read the cache."""
    found = photo_set.cached(analyzer, photo_set.find(folder), cache, iter)
    good = np.flatnonzero(np.array(found.outcomes) == photo_set.GOOD)
    return Faces(tuple(found.names[n] for n in good), found.embeddings[good], found.person[good])


def measure(faces: Faces, level: Level, count: int) -> Tally:
    """Correct every false match of everyone who has enough photos."""
    tally = Tally()
    least = CalibrationTable.shipped().threshold(level, 1)
    numbers, photos_of = np.unique(faces.person, return_counts=True)
    for person in numbers[photos_of >= count + SPARE].tolist():
        own = np.flatnonzero(faces.person == person)
        templates, rest = faces.rows[own[:count]], faces.rows[own[count:]]
        tally.people += 1
        scores = np.where(faces.person == person, -1.0, faces.rows @ unit_mean(templates))
        wrong = np.flatnonzero(scores >= least)
        for photo in wrong if wrong.size else [int(np.argmax(scores))]:
            _correct(tally, faces, templates, rest, int(photo), least)
            tally.made += [(person, int(photo))] if scores[photo] >= least else []
        view = snapshot(templates)
        for photo in (one for one in rest if matches(view, one, least)):
            tally.mistakes += 1
            tally.mistakes_refused += harm(list(templates), photo) is not None
    return tally


def _correct(
    tally: Tally, faces: Faces, templates: NDArray[np.float32], rest: NDArray[np.float32], photo: int, least: float
) -> None:
    negative = faces.rows[photo]
    tally.corrected += 1
    if harm(list(templates), negative) is not None:
        tally.refused += 1
        return
    before, after = snapshot(templates), snapshot(templates, negative)
    others = faces.rows[(faces.person == faces.person[photo]) & (np.arange(len(faces.names)) != photo)]
    matched = [one for one in rest if matches(before, one, least)]
    wrong = [one for one in others if matches(before, one, least)]
    tally.own += len(matched)
    tally.lost += sum(not matches(after, one, least) for one in matched)
    tally.others += len(wrong)
    tally.still += sum(matches(after, one, least) for one in wrong)


def snapshot(templates: Sequence[Embedding] | NDArray[np.float32], *negatives: Embedding) -> GallerySnapshot:
    """A gallery of one person."""
    alice = Person("alice", "Alice", False, 0.0, len(templates), 0)
    return make_snapshot([alice], {"alice": templates}, None, [("alice", one) for one in negatives])


def matches(view: GallerySnapshot, face: Embedding, least: float) -> bool:
    """Whether a face is taken for the person."""
    found = view.match(face)
    return found is not None and found.score >= least


def _replays(analyzer: FaceAnalyzer, faces: Faces, folder: Path, made: Sequence[tuple[int, int]]) -> str:
    """Play false matches as visits, correct those that are matched, and play the same visits again."""
    level, count = REPLAYED
    matched, refused, again = 0, 0, 0
    for person, photo in made:
        templates = faces.rows[np.flatnonzero(faces.person == person)[:count]]
        looks = perceived(analyzer, photos.load(folder / faces.names[photo]))
        probes = [probe for result in play(snapshot(templates), looks, level) for probe in result.probes]
        probe = next((one for one in probes if one.person is not None), None)
        if probe is None:
            continue
        matched += 1
        if harm(list(templates), probe.embedding) is not None:
            refused += 1
            continue
        again += any(
            result.claims or any(event.person for event in result.events)
            for result in play(snapshot(templates, probe.embedding), looks, level)
        )
    return (
        f"of {len(made)} false matches as visits (level {level}, {count} templates), {matched} were matched; "
        f"{refused} corrections were refused; after the others, {again} of the same visits were matched or claimed"
    )


def play(view: GallerySnapshot, looks: Sequence[Look | None], level: Level) -> list[FrameResult]:
    """One visit."""
    shown, (accept, cameras) = ScriptedFaces(), limits_for(view, level, level)
    rules = PipelineRules("front", "boot", Recognition(level=level), UnknownSettings())
    made = Pipeline(rules, scripted.analyzer(shown), Unknowns("boot", fixed(accept.accept)), view, accept, cameras)
    return list(scripted.play(made, shown, looks))


def _table(tallies: dict[tuple[Level, int], Tally]) -> str:
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---" * len(_COLUMNS) + "|"]
    for (level, count), one in tallies.items():
        values = (count, level, one.people, one.corrected, one.refused, one.own, one.lost, one.others, one.still,
                  one.mistakes, one.mistakes_refused)  # fmt: skip
        lines.append("| " + " | ".join(map(str, values)) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        try:
            main()
        except GalleryError as error:
            raise SystemExit(str(error)) from None
