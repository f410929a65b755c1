"""The rates of a liveness trial, in the terms of ISO/IEC 30107-3.

A bona fide presentation is an error unless it was found living: where it is undecided, the door stays shut as well. An
attack presentation is an error only if it was found living. A presentation without a response is neither: it counts in
the non-response rates alone, so that it makes no APCER look better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from edgeface.evaluation.liveness_table import GENUINE, without_void
from edgeface.evaluation.proportions import interval, trials_needed, upper_limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edgeface.evaluation.liveness_table import Setup, TrialRow
    from edgeface.evaluation.rates import Interval

CLAIMS = (0.07, 0.05, 0.03, 0.01)
"""Rates for which the next trials are counted."""


class Next(NamedTuple):
    """What more attacks would show, if none of them passes."""

    claim: float
    """The APCER that would be the limit."""
    more: int


@dataclass(frozen=True, slots=True)
class KindRates:
    """The presentations of one kind."""

    kind: str
    presentations: int
    no_response: int
    undecided: int
    errors: int
    """Attacks that were found living; bona fide presentations that were not."""

    @classmethod
    def of(cls, kind: str, verdicts: Sequence[str]) -> KindRates:
        """Count the verdicts of one kind."""
        living, undecided, silent = (verdicts.count(word) for word in ("living", "undecided", "no_response"))
        errors = len(verdicts) - silent - living if kind == GENUINE else living
        return cls(kind, len(verdicts), silent, undecided, errors)

    @property
    def responses(self) -> int:
        """Presentations that were judged."""
        return self.presentations - self.no_response

    @property
    def error_rate(self) -> Interval | None:
        """BPCER of `genuine`, APCER of an attack species; None where none was judged."""
        return interval(self.errors, self.responses) if self.responses else None

    @property
    def no_response_rate(self) -> float:
        """BPNRR or APNRR."""
        return self.no_response / self.presentations

    @property
    def limit(self) -> float:
        """What the error rate is at most, with a one-sided confidence of 95 %."""
        return upper_limit(self.errors, self.responses)

    @property
    def shown(self) -> float | None:
        """The smallest of CLAIMS that the limit is below."""
        return min((claim for claim in CLAIMS if self.limit < claim), default=None)

    @property
    def next(self) -> Next | None:
        """The next smaller claim, and how many more presentations without an error it needs."""
        claim = max((claim for claim in CLAIMS if claim <= self.limit), default=None)
        return None if claim is None else Next(claim, trials_needed(claim, self.errors) - self.responses)


@dataclass(frozen=True, slots=True)
class TrialRates:
    """All presentations with one setup."""

    setup: Setup
    genuine: KindRates | None
    attacks: tuple[KindRates, ...]
    """By species, in the order of their first presentation."""
    void: int

    @property
    def worst(self) -> KindRates | None:
        """The species with the highest APCER, that of the whole; of equals, the one with the highest limit."""
        judged = [one for one in self.attacks if one.responses]
        return max(judged, key=lambda one: (one.errors / one.responses, one.limit), default=None)


def rates(rows: Iterable[TrialRow]) -> Mapping[Setup, TrialRates]:
    """The rates of each setup, in the order of their first presentation."""
    groups: dict[Setup, list[TrialRow]] = {}
    for row in rows:
        groups.setdefault(row.setup, []).append(row)
    return {setup: _rates(setup, group) for setup, group in groups.items()}


def _rates(setup: Setup, rows: Sequence[TrialRow]) -> TrialRates:
    counted, void = without_void(rows)
    verdicts: dict[str, list[str]] = {}
    for row in counted:
        verdicts.setdefault(row.kind, []).append(row.verdict)
    kinds = [KindRates.of(kind, words) for kind, words in verdicts.items()]
    genuine = next((one for one in kinds if one.kind == GENUINE), None)
    return TrialRates(setup, genuine, tuple(one for one in kinds if one.kind != GENUINE), void)
