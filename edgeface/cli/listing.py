"""Lines and tables that commands print, and the row that they leave in the audit trail."""

from __future__ import annotations

import getpass
import json
import sys
from dataclasses import fields
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from edgeface.config.levels import levels_in_force
from edgeface.core.clock import SystemClock, rfc3339
from edgeface.core.console import complain, say
from edgeface.core.errors import UsageError
from edgeface.core.event_kinds import kinds
from edgeface.core.text import counted, printable
from edgeface.faces.calibration import table_of
from edgeface.gallery.snapshot import Person, day
from edgeface.journal.database import noted
from edgeface.journal.journal import write_rows
from edgeface.journal.rows import FILE
from edgeface.people.corrections import negatives
from edgeface.people.proposals import proposals
from edgeface.people.rules import level_threshold, limits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edgeface.config.configuration import Configuration
    from edgeface.gallery.factors import Factor
    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.gallery.unknowns import Unknown
    from edgeface.people.templates import ListedTemplate

_EMBEDDINGS = ("mean", "weight")
_EVENT_FACTS = ("camera", "name", "score", "threshold", "level", "reason", "seconds")
_WHO = ("person", "unknown")


def record(folder: Path, kind: str, facts: Mapping[str, object]) -> None:
    """Record what a command did in the audit trail of a data folder; a failure is one line on standard error."""
    problem = write_rows(folder / FILE, [noted(kind, SystemClock().wall(), facts)])
    if problem is not None:
        complain(f"done, but not in the audit trail: {problem}")


def start_of_day(text: str | None, option: str) -> float | None:
    """The wall seconds at which a day begins; UTC, as all times here. Raises UsageError, which names the option."""
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        raise UsageError(f"{option}: {printable(text)}: not a day; write it as 2026-11-01") from None


def facts_line(kind: str, facts: Mapping[str, Any]) -> str:
    """A row of the audit trail as one line: the person or unknown in it, then what it says."""
    who = next((facts[key] for key in _WHO if facts.get(key)), "-")
    keys = _EVENT_FACTS if kind in kinds("pipeline") else [key for key in facts if key not in _WHO]
    shown = [f"{key} {_plain(facts[key])}" for key in keys if _plain(facts.get(key))]
    return f"{printable(str(who)):<16}  {', '.join(shown)}".rstrip()


def _plain(value: object) -> str:
    """A fact as text; empty for what a line has no room for."""
    if isinstance(value, list):
        return " ".join(_plain(one) for one in value)
    return "" if value is None or isinstance(value, dict) else printable(str(value))


