"""Checks the doors that require a second factor: the key to which they seal, and what a factor is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.access.policy import factors_of
from edgeface.core.errors import EdgefaceError
from edgeface.doctor.finding import Finding
from edgeface.security.sealing_keys import SEALING, usable
from edgeface.security.signing_keys import read
from edgeface.security.vault import Vault, find_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.config.configuration import Configuration

_UID = "a UID is an identifier and no secret: it names a person, whose face must match, and proves nothing"
_DOCS = "docs/doors.md"


def findings(configuration: Configuration) -> Iterator[Finding]:
    """Nothing for a configuration without second factors."""
    kinds = {name: factors_of(door, *door.allow) for name, door in configuration.doors.items()}
    if sealed := [name for name, found in kinds.items() if found - {"pass"}]:
        yield _sealing(configuration, sealed)
    if cards := [name for name, found in kinds.items() if "card" in found]:
        yield Finding("factor", f"{', '.join(cards)}: takes cards; {_UID}", "note", _DOCS)


def _sealing(configuration: Configuration, doors: list[str]) -> Finding:
    """Whether a door's controller can seal factors to this device."""
    names, folder = ", ".join(doors), configuration.data
    try:
        key, records = find_key(folder), read(folder, SEALING)
        kid = next((record.kid for record in records if record.state == "active"), None)
        if kid is None:
            return Finding("factor", f"{names}: {SEALING.missing}, so no factor arrives", "bad", SEALING.new)
        if key is None:
            return Finding("factor", f"{names}: opened by key {kid}, which could not be tested", "note")
        usable(records, Vault(key))
    except EdgefaceError as error:
        return Finding("factor", f"{names}: {error}", "bad", "edgeface keys show")
    except OSError as error:
        return Finding("factor", f"{folder}: {error.strerror}", "note", "sudo edgeface doctor")
    return Finding("factor", f"{names}: factors are opened by key {kid}")
