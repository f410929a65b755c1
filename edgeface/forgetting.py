"""Erases a person or an unknown for good, and searches the data folder for what is left of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgeface import erasure, retention, traces
from edgeface.gallery import FILE
from edgeface.listing import level_threshold
from edgeface.names import is_unknown_id

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.gallery import Gallery
    from edgeface.settings import Configuration


class Proof(NamedTuple):
    """What a search found after somebody was erased."""

    files: int
    """Searched."""
    traces: tuple[Path, ...]
    """Files that still hold something of them; none when all is well."""
    set_aside: tuple[Path, ...]
    """Damaged journals that were put aside, and may name them."""


def forget(configuration: Configuration, gallery: Gallery, who: str, wall: float) -> Proof:
    """Erase a person, or an unknown, at wall seconds; GalleryError for one that is not known.

    What fails half-way, also by a GalleryError, can be tried again.
    """
    erasure.finish(configuration.data / FILE)
    sought = _unknown(configuration, gallery, who) if is_unknown_id(who) else _person(configuration, gallery, who, wall)
    journal = _journal(configuration)
    count, found = traces.search(configuration.data, sought)
    return Proof(count, tuple(found), tuple(sorted(configuration.data.glob(f"{journal.name}.corrupt-*"))))


def _person(configuration: Configuration, gallery: Gallery, person: str, wall: float) -> traces.Sought:
    threshold = level_threshold(configuration, gallery.snapshot())[0]
    sought = traces.person(gallery, person, threshold)
    retention.forget(gallery, _journal(configuration), person, wall, alike=threshold)
    return sought


def _unknown(configuration: Configuration, gallery: Gallery, unknown: str) -> traces.Sought:
    found = next((u for u in gallery.unknowns() if u.id == unknown), None)
    # The journal first: once the gallery has no such unknown, nothing leads to its rows.
    erasure.forget_in_journal(_journal(configuration), unknown)
    gallery.forget_unknown(unknown)
    erasure.forget_in_journal(_journal(configuration), unknown)
    tag = gallery.tag(unknown)
    return traces.Sought((unknown,), (tag,), ()) if found is None else traces.unknown(gallery, found)


def _journal(configuration: Configuration) -> Path:
    return configuration.data / "journal.db"
