"""The signed, numbered, expiring list of device keys: its format, and the checks that need no clock and no file.

docs/events.md defines the bytes, docs/owner-key.md who signs them, and docs/key-list-vectors.json has test cases for
other languages. Needs only cryptography.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from edgeface.core.clock import MAX_WALL, rfc3339
from edgeface.door.verifier import Reject, open_envelope, read_object, require_key
from edgeface.security.sealed_box import SealedBoxError, require_public

if TYPE_CHECKING:
    from collections.abc import Mapping

Fault = Literal["too_large", "malformed", "unknown_owner", "algorithm", "signature", "older", "conflict", "not_yet",
                "expired", "clock", "memory"]  # fmt: skip
FAULTS: tuple[Fault, ...] = get_args(Fault)
"""Why a list is not in force; from `older` on, found by a door with a clock and a memory of the last list."""

MAX_BYTES = 12_000
"""Bytes of an envelope, so that it fits into a packet of mqtt.client.MAX_PACKET_BYTES."""
MAX_DEVICES, MAX_KEYS, MAX_DOORS, MAX_REVOKED = 32, 4, 16, 64
"""Devices of a list; signing keys and doors of a device; kids that are named as revoked."""
MAX_SECONDS = 366 * 86_400
"""Longest time for which a list may be valid."""
AHEAD_SECONDS = 300
"""How far the clock of the signing machine may be ahead of the door's."""

_MAX_INT = 2**53 - 1
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_FIELDS = {"v", "number", "issued", "expires", "devices", "revoked"}
_OF_ENVELOPE: dict[str, Fault] = {
    "malformed": "malformed", "unknown_key": "unknown_owner", "algorithm": "algorithm", "signature": "signature",
}  # fmt: skip


class KeyListError(ValueError):
    """A list is not in force; `fault` is why."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A public key of a device."""

    kid: str
    raw: bytes
    """32 bytes."""

    @property
    def text(self) -> str:
        """The key in base64, as door.yaml has it."""
        return base64.b64encode(self.raw).decode()


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """A device whose grants are accepted."""

    device: str
    signing: tuple[ListedKey, ...]
    """Ed25519; two in a rotation."""
    sealing: ListedKey | None = None
    """X25519, to which doors seal second factors."""
    doors: tuple[str, ...] = ()
    """The doors that accept its keys; empty: every door."""


@dataclass(frozen=True, slots=True)
class KeyList:
    """The content of a list; times in whole seconds since 1970."""

    number: int
    """Rises with every change and every renewal."""
    issued: int
    expires: int
    devices: tuple[ListedDevice, ...] = ()
    revoked: tuple[str, ...] = ()
    """Kids of signing keys that must not come back, oldest first."""

    def signing_keys(self, door: str) -> dict[str, bytes]:
        """The keys by kid whose grants a door accepts."""
        listed = (one for one in self.devices if not one.doors or door in one.doors)
        return {key.kid: key.raw for one in listed for key in one.signing}

    def sealing_key(self, device: str, door: str) -> ListedKey | None:
        """The key to which a door seals for a device; None if the list has none for this door."""
        listed = (one for one in self.devices if not one.doors or door in one.doors)
        return next((one.sealing for one in listed if one.device == device), None)

    def adding(self, device: ListedDevice) -> KeyList:
        """With this device instead of what was listed for it; its signing keys that are gone count as revoked."""
        before = [one for one in self.devices if one.device == device.device]
        kids = {key.kid for key in device.signing}
        gone = [key.kid for one in before for key in one.signing if key.kid not in kids]
        others = tuple(one for one in self.devices if one.device != device.device)
        return replace(self, devices=(*others, device), revoked=_newest(self.revoked, gone))

    def revoking(self, word: str) -> KeyList | None:
        """Without a device, or without the keys of that kid; None if the list has neither.

        Devices may have sealing keys of one name: if it is that of a signing key, only its device loses them.
        """
        gone = [key.kid for one in self.devices for key in one.signing if word in {one.device, key.kid}]
        signs = {one.device for one in self.devices for key in one.signing if key.kid == word}
        others = [one for one in self.devices if one.device != word]
        left = tuple(_without(one, word) if one.device in signs or not signs else one for one in others)
        if left == self.devices:
            return None
        return replace(self, devices=tuple(one for one in left if one.signing), revoked=_newest(self.revoked, gone))

    def renewed(self, wall: float, seconds: int) -> KeyList:
        """The same content under a higher number, valid for `seconds` from `wall`.

        The number is at least the time, so that it also rises if the file with the last one is lost.
        """
        now = int(wall)
        return replace(self, number=max(self.number + 1, now), issued=now, expires=now + seconds)

    def payload(self) -> bytes:
        """The bytes to be signed."""
        value = {
            "v": 1, "number": self.number, "issued": self.issued, "expires": self.expires,
            "devices": [_device_fields(one) for one in self.devices], "revoked": list(self.revoked),
        }  # fmt: skip
        return json.dumps(value, separators=(",", ":")).encode()


