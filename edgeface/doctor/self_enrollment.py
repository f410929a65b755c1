"""Whether photos of a self-enrollment wait for an admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.core.errors import VaultError
from edgeface.core.text import counted
from edgeface.doctor.finding import Finding
from edgeface.gallery.proposal_file import waiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def findings(folder: Path) -> Iterator[Finding]:
    """A note while one waits; nothing otherwise."""
    try:
        count = waiting(folder)
    except VaultError as error:
        yield Finding("enrollment", str(error), "bad", "edgeface audit verify")
        return
    if count:
        says = f"{counted(count, 'self-enrollment')} to be looked at by an admin"
        yield Finding("enrollment", says, "note", "open the page People, and there Self-enrollments")
