"""Where this copy of edgeface comes from: a checkout, a release of the service, or a package."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NAME = re.compile(r'^name = "edgeface"$', re.MULTILINE)


def is_checkout(folder: Path) -> bool:
    """Whether a folder is a checkout of edgeface, whose config.yaml is the reference of all keys."""
    try:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return _NAME.search(text) is not None and (folder / "edgeface" / "cli").is_dir()
