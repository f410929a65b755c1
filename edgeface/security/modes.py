"""Who but its owner can read or change the data folder."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from edgeface.core.text import printable_path

if TYPE_CHECKING:
    from pathlib import Path

_OTHERS = 0o077


def too_open(folder: Path) -> list[str]:
    """The folder and its files that others may use, or that another user owns, one line each; raises OSError."""
    owner = folder.stat().st_uid
    lines = []
    for path in (folder, *sorted(folder.iterdir())):
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            lines.append(f"{printable_path(path)}: a link, and not a file of its own")
            continue
        if stat.S_IMODE(found.st_mode) & _OTHERS:
            whole = stat.S_IMODE(found.st_mode)
            right = "700" if stat.S_ISDIR(found.st_mode) else "600"
            lines.append(f"{printable_path(path)}: mode {whole:04o} lets other users in: chmod {right}")
        if found.st_uid != owner:
            lines.append(f"{printable_path(path)}: owned by user {found.st_uid}, the folder by {owner}")
    return lines
