import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeface import __version__
from edgeface.cameras.capture import CaptureState
from edgeface.cameras.repetition import DOUBTFUL, REPEATED_PICTURES, REPEATED_TIMES
from edgeface.config import loader
from edgeface.config.configuration import Configuration
from edgeface.daemon import report
from edgeface.daemon.vision import Tally
from edgeface.journal.journal import Journal


def configuration(more: str = "") -> Configuration:
    camera = "rtsp://user:swordfish@127.0.0.1/stream"
    return loader.parse(f'cameras: {{porch: {{type: opencv, source: "{camera}"}}}}\n{more}'.encode(), "config.yaml")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.db")
    yield journal
    journal.close()


def rows(journal: Journal) -> list[tuple[str, dict[str, Any]]]:
    return [(entry.row.kind, json.loads(entry.row.payload)) for entry in journal.rows()]


def test_a_configuration_is_noted_when_it_changes_and_by_digests_alone(journal: Journal) -> None:
    report.record_started(journal, configuration(), "b007", 1.0)
    report.record_configured(journal, configuration("# a comment changes nothing\n"), 2.0)
    report.record_configured(journal, configuration("recognition: {level: high}\nprivacy: {journal_days: 7}\n"), 3.0)
    report.record_stopped(journal, "b007", 4.0)
    report.record_started(journal, configuration("recognition: {level: high}\n"), "b008", 5.0)
    found = rows(journal)
    assert [kind for kind, _ in found] == ["started", "config", "config", "stopped", "started", "config"]
    assert found[0][1] == {"version": __version__, "boot": "b007", "config": found[1][1]["digest"]}
    assert [facts["changed"] for kind, facts in found if kind == "config"] == [
        [],
        ["privacy", "recognition"],
        ["privacy"],
    ]
    assert found[3][1] == {"boot": "b007"}
    assert "swordfish" not in json.dumps(found)
    assert journal.unpublished_count() == 6


@pytest.mark.parametrize(
    ("interval", "processed", "fps", "says"),
    [
        (1 / 15, 99, 15.0, None),
        (1.0, 99, 1.0, None),
        (1.3, 99, 0.77, None),
        (2.0, 99, 0.4, "gives 0.4 pictures per second; at least 0.8 are needed to recognise people"),
        (2.0, 99, 15.0, "only 0.5 pictures per second are processed; at least 0.8 are needed to recognise people"),
        (2.0, 3, 15.0, None),
    ],
)
def test_a_camera_with_too_few_pictures_is_named(interval: float, processed: int, fps: float, says: str | None) -> None:
    state = CaptureState("online", 99, 0, fps, 0, 0, 0.1, None)
    tally = Tally(processed, interval=interval)
    assert report.camera_report(state, tally, 0.1, 0)["problem"] == says
    stalled = replace(state, status="stalled", error="no picture for 2 s")
    assert report.camera_report(stalled, tally, 0.1, 0)["problem"] == "no picture for 2 s"


def test_the_beginning_and_the_end_of_a_recording_are_noted_once(journal: Journal) -> None:
    live = CaptureState("online", 99, 0, 15.0, 0, 0, 0.1, None)
    pictures, times = (replace(live, status="stalled", replayed=why) for why in (REPEATED_PICTURES, REPEATED_TIMES))
    since: dict[str, float] = {}
    for now, states in enumerate(
        [
            {"porch": live, "yard": live},
            {"porch": pictures, "yard": live},
            {"porch": replace(pictures, status="offline"), "yard": times},
            {"porch": pictures, "yard": times},
            {"porch": live, "yard": times},
        ]
    ):
        since = report.record_replays(lambda kind, facts: journal.record(kind, 1.0, facts), since, states, float(now))
    assert rows(journal) == [
        ("replayed", {"camera": "porch", "reason": "pictures"}),
        ("replayed", {"camera": "yard", "reason": "timestamps"}),
        ("replayed", {"camera": "porch", "seconds": 3.0}),
    ]
    assert report.camera_report(replace(live, doubtful=True), Tally(), None, 0)["problem"] == DOUBTFUL
    assert report.camera_report(pictures, Tally(), None, 0)["replayed"] is True
    assert report.camera_report(live, Tally(), None, 0)["replayed"] is False


def test_the_same_configuration_has_other_digests_under_another_key(journal: Journal, tmp_path: Path) -> None:
    other = Journal(tmp_path / "other" / "journal.db")
    for one in (journal, other):
        report.record_configured(one, configuration(), 1.0)
    assert rows(journal)[0][1]["sections"].keys() == rows(other)[0][1]["sections"].keys()
    assert rows(journal)[0][1]["sections"]["cameras"] != rows(other)[0][1]["sections"]["cameras"]
    other.close()


def test_without_a_disk_nothing_is_noted_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    journal = Journal(tmp_path / "file" / "journal.db")
    report.record_started(journal, configuration(), "b007", 1.0)
    report.record_stopped(journal, "b007", 2.0)
    assert journal.problem is not None
    journal.close()
