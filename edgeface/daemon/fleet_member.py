"""A daemon's part in a fleet; nothing of it is loaded unless the configuration or the data folder has a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeface.core.errors import ConfigError
from edgeface.core.installed.parts import missing_part
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.leases import FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeface.access.site_policy import SitePolicy
    from edgeface.config.configuration import Configuration
    from edgeface.core.clock import Clock
    from edgeface.fleet.device.follower import Follower
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.security.vault import Vault


class FleetMember:
    """Starts and stops what follows the centre.

    A device that has joined also counts its leases when the configuration no longer has a fleet: without that, removing
    the section would keep people for ever.
    """

    def __init__(
        self,
        configuration: Callable[[], Configuration],
        vault: Vault,
        clock: Clock,
        latest: Callable[[], GallerySnapshot | None],
        *,
        record: Callable[[str, Mapping[str, Any]], None] = lambda _, __: None,
        changed_over: Callable[[], None] = lambda: None,
    ) -> None:
        """`record` writes a row to the journal; `changed_over` is called when another embedder is in use.

        Both are called by the follower's thread.

        Raises ConfigError if the device has joined, or is to join, and the part `fleet` is not installed.
        """
        self._follower: Follower | None = None
        settings = configuration()
        if settings.fleet is None and not (settings.data / FILE).exists():
            return
        missing = missing_part("fleet", "fleet")
        if missing is not None:
            raise ConfigError(str(missing))
        from edgeface.fleet.device.follower import Follower

        model = embedder_name(settings.embedder.model)
        self._follower = Follower(
            configuration, vault, model, clock, latest=latest, record=record, changed_over=changed_over
        )

    def start(self) -> None:
        """End what is over, then follow; call it before anyone is matched."""
        if self._follower is not None:
            self._follower.start()

    def stop(self) -> None:
        """End the thread."""
        if self._follower is not None:
            self._follower.stop()

    def leases(self, wall: float) -> frozenset[str]:
        """The sites whose lease is not over at `wall`; any thread may call it."""
        return frozenset() if self._follower is None else self._follower.leases(wall)

    def policies(self) -> Mapping[str, SitePolicy | None]:
        """The policies of the sites; who is here by the word of a site that is missing passes no door."""
        return {} if self._follower is None else self._follower.policies.current

    def facts(self) -> dict[str, Any] | None:
        """The part `fleet` of the state; None without a fleet."""
        return None if self._follower is None else self._follower.facts

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, one line each."""
        return () if self._follower is None else self._follower.problems
