"""Makes docs/grant-vectors.json, with the same bytes every time: python -m tools.vectors.make [FILE]."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FILE = Path(__file__).parent.parent.parent / "docs" / "grant-vectors.json"

DOOR, KID, OLD, STRANGER = "front-door", "2026-11", "2026-10", "2026-12"
NONCE = "Xq0v7TnM1yUe4cSgKp2ZAb8R"
OTHER, STALE, USED, FOREIGN = ("".join(letter * 24) for letter in "osuf")
BOOT = "5f0c9a1be2d34478"
ABOUT = (
    "Judge each case as if the door had published each of `nonces` the given number of ms ago, had opened for those in "
    "`used`, and had `seen` these boots of each device with their highest seq, the newest boot last. The envelope is "
    "text in `envelope`, or base64 of its bytes in `envelope_base64`. `expect` is accept, or the reason for the "
    "rejection. The age of the nonce and age_ms together may be at most 3 s. A key that `minimum` lacks has its "
    "default: no `factor` is required, `liveness_kind` is off, `level_basis` is measured, and `challenge_or_factor` "
    "lists no factor that replaces a challenge. `without_keys` is a door whose list of keys has not arrived, and "
    "`keys_expire_in_ms` is how long its keys are still valid; without it they do not expire. A door that reads "
    "version 1 only rejects each grant of version 2 as malformed."
)
# RFC 8032's L: a signature with S + L is valid for a verifier that does not check the range of S.
ORDER = 2**252 + 27742317777372353535851937790883648493

Payload = dict[str, Any]


def private(kid: str) -> Ed25519PrivateKey:
    """The private key of a kid; its seed is public, so use it only for these cases."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"edgeface vector {kid}".encode()).digest())


def public(kid: str) -> str:
    """Base64 of the 32 bytes."""
    return base64.b64encode(private(kid).public_key().public_bytes_raw()).decode()


def payload(**changes: Any) -> str:
    """A valid payload, changed; a value of ... removes the key."""
    fields = {
        "v": 1, "aud": DOOR, "device": "front", "boot": BOOT, "seq": 7, "nonce": NONCE, "person": "alice",
        "score": 7120, "level": "high", "age_ms": 140, "frames": 4, "liveness": "off", **changes,
    }  # fmt: skip
    return compact({key: value for key, value in fields.items() if value is not ...})


def second(**changes: Any) -> str:
    """A valid payload of version 2, changed."""
    return payload(**{"v": 2, "factor": "none", "liveness_kind": "off", "level_basis": "measured", **changes})


def compact(value: object) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


def signature(text: str, kid: str = KID) -> str:
    """Base64 of the signature over the text's UTF-8 bytes."""
    return base64.b64encode(private(kid).sign(text.encode())).decode()


def envelope(text: str, kid: str = KID, **changes: Any) -> str:
    """A payload with its signature; a value of ... removes the key."""
    fields = {"payload": text, "kid": kid, "alg": "ed25519", "sig": signature(text, kid), **changes}
    return compact({key: value for key, value in fields.items() if value is not ...})


def case(name: str, expect: str, sent: str | bytes, **state: Any) -> dict[str, Any]:
    """One case; `state` replaces parts of what the door knows."""
    wire = {"envelope": sent} if isinstance(sent, str) else {"envelope_base64": base64.b64encode(sent).decode()}
    known = {
        "door": DOOR,
        "retained": False,
        "nonces": {NONCE: 250, OTHER: 1250, STALE: 3001, USED: 2250},
        "used": [USED],
        "seen": {"front": [["0a0a", 90], [BOOT, 6]]},
        "minimum": {"level": "normal", "frames": 3, "liveness": "off", "age_ms": 3000, "score": -10_000, "people": []},
    }
    return {"name": name, "expect": expect, **known, **state, **wire}


