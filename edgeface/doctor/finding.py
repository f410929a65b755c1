"""One line of the doctor's page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Mark = Literal["ok", "note", "bad"]
"""A note is worth knowing; only what is bad is a problem."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was seen, and what to do about it."""

    what: str
    says: str
    mark: Mark = "ok"
    remedy: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Measured, for machines: the unit is the name's end."""
