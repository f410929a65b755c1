"""`edgeface keys new|show|rotate`: the keys that sign grants, and those to which doors seal factors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edgeface.cli import listing
from edgeface.config.loader import data_folder, load
from edgeface.core.clock import SystemClock, rfc3339
from edgeface.core.console import say
from edgeface.core.errors import EdgefaceError
from edgeface.core.files import alone
from edgeface.core.settings import ID_PATTERN
from edgeface.core.text import printable
from edgeface.security.sealing_keys import SEALING
from edgeface.security.signing_keys import SIGNING, KeyRecord, Purpose, new, read, rotate, write
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from edgeface.security.vault import Vault


def run_device(arguments: argparse.Namespace) -> int:
    """Show the keys, create one, or make the next one the active one."""
    folder = data_folder(arguments)
    device = load(arguments.config).device if arguments.data is None else "DEVICE"
    if arguments.action == "show":
        _show(folder, device)
        return 0
    wall = SystemClock().wall()
    vault = open_vault(folder)
    purpose = SEALING if arguments.seal else SIGNING
    # One process at a time reads, changes and writes: a retired key must not come back.
    with alone(folder):
        records, changed = change(read(folder, purpose), arguments, vault, wall, purpose)
        write(folder, records, purpose)
    listing.record(folder, "keys", {"action": arguments.action, "purpose": purpose.noun, "kid": changed.kid})
    say(f"{changed.kid}: {changed.state}")
    _show(folder, device)
    return 0


def change(
    records: Sequence[KeyRecord], arguments: argparse.Namespace, vault: Vault, wall: float, purpose: Purpose
) -> tuple[Sequence[KeyRecord], KeyRecord]:
    """The records after `new` or `rotate`, and the record that changed."""
    if arguments.action == "rotate":
        rotated = rotate(records, purpose)
        return rotated, next(record for record in rotated if record.state == "active")
    made = new(records, checked_kid(arguments.kid or rfc3339(wall)[:7]), vault, wall, purpose)
    return made, made[-1]


def checked_kid(kid: str) -> str:
    """A name of a key; raises EdgefaceError if it is none."""
    if not re.fullmatch(ID_PATTERN, kid):
        raise EdgefaceError(f"{printable(kid)}: not a key name: use a-z, 0-9, - and _, at most 64 characters")
    return kid


def own_line(folder: Path) -> str | None:
    """The keys of this device as `edgeface keys add` takes them; None without a signing key."""
    signing = [record for record in read(folder) if record.state != "retired"]
    if not signing:
        return None
    sealing = _newest(read(folder, SEALING))
    parts = [f"sign:{record.kid}:{record.public}" for record in signing]
    return ",".join([*parts, *([] if sealing is None else [f"seal:{sealing.kid}:{sealing.public}"])])


def _show(folder: Path, device: str) -> None:
    """Print both kinds of keys, and the lines of door.yaml with their public parts."""
    signing, sealing = read(folder), read(folder, SEALING)
    _table(signing, SIGNING)
    if sealing:
        _table(sealing, SEALING)
    if not signing and not sealing:
        return
    say("")
    say("# for the door.yaml of every door:")
    if signing:
        say("keys:")
    for record in signing:
        if record.state != "retired":
            say(f'  "{record.kid}": {record.public}')
    # A door seals to one key of a device, and the device opens both: a new door gets the one that stays.
    if (newest := _newest(sealing)) is not None:
        say("seal:")
        say(f'  - {{device: {device}, kid: "{newest.kid}", key: {newest.public}}}')
    if (line := own_line(folder)) is not None:
        say("")
        say("# or, where the doors have an owner, on the machine with the owner key:")
        say(f"edgeface keys add {device} {line}")


def _table(records: Sequence[KeyRecord], purpose: Purpose) -> None:
    if not records:
        say(purpose.missing)
    width = max((len(record.kid) for record in records), default=0)
    for record in records:
        made = rfc3339(record.created)[:10]
        say(f"{record.kid:{width}}  {purpose.noun}  {record.state:7}  {made}  {record.public}")


def _newest(records: Sequence[KeyRecord]) -> KeyRecord | None:
    return next((record for record in reversed(records) if record.state != "retired"), None)
