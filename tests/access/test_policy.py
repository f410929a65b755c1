"""The policy as a pure function, and the configuration of doors."""

import base64
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.access.levels import DoorLimits, LevelLimit
from edgeface.access.liveness import PASSED
from edgeface.access.policy import (
    AccessPolicy,
    Door,
    DoorContext,
    check,
    factors_of,
    opens_by_face,
    strangers,
    unguaranteed,
)
from edgeface.access.schedules import WeeklySchedule
from edgeface.cli import main
from edgeface.config import loader
from edgeface.core.errors import ConfigError
from edgeface.core.events import SEND_WITHIN
from edgeface.core.settings import Level
from edgeface.core.types import LEVELS, Claim, ExpectedPerson, PassedChecks
from edgeface.faces.calibration import CalibrationTable
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.recognition.limits import door_limits
from tests.support.doors import SHORT, ship

MONDAY_NOON = 1_795_435_200.0
"""2026-11-23, 12:00 in UTC."""

CLAIM = Claim("porch", 7, 100.0, "alice", 0.712, 0.7, False, 4, 1, "high")
NOW = DoorContext(
    monotonic=100.5, wall=MONDAY_NOON, synced=True, key=True, nonce=True, version=2, known=False, opened=None
)


def door(**changes: Any) -> Door:
    return Door.model_validate({"camera": "porch", "allow": [{"person": "alice"}], **changes})


def policy(one: Door, week: dict[str, list[str]] | None = None) -> AccessPolicy:
    schedule = WeeklySchedule.model_validate({"zone": "UTC", "week": week or {"mon": ["11:00-13:00"]}})
    return AccessPolicy({"front": one}, {"family": ("alice", "bob")}, {"noon": schedule})


def judged(one: Door, claim: Claim = CLAIM, now: DoorContext = NOW) -> str | None:
    return check(policy(one), one, claim, now)


ALICE = ExpectedPerson(1, "front", "porch", "alice", "pin", 110.0)
ONE_TO_ONE = replace(CLAIM, factor="pin", expected=ALICE)
BOB = replace(ALICE, person="bob")
WAITING = replace(NOW, expected=ALICE)


@pytest.mark.parametrize(
    ("one", "claim", "now", "reason"),
    [
        ({"factor": "pin"}, ONE_TO_ONE, WAITING, None),
        ({"factor": ["card", "pin"]}, ONE_TO_ONE, WAITING, None),
        # Nothing was shown, or something else, or by someone else, or it was used up or replaced.
        ({"factor": "pin"}, CLAIM, NOW, "factor"),
        ({"factor": "pin"}, CLAIM, WAITING, "factor"),
        ({"factor": "card"}, ONE_TO_ONE, WAITING, "factor"),
        ({"factor": "pin"}, ONE_TO_ONE, NOW, "factor"),
        ({"factor": "pin"}, ONE_TO_ONE, replace(NOW, expected=replace(ALICE, number=2)), "factor"),
        ({"factor": "pin"}, replace(ONE_TO_ONE, expected=BOB), replace(NOW, expected=BOB), "factor"),
        # The face came too late.
        ({"factor": "pin"}, replace(ONE_TO_ONE, monotonic=110.1), replace(WAITING, monotonic=110.2), "factor"),
        ({"factor": "pin"}, replace(ONE_TO_ONE, monotonic=109.9), replace(WAITING, monotonic=111.0), None),
        # It is another face.
        ({"factor": "pin"}, replace(ONE_TO_ONE, level=None), WAITING, "level"),
        ({"factor": "pin"}, replace(ONE_TO_ONE, level="normal"), WAITING, "level"),
        ({"factor": "pin", "level": "normal"}, replace(ONE_TO_ONE, level="normal"), WAITING, None),
        ({"factor": "pin"}, replace(ONE_TO_ONE, faces_in_view=2), WAITING, "faces"),
        # A comparison with one person is nothing that a door without a factor asks for.
        ({}, ONE_TO_ONE, WAITING, "factor"),
        # A rule has its own factor, in place of the door's.
        ({"allow": [{"person": "alice", "factor": "pin"}]}, ONE_TO_ONE, WAITING, None),
        ({"allow": [{"person": "alice", "factor": "pin"}]}, CLAIM, NOW, "factor"),
        ({"factor": "pin", "allow": [{"person": "alice", "factor": "none"}]}, CLAIM, NOW, None),
        ({"factor": "pin", "allow": [{"person": "alice", "factor": "none"}]}, ONE_TO_ONE, WAITING, "factor"),
        ({"factor": "pin", "allow": [{"person": "bob"}]}, ONE_TO_ONE, WAITING, "person"),
    ],
)
def test_a_door_with_a_factor_takes_the_face_of_the_person_that_it_names(
    one: dict[str, Any], claim: Claim, now: DoorContext, reason: str | None
) -> None:
    assert judged(door(**one), claim, now) == reason