def minimum(**changes: Any) -> dict[str, Any]:
    """The door's minimum, changed."""
    known: dict[str, Any] = case("", "", "")["minimum"]
    return {"minimum": {**known, **changes}}


def swapped(sig: str) -> str:
    """The same signature with S + L for S."""
    raw = base64.b64decode(sig)
    s = int.from_bytes(raw[32:], "little") + ORDER
    return base64.b64encode(raw[:32] + s.to_bytes(32, "little")).decode()


def respelled(sig: str) -> str:
    """The same signature in base64 whose unused bits are not zero."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return sig[:-3] + letters[letters.index(sig[-3]) + 1] + "=="


def accepted() -> list[dict[str, Any]]:
    """Grants that open the door."""
    spaced = json.dumps(json.loads(payload()), indent=1)
    return [
        case("a fresh grant", "accept", envelope(payload())),
        case("keys that are still valid", "accept", envelope(payload()), keys_expire_in_ms=1),
        case("spaces and line ends in the payload are signed as they are", "accept", envelope(spaced)),
        case("keys of the envelope in another order", "accept", compact(dict(reversed(json.loads(good()).items())))),
        case("spaces around the envelope", "accept", f"  {good()}\n"),
        case("the older of two keys", "accept", envelope(payload(), OLD)),
        case("another nonce that is still fresh", "accept", envelope(payload(nonce=OTHER))),
        case("a device that was never seen before", "accept", envelope(payload(device="yard", seq=0))),
        case("a new boot restarts its sequence", "accept", envelope(payload(boot="77aa", seq=0))),
        case("a face of the maximum age", "accept", envelope(payload(age_ms=2750))),
        case("the person is on the door's list", "accept", envelope(payload()), **minimum(people=["alice"])),
        case("a live face where required", "accept", envelope(payload(liveness="live")), **minimum(liveness="live")),
        case("a letter of the payload is escaped in the envelope", "accept", good().replace("alice", r"\u0061lice")),
    ]


def good() -> str:
    """The envelope of a fresh grant."""
    return envelope(payload())


def unbelieved() -> list[dict[str, Any]]:
    """Envelopes that are rejected before the payload is read."""
    forged, sig = payload(person="mallory"), signature(payload())
    return [
        case("the retain flag is set", "retained", good(), retained=True),
        case("larger than 8,000 bytes", "too_large", good() + " " * 8000),
        case("a door without keys", "no_keys", good(), without_keys=True),
        case("keys that have just expired", "keys_expired", good(), keys_expire_in_ms=0),
        case("not JSON, and the keys have expired", "keys_expired", "open sesame", keys_expire_in_ms=-1),
        case("nothing", "malformed", ""),
        case("not JSON", "malformed", "open sesame"),
        case("a list", "malformed", f"[{good()}]"),
        case("not UTF-8", "malformed", good().encode() + b"\xff"),
        case("a byte order mark", "malformed", b"\xef\xbb\xbf" + good().encode()),
        case("UTF-16", "malformed", good().encode("utf-16")),
        case("something after the object", "malformed", good() + "x"),
        case("nested a thousand deep", "malformed", '{"payload":' + "[" * 1000),
        case("no alg", "malformed", envelope(payload(), alg=...)),
        case("one key too many", "malformed", envelope(payload(), typ="JWT")),
        case("a key twice", "malformed", f'{{"kid":"{KID}",' + good()[1:]),
        case("a key twice, once escaped", "malformed", f'{{"\\u006bid":"{KID}",' + good()[1:]),
        case("the payload is an object", "malformed", envelope(payload(), payload=json.loads(payload()))),
        case("half a surrogate pair in the payload", "malformed", good().replace("alice", r"\ud800")),
        case("a kid that the door does not know", "unknown_key", envelope(payload(), STRANGER)),
        case("a kid that is a built-in property name", "unknown_key", envelope(payload(), kid="__proto__", sig=sig)),
        case("alg none", "algorithm", envelope(payload(), alg="none", sig="")),
        case("alg in different case", "algorithm", envelope(payload(), alg="Ed25519")),
        case("the signature is not base64", "malformed", envelope(payload(), sig="*" * 88)),
        case("the signature in base64url", "malformed", envelope(payload(), sig="-" + sig[1:])),
        case("the signature in base64 with unused bits", "malformed", envelope(payload(), sig=respelled(sig))),
        case("the signature without its padding", "malformed", envelope(payload(), sig=sig.rstrip("="))),
        case("no signature", "signature", envelope(payload(), sig="")),
        case("a signature of 63 bytes", "signature", envelope(payload(), sig=cut(sig))),
        case("a signature of zeros", "signature", envelope(payload(), sig=base64.b64encode(bytes(64)).decode())),
        case("S + L for S", "signature", envelope(payload(), sig=swapped(sig))),
        case("the signature of another payload", "signature", envelope(forged, sig=sig)),
        case("signed by another key under this kid", "signature", envelope(payload(), sig=signature(payload(), OLD))),
        case("the payload is neither JSON nor signed", "signature", envelope("{", sig=sig)),
    ]


def cut(sig: str) -> str:
    """The signature without its last byte."""
    return base64.b64encode(base64.b64decode(sig)[:-1]).decode()


def misshapen() -> list[dict[str, Any]]:
    """Malformed payloads that a known key has signed."""
    changes: dict[str, dict[str, Any]] = {
        "another version": {"v": 2},
        "true is not 1": {"v": True},
        "seq is a fraction": {"seq": 7.0},
        "seq is true": {"seq": True},
        "seq is text": {"seq": "7"},
        "seq below 0": {"seq": -1},
        "seq beyond 2^53 - 1": {"seq": 2**53},
        "a score above 1": {"score": 10_001},
        "age_ms below 0": {"age_ms": -1},
        "no frames": {"frames": ...},
        "a key too many": {"admin": 1},
        "a person that is not an id": {"person": "Alice"},
        "a person with a line end": {"person": "alice\n"},
        "a nonce of 21 characters": {"nonce": NONCE[:21]},
        "an unknown level": {"level": "highest"},
        "an unknown liveness": {"liveness": "probably"},
        "null for a device": {"device": None},
    }
    cases = [case(f"signed: {name}", "malformed", envelope(payload(**change))) for name, change in changes.items()]
    exponent = payload().replace('"seq":7', '"seq":7e0')
    twice = '{"aud":"front-door",' + payload(aud="back-door")[1:]
    return [
        *cases,
        case("signed: a number with an exponent", "malformed", envelope(exponent)),
        case("signed: a leading zero", "malformed", envelope(payload().replace('"seq":7', '"seq":07'))),
        case("signed: NaN", "malformed", envelope(payload().replace('"seq":7', '"seq":NaN'))),
        case("signed: a key twice", "malformed", envelope(twice)),
        case("signed: not JSON", "malformed", envelope("{")),
    ]


def untimely() -> list[dict[str, Any]]:
    """Well-formed grants of a known key for another door, at the wrong time, or below the door's minimum."""
    return [
        case("for another door", "audience", envelope(payload(aud="back-door"))),
        case("a nonce that this door has not published", "nonce", envelope(payload(nonce=FOREIGN))),
        case("a nonce that is a built-in property name", "nonce", envelope(payload(nonce="__defineGetter__________"))),
        case("a nonce that has opened the door", "replayed", envelope(payload(nonce=USED, seq=8))),
        case("a seq that has opened the door", "replayed", envelope(payload(seq=6))),
        case("a seq below one that has", "replayed", envelope(payload(seq=5))),
        case("a boot that has ended", "replayed", envelope(payload(boot="0a0a", seq=91))),
        case("a nonce of 3,001 ms ago", "stale", envelope(payload(nonce=STALE, age_ms=0))),
        case("a face older than 3 s", "stale", envelope(payload(age_ms=2751))),
        case("nonce and face are too old together", "stale", envelope(payload(nonce=OTHER, age_ms=2000))),
        case("the largest possible age", "stale", envelope(payload(age_ms=2**53 - 1))),
        case("a nonce from the future", "stale", envelope(payload()), nonces={NONCE: -1000}),
        case("a lower level", "policy", envelope(payload(level="low"))),
        case("too few frames", "policy", envelope(payload(frames=2))),
        case("no liveness check", "policy", envelope(payload()), **minimum(liveness="live")),
        case("older than the door's own limit", "policy", envelope(payload()), **minimum(age_ms=139)),
        case("a score below the door's own", "policy", envelope(payload()), **minimum(score=7121)),
        case("a person who is not on the door's list", "policy", envelope(payload()), **minimum(people=["bob"])),
    ]


