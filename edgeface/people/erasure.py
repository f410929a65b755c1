"""Erases a person or an unknown from gallery and journal, and proves it by searching the data folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.errors import GalleryError
from edgeface.core.text import is_unknown_id
from edgeface.gallery.gallery import FILE
from edgeface.journal import removal
from edgeface.journal.database import noted
from edgeface.journal.journal import write_rows
from edgeface.people import trace_search
from edgeface.people.rules import level_threshold, still_named

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.config.configuration import Configuration
    from edgeface.gallery.gallery import Gallery


class ErasureProof(NamedTuple):
    """What a search found after an erasure."""

    files: int
    """Number of files searched."""
    traces: tuple[Path, ...]
    """Files that still hold something of the person; none if all is well."""
    set_aside: tuple[Path, ...]
    """Damaged journals that were set aside and may name the person."""
    still_named: tuple[str, ...]
    """Where the configuration still names the person, one line each."""


def erase(
    configuration: Configuration, gallery: Gallery, who: str, wall: float, into: str | None = None
) -> ErasureProof:
    """Erase a person or an unknown; raises GalleryError for an id that is not known.

    The negative templates of a person who is erased become those of `into`, if that is given.

    An erasure that fails half-way, also by a GalleryError, can be repeated.
    """
    removal.finish_redaction(configuration.data / FILE)
    journal = configuration.journal_path
    threshold = level_threshold(configuration, gallery.snapshot())[0]
    if is_unknown_id(who):
        terms = _erase_unknown(gallery, journal, who, threshold)
    else:
        terms = trace_search.person(gallery, who, threshold, into)
        erase_person(gallery, journal, who, wall, alike=threshold, into=into)
    count, traces = trace_search.search(configuration.data, terms)
    aside = sorted(configuration.data.glob(f"{journal.name}.corrupt-*"))
    return ErasureProof(count, tuple(traces), tuple(aside), tuple(still_named(configuration, who)))


def erase_person(
    gallery: Gallery, journal: Path, who: str, wall: float, *, alike: float, into: str | None = None, **facts: str
) -> None:
    """Erase a person and the unknowns with a cosine of `alike` to them, and record a deletion with these `facts`.

    `into` is as for `erase`. Raises GalleryError if the gallery or the journal cannot be written; it can be repeated.
    """
    gallery.person(who)
    # The journal comes first: once the gallery does not know the id, nothing leads to its rows.
    removal.redact(journal, *(each for unknown in gallery.unknowns_like(who, alike) for each in unknown.ids), who)
    try:
        gallery.remove_person(who, wall, alike, into)
    finally:
        # Also recorded if the person is removed but the bytes stay because another program reads the file.
        if all(person.id != who for person in gallery.people()):
            _record(journal, wall, facts)
    # Once more: a camera may have seen them in the meantime.
    removal.redact(journal, who)


def _erase_unknown(gallery: Gallery, journal: Path, who: str, alike: float) -> trace_search.SearchTerms:
    found = gallery.find_unknown(who)
    ids = (who,) if found is None else found.ids
    traces = gallery.traces(who, alike)
    removal.redact(journal, *ids)
    gallery.remove_unknown(who, alike)
    removal.redact(journal, *ids)
    if found is None:
        return trace_search.SearchTerms((who,), (gallery.tag(who),), ())
    return trace_search.unknown(gallery, found).also(traces)


def _record(journal: Path, wall: float, facts: dict[str, str]) -> None:
    problem = write_rows(journal, [noted("deleted", wall, facts)])
    if problem is not None:
        raise GalleryError(f"a person was erased, but this is not in the audit trail: {problem}")
