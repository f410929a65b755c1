"""What the verbs about people print: plain lines and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.core.clock import rfc3339
from edgeface.core.console import say
from edgeface.faces.calibration import table_of
from edgeface.gallery.snapshot import day
from edgeface.people.rules import level_threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.config.configuration import Configuration
    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.snapshot import GallerySnapshot, Person


def say_people(configuration: Configuration, gallery: Gallery, strangers: float | None, wall: float) -> None:
    """Print everybody, the threshold of the level, what to expect of it, and what is wrong.

    `strangers` come by in a day; None when that is not known yet. `wall` says who has expired.
    """
    people = gallery.people()
    header = ("ID", "NAME", "TEMPLATES", "ENROLLED", "")
    _table([header, *((p.id, p.name, str(p.templates), day(p.enrolled), _state(p, day(wall))) for p in people)])
    view = gallery.snapshot(wall)
    threshold, problem = level_threshold(configuration, view)
    level = configuration.recognition.level
    if problem is None:
        say(f"level {level}: a cosine of {threshold:.3f} or more is a match, with {view.enrolled} enrolled")
        accepts = table_of(configuration.embedder.model).accepts(threshold, view.enrolled)
        say(f"expected: at most {accepts:.1e} false accepts a stranger who passes{_a_year(accepts, strangers)}")
    say_warnings(configuration, view)


def _a_year(accepts: float, strangers: float | None) -> str:
    if strangers is None:
        return "; how many pass is known after a day"
    return f", {accepts * strangers * 365:.2g} a year with {strangers:.1f} a day as lately"


def _state(person: Person, today: str) -> str:
    parts = ["ignored"] if person.ignored else []
    parts += [noted] if (noted := dates(person, today)) else []
    if person.foreign:
        parts.append(f"{person.foreign} templates of another model take no part: enroll again")
    return "; ".join(parts)


def dates(person: Person, today: str) -> str:
    """Consent and expiry in words; nothing when neither is noted."""
    parts = [f"consent of {person.consent}"] if person.consent else []
    if person.expired(today):
        parts.append(f"expired on {person.expires}: not matched, and erased when the clock is synchronised")
    elif person.expires:
        parts.append(f"expires on {person.expires}")
    return ", ".join(parts)


def say_warnings(configuration: Configuration, view: GallerySnapshot) -> None:
    """Print who is too alike, and why nobody is matched if so."""
    threshold, problem = level_threshold(configuration, view)
    if problem is not None:
        say(f"nobody is matched: {problem}")
    for one, other, score in view.alike(threshold):
        say(f"{one} and {other} are too alike (cosine {score:.2f}): the same person twice, or look-alikes")


def say_unknowns(gallery: Gallery) -> None:
    """Print the unknowns that can be enrolled."""
    rows = [
        (u.id, str(u.sightings), str(len(u.templates)), rfc3339(u.first)[:16], rfc3339(u.last)[:16], u.camera)
        for u in gallery.unknowns()
    ]
    _table([("ID", "VISITS", "TEMPLATES", "FIRST", "LAST", "CAMERA"), *rows])


def _table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
