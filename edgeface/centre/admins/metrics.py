"""/metrics of the centre for Prometheus, with nothing personal; docs/fleet-events.md has the table."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from edgeface import __version__
from edgeface.centre.admins import condition_metrics
from edgeface.centre.admins.guard import rights_in
from edgeface.centre.mqtt.broker_client import FATES
from edgeface.core.clock import DAY
from edgeface.core.errors import FleetError
from edgeface.web.auth.guard import viewer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.registry import Collector
    from starlette.datastructures import State
    from starlette.requests import Request

    from edgeface.centre.admins.rights import Rights
    from edgeface.centre.context import CentreContext
    from edgeface.centre.mqtt.broker_client import BrokerClient
    from edgeface.centre.records import Behind

log = logging.getLogger(__name__)

_STATES = ("equal", "behind", "never", "differs", "revoked")
"""From good to bad; a device of several sites counts as the worst of them."""


@viewer
async def metrics(request: Request) -> Response:
    """All metrics about the sites that the caller may see, in the format that the client asks for."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    collector = CentreCollector(request.app.state, rights_in(request))
    body = await run_in_threadpool(lambda: encode(_registry(collector)))
    return Response(body, headers={"Content-Type": media_type})


def _registry(collector: Collector) -> CollectorRegistry:
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    made.register(collector)
    return made


class CentreCollector:
    """Collects the metrics of one scrape; waits for the database."""

    def __init__(self, state: State, rights: Rights) -> None:
        self._state, self._rights = state, rights
        self._context: CentreContext = state.context

    def collect(self) -> Iterator[Metric]:
        """Yield every metric; those of the database are left out while it does not answer."""
        wall = self._context.clock.wall()
        yield _gauge("edgeface_info", "Always 1.", ["version"], [((__version__,), 1)])
        try:
            of_database = [*self._from_database(wall)]
        except FleetError as error:
            log.error("metrics: %s", error)
            of_database = []
        text = "1 while the database answers."
        yield _gauge("edgeface_centre_database_up", text, [], [((), float(bool(of_database)))])
        yield from of_database
        if self._rights.allow(None, "viewer"):
            yield from self._of_the_centre(wall)
        if self._state.broker is not None:
            yield from _events(self._state.broker)

    def _from_database(self, wall: float) -> Iterator[Metric]:
        store = self._context.store
        devices = [one for one in store.devices() if any(self._rights.allow(site, "viewer") for site in one.sites)]
        behind = [one for one in store.behind() if self._rights.allow(one.site, "viewer")]
        sites = [one for one in store.sites() if self._rights.allow(one.site, "viewer")]
        condition = store.condition.database(wall)
        states = {one.device: "never" if one.revoked is None else "revoked" for one in devices}
        counts = Counter({**states, **_worst(behind)}.values())
        text = "Devices by what they have signed."
        yield _gauge("edgeface_centre_devices", text, ["state"], [((one,), counts[one]) for one in _STATES])
        yield from _sites(behind, wall)
        active = [one for one in devices if one.revoked is None]
        ends = [((one.device,), (one.certificate_ends - wall) / DAY) for one in active]
        yield _gauge("edgeface_centre_certificate_days", "Days until a certificate ends.", ["device"], ends)
        seen = [((one.device,), max(0.0, wall - one.seen)) for one in active]
        yield _gauge("edgeface_centre_seen_seconds", "Time since a device last asked.", ["device"], seen)
        yield from condition_metrics.of_sites(sites, condition, wall)
        if self._rights.allow(None, "viewer"):
            yield from condition_metrics.of_database(condition, wall)
            yield from condition_metrics.of_search(self._context.settings.search)

    def _of_the_centre(self, wall: float) -> Iterator[Metric]:
        copies = self._context.store.condition.keyring_copies()
        yield _gauge("edgeface_centre_keyring_copies", "Sound copies of the keyring.", [], [((), copies)])
        yield from condition_metrics.of_certificates(self._context.authority, wall)
        if self._state.housekeeping is not None:
            yield from condition_metrics.of_upkeep(self._state.housekeeping, wall)
        if self._state.answers is not None:
            yield from condition_metrics.of_answers(self._state.answers)


def _worst(behind: Iterable[Behind]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in behind:
        found[one.device] = max(one.state, found.get(one.device, one.state), key=_STATES.index)
    return found


def _sites(behind: Iterable[Behind], wall: float) -> Iterator[Metric]:
    labels = ["device", "site"]
    rows = [((one.device, one.site), one) for one in behind]
    text = "Changes that a device has not signed."
    yield _gauge("edgeface_centre_behind_changes", text, labels, [(ids, one.changes) for ids, one in rows])
    text = "Time since the oldest change that a device has not signed."
    late = [(ids, 0.0 if one.since is None else max(0.0, wall - one.since)) for ids, one in rows]
    yield _gauge("edgeface_centre_behind_seconds", text, labels, late)
    text = "Until a device no longer matches the people of a site."
    left = [(ids, max(0.0, one.lease_ends - wall)) for ids, one in rows if one.lease_ends is not None]
    yield _gauge("edgeface_centre_lease_seconds", text, labels, left)
    text = "1 while a device has another set of people than the centre."
    wrong = [(ids, float(one.state == "differs")) for ids, one in rows]
    yield _gauge("edgeface_centre_digest_wrong", text, labels, wrong)


def _events(broker: BrokerClient) -> Iterator[Metric]:
    events = CounterMetricFamily("edgeface_centre_events", "Messages of audit topics.", labels=["fate"])
    for fate in FATES:
        events.add_metric([fate], broker.counts[fate])
    yield events
    text = "1 while this centre stores events."
    yield _gauge("edgeface_centre_mqtt_connected", text, [], [((), float(broker.connected))])
    text = "1 while this centre cannot use the broker."
    yield _gauge("edgeface_centre_mqtt_problem", text, [], [((), float(broker.problem is not None))])


def _gauge(name: str, text: str, labels: list[str], samples: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(list(values), value)
    return family
