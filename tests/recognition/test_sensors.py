"""A visit at a camera with a companion: living, a spoof, or undecided where the companion is away."""

from collections.abc import Iterator

import numpy as np
import pytest

from edgeface.core.types import FrameResult, Values
from edgeface.faces.liveness.sensor import Companion
from edgeface.faces.liveness.thermal import ThermalLiveness
from edgeface.gallery.snapshot import Person, make_snapshot
from edgeface.gallery.unknowns import Unknowns
from edgeface.recognition.pipeline import Pipeline, PipelineRules
from edgeface.recognition.settings import Recognition, UnknownSettings
from tests.support.doors import limits_for
from tests.support.scripted import FPS, Look, ScriptedFaces, analyzer
from tests.support.sensors import FACE, heat, measured, taken
from tests.support.unknowns import fixed

ALICE = np.eye(1, 192, dtype=np.float32)[0]
RULES = ThermalLiveness(cameras={"porch": Companion(camera="beside")})
WARM, COLD = heat(34.0), heat(22.0)


class Visit:
    """Alice's face at a camera, frame by frame."""

    def __init__(self) -> None:
        # Depth and heat need no detector.
        self._faces = ScriptedFaces(Look(ALICE, FACE), RULES.open(None))  # type: ignore[arg-type]
        view = make_snapshot([Person("alice", "Alice", False, 0.0, 1, 0)], {"alice": [ALICE]})
        accept, doors = limits_for(view, "normal", "normal")
        rules = PipelineRules("front", "b007", Recognition(), UnknownSettings(), liveness=RULES)
        unknowns = Unknowns("b007", fixed(accept.accept))
        self.pipeline = Pipeline(rules, analyzer(self._faces), unknowns, view, accept, doors)
        self._frames = 0

    def play(
        self, values: Values | None, frames: int = 20, delay: float = 0.05, camera: str = "porch"
    ) -> Iterator[FrameResult]:
        """Show it `frames` times, with pictures of the companion that are `delay` seconds old; None: no pictures."""
        for _ in range(frames):
            now, self._frames = self._frames / FPS, self._frames + 1
            companion = None if values is None else measured(values, now - delay)
            yield self.pipeline.process(taken(companion, camera, now))


def events(results: list[FrameResult]) -> list[tuple[str, str | None, str]]:
    return [(event.type, event.reason, event.liveness) for result in results for event in result.events]


def passed(results: list[FrameResult]) -> set[str]:
    return {claim.passed for result in results for claim in result.claims}


def test_a_warm_face_is_living() -> None:
    results = list(Visit().play(WARM))
    assert events(results) == [("match", None, "living")]
    assert passed(results) == {"passive"}


def test_a_cold_one_is_a_spoof_whose_claims_open_no_door() -> None:
    visit = Visit()
    results = list(visit.play(COLD))
    assert events(results) == [("spoof", "not_warm", "spoof")]
    assert all(claim.spoof for result in results for claim in result.claims)
    assert visit.pipeline.counts("porch")[3].verdicts == {"not_warm": 1}


@pytest.mark.parametrize(("values", "delay"), [(None, 0.0), (WARM, 0.3)], ids=["missing", "stale"])
def test_without_the_companion_a_match_is_undecided_and_passes_no_check(values: Values | None, delay: float) -> None:
    visit = Visit()
    results = list(visit.play(values, 30, delay))
    assert events(results) == [("match", None, "undecided")]
    assert passed(results) == {"off"}
    counts = visit.pipeline.counts("porch")[3]
    assert counts.looks == 0
    assert set(counts.withheld) == {"no_picture"}


def test_a_companion_that_goes_away_takes_the_passed_check_with_it() -> None:
    visit = Visit()
    assert passed(list(visit.play(WARM))) == {"passive"}
    assert passed(list(visit.play(None, 60))) == {"off"}
    # And it comes back with the pictures.
    assert "passive" in passed(list(visit.play(WARM, 60)))


def test_a_companion_that_comes_late_still_exposes_a_spoof() -> None:
    visit = Visit()
    assert events(list(visit.play(None))) == [("match", None, "undecided")]
    # A face that is decided is judged every three seconds.
    assert events(list(visit.play(COLD, round(16 * FPS)))) == [("spoof", "not_warm", "spoof")]


def test_at_a_camera_without_a_companion_nothing_is_judged_and_no_match_is_later() -> None:
    visit = Visit()
    results = list(visit.play(COLD, camera="yard"))
    assert events(results) == [("match", None, "off")]
    assert passed(results) <= {"off"}
    assert results[5].events