def test_a_rule_with_a_schedule_may_need_no_factor_at_its_time() -> None:
    one = door(factor="pin", allow=[{"person": "alice"}, {"person": "alice", "schedule": "noon", "factor": "none"}])
    later = replace(NOW, wall=MONDAY_NOON + 3600)
    assert (judged(one, CLAIM, NOW), judged(one, CLAIM, later)) == (None, "factor")
    assert judged(one, CLAIM, replace(NOW, synced=False)) == "factor"
    assert judged(one, ONE_TO_ONE, replace(later, expected=ALICE)) is None


def test_people_who_always_need_a_factor_are_not_among_those_who_may_be_meant() -> None:
    one = door(allow=[{"person": "alice", "factor": "pin"}, {"group": "family", "factor": ["card"]}, {"person": "dan"}])
    assert policy(one).allowed(one) == {"alice", "bob", "dan"}
    assert policy(one).allowed(one, by_face=True) == {"dan"}
    assert factors_of(one, *one.allow) == frozenset[str]({"pin", "card"})
    assert opens_by_face(one)
    assert not opens_by_face(door(factor="pin"))


@pytest.mark.parametrize("level", LEVELS)
def test_a_factor_reaches_each_level_at_the_cosine_of_one_person(level: Level) -> None:
    few, many = LevelLimit(level, 0.5, 1000), LevelLimit(level, 0.9, 1000)
    limits = DoorLimits(500, (many,), (few,))
    at, below = replace(ONE_TO_ONE, score=0.5, newest=0.5), replace(ONE_TO_ONE, score=0.7, newest=0.49)
    assert (limits.judged(at, level).level, limits.judged(below, level).level) == (level, None)
    assert limits.judged(replace(at, look_alike=True), level).level is None
    assert limits.judged(replace(CLAIM, score=0.89, newest=0.89), level).level is None


def test_a_door_whose_people_all_have_a_factor_guarantees_its_level_for_any_number() -> None:
    table = CalibrationTable.shipped()
    for one, lacks in ((door(factor="pin"), False), (door(), True)):
        limits = door_limits(one, table, 10_000)
        assert ("front" in unguaranteed(replace(policy(one), limits={"front": limits}))) is lacks
        assert limits.one_to_one[-1].cosine == table.threshold("high", 1)
    assert door_limits(door(factor="pin"), table, 0).people == 1


def test_a_door_opens_for_those_it_allows() -> None:
    assert judged(door()) is None
    assert judged(door(allow=[{"group": "family"}])) is None
    assert judged(door(allow=[{"person": "carol"}, {"person": "alice", "schedule": "noon"}])) is None


