"""Reads messages of the devices' audit topics; nothing in them is trusted."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from edgeface.centre.records import AuditRow
from edgeface.core.events import event_time
from edgeface.core.text import is_id

if TYPE_CHECKING:
    from edgeface.mqtt.connection import Message

_KIND = re.compile(r"[a-z][a-z_]{0,39}")
_DEEPEST = 8
"""Levels of lists and objects in a row; real ones have three."""
_IDS = ("camera", "door", "person")


def read(prefix: str, message: Message) -> AuditRow | None:
    """The row of a message; None if no device writes such a message (docs/events.md)."""
    device = message.topic.removeprefix(f"{prefix}/").removesuffix("/audit")
    if message.topic != f"{prefix}/{device}/audit" or not is_id(device) or message.retained:
        return None
    try:
        facts = json.loads(message.payload.decode(), parse_constant=_refuse)
        _require_flat(facts)
        # Whoever reads it later gets valid JSON and valid UTF-8.
        plain = json.dumps(facts, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return None
    return _row(device, facts, plain) if type(facts) is dict else None


def _row(device: str, facts: dict[str, Any], plain: bytes) -> AuditRow | None:
    version, kind, id_ = facts.get("v"), facts.get("event_type"), facts.get("id")
    if type(version) is not int or version != 1 or facts.get("device") != device:
        return None
    if not isinstance(kind, str) or _KIND.fullmatch(kind) is None or not isinstance(id_, str):
        return None
    ids = {name: facts.get(name) for name in _IDS}
    if not all(one is None or (isinstance(one, str) and is_id(one)) for one in ids.values()):
        return None
    at = event_time(id_)
    return None if at is None else AuditRow(device=device, id=id_, at=at, kind=kind, facts=plain, **ids)


def _require_flat(value: object, left: int = _DEEPEST) -> None:
    if isinstance(value, (dict, list)):
        if not left:
            raise ValueError
        for one in value.values() if isinstance(value, dict) else value:
            _require_flat(one, left - 1)


def _refuse(_: str) -> None:
    raise ValueError
