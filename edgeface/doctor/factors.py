"""Checks the doors that require a second factor: the key to which they seal, and what a factor is worth."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from edgeface.access.policy import factors_of
from edgeface.config.levels import enrolled
from edgeface.core.errors import EdgefaceError, system_reason
from edgeface.doctor.finding import Finding
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import FILE, Gallery
from edgeface.gallery.snapshot import groups_of
from edgeface.security.sealing_keys import SEALING, usable
from edgeface.security.signing_keys import read
from edgeface.security.vault import Vault, find_key

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from edgeface.access.policy import AccessPolicy, Door
    from edgeface.config.configuration import Configuration

_UID = "a UID is an identifier and no secret: it names a person, whose face must match, and proves nothing"
_DOCS = "docs/doors.md"
_SHOWN = 5


def findings(configuration: Configuration) -> Iterator[Finding]:
    """Nothing for a configuration without second factors."""
    kinds = {name: factors_of(door, *door.allow) for name, door in configuration.doors.items()}
    if sealed := [name for name, found in kinds.items() if found - {"pass"}]:
        yield _sealing(configuration, sealed)
    if cards := [name for name, found in kinds.items() if "card" in found]:
        yield Finding("factor", f"{', '.join(cards)}: takes cards; {_UID}", "note", _DOCS)
    yield from _lacking(configuration)


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
        return Finding("factor", f"{folder}: {system_reason(error)}", "note", "sudo edgeface doctor")
    return Finding("factor", f"{names}: factors are opened by key {kid}")


def _lacking(configuration: Configuration) -> Iterator[Finding]:
    """The people who are enrolled and may pass a door, and have none of the factors that it requires of them."""
    path = configuration.data / FILE
    if not any(factors_of(door, *door.allow) for door in configuration.doors.values()) or not path.exists():
        return
    try:
        with closing(Gallery.open(configuration.data, embedder_name(configuration.embedder.model), copy=True)) as found:
            people, owned = found.people(), {(one.person, one.kind) for one in found.factors()}
    except (EdgefaceError, OSError) as error:
        yield Finding("factor", str(error), "note", "sudo edgeface doctor")
        return
    policy = configuration.access_policy.with_people(enrolled(people), groups_of(people))
    for name, door in configuration.doors.items():
        missing = [who for who in sorted(one.id for one in people) if not _may_pass(policy, door, who, owned)]
        if missing:
            shown = ", ".join(missing[:_SHOWN]) + (f" and {len(missing) - _SHOWN:,} more" * (len(missing) > _SHOWN))
            yield Finding("factor", f"{name}: no factor that it takes: {shown}", "bad", "edgeface factors set-pin ID")


def _may_pass(policy: AccessPolicy, door: Door, who: str, owned: Container[tuple[str, str]]) -> bool:
    """Whether a person has what one rule of a door requires, or is not in its allow-list.

    A pass, and what a reader knows, is not in the gallery: everyone may have it.
    """
    rules = [factors_of(door, rule) for rule in policy.rules_for(door, who)]
    return not rules or any(
        not kinds or kinds & {"pass", "reader"} or any((who, kind) in owned for kind in kinds) for kinds in rules
    )