SHOWN = ("pin", "code", "card", "pass", "reader")


def second_version() -> list[dict[str, Any]]:
    """Grants of version 2, and what a minimum of the new keys makes of either version."""
    return [*second_accepted(), *second_refused(), *second_checked(), *second_replaced(), *second_misshapen()]


def second_accepted() -> list[dict[str, Any]]:
    """Grants that open the door."""
    live = {"liveness": "live"}
    return [
        case("version 2: a fresh grant", "accept", envelope(second())),
        case(
            "version 2: keys in another order",
            "accept",
            envelope(compact(dict(reversed(json.loads(second()).items())))),
        ),
        *(case(f"version 2: {kind}", "accept", envelope(second(factor=kind))) for kind in SHOWN),
        case(
            "version 2: a factor that the door requires",
            "accept",
            envelope(second(factor="pin")),
            **minimum(factor=["pin", "card"]),
        ),
        case(
            "version 2: an estimated level that the door allows",
            "accept",
            envelope(second(level_basis="estimated")),
            **minimum(level_basis="estimated"),
        ),
        case("version 1 has no estimated level", "accept", envelope(payload()), **minimum(level_basis="measured")),
        case(
            "version 1: live is a passive check",
            "accept",
            envelope(payload(**live)),
            **minimum(liveness_kind="passive"),
        ),
        case(
            "version 2: any live face", "accept", envelope(second(**live, liveness_kind="challenge")), **minimum(**live)
        ),
    ]


