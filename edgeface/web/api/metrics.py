"""/metrics for Prometheus: what the daemon counts, with nothing personal in it; docs/metrics.md has the table."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from edgeface.cameras.capture import Status
from edgeface.recognition.timings import BUCKETS
from edgeface.web.auth.guard import viewer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from prometheus_client.registry import Collector
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from edgeface.recognition.timings import Histogram, Timings
    from edgeface.web.site import WebContext


if TYPE_CHECKING:
    State = Mapping[str, Any]
    Sample = tuple[tuple[str, ...], float]

_STAGES = ("detect", "landmark", "embed", "match")
_SAID = ("said", "late", "missed", "lost", "ignored", "snapshots_dropped")
"""Of the counters in the state's `mqtt`."""


def routes() -> list[BaseRoute]:
    """The one address that Prometheus scrapes."""
    return [Route("/metrics", metrics, methods=["GET"])]


@viewer
async def metrics(request: Request) -> Response:
    """Everything that is counted, as it is now, in the format that the scraper asks for."""
    site: WebContext = request.app.state.site
    state = await site.hub.report()
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    body = await run_in_threadpool(lambda: encode(registry(site, state)))
    return Response(body, headers={"Content-Type": media_type})


def registry(site: WebContext, state: State) -> CollectorRegistry:
    """The metrics of one scrape, and those of the process."""
    fresh = CollectorRegistry()
    ProcessCollector(registry=fresh)
    collected: Collector = Collected(site, state)
    fresh.register(collected)
    return fresh


class Collected:
    """What one scrape gives; it waits for the disk."""

    def __init__(self, site: WebContext, state: State) -> None:
        self._site, self._state = site, state

    def collect(self) -> Iterator[Metric]:
        """Give every metric that there is something to say about."""
        state, timings = self._state, self._site.timings
        if timings is not None:
            yield from _times(timings)
        yield from _cameras(state.get("cameras") or {})
        yield from _doors(state.get("doors") or {})
        yield from _broker(state.get("mqtt"))
        yield from _journal(state.get("journal") or {}, self._site.journal.unpublished_count())
        yield from _device(state)
        yield from _web(self._site)


def _times(timings: Timings) -> Iterator[Metric]:
    stages = HistogramMetricFamily("edgeface_stage_seconds", "Time that one call of a stage takes.", labels=["stage"])
    for stage, histogram in timings.stages.items():
        if stage in _STAGES:
            stages.add_metric([stage], *_buckets(histogram))
    yield stages
    yield _whole("edgeface_frame_seconds", "Time that the pipeline takes for a frame.", timings.stages["frame"])
    yield _whole("edgeface_event_age_seconds", "From a frame's capture to its event.", timings.stages["event"])
    yield _whole("edgeface_publish_seconds", "From sending an event to the broker's answer.", timings.stages["publish"])
    events = ((kind, count) for kind, count in sorted(timings.events.items()))
    yield _counter("edgeface_events", "Events.", ["camera", "kind"], events)
    tracks = (((camera,), float(count)) for camera, count in sorted(timings.tracks.items()))
    yield _gauge("edgeface_tracks", "Faces that are followed in the newest frame.", ["camera"], tracks)
    yield from _known("edgeface_people", "People enrolled.", timings.people)


def _cameras(cameras: Mapping[str, State]) -> Iterator[Metric]:
    def of(key: str) -> list[Sample]:
        return [((name,), float(said[key])) for name, said in cameras.items() if said.get(key) is not None]

    def by_reason(key: str) -> list[Sample]:
        return [((name, reason), n) for name, said in cameras.items() for reason, n in (said.get(key) or {}).items()]

    camera = ["camera"]
    yield _counter("edgeface_camera_frames", "New pictures that a camera gave.", camera, of("frames"))
    yield _counter("edgeface_camera_processed", "Frames that were looked at.", camera, of("processed"))
    yield _counter("edgeface_camera_dropped", "Frames that a newer one has replaced.", camera, of("drops"))
    yield _counter("edgeface_camera_reopens", "Openings of a camera after the first.", camera, of("reopens"))
    yield _counter(
        "edgeface_tracks_not_judged",
        "Faces that went with nothing decided.",
        ["camera", "reason"],
        by_reason("not_judged"),
    )
    held = of("unknown_held_back")
    yield _counter("edgeface_unknown_held_back", "Unknown events beyond the rate limit.", camera, held)
    yield _gauge("edgeface_camera_fps", "New pictures a second, over five seconds.", camera, of("fps"))
    yield _gauge("edgeface_camera_age_seconds", "Age of the last frame that was looked at.", camera, of("age"))
    yield _gauge(
        "edgeface_camera_status",
        "1 for the status that a camera has.",
        ["camera", "status"],
        [((name, one), float(said.get("status") == one)) for name, said in cameras.items() for one in get_args(Status)],
    )


