"""The event's wire form; docs/events.md is its contract."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import TYPE_CHECKING, Any, TypeAlias

from edgeface.core.clock import rfc3339
from edgeface.core.text import cleaned, display_name

if TYPE_CHECKING:
    from edgeface.core.types import Box, Event, Quality

Wire: TypeAlias = dict[str, Any]

LIFETIME = 3.0
"""Seconds after capture in which an event may be received; later it goes to the audit topic only."""

SEND_WITHIN = LIFETIME - 1.0
"""Seconds after capture in which an event may be sent. The last second of LIFETIME is for the network and the broker,
whose expiry counts whole seconds (MQTT 5, 3.3.2.3.3), so that no subscriber receives the event after LIFETIME."""

ACKNOWLEDGE_WITHIN = LIFETIME - 0.25
"""Seconds after capture in which the broker must acknowledge an event; otherwise the connection is cut. An event that
reaches the broker at the last moment still has to reach its subscribers."""

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_EVENT_ID = re.compile(f"[0-7][{_CROCKFORD}]{{25}}")


def event_id(wall: float, boot: str, seq: int) -> str:
    """The event's id: 26 characters of Crockford's base 32 that sort by time to the millisecond.

    48 bits of milliseconds since 1970 and 80 bits of SHA-256 over boot and seq: a ULID in form
    (github.com/ulid/spec), but the same event always has the same id, so that a replay produces the same bytes.
    """
    milliseconds = min(max(round(wall * 1000), 0), (1 << 48) - 1)
    digest = hashlib.sha256(f"{boot}:{seq}".encode()).digest()[:10]
    number = milliseconds << 80 | int.from_bytes(digest, "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def event_time(text: str) -> float | None:
    """The wall seconds of an id that `event_id` made, to the millisecond; None if it is no such id."""
    if _EVENT_ID.fullmatch(text) is None:
        return None
    number = 0
    for character in text[:10]:
        number = number << 5 | _CROCKFORD.index(character)
    return number / 1000


def to_wire(event: Event, *, sent_at: float | None, synced: bool, snapshot: str | None = None) -> Wire:
    """The event as the contract has it: every key is present, None where there is no value.

    `sent_at` is in wall seconds, None before it is sent; `synced` is whether the wall clock is known to be
    right; `snapshot` is the topic of its picture.
    """
    return {
        "v": 1,
        "event_type": event.type,
        "id": event.id,
        "boot": event.boot,
        "seq": event.seq,
        "device": event.device,
        "camera": event.camera,
        "track": event.track,
        "captured_at": rfc3339(event.captured_at),
        "sent_at": None if sent_at is None else rfc3339(sent_at),
        "expires_at": rfc3339(event.captured_at + LIFETIME),
        "clock": "synced" if synced else "unsynced",
        "late": False,
        "person": event.person,
        "name": None if event.name is None else display_name(event.name, event.person or ""),
        "score": _number(event.score, 4),
        "threshold": _number(event.threshold, 4),
        "margin": _number(event.margin, 4),
        "level": event.level,
        "level_basis": event.level_basis,
        "frames": event.frames,
        "faces_in_view": event.faces_in_view,
        "box": _inside(event.box, event.frame_size),
        "frame_size": [_whole(side) for side in event.frame_size],
        "quality": None if event.quality is None else _quality(event.quality),
        "liveness": event.liveness,
        "living": _number(event.living, 2),
        "reason": event.reason,
        "unknown": event.unknown,
        "seconds": _number(event.seconds, 1),
        "snapshot": snapshot,
        "model": cleaned(event.model)[:128],
    }


def to_json(wire: Wire) -> str:
    """One line of compact JSON; the same event gives the same bytes."""
    return json.dumps(wire, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """`value` in types that JSON has: NaN and infinity become None, tuples become lists, everything else text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _quality(quality: Quality) -> Wire:
    return {
        "height_px": quality.height_px,
        "sharpness": _number(quality.sharpness, 2),
        "yaw": _whole(quality.yaw),
        "pitch": _whole(quality.pitch),
    }


def _inside(box: Box, size: tuple[int, int]) -> list[int | None]:
    """The part of a box inside the image: a tracker follows a face beyond the edge."""
    edges = (_whole(edge) for edge in box)
    return [None if edge is None else min(max(edge, 0), most) for edge, most in zip(edges, size * 2, strict=True)]


def _number(value: float | None, digits: int) -> float | None:
    # JSON has no NaN and no infinity; adding zero turns -0.0 into 0.0.
    return round(float(value), digits) + 0.0 if value is not None and math.isfinite(value) else None


def _whole(value: float) -> int | None:
    return round(float(value)) if math.isfinite(value) else None
