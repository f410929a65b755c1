"""One line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Mark = Literal["ok", "note", "bad"]
"""Only bad is a problem; a note is worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was checked, the result, and how to fix it."""

    what: str
    says: str
    mark: Mark = "ok"
    remedy: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Measurements for programs; each name ends in its unit."""
