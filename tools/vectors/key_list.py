"""Makes docs/key-list-vectors.json, with the same bytes every time: python -m tools.vectors.key_list [FILE]."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tools.vectors.make import compact, cut, envelope, public, respelled, signature, swapped

FILE = Path(__file__).parent.parent.parent / "docs" / "key-list-vectors.json"

OWNER, NEXT, STRANGER = "owner-2026-11", "owner-2027-01", "owner-2020-01"
ISSUED = 1_795_334_400
DAY = 86_400
ABOUT = (
    "Judge each case as a door with the public keys `owners` whose clock is right and shows `now`, in seconds since "
    "1970. The newest list that it has seen had the number `seen`, and was the text `seen_envelope` if that is not "
    "null. The envelope is text in `envelope`, or base64 of its bytes in `envelope_base64`. `expect` is accept, or why "
    "the list is not in force. `signing` are the keys by kid that `door` then accepts."
)

Payload = dict[str, Any]


def sealing(name: str) -> str:
    """A public X25519 key; its private half is public, so use it only for these cases."""
    seed = hashlib.sha256(f"edgeface vector {name}".encode()).digest()
    return base64.b64encode(X25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()).decode()


def device(name: str, **changes: Any) -> Payload:
    """An entry of the list, changed; a value of ... removes the key."""
    fields = {
        "device": name,
        "signing": [{"kid": f"{name}-1", "key": public(f"{name}-1")}],
        "sealing": {"kid": f"{name}-s", "key": sealing(name)},
        "doors": [],
        **changes,
    }
    return {key: value for key, value in fields.items() if value is not ...}


def payload(**changes: Any) -> str:
    """A valid payload, changed; a value of ... removes the key."""
    fields = {
        "v": 1, "number": ISSUED, "issued": ISSUED, "expires": ISSUED + DAY,
        "devices": [device("front"), device("back", doors=["garage"])], "revoked": ["old-1"], **changes,
    }  # fmt: skip
    return compact({key: value for key, value in fields.items() if value is not ...})


def case(name: str, expect: str, sent: str | bytes, **state: Any) -> Payload:
    """One case; `state` replaces parts of what the door knows."""
    wire = {"envelope": sent} if isinstance(sent, str) else {"envelope_base64": base64.b64encode(sent).decode()}
    known = {"door": "front-door", "now": ISSUED + 3_600, "seen": 0, "seen_envelope": None}
    signing = {"front-1": public("front-1")} if expect == "accept" else None
    return {"name": name, "expect": expect, "signing": signing, **known, **state, **wire}


def good(kid: str = OWNER) -> str:
    """The envelope of the valid payload."""
    return envelope(payload(), kid)


def accepted() -> list[Payload]:
    """Lists that are in force."""
    spaced = json.dumps(json.loads(payload()), indent=1)
    two = device("front", signing=[{"kid": kid, "key": public(kid)} for kid in ("front-1", "front-2")])
    keys = {kid: public(kid) for kid in ("front-1", "front-2")}
    garage = {"front-1": public("front-1"), "back-1": public("back-1")}
    return [
        case("a list", "accept", good()),
        case("signed by the other owner key", "accept", good(NEXT)),
        case("a device that is listed for one door", "accept", good(), door="garage", signing=garage),
        case("two keys of a device", "accept", envelope(payload(devices=[two]), OWNER), signing=keys),
        case("no sealing key", "accept", envelope(payload(devices=[device("front", sealing=None)]), OWNER)),
        case("no devices", "accept", envelope(payload(devices=[], revoked=[]), OWNER), signing={}),
        case("spaces in the payload are signed as they are", "accept", envelope(spaced, OWNER)),
        case("the same list again", "accept", good(), seen=ISSUED, seen_envelope=good()),
        case("a higher number", "accept", good(), seen=ISSUED - 1),
        case("the last second", "accept", good(), now=ISSUED + DAY - 1),
        case("a clock that is behind by 300 s", "accept", good(), now=ISSUED - 300),
    ]


def unbelieved() -> list[Payload]:
    """Envelopes that none of the owner's keys has signed."""
    sig, forged = signature(payload(), OWNER), payload(revoked=[])
    extra = {
        "devices": [device(f"d{number:02}", doors=[f"door-{one:02}" for one in range(16)]) for number in range(32)]
    }
    return [
        case("12,001 bytes", "too_large", b" " * 12_001),
        case("more than 12,000 bytes, signed", "too_large", envelope(payload(**extra), OWNER)),
        case("nothing: the list was removed from the broker", "malformed", b""),
        case("not JSON", "malformed", "the keys"),
        case("not UTF-8", "malformed", b"\xff" + good().encode()),
        case("half of a list", "malformed", good()[:300]),
        case("a key of the envelope too many", "malformed", envelope(payload(), OWNER, more="1")),
        case("no signature at all", "malformed", envelope(payload(), OWNER, sig=...)),
        case("another owner", "unknown_owner", good(STRANGER)),
        case("a kid that is a built-in property name", "unknown_owner", good("constructor")),
        case("another algorithm", "algorithm", envelope(payload(), OWNER, alg="none")),
        case("no signature", "signature", envelope(payload(), OWNER, sig="")),
        case("a signature of 63 bytes", "signature", envelope(payload(), OWNER, sig=cut(sig))),
        case("S + L for S", "signature", envelope(payload(), OWNER, sig=swapped(sig))),
        case("the signature in another spelling", "malformed", envelope(payload(), OWNER, sig=respelled(sig))),
        case("the signature of another payload", "signature", envelope(forged, OWNER, sig=sig)),
        case("signed by another key under this kid", "signature", envelope(payload(), OWNER, sig=signature(payload()))),
        case("the key of a device under the owner's kid", "signature",
             envelope(payload(), OWNER, sig=signature(payload(), "front-1"))),
    ]  # fmt: skip


