"""Metrics about the centre itself: its database, keyring, certificates, upkeep, answers and search."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from edgeface.centre.search.client import SearchClient
from edgeface.centre.search.messages import State
from edgeface.core.clock import DAY
from edgeface.core.errors import FleetError
from edgeface.recognition.timings import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edgeface.centre.authority import Authority
    from edgeface.centre.housekeeping import Housekeeping
    from edgeface.centre.records import Site
    from edgeface.centre.settings import Search
    from edgeface.centre.tables.condition import DatabaseCondition
    from edgeface.recognition.timings import Histogram


def of_sites(sites: Iterable[Site], condition: DatabaseCondition, wall: float) -> Iterator[Metric]:
    """People, changes and proposals of each site."""
    people = GaugeMetricFamily("edgeface_centre_people", "People of a site.", labels=["site"])
    changes = GaugeMetricFamily("edgeface_centre_change_number", "The number of the latest change.", labels=["site"])
    waiting = GaugeMetricFamily("edgeface_centre_proposals", "Proposals that wait for an admin.", labels=["site"])
    text = "Age of the oldest proposal that waits."
    oldest = GaugeMetricFamily("edgeface_centre_proposal_age_seconds", text, labels=["site"])
    for one in sites:
        count, arrived = condition.proposals.get(one.site, (0, wall))
        people.add_metric([one.site], one.count)
        changes.add_metric([one.site], one.seq)
        waiting.add_metric([one.site], count)
        oldest.add_metric([one.site], max(0.0, wall - arrived))
    yield from (people, changes, waiting, oldest)


def of_database(condition: DatabaseCondition, wall: float) -> Iterator[Metric]:
    """What the database tells about itself; what is unknown is left out."""
    text = "Months to come that have a partition of events."
    yield GaugeMetricFamily("edgeface_centre_event_months_ahead", text, condition.months_ahead)
    yield GaugeMetricFamily("edgeface_centre_standbys", "Servers that receive the log now.", condition.standbys)
    if condition.archived is not None:
        text, age = "Time since the log was last archived.", max(0.0, wall - condition.archived)
        yield GaugeMetricFamily("edgeface_centre_archived_seconds", text, age)
    if condition.archive_fails is not None:
        text = "1 while the log cannot be archived."
        yield GaugeMetricFamily("edgeface_centre_archive_problem", text, float(condition.archive_fails))


def of_certificates(authority: Authority, wall: float) -> Iterator[Metric]:
    """Days until the certificates of the centre end; below 0 once they have."""
    left = (authority.certificate.not_valid_after_utc.timestamp() - wall) / DAY
    yield GaugeMetricFamily("edgeface_centre_authority_days", "Days until the authority ends.", left)
    ends = authority.server_ends()
    if ends is not None:
        text = "Days until the server's certificate ends."
        yield GaugeMetricFamily("edgeface_centre_server_certificate_days", text, (ends - wall) / DAY)


def of_upkeep(housekeeping: Housekeeping, wall: float) -> Iterator[Metric]:
    """Whether the upkeep succeeds."""
    text = "1 while the upkeep fails."
    yield GaugeMetricFamily("edgeface_centre_upkeep_problem", text, float(housekeeping.problem is not None))
    if housekeeping.succeeded is not None:
        text, age = "Time since all of the upkeep last succeeded.", max(0.0, wall - housekeeping.succeeded)
        yield GaugeMetricFamily("edgeface_centre_upkeep_seconds", text, age)


def of_answers(answers: Histogram) -> Iterator[Metric]:
    """How long answers to devices took since the start."""
    ends = [*(str(float(end)) for end in BUCKETS), "+Inf"]
    family = HistogramMetricFamily("edgeface_centre_answer_seconds", "Time of an answer to a device.")
    family.add_metric([], list(zip(ends, map(float, accumulate(answers.counts)), strict=True)), answers.total)
    yield family


def of_search(settings: Search) -> Iterator[Metric]:
    """The search workers, zeros while none runs."""
    try:
        state = SearchClient(settings).state()
    except FleetError:
        state = State(people=0, ready=0, restarts=0, answers=0, seconds=0.0)
    yield GaugeMetricFamily("edgeface_centre_search_ready", "Search workers that can answer.", state.ready)
    yield GaugeMetricFamily("edgeface_centre_search_people", "Templates that are searched.", state.people)
    text = "Search workers that have ended and were replaced."
    yield CounterMetricFamily("edgeface_centre_search_worker_restarts", text, state.restarts)
    text = "Searches that were answered, with their time."
    yield SummaryMetricFamily("edgeface_centre_search_seconds", text, state.answers, state.seconds)
