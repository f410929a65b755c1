"""/metrics of the recognition service: the counts of all its workers, whichever of them answers."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from starlette.responses import Response

from edgeface import __version__
from edgeface.recognition.timings import BUCKETS
from edgeface.web.auth.guard import viewer
from edgeface.workers.shared_counts import LABELS, STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.registry import Collector
    from starlette.requests import Request

    from edgeface.workers.shared_counts import SharedCounts


@viewer
async def metrics(request: Request) -> Response:
    """All metrics, in the format that the client asks for."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    registry = CollectorRegistry()
    collector: Collector = _Counts(request.app.state.context.counts)
    registry.register(collector)
    return Response(encode(registry), headers={"Content-Type": media_type})


class _Counts:
    """Collects the metrics of one scrape."""

    def __init__(self, counts: SharedCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        counts = self._counts
        info = GaugeMetricFamily("edgeface_info", "Always 1.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        requests = CounterMetricFamily("edgeface_serve_requests", "Answers of the REST interface.", labels=["status"])
        for status in (*STATUSES, 0):
            requests.add_metric([str(status or "other")], counts.get(f"status {status}"))
        yield requests
        seen = CounterMetricFamily("edgeface_serve_faces", "Faces in pictures.", labels=["label"])
        for label in LABELS:
            seen.add_metric([label], counts.get(f"label {label}"))
        yield seen
        yield _seconds(counts)
        for name, text in (
            ("waiting", "Pictures in progress or waiting."),
            ("workers_ready", "Workers that are ready."),
            ("people", "Enrolled people, without the ignore list."),
        ):
            yield GaugeMetricFamily(f"edgeface_serve_{name}", text, counts.get(name))
        text = "Workers that have ended and were replaced."
        yield CounterMetricFamily("edgeface_serve_worker_restarts", text, counts.get("restarts"))


def _seconds(counts: SharedCounts) -> Metric:
    family = HistogramMetricFamily("edgeface_serve_seconds", "From a request's headers to its answer, of status 200.")
    ends = [*(str(float(end)) for end in BUCKETS), "+Inf"]
    buckets = accumulate(counts.get(f"bucket {n}") for n in range(len(ends)))
    family.add_metric([], list(zip(ends, buckets, strict=True)), counts.get("seconds"))
    return family
