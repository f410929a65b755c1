"""A door opens for someone of a site only if config.yaml and the policy of the site both allow it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edgeface.access.policy import (
    AccessPolicy,
    Door,
    check,
    factors_of,
    kinds_of,
    levels_of,
    opens_by_face,
    required_level,
)
from edgeface.access.schedules import WeeklySchedule
from edgeface.access.site_policy import SHUT, SitePolicy, broken_references, narrowed
from edgeface.core.types import LEVELS, Claim, ExpectedPerson
from tests.access.test_policy import CLAIM, MONDAY_NOON, NOW

if TYPE_CHECKING:
    from edgeface.access.site_policy import Members

PEOPLE: dict[str, Members] = {"house": {"alice": ("staff",), "bob": ()}, "annex": {"carol": ("staff",)}}
"""Zoe is enrolled at the device."""
HOUR = 3600.0


def schedule(span: str, zone: str = "UTC") -> dict[str, Any]:
    return {"zone": zone, "week": {"mon": [span]}}


def central(allow: Any = ({"group": "everyone"},), schedules: Any = None, **door: Any) -> SitePolicy:
    doors = {"front": {"allow": list(allow), **door}}
    return SitePolicy.model_validate({"doors": doors, "schedules": schedules or {}})


def own(allow: Any = ({"group": "everyone"},), schedules: Any = None, **door: Any) -> AccessPolicy:
    """The policy of config.yaml, with everyone enrolled."""
    front = Door.model_validate({"camera": "porch", "allow": list(allow), **door})
    weekly = {name: WeeklySchedule.model_validate(one) for name, one in (schedules or {}).items()}
    everyone = frozenset({"alice", "bob", "carol", "zoe"})
    return AccessPolicy({"front": front}, {"few": ("bob", "zoe")}, weekly, everyone=everyone)


def both(config: AccessPolicy, house: SitePolicy | None, annex: SitePolicy | None = None) -> AccessPolicy:
    return narrowed(config, {"house": house, "annex": annex}, PEOPLE)


def judged(policy: AccessPolicy, who: str = "alice", *, claim: Claim = CLAIM, **now: Any) -> str | None:
    return check(policy, policy.doors["front"], replace(claim, person=who), replace(NOW, **now))


def passing(policy: AccessPolicy) -> set[str]:
    return {who for who in ("alice", "bob", "carol", "zoe") if judged(policy, who) is None}


@pytest.mark.parametrize(
    ("config", "house", "passes"),
    [
        (own(), None, {"alice", "bob", "carol", "zoe"}),
        (own(), central(), {"alice", "bob", "carol", "zoe"}),
        (own(), central([{"group": "staff"}]), {"alice", "carol", "zoe"}),
        (own(), central([{"person": "bob"}]), {"bob", "carol", "zoe"}),
        (own(), central([]), {"carol", "zoe"}),
        (own(), SHUT, {"carol", "zoe"}),
        (own([{"group": "few"}]), central(), {"bob", "zoe"}),
        (own([{"group": "few"}]), central([{"group": "staff"}]), {"zoe"}),
        (own([{"person": "alice"}]), central([{"person": "bob"}]), set()),
        # A group of config.yaml is not one of the centre's.
        (own([{"group": "few"}]), central([{"group": "few"}]), {"zoe"}),
        # What the centre says of people of another site counts for no one.
        (own(), central([{"person": "carol"}, {"person": "zoe"}]), {"carol", "zoe"}),
        (own([{"person": "bob"}]), central([{"person": "zoe"}]), set()),
    ],
)
def test_who_may_pass(config: AccessPolicy, house: SitePolicy | None, passes: set[str]) -> None:
    assert passing(both(config, house)) == passes


def test_each_site_has_its_own_policy() -> None:
    assert passing(both(own(), central([{"person": "bob"}]), central([{"group": "staff"}]))) == {"bob", "carol", "zoe"}
    assert passing(both(own(), central(), SHUT)) == {"alice", "bob", "zoe"}


def test_a_site_that_is_not_followed_lets_no_one_in() -> None:
    assert passing(narrowed(own(), {}, PEOPLE)) == {"zoe"}


def test_a_door_that_the_policy_does_not_name_is_shut_and_one_that_config_yaml_does_not_name_stays_unknown() -> None:
    policy = both(own(), SitePolicy.model_validate({"doors": {"cellar": {"allow": [{"group": "everyone"}]}}}))
    assert passing(policy) == {"carol", "zoe"}
    assert list(policy.doors) == ["front"]


@pytest.mark.parametrize(
    ("config", "house", "alice", "zoe"),
    [
        ("normal", None, "normal", "normal"),
        ("normal", "high", "high", "normal"),
        ("high", "low", "high", "high"),
        ("low", "normal", "normal", "low"),
    ],
)
def test_the_stricter_level_counts(config: str, house: str | None, alice: str, zoe: str) -> None:
    door = {} if house is None else {"level": house}
    policy = both(own(level=config), central(**door))
    front = policy.doors["front"]
    assert [required_level(policy, front, who, NOW) for who in ("alice", "zoe")] == [alice, zoe]
    assert min(levels_of(front), key=LEVELS.index) == config


def test_a_line_of_the_policy_may_have_a_stricter_level() -> None:
    policy = both(own(level="low"), central([{"group": "staff", "level": "high"}, {"person": "bob"}], level="normal"))
    front = policy.doors["front"]
    assert required_level(policy, front, "alice", NOW) == "high"
    assert required_level(policy, front, "bob", NOW) == "normal"


def shown(kind: Any) -> tuple[Claim, dict[str, Any]]:
    expected = ExpectedPerson(1, "front", "porch", "alice", kind, 200.0)
    return replace(CLAIM, expected=expected), {"expected": expected}


@pytest.mark.parametrize(
    ("config", "house", "opens"),
    [
        ("none", "none", {None}),
        ("none", "pin", {"pin"}),
        ("pin", "none", {"pin"}),
        (["pin", "card"], ["card", "code"], {"card"}),
        (["pin", "card"], "code", set()),
    ],
)
def test_what_both_require_must_be_shown(config: Any, house: Any, opens: set[str | None]) -> None:
    policy = both(own(factor=config), central(factor=house))
    found: set[str | None] = {None} if judged(policy) is None else set()
    for kind in ("pin", "card", "code"):
        claim, now = shown(kind)
        if judged(policy, claim=claim, **now) is None:
            found.add(kind)
    assert found == opens
    assert ("requires" in str(policy.conflicts)) is (not opens)


def test_a_line_without_a_factor_does_not_take_away_what_config_yaml_requires() -> None:
    policy = both(own(factor="pin"), central([{"group": "staff", "factor": "none"}], factor="card"))
    assert judged(policy) == "factor"
    claim, now = shown("pin")
    assert judged(policy, claim=claim, **now) is None


def test_a_door_knows_the_factors_that_the_policy_requires() -> None:
    front = both(own(), central(factor="pin")).doors["front"]
    assert kinds_of(front) == {"pin"}
    assert opens_by_face(front), "for zoe"
    assert both(own(), central(factor="pin")).allowed(front, by_face=True) == {"carol", "zoe"}


def test_those_who_need_a_factor_are_not_counted_among_those_whom_a_face_names() -> None:
    policy = both(own(), central([{"group": "staff"}, {"person": "bob", "factor": "pin"}]))
    front = policy.doors["front"]
    assert policy.allowed(front) == {"alice", "bob", "carol", "zoe"}
    assert policy.allowed(front, by_face=True) == {"alice", "carol", "zoe"}


@pytest.mark.parametrize(
    ("config", "house", "reason"),
    [
        (None, "11:00-13:00", None),
        (None, "13:00-14:00", "schedule"),
        ("11:00-13:00", "11:30-14:00", None),
        ("11:00-13:00", "12:30-14:00", "schedule"),
        ("12:30-14:00", "11:00-13:00", "schedule"),
    ],
)
def test_both_schedules_must_hold(config: str | None, house: str, reason: str | None) -> None:
    line = {"group": "everyone"}
    mine = own([line if config is None else {**line, "schedule": "day"}], config and {"day": schedule(config)})
    policy = both(mine, central([{"group": "staff", "schedule": "day"}], {"day": schedule(house)}))
    assert judged(policy) == reason


def test_each_schedule_is_in_its_own_time_zone() -> None:
    mine = own([{"group": "everyone", "schedule": "day"}], {"day": schedule("11:00-13:00")})
    policy = both(
        mine, central([{"group": "staff", "schedule": "day"}], {"day": schedule("21:00-22:00", "Asia/Tokyo")})
    )
    assert judged(policy) is None, "noon in UTC is 21:00 in Tokyo"
    assert judged(policy, wall=MONDAY_NOON - HOUR / 60) == "schedule"
    assert judged(policy, wall=MONDAY_NOON + HOUR - 1) is None
    assert judged(policy, wall=MONDAY_NOON + HOUR) == "schedule"


def test_a_clock_that_may_be_wrong_counts_as_in_config_yaml() -> None:
    house = central([{"group": "staff", "schedule": "day"}], {"day": schedule("11:00-13:00")})
    assert judged(both(own(), house), synced=False) == "clock"
    assert judged(both(own(), house), "zoe", synced=False) is None
    assert judged(both(own(allow_unsynced_clock=True), house), synced=False) is None
    assert judged(both(own(allow_unsynced_clock=True), house), synced=False, wall=MONDAY_NOON + 2 * HOUR) == "schedule"


def test_a_schedule_that_is_not_there_never_holds() -> None:
    house = central([{"group": "staff", "schedule": "day"}], {"day": schedule("00:00-24:00")})
    without = house.model_copy(update={"schedules": {}})
    assert judged(both(own(), house)) is None
    assert judged(both(own(), without)) == "schedule"


def test_rules_that_turn_the_head_stay_as_they_are() -> None:
    line = {"person": "alice", "factor": "pin", "challenge": "factor"}
    policy = both(own([line], liveness="challenge"), central())
    (rule,) = policy.doors["front"].allow
    assert rule.challenge == "factor"
    assert factors_of(policy.doors["front"], rule) == {"pin"}


LINES = st.fixed_dictionaries(
    {},
    optional={
        "schedule": st.just("day"),
        "level": st.just("high"),
        "factor": st.sampled_from(["none", "pin", ["pin", "card"]]),
    },
).flatmap(
    lambda facts: st.sampled_from(
        [{"person": "alice"}, {"person": "bob"}, {"group": "everyone"}, {"group": "staff"}, {"group": "few"}]
    ).map(lambda who: {**facts, **who})
)
SIDES = st.tuples(
    st.lists(LINES, min_size=1, max_size=3),
    st.sampled_from(["00:00-24:00", "13:00-14:00"]).map(lambda span: {"day": schedule(span)}),
    st.sampled_from(["none", "pin", ["card", "code"]]),
)


@settings(max_examples=150, deadline=None)
@given(SIDES, SIDES, st.sampled_from([None, "pin", "card", "code"]))
def test_no_policy_ever_opens_a_door_that_either_side_keeps_shut(config: Any, house: Any, kind: str | None) -> None:
    mine = own(config[0], config[1], factor=config[2])
    theirs = own(house[0], house[1], factor=house[2])
    # The centre's side alone, with its own groups.
    theirs = replace(theirs, groups={"staff": ("alice",)}, everyone=frozenset({"alice", "bob"}))
    made = both(mine, central(house[0], house[1], factor=house[2]))
    for who in ("alice", "bob", "zoe"):
        claim, now = (CLAIM, {}) if kind is None else shown(kind)
        if kind is not None and claim.expected is not None:
            expected = replace(claim.expected, person=who)
            claim, now = replace(claim, expected=expected), {"expected": expected}
        if judged(made, who, claim=claim, **now) is None:
            # A factor that only one side requires is no reason for the other to refuse.
            sides = (mine,) if who == "zoe" else (mine, theirs)
            assert all(judged(side, who, claim=claim, **now) is None or judged(side, who) is None for side in sides)


@pytest.mark.parametrize(
    "document",
    [
        {"doors": {"Front Door": {"allow": []}}},
        {"doors": {"front": {"allow": [{"group": "a", "person": "b"}]}}},
        {"doors": {"front": {"allow": [{"group": "a", "challenge": "factor"}]}}},
        {"doors": {"front": {"allow": [], "liveness": "off"}}},
        {"doors": {"front": {"allow": [{"group": "a"}] * 257}}},
        {"doors": {f"door-{n}": {"allow": []} for n in range(201)}},
        {"schedules": {"day": {"zone": "Nowhere", "week": {"mon": ["08:00-09:00"]}}}},
        {"groups": {"few": ["bob"]}},
    ],
)
def test_what_is_no_policy_is_refused(document: Any) -> None:
    with pytest.raises(ValidationError):
        SitePolicy.model_validate(document)


def test_references_are_checked() -> None:
    wrong = SitePolicy.model_validate({
        "doors": {"front": {"level": "high", "allow": [{"group": "a", "schedule": "x", "level": "low"}]}},
        "devices": {"front": ["cellar"]},
    })  # fmt: skip
    assert [path for path, _ in broken_references(wrong)] == [
        ("doors", "front", "allow", 0, "schedule"), ("doors", "front", "allow", 0, "level"), ("devices", "front", 0)
    ]  # fmt: skip
