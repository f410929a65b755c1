"""What the pages and the REST interface change: the same steps as the verbs', with the same rows in the audit trail.

Each blocks, for a disk or a model, and belongs in a worker thread; what is refused is a GalleryError with nothing
changed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.errors import GalleryError
from edgeface.core.text import check_id, is_unknown_id, printable
from edgeface.gallery.rows import NEVER
from edgeface.gallery.snapshot import check_day, unit_mean
from edgeface.people import erasure
from edgeface.people.enrollment import EnrollOptions, KnownFaces, Plan, carry_out, from_unknown, from_uploads
from edgeface.people.rules import level_threshold, still_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.rows import Change
    from edgeface.people.erasure import ErasureProof
    from edgeface.web.site import WebContext

Upload = tuple[str, bytes]
"""The name that the sender gives a file, and its content."""


class RefusedError(GalleryError):
    """An enrollment that was refused, with one line for each photo that is the reason."""

    def __init__(self, text: str, lines: Sequence[str]) -> None:
        super().__init__(text)
        self.lines = tuple(lines)


class Enrolled(NamedTuple):
    """What an enrollment did."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    """What to know, one line each."""
    refused: tuple[str, ...]
    """Photos that were left out, each with the reason."""


class Forgotten(NamedTuple):
    """That somebody was erased, and what a search found afterwards."""

    proof: ErasureProof
    still_named: tuple[str, ...]
    """Where the configuration still has them."""


def enroll(
    site: WebContext,
    person: str,
    name: str | None,
    photos: Iterable[Upload],
    *,
    given: str | None = None,
    expires: str | None = None,
    skip_bad: bool = False,
    ignored: bool = False,
) -> Enrolled:
    """Enroll somebody, or give them more templates; `RefusedError` names the photos that cannot be used."""
    check_id(person)
    check_days(given, expires)
    with site.gallery() as gallery, site.analyzer() as analyzer:
        plan = from_uploads(analyzer, known(site, gallery), person, name or None, photos)
        return carry(
            site, gallery, plan, EnrollOptions(skip_bad=skip_bad, given=given, expires=expires, ignored=ignored)
        )


def enroll_unknown(
    site: WebContext,
    unknown: str,
    person: str,
    name: str | None,
    *,
    given: str | None = None,
    expires: str | None = None,
) -> Enrolled:
    """Make an unknown a person."""
    check_days(given, expires)
    with site.gallery() as gallery:
        plan = from_unknown(gallery, known(site, gallery), person, name or None, unknown)
        return carry(site, gallery, plan, EnrollOptions(given=given, expires=expires))


def ignore_unknown(site: WebContext, unknown: str, person: str | None = None, name: str | None = None) -> Enrolled:
    """Put an unknown on the ignore list; without an id of its own by one that is made from theirs."""
    made = person or f"ignored-{unknown.removeprefix('u-')}"
    with site.gallery() as gallery:
        plan = from_unknown(gallery, known(site, gallery), made, name or None, unknown)
        return carry(site, gallery, plan, EnrollOptions(ignored=True))


def carry(site: WebContext, gallery: Gallery, plan: Plan, how: EnrollOptions) -> Enrolled:
    """Carry out a plan as the configuration lets it, and write it to the audit trail."""
    how = replace(how, pictures=site.configuration().privacy.pictures == "all")
    if plan.refused and (not how.skip_bad or not plan.candidates):
        raise RefusedError("nobody was enrolled: not every photo can be used", plan.refused)
    changes = carry_out(gallery, plan, site.clock.wall(), how)
    record(site, changes)
    return Enrolled(tuple(changes), plan.notes, plan.refused)


def rename(site: WebContext, person: str, name: str) -> Change:
    """Change a display name."""
    with site.gallery() as gallery:
        change = gallery.rename(person, name, site.clock.wall())
    record(site, [change])
    return change


def consent(site: WebContext, person: str, given: str | None, expires: str | None) -> Change:
    """Note the day of consent, and the day from which on it is over (or NEVER); None leaves it as it is."""
    check_days(given, expires)
    with site.gallery() as gallery:
        change = gallery.consent(person, site.clock.wall(), given, expires)
    record(site, [change])
    return change


def forget(site: WebContext, person: str) -> Forgotten:
    """Erase a person for good, and search for traces."""
    with site.gallery() as gallery:
        gallery.person(person)
        return _forget(site, gallery, person)


def delete_unknown(site: WebContext, unknown: str) -> Forgotten:
    """Erase an unknown for good, and search for traces."""
    if not is_unknown_id(unknown):
        raise GalleryError(f"{printable(unknown)}: no such unknown")
    with site.gallery() as gallery:
        return _forget(site, gallery, unknown)


def likeness(gallery: Gallery, one: str, other: str) -> float:
    """The cosine of two people; GalleryError when one is not there or has no templates of the model."""
    means = []
    for person in (one, other):
        gallery.person(person)
        own = [t.embedding for t in gallery.templates(person) if t.model == gallery.model]
        if not own:
            raise GalleryError(f"{person}: no templates of the model in use; enroll again")
        means.append(unit_mean(own))
    return float(means[0] @ means[1])


def merge(site: WebContext, person: str, into: str) -> Forgotten:
    """Give a person's templates to another, who is the same, and erase the first.

    GalleryError unless the two are as alike as one person is to themselves. It can be tried again.
    """
    with site.gallery() as gallery:
        if person == into:
            raise GalleryError(f"{printable(person)}: a person cannot be merged into themselves")
        score, least = likeness(gallery, person, into), known(site, gallery).threshold
        if score < least:
            raise GalleryError(
                f"{person} and {into} are not alike enough to be one person: cosine {score:.2f}, needs {least:.2f}"
            )
        target, wall = gallery.person(into), site.clock.wall()
        with gallery.together():
            change = gallery.enroll(into, None, gallery.templates(person), wall, ignored=target.ignored)
        record(site, [change])
        return _forget(site, gallery, person)


def known(site: WebContext, gallery: Gallery) -> KnownFaces:
    """The faces that are somebody's already."""
    view = gallery.snapshot()
    return KnownFaces.of(view, level_threshold(site.configuration(), view)[0])


def record(site: WebContext, changes: Iterable[Change]) -> None:
    """Write the audit rows."""
    for change in changes:
        site.record(change.kind, change.facts)


def check_days(given: str | None, expires: str | None) -> None:
    """Raise GalleryError unless both are days, or not given; NEVER may stand for the second."""
    for text in (given, None if expires == NEVER else expires):
        if text is not None:
            check_day(text)


def _forget(site: WebContext, gallery: Gallery, who: str) -> Forgotten:
    configuration = site.configuration()
    try:
        proof = erasure.erase(configuration, gallery, who, site.clock.wall())
    finally:
        site.hub.forget(who)
    return Forgotten(proof, tuple(still_named(configuration, who)))
