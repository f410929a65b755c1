"""edgeface keys: list, make and rotate the keys that sign grants."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from edgeface.core.clock import SystemClock, rfc3339
from edgeface.core.console import complain, say
from edgeface.core.errors import EdgefaceError
from edgeface.core.files import alone
from edgeface.core.settings import Id
from edgeface.core.text import printable
from edgeface.security.signing_keys import KeyRecord, new, read, rotate, write
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from edgeface.security.vault import Vault


def run_keys(arguments: argparse.Namespace) -> int:
    """`edgeface keys`: show them, make one, or let the next one sign."""
    from edgeface.config.loader import data_folder

    folder = data_folder(arguments)
    if arguments.action == "show":
        _show(read(folder))
        return 0
    wall = SystemClock().wall()
    vault = open_vault(folder)
    # Read, changed and written by one process at a time: a key that was retired must not come back.
    with alone(folder):
        records, changed = _changed(read(folder), arguments, vault, wall)
        write(folder, records)
    _note(folder, wall, {"action": arguments.action, "kid": changed.kid})
    say(f"{changed.kid}: {changed.state}")
    _show(records)
    return 0


def _changed(
    records: Sequence[KeyRecord], arguments: argparse.Namespace, vault: Vault, wall: float
) -> tuple[Sequence[KeyRecord], KeyRecord]:
    """The records after `new` or `rotate`, and the one that it was about."""
    if arguments.action == "rotate":
        rotated = rotate(records)
        return rotated, next(record for record in rotated if record.state == "active")
    kid = arguments.kid or rfc3339(wall)[:7]
    _require_id(kid)
    made = new(records, kid, vault, wall)
    return made, made[-1]


def _require_id(kid: str) -> None:
    try:
        TypeAdapter(Id).validate_python(kid)
    except ValidationError:
        raise EdgefaceError(f"{printable(kid)}: not a key's name: a-z, 0-9, - and _, at most 64") from None


def _show(records: Sequence[KeyRecord]) -> None:
    if not records:
        say("no signing key (edgeface keys new)")
        return
    width = max(len(record.kid) for record in records)
    for record in records:
        say(f"{record.kid:{width}}  {record.state:7}  {rfc3339(record.created)[:10]}  {record.public}")
    say("")
    say("# in the door.yaml of every door:")
    say("keys:")
    for record in records:
        if record.state != "retired":
            say(f'  "{record.kid}": {record.public}')


def _note(folder: Path, wall: float, facts: dict[str, Any]) -> None:
    from edgeface.journal.journal import Journal

    with closing(Journal(folder / "journal.db")) as journal:
        if not journal.record("keys", wall, facts):
            complain(f"done, but not in the audit trail: {journal.problem}")
