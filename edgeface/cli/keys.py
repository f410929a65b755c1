"""`edgeface keys`: list, create and rotate the keys that sign grants."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edgeface.cli import listing
from edgeface.config.loader import data_folder
from edgeface.core.clock import SystemClock, rfc3339
from edgeface.core.console import say
from edgeface.core.errors import EdgefaceError
from edgeface.core.files import alone
from edgeface.core.settings import ID_PATTERN
from edgeface.core.text import printable
from edgeface.security.signing_keys import KeyRecord, new, read, rotate, write
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from edgeface.security.vault import Vault


def run_keys(arguments: argparse.Namespace) -> int:
    """Show the keys, create one, or make the next one sign."""
    folder = data_folder(arguments)
    if arguments.action == "show":
        _show(read(folder))
        return 0
    wall = SystemClock().wall()
    vault = open_vault(folder)
    # One process at a time reads, changes and writes: a retired key must not come back.
    with alone(folder):
        records, changed = _changed(read(folder), arguments, vault, wall)
        write(folder, records)
    listing.record(folder, "keys", {"action": arguments.action, "kid": changed.kid})
    say(f"{changed.kid}: {changed.state}")
    _show(records)
    return 0


def _changed(
    records: Sequence[KeyRecord], arguments: argparse.Namespace, vault: Vault, wall: float
) -> tuple[Sequence[KeyRecord], KeyRecord]:
    """The records after `new` or `rotate`, and the record that changed."""
    if arguments.action == "rotate":
        rotated = rotate(records)
        return rotated, next(record for record in rotated if record.state == "active")
    kid = arguments.kid or rfc3339(wall)[:7]
    if not re.fullmatch(ID_PATTERN, kid):
        raise EdgefaceError(f"{printable(kid)}: not a key name: use a-z, 0-9, - and _, at most 64 characters")
    made = new(records, kid, vault, wall)
    return made, made[-1]


def _show(records: Sequence[KeyRecord]) -> None:
    if not records:
        say("no signing key (edgeface keys new)")
        return
    width = max(len(record.kid) for record in records)
    for record in records:
        say(f"{record.kid:{width}}  {record.state:7}  {rfc3339(record.created)[:10]}  {record.public}")
    say("")
    say("# for the door.yaml of every door:")
    say("keys:")
    for record in records:
        if record.state != "retired":
            say(f'  "{record.kid}": {record.public}')
