"""`edgeface audit`: show and export the journal, and verify that no one has altered it or put back an older state.

A damaged journal stays in place. `verify` compares gallery, journal and key files with the head of the data folder and
with each other. If the whole folder was put back, only what is noted elsewhere shows it: the TPM's counter, and each
state message carries a link (`journal.head`), for which `verify --head` looks, and a generation, which a daemon reads
back from the broker. Doors remember the generation too.
"""

from __future__ import annotations

import json
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from edgeface.cli import listing
from edgeface.config import loader
from edgeface.core.clock import SystemClock, rfc3339
from edgeface.core.console import complain, say
from edgeface.core.errors import EdgefaceError, GalleryError, UsageError, VaultError
from edgeface.core.event_kinds import BY_KIND
from edgeface.core.files import put_whole
from edgeface.core.sqlite import translated
from edgeface.core.text import counted, printable, printable_path
from edgeface.gallery.gallery import Gallery
from edgeface.journal import rows, verification
from edgeface.journal.journal import Journal
from edgeface.security import integrity
from edgeface.security.content import renew_all
from edgeface.security.counter import CounterReport, open_counter
from edgeface.security.head import DATABASES, HeadFile
from edgeface.security.head import FILE as GENERATION
from edgeface.security.integrity import check
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    import sqlite3
    from argparse import Namespace
    from collections.abc import Iterator
    from pathlib import Path

    from edgeface.journal.rows import StoredRow
    from edgeface.journal.verification import ChainReport
    from edgeface.security.counter import GenerationCounter
    from edgeface.security.integrity import Found
    from edgeface.security.vault import Vault

_DEFAULT_LAST = 50
_PAGE_ROWS = 1000

"""The facts of an event that a line shows."""
_UNCOUNTED = CounterReport()


def run_audit(arguments: Namespace) -> int:
    """Show, export, verify or accept; returns 1 if something was tampered with."""
    _check(arguments)
    configuration = None if arguments.data is not None else loader.load(arguments.config)
    folder = arguments.data if configuration is None else configuration.data
    tpm = None if configuration is None else configuration.integrity.tpm
    path = folder / rows.FILE
    if arguments.action == "verify":
        return _verify(folder, (arguments.head or "").lower(), tpm)
    if arguments.action == "accept":
        return _accept(folder, tpm)
    if arguments.action == "tpm":
        return _set_up_tpm(folder, tpm)
    if not path.exists():
        raise GalleryError(f"{printable_path(path)}: no journal here yet (edgeface run creates one)")
    with rows.opened(path) as (connection, vault):
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
    listing.start_of_day(arguments.since, "--since")


def _verify(folder: Path, head: str, tpm: bool | None) -> int:  # noqa: FBT001 - as in _counter
    """Compare everything, then follow the chain: opening the journal may change what was compared."""
    path = folder / rows.FILE
    none = GalleryError(f"{printable_path(path)}: no journal here yet (edgeface run creates one)")
    if not any((folder / name).exists() for name in (*DATABASES.values(), GENERATION)):
        raise none
    vault = open_vault(folder)
    counted = _counted(_counter(folder, vault, tpm))
    found = _found(folder, vault, counted)
    if not path.exists() and not found:
        raise none
    lines = [one.line for one in found] + ([] if counted.problem is None else [counted.problem])
    if path.exists():
        try:
            with rows.opened(path) as (connection, _):
                lines += _faults(verification.verify(connection, vault, head), head)
        except EdgefaceError as error:
            lines.append(str(error))
    # Opening a journal without its digest shows whether it ever had one.
    if not found:
        lines += [one.line for one in _found(folder, vault)]
    for line in lines:
        complain(line)
    return 1 if lines else 0


def _found(folder: Path, vault: Vault, counted: CounterReport = _UNCOUNTED) -> list[Found]:
    with translated(folder):
        return check(folder, vault, [] if counted.found is None else [counted.found])


def _counter(folder: Path, vault: Vault, tpm: bool | None) -> GenerationCounter | None:  # noqa: FBT001 - see below
    """The TPM's counter, as the configuration says in `tpm`; None without one (--data): as the head says."""
    head = integrity.read_head(folder, vault) if tpm is None else None
    return open_counter(folder, vault, used=bool(tpm) or (head is not None and head.counter > 0))


def _counted(counter: GenerationCounter | None) -> CounterReport:
    return _UNCOUNTED if counter is None else counter.compare()


def _faults(found: ChainReport, head: str) -> list[str]:
    """What is wrong with the chain; a chain that holds is printed."""
    if found.fault is not None:
        return [f"{found.fault}; valid before it: {counted(found.rows, 'row')}"]
    if not found.known:
        return [f"no row has the link {head}: the rows from it on were cut off, or it has been pruned"]
    say(f"{counted(found.rows, 'row')}, {found.redacted} redacted, head {found.head}")
    return []


def _set_up_tpm(folder: Path, tpm: bool | None) -> int:  # noqa: FBT001 - as in _counter
    """Make the TPM's counter, or show it if there is one."""
    vault = open_vault(folder)
    counter = _counter(folder, vault, tpm)
    if counter is None:
        raise UsageError("the TPM's counter is not used: add integrity: {tpm: true} to config.yaml")
    head = integrity.read_head(folder, vault)
    if head is not None and head.counter == 0 and counter.tpm.read() is None:
        with translated(folder):
            counter.begin()
    counted = counter.compare()
    line = counted.problem if counted.found is None else f"{counted.found.line} ({integrity.ACCEPT})"
    if line is not None:
        complain(line)
        return 1
    say(f"the TPM's counter {counter.tpm.index} is at {counted.value}, and the data folder knows it")
    return 0


def _accept(folder: Path, tpm: bool | None) -> int:  # noqa: FBT001 - as in _counter
    """Take the data as it is: what was found is recorded, and counts as known."""
    vault = open_vault(folder)
    counter = _counter(folder, vault, tpm)
    if counter is not None:
        counter.require()
    found = _found(folder, vault, _counted(counter))
    if not found:
        say("nothing to accept")
        return 0
    with closing(Gallery.open(folder, "")) as gallery, closing(Journal(folder / rows.FILE)) as journal:
        if gallery.problem or journal.problem:
            raise GalleryError(str(gallery.problem or journal.problem))
        with translated(folder):
            HeadFile(folder, vault).mark_alarms(*(one.alarm for one in found))
            journal.record_integrity()
            if counter is not None:
                # Before the alarms end, so that a running daemon raises none again.
                with suppress(VaultError):
                    counter.begin()
            renew_all(folder, vault, SystemClock().wall())
            if counter is not None and counter.compare().found is not None:
                counter.begin()
    listing.record(folder, "integrity", {"found": "accepted", "files": sorted({one.alarm.subject for one in found})})
    for one in found:
        say(f"accepted: {one.line}")
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
    return {
        "kinds": tuple(arguments.kind or ()),
        "who": arguments.person,
        "since": listing.start_of_day(arguments.since, "--since"),
    }


def _line(entry: StoredRow) -> str:
    row = entry.row
    start = f"{entry.seq:>6}  {rfc3339(row.at)}  {printable(row.kind):<9}"
    if entry.altered or entry.redacted:
        return f"{start}  {'altered: cannot be opened' if entry.altered else 'redacted'}"
    facts = json.loads(row.payload)
    return f"{start}  {listing.facts_line(row.kind, facts)}"