@pytest.mark.parametrize(
    ("one", "claim", "now", "reason"),
    [
        ({"allow": [{"person": "bob"}]}, {}, {}, "person"),
        ({"allow": [{"group": "family"}]}, {"person": "carol"}, {}, "person"),
        ({"allow": [{"group": "gone"}]}, {}, {}, "person"),
        ({"allow": [{"person": "alice", "schedule": "noon"}]}, {}, {"wall": MONDAY_NOON + 3600}, "schedule"),
        ({"allow": [{"person": "alice", "schedule": "gone"}]}, {}, {}, "schedule"),
        ({"allow": [{"person": "alice", "schedule": "noon"}]}, {}, {"synced": False}, "clock"),
        ({}, {"level": "normal"}, {}, "level"),
        ({"level": "normal"}, {"level": "low"}, {}, "level"),
        ({}, {"faces_in_view": 2}, {}, "faces"),
        ({}, {"faces_in_view": 0}, {}, "faces"),
        ({"liveness": "required"}, {}, {}, "liveness"),
        ({"liveness": "passive"}, {}, {}, "liveness"),
        ({"liveness": "passive"}, {"passed": "challenge"}, {}, "liveness"),
        ({"liveness": "passive"}, {"passed": "passive"}, {}, None),
        ({"liveness": "challenge"}, {"passed": "passive"}, {}, "liveness"),
        ({"liveness": "challenge"}, {"passed": "challenge"}, {}, None),
        ({"liveness": "challenge"}, {"passed": "both"}, {"failed": 98.0}, None),
        ({"liveness": "challenge"}, {}, {"failed": 98.0}, "challenge"),
        ({"liveness": "passive"}, {}, {"failed": 98.0}, "liveness"),
        ({}, {"spoof": True}, {}, "spoof"),
        ({}, {}, {"known": True}, "known"),
        ({}, {}, {"opened": 90.6}, "cooldown"),
        ({}, {}, {"monotonic": 100 + SEND_WITHIN + 0.001}, "stale"),
        ({}, {}, {"monotonic": 99.9}, "stale"),
        ({}, {}, {"key": False}, "no_key"),
        ({}, {}, {"nonce": False}, "no_nonce"),
        ({}, {"level_basis": "estimated"}, {}, "level"),
        ({"estimated": "allow"}, {"level_basis": "estimated"}, {"version": 1}, "version"),
        ({}, {"factor": "pin"}, {"version": 1}, "version"),
        ({}, {"factor": "pin"}, {"version": 1, "nonce": False}, "no_nonce"),
    ],
)
def test_every_reason(one: dict[str, Any], claim: dict[str, Any], now: dict[str, Any], reason: str) -> None:
    assert judged(door(**one), replace(CLAIM, **claim), replace(NOW, **now)) == reason


def test_a_factor_and_an_estimated_level_need_a_door_that_reads_version_2() -> None:
    estimated = replace(CLAIM, level_basis="estimated", factor="card")
    assert judged(door(estimated="allow"), estimated) is None
    assert judged(door(), CLAIM, replace(NOW, version=1)) is None


def test_an_unsynchronised_clock_matters_only_to_schedules_and_may_be_put_up_with() -> None:
    wrong = replace(NOW, synced=False)
    assert judged(door(), CLAIM, wrong) is None
    both = [{"person": "alice", "schedule": "noon"}, {"group": "family"}]
    assert judged(door(allow=both), CLAIM, wrong) is None
    scheduled = [{"person": "alice", "schedule": "noon"}]
    assert judged(door(allow=scheduled, allow_unsynced_clock=True), CLAIM, wrong) is None


def test_the_limits_are_inclusive_where_they_should_be() -> None:
    assert judged(door(), CLAIM, replace(NOW, monotonic=100 + SEND_WITHIN)) is None
    assert judged(door(), CLAIM, replace(NOW, opened=90.5)) is None
    assert judged(door(single_face=False), replace(CLAIM, faces_in_view=9)) is None


CLAIMS = st.builds(
    Claim,
    camera=st.just("porch"),
    visit=st.integers(1, 9),
    monotonic=st.floats(95, 105),
    person=st.sampled_from(["alice", "bob", "carol"]),
    score=st.floats(-1, 1),
    level=st.sampled_from(LEVELS),
    frames=st.integers(1, 10),
    faces_in_view=st.integers(0, 4),
    passed=st.sampled_from(get_args(PassedChecks)),
    spoof=st.sampled_from([False, False, False, True]),
)
NOWS = st.builds(
    DoorContext,
    monotonic=st.floats(95, 110),
    wall=st.floats(MONDAY_NOON - 9_000, MONDAY_NOON + 9_000),
    synced=st.booleans(),
    key=st.booleans(),
    nonce=st.booleans(),
    version=st.sampled_from([1, 2]),
    known=st.booleans(),
    opened=st.none() | st.floats(80, 110),
    failed=st.none() | st.floats(80, 110),
)
ALLOWS = st.lists(
    st.sampled_from([{"person": "alice"}, {"group": "family"}, {"person": "carol", "schedule": "noon"}]),
    min_size=1,
    max_size=3,
)
DOORS = st.builds(
    door,
    allow=ALLOWS,
    level=st.sampled_from(LEVELS),
    single_face=st.booleans(),
    liveness=st.sampled_from(["off", "off", "passive", "challenge", "required"]),
    cooldown=st.sampled_from([0.0, 10.0]),
    allow_unsynced_clock=st.booleans(),
)


