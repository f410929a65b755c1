"""What the handlers of both listeners work with."""

from __future__ import annotations

import logging
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgeface.config.configuration import Configuration
from edgeface.faces.calibration import table_of
from edgeface.gallery.agreement import Limits
from edgeface.web.context import Models

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from edgeface.centre.authority import Authority
    from edgeface.centre.settings import CentreSettings
    from edgeface.centre.store import Store
    from edgeface.core.clock import Clock
    from edgeface.faces.analyzer import FaceAnalyzer

log = logging.getLogger(__name__)

KEYRING = "keyring"
"""The folder of the first copy of the keyring, in the data folder."""


@dataclass(frozen=True, slots=True, eq=False)
class CentreContext:
    """The centre: `request.app.state.context`; any thread may use it."""

    settings: CentreSettings
    clock: Clock
    store: Store
    authority: Authority
    models: Models = field(default_factory=Models)

    def analyzer(self) -> AbstractContextManager[FaceAnalyzer]:
        """Wait for exclusive use of the models, which may have to be loaded. Raises ModelError."""
        return self.models.analyzer(Configuration(embedder=self.settings.embedder, quality=self.settings.quality))

    def record(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Log what happened at the listeners; changes of people and devices are recorded by the store."""
        log.info("%s: %s", kind, ", ".join(f"{key} {value}" for key, value in facts.items()))


@contextmanager
def opened(settings: CentreSettings, clock: Clock, *, restored: bool = False) -> Iterator[CentreContext]:
    """The centre of these settings, with its database brought to the newest version.

    `restored` says that the database came from a backup. Raises ConfigError without `edgeface centre init`, FleetError
    if the database cannot be used.
    """
    from edgeface.centre.authority import Authority
    from edgeface.centre.keys.keyring import Keyring
    from edgeface.centre.store import Store

    authority, conninfo = Authority.open(settings.data, clock), settings.database.open_conninfo()
    limits = Limits.of(table_of(settings.embedder.model).cosine)
    with (
        closing(Keyring(settings.data / KEYRING, settings.keyring, settings.passphrase())) as keyring,
        closing(Store(conninfo, keyring, clock, lease_seconds=settings.lease_seconds, limits=limits)) as store,
    ):
        if restored:
            store.after_restore()
        else:
            store.migrate()
        yield CentreContext(settings, clock, store, authority)
