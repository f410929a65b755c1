"""Metrics about the centre itself, its alert rules and its dashboard."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography import x509
from prometheus_client.parser import text_string_to_metric_families as families

from edgeface.centre.admins import condition_metrics
from edgeface.centre.context import KEYRING
from edgeface.centre.housekeeping import Housekeeping
from edgeface.centre.mqtt.broker_client import BrokerClient
from edgeface.centre.records import Entry
from edgeface.centre.tables.condition import DatabaseCondition
from edgeface.core.clock import DAY
from edgeface.mqtt.settings import Mqtt
from edgeface.recognition.timings import Histogram
from tests.centre.test_admin_rest import client, join  # noqa: F401 - a fixture
from tests.support.centre_server import HOST, SITE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.testclient import TestClient

    from edgeface.centre.context import CentreContext
    from tests.support.centre_server import Running

    Client = Callable[..., TestClient]

DOCS = Path(__file__).parents[2] / "docs"
RULES: list[dict[str, Any]] = yaml.safe_load((DOCS / "fleet-alerts.yaml").read_text())["groups"][0]["rules"]
PROMTOOL = shutil.which("promtool")
DASHBOARD: dict[str, Any] = json.loads((DOCS / "fleet-grafana.json").read_text())


def scraped(client: TestClient) -> dict[tuple[str, ...], float]:  # noqa: F811 - an argument
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families(answer.text)
        for sample in family.samples
    }


def running_state(client: TestClient, context: CentreContext) -> Housekeeping:  # noqa: F811 - an argument
    """Give the application what a server gives it, as far as metrics need it."""
    app: Any = client.app
    app.state.housekeeping, app.state.answers = Housekeeping(context, []), Histogram()
    app.state.broker = BrokerClient(Mqtt(), context.settings.database.conninfo, context.store, context.clock)
    upkeep: Housekeeping = app.state.housekeeping
    return upkeep


def test_what_waits_and_who_is_there_is_counted_by_site(client: Client, context: CentreContext) -> None:  # noqa: F811
    store = context.store
    store.add_site("annex")
    join(context)
    store.put(SITE, Entry(id="alice", name="Alice"), "admin")
    with store._database.changing() as transaction:
        transaction.execute(
            "INSERT INTO proposals (number, site, device, person, seq, forget, at)"
            " VALUES (%s, %s, 'front', '', 1, true, %s)",
            (bytes(16), SITE, context.clock.wall() - 500),
        )
    found = scraped(client("viewer"))
    assert (found["edgeface_centre_people", SITE], found["edgeface_centre_people", "annex"]) == (1, 0)
    assert found["edgeface_centre_change_number", SITE] == 1
    assert (found["edgeface_centre_proposals", SITE], found["edgeface_centre_proposals", "annex"]) == (1, 0)
    assert found["edgeface_centre_proposal_age_seconds", SITE] == pytest.approx(500, abs=1)
    assert found["edgeface_centre_proposal_age_seconds", "annex"] == 0
    assert found["edgeface_centre_seen_seconds", "front"] == pytest.approx(0, abs=60)
    annex = scraped(client("viewer", "annex"))
    assert {name for _, *labels in annex for name in labels} & {"front", SITE} == set()
    assert ("edgeface_centre_keyring_copies",) not in annex


def test_a_copy_of_the_keyring_that_is_missing_is_noticed(client: Client, context: CentreContext) -> None:  # noqa: F811
    viewer, first = client("viewer"), context.settings.data / KEYRING / "keyring.db"
    assert scraped(viewer)["edgeface_centre_keyring_copies",] == 2
    older = first.with_name("older")
    shutil.copy(first, older)
    context.store.add_site("annex")
    assert scraped(viewer)["edgeface_centre_keyring_copies",] == 2
    # As if another disk were mounted at the folder.
    first.rename(first.with_name("away"))
    assert scraped(viewer)["edgeface_centre_keyring_copies",] == 1
    older.rename(first)
    assert scraped(viewer)["edgeface_centre_keyring_copies",] == 1, "it lacks the last change"


def test_a_database_that_is_away_is_a_metric_and_no_error(client: Client, context: CentreContext) -> None:  # noqa: F811
    viewer = client("viewer")
    upkeep = running_state(viewer, context)
    context.store._database.close()
    upkeep.once()
    found = scraped(viewer)
    assert found["edgeface_centre_database_up",] == 0
    assert found["edgeface_centre_upkeep_problem",] == 1
    assert ("edgeface_centre_upkeep_seconds",) not in found
    assert ("edgeface_centre_devices", "equal") not in found
    assert found["edgeface_centre_keyring_copies",] == 2


def test_upkeep_makes_the_next_month_and_says_when(client: Client, context: CentreContext) -> None:  # noqa: F811
    viewer = client("viewer")
    upkeep = running_state(viewer, context)
    assert scraped(viewer)["edgeface_centre_event_months_ahead",] == 0
    upkeep.once()
    context.clock.sleep(90)
    found = scraped(viewer)
    assert found["edgeface_centre_event_months_ahead",] == 1
    assert found["edgeface_centre_upkeep_seconds",] == pytest.approx(90)
    assert found["edgeface_centre_upkeep_problem",] == 0


NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: the centre's clock is simulated, that of OpenSSL is not."""


