"""The application of a worker, without its process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from edgeface.config.configuration import Configuration, Serve
from edgeface.recognition_service.app import application
from edgeface.recognition_service.context import ServiceContext
from edgeface.web.http.headers import FIXED
from edgeface.workers.shared_counts import SharedCounts, make
from tests.support.clock import FixedClock

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    memory = make(1)
    context = ServiceContext(Configuration(data=tmp_path), FixedClock(100.0), SharedCounts(memory, 0))
    os.close(memory)
    return TestClient(application(context, Serve(trusted_proxies=("10.0.0.1",))), client=("10.0.0.1", 50_000))


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/health/live", {}, 200),
        ("/health/ready", {}, 503),
        ("/login", {}, 404),
        ("/api/v1/recognise", {}, 503),
        ("/api/v1/recognise", {"x-forwarded-proto": "gopher"}, 400),
        ("/health/live", {"x-forwarded-prefix": "/../a"}, 400),
    ],
)
def test_every_answer_has_the_security_headers(
    client: TestClient, path: str, headers: dict[str, str], status: int
) -> None:
    answer = client.get(path, headers=headers)
    assert answer.status_code == status
    assert FIXED.items() <= dict(answer.headers).items()
    assert answer.headers["cache-control"] == "no-store"
