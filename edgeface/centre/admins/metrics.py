"""/metrics of the centre for Prometheus, with nothing personal; docs/fleet-events.md has the table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from edgeface import __version__
from edgeface.centre.admins.guard import rights_in
from edgeface.centre.mqtt.broker_client import FATES
from edgeface.centre.search.client import SearchClient
from edgeface.centre.search.messages import State
from edgeface.core.clock import DAY
from edgeface.core.errors import FleetError
from edgeface.web.auth.guard import viewer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.registry import Collector
    from starlette.requests import Request

    from edgeface.centre.admins.rights import Rights
    from edgeface.centre.context import CentreContext
    from edgeface.centre.mqtt.broker_client import BrokerClient
    from edgeface.centre.records import Behind

_STATES = ("equal", "behind", "never", "differs", "revoked")
"""From good to bad; a device of several sites counts as the worst of them."""


@viewer
async def metrics(request: Request) -> Response:
    """All metrics about the sites that the caller may see, in the format that the client asks for."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    state = request.app.state
    collector = CentreCollector(state.context, state.broker, rights_in(request))
    body = await run_in_threadpool(lambda: encode(_registry(collector)))
    return Response(body, headers={"Content-Type": media_type})


def _registry(collector: Collector) -> CollectorRegistry:
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    made.register(collector)
    return made


class CentreCollector:
    """Collects the metrics of one scrape; waits for the database."""

    def __init__(self, context: CentreContext, broker: BrokerClient | None, rights: Rights) -> None:
        self._context, self._broker, self._rights = context, broker, rights

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        store, wall = self._context.store, self._context.clock.wall()
        devices = [one for one in store.devices() if any(self._rights.allow(site, "viewer") for site in one.sites)]
        behind = [one for one in store.behind() if self._rights.allow(one.site, "viewer")]
        yield _gauge("edgeface_info", "Always 1.", ["version"], [((__version__,), 1)])
        states = {one.device: "never" if one.revoked is None else "revoked" for one in devices}
        counts = Counter({**states, **_worst(behind)}.values())
        text = "Devices by what they have signed."
        yield _gauge("edgeface_centre_devices", text, ["state"], [((one,), counts[one]) for one in _STATES])
        yield from _sites(behind, wall)
        ends = [((one.device,), (one.certificate_ends - wall) / DAY) for one in devices if one.revoked is None]
        yield _gauge("edgeface_centre_certificate_days", "Days until a certificate ends.", ["device"], ends)
        if self._broker is not None:
            yield from _events(self._broker)
        if self._rights.sites is None:
            yield from _search(self._context)


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


def _search(context: CentreContext) -> Iterator[Metric]:
    try:
        state = SearchClient(context.settings.search).state()
    except FleetError:
        state = State(people=0, ready=0, restarts=0, answers=0, seconds=0.0)
    yield _gauge("edgeface_centre_search_ready", "Search workers that can answer.", [], [((), state.ready)])
    yield _gauge("edgeface_centre_search_people", "Templates that are searched.", [], [((), state.people)])
    text = "Search workers that have ended and were replaced."
    yield CounterMetricFamily("edgeface_centre_search_worker_restarts", text, state.restarts)
    seconds = SummaryMetricFamily("edgeface_centre_search_seconds", "Searches that were answered, with their time.")
    seconds.add_metric([], state.answers, state.seconds)
    yield seconds
