import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

pytest.importorskip("prometheus_client")

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families

from edgeface.recognition.timings import Timings
from tests.support.clock import FixedClock
from tests.support.web import CAMERA, PEOPLE, STATE, Stage, client, context, stage  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    Client = Callable[..., TestClient]

DOCS = Path(__file__).parents[2] / "docs"
DOORS = {
    "front": {
        "nonce_age": 0.4,
        "granted": 3,
        "refused": {"schedule": 2},
        "opened": 2,
        "rejected": 1,
        "contact": "forced",
        "alarms": {"door_forced": 1},
        "unproven": {"unsigned": 3},
        "factors": {"right": 4, "refused": {"wrong": 6}},
        "problem": None,
    }
}
MQTT = {"problem": None, "said": 4, "late": 1, "missed": 0, "lost": 0, "queue": 0, "waiting_for_disk": 0, "unsaid": 2}

FLEET = {
    "joined": True,
    "sites": {"house": {"seq": 3, "people": 2, "behind": 4, "lease": 2_592_000, "digest_wrong": 0}},
}
NOTIFY = {
    "targets": {"phone": {"sent": 3, "failed": 2, "expired": 1, "waiting": 0, "problem": "it answers HTTP 401"}},
    "held_back": 7,
    "dropped": 0,
}


@pytest.fixture
def full(stage: Stage) -> Stage:  # noqa: F811 - a fixture
    """A stage with everything that a daemon can have: timings, doors, a broker."""
    timings = Timings(FixedClock(10.0))
    timings.people = 2
    timings.tracks[CAMERA] = 1
    timings.events[CAMERA, "match"] += 2
    timings.stages["detect"].add(0.015)
    timings.stages["detect"].add(0.5)
    object.__setattr__(stage.context, "timings", timings)
    stage.context.hub.state = {
        **STATE,
        "doors": DOORS,
        "mqtt": MQTT,
        "notify": NOTIFY,
        "fleet": FLEET,
        "throttled": False,
    }
    return stage


def scraped(client: "TestClient") -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:  # noqa: F811 - an argument
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(answer.text)
        for sample in family.samples
    }


def test_only_who_is_known_may_scrape(client: "Client") -> None:  # noqa: F811 - a fixture
    assert client().get("/metrics").status_code == 401
    assert client("viewer", token=True).get("/metrics").status_code == 200
    assert client("viewer").post("/metrics").status_code == 405


@pytest.mark.usefixtures("full")
def test_what_the_daemon_counts_is_told(client: "Client") -> None:  # noqa: F811 - a fixture
    found = scraped(client("viewer", token=True))
    porch = (("camera", CAMERA),)
    assert found["edgeface_camera_frames_total", porch] == 900
    assert found["edgeface_camera_dropped_total", porch] == 20
    assert found["edgeface_camera_status", (("camera", CAMERA), ("status", "online"))] == 1
    assert found["edgeface_camera_status", (("camera", CAMERA), ("status", "offline"))] == 0
    assert found["edgeface_tracks_not_judged_total", (("camera", CAMERA), ("reason", "small"))] == 2
    assert found["edgeface_events_total", (("camera", CAMERA), ("kind", "match"))] == 2
    assert found["edgeface_door_refusals_total", (("door", "front"), ("reason", "schedule"))] == 2
    assert found["edgeface_door_results_total", (("door", "front"), ("result", "rejected"))] == 1
    assert found["edgeface_door_factors_total", (("door", "front"), ("result", "right"))] == 4
    assert found["edgeface_door_factors_total", (("door", "front"), ("result", "wrong"))] == 6
    assert found["edgeface_door_alarms_total", (("door", "front"), ("kind", "door_forced"))] == 1
    assert found["edgeface_door_unproven_reports_total", (("door", "front"), ("reason", "unsigned"))] == 3
    assert found["edgeface_door_contact", (("door", "front"), ("status", "forced"))] == 1
    assert found["edgeface_door_contact", (("door", "front"), ("status", "shut"))] == 0
    assert found["edgeface_mqtt_connected", ()] == 1
    assert found["edgeface_notifications_total", (("result", "failed"), ("target", "phone"))] == 2
    assert found["edgeface_notifications_held_back_total", ()] == 7
    assert found["edgeface_notify_problem", (("target", "phone"),)] == 1
    assert found["edgeface_people", ()] == 2
    assert found["edgeface_temperature_celsius", ()] == 51.5
    assert found["edgeface_clock_synced", ()] == 1
    assert found["edgeface_key_list_seconds_left", ()] == 57_600
    assert found["edgeface_problems", ()] == 1
    assert found["process_resident_memory_bytes", ()] > 1e6


