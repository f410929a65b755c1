"""`edgeface centre search`: the process that opens the templates, and starts the workers that search them."""

from __future__ import annotations

import json
import signal
from contextlib import closing
from typing import TYPE_CHECKING

from edgeface.centre.context import opened
from edgeface.centre.search.following import Following
from edgeface.core.clock import SystemClock
from edgeface.core.errors import ConfigError, system_reason
from edgeface.core.text import printable_path
from edgeface.faces.embedder import open_embedder
from edgeface.workers.listeners import own_socket
from edgeface.workers.supervisor import Supervisor

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from edgeface.centre.settings import CentreSettings

STOP_SECONDS = 5.0
"""Seconds to finish the searches in progress when the service stops."""


def serve(settings: CentreSettings) -> int:
    """Serve until SIGTERM or SIGINT; gives the exit status. Raises ConfigError, FleetError, ModelError, VaultError."""
    clock, embedder = SystemClock(), open_embedder(settings.embedder.model)
    _make_folder(settings)
    with (
        opened(settings, clock) as context,
        closing(Following(context.store.templates, embedder.name, embedder.size)) as following,
    ):
        following.load()
        supervisor = Supervisor(SearchService(settings, following, embedder.name), settings.search.workers, clock)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stop())
        return supervisor.run()


class SearchService:
    """The templates of all sites; a change is written into the memory that workers have."""

    title = "search"
    module = "edgeface.centre.search.worker"
    lost = "the people cannot be followed, so no one will be found"
    stop_seconds = STOP_SECONDS

    def __init__(self, settings: CentreSettings, following: Following, model: str) -> None:
        self._settings, self._following, self._model = settings, following, model

    @property
    def url(self) -> str:
        """The folder of the workers' sockets."""
        return printable_path(self._settings.search.sockets)

    @property
    def shared(self) -> int:
        """The memory with the templates."""
        return self._following.handle

    @property
    def version(self) -> int:
        """Another number for each `shared`."""
        return self._following.version

    @property
    def people(self) -> int:
        """How many templates there are."""
        return self._following.people

    def follow(self, _: float) -> bool:
        """Take in changes. Raises FleetError."""
        return self._following.follow()

    def handover(self, *, replacement: bool) -> bytes:
        """What a worker needs of the settings, as worker.Handover: no password, and no key."""
        log = self._settings.log.model_dump(mode="json")
        return json.dumps({"replacement": replacement, "model": self._model, "log": log}).encode()

    def listen(self, number: int) -> Sequence[socket.socket]:
        """The socket of a worker. Raises ConfigError."""
        return [own_socket(self._settings.search.sockets, number, "search.sockets")]


def _make_folder(settings: CentreSettings) -> None:
    folder = settings.search.sockets
    try:
        folder.mkdir(mode=0o750, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"search.sockets: {printable_path(folder)}: {system_reason(error)}") from error
