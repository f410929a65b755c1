"""Which targets get a notice."""

import re
from typing import Any

import pytest

from edgeface.access.schedules import WeeklySchedule
from edgeface.core import event_kinds
from edgeface.notify.notice import Notice
from edgeface.notify.rules import HOUR, MAX_SUBJECTS, NotificationRules, RuleContext
from edgeface.notify.settings import KINDS, Rule

NIGHT = WeeklySchedule(zone="Europe/Berlin", week={"mon-sun": ("22:00-24:00",)})
CONTEXT = RuleContext({"family": ("alice", "bob")}, {"night": NIGHT})
NOON, LATE = 1_790_000_000.0, 1_790_024_400.0
"""21 September 2026 in Berlin, at 16:13 and at 23:00."""


def rules(*given: dict[str, Any], before: NotificationRules | None = None) -> NotificationRules:
    made = [Rule(**{"to": ("phone",), "kinds": ("unknown",), **one}) for one in given]
    return NotificationRules(made, CONTEXT, before)


def stranger(track: int, at: float = NOON, **more: Any) -> Notice:
    return Notice(**{"kind": "unknown", "id": f"E{track}", "at": at, "monotonic": 0.0, "camera": "porch",
                     "unknown": f"u-{track}", "visit": ("porch", track), **more})  # fmt: skip


def names(found: tuple[Any, ...]) -> list[str]:
    return [one.target for one in found]


def test_a_visit_is_sent_once_and_an_attack_in_it_once_more() -> None:
    sent = rules({"kinds": ("unknown", "match", "spoof"), "pause": 0.0})
    assert names(sent.select(stranger(1), 0.0)) == ["phone"]
    assert sent.select(stranger(1, kind="match", person="alice"), 1.0) == ()
    assert names(sent.select(stranger(1, kind="spoof"), 2.0)) == ["phone"]
    assert sent.select(stranger(1, kind="spoof"), 3.0) == ()


def test_the_same_stranger_is_sent_again_only_after_the_pause() -> None:
    sent = rules({"pause": 60.0})
    assert sent.select(stranger(1, unknown="u-1"), 0.0)
    assert not sent.select(stranger(2, unknown="u-1"), 59.9)
    assert sent.select(stranger(3, unknown="u-2"), 59.9)
    assert sent.select(stranger(4, unknown="u-1"), 60.0)


def test_at_most_so_many_an_hour_and_the_rest_is_counted() -> None:
    sent = rules({"per_hour": 20, "pause": 0.0})
    found = [sent.select(stranger(n), 3.0 * n) for n in range(200)]
    assert sum(map(len, found)) == 20
    assert sent.held_back == 180
    (after,) = sent.select(stranger(900), HOUR)
    assert after.held_back == 180


@pytest.mark.parametrize(
    ("rule", "notice", "wanted"),
    [
        ({"cameras": ("yard",)}, stranger(1), False),
        ({"cameras": ("porch",)}, stranger(1), True),
        ({"people": ("alice",)}, stranger(1), False),
        ({"people": ("family",), "kinds": ("match",)}, stranger(1, kind="match", person="bob"), True),
        ({"people": ("family",), "kinds": ("match",)}, stranger(1, kind="match", person="carol"), False),
        ({"doors": ("gate",), "kinds": ("refused",)}, stranger(1, kind="refused", door="gate"), True),
        ({"doors": ("gate",), "kinds": ("refused",)}, stranger(1, kind="refused", door="shed"), False),
        ({"schedule": "night"}, stranger(1), False),
        ({"schedule": "night"}, stranger(1, at=LATE), True),
    ],
)
def test_a_rule_is_for_some_places_people_and_hours(rule: dict[str, Any], notice: Notice, *, wanted: bool) -> None:
    assert bool(rules(rule).select(notice, 0.0)) is wanted