def second_refused() -> list[dict[str, Any]]:
    """Grants below the door's minimum, for another door, or used."""
    live = {"liveness": "live"}
    return [
        case(
            "version 2: another factor than required",
            "policy",
            envelope(second(factor="code")),
            **minimum(factor=["pin", "card"]),
        ),
        case("version 2: no factor where required", "policy", envelope(second()), **minimum(factor=["pin", "card"])),
        case("version 1 has no factor", "policy", envelope(payload()), **minimum(factor=list(SHOWN))),
        case("version 2: an estimated level", "policy", envelope(second(level_basis="estimated"))),
        case(
            "version 1: live is no challenge", "policy", envelope(payload(**live)), **minimum(liveness_kind="challenge")
        ),
        case("version 2: a lower level", "policy", envelope(second(level="low", factor="pin"))),
        case("version 2: for another door", "audience", envelope(second(aud="back-door"))),
        case("version 2: a seq that has opened the door", "replayed", envelope(second(seq=6))),
    ]


def second_checked() -> list[dict[str, Any]]:
    """Each kind of liveness check where another one is required."""
    checks = ("off", "passive", "challenge", "both")
    enough = {"passive": {"passive", "both"}, "challenge": {"challenge", "both"}, "both": {"both"}}
    return [
        case(
            f"version 2: {kind} where {least} is required",
            "accept" if kind in enough[least] else "policy",
            envelope(second(liveness="off" if kind == "off" else "live", liveness_kind=kind)),
            **minimum(liveness_kind=least),
        )
        for least in checks[1:]
        for kind in checks
    ]


