"""/metrics for Prometheus: the daemon's counters, with nothing personal; docs/metrics.md has the table."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from edgeface.access.protocol import ContactWord
from edgeface.cameras.capture import Status
from edgeface.recognition.liveness import SCORE_BUCKETS, SECOND_BUCKETS
from edgeface.recognition.timings import BUCKETS
from edgeface.web.auth.guard import viewer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from prometheus_client.registry import Collector
    from starlette.requests import Request

    from edgeface.recognition.timings import Histogram, Timings
    from edgeface.web.context import WebContext

    State = Mapping[str, Any]
    Sample = tuple[tuple[str, ...], float]

_STAGES = ("detect", "landmark", "look", "embed", "match")
_FATES = ("said", "late", "missed", "lost", "ignored", "snapshots_dropped")
"""Counters in the state's `mqtt`."""


@viewer
async def metrics(request: Request) -> Response:
    """All metrics, with current values, in the format that the client asks for."""
    context: WebContext = request.app.state.context
    state = await context.hub.fresh_state()
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    body = await run_in_threadpool(lambda: encode(registry(context, state)))
    return Response(body, headers={"Content-Type": media_type})


def registry(context: WebContext, state: State) -> CollectorRegistry:
    """The metrics of one scrape, and those of the process."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    collector: Collector = DaemonCollector(context, state)
    made.register(collector)
    return made


class DaemonCollector:
    """Collects the metrics of one scrape; waits for the disk."""

    def __init__(self, context: WebContext, state: State) -> None:
        self._context, self._state = context, state

    def collect(self) -> Iterator[Metric]:
        """Yield every metric whose value is known."""
        state, timings = self._state, self._context.timings
        if timings is not None:
            yield from _times(timings)
        yield from _cameras(state.get("cameras") or {})
        yield from _doors(state.get("doors") or {})
        yield from _broker(state.get("mqtt"))
        yield from _notifications(state.get("notify"))
        yield from _fleet((state.get("fleet") or {}).get("sites") or {})
        yield from _journal(state.get("journal") or {}, self._context.journal.unpublished_count())
        yield from _device(state)
        yield from _web(self._context)


def _times(timings: Timings) -> Iterator[Metric]:
    stages = HistogramMetricFamily("edgeface_stage_seconds", "Time of one call of a stage.", labels=["stage"])
    for stage, histogram in timings.stages.items():
        if stage in _STAGES:
            stages.add_metric([stage], *_buckets(histogram))
    yield stages
    yield _histogram("edgeface_frame_seconds", "Time of all the pipeline's work for a frame.", timings.stages["frame"])
    yield _histogram("edgeface_event_age_seconds", "From a frame's capture to its event.", timings.stages["event"])
    sent = timings.stages["publish"]
    yield _histogram("edgeface_publish_seconds", "From sending an event to the broker's answer.", sent)
    yield _counter("edgeface_events", "Events.", ["camera", "kind"], sorted(timings.events.items()))
    tracks = (((camera,), float(count)) for camera, count in sorted(timings.tracks.items()))
    yield _gauge("edgeface_tracks", "Faces tracked in the newest frame.", ["camera"], tracks)
    yield from _known("edgeface_people", "People enrolled, without the ignored.", timings.people)


def _values(reports: Mapping[str, State], key: str) -> list[Sample]:
    """The number at `key` of each camera or door that has it."""
    return [((name,), float(report[key])) for name, report in reports.items() if report.get(key) is not None]


def _by_reason(reports: Mapping[str, State], key: str) -> list[Sample]:
    """The counts by reason at `key` of each camera or door."""
    return [((name, why), n) for name, report in reports.items() for why, n in (report.get(key) or {}).items()]


def _cameras(cameras: Mapping[str, State]) -> Iterator[Metric]:
    for make, name, key, text in (
        (_counter, "edgeface_camera_frames", "frames", "New pictures."),
        (_counter, "edgeface_camera_processed", "processed", "Frames processed."),
        (_counter, "edgeface_camera_dropped", "drops", "Frames replaced by a newer one."),
        (_counter, "edgeface_camera_reopens", "reopens", "Times the camera was opened after the first."),
        (
            _counter,
            "edgeface_camera_repeated",
            "repeated",
            "Pictures identical to an earlier one, other than the last.",
        ),
        (
            _gauge,
            "edgeface_camera_replayed",
            "replayed",
            "1 while the pictures count as a recording in place of the camera.",
        ),
        (_counter, "edgeface_unknown_held_back", "unknown_held_back", "Unknown events beyond the rate limit."),
        (_gauge, "edgeface_camera_fps", "fps", "New pictures per second, over five seconds."),
        (_gauge, "edgeface_camera_age_seconds", "age", "Age of the last processed frame."),
    ):
        yield make(name, text, ["camera"], _values(cameras, key))
    text = "Faces that came and went without a decision."
    yield _counter("edgeface_tracks_not_judged", text, ["camera", "reason"], _by_reason(cameras, "not_judged"))
    yield from _liveness({name: report.get("liveness") or {} for name, report in cameras.items()})
    now = {name: report.get("status") for name, report in cameras.items()}
    statuses = [((name, one), float(status == one)) for name, status in now.items() for one in get_args(Status)]
    text = "1 for the current status, 0 for the others."
    yield _gauge("edgeface_camera_status", text, ["camera", "status"], statuses)


def _liveness(cameras: Mapping[str, State]) -> Iterator[Metric]:
    yield _counter("edgeface_looks", "Looks at faces for liveness.", ["camera"], _values(cameras, "looks"))
    for name, key, label, text in (
        ("edgeface_looks_withheld", "withheld", "reason", "Good frames that gave no look."),
        ("edgeface_liveness_verdicts", "verdicts", "verdict", "Visits by verdict."),
        ("edgeface_challenges", "challenges", "result", "Head-turn challenges."),
    ):
        yield _counter(name, text, ["camera", label], _by_reason(cameras, key))
    for name, key, total, ends, text in (
        ("edgeface_liveness_score", "scores", "score_total", SCORE_BUCKETS, "Lowest mean of a model at a verdict."),
        ("edgeface_liveness_seconds", "seconds", "seconds_total", SECOND_BUCKETS, "From the first frame to `living`."),
    ):
        family = HistogramMetricFamily(name, text, labels=["camera"])
        for camera, report in cameras.items():
            counts = list(accumulate(report.get(key) or [0] * (len(ends) + 1)))
            labels = [*(str(float(end)) for end in ends), "+Inf"]
            buckets = list(zip(labels, map(float, counts), strict=True))
            family.add_metric([camera], buckets, float(report.get(total) or 0.0))
        yield family


def _doors(doors: Mapping[str, State]) -> Iterator[Metric]:
    yield _counter("edgeface_door_grants", "Grants signed.", ["door"], _values(doors, "granted"))
    text = "Visits for which a door did not open."
    yield _counter("edgeface_door_refusals", text, ["door", "reason"], _by_reason(doors, "refused"))
    results = [((name, one), n) for one in ("opened", "rejected") for (name,), n in _values(doors, one)]
    yield _counter("edgeface_door_results", "The door's answers to grants.", ["door", "result"], results)
    yield _counter("edgeface_door_alarms", "What a door has reported.", ["door", "kind"], _by_reason(doors, "alarms"))
    text = "Reports of a door that do not count."
    yield _counter("edgeface_door_unproven_reports", text, ["door", "reason"], _by_reason(doors, "unproven"))
    yield _gauge("edgeface_door_contact", "1 for the state of the contact.", ["door", "status"], _contacts(doors))
    factors = {name: report.get("factors") or {} for name, report in doors.items()}
    shown = [((name, "right"), n) for (name,), n in _values(factors, "right")]
    text = "Second factors that were shown at the door."
    yield _counter("edgeface_door_factors", text, ["door", "result"], [*shown, *_by_reason(factors, "refused")])
    text = "Time since the door's last sign of life."
    yield _gauge("edgeface_door_nonce_age_seconds", text, ["door"], _values(doors, "nonce_age"))
    problems = [((name,), float(report.get("problem") is not None)) for name, report in doors.items()]
    yield _gauge("edgeface_door_problem", "1 while the door cannot open for anyone.", ["door"], problems)


def _notifications(notify: State | None) -> Iterator[Metric]:
    if notify is None:
        return
    targets = notify["targets"]
    fates = [((name, key), float(one[key])) for name, one in targets.items() for key in ("sent", "failed", "expired")]
    yield _counter("edgeface_notifications", "Notifications by what became of them.", ["target", "result"], fates)
    text = "Notifications that an hourly limit has held back."
    yield _counter("edgeface_notifications_held_back", text, [], [((), float(notify["held_back"]))])
    problems = [((name,), float(one["problem"] is not None)) for name, one in targets.items()]
    yield _gauge("edgeface_notify_problem", "1 while a target takes no notifications.", ["target"], problems)


def _fleet(sites: Mapping[str, State]) -> Iterator[Metric]:
    if sites:
        text = "Time since the centre's last answer."
        yield _gauge("edgeface_fleet_behind_seconds", text, ["site"], _values(sites, "behind"))
        text = "Until the people of the site are no longer matched."
        yield _gauge("edgeface_fleet_lease_seconds", text, ["site"], _values(sites, "lease"))
        text = "Times the people here were not those of the centre."
        yield _counter("edgeface_fleet_digest_wrong", text, ["site"], _values(sites, "digest_wrong"))


def _contacts(doors: Mapping[str, State]) -> list[Sample]:
    """A sample for each word of each door that has a contact."""
    found = {name: report["contact"] for name, report in doors.items() if report.get("contact")}
    return [((name, word), float(word == now)) for name, now in found.items() for word in get_args(ContactWord)]


def _broker(mqtt: State | None) -> Iterator[Metric]:
    if mqtt is None:
        return
    text = "1 while the broker accepts what edgeface publishes."
    yield from _known("edgeface_mqtt_connected", text, mqtt.get("problem") is None)
    fates = [((key,), float(mqtt[key])) for key in _FATES if key in mqtt]
    yield _counter("edgeface_mqtt_messages", "Messages by their fate.", ["fate"], fates)
    yield from _known("edgeface_journal_queue", "Rows waiting for the disk.", mqtt.get("waiting_for_disk"))


def _journal(journal: State, unpublished: int) -> Iterator[Metric]:
    yield from _known("edgeface_journal_unsaid", "Rows not yet published on the audit topic.", unpublished)
    problem = journal.get("problem") is not None
    yield from _known("edgeface_journal_problem", "1 while the journal cannot be written.", problem)
    failures = [((), float(journal.get("failures", 0)))]
    yield _counter("edgeface_journal_failures", "Times the journal could not be written.", [], failures)


def _device(state: State) -> Iterator[Metric]:
    if not state:
        return
    info = [((str(state.get("version")), str(state.get("key"))), 1.0)]
    yield _gauge("edgeface_info", "Always 1; key is where the vault's key is kept.", ["version", "key"], info)
    yield from _known("edgeface_uptime_seconds", "Time since the daemon started.", state.get("uptime"))
    yield from _known("edgeface_temperature_celsius", "Temperature of the processor.", state.get("temperature"))
    yield from _known("edgeface_throttled", "1 while a Raspberry Pi is throttled.", state.get("throttled"))
    synced = state.get("clock") == "synced"
    yield from _known("edgeface_clock_synced", "1 while the wall clock is known to be right.", synced)
    left = (state.get("key_list") or {}).get("seconds_left")
    yield from _known("edgeface_key_list_seconds_left", "Until the list of device keys expires.", left)
    problems = len(state.get("problems", ()))
    yield from _known("edgeface_problems", "Number of lines under problems in the state.", problems)


def _web(context: WebContext) -> Iterator[Metric]:
    yield from _known("edgeface_web_listeners", "Clients of the event stream.", context.hub.listeners)
    dropped = [((), float(context.hub.dropped))]
    yield _counter("edgeface_web_dropped", "Events that clients of the stream were too slow to receive.", [], dropped)


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(name, text)
    family.add_metric([], *_buckets(histogram))
    return family


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """The cumulative counts, as Prometheus has them, and the sum."""
    ends = [*(str(float(end)) for end in BUCKETS), "+Inf"]
    return list(zip(ends, map(float, accumulate(histogram.counts)), strict=True)), histogram.total


def _counter(name: str, text: str, labels: list[str], samples: Iterable[Sample]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in samples:
        family.add_metric(list(values), count)
    return family


def _gauge(name: str, text: str, labels: list[str], samples: Iterable[Sample]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(list(values), value)
    return family


def _known(name: str, text: str, value: float | None) -> Iterator[Metric]:
    """A gauge without labels; nothing if its value is not known."""
    if value is not None:
        yield GaugeMetricFamily(name, text, value=float(value))