@pytest.mark.usefixtures("full")
def test_a_histogram_is_one_that_prometheus_reads(client: "Client") -> None:  # noqa: F811 - a fixture
    found = scraped(client("viewer", token=True))
    detect = (("stage", "detect"),)

    def bucket(end: str) -> float:
        return found["edgeface_stage_seconds_bucket", (("le", end), *detect)]

    assert [bucket(end) for end in ("0.01", "0.02", "0.2", "0.5", "+Inf")] == [0, 1, 1, 2, 2]
    assert found["edgeface_stage_seconds_count", detect] == 2
    assert found["edgeface_stage_seconds_sum", detect] == pytest.approx(0.515)


@pytest.mark.usefixtures("full")
def test_openmetrics_is_spoken_to_who_asks_for_it(client: "Client") -> None:  # noqa: F811 - a fixture
    answer = client("viewer", token=True).get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    found = open_families(answer.text)  # type: ignore[no-untyped-call]  # its author has typed only some
    assert "edgeface_camera_frames" in {family.name for family in found}


@pytest.mark.usefixtures("full")
def test_nobody_is_named(client: "Client") -> None:  # noqa: F811 - a fixture
    text = client("viewer", token=True).get("/metrics").text.lower()
    assert not [person for person in (*PEOPLE, "u-7f3a") if person in text]
    assert set(re.findall(r'([a-z_]+)="', text)) <= {
        *("camera", "reason", "kind", "status", "stage", "le", "door", "result", "fate", "version", "key", "verdict"),
        "target",
        "site",
    }


def test_a_daemon_without_broker_doors_or_state_is_told_too(stage: Stage, client: "Client") -> None:  # noqa: F811
    stage.context.hub.state = {}
    found = scraped(client("viewer", token=True))
    assert ("edgeface_mqtt_connected", ()) not in found
    assert found["edgeface_journal_unsaid", ()] >= 0


@pytest.fixture
def names(full: Stage, client: "Client") -> set[str]:  # noqa: F811 - fixtures
    """Every name that a query may use."""
    assert full
    return {name for name, _ in scraped(client("viewer", token=True))}


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard and the alerts, with what it is for."""
    dashboard = json.loads((DOCS / "grafana.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for group in alerts():
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def alerts() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load((DOCS / "alerts.yaml").read_text())["groups"]
    return groups


def named(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:edgeface|process)_[a-z_]+", expression))


def test_every_query_names_what_there_is(names: set[str]) -> None:
    found = [(title, expression, named(expression)) for title, expression in queries()]
    assert len(found) >= 20
    assert [(title, missing) for title, _, used in found if (missing := used - names)] == []
    assert [title for title, expression, used in found if not used and "up{" not in expression] == []


def test_every_metric_is_in_the_table_and_every_line_of_it_is_true(names: set[str]) -> None:
    bases = {re.sub(r"_(total|bucket|sum|count|created)$", "", name) for name in names if name.startswith("edgeface_")}
    table = set(re.findall(r"^\| `(edgeface_[a-z_]+)", (DOCS / "metrics.md").read_text(), re.MULTILINE))
    assert {re.sub(r"_total$", "", name) for name in table} == bases
    assert {name for name in table if name.endswith("_total")} <= names


def test_every_alert_says_what_to_do() -> None:
    rules = [rule for group in alerts() for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 7
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert re.fullmatch(r"\d+[smh]", rule["for"])


def test_brackets_of_every_query_match() -> None:
    for _, expression in queries():
        for pair in ("()", "{}", "[]"):
            assert expression.count(pair[0]) == expression.count(pair[1]), expression