def _doors(doors: Mapping[str, State]) -> Iterator[Metric]:
    def of(key: str) -> list[Sample]:
        return [((name,), float(said[key])) for name, said in doors.items() if said.get(key) is not None]

    refused = [((name, why), n) for name, said in doors.items() for why, n in (said.get("refused") or {}).items()]
    results = [((name, one), n) for one in ("opened", "rejected") for (name,), n in of(one)]
    yield _counter("edgeface_door_grants", "Grants that were signed for a door.", ["door"], of("granted"))
    yield _counter("edgeface_door_refusals", "Visits that a door stayed shut for.", ["door", "reason"], refused)
    yield _counter("edgeface_door_results", "What the door has made of grants.", ["door", "result"], results)
    yield _gauge("edgeface_door_nonce_age_seconds", "Since the door's last sign of life.", ["door"], of("nonce_age"))
    problems = [((name,), float(said.get("problem") is not None)) for name, said in doors.items()]
    yield _gauge("edgeface_door_problem", "1 while a door cannot open for anybody.", ["door"], problems)


def _broker(mqtt: State | None) -> Iterator[Metric]:
    if mqtt is None:
        return
    yield from _known("edgeface_mqtt_connected", "1 while the broker takes what is said.", mqtt.get("problem") is None)
    said = [((key,), float(mqtt[key])) for key in _SAID if key in mqtt]
    yield _counter("edgeface_mqtt_messages", "What became of what was to be said.", ["fate"], said)
    yield from _known("edgeface_journal_queue", "Rows that wait for the disk.", mqtt.get("waiting_for_disk"))


def _journal(journal: State, unsaid: int) -> Iterator[Metric]:
    yield from _known("edgeface_journal_unsaid", "Rows that the broker has not been told.", unsaid)
    yield from _known("edgeface_journal_problem", "1 while it cannot be written.", journal.get("problem") is not None)
    failures = [((), float(journal.get("failures", 0)))]
    yield _counter("edgeface_journal_failures", "Times that it could not be written.", [], failures)


def _device(state: State) -> Iterator[Metric]:
    if not state:
        return
    info = [((str(state.get("version")), str(state.get("key"))), 1.0)]
    yield _gauge("edgeface_info", "1; the version, and where the vault's key is.", ["version", "key"], info)
    yield from _known("edgeface_uptime_seconds", "Since the daemon started.", state.get("uptime"))
    yield from _known("edgeface_temperature_celsius", "Of the processor.", state.get("temperature"))
    yield from _known("edgeface_throttled", "1 while the board is slowed down.", state.get("throttled"))
    synced = state.get("clock") == "synced"
    yield from _known("edgeface_clock_synced", "1 while the wall clock is known to be right.", synced)
    problems = len(state.get("problems", ()))
    yield from _known("edgeface_problems", "Lines that the state has under problems.", problems)


def _web(site: WebContext) -> Iterator[Metric]:
    yield from _known("edgeface_web_listeners", "Who listens to the event stream.", site.hub.listeners)
    dropped = [((), float(site.hub.dropped))]
    yield _counter("edgeface_web_dropped", "What listeners were too slow for.", [], dropped)


def _whole(name: str, words: str, histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(name, words)
    family.add_metric([], *_buckets(histogram))
    return family


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """The counts as Prometheus has them, each with all below it, and the sum."""
    ends = [*(str(float(end)) for end in BUCKETS), "+Inf"]
    return list(zip(ends, map(float, accumulate(histogram.counts)), strict=True)), histogram.total


def _counter(name: str, words: str, labels: list[str], samples: Iterable[Sample]) -> Metric:
    family = CounterMetricFamily(name, words, labels=labels)
    for values, count in samples:
        family.add_metric(list(values), count)
    return family


def _gauge(name: str, words: str, labels: list[str], samples: Iterable[Sample]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=labels)
    for values, value in samples:
        family.add_metric(list(values), value)
    return family


def _known(name: str, words: str, value: float | None) -> Iterator[Metric]:
    """A gauge without labels; none where it is not known."""
    if value is not None:
        yield GaugeMetricFamily(name, words, value=float(value))
