import json
from pathlib import Path
from typing import Any

import pytest

from edgeface.core.clock import rfc3339
from edgeface.demo.truth import findings

START = 1_763_800_000.0
ANNA, STRANGER = [100, 100, 180, 180], [400, 100, 480, 180]
TRUTH = {
    "fps": 10,
    "size": [640, 480],
    "people": {
        "anna": {"name": "Anna", "enrolled": True},
        "bob": {"name": "Bob", "enrolled": True},
        "stranger": {"enrolled": False},
    },
    "visits": [
        {"person": "anna", "from": 2.0, "to": 5.0},
        {"person": "stranger", "from": 3.0, "to": 6.0},
        {"person": "bob", "from": 8.0, "to": 11.0},
        {"person": "stranger", "from": 12.0, "to": 15.0},
    ],
    "boxes": {
        "anna": [[frame, *ANNA] for frame in range(20, 51, 3)],
        "bob": [[frame, *ANNA] for frame in range(80, 111, 3)],
        "stranger": [[frame, *STRANGER] for frame in [*range(30, 61, 3), *range(120, 151, 3)]],
    },
}


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(TRUTH))
    return path


def faults(truth: Path, events: list[dict[str, Any]], start: float) -> list[str]:
    return [finding.text for finding in findings(truth, events, lambda wall: wall - start)]


def event(kind: str, at: float, person: str | None = None, unknown: str | None = None) -> dict[str, Any]:
    box = STRANGER if unknown else ANNA
    return {"event_type": kind, "captured_at": rfc3339(START + at), "person": person, "unknown": unknown, "box": box}


def right() -> list[dict[str, Any]]:
    return [
        event("match", 2.8, "anna"),
        event("unknown", 3.9, unknown="u-7f3a"),
        event("left", 6.9, "anna"),
        event("left", 8.0, unknown="u-7f3a"),
        event("match", 8.5, "bob"),
        event("unknown", 12.9, unknown="u-7f3a"),
        event("left", 13.0, "bob"),
        event("left", 17.0, unknown="u-7f3a"),
    ]


def test_there_are_no_faults_in_any_order_of_right_events(truth: Path) -> None:
    assert faults(truth, right(), START) == []
    assert faults(truth, right()[::-1], START) == []


def test_a_match_until_a_second_after_the_visit_is_in_time_and_no_later(truth: Path) -> None:
    events = right()
    events[0] = event("match", 5.9, "anna")
    assert faults(truth, events, START) == []
    events[0] = event("match", 6.1, "anna")
    assert faults(truth, events, START) == [
        "Anna, in view from 2.0 to 5.0 s: expected one match event, got none",
        "match of Anna at 6.1 s, which fits no visit",
    ]


def test_a_clip_without_events_lacks_two_a_visit(truth: Path) -> None:
    assert len(faults(truth, [], START)) == 8


def test_a_missing_event_is_one_line(truth: Path) -> None:
    for n, kind in enumerate(["match", "unknown", "left", "left", "match", "unknown", "left", "left"]):
        events = right()
        del events[n]
        lines = faults(truth, events, START)
        assert len(lines) == 1
        assert f"expected one {kind} event, got none" in lines[0]


def test_a_doubled_match_is_one_line(truth: Path) -> None:
    lines = faults(truth, [*right(), event("match", 4.0, "anna")], START)
    assert lines == ["Anna, in view from 2.0 to 5.0 s: expected one match event, got 2"]


def test_a_second_unknown_in_a_visit_is_one_line(truth: Path) -> None:
    lines = faults(truth, [*right(), event("unknown", 4.4, unknown="u-7f3a")], START)
    assert lines == ["the stranger, in view from 3.0 to 6.0 s: expected one unknown event, got 2"]


def test_a_match_of_an_absent_person_is_one_line(truth: Path) -> None:
    lines = faults(truth, [*right(), event("match", 3.2, "bob")], START)
    assert lines == ["match of Bob at 3.2 s, which fits no visit"]


def test_the_wrong_name_for_a_visitor_is_a_match_too_many_and_one_too_few(truth: Path) -> None:
    events = right()
    events[0]["person"] = "bob"
    assert faults(truth, events, START) == [
        "Anna, in view from 2.0 to 5.0 s: expected one match event, got none",
        "match of Bob at 2.8 s, which fits no visit",
    ]


def test_a_person_who_is_not_in_the_truth_is_listed_by_id(truth: Path) -> None:
    lines = faults(truth, [*right(), event("match", 3.2, "carol")], START)
    assert lines == ["match of carol at 3.2 s, which fits no visit"]


def test_a_match_at_the_strangers_face_is_listed(truth: Path) -> None:
    events = right()
    events[0]["box"] = STRANGER
    assert faults(truth, events, START) == ["Anna, in view from 2.0 to 5.0 s: the match at 2.8 s is of another face"]


def test_an_unknown_while_only_enrolled_people_are_present_is_listed(truth: Path) -> None:
    lines = faults(truth, [*right(), event("unknown", 9.0, unknown="u-7f3a")], START)
    assert lines == ["unknown of the stranger at 9.0 s, which fits no visit"]


def test_left_before_the_visit_ends_is_listed(truth: Path) -> None:
    events = right()
    events[2] = event("left", 4.0, "anna")
    assert faults(truth, events, START) == [
        "Anna, in view from 2.0 to 5.0 s: expected one left event, got none",
        "left of Anna at 4.0 s, which fits no visit",
    ]


def test_left_belongs_to_the_visit_before_it(truth: Path) -> None:
    events = right()
    events[3] = event("left", 12.5, unknown="u-7f3a")
    assert faults(truth, events, START) == [
        "the stranger, in view from 3.0 to 6.0 s: expected one left event, got none",
        "left of the stranger at 12.5 s, which fits no visit",
    ]


def test_an_uncertain_event_is_listed(truth: Path) -> None:
    assert faults(truth, [*right(), event("uncertain", 9.0)], START) == ["uncertain at 9.0 s, which fits no visit"]


def test_another_id_on_the_strangers_second_visit_is_one_line(truth: Path) -> None:
    events = right()
    for n in (5, 7):
        events[n]["unknown"] = "u-0000"
    assert faults(truth, events, START) == ["the stranger has 2 ids instead of one: u-7f3a, u-0000"]