def ask(what: str, *, again: bool = True) -> str:
    """A secret: prompted for on a terminal, twice if `again`, otherwise the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass(f"{what}: ")
    if again and first != getpass.getpass("repeat it: "):
        raise UsageError("the two do not match")
    return first


def say_people(
    configuration: Configuration, gallery: Gallery, people: Sequence[Person], strangers: float | None, wall: float
) -> None:
    """Print people, the level in force at each camera and door, the expected error rate, and warnings about them.

    `strangers` is how many pass in a day, None if not known yet; `wall` decides who has expired.
    """
    header = ("ID", "NAME", "TEMPLATES", "ENROLLED", "")
    _table([header, *((p.id, p.name, str(p.templates), day(p.enrolled), _state(p, day(wall))) for p in people)])
    snapshot = gallery.snapshot(wall)
    for one in levels_in_force(configuration, snapshot.enrolled_of(person.id for person in snapshot.people)):
        say(one.line)
    threshold, problem = level_threshold(configuration, snapshot)
    if problem is None:
        accepts = table_of(configuration.embedder.model).accepts(threshold, snapshot.enrolled)
        rate = f"{float(f'{1 / accepts:.2g}'):,.0f}"
        say(f"expected: at most about 1 in {rate} strangers passing by would be taken for someone enrolled")
        say(_a_year(accepts, strangers))
    say_warnings(configuration, gallery, snapshot, people)


def say_json(listed: Sequence[Person] | Sequence[Unknown]) -> None:
    """Print people or unknowns, one JSON object a line, without embeddings."""
    for one in listed:
        facts = {item.name: getattr(one, item.name) for item in fields(one) if item.name not in _EMBEDDINGS}
        if isinstance(one, Person):
            facts["enrolled"] = rfc3339(one.enrolled)
        else:
            facts |= {"first": rfc3339(one.first), "last": rfc3339(one.last), "templates": len(one.templates)}
        say(json.dumps(facts, ensure_ascii=False))


def _a_year(accepts: float, strangers: float | None) -> str:
    if strangers is None:
        return "the number of false accepts a year can be estimated after one day"
    return (
        f"at {strangers:.1f} strangers a day, as recently, that is {accepts * strangers * 365:.2g} false accepts a year"
    )


def _state(person: Person, today: str) -> str:
    foreign = f"{counted(person.foreign, 'template')} of another model cannot be used: enroll again"
    alike = f"look-alike of {', '.join(person.look_alikes)}: level normal at most"
    parts = (
        "ignored" if person.ignored else "",
        dates(person, today),
        foreign if person.foreign and not person.templates else "",
        alike if person.look_alikes else "",
    )
    return "; ".join(part for part in parts if part)


def dates(person: Person, today: str) -> str:
    """Consent and expiry in words; empty if neither is set."""
    parts = [f"consent of {person.consent}"] if person.consent else []
    if person.expired(today):
        parts.append(f"expired on {person.expires}: not matched, and erased once the clock is synchronised")
    elif person.expires:
        parts.append(f"expires on {person.expires}")
    return ", ".join(parts)


def say_warnings(
    configuration: Configuration, gallery: Gallery, snapshot: GallerySnapshot, people: Sequence[Person] | None = None
) -> None:
    """Print who looks too similar, and whose templates are of two people.

    Only these people are compared with everyone; without them, everyone is.
    """
    threshold = level_threshold(configuration, snapshot)[0]
    stored = {person.id: person.look_alikes for person in snapshot.people}
    some = sorted(stored if people is None else {person.id for person in people})
    alike = snapshot.alike(threshold) if people is None else snapshot.alike_among(some, threshold)
    for one, other, score in alike:
        if other not in stored[one]:
            say(f"{one} and {other} are too similar (cosine {score:.2f}): the same person twice, or look-alikes")
    for person, split in gallery.divided(limits(configuration), None if people is None else some).items():
        say(f"{person}: the templates show two people (cosine {split.score:.2f}); see edgeface templates {person}")


def say_templates(templates: Sequence[ListedTemplate]) -> None:
    """Print a person's templates, and mark those that may be of another person."""
    rows = [
        (
            one.id,
            day(one.template.wall),
            one.template.source,
            "-" if one.score is None else f"{one.score:.2f}",
            "-" if one.picture is None else "kept",
            "unlike the rest: another person?" if one.outlier else "",
        )
        for one in templates
    ]
    _table([("ID", "DAY", "SOURCE", "COSINE", "PICTURE", ""), *rows])


def say_unknowns(unknowns: Sequence[Unknown]) -> None:
    """Print unknowns that can be enrolled."""
    rows = [
        (u.id, str(u.sightings), str(len(u.templates)), _minute(u.first), _minute(u.last), u.camera) for u in unknowns
    ]
    _table([("ID", "VISITS", "TEMPLATES", "FIRST", "LAST", "CAMERA"), *rows])


def _minute(wall: float) -> str:
    """Wall seconds as ISO 8601 in UTC, to the minute: 2026-11-22T08:15Z."""
    return f"{rfc3339(wall)[:16]}Z"


def say_alike(gallery: Gallery) -> None:
    """Print the pairs of unknowns that are probably one person."""
    rows = [(pair.kept.id, pair.merged.id, f"{pair.score:.2f}") for pair in proposals(gallery)]
    _table([("FIRST SEEN", "LATER", "COSINE"), *rows])


def say_factors(gallery: Gallery, person: str | None) -> None:
    """Print the second factors of a person or of everyone, without their secrets, and the wrong PINs."""
    rows = [(one.person, one.kind, _factor_label(one), day(one.set_at), one.id) for one in gallery.factors(person)]
    _table([("PERSON", "KIND", "", "SET", "ID"), *rows])
    for key, facts in gallery.all_attempts().items():
        if key.person is not None and person in {None, key.person}:
            wrong = counted(facts["wrong"], "wrong PIN")
            say(f"{key.person}: {wrong} in a row at {key.door} (edgeface factors unlock {key.person})")


def _factor_label(one: Factor) -> str:
    words = {"pin": f"number {one.label}", "code": f"{one.label} digits", "card": f"UID ...{one.label}"}
    return f"{words[one.kind]}, with a duress PIN" if one.duress else words[one.kind]


def say_negatives(gallery: Gallery, person: str) -> None:
    """Print a person's negative templates."""
    rows = [
        (one.event, day(one.wall), one.camera, "" if score is None else f"{score:.2f}")
        for one, score in negatives(gallery, person)
    ]
    _table([("EVENT", "CORRECTED", "CAMERA", "COSINE"), *rows])


def _table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