def second_replaced() -> list[dict[str, Any]]:
    """A second factor where the door requires a challenge, and lists the factors that may replace it."""
    off, passive, both = "off", "passive", "both"
    # What the grant has, and what the door requires: liveness, factor, liveness, factors instead of a challenge.
    table: dict[str, tuple[str, str, str, str, list[str] | None]] = {
        "a factor instead of a challenge": ("accept", off, "pin", "challenge", ["pin", "pass"]),
        "a factor and a passive check instead of a challenge": ("accept", passive, "pin", "challenge", ["pin", "pass"]),
        "a challenge where a factor would do": ("accept", "challenge", "none", "challenge", ["pin"]),
        "a challenge and another factor": ("accept", "challenge", "card", "challenge", ["pin"]),
        "another factor instead of a challenge": ("policy", passive, "card", "challenge", ["pin", "pass"]),
        "neither a factor nor a challenge": ("policy", passive, "none", "challenge", ["pin"]),
        "a factor where none may replace a challenge": ("policy", passive, "pin", "challenge", None),
        "none is no factor that replaces a challenge": ("policy", off, "none", "challenge", ["none", "pin"]),
        "both required, a factor instead of the challenge": ("accept", passive, "pin", both, ["pin"]),
        "both required, a factor replaces no passive check": ("policy", off, "pin", both, ["pin"]),
        "both required, a challenge and a factor are no passive check": ("policy", "challenge", "pin", both, ["pin"]),
        "a factor replaces no passive check": ("policy", off, "pin", passive, ["pin"]),
    }
    cases = [
        case(
            f"version 2: {name}",
            expect,
            envelope(second(liveness="off" if kind == off else "live", liveness_kind=kind, factor=factor)),
            **minimum(liveness_kind=least, **({} if instead is None else {"challenge_or_factor": instead})),
        )
        for name, (expect, kind, factor, least, instead) in table.items()
    ]
    instead_of = {"liveness_kind": "challenge", "challenge_or_factor": list(SHOWN)}
    return [
        *cases,
        case(
            "version 2: live is required too, and no factor replaces it",
            "policy",
            envelope(second(factor="pin")),
            **minimum(liveness="live", **instead_of),
        ),
        *(
            case(
                f"version 1 has no factor that replaces a challenge: {word}",
                "policy",
                envelope(payload(liveness=word)),
                **minimum(**instead_of),
            )
            for word in ("off", "live")
        ),
    ]


def second_misshapen() -> list[dict[str, Any]]:
    """Signed payloads that break the contract."""
    changes: dict[str, dict[str, Any]] = {
        "version 1 with a key of version 2": {"v": 1},
        "a version above 2": {"v": 3},
        "version 2 as a fraction": {"v": 2.0},
        "version 2 as text": {"v": "2"},
        "no version": {"v": ...},
        "no factor": {"factor": ...},
        "no liveness_kind": {"liveness_kind": ...},
        "no level_basis": {"level_basis": ...},
        "an unknown factor": {"factor": "face"},
        "a factor that is a list": {"factor": ["pin"]},
        "an unknown liveness_kind": {"liveness_kind": "live"},
        "an unknown level_basis": {"level_basis": "guessed"},
        "a factor that is null": {"factor": None},
        "a check without liveness": {"liveness_kind": "both"},
        "live without a check": {"liveness": "live"},
        "a key too many": {"admin": 1},
    }
    return [case(f"version 2, signed: {name}", "malformed", envelope(second(**one))) for name, one in changes.items()]


def vectors() -> str:
    """The file's text."""
    found = {
        "version": 1,
        "about": ABOUT,
        "keys": {kid: public(kid) for kid in (KID, OLD)},
        "cases": [*accepted(), *unbelieved(), *misshapen(), *untimely(), *second_version()],
    }
    return json.dumps(found, indent=1) + "\n"


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else FILE).write_text(vectors())
