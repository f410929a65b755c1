"""Checks that no one has put back, altered or removed what is in the data folder, and that only its owner can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.core.errors import EdgefaceError, system_reason
from edgeface.core.text import counted
from edgeface.doctor.finding import Finding
from edgeface.security import integrity
from edgeface.security.counter import CounterReport, open_counter
from edgeface.security.head import FILE
from edgeface.security.modes import too_open
from edgeface.security.vault import Vault, find_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SHOWN = 5
_DOCS = "docs/trust.md, tampering"


def findings(folder: Path, *, tpm: bool = False) -> Iterator[Finding]:
    """Nothing for a folder that does not exist yet; `tpm` is whether the configuration uses the TPM's counter."""
    if not folder.is_dir():
        return
    try:
        yield from _modes(folder)
        yield from _tampering(folder, tpm=tpm)
    except OSError as error:
        yield Finding(
            "tampering", f"{error.filename or folder}: {system_reason(error)}", "note", "sudo edgeface doctor"
        )
    except EdgefaceError as error:
        yield Finding("tampering", str(error), "bad", _DOCS)


def _modes(folder: Path) -> Iterator[Finding]:
    lines = too_open(folder)
    for line in lines[:_SHOWN]:
        yield Finding("modes", line, "bad", f"chown -R and chmod -R go= {folder}")
    if len(lines) > _SHOWN:
        yield Finding("modes", f"and {counted(len(lines) - _SHOWN, 'more file')}", "bad")


def _tampering(folder: Path, *, tpm: bool) -> Iterator[Finding]:
    key = find_key(folder)
    if key is None:
        if (folder / FILE).exists():
            yield Finding("tampering", "could not be looked for without the key", "note", "sudo edgeface doctor")
        return
    vault = Vault(key)
    counter = open_counter(folder, vault, used=tpm)
    counted = CounterReport() if counter is None else counter.compare()
    if counted.problem is not None:
        yield Finding("tampering", counted.problem, "bad", "docs/trust.md, a counter in the TPM")
    found = integrity.check(folder, vault, [] if counted.found is None else [counted.found])
    for one in found:
        yield Finding("tampering", one.line, "bad", f"{_DOCS}; edgeface audit verify")
    head = None if found else integrity.read_head(folder, vault)
    if head is not None:
        at = "" if counted.value is None else f"; the TPM's counter is at {counted.value}"
        yield Finding("tampering", f"none found; generation {head.number}{at}")
