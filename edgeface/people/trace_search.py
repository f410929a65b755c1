"""Searches the data folder for traces of a person: ids, names, tags, and the numbers of embeddings."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.errors import GalleryError, system_reason
from edgeface.core.sqlite import reading_only
from edgeface.core.text import is_unknown_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgeface.core.types import Embedding
    from edgeface.gallery.gallery import Gallery

_CHUNK_BYTES = 4_000_000
# Longer than the longest name, and than four numbers.
_OVERLAP_BYTES = 4_096
# By chance, 60 MB of sealed bytes hold a given word of five bytes in one of 20,000 searches, one of three in every one.
_MIN_PLAIN_BYTES = 6
_WORD = 4
"""Bytes of a number."""
_RUN = 4
"""Consecutive numbers of an embedding that count as a trace: 16 bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class SearchTerms:
    """What must not be found in any file."""

    words: tuple[str, ...]
    tags: tuple[bytes, ...]
    embeddings: tuple[Embedding, ...]


def terms(gallery: Gallery, who: Collection[str], alike: float, into: str | None = None) -> SearchTerms:
    """What the gallery holds of people and unknowns, and of the unknowns whose cosine to one is `alike` or more.

    With `into`, who gets the negative templates of the people, no negative template is sought. Of a person who is not
    enrolled, it is the id.
    """
    people = gallery.find(one for one in who if not is_unknown_id(one))
    ids = list(people)
    named = [one for one in map(gallery.find_unknown, filter(is_unknown_id, who)) if one is not None]
    others = [*named, *gallery.unknowns_like(ids, alike)]
    traces = gallery.traces(who, alike, into)
    embeddings = [template.embedding for template in gallery.templates(*ids)]
    embeddings += [each for unknown in others for each in (unknown.mean, *unknown.templates)]
    embeddings += [negative.embedding for negative in (gallery.negatives(*ids) if into is None else ())]
    merged = [each for unknown in others for each in unknown.ids]
    tags = [*map(gallery.tag, (*who, *merged)), *gallery.factor_tags(*ids)]
    return SearchTerms(
        (*who, *(one.name for one in people.values()), *merged),
        (*tags, *(row.tag for row in traces if row.tag is not None)),
        (*embeddings, *(row.embedding for row in traces)),
    )


def search(folder: Path, terms: SearchTerms) -> tuple[int, list[Path]]:
    """Read every file below a folder; returns their number, and the files with a trace.

    A word that is short, or part of a database schema, counts only in quotation marks, as JSON writes it. Raises
    GalleryError if a file cannot be read.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    forms, numbers = _Forms(_forms(terms, _schemas(files))), _Numbers(terms.embeddings)
    try:
        found = [p for p in files if any(forms.occur_in(chunk) or numbers.occur_in(chunk) for chunk in _chunks(p))]
    except FileNotFoundError:
        # SQLite deletes its log when the last program closes the database.
        return search(folder, terms)
    except OSError as error:
        raise GalleryError(f"{error.filename}: {system_reason(error)}: cannot be searched for traces") from error
    return len(files), found


def _chunks(path: Path) -> Iterator[bytes]:
    yield path.name.encode()
    kept = b""
    with path.open("rb") as file:
        while read := file.read(_CHUNK_BYTES):
            yield kept + read
            kept = (kept + read)[-_OVERLAP_BYTES:]


def _forms(terms: SearchTerms, schemas: str) -> list[bytes]:
    """The bytes that each tag and each word may be written as."""
    forms = list(terms.tags)
    for word in terms.words:
        plain = len(word.encode()) >= _MIN_PLAIN_BYTES and word not in schemas
        written = {word, json.dumps(word)[1:-1]}
        forms += [(form if plain else f'"{form}"').encode() for form in written]
    return forms


def _schemas(files: list[Path]) -> str:
    """The plain words that databases hold without any row."""
    found = []
    for path in files:
        if path.suffix == ".db":
            with suppress(sqlite3.Error), closing(reading_only(path)) as db:
                found += [str(row) for row in db.execute("SELECT name, sql FROM sqlite_master")]
    return "".join(found)


class _Forms:
    """Looks for many texts at once, at the cost of one."""

    def __init__(self, forms: list[bytes]) -> None:
        self._short = [form for form in forms if len(form) <= _WORD]
        # Every second byte starts a word of four; a longer form has such a word at its first or second byte.
        keys = [(int.from_bytes(f[n : n + _WORD], "little"), f, n) for f in forms if len(f) > _WORD for n in (0, 1)]
        self._at: dict[int, list[tuple[bytes, int]]] = {}
        for key, form, offset in keys:
            self._at.setdefault(key, []).append((form, offset))
        self._keys = np.array(sorted(self._at), np.uint32)
        self._lower = _marks(self._keys & 0xFFFF)

    def occur_in(self, data: bytes) -> bool:
        """Whether one of the texts is in the bytes."""
        if any(form in data for form in self._short):
            return True
        for shift in (0, 2):
            words = _words(data, shift)
            places = np.flatnonzero(self._lower[words & 0xFFFF])
            for place in places[_among(words[places], self._keys)].tolist():
                start = shift + _WORD * place
                if any(data.startswith(form, start - n) for form, n in self._at[int(words[place])] if start >= n):
                    return True
        return False


class _Numbers:
    """Looks for _RUN consecutive numbers of an embedding, at any offset."""

    def __init__(self, embeddings: Sequence[Embedding]) -> None:
        numbers = np.concatenate([np.zeros(1, np.uint32), *(one.astype("<f4").view("<u4") for one in embeddings)])
        # Unlike numpy's unique, this sorts. Without zero, which occurs everywhere.
        numbers.sort()
        self._numbers = numbers[1:][numbers[1:] != numbers[:-1]]
        self._upper = _marks(self._numbers >> 16)

    def occur_in(self, data: bytes) -> bool:
        """Whether such a run is in the bytes."""
        for shift in range(_WORD) if self._numbers.size else ():
            words = _words(data, shift)
            # Of _RUN numbers in a row, one is at a multiple of _RUN. A table of upper halves leaves few to look up.
            some = words[::_RUN]
            places = np.flatnonzero(self._upper[some >> 16])
            for place in (_RUN * places[_among(some[places], self._numbers)]).tolist():
                near = _among(words[max(0, place - _RUN + 1) : place + _RUN], self._numbers)
                if near.size >= _RUN and np.convolve(near, np.ones(_RUN), "valid").max() >= _RUN:
                    return True
        return False


def _marks(halves: NDArray[np.integer]) -> NDArray[np.bool_]:
    """A table of 16-bit numbers: which of them occur."""
    table = np.zeros(1 << 16, np.bool_)
    table[halves] = True
    return table


def _among(values: NDArray[np.uint32], known: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which of the values are known; `known` is sorted. Unlike numpy's isin, this does not sort both."""
    if not known.size:
        return np.zeros(values.size, np.bool_)
    places = np.minimum(np.searchsorted(known, values), known.size - 1)
    found: NDArray[np.bool_] = known[places] == values
    return found


def _words(data: bytes, shift: int) -> NDArray[np.uint32]:
    return np.frombuffer(data, "<u4", offset=min(shift, len(data)), count=max(0, len(data) - shift) // _WORD)