def test_two_rules_for_one_target_send_once_and_a_full_rule_does_not_stop_another() -> None:
    sent = rules({"per_hour": 1}, {"to": ("phone", "house"), "per_hour": 2})
    assert names(sent.select(stranger(1), 0.0)) == ["phone", "house"]
    assert names(sent.select(stranger(2), 1.0)) == ["phone", "house"]
    assert sent.held_back == 0
    assert sent.select(stranger(3), 2.0) == ()
    assert sent.held_back == 1


def test_a_visit_is_sent_once_to_a_target_whatever_the_rules() -> None:
    sent = rules({"pause": 0.0}, {"to": ("phone", "house"), "kinds": ("match",), "pause": 0.0})
    assert names(sent.select(stranger(1), 0.0)) == ["phone"]
    assert names(sent.select(stranger(1, kind="match", person="alice"), 1.0)) == ["house"]


def test_what_one_rule_holds_back_and_another_sends_is_not_missed() -> None:
    sent = rules({"per_hour": 1, "pause": 0.0}, {"pause": 0.0})
    for n in range(5):
        assert [one.held_back for one in sent.select(stranger(n), n)] == [0]
    assert [one.held_back for one in sent.select(stranger(9), HOUR + 1)] == [0]


def test_a_visit_that_was_held_back_counts_once() -> None:
    sent = rules({"per_hour": 1, "pause": 0.0, "kinds": ("unknown", "match")})
    assert sent.select(stranger(1, kind="match"), 0.0)
    assert sent.select(stranger(2, kind="match"), 0.0) == ()
    assert sent.select(stranger(2), 1.0) == ()
    assert sent.held_back == 1


def test_many_strangers_hold_back_no_alarm() -> None:
    kinds = ("unknown", "door_forced", "camera_offline")
    sent = rules({"kinds": kinds, "per_hour": 5, "pause": 0.0})
    for n in range(50):
        sent.select(stranger(n), n)
    assert names(sent.select(Notice("door_forced", "E", NOON, 50.0, door="gate"), 50.0)) == ["phone"]
    assert names(sent.select(Notice("camera_offline", "", NOON, 50.0, camera="porch"), 50.0)) == ["phone"]


def test_rules_that_stay_keep_their_limits_when_others_change() -> None:
    first = {"per_hour": 2, "pause": 60.0}
    before = rules(first, {"to": ("house",), "kinds": ("match",)})
    assert before.select(stranger(1, unknown="u-1"), 0.0)
    assert before.select(stranger(2), 1.0)
    assert not before.select(stranger(3), 2.0)
    after = rules({"to": ("tablet",)}, first, before=before)
    assert names(after.select(stranger(4, unknown="u-4"), 3.0)) == ["tablet"]
    assert names(after.select(stranger(4, unknown="u-4"), 4.0)) == []
    (late,) = [one for one in after.select(stranger(5), HOUR) if one.target == "phone"]
    assert late.held_back == 2
    assert after.held_back == 1


def test_memory_is_bounded() -> None:
    sent = rules({"per_hour": 600, "pause": 86_400.0})
    for n in range(3 * MAX_SUBJECTS):
        sent.select(stranger(n), 10.0 * n)
    assert len(sent._rules[0]._subjects) == len(sent._visits) == MAX_SUBJECTS


def test_every_kind_has_a_title_that_names_no_one_who_is_not_known() -> None:
    for kind in KINDS:
        title = Notice(kind, "E", NOON, 0.0, camera="porch", door="gate").title
        assert title
        assert "{" not in title
        assert "None" not in title
    assert set(KINDS) > set(event_kinds.notable())


def test_the_text_has_the_reason_the_stranger_and_the_local_time() -> None:
    shown = stranger(1, reason="few_frames", link="https://edgeface.example/stranger/x")
    lines = shown.body.splitlines()
    assert lines[:2] == ["few_frames", "stranger u-1"]
    assert re.fullmatch(r"2026-09-21 \d\d:13:20 [+-]\d{4}", lines[2])
    assert lines[3] == "https://edgeface.example/stranger/x"
