"""From a claim to head turns and to a grant that names them; the clock is the test's."""

import json
from typing import Any, get_args

import pytest

from edgeface.access.issuer import IssuedGrant
from edgeface.access.liveness import PASSED, required_checks
from edgeface.access.protocol import GrantStamp, payload
from edgeface.core.types import ChallengeReport, Claim, PassedChecks
from tests.access.test_door_factors import Site, _folder, _site, policy
from tests.access.test_second_factor import RIGHT

__all__ = ["_folder", "_site"]

CLAIM = Claim("porch", 1, 0.0, "alice", 0.8, 0.8, look_alike=False, frames=5, faces_in_view=1, level="high")


@pytest.fixture(name="door")
def _door(site: Site) -> Site:
    """A site whose main door asks for a challenge and for no factor; the other door needs a factor."""
    return prepared(site, liveness="challenge", factor="none", cooldown=10)


def prepared(site: Site, **changes: Any) -> Site:
    site.policies.append(policy(**changes))
    site.issuer.reload()
    site.nonce()
    return site


def ended(site: Site, result: Any) -> None:
    site.issuer.report(ChallengeReport(site.asked[-1], None, 0.0, result))
    site.review()
    # The next frame.
    site.clock.sleep(0.1)


def grant(issued: IssuedGrant | None) -> dict[str, Any]:
    assert issued is not None
    return dict(json.loads(json.loads(issued.envelope)["payload"]))


def test_a_claim_is_asked_for_turns_once_and_granted_when_they_are_done(door: Site) -> None:
    assert door.pass_by() is None
    assert door.pass_by() is None
    (request,) = door.asked
    assert (request.camera, request.visit, request.person, request.final) == ("porch", 0, "alice", False)
    assert len(request.turns) == 2
    door.issuer.report(ChallengeReport(request, request.turns[0], door.clock.now + 8))
    door.clock.sleep(4.0)
    assert door.pass_by() is None
    ended(door, "passed")
    assert door.reasons("refused") == []
    newest = door.nonce()
    facts = grant(door.look(expected=None, passed="challenge"))
    assert (facts["liveness"], facts["liveness_kind"], facts["nonce"]) == ("live", "challenge", newest)
    assert door.of("granted")[0]["liveness"] == "challenge"


def test_no_one_is_asked_who_would_not_be_let_in_anyway(site: Site) -> None:
    prepared(site, liveness="challenge", factor="none", allow=[{"person": "bob"}])
    assert site.pass_by() is None
    prepared(site, liveness="challenge", factor="none")
    assert site.look(score=0.1, expected=None) is None
    assert site.look(expected=None, faces_in_view=2) is None
    prepared(site, liveness="challenge", factor="pin")
    assert site.pass_by() is None
    assert site.asked == []


def test_no_one_is_asked_while_someone_else_is_in_view(site: Site) -> None:
    prepared(site, liveness="challenge", factor="none", single_face=False)
    assert site.look(expected=None, faces_in_view=2) is None
    assert site.asked == []
    assert site.look(expected=None, faces_in_view=1) is None
    assert len(site.asked) == 1


def test_without_a_nonce_no_one_is_asked(site: Site) -> None:
    prepared(site, liveness="challenge", factor="none")
    site.clock.sleep(4.0)
    assert site.pass_by() is None
    assert site.asked == []


def test_the_policy_counts_again_when_the_turns_are_done(door: Site) -> None:
    door.pass_by()
    ended(door, "passed")
    prepared(door, liveness="challenge", factor="none", allow=[{"person": "bob"}])
    assert door.look(expected=None, passed="challenge") is None


def test_two_failures_are_refused_for_the_cooldown_and_then_asked_again(door: Site) -> None:
    door.pass_by()
    ended(door, "failed")
    door.nonce()
    door.pass_by()
    assert [request.final for request in door.asked] == [False, True]
    ended(door, "failed")
    assert door.reasons("refused") == ["challenge"]
    door.nonce()
    door.visit += 1
    assert door.pass_by() is None
    assert len(door.asked) == 2
    door.clock.sleep(10.1)
    door.nonce()
    door.pass_by()
    assert len(door.asked) == 3


def test_a_spoof_is_refused_as_one(door: Site) -> None:
    assert door.look(expected=None, spoof=True, score=-1.0) is None
    door.clock.sleep(3.0)
    door.review()
    assert door.reasons("refused") == ["spoof"] * len(door.issuer.doors)
    assert door.asked == []


@pytest.mark.parametrize(("rule", "opens"), [("factor", True), ("turn", False)])
def test_a_second_factor_replaces_the_turns_by_a_rule_alone(site: Site, rule: str, opens: int) -> None:
    prepared(site, liveness="challenge", factor="pin", allow=[{"person": "alice", "challenge": rule}])
    site.show(RIGHT)
    site.nonce()
    issued = site.look()
    assert (issued is not None) == opens
    assert len(site.asked) == (0 if opens else 1)
    if opens:
        facts = grant(issued)
        assert (facts["factor"], facts["liveness"], facts["liveness_kind"]) == ("pin", "off", "off")


def test_a_second_factor_is_held_while_the_head_turns(site: Site) -> None:
    prepared(site, liveness="challenge", factor="pin", factor_seconds=5)
    site.show(RIGHT)
    site.nonce()
    assert site.look() is None
    assert len(site.asked) == 1
    for _ in range(3):
        site.clock.sleep(4.0)
        site.review()
    ended(site, "passed")
    site.nonce()
    facts = grant(site.look(passed="challenge"))
    assert (facts["factor"], facts["liveness_kind"]) == ("pin", "challenge")
    assert site.reasons("factor") == []


def test_a_door_without_liveness_states_none_whatever_was_passed(site: Site) -> None:
    prepared(site, factor="none")
    facts = grant(site.look(expected=None, passed="both"))
    assert (facts["liveness"], facts["liveness_kind"]) == ("off", "off")


@pytest.mark.parametrize("passed", get_args(PassedChecks))
def test_version_1_of_a_grant_has_its_two_words_alone(passed: PassedChecks) -> None:
    claim = Claim("porch", 1, 0.0, "alice", 0.8, 0.8, False, 5, 1, "high", passed=passed)
    old, new = (json.loads(payload(GrantStamp("main", "front", "b", 1, "n", 3, version), claim)) for version in (1, 2))
    assert old["liveness"] == new["liveness"] == ("off" if passed == "off" else "live")
    assert "liveness_kind" not in old
    assert new["liveness_kind"] == passed


def test_what_each_door_requires() -> None:
    assert required_checks("off", looks=True) == PASSED["off"]
    assert required_checks("passive", looks=True) == PASSED["passive"]
    for word in ("challenge", "required"):
        assert required_checks(word, looks=False) == PASSED["challenge"]
        assert required_checks(word, looks=True) == PASSED["both"]
