"""Erases a person or an unknown for good, and searches the data folder for what is left of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.text import is_unknown_id
from edgeface.gallery.gallery import FILE
from edgeface.journal import removal
from edgeface.people import retention, trace_search
from edgeface.people.rules import level_threshold

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.config.configuration import Configuration
    from edgeface.gallery.gallery import Gallery


class ErasureProof(NamedTuple):
    """What a search found after somebody was erased."""

    files: int
    """Searched."""
    traces: tuple[Path, ...]
    """Files that still hold something of them; none when all is well."""
    set_aside: tuple[Path, ...]
    """Damaged journals that were put aside, and may name them."""


def erase(configuration: Configuration, gallery: Gallery, who: str, wall: float) -> ErasureProof:
    """Erase a person, or an unknown, at wall seconds; GalleryError for one that is not known.

    What fails half-way, also by a GalleryError, can be tried again.
    """
    removal.finish_redaction(configuration.data / FILE)
    sought = _unknown(configuration, gallery, who) if is_unknown_id(who) else _person(configuration, gallery, who, wall)
    journal = _journal(configuration)
    count, found = trace_search.search(configuration.data, sought)
    return ErasureProof(count, tuple(found), tuple(sorted(configuration.data.glob(f"{journal.name}.corrupt-*"))))


def _person(configuration: Configuration, gallery: Gallery, person: str, wall: float) -> trace_search.SearchTerms:
    threshold = level_threshold(configuration, gallery.snapshot())[0]
    sought = trace_search.person(gallery, person, threshold)
    retention.forget(gallery, _journal(configuration), person, wall, alike=threshold)
    return sought


def _unknown(configuration: Configuration, gallery: Gallery, unknown: str) -> trace_search.SearchTerms:
    found = next((u for u in gallery.unknowns() if u.id == unknown), None)
    # The journal first: once the gallery has no such unknown, nothing leads to its rows.
    removal.redact(_journal(configuration), unknown)
    gallery.forget_unknown(unknown)
    removal.redact(_journal(configuration), unknown)
    tag = gallery.tag(unknown)
    return trace_search.SearchTerms((unknown,), (tag,), ()) if found is None else trace_search.unknown(gallery, found)


def _journal(configuration: Configuration) -> Path:
    return configuration.data / "journal.db"