class Seen(NamedTuple):
    """The newest list of one owner key."""

    number: int
    digest: str
    """SHA-256 of its envelope."""
    wall: float
    """The latest time known when it was accepted, in seconds since 1970."""


class Received(NamedTuple):
    """A list that the owner has signed."""

    keys: KeyList
    digest: str
    owner: str
    """Base64 of the public key that has signed it."""


def read(envelope: bytes, owners: Mapping[str, bytes]) -> KeyList:
    """The list in an envelope that one of the owner's keys has signed; raises KeyListError and nothing else.

    `owners` are public Ed25519 keys by kid. Nothing inside the payload is trusted before its signature is verified.
    """
    if len(envelope) > MAX_BYTES:
        raise KeyListError("too_large", f"{len(envelope)} bytes")
    try:
        payload = open_envelope(envelope, owners)
        fields = read_object(payload.encode())
    except Reject as reject:
        raise KeyListError(_OF_ENVELOPE[reject.reason], str(reject)) from reject
    return _parsed(fields)


def receive(envelope: bytes, owners: Mapping[str, bytes]) -> Received:
    """The list in an envelope, as `read`, and what tells it apart from others."""
    keys = read(envelope, owners)
    owner = base64.b64encode(owners[signer(envelope)]).decode()
    return Received(keys, digest(envelope), owner)


def digest(envelope: bytes) -> str:
    """What tells a list apart from others, also of the same number: SHA-256 in hex."""
    return hashlib.sha256(envelope).hexdigest()


def require_newest(received: Received, seen: Mapping[str, Seen]) -> None:
    """Raise KeyListError if a newer list, or another one with this number, was seen; `seen` is by owner key."""
    newest = max((one.number for one in seen.values()), default=0)
    if received.keys.number < newest:
        raise KeyListError("older", f"number {received.keys.number}, and {newest} was seen before")
    for owner, one in seen.items():
        if received.keys.number == one.number and (received.owner, received.digest) != (owner, one.digest):
            raise KeyListError("conflict", f"another list with number {one.number} was seen before")


def require_issued(keys: KeyList, now: float) -> None:
    """Raise KeyListError if the list is from the future; `now` in seconds since 1970."""
    if keys.issued > now + AHEAD_SECONDS:
        raise KeyListError("not_yet", f"issued at {rfc3339(keys.issued)}, and here it is {rfc3339(now)}")


def require_unexpired(keys: KeyList, now: float) -> None:
    """Raise KeyListError if the list has expired; `now` in seconds since 1970."""
    if now >= keys.expires:
        raise KeyListError("expired", f"since {rfc3339(keys.expires)}")


def judge(envelope: bytes, owners: Mapping[str, bytes], seen: Mapping[str, Seen], now: float) -> KeyList:
    """The list that is in force with this envelope; raises KeyListError and nothing else."""
    received = receive(envelope, owners)
    require_newest(received, seen)
    require_issued(received.keys, now)
    require_unexpired(received.keys, now)
    return received.keys


def unverified(envelope: bytes) -> KeyList:
    """What an envelope claims, for a person to read; raises KeyListError."""
    try:
        outer = read_object(envelope[: MAX_BYTES + 1])
        payload = outer.get("payload")
        return _parsed(read_object(payload.encode() if isinstance(payload, str) else b""))
    except (Reject, UnicodeEncodeError) as error:
        raise KeyListError("malformed", "not a list of device keys") from error


def signer(envelope: bytes) -> str:
    """The kid that an envelope names, unverified; empty if it names none."""
    try:
        kid = read_object(envelope[: MAX_BYTES + 1]).get("kid")
    except Reject:
        return ""
    return kid if isinstance(kid, str) and _ID.fullmatch(kid) else ""


