"""Erases people and unknowns from gallery and journal, and proves it by searching the data folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgeface.access.pass_list import PassList
from edgeface.core.errors import GalleryError
from edgeface.core.installed import releases
from edgeface.core.text import is_unknown_id
from edgeface.gallery import proposal_file
from edgeface.journal import removal
from edgeface.journal.database import noted
from edgeface.journal.journal import write_rows
from edgeface.people import trace_search
from edgeface.people.rules import level_threshold, still_named
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from edgeface.config.configuration import Configuration
    from edgeface.gallery.gallery import Gallery


class ErasureProof(NamedTuple):
    """What a search found after an erasure."""

    files: int
    """Number of files searched."""
    traces: tuple[Path, ...]
    """Files that still hold something of them; none if all is well."""
    set_aside: tuple[Path, ...]
    """Damaged journals that were set aside and may name them."""
    still_named: tuple[str, ...]
    """Where the configuration still names them, one line each."""


def erase(
    configuration: Configuration, gallery: Gallery, who: Collection[str], wall: float, into: str | None = None
) -> ErasureProof:
    """Erase people and unknowns, all of them or none; raises GalleryError for an id that is not known.

    Also known is someone who is not enrolled, if the journal or a self-enrollment names them.

    The negative templates of the people become those of `into`, if that is given.

    An erasure that fails half-way, also by a GalleryError, can be repeated. The next start of the daemon overwrites
    what one that was cut off has left.
    """
    journal = configuration.journal_path
    _require_known(gallery, journal, who)
    alike = level_threshold(configuration, gallery.census())[0]
    # Better refused than half done, while another program reads the file.
    gallery.begin_erasure()
    gallery.empty_log()
    terms = trace_search.terms(gallery, who, alike, into)
    erase_all(gallery, journal, who, wall, alike=alike, into=into)
    count, traces = trace_search.search(configuration.data, terms)
    aside = sorted(configuration.data.glob(f"{journal.name}.corrupt-*"))
    named = [line for one in who for line in still_named(configuration, one)]
    return ErasureProof(count, tuple(traces), tuple(aside), tuple(named))


def erase_all(
    gallery: Gallery, journal: Path, who: Collection[str], wall: float, *, alike: float, into: str | None = None,
    **facts: str,
) -> None:  # fmt: skip
    """Erase people and unknowns, with the unknowns whose cosine to them is `alike` or more.

    The deletion of each person is recorded with these `facts`; `into` is as for `erase`. Raises GalleryError if the
    gallery or the journal cannot be written; it can be repeated.
    """
    people = [one for one in who if not is_unknown_id(one)]
    gallery.begin_erasure()
    # The journal comes first: once the gallery does not know the id, nothing leads to its rows.
    # Without proposals, no one's templates are opened only to compare them.
    compared = people if into is None and proposal_file.proposal_file(journal.parent) is not None else ()
    faces = [face for one in compared if gallery.knows(one) for face in gallery.embeddings(one)]
    proposed = proposal_file.erase(journal.parent, people, faces, alike)
    PassList(journal.parent, open_vault(journal.parent)).erase(*people)
    named = [one for one in map(gallery.find_unknown, filter(is_unknown_id, who)) if one is not None]
    ids = {each for one in (*named, *gallery.unknowns_like(people, alike)) for each in one.ids}.union(who)
    # The same face, proposed under an id that no one is enrolled with: those rows are about them as well.
    ids.update(one for one in proposed if not gallery.knows(one))
    # What was written about someone before they were enrolled is about them as well.
    removal.redact(journal, *sorted(ids | removal.aliases(journal, people)))
    # After the journal was opened, which may copy it; from a copy nothing can be erased.
    releases.discard(journal.parent)
    try:
        known = gallery.versions(people)
        gallery.remove([one for one in who if is_unknown_id(one) or one in known], alike, into)
    finally:
        # Also recorded if the people are removed but the bytes stay because another program reads the file.
        _record(journal, wall, facts, len(people) - len(gallery.versions(people)))
    # Once more: a camera may have seen them in the meantime.
    removal.redact(journal, *who, only_new=True)


def finish(gallery: Gallery, journal: Path) -> None:
    """Overwrite what an erasure has left that was cut off; raises GalleryError if that is not possible now."""
    if gallery.unfinished:
        if journal.exists():
            removal.finish_redaction(journal)
        releases.discard(journal.parent)
        gallery.finish_erasure()


def _require_known(gallery: Gallery, journal: Path, who: Collection[str]) -> None:
    """Raise GalleryError for the first id that is not known, after an earlier erasure of it was finished."""
    for one in who:
        if not gallery.knows(one):
            finish(gallery, journal)
            if is_unknown_id(one):
                removal.redact(journal, one)
                gallery.unknown(one)
            if not (proposal_file.names(journal.parent, one) or removal.is_named(journal, one)):
                gallery.person(one)


def _record(journal: Path, wall: float, facts: dict[str, str], count: int) -> None:
    problem = write_rows(journal, [noted("deleted", wall, facts) for _ in range(count)]) if count else None
    if problem is not None:
        raise GalleryError(f"erased, but this is not in the audit trail: {problem}")
