"""GET /events and /metrics at the listener for admins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edgeface.centre.admins.app import application
from edgeface.centre.records import Entry
from edgeface.core.clock import DAY, rfc3339
from tests.centre.test_admin_rest import API, client, join  # noqa: F401 - a fixture
from tests.centre.test_metrics import scraped
from tests.support.audit_rows import audit_row, match
from tests.support.centre_server import SITE

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.testclient import TestClient

    from edgeface.centre.context import CentreContext

    Client = Callable[..., TestClient]

EVENTS = f"{API}/events"


@pytest.fixture
def filled(context: CentreContext) -> CentreContext:
    """Two sites with a device each and one in both, and what they have said."""
    store, now = context.store, context.clock.wall()
    store.add_site("annex")
    for name, sites in (("front", (SITE,)), ("back", ("annex",)), ("lobby", ("annex", SITE))):
        join(context, name, *sites)
    store.put(SITE, Entry(id="alice", name="Alice"), "admin")
    rows = [audit_row(match(n, at=now - n)) for n in range(1, 6)]
    rows += [
        audit_row({"v": 1, "event_type": "started", "version": "1"}, device=name, at=now - 10)
        for name in ("back", "lobby")
    ]
    rows.append(audit_row({"v": 1, "event_type": "granted", "person": "alice", "door": "gate"}, device="lobby", at=now))
    assert store.add_events(rows).stored == len(rows)
    return context


def ids(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    return [(one["device"], one["kind"]) for one in answer.json()["events"]]


@pytest.mark.usefixtures("filled")
def test_events_are_selected_and_paged(client: Client) -> None:  # noqa: F811 - a fixture
    admin = client("admin")
    every = ids(admin.get(EVENTS))
    assert every[:2] == [("lobby", "granted"), ("front", "match")]
    assert len(every) == 8
    answer = admin.get(EVENTS, params={"limit": 3})
    pages = [ids(answer)]
    while answer.json()["next"] is not None:
        answer = admin.get(EVENTS, params={"limit": 3, "cursor": answer.json()["next"]})
        pages.append(ids(answer))
    assert [len(page) for page in pages] == [3, 3, 2]
    assert [one for page in pages for one in page] == every
    assert len(ids(admin.get(EVENTS, params={"person": "alice"}))) == 6
    assert ids(admin.get(EVENTS, params={"door": "gate"})) == [("lobby", "granted")]
    assert len(ids(admin.get(EVENTS, params={"camera": "porch", "device": "front"}))) == 5
    assert ids(admin.get(EVENTS, params={"person": "nobody"})) == []
    assert len(ids(admin.get(EVENTS, params={"since": "2026-01-01"}))) == 8
    assert ids(admin.get(EVENTS, params={"until": "2026-01-01"})) == []


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"cursor": "x"}, {"since": "soon"}, {"person": "../a"}, {"site": "A B"}]
)
def test_a_wrong_query_is_a_clear_answer(client: Client, wrong: dict[str, Any]) -> None:  # noqa: F811 - a fixture
    assert client("viewer").get(EVENTS, params=wrong).status_code == 422


def test_a_viewer_sees_the_events_of_their_sites(client: Client, filled: CentreContext) -> None:  # noqa: F811
    annex = client("viewer", "annex")
    # One device follows both sites: its start belongs to both, and the people it has matched only to the tower.
    assert sorted(ids(annex.get(EVENTS))) == [("back", "started"), ("lobby", "started")]
    assert ids(annex.get(EVENTS, params={"person": "alice"})) == []
    assert annex.get(EVENTS, params={"site": SITE}).status_code == 403
    assert sorted(ids(client("viewer", SITE).get(EVENTS, params={"device": "lobby"}))) == [
        ("lobby", "granted"),
        ("lobby", "started"),
    ]
    (alice,) = filled.store.people(SITE)
    filled.store.forget(SITE, alice.person, "admin")
    tower = client("viewer", SITE).get(EVENTS, params={"door": "gate"}).json()["events"]
    assert [(one["kind"], one["facts"]) for one in tower] == [("granted", None)]
    assert client("viewer", SITE).get(EVENTS, params={"since": rfc3339(0.0)}).text.count("alice") == 0


def test_metrics_tell_how_far_each_device_is(client: Client, filled: CentreContext) -> None:  # noqa: F811
    store = filled.store
    lobby = next(one for one in store.devices() if one.device == "lobby")
    with store._database.changing() as transaction:
        for site, seq, fits in ((SITE, 1, True), ("annex", 3, False)):
            transaction.execute("INSERT INTO receipts VALUES ('lobby', %s, %s, '', 0, 1, '', %s, 0)", (site, seq, fits))
        transaction.execute("UPDATE device_sites SET lease_ends = %s", (filled.clock.wall() + 500,))
    assert lobby.sites == ("annex", SITE)
    store.revoke("back", "admin")
    store.put(SITE, Entry(id="bob", name="Bob"), "admin")
    filled.clock.sleep(40)
    found = scraped(client("viewer"))
    assert {state: found["edgeface_centre_devices", state] for state in ("equal", "behind", "never", "differs")} == {
        "equal": 0, "behind": 0, "never": 1, "differs": 1,
    }  # fmt: skip
    assert found["edgeface_centre_devices", "revoked"] == 1
    assert found["edgeface_centre_behind_changes", "front", SITE] == 2
    assert found["edgeface_centre_behind_changes", "lobby", SITE] == 1
    assert found["edgeface_centre_behind_seconds", "lobby", SITE] == pytest.approx(40, abs=0.1)
    assert found["edgeface_centre_lease_seconds", "front", SITE] == pytest.approx(460, abs=0.1)
    assert found["edgeface_centre_digest_wrong", "lobby", "annex"] == 1
    assert found["edgeface_centre_digest_wrong", "lobby", SITE] == 0
    assert found["edgeface_centre_certificate_days", "front"] == pytest.approx(-39 / DAY)
    annex = scraped(client("viewer", "annex"))
    assert {name for _, *labels in annex for name in labels} & {"front", SITE} == set()
    assert annex["edgeface_centre_devices", "differs"] == 1


def test_only_who_is_known_may_scrape(client: Client, context: CentreContext) -> None:  # noqa: F811 - a fixture
    from starlette.testclient import TestClient

    app = application(context)
    with TestClient(app, base_url="https://localhost") as stranger:
        assert stranger.get("/metrics").status_code == 401
        assert stranger.get(EVENTS).status_code == 401
    assert client("viewer").post("/metrics").status_code == 405
