"""Reads JSON that may be an enemy's: no key twice, no NaN. The door's verifier, which is one file, has its own."""

from __future__ import annotations

import json


def loads(data: bytes) -> object:
    """Parse UTF-8 JSON; UnicodeDecodeError, json.JSONDecodeError, another ValueError, or RecursionError."""
    return json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_refused)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _refused(name: str) -> object:
    raise ValueError(f"{name} is no number")
