"""A worker of the recognition service: edgeface/workers/worker.py, with its own models."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import TYPE_CHECKING

from edgeface.core.clock import SystemClock
from edgeface.core.console import complain
from edgeface.core.errors import ConfigError, EdgefaceError, system_reason
from edgeface.core.log import set_up
from edgeface.recognition_service.app import application
from edgeface.recognition_service.context import ServiceContext
from edgeface.recognition_service.handover import Handover
from edgeface.security.process import leave_no_core
from edgeface.web.server import tls_context
from edgeface.workers.channel import CONFIGURATION
from edgeface.workers.shared_counts import SharedCounts
from edgeface.workers.worker import Serving, Worker

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from edgeface.config.configuration import Serve


def main(arguments: Sequence[str]) -> int:
    """Serve; returns the exit status."""
    number, channel, counts, *listeners = map(int, arguments)
    leave_no_core()
    given = Handover.model_validate_json(sys.stdin.buffer.read())
    os.chdir(given.folder)
    set_up(given.configuration.log)
    try:
        asyncio.run(_serve(given, SharedCounts(counts, number), channel, listeners))
    except EdgefaceError as error:
        complain(f"worker {number}: {error}")
        return CONFIGURATION
    return 0


async def _serve(given: Handover, counts: SharedCounts, channel: int, listeners: Sequence[int]) -> None:
    settings = given.configuration.serve
    assert settings is not None  # noqa: S101 - the supervisor always gives it
    context = ServiceContext(given.configuration, SystemClock(), counts)
    serving = Serving(
        application=lambda: application(context, settings),
        tls=lambda: _tls(settings),
        proxies=settings.trusted_proxies,
        stop_seconds=settings.stop_seconds,
        replacement=given.replacement,
    )
    worker = Worker(context, serving, socket.socket(fileno=channel))
    await worker.serve([socket.socket(fileno=one) for one in listeners])


def _tls(settings: Serve) -> ssl.SSLContext | None:
    try:
        return None if settings.tls is None else tls_context(settings.tls)
    except OSError as error:
        raise ConfigError(f"serve.tls: {system_reason(error)}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
