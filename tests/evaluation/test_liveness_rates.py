"""The rates of a liveness trial (ISO/IEC 30107-3)."""

from typing import cast

import pytest

from edgeface.evaluation.liveness_rates import KindRates, TrialRates, rates
from edgeface.evaluation.liveness_table import Setup, TrialRow, Verdict

SETUP = Setup("0.1.0", "porch", "passive", "blazeface", "m:1", "living=0.5")


def rows(kind: str, *verdicts: str, setup: Setup = SETUP) -> list[TrialRow]:
    return [TrialRow("2026-11-29T09:00:45.707Z", setup, kind, cast("Verdict", verdict)) for verdict in verdicts]


def only(found: list[TrialRow]) -> TrialRates:
    (one,) = rates(found).values()
    return one


def test_a_genuine_presentation_is_wrong_unless_it_is_found_living() -> None:
    found = only(rows("genuine", *["living"] * 6, "spoof", "undecided", "no_response", "no_response")).genuine
    assert found is not None
    assert (found.presentations, found.responses, found.errors, found.undecided) == (10, 8, 2, 1)
    assert found.error_rate is not None
    assert found.error_rate.rate == 0.25
    assert found.no_response_rate == 0.2


def test_an_attack_is_wrong_only_if_it_is_found_living() -> None:
    (found,) = only(rows("phone", "living", "spoof", "spoof", "undecided", "no_response")).attacks
    assert (found.responses, found.errors, found.undecided) == (4, 1, 1)
    assert found.error_rate is not None
    assert found.error_rate.rate == 0.25
    assert found.no_response_rate == 0.2


def test_presentations_without_a_response_show_nothing() -> None:
    found = only(rows("phone", *["no_response"] * 50))
    assert found.attacks[0].error_rate is None
    assert found.attacks[0].limit == 1.0
    assert found.worst is None
    assert found.genuine is None


@pytest.mark.parametrize(
    ("attacks", "passed", "shown", "following"),
    [
        (0, 0, None, (0.07, 42)),
        (41, 0, None, (0.07, 1)),
        (42, 0, 0.07, (0.05, 17)),
        (59, 0, 0.05, (0.03, 40)),
        (299, 0, 0.01, None),
        (42, 1, None, (0.07, 24)),
    ],
)
def test_what_may_be_claimed_and_how_many_more_are_needed(
    attacks: int, passed: int, shown: float | None, following: tuple[float, int] | None
) -> None:
    found = KindRates("phone", attacks, 0, 0, passed)
    assert found.shown == shown
    assert found.next == following


def test_the_worst_species_counts() -> None:
    found = only([*rows("print", *["spoof"] * 9, "living"), *rows("phone", *["spoof"] * 3, "living")])
    assert [one.kind for one in found.attacks] == ["print", "phone"]
    assert found.worst is not None
    assert found.worst.kind == "phone"
    # Of two species with none passing, the one that was tried less often shows less.
    found = only([*rows("print", *["spoof"] * 9), *rows("phone", "spoof")])
    assert found.worst is not None
    assert found.worst.kind == "phone"


@pytest.mark.parametrize("field", Setup._fields)
def test_another_setup_is_counted_apart(field: str) -> None:
    other = SETUP._replace(**{field: "changed"})
    found = rates([*rows("phone", "spoof"), *rows("phone", "living", setup=other), *rows("phone", "spoof")])
    assert [(setup, one.attacks[0].presentations) for setup, one in found.items()] == [(SETUP, 2), (other, 1)]
