"""Checks keys and doors: how the data key is protected, which key signs grants, and which levels are guaranteed."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from edgeface.access.policy import unproven
from edgeface.config.levels import enrolled, levels_in_force, read_people
from edgeface.core.clock import SystemClock
from edgeface.core.errors import EdgefaceError, system_reason
from edgeface.doctor.finding import Finding
from edgeface.faces.calibration import table_of
from edgeface.faces.embedder import embedder_name
from edgeface.gallery import gallery
from edgeface.gallery.agreement import Limits
from edgeface.gallery.snapshot import day
from edgeface.security import signing_keys
from edgeface.security.vault import MARK, PROTECTS, Vault, find_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgeface.config.configuration import Configuration
    from edgeface.config.levels import LevelInForce
    from edgeface.doctor.finding import Mark
    from edgeface.security.vault import VaultKey

_AS_ROOT = "sudo edgeface doctor"


def findings(configuration: Configuration) -> Iterator[Finding]:
    """The data key, the signing key and the doors."""
    folder = configuration.data
    key: VaultKey | None = None
    try:
        key = find_key(folder)
        yield _custody(folder, key)
    except EdgefaceError as error:
        yield Finding("key", str(error), "bad", "restore the right key; docs/privacy.md")
    except OSError as error:
        yield Finding("key", f"{folder}: {system_reason(error)}", "note", _AS_ROOT)
    people: frozenset[str] | None = None
    try:
        if key is not None or not (folder / gallery.FILE).exists():
            people = enrolled(read_people(configuration), day(SystemClock().wall()))
    except (EdgefaceError, OSError) as error:
        yield Finding("people", str(error), "note", _AS_ROOT)
    if people:
        yield from _identities(configuration)
    if configuration.doors:
        yield _signing(folder, key)
        if (note := unproven(configuration.access_policy)) is not None:
            yield Finding("results", note, "note", "edgeface door --key at the door; docs/doors.md")
    yield from _levels(configuration, people)


def _custody(folder: Path, key: VaultKey | None) -> Finding:
    if key is None and (folder / MARK).exists():
        # The key may be a credential, which only the service receives.
        remedy = "is it a credential (systemctl cat edgeface)? If not, restore the file: without it the data is lost"
        return Finding("key", f"{folder}: encrypted, and the key is not here", "note", remedy)
    if key is None:
        return Finding("key", "none yet: the first start creates one")
    remedy = "edgeface vault seal --with tpm2, on a machine with a TPM" if key.tier == "file" else ""
    return Finding("key", f"custody {key.tier}: {PROTECTS[key.tier]}", "note" if remedy else "ok", remedy)


def _signing(folder: Path, key: VaultKey | None) -> Finding:
    try:
        records = signing_keys.read(folder)
        kid = next((record.kid for record in records if record.state == "active"), None)
        if kid is None:
            remedy = "edgeface keys new; docs/doors.md"
            return Finding("grants", "no active signing key, so no door opens", "bad", remedy)
        if key is None:
            return Finding("grants", f"signed by key {kid}, which could not be tested", "note")
        signing_keys.active(records, Vault(key))
    except EdgefaceError as error:
        return Finding("grants", str(error), "bad", "edgeface keys show")
    except OSError as error:
        return Finding("grants", f"{folder}: {system_reason(error)}", "note", _AS_ROOT)
    return Finding("grants", f"signed by key {kid}")


def _levels(configuration: Configuration, people: frozenset[str] | None) -> Iterator[Finding]:
    """The level in force at each camera and door for these people, if they are known."""
    if people is None:
        yield Finding("levels", "unknown without the gallery", "note", _AS_ROOT)
        return
    try:
        found = levels_in_force(configuration, people)
    except EdgefaceError as error:
        yield Finding("levels", str(error), "bad", "docs/accuracy.md")
        return
    for one in found:
        yield _level(one)


def _level(one: LevelInForce) -> Finding:
    """A level that is laxer than configured is a note; a door that stays shut, or a camera without any, is bad."""
    what, _, line = one.line.partition(" ") if one.place.startswith("door ") else ("levels", "", one.line)
    mark: Mark = "bad" if one.level is None else "ok" if one.problem is None else "note"
    return Finding(what, line, mark, "" if one.problem is None else "docs/doors.md; docs/accuracy.md")


def _identities(configuration: Configuration) -> Iterator[Finding]:
    """The people whose templates look like two people, and those with look-alikes at doors of level high."""
    if not (configuration.data / gallery.FILE).exists():
        return
    try:
        limits = Limits.of(table_of(configuration.embedder.model).cosine)
        name = embedder_name(configuration.embedder.model)
        with closing(gallery.Gallery.open(configuration.data, name, copy=True)) as opened:
            divided, people = opened.divided(limits), opened.people()
    except EdgefaceError as error:
        yield Finding("people", str(error), "note", _AS_ROOT)
        return
    for person, split in divided.items():
        text = f"{person}: the templates show two people (cosine {split.score:.2f}), and both are matched as {person}"
        yield Finding("people", text, "bad", f"edgeface templates {person}; docs/enrollment.md")
    high = [name for name, door in configuration.doors.items() if door.level == "high"]
    for one in people if high else ():
        if one.look_alikes:
            text = f"{one.id}: a look-alike is enrolled, so no door of level high opens for them: {', '.join(high)}"
            yield Finding("people", text, "note", "docs/doors.md")
