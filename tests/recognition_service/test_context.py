"""When a worker is ready: models loaded, people received and confirmed, not stopping."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from edgeface.config.configuration import Configuration, Serve
from edgeface.core import systemd
from edgeface.gallery.snapshot import GallerySnapshot, Person
from edgeface.recognition_service.context import STALE_SECONDS, ServiceContext
from edgeface.recognition_service.handover import Handover, handover
from edgeface.recognition_service.shared_people import share
from edgeface.web.http.problems import Problem
from edgeface.workers.shared_counts import SharedCounts, make
from edgeface.workers.supervisor import END_SECONDS
from tests.support.clock import FixedClock
from tests.support.embeddings import unit

if TYPE_CHECKING:
    from edgeface.core.types import Embedding

UNIT = Path(__file__).parents[2] / "systemd" / "edgeface-serve.service"


def snapshot(embedding: Embedding) -> GallerySnapshot:
    return GallerySnapshot((Person("alice", "Alice", False, 0.0, 1, 0),), embedding[None], 0)


def problem(context: ServiceContext) -> str | None:
    return context.problem


def test_nobody_is_recognised_unless_the_people_are_known_to_be_current() -> None:
    clock, memory = FixedClock(100.0), make(1)
    context = ServiceContext(Configuration(), clock, SharedCounts(memory, 0))
    os.close(memory)
    assert problem(context) == "the models are being loaded"
    context.warm()
    assert problem(context) == "the gallery is being read"
    with pytest.raises(Problem) as refused:
        context.snapshot()
    assert refused.value.status == 503
    people = snapshot(unit(1))
    handle = share(people)
    context.use(handle)
    os.close(handle)
    context.confirm()
    assert problem(context) is None
    assert context.snapshot().people == people.people
    clock.sleep(STALE_SECONDS)
    assert problem(context) is None
    clock.sleep(0.1)
    assert problem(context) is not None
    with pytest.raises(Problem):
        context.snapshot()
    context.confirm()
    assert context.snapshot().people == people.people
    context.stopping = True
    assert problem(context) == "the service is stopping"
    # What is under way is finished.
    assert context.snapshot().people == people.people


def test_the_service_stops_before_it_is_ended_by_force() -> None:
    with pytest.raises(ValidationError):
        Serve(stop_seconds=15.1)
    longest = Serve(stop_seconds=15).stop_seconds + END_SECONDS
    assert longest < systemd.HEALTH_SECONDS
    assert longest < int(re.findall(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)[0])


def test_a_worker_gets_what_it_needs_and_no_login() -> None:
    configuration = Configuration.model_validate(
        {
            "data": "data",
            "mqtt": {"host": "127.0.0.1", "username": "hunter2"},
            "recognition": {"level": "high"},
            "serve": {"workers": 3},
        }
    )
    given = handover(configuration, Serve(queue=5), replacement=True)
    assert b"hunter2" not in given
    read = Handover.model_validate_json(given)
    assert (read.replacement, read.folder) == (True, os.getcwd())  # noqa: PTH109 - text
    assert read.configuration.recognition.level == "high"
    assert read.configuration.serve == Serve(queue=5)
    assert read.configuration.mqtt is None
    assert read.configuration.detector == configuration.detector