def misshapen() -> list[Payload]:
    """Malformed payloads that the owner has signed."""
    weak = base64.b64encode(bytes(32)).decode()
    front = device("front")
    changes: dict[str, Payload] = {
        "another version": {"v": 2},
        "true is not 1": {"v": True},
        "a number that is a fraction": {"number": 1.5},
        "a number that is text": {"number": "7"},
        "the number 0": {"number": 0},
        "a number beyond 2^53 - 1": {"number": 2**53},
        "no expiry": {"expires": ...},
        "an expiry that is null": {"expires": None},
        "expires when it is issued": {"expires": ISSUED},
        "valid for more than 366 days": {"expires": ISSUED + 367 * DAY},
        "expires after the year 9999": {"issued": 253_402_300_000, "expires": 253_402_300_800},
        "a key too many": {"admin": 1},
        "devices is an object": {"devices": {}},
        "a device twice": {"devices": [front, device("front", signing=[{"kid": "x", "key": public("x")}])]},
        "a kid twice": {"devices": [front, device("back", signing=front["signing"])]},
        "a key that is listed and revoked": {"revoked": ["front-1"]},
        "revoked twice": {"revoked": ["a", "a"]},
        "revoked is not a list": {"revoked": "old-1"},
        "33 devices": {"devices": [device(f"d{number}", sealing=None) for number in range(33)]},
        "65 revoked": {"revoked": [f"r{number}" for number in range(65)]},
        "a device without a signing key": {"devices": [device("front", signing=[])]},
        "five signing keys": {
            "devices": [device("front", signing=[{"kid": f"k{one}", "key": public(f"k{one}")} for one in range(5)])]
        },
        "a device that is not an id": {"devices": [device("front", device="Front")]},
        "a device with a key too many": {"devices": [device("front", admin=1)]},
        "no doors": {"devices": [device("front", doors=...)]},
        "a door that is not an id": {"devices": [device("front", doors=["Front Door"])]},
        "17 doors": {"devices": [device("front", doors=[f"d{one}" for one in range(17)])]},
        "a signing key that fits forged signatures": {
            "devices": [device("front", signing=[{"kid": "k", "key": weak}])]
        },
        "a signing key of 31 bytes": {
            "devices": [device("front", signing=[{"kid": "k", "key": base64.b64encode(bytes(31)).decode()}])]
        },
        "a key without its padding": {
            "devices": [device("front", signing=[{"kid": "k", "key": public("k").rstrip("=")}])]
        },
        "a sealing key of zeros": {"devices": [device("front", sealing={"kid": "k", "key": weak})]},
        "a sealing key that is a list": {"devices": [device("front", sealing=[])]},
    }
    cases = [case(f"signed: {name}", "malformed", envelope(payload(**one), OWNER)) for name, one in changes.items()]
    twice = '{"v":1,' + payload()[1:]
    inner = payload().replace('"doors":[]', '"doors":[],"doors":[]')
    return [
        *cases,
        case("signed: a key twice", "malformed", envelope(twice, OWNER)),
        case("signed: a key of a device twice", "malformed", envelope(inner, OWNER)),
        case("signed: a number with an exponent", "malformed",
             envelope(payload().replace(f'"number":{ISSUED}', '"number":1e9'), OWNER)),
        case("signed: not JSON", "malformed", envelope("{", OWNER)),
        case("signed: deep nesting", "malformed", envelope('{"v":' + "[" * 3_000 + "]" * 3_000 + "}", OWNER)),
    ]  # fmt: skip


def untimely() -> list[Payload]:
    """Good lists that are replaced, from the future, or expired."""
    other = envelope(payload(revoked=[]), OWNER)
    return [
        case("a lower number", "older", good(), seen=ISSUED + 1),
        case("a lower number of the other owner key", "older", good(NEXT), seen=ISSUED + 1),
        case("the number of another list", "conflict", good(), seen=ISSUED, seen_envelope=other),
        case("the same payload by another owner key", "conflict", good(), seen=ISSUED, seen_envelope=good(NEXT)),
        case("from the future", "not_yet", good(), now=ISSUED - 301),
        case("expired", "expired", good(), now=ISSUED + DAY),
        case("expired long ago", "expired", good(), now=ISSUED + 400 * DAY),
    ]


def vectors() -> str:
    """The file's text."""
    found = {
        "version": 1,
        "about": ABOUT,
        "owners": {kid: public(kid) for kid in (OWNER, NEXT)},
        "cases": [*accepted(), *unbelieved(), *misshapen(), *untimely()],
    }
    return json.dumps(found, indent=1) + "\n"


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else FILE).write_text(vectors())