@settings(max_examples=150)
@given(DOORS, CLAIMS, NOWS)
def test_an_opening_breaks_no_rule_and_a_refusal_has_its_cause(one: Door, claim: Claim, now: DoorContext) -> None:
    reason = check(policy(one), one, claim, now)
    age = now.monotonic - claim.monotonic
    noon = MONDAY_NOON - 3600 <= now.wall < MONDAY_NOON + 3600
    names = {"alice": {"alice"}, "family": {"alice", "bob"}, "carol": {"carol"}}
    free = any(claim.person in names[a.person or a.group or ""] and a.schedule is None for a in one.allow)
    timed = any(claim.person in names[a.person or a.group or ""] and a.schedule is not None for a in one.allow)
    right = now.synced or one.allow_unsynced_clock
    lacking = {"off": set(), "passive": {"passive"}}.get(one.liveness, {"challenge"}) - PASSED[claim.passed]
    holds = {
        "spoof": claim.spoof,
        "challenge": "challenge" in lacking and now.failed is not None and now.monotonic - now.failed < one.cooldown,
        "liveness": bool(lacking),
        "person": not free and not timed,
        "clock": timed and not free and not right,
        "schedule": timed and not free and right and not noon,
        "level": LEVELS.index(claim.level) < LEVELS.index(one.level),
        "faces": one.single_face and claim.faces_in_view != 1,
        "known": now.known,
        "cooldown": now.opened is not None and now.monotonic - now.opened < one.cooldown,
        "stale": age < 0 or age > SEND_WITHIN,
        "no_key": not now.key,
        "no_nonce": not now.nonce,
    }
    assert (reason is None) == (not any(holds.values()))
    assert reason is None or holds[reason]


@settings(max_examples=50)
@given(DOORS, CLAIMS, NOWS)
def test_a_worse_claim_never_opens_what_a_better_one_does_not(one: Door, claim: Claim, now: DoorContext) -> None:
    worse = replace(claim, level="low", monotonic=now.monotonic - SEND_WITHIN - 1)
    assert check(policy(one), one, worse, now) is not None


CONFIG = """\
cameras: {porch: {type: opencv, source: 0}}
mqtt: {}
groups: {family: [alice, bob]}
schedules: {cleaning: {zone: Europe/Berlin, week: {mon-fri: ["07:00-12:00"], sat: ["09:00-10:30", "22:00-24:00"]}}}
doors:
  front-door:
    camera: porch
    allow:
      - {group: family}
      - {person: carol, schedule: cleaning}
    level: high
    single_face: true
    liveness: off
    cooldown: 10
    allow_unsynced_clock: false
"""


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (base64.b64encode(bytes(32)).decode(), "not a public key: it fits forged signatures"),
        ("AAAA", "doors.front-door.result_key"),
        ("wY3J6tKFTjM8SXGCLDsQ99wbtGH5wmzmCKyAevVxeZ4=", None),
    ],
)
def test_the_key_of_a_door_must_be_one_that_no_one_can_sign_for(key: str, says: str | None) -> None:
    text = CONFIG.replace("level: high", f"level: high\n    result_key: {key}")
    if says is None:
        assert len(loader.parse(text.encode(), "c.yaml").doors["front-door"].key_of_results or b"") == 32
    else:
        assert says in mistakes(text)[0]


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loader.parse(text.encode(), "c.yaml")
    return str(caught.value).splitlines()


def test_the_whole_of_it_is_read() -> None:
    loaded = loader.parse(CONFIG.encode(), "c.yaml")
    assert loaded.groups == {"family": ("alice", "bob")}
    assert loaded.doors["front-door"].level == "high"
    assert [(one.group, one.person, one.schedule) for one in loaded.doors["front-door"].allow] == [
        ("family", None, None),
        (None, "carol", "cleaning"),
    ]


