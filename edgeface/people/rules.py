"""What the configuration says about people: the cosine of the level, and who is still named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edgeface.faces.calibration import table_of
from edgeface.gallery import proposal_file
from edgeface.gallery.agreement import Limits
from edgeface.recognition.decision import thresholds_for
from edgeface.recognition.limits import shortfall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgeface.config.configuration import Configuration
    from edgeface.gallery.gallery import Gallery


class Counted(Protocol):
    """A gallery of which the number of people is known."""

    @property
    def enrolled(self) -> int:
        """How many can be matched."""


def level_threshold(configuration: Configuration, snapshot: Counted) -> tuple[float, str | None]:
    """The cosine of the level in force for everyone and None, or the strictest that the data shows and why none is."""
    table, level = table_of(configuration.embedder.model), configuration.recognition.level
    accept = thresholds_for(table, level, snapshot.enrolled)
    if accept.level is None:
        return table.rows[-1].cosine, shortfall(accept, level, table)
    return accept.accept, None


def limits(configuration: Configuration) -> Limits:
    """The cosines that decide about additions, for the embedder in use."""
    return Limits.of(table_of(configuration.embedder.model).cosine)


def still_named(configuration: Configuration, person: str) -> Iterator[str]:
    """One line for each place where the configuration still names an erased person."""
    for name, members in configuration.groups.items():
        if person in members:
            yield f"config.yaml: the group {name} still names {person}"
    for name, door in configuration.doors.items():
        if any(allow.person == person for allow in door.allow):
            yield f"config.yaml: the door {name} still names {person}"


def withheld(configuration: Configuration, gallery: Gallery | None, wall: float) -> Callable[[str], bool]:
    """Tells which ids are made from no name: who has one was forgotten, waits, or is named in the configuration."""
    waiting = proposal_file.people(configuration.data, wall)
    gone = gallery.gone if gallery is not None else frozenset()

    def is_withheld(one: str) -> bool:
        forgotten = gallery is not None and gallery.is_gone(one, gone)
        return forgotten or one in waiting or any(still_named(configuration, one))

    return is_withheld
