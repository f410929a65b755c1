"""Searches the data folder for traces of a person: ids, names, tags, and the numbers of embeddings."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.errors import GalleryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgeface.core.types import Embedding
    from edgeface.gallery.corrections import Trace
    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.unknowns import Unknown

_CHUNK_BYTES = 4_000_000
# Longer than the longest name, and than four numbers.
_OVERLAP_BYTES = 4_096
# By chance, 60 MB of sealed bytes hold a given word of five bytes in one of 20,000 searches, one of three in every one.
_MIN_PLAIN_BYTES = 6
_RUN = 4
"""Consecutive numbers of an embedding that count as a trace: 16 bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class SearchTerms:
    """What must not be found in any file."""

    words: tuple[str, ...]
    tags: tuple[bytes, ...]
    embeddings: tuple[Embedding, ...]

    def also(self, traces: Sequence[Trace]) -> SearchTerms:
        """These terms, and the rows of corrections."""
        tags = (*self.tags, *(row.tag for row in traces if row.tag is not None))
        return replace(self, tags=tags, embeddings=(*self.embeddings, *(row.embedding for row in traces)))


def person(gallery: Gallery, who: str, alike: float, into: str | None = None) -> SearchTerms:
    """What the gallery holds of a person and of the unknowns whose cosine to them is `alike` or more.

    With `into`, who gets the negative templates of the person, no negative template is sought.
    """
    own, others = gallery.person(who), [unknown(gallery, found) for found in gallery.unknowns_like(who, alike)]
    denied = [negative.embedding for negative in (gallery.negatives(who) if into is None else ())]
    terms = SearchTerms(
        (own.id, own.name, *(word for other in others for word in other.words)),
        (gallery.tag(who), *(tag for other in others for tag in other.tags)),
        (*(t.embedding for t in gallery.templates(who)), *(e for other in others for e in other.embeddings), *denied),
    )
    return terms.also(gallery.traces(who, alike, into))


def unknown(gallery: Gallery, who: Unknown) -> SearchTerms:
    """What the gallery holds of an unknown."""
    return SearchTerms(who.ids, tuple(map(gallery.tag, who.ids)), (who.mean, *who.templates))


def search(folder: Path, terms: SearchTerms) -> tuple[int, list[Path]]:
    """Read every file below a folder; returns their number, and the files with a trace.

    A word that is short, or part of a database schema, counts only in quotation marks, as JSON writes it. Raises
    GalleryError if a file cannot be read.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    pattern, numbers = _pattern(terms, _schemas(files)), _numbers(terms.embeddings)
    try:
        found = [p for p in files if any(pattern.search(chunk) or _runs(chunk, numbers) for chunk in _chunks(p))]
    except FileNotFoundError:
        # SQLite deletes its log when the last program closes the database.
        return search(folder, terms)
    except OSError as error:
        raise GalleryError(f"{error.filename}: {error.strerror}: cannot be searched for traces") from error
    return len(files), found


def _chunks(path: Path) -> Iterator[bytes]:
    yield path.name.encode()
    kept = b""
    with path.open("rb") as file:
        while read := file.read(_CHUNK_BYTES):
            yield kept + read
            kept = (kept + read)[-_OVERLAP_BYTES:]


def _pattern(terms: SearchTerms, schemas: str) -> re.Pattern[bytes]:
    forms = list(terms.tags)
    for word in terms.words:
        plain = len(word.encode()) >= _MIN_PLAIN_BYTES and word not in schemas
        written = {word, json.dumps(word)[1:-1]}
        forms += [(form if plain else f'"{form}"').encode() for form in written]
    return re.compile(b"|".join(re.escape(form) for form in forms))


def _schemas(files: list[Path]) -> str:
    """The plain words that databases hold without any row."""
    found = []
    for path in files:
        if path.suffix == ".db":
            with (
                suppress(sqlite3.Error),
                closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db,
            ):
                found += [str(row) for row in db.execute("SELECT name, sql FROM sqlite_master")]
    return "".join(found)


def _numbers(embeddings: tuple[Embedding, ...]) -> NDArray[np.uint32]:
    # Without zero, which occurs everywhere.
    words = [embedding.astype("<f4").view("<u4") for embedding in embeddings]
    joined = np.concatenate([np.zeros(1, np.uint32), *words])
    return np.unique(joined)[1:]


def _runs(data: bytes, numbers: NDArray[np.uint32]) -> bool:
    """Whether _RUN numbers of an embedding follow one another at any offset."""
    if not numbers.size:
        return False
    # The upper halves first: a table lookup leaves little for the exact search.
    upper = np.zeros(1 << 16, bool)
    upper[numbers >> 16] = True
    for shift in range(4):
        words = np.frombuffer(data, "<u4", offset=shift, count=max(0, len(data) - shift) // 4)
        starts = _starts(upper[words >> 16])
        near = np.unique(starts[:, None] + np.arange(_RUN))
        exact = np.zeros(words.size, bool)
        exact[near] = np.isin(words[near], numbers)
        if _starts(exact).size:
            return True
    return False


def _starts(marks: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Where runs of _RUN marks start."""
    if marks.size < _RUN:
        return np.zeros(0, np.intp)
    return np.flatnonzero(np.all([marks[n : marks.size - _RUN + 1 + n] for n in range(_RUN)], axis=0))
