"""What the supervisor of `edgeface serve` needs to know about it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from edgeface.recognition_service.handover import handover
from edgeface.recognition_service.shared_people import share

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from edgeface.config.configuration import Configuration, Serve
    from edgeface.recognition_service.gallery_reader import GalleryReader
    from edgeface.workers.listeners import Listeners


class RecognitionService:
    """The people of a gallery; a change makes new memory, which replaces the one before."""

    title = "recognition service"
    module = "edgeface.recognition_service.worker"
    lost = "the gallery cannot be read, so no one will be recognised"

    def __init__(
        self, configuration: Configuration, settings: Serve, reader: GalleryReader, listeners: Listeners
    ) -> None:
        self._configuration, self._settings = configuration, settings
        self._reader, self._listeners = reader, listeners
        self.stop_seconds = settings.stop_seconds
        self.shared, self.version, self.people = -1, 0, 0

    @property
    def url(self) -> str:
        """The address, as it is configured."""
        return self._listeners.url

    def follow(self, wall: float) -> bool:
        """Read changes of the gallery. Raises EdgefaceError or OSError."""
        found = self._reader.newest(wall)
        if found is not None:
            handle = share(found)
            self.close()
            self.shared, self.version, self.people = handle, self.version + 1, found.enrolled
        return True

    def handover(self, *, replacement: bool) -> bytes:
        """The configuration without passwords and keys."""
        return handover(self._configuration, self._settings, replacement=replacement)

    def listen(self, number: int) -> Sequence[socket.socket]:
        """The sockets of a worker. Raises ConfigError."""
        return self._listeners.open(number)

    def close(self) -> None:
        """Give the memory back."""
        if self.shared >= 0:
            os.close(self.shared)
        self.shared = -1