def served_days(running: Running) -> float:
    """Days that the certificate is valid with which the centre serves new connections now."""
    context = ssl.create_default_context(cadata=running.context.authority.pem)
    context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
    with (
        socket.create_connection((HOST, running.server.device_port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        ends = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"").not_valid_after_utc
    return (ends.timestamp() - running.clock.wall()) / DAY


def test_a_running_centre_renews_its_certificate_without_a_restart(running: Running) -> None:
    upkeep = running.server.housekeeping
    assert upkeep is not None
    assert served_days(running) == pytest.approx(397, abs=1)
    running.clock.sleep(366 * DAY)
    upkeep.once()
    assert served_days(running) == pytest.approx(31, abs=1), "there is time left"
    running.clock.sleep(2 * DAY)
    upkeep.once()
    assert upkeep.problem is None
    assert served_days(running) == pytest.approx(397, abs=1)


def problem(upkeep: Housekeeping) -> str | None:
    return upkeep.problem


def test_a_renewal_that_fails_is_told_and_the_centre_serves_on(running: Running) -> None:
    upkeep, key = running.server.housekeeping, running.context.settings.data / "server.key"
    assert upkeep is not None
    running.clock.sleep(370 * DAY)
    key.unlink()
    key.mkdir()
    upkeep.once()
    assert "directory" in (problem(upkeep) or "")
    left = condition_metrics.of_certificates(running.context.authority, running.clock.wall())
    days = {one.name: one.samples[0].value for one in left}
    assert days["edgeface_centre_server_certificate_days"] == pytest.approx(27, abs=1)
    assert days["edgeface_centre_authority_days"] == pytest.approx(20 * 365 - 370, abs=1)
    assert served_days(running) == pytest.approx(27, abs=1)
    key.rmdir()
    upkeep.once()
    assert problem(upkeep) is None
    assert served_days(running) == pytest.approx(397, abs=1)


def test_the_wait_for_news_is_no_time_of_an_answer(running: Running) -> None:
    answers: Histogram = running.server._device_app.state.answers
    device = running.device()
    before = sum(answers.counts), answers.total
    status, _ = device.ask("GET", f"/sites/{SITE}/changes?model=x&after=0&wait=1")
    assert status == 200
    assert sum(answers.counts) == before[0] + 1
    # The clock of the centre stands still: only what is taken off could be more than nothing.
    assert answers.total == before[1] == 0


@pytest.fixture
def names(client: Client, context: CentreContext) -> set[str]:  # noqa: F811 - fixtures
    """Every name that a query may use."""
    join(context)
    with context.store._database.changing() as transaction:
        transaction.execute("UPDATE device_sites SET lease_ends = 0")
    viewer = client("viewer")
    context.authority.server_context(context.settings.names, clients=False)
    running_state(viewer, context).once()
    archived = DatabaseCondition(proposals={}, months_ahead=1, standbys=0, archived=1.0, archive_fails=False)
    database = {one.name for one in condition_metrics.of_database(archived, 2.0)}
    return {name for name, *_ in scraped(viewer)} | database


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard and the alerts, with what it is for."""
    yield from ((rule["alert"], rule["expr"]) for rule in RULES)
    for panel in DASHBOARD["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])


def test_every_query_names_what_there_is(names: set[str]) -> None:
    found = [(title, set(re.findall(r"\b(?:edgeface|process)_[a-z_]+", expr)), expr) for title, expr in queries()]
    assert len(found) >= 30
    assert [(title, used - names) for title, used, _ in found if used - names] == []
    assert [title for title, used, expr in found if not used and "up{" not in expr] == []
    for _, _, expr in found:
        for pair in ("()", "{}", "[]"):
            assert expr.count(pair[0]) == expr.count(pair[1]), expr


def test_the_table_has_every_metric(names: set[str]) -> None:
    table = re.findall(r"^\| `(edgeface_[a-z_]+)", (DOCS / "fleet-events.md").read_text(), re.MULTILINE)
    bases = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in names if name.startswith("edgeface_")}
    bases.discard("edgeface_centre_events")
    assert set(table) == bases
    assert len(table) == len(set(table))


def test_every_alert_has_a_section_that_says_what_to_do() -> None:
    text = (DOCS / "fleet-operations.md").read_text()
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-")
        for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    assert len({rule["alert"] for rule in RULES}) == len(RULES) >= 17
    for rule in RULES:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
        assert rule["labels"]["severity"] in {"warning", "critical"}
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/fleet-operations.md"
        assert anchor in anchors, rule["alert"]


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (prometheus)")
def test_prometheus_accepts_the_rules_and_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"test:query{n}", "expr": expr} for n, (_, expr) in enumerate(queries())]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    for path in (DOCS / "fleet-alerts.yaml", file):
        done = subprocess.run([str(PROMTOOL), "check", "rules", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_panels_do_not_overlap_and_use_the_chosen_source() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + n, place["y"] + m) for n in range(place["w"]) for m in range(place["h"])}
        assert not taken & cells, panel["title"]
        assert max(column for column, _ in cells) < 24
        taken |= cells
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
