"""Checks the list of device keys of a data folder: whether it is still valid, and whether someone renews it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.core.clock import SystemClock
from edgeface.core.errors import EdgefaceError
from edgeface.doctor.finding import Finding
from edgeface.door import key_list_file
from edgeface.security.owner_key import OWNER
from edgeface.security.signing_keys import read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DOCS = "docs/owner-key.md"


def findings(folder: Path) -> Iterator[Finding]:
    """Nothing for a folder without owner key and list."""
    wall = SystemClock().wall()
    try:
        held = any(record.state == "active" for record in read(folder, OWNER))
        envelope = key_list_file.read_envelope(folder)
        keys = None if envelope is None else key_list_file.claimed(envelope)
    except EdgefaceError as error:
        yield Finding("device keys", str(error), "bad", _DOCS)
        return
    if keys is None:
        if held:
            yield Finding("device keys", "an owner key, and no list yet", "note", "edgeface keys add DEVICE LINE")
        return
    line = key_list_file.summary(keys, wall)
    if keys.expires <= wall:
        yield Finding("device keys", f"{line}: no door with an owner opens", "bad", "edgeface keys publish")
    elif key_list_file.published(folder) < keys.number:
        yield Finding("device keys", f"{line}; not published from here", "note", "edgeface keys publish")
    elif not held:
        yield Finding("device keys", f"{line}; this device has no owner key to renew it", "note", _DOCS)
    else:
        yield Finding("device keys", line)
