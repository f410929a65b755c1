"""`edgeface audit`: show and export the journal, and verify that no one has altered it.

A damaged journal stays in place. Rows cut off at its end are detected only with a link that was noted elsewhere: each
state message carries one (`journal.head`), and `verify --head` looks for it.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from edgeface.config import loader
from edgeface.core.clock import rfc3339
from edgeface.core.console import complain, say
from edgeface.core.errors import GalleryError, UsageError
from edgeface.core.event_kinds import BY_KIND, kinds
from edgeface.core.files import put_whole
from edgeface.core.sqlite import translated
from edgeface.core.text import counted, printable, printable_path
from edgeface.journal import rows, verification

if TYPE_CHECKING:
    import sqlite3
    from argparse import Namespace
    from collections.abc import Iterator

    from edgeface.journal.rows import StoredRow
    from edgeface.security.vault import Vault

_DEFAULT_LAST = 50
_PAGE_ROWS = 1000

_EVENT_FACTS = ("camera", "name", "score", "threshold", "level", "reason", "seconds")
"""The facts of an event that a line shows."""
_WHO = ("person", "unknown")


def run_audit(arguments: Namespace) -> int:
    """Show, export or verify; returns 1 if the chain is broken."""
    _check(arguments)
    path = loader.data_folder(arguments) / rows.FILE
    if not path.exists():
        raise GalleryError(f"{printable_path(path)}: no journal here yet (edgeface run creates one)")
    with rows.opened(path) as (connection, vault):
        if arguments.action == "verify":
            return _verify(connection, vault, arguments.head)
        if arguments.action == "export":
            return _export(connection, vault, arguments)
        return _show(connection, vault, arguments)


def _check(arguments: Namespace) -> None:
    chosen = [arguments.person, arguments.since, arguments.last, *(arguments.kind or ())]
    if (arguments.action == "export") != (arguments.file is not None):
        raise UsageError("audit export needs a FILE to write" if arguments.file is None else "only export takes a FILE")
    if arguments.action != "verify" and arguments.head is not None:
        raise UsageError("--head belongs to audit verify")
    if arguments.action == "verify" and any(one is not None for one in chosen):
        raise UsageError("audit verify always checks every row")
    unknown = sorted(set(arguments.kind or ()) - BY_KIND.keys())
    if unknown:
        raise UsageError(f"{printable(unknown[0])}: not a kind of row; the kinds are {', '.join(BY_KIND)}")
    if arguments.last is not None and arguments.last < 1:
        raise UsageError("--last: 1 or more")
    if arguments.head is not None and not verification.is_link_start(arguments.head.lower()):
        raise UsageError("--head: at least 16 of the link's 64 hex digits")
    _since(arguments)


def _verify(connection: sqlite3.Connection, vault: Vault, head: str | None) -> int:
    found = verification.verify(connection, vault, (head or "").lower())
    if found.fault is not None:
        complain(f"{found.fault}; valid before it: {counted(found.rows, 'row')}")
        return 1
    if not found.known:
        complain(f"no row has the link {head}: the rows from it on were cut off, or it has been pruned")
        return 1
    say(f"{counted(found.rows, 'row')}, {found.redacted} redacted, head {found.head}")
    return 0


def _show(connection: sqlite3.Connection, vault: Vault, arguments: Namespace) -> int:
    for entry in rows.select(connection, vault, **_filters(arguments), last=arguments.last or _DEFAULT_LAST):
        say(_line(entry))
    return 0


def _export(connection: sqlite3.Connection, vault: Vault, arguments: Namespace) -> int:
    lines = [entry.to_json() for entry in _pages(connection, vault, arguments)]
    with translated(arguments.file):
        put_whole(arguments.file, "".join(f"{line}\n" for line in lines).encode())
    rows_written = counted(len(lines), "row")
    say(f"{printable_path(arguments.file)}: {rows_written}; the file shows in plain text who was seen when")
    return 0


def _pages(connection: sqlite3.Connection, vault: Vault, arguments: Namespace) -> Iterator[StoredRow]:
    chosen = _filters(arguments)
    if arguments.last is not None:
        yield from rows.select(connection, vault, **chosen, last=arguments.last)
        return
    after = 0
    while page := rows.select(connection, vault, **chosen, after=after, first=_PAGE_ROWS):
        yield from page
        after = page[-1].seq


def _filters(arguments: Namespace) -> dict[str, Any]:
    return {"kinds": tuple(arguments.kind or ()), "who": arguments.person, "since": _since(arguments)}


def _since(arguments: Namespace) -> float | None:
    """The start of the day in wall seconds; UTC, as all times here."""
    if arguments.since is None:
        return None
    try:
        return datetime.strptime(arguments.since, "%Y-%m-%d").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        raise UsageError(f"--since: {printable(arguments.since)}: not a day; write it as 2026-11-01") from None


def _line(entry: StoredRow) -> str:
    row = entry.row
    start = f"{entry.seq:>6}  {rfc3339(row.at)}  {printable(row.kind):<9}"
    if entry.altered or entry.redacted:
        return f"{start}  {'altered: cannot be opened' if entry.altered else 'redacted'}"
    facts = json.loads(row.payload)
    who = next((facts[key] for key in _WHO if facts.get(key)), "-")
    keys = _EVENT_FACTS if row.kind in kinds("pipeline") else [key for key in facts if key not in _WHO]
    shown = [f"{key} {_plain(facts[key])}" for key in keys if _plain(facts.get(key))]
    return f"{start}  {printable(str(who)):<16}  {', '.join(shown)}".rstrip()


def _plain(value: object) -> str:
    """A fact as text; empty for what a line has no room for."""
    if isinstance(value, list):
        return " ".join(_plain(one) for one in value)
    return "" if value is None or isinstance(value, dict) else printable(str(value))