def test_what_a_door_refers_to_must_be_there() -> None:
    text = CONFIG.replace("camera: porch", "camera: yard").replace("{group: family}", "{group: famly}")
    assert mistakes(text.replace("schedule: cleaning", "schedule: night")) == [
        "c.yaml:7: doors.front-door.camera: no such camera; there are porch",
        "c.yaml:9: doors.front-door.allow.0.group: no such group; there are family, everyone",
        "c.yaml:10: doors.front-door.allow.1.schedule: no such schedule; there are cleaning",
    ]


def test_doors_need_mqtt_and_their_name() -> None:
    text = "device: doors\n" + CONFIG.replace("mqtt: {}\n", "")
    assert mistakes(text) == [
        "c.yaml:1: device: doors is taken by the topics of doors; choose another",
        "c.yaml:5: doors: doors are opened over MQTT: add the section mqtt",
    ]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("{group: family}", "{}", "c.yaml:9: doors.front-door.allow.0: give one of person and group"),
        (
            "{group: family}",
            "{group: family, person: alice}",
            "c.yaml:9: doors.front-door.allow.0: give one of person and group",
        ),
        ("level: high", "level: highest", "c.yaml:11: doors.front-door.level: should be 'low', 'normal' or 'high'"),
        (
            "liveness: off",
            "liveness: on",
            "c.yaml:13: doors.front-door.liveness: should be 'off', 'passive', 'challenge' or 'required'",
        ),
        (
            "cooldown: 10",
            "cooldown: .nan",
            "c.yaml:14: doors.front-door.cooldown: should be a number",
        ),
        ("cooldown: 10", "cooldwn: 10", "c.yaml:14: doors.front-door.cooldwn: unknown key (did you mean cooldown?)"),
        (
            "Europe/Berlin",
            "Berlin",
            "c.yaml:4: schedules.cleaning.zone: not a time zone of this machine, such as Eu",
        ),
        ('"09:00-10:30"', '"09:00-22:30"', "c.yaml:4: schedules.cleaning.week: spans overlap on sat"),
        (
            "mon-fri",
            "weekdays",
            "c.yaml:4: schedules.cleaning.week.weekdays: not a day or a range of days such as mon-fri;",
        ),
        ("[alice, bob]", "[]", "c.yaml:3: groups.family: should not be empty"),
        ("[alice, bob]", "[Bob!]", "c.yaml:3: groups.family.0: not an id: small letters"),
    ],
)
def test_a_mistake_has_its_line_and_path(before: str, after: str, says: str) -> None:
    (line,) = mistakes(CONFIG.replace(before, after))
    assert line.startswith(says)


def test_who_is_not_enrolled_is_reported() -> None:
    loaded = loader.parse(CONFIG.encode(), "c.yaml")
    assert strangers(loaded.access_policy, {"alice"}) == ("door front-door: not enrolled: bob, carol",)
    assert strangers(loaded.access_policy, {"alice", "bob", "carol"}) == ()


@pytest.mark.parametrize(
    ("liveness", "warnings"),
    [("off", 1), ("challenge", 0), ("off\n    factor: pin", 0)],
)
def test_check_warns_of_a_door_that_a_face_alone_opens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], liveness: str, warnings: int
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("liveness: off", f"liveness: {liveness}"))
    assert main.main(["check", "--config", str(path)]) == 0
    assert capsys.readouterr().out.count("door front-door: a face alone opens it") == warnings


def test_a_stricter_level_of_a_person_counts_above_the_door_and_any_group() -> None:
    rules = [{"group": "family"}, {"person": "alice", "level": "high"}]
    one = door(level="normal", allow=rules)
    normal = replace(CLAIM, level="normal")
    assert judged(one, normal) == "level"
    assert judged(one, CLAIM) is None
    assert judged(one, replace(normal, person="bob")) is None


def test_a_stricter_level_counts_while_its_schedule_does() -> None:
    rules = [{"person": "alice"}, {"person": "alice", "schedule": "noon", "level": "high"}]
    one, normal = door(level="low", allow=rules), replace(CLAIM, level="normal")
    evening = replace(NOW, wall=MONDAY_NOON + 6 * 3600)
    assert judged(one, normal) == "level"
    assert judged(one, normal, evening) is None
    assert judged(one, normal, replace(evening, synced=False)) == "level", "it may be noon"
    assert judged(door(level="low", allow=rules, allow_unsynced_clock=True), normal, evening) is None