def _parsed(fields: dict[str, Any]) -> KeyList:
    version, devices, revoked = fields.get("v"), fields.get("devices"), fields.get("revoked")
    _require(set(fields) == _FIELDS and type(version) is int and version == 1, "another version or the wrong keys")
    times = [fields[name] for name in ("number", "issued", "expires")]
    _require(all(type(one) is int and 0 < one <= _MAX_INT for one in times), "a number has the wrong type or range")
    number, issued, expires = times
    _require(expires <= MAX_WALL, "it expires after the year 9999")
    _require(0 < expires - issued <= MAX_SECONDS, "it is valid for too long, or not at all")
    _require(type(devices) is list and len(devices) <= MAX_DEVICES, "devices is not a list, or too long")
    _require(_are_ids(revoked, MAX_REVOKED), "revoked is not a list of kids")
    found = KeyList(number, issued, expires, tuple(_device(one) for one in devices), tuple(revoked))  # type: ignore[arg-type,union-attr]  # checked above
    names = [one.device for one in found.devices]
    kids = [key.kid for one in found.devices for key in one.signing]
    _require(len(set(names)) == len(names), "a device is listed twice")
    _require(len(set(kids)) == len(kids), "two signing keys have one kid")
    _require(not set(kids) & set(found.revoked), "a key is listed and revoked")
    return found


def _device(value: Any) -> ListedDevice:
    _require(type(value) is dict and set(value) == {"device", "signing", "sealing", "doors"}, "a device has other keys")
    name, signing, sealing, doors = value["device"], value["signing"], value["sealing"], value["doors"]
    _require(_are_ids([name], 1), "the name of a device is not an id")
    _require(type(signing) is list and 0 < len(signing) <= MAX_KEYS, "a device has too many keys or none")
    _require(_are_ids(doors, MAX_DOORS), "doors is not a list of doors")
    sealed = None if sealing is None else _key(sealing, signs=False)
    return ListedDevice(name, tuple(_key(one, signs=True) for one in signing), sealed, tuple(doors))


def _key(value: Any, *, signs: bool) -> ListedKey:
    shaped = type(value) is dict and set(value) == {"kid", "key"}
    _require(shaped and type(value["key"]) is str and _are_ids([value["kid"]], 1), "a key has the wrong keys or types")
    try:
        return listed_key(value["kid"], value["key"], signs=signs)
    except ValueError as error:
        raise KeyListError("malformed", str(error)) from error


def listed_key(kid: str, text: str, *, signs: bool) -> ListedKey:
    """A key from base64; raises ValueError unless it is a possible Ed25519 key, or X25519 key if not `signs`."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a key is not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise ValueError("a key is not canonical base64")
    if signs:
        require_key(raw)
    else:
        try:
            require_public(raw)
        except SealedBoxError:
            raise ValueError("not a sealing key") from None
    return ListedKey(kid, raw)


def _device_fields(one: ListedDevice) -> dict[str, Any]:
    return {
        "device": one.device,
        "signing": [_key_fields(key) for key in one.signing],
        "sealing": None if one.sealing is None else _key_fields(one.sealing),
        "doors": list(one.doors),
    }


def _key_fields(key: ListedKey) -> dict[str, str]:
    return {"kid": key.kid, "key": key.text}


def _without(one: ListedDevice, kid: str) -> ListedDevice:
    """A device without the keys of this kid."""
    sealing = None if one.sealing is not None and one.sealing.kid == kid else one.sealing
    return replace(one, signing=tuple(key for key in one.signing if key.kid != kid), sealing=sealing)


def _newest(revoked: tuple[str, ...], gone: list[str]) -> tuple[str, ...]:
    return (*(kid for kid in revoked if kid not in gone), *gone)[-MAX_REVOKED:]


def _are_ids(value: Any, most: int) -> bool:
    """Whether it is a list of at most so many different ids."""
    if type(value) is not list or len(value) > most:
        return False
    return all(type(one) is str and _ID.fullmatch(one) for one in value) and len(set(value)) == len(value)


def _require(condition: bool, detail: str) -> None:  # noqa: FBT001 - it reads as a sentence
    if not condition:
        raise KeyListError("malformed", detail)
