"""The people of `mqtt.people`: the broker retains where and when they were last seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.access.policy import EVERYONE
from edgeface.core.text import display_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeface.config.configuration import Configuration
    from edgeface.gallery.snapshot import GallerySnapshot

MAX_PEOPLE = 200
"""People who have sensors; each is two topics that the broker retains, and a device in Home Assistant."""


class ShownPeople:
    """Names by id: of those that `mqtt.people` names, who are enrolled and not ignored; any thread may call it."""

    def __init__(
        self, configuration: Callable[[], Configuration], gallery: Callable[[], GallerySnapshot | None]
    ) -> None:
        self._configuration, self._gallery = configuration, gallery
        self._made: tuple[Configuration, GallerySnapshot, Mapping[str, str]] | None = None
        self.problem: str | None = None
        """In one line, whether some are left out."""

    def __call__(self) -> Mapping[str, str] | None:
        """Display names by id, the same object until something changes; None before the gallery is open."""
        configuration, gallery, made = self._configuration(), self._gallery(), self._made
        if gallery is None:
            return None
        if made is None or made[0] is not configuration or made[1] is not gallery:
            found = self._named(configuration, gallery)
            same = made is not None and made[2] == found
            self._made = made = (configuration, gallery, made[2] if made is not None and same else found)
        return made[2]

    def _named(self, configuration: Configuration, gallery: GallerySnapshot) -> Mapping[str, str]:
        group = None if configuration.mqtt is None else configuration.mqtt.people
        named = configuration.groups.get(group or "", gallery.rows if group == EVERYONE else ())
        shown = sorted(gallery.matchable.intersection(named))
        left_out = len(shown) - MAX_PEOPLE
        self.problem = None if left_out <= 0 else (
            f"mqtt.people: {len(shown)} people; the first {MAX_PEOPLE} by id have sensors, {left_out} have none"
        )  # fmt: skip
        return {one: display_name(gallery.name(one), one) for one in shown[:MAX_PEOPLE]}
