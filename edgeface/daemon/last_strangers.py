"""The last stranger at each camera: a button in Home Assistant puts them on the ignore list."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.core.errors import EdgefaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from edgeface.core.types import FrameResult
    from edgeface.gallery.rows import Change
    from edgeface.people.service import PeopleService

_log = logging.getLogger(__name__)

RECENT = 600.0
"""Seconds after which a stranger is no longer the last one: a button that is pressed later is about someone else."""


class _Stranger(NamedTuple):
    track: int
    unknown: str | None
    """None until the pipeline has given an id."""
    at: float
    """Monotonic seconds of the last frame with the face."""


class LastStrangers:
    """One stranger for each camera: the last one that was announced. One thread uses it."""

    def __init__(self) -> None:
        self._last: dict[str, _Stranger] = {}

    def observe(self, result: FrameResult) -> None:
        """Take the result of a frame."""
        camera, now = result.frame.camera, result.frame.monotonic
        for event in result.events:
            if event.type == "unknown":
                self._last[camera] = _Stranger(event.track, event.unknown, now)
        last = self._last.get(camera)
        face = None if last is None else next((one for one in result.faces if one.track == last.track), None)
        if last is None or face is None:
            return
        if face.person is not None:
            # Someone enrolled after all, or someone who is ignored already.
            del self._last[camera]
        else:
            self._last[camera] = _Stranger(last.track, face.unknown or last.unknown, now)

    def take(self, camera: str, now: float) -> str | None:
        """The id of the last stranger of the last RECENT seconds, once; None if there is none, or none with an id."""
        last = self._last.get(camera)
        if last is None or last.unknown is None or now - last.at > RECENT:
            return None
        del self._last[camera]
        return last.unknown


def ignore(people: PeopleService, unknown: str, record: Callable[[str, Mapping[str, Any]], None]) -> None:
    """Put an unknown on the ignore list, as the page does; what is refused or fails there is logged.

    `record` writes the rows of the audit trail, marked as coming over MQTT.
    """

    def marked(changes: Iterable[Change]) -> None:
        for change in changes:
            record(change.kind, {**change.facts, "by": "mqtt"})

    try:
        replace(people, record=marked).ignore_unknown(unknown)
    except EdgefaceError as error:
        _log.warning("the button in Home Assistant could not have %s ignored: %s", unknown, error)
    else:
        _log.info("%s is ignored from now on: the button in Home Assistant was pressed", unknown)
