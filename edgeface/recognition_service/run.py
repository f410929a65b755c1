"""edgeface serve: the recognition service in the foreground."""

from __future__ import annotations

import signal
from contextlib import closing
from typing import TYPE_CHECKING

from edgeface.config import loader
from edgeface.config.configuration import MAX_WORKERS, Serve
from edgeface.core.board import cores
from edgeface.core.clock import SystemClock
from edgeface.core.errors import ConfigError, UsageError
from edgeface.core.installed.parts import missing_part
from edgeface.core.log import set_up
from edgeface.faces.embedder import embedder_name
from edgeface.recognition_service.gallery_reader import GalleryReader
from edgeface.recognition_service.service import RecognitionService
from edgeface.security.process import leave_no_core
from edgeface.workers.listeners import Listeners
from edgeface.workers.supervisor import Supervisor

if TYPE_CHECKING:
    import argparse


def run_serve(arguments: argparse.Namespace) -> int:
    """`edgeface serve`: the recognition service until SIGTERM or SIGINT."""
    configuration = loader.load(arguments.config)
    if (missing := missing_part("web", "edgeface serve")) is not None:
        raise ConfigError(str(missing))
    settings = configuration.serve or Serve()
    workers = arguments.workers if arguments.workers is not None else settings.workers or cores()
    if not 1 <= workers <= MAX_WORKERS:
        raise UsageError(f"--workers: should be from 1 to {MAX_WORKERS}")
    set_up(configuration.log)
    leave_no_core()
    model = embedder_name(configuration.embedder.model)
    with (
        closing(GalleryReader(configuration.data, model)) as reader,
        closing(Listeners(settings)) as listeners,
        closing(RecognitionService(configuration, settings, reader, listeners)) as service,
    ):
        supervisor = Supervisor(service, workers, SystemClock())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stop())
        return supervisor.run()
