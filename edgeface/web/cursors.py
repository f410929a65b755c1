"""Where a list goes on, as text that nobody needs to understand."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from edgeface.web.problems import Problem


def cursor_of(*parts: str | float) -> str:
    """The place after the item with these keys."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def after(cursor: str | None, *types: type) -> tuple[Any, ...] | None:
    """The keys that `cursor_of` was given, of these types; None for the start. Problem 422 for what it did not make."""
    if cursor is None:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        parts = None
    if not isinstance(parts, list) or [type(part) for part in parts] != list(types):
        raise Problem(422, detail="cursor: not one that this interface gave")
    return tuple(parts)
