"""Finds the photos in folders: what is read, what is passed over, and what looks like a photo and is not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.core.files import read_at_most
from edgeface.imaging.photos import SUFFIXES, is_photo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LIKE_PHOTOS = SUFFIXES | frozenset(
    [
        ".heic",
        ".heif",
        ".hif",
        ".avif",
        ".tif",
        ".tiff",
        ".gif",
        ".svg",
        ".jxl",
        ".jp2",
        ".psd",
        ".dng",
        ".cr2",
        ".cr3",
        ".nef",
        ".arw",
        ".orf",
        ".rw2",
        ".raf",
        ".pef",
        ".srw",
    ]
)
"""Of files that someone takes for photos; what cannot be read of them is rejected with the reason."""
_PASSED_OVER = frozenset(
    {"thumbs.db", "desktop.ini", "@eadir", "__macosx", "#recycle", "@recycle", "$recycle.bin", "lost+found"}
)
"""What Windows, macOS and network drives put into folders, in lower case; names beginning with a dot are, too."""


def is_passed_over(path: Path) -> bool:
    """Whether a file or folder is one that the system made, and not the user."""
    return path.name.startswith(".") or path.name.lower() in _PASSED_OVER


def entries(folder: Path) -> list[Path]:
    """What the user has put into a folder, sorted; raises OSError."""
    return sorted(path for path in folder.iterdir() if not is_passed_over(path))


def photos_in(folder: Path) -> list[Path]:
    """The files in a folder that are photos by name or content, sorted, read or not; raises OSError."""
    return [path for path in entries(folder) if looks_like_photo(path)]


def looks_like_photo(path: Path) -> bool:
    """Whether a file is a photo by its name, or by how it begins; raises OSError if the folder cannot be read."""
    if path.is_dir():
        return False
    return path.suffix.lower() in _LIKE_PHOTOS or is_photo(_beginning(path))


def folders_with_photos(folder: Path) -> Iterator[Path]:
    """The folders within a folder, at any depth, that have photos; raises OSError."""
    for path in entries(folder):
        # A link may lead back up.
        if path.is_dir() and not path.is_symlink():
            if photos_in(path):
                yield path
            yield from folders_with_photos(path)


def _beginning(path: Path) -> bytes:
    """The first bytes of a file; none if it cannot be read, or is a pipe or a device."""
    try:
        return read_at_most(path, 63)
    except OSError:
        return b""
