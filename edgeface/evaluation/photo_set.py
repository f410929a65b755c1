"""Embeds a folder of PERSON/PHOTO with the same steps as enrollment, and reads lists of pairs of its photos."""

from __future__ import annotations

import hashlib
import json
import math
import os
import zipfile
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.errors import GalleryError, PhotoError, system_reason
from edgeface.core.text import printable, printable_path
from edgeface.evaluation.csv_rows import read_rows
from edgeface.faces import photo_face
from edgeface.faces.tflite import SHIPPED
from edgeface.imaging import photo_files, photos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.faces.photo_face import Found

    Ints = NDArray[np.int64]
    Progress = Callable[[Sequence[Path]], Iterable[Path]]

GOOD, NO_FACE, UNREADABLE = "good", "no_face", "unreadable"
"""Outcomes of a photo. Any other outcome is the reason of its quality; such a photo is used all the same."""

_COLUMNS = ("fold", "same", "a", "b")
_BINARY = {"0": False, "1": True}
# A hundred times as many as LFW has.
_MAX_PAIRS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class PhotoSet:
    """The photos of a folder, sorted by name."""

    names: tuple[str, ...]
    """PERSON/PHOTO."""
    embeddings: NDArray[np.float32]
    """n x d, of length one; zeros without a face."""
    outcomes: tuple[str, ...]

    @property
    def acquired(self) -> NDArray[np.bool_]:
        """Which photos have an embedding."""
        return np.array([outcome not in {NO_FACE, UNREADABLE} for outcome in self.outcomes])

    @property
    def person(self) -> Ints:
        """Each photo's person, numbered from 0."""
        numbers: Ints = np.unique([name.split("/")[0] for name in self.names], return_inverse=True)[1]
        return numbers.reshape(-1)

    @property
    def acquired_person(self) -> Ints:
        """The person of each photo with an embedding, numbered from 0."""
        numbers: Ints = np.unique(self.person[self.acquired], return_inverse=True)[1]
        return numbers.reshape(-1)


@dataclass(frozen=True, slots=True, eq=False)
class PairList:
    """Comparisons to make, as indices into a PhotoSet."""

    first: Ints
    second: Ints
    same: NDArray[np.bool_]
    fold: Ints


def find(folder: Path) -> list[Path]:
    """The photos of FOLDER/PERSON/PHOTO, sorted; raises GalleryError unless two people, one with two photos, exist."""
    shown = printable_path(folder)
    if not folder.is_dir():
        raise GalleryError(f"{shown}: no such folder")
    people = [person for person in photo_files.entries(folder) if person.is_dir()]
    found = sorted(path for own in people for path in photo_files.photos_in(own))
    counts = Counter(path.parent for path in found).values()
    if not counts:
        raise GalleryError(f"{shown}: no photos; it must hold PERSON/PHOTO")
    if len(counts) < 2:  # noqa: PLR2004 - an impostor needs another person
        raise GalleryError(f"{shown}: photos of one person only; error rates need two people or more")
    if max(counts) < 2:  # noqa: PLR2004 - a genuine comparison needs two photos
        raise GalleryError(f"{shown}: no one has two photos; error rates need a person with two")
    return found


def name_of(path: Path) -> str:
    """PERSON/PHOTO."""
    return f"{path.parent.name}/{path.name}"


def embed(analyzer: FaceAnalyzer, paths: Sequence[Path], progress: Progress) -> PhotoSet:
    """Embed the main face of each photo: a large one near its centre. `progress` yields the paths one by one."""
    results = [_embed(analyzer, path) for path in progress(paths)]
    size = next((vector.size for _, vector in results if vector is not None), 1)
    rows = [np.zeros(size, np.float32) if vector is None else vector for _, vector in results]
    return PhotoSet(tuple(map(name_of, paths)), np.stack(rows), tuple(outcome for outcome, _ in results))