def test_a_claim_that_reaches_no_level_or_an_estimated_one_opens_nothing() -> None:
    assert judged(door(level="low"), replace(CLAIM, level=None)) == "level"
    estimated = replace(CLAIM, level_basis="estimated")
    assert judged(door(level="low"), estimated) == "level"
    assert judged(door(level="low", estimated="allow"), estimated, replace(NOW, version=1)) == "version"
    assert judged(door(level="low", estimated="allow"), estimated) is None


LIMITS = DoorLimits(
    4,
    (
        LevelLimit("low", 0.5, 1000),
        LevelLimit("normal", 0.6, 100),
        LevelLimit("high", 0.7, 10, "estimated"),
    ),
)


@pytest.mark.parametrize(
    ("claim", "required", "level", "basis"),
    [
        ({}, "normal", "normal", "measured"),
        ({}, "high", "high", "estimated"),
        ({"newest": 0.69}, "high", "normal", "measured"),
        ({"newest": 0.69}, "normal", "normal", "measured"),
        ({"score": 0.59}, "low", "low", "measured"),
        ({"newest": 0.49}, "low", None, "measured"),
        ({"look_alike": True}, "high", "normal", "measured"),
        ({"score": float("nan")}, "low", None, "measured"),
        ({"newest": float("nan")}, "low", None, "measured"),
    ],
)
def test_a_claim_gets_the_strictest_measured_level_if_that_is_enough(
    claim: dict[str, Any], required: Level, level: Level | None, basis: str
) -> None:
    made = LIMITS.judged(replace(CLAIM, **{"score": 0.72, "newest": 0.71, **claim}), required)
    assert (made.level, made.level_basis) == (level, basis)


def test_a_door_without_limits_gives_no_level() -> None:
    assert AccessPolicy({"front": door()}).limits_of("front").judged(CLAIM, "low").level is None
    assert DoorLimits(1).judged(CLAIM, "low").level is None


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("schedule: cleaning}", "schedule: cleaning, level: high}", None),
        (
            "schedule: cleaning}",
            "schedule: cleaning, level: normal}",
            "c.yaml:10: doors.front-door.allow.1.level: laxer than the door's level, high",
        ),
        (
            "source: 0}",
            "source: 0, people: famly}",
            "c.yaml:1: cameras.porch.people: no such group; there are family",
        ),
        ("source: 0}", "source: 0, people: family}", None),
        ("level: high", "level: high\n    estimated: allow", None),
    ],
)
def test_levels_of_people_and_groups_of_cameras_are_checked(before: str, after: str, says: str | None) -> None:
    text = CONFIG.replace(before, after)
    if says is None:
        assert loader.parse(text.encode(), "c.yaml").doors["front-door"].level == "high"
    else:
        assert mistakes(text) == [says]


def test_check_shows_the_level_in_force_at_each_camera_and_door(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ship(SHORT, monkeypatch)
    path, data = tmp_path / "config.yaml", tmp_path / "data"
    path.write_text(f"data: {data}\n{CONFIG.replace('source: 0}', 'source: 0, people: family}')}")
    assert main.main(["check", "--config", str(path)]) == 0
    assert not data.exists()
    with closing(Gallery.open(data, embedder_name())) as gallery:
        for number, person in enumerate(("alice", "bob", "carol", "dave")):
            vector = np.eye(192, dtype=np.float32)[number]
            gallery.enroll(person, None, [Template(vector, gallery.model, "photo", 1.0)], 1.0)
    capsys.readouterr()
    assert main.main(["check", "--config", str(path)]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.endswith("OK (cameras: porch)")
    ways = "a smaller allow-list, another level, a second factor, a better embedder"
    assert [line.removeprefix(f"{path}: ") for line in lines] == [
        "door front-door: a face alone opens it, so a photo may (ways out: liveness: challenge, a second factor)",
        "doors front-door: no result_key, so anyone who may write to their topics can claim that they have opened",
        "camera porch: level normal, cosine 0.460 or more, 2 of at most 28 people",
        f"door front-door: level 'high' cannot be guaranteed: 3 of 2 people (ways out: {ways})",
    ]
    (data / "gallery.db").write_bytes(b"no database at all")
    assert main.main(["check", "--config", str(path)]) == 0
    assert "the levels cannot be checked: " in capsys.readouterr().out
