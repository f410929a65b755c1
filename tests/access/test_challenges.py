"""Head turns that doors ask for: who is asked, how often, and what a failure costs."""

from collections import Counter
from dataclasses import replace

import pytest

from edgeface.access.challenges import ATTEMPTS, CHALLENGE_SECONDS, Challenges
from edgeface.core.types import ChallengeReport, ChallengeRequest, Claim
from tests.support.clock import FixedClock

CLAIM = Claim("porch", 7, 100.0, "alice", 0.8, 0.8, look_alike=False, frames=5, faces_in_view=1)


def asked(clock: FixedClock) -> tuple[Challenges, list[ChallengeRequest]]:
    requests: list[ChallengeRequest] = []
    return Challenges(clock, requests.append), requests


def ended(request: ChallengeRequest, result: str) -> ChallengeReport:
    return ChallengeReport(request, None, 0.0, "passed" if result == "passed" else "failed")


def test_the_sides_are_drawn() -> None:
    orders: Counter[tuple[str, ...]] = Counter()
    for _ in range(200):
        challenges, requests = asked(FixedClock())
        assert challenges.ask(CLAIM)
        orders[requests[0].turns] += 1
    # Each of the four has a chance of a quarter: fewer than 20 of 200 happens once in 10 million times.
    assert len(orders) == 4
    assert min(orders.values()) >= 20


def test_one_visit_of_a_camera_is_asked_at_a_time() -> None:
    challenges, requests = asked(FixedClock())
    assert challenges.ask(CLAIM)
    assert not challenges.ask(CLAIM)
    assert challenges.asks(("porch", 7, "alice"))
    assert not challenges.asks(("porch", 8, "alice"))
    assert not challenges.asks(("porch", 7, "bob"))
    assert not challenges.asks(("gate", 7, "alice"))
    assert len(requests) == 1


def test_who_fails_twice_is_refused_and_may_then_try_again() -> None:
    clock = FixedClock()
    challenges, requests = asked(clock)
    for attempt in range(ATTEMPTS):
        assert challenges.failed_at("porch", "alice") is None
        assert challenges.ask(CLAIM)
        last = attempt == ATTEMPTS - 1
        assert requests[-1].final is last
        assert challenges.on_report(ended(requests[-1], "failed")) is last
    assert challenges.failed_at("porch", "alice") == clock.monotonic()
    assert challenges.failed_at("porch", "bob") is None
    assert challenges.ask(CLAIM)
    assert not requests[-1].final


def test_a_success_ends_the_count_of_failures() -> None:
    clock = FixedClock()
    challenges, requests = asked(clock)
    for result in ("failed", "passed", "failed"):
        assert challenges.ask(CLAIM)
        challenges.on_report(ended(requests[-1], result))
        clock.sleep(2.1)
    assert challenges.ask(CLAIM)
    assert requests[-1].final
    assert challenges.failed_at("porch", "alice") is None


def test_a_claim_from_before_the_failure_asks_for_no_second_challenge() -> None:
    clock = FixedClock(CLAIM.monotonic + 0.5)
    challenges, requests = asked(clock)
    assert challenges.ask(CLAIM)
    challenges.on_report(ended(requests[0], "failed"))
    assert not challenges.ask(CLAIM)
    assert challenges.ask(replace(CLAIM, monotonic=clock.monotonic() + 0.1))
    assert requests[1].final


def test_a_claim_from_before_the_success_asks_for_no_second_challenge() -> None:
    clock = FixedClock()
    challenges, requests = asked(clock)
    challenges.ask(CLAIM)
    challenges.on_report(ended(requests[0], "passed"))
    assert not challenges.ask(CLAIM)
    clock.sleep(2.1)
    assert challenges.ask(CLAIM)
    assert len(requests) == 2


@pytest.mark.parametrize(("reports", "seconds"), [(0, 2.1), (1, CHALLENGE_SECONDS + 0.1)])
def test_a_challenge_without_an_end_holds_no_camera_up(reports: int, seconds: float) -> None:
    clock = FixedClock()
    challenges, requests = asked(clock)
    challenges.ask(CLAIM)
    for _ in range(reports):
        assert not challenges.on_report(ChallengeReport(requests[0], "left", 8.0))
    clock.sleep(seconds - 0.2)
    assert not challenges.ask(CLAIM)
    clock.sleep(0.2)
    assert challenges.ask(CLAIM)


def test_a_report_of_an_older_challenge_counts_for_nothing() -> None:
    clock = FixedClock()
    challenges, requests = asked(clock)
    challenges.ask(CLAIM)
    clock.sleep(3.0)
    challenges.ask(CLAIM)
    assert not challenges.on_report(ended(requests[0], "failed"))
    assert challenges.asks(("porch", 7, "alice"))