def _embed(analyzer: FaceAnalyzer, path: Path) -> tuple[str, NDArray[np.float32] | None]:
    try:
        photo = photos.load(path)
    except PhotoError:
        return UNREADABLE, None
    found = max(photo_face.faces(analyzer, photo), key=_prominence, default=None)
    if found is None:
        return NO_FACE, None
    return found.quality.reason or GOOD, analyzer.embed(found.image, found.detection)


def _prominence(found: Found) -> float:
    """How likely the photo shows this face on purpose: its width less half its distance from the centre."""
    height, width = found.image.shape[:2]
    x, y = found.detection.box.centre
    return float((found.detection.box.width - math.hypot(x - width / 2, y - height / 2) / 2) / width)


def cached(analyzer: FaceAnalyzer, paths: Sequence[Path], cache: Path | None, progress: Progress) -> PhotoSet:
    """The photos from the cache if it holds them, else embedded, and stored there; raises GalleryError as these do."""
    mark = fingerprint(analyzer, paths)
    found = restore(cache, mark) if cache is not None else None
    if found is None:
        found = embed(analyzer, paths, progress)
        if cache is not None:
            save(cache, found, mark)
    return found


def fingerprint(analyzer: FaceAnalyzer, paths: Sequence[Path]) -> str:
    """A hash of the embedder, the shipped models, and each photo's path, size and modification time."""
    digest = hashlib.sha256(analyzer.embedder.name.encode())
    for shipped in SHIPPED:
        digest.update(shipped.sha256.encode())
    for path in paths:
        facts = path.stat()
        digest.update(os.fsencode(path) + f"\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def save(file: Path, photo_set: PhotoSet, mark: str) -> None:
    """Cache a PhotoSet with its fingerprint; raises GalleryError if the file cannot be written."""
    facts = json.dumps({"mark": mark, "names": photo_set.names, "fates": photo_set.outcomes})
    try:
        with file.open("wb") as out:
            np.savez(out, embeddings=photo_set.embeddings, facts=np.frombuffer(facts.encode(), np.uint8))
    except OSError as error:
        raise GalleryError(f"{printable_path(file)}: cannot be written ({system_reason(error)})") from error


def restore(file: Path, mark: str) -> PhotoSet | None:
    """Read a cached PhotoSet; None if there is none, or if it is of other photos or models."""
    try:
        # Opened here, so that it is closed even if np.load rejects it.
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as cached:
            facts = json.loads(cached["facts"].tobytes())
            if facts["mark"] != mark:
                return None
            return PhotoSet(tuple(facts["names"]), cached["embeddings"], tuple(facts["fates"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise GalleryError(f"{printable_path(file)}: not a cache of `edgeface evaluate`; delete it") from error


def read_pairs(file: Path, names: Sequence[str]) -> PairList:
    """Read a CSV of fold,same,a,b, where a and b are PERSON/PHOTO; raises GalleryError, which names the wrong line."""
    places = {name: place for place, name in enumerate(names)}
    shown = printable_path(file)
    rows = [_pair(row, places, where) for row, where in read_rows(file, _COLUMNS)]
    fold, same, first, second = np.array(rows, np.int64).reshape(-1, 4).T
    if len(rows) > _MAX_PAIRS or np.unique(fold).size < 2 or np.unique(same).size < 2:  # noqa: PLR2004
        raise GalleryError(f"{shown}: needs pairs of the same and of different people, and two folds or more")
    return PairList(first, second, same.astype(np.bool_), fold)


def _pair(row: dict[str, str], places: dict[str, int], where: str) -> tuple[int, bool, int, int]:
    try:
        fold, same = int(row["fold"]), _BINARY[row["same"]]
    except (ValueError, KeyError, TypeError) as error:
        raise GalleryError(f"{where}: fold must be a number, and same 0 or 1") from error
    for name in (row["a"], row["b"]):
        if name not in places:
            raise GalleryError(f"{where}: no such photo in the folder: {printable(str(name))}")
    return fold, same, places[row["a"]], places[row["b"]]
