"""Makes docs/result-vectors.json, with the same bytes every time: python -m tools.vectors.results [FILE]."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

from edgeface.access.reports.envelope import key_id, sign_report
from tools.vectors.make import compact, private, public, respelled, swapped

FILE = Path(__file__).parent.parent.parent / "docs" / "result-vectors.json"

DOOR, KEY, STRANGER = "front-door", "door", "another door"
NONCE, NEWEST, OLD = "Xq0v7TnM1yUe4cSgKp2ZAb8R", "Jc8sRr0wq2QmN4vBtYk7LzXd", "o" * 24
DEVICE, BOOT, DOOR_BOOT, OLD_BOOT = "front", "5f0c9a1be2d34478", "9c41e07d5a3b2f18", "0a0a0a0a0a0a0a0a"
ABOUT = (
    "Judge each case as the device `front` in its run `boot`, which has sent its door a grant with each seq of "
    "`grants`, with that nonce. The door has published `nonces` in the last minute, and `seen` has the highest seq of "
    "its reports in each of its runs. The message is text in `message`, or base64 of its bytes in `message_base64`. "
    "`expect` is accept, or why the report does not count. `kid` is the first 16 hex digits of the SHA-256 of the 32 "
    "bytes of the key. All keys outside the payload are for readers of version 1, and nothing signs them."
)
FACTS: dict[str, Any] = {"accepted": True, "reason": None, "device": DEVICE, "grant_boot": BOOT, "grant_seq": 7}
FIRST: dict[str, Any] = {"v": 2, "kind": "result", "door": DOOR, "boot": DOOR_BOOT, "seq": 41, "newest": NEWEST}


def payload(**changes: Any) -> dict[str, Any]:
    """A valid payload of a result, changed; a value of ... removes the key."""
    facts = {**FIRST, **FACTS, "nonce": NONCE, **changes}
    return {key: value for key, value in facts.items() if value is not ...}


def message(key: str = KEY, outer: dict[str, Any] | None = None, **changes: Any) -> str:
    """A signed result as the door sends it; `outer` changes what is outside the payload."""
    plain = {"v": 1, "door": DOOR, "boot": DOOR_BOOT, **FACTS}
    signed = json.loads(sign_report(plain, payload(**changes), private(key)))
    return compact({name: value for name, value in {**signed, **(outer or {})}.items() if value is not ...})


def state(newest: str = NEWEST, **changes: Any) -> str:
    """A signed state."""
    facts: dict[str, Any] = {
        "contact": "shut", "alarms": {"held": 0, "forced": 1}, "doorbell": {"count": 3, "age": 12.5, "dropped": 0},
        "exit_button": {"count": 2}, **changes,
    }  # fmt: skip
    first = {**FIRST, "kind": "state", "newest": newest}
    return sign_report({"v": 1, "boot": DOOR_BOOT, **facts}, {**first, **facts}, private(KEY)).decode()


def case(name: str, expect: str, sent: str | bytes, kind: str = "result") -> dict[str, Any]:
    """One case."""
    wire = {"message": sent} if isinstance(sent, str) else {"message_base64": base64.b64encode(sent).decode()}
    return {"name": name, "expect": expect, "kind": kind, **wire}


def counted() -> list[dict[str, Any]]:
    """Reports that count."""
    unread: dict[str, Any] = {"device": None, "grant_boot": None, "grant_seq": None, "nonce": None}
    refused: dict[str, Any] = {"accepted": False, "reason": "stale"}
    return [
        case("the door has opened for a grant", "accept", message()),
        case("the door has rejected a grant", "accept", message(**refused)),
        case("the door could not read a grant", "accept", message(**unread, accepted=False, reason="malformed")),
        case("a run of the door that was never seen before", "accept", message(boot="77aa", seq=1)),
        case("a result of another device", "accept", message(device="yard", grant_boot="b0", nonce=OLD)),
        case(
            "what is outside the payload claims something else",
            "accept",
            message(outer={"accepted": False, "door": "x"}),
        ),
        case("spaces around the message", "accept", f"  {message()}\n"),
        case("a state", "accept", state(), "state"),
        case("a state of a door without inputs", "accept", state(contact=None, alarms=None, doorbell=None), "state"),
    ]


def unproven() -> list[dict[str, Any]]:
    """Reports that the key has not signed."""
    good: dict[str, Any] = json.loads(message())
    bare = message(outer=dict.fromkeys(("payload", "kid", "alg", "sig"), ...))
    forged = good["payload"].replace("true", "false")
    return [
        case("version 1 without a signature", "unsigned", bare),
        case("no sig", "unsigned", message(outer={"sig": ...})),
        case("nothing", "malformed", ""),
        case("not JSON", "malformed", "opened"),
        case("a list", "malformed", f"[{message()}]"),
        case("not UTF-8", "malformed", message().encode() + b"\xff"),
        case("a key twice", "malformed", f'{{"alg":"ed25519",{message()[1:]}'),
        case("larger than 8,000 bytes", "malformed", message() + " " * 8000),
        case("the payload is an object", "malformed", message(outer={"payload": payload()})),
        case("the key of another door", "key", message(STRANGER)),
        case("signed by another key under this kid", "signature", message(STRANGER, {"kid": good["kid"]})),
        case("another algorithm", "algorithm", message(outer={"alg": "ES256"})),
        case("an altered payload", "signature", message(outer={"payload": forged})),
        case("one more space in the payload", "signature", message(outer={"payload": good["payload"] + " "})),
        case("S + L for S", "signature", message(outer={"sig": swapped(good["sig"])})),
        case("another spelling of the signature", "malformed", message(outer={"sig": respelled(good["sig"])})),
        case("no base64", "malformed", message(outer={"sig": good["sig"][:-2] + "__"})),
    ]


def misplaced() -> list[dict[str, Any]]:
    """Reports under the right signature that are not what they should be."""
    return [
        case("version 1 in the payload", "malformed", message(v=1)),
        case("a version that is true", "malformed", message(v=True)),
        case("an event is no result", "malformed", message(kind="event")),
        case("a state is no result", "malformed", state()),
        case("a result is no state", "malformed", message(), "state"),
        case("another door", "door", message(door="back-door")),
        case("no seq", "malformed", message(seq=...)),
        case("a seq of 0", "malformed", message(seq=0)),
        case("a seq that is too large", "malformed", message(seq=2**53)),
        case("a boot with a space", "malformed", message(boot="a b")),
        case("accepted with a reason", "malformed", message(reason="stale")),
        case("accepted without a grant", "malformed", message(grant_seq=None)),
        case("a contact of another kind", "malformed", state(contact="ajar"), "state"),
    ]


def repeated() -> list[dict[str, Any]]:
    """Reports that are genuine and old."""
    return [
        case("the newest report again", "replayed", message(seq=40)),
        case("an older report of this run", "replayed", message(seq=3)),
        case("a report of an earlier run of the door", "replayed", message(boot=OLD_BOOT, seq=90)),
        case("a grant of an earlier run of the device", "unknown_grant", message(grant_boot="b0")),
        case("a grant that the device has not sent", "unknown_grant", message(grant_seq=8)),
        case("a grant with another nonce", "unknown_grant", message(nonce=OLD)),
        case("a grant without its nonce", "unknown_grant", message(nonce=None)),
        case(
            "a rejection from before the last minute",
            "stale",
            message(accepted=False, reason="malformed", device=None, grant_boot=None, grant_seq=None, newest=OLD),
        ),
        case("a state from before the last minute", "stale", state(newest=OLD), "state"),
        case("a state from before the first nonce", "stale", state(newest=""), "state"),
    ]


def vectors() -> str:
    """The whole file."""
    known = {
        "result_key": public(KEY),
        "kid": key_id(base64.b64decode(public(KEY))),
        "door": DOOR,
        "boot": BOOT,
        "grants": {"7": NONCE},
        "nonces": [NONCE, NEWEST],
        "seen": {OLD_BOOT: 90, DOOR_BOOT: 40},
    }
    cases = [*counted(), *unproven(), *misplaced(), *repeated()]
    return json.dumps({"about": ABOUT, **known, "cases": cases}, indent=1) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else FILE).write_text(vectors())
