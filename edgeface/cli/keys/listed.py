"""`edgeface keys list|add|revoke|publish`: the list of device keys that every door with an owner follows."""

from __future__ import annotations

import argparse
import re
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from edgeface.cli import listing
from edgeface.cli.keys.device import own_line
from edgeface.cli.keys.owner import offline_key
from edgeface.config.loader import data_folder, load
from edgeface.core.clock import SystemClock, rfc3339, synchronised
from edgeface.core.console import complain, say
from edgeface.core.errors import BrokerError, EdgefaceError, UsageError, system_reason
from edgeface.core.files import LOCK, alone, only_one, put_whole
from edgeface.core.settings import ID_PATTERN
from edgeface.core.text import printable, printable_path
from edgeface.door import key_list_file
from edgeface.door.key_list import MAX_SECONDS, KeyList, ListedDevice, listed_key, signer
from edgeface.journal.rows import FILE as JOURNAL
from edgeface.mqtt.exchange import begin
from edgeface.mqtt.topics import DOOR_KEYS, Topics, client_id
from edgeface.security import owner_key
from edgeface.security.owner_key import OWNER
from edgeface.security.signing_keys import SigningKey, read
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from edgeface.mqtt.exchange import Exchange
    from edgeface.mqtt.settings import Mqtt

    Change = Callable[[KeyList], KeyList]

DAEMON_SECONDS = 15.0
"""How long a command waits for the running daemon to publish a list: it looks at the file every two seconds."""

_PART = re.compile(rf"(sign|seal):({ID_PATTERN}):([A-Za-z0-9+/]{{43}}=)")
_SPAN = re.compile("([0-9]{1,4})([hd])")
_UNITS = {"h": 3_600, "d": 86_400}
_EMPTY = KeyList(0, 0, 1)


class Broker(NamedTuple):
    """Where the list is published, and by which name the broker knows this machine."""

    settings: Mqtt | None
    device: str


class _Signer(NamedTuple):
    key: SigningKey
    known: Mapping[str, bytes]
    """The public keys by kid whose lists may be signed again."""


def run_listed(arguments: argparse.Namespace) -> int:
    """Show the list, change it and publish it, or publish it again."""
    action, words = arguments.action, arguments.words
    if action == "list":
        _require(words, 0, "keys list")
        _show(arguments)
        return 0
    if action == "add":
        change, what = _add(arguments, words)
    elif action == "revoke":
        _require(words, 1, "keys revoke DEVICE, or keys revoke KID")
        change, what = _revoke(words[0]), words[0]
    else:
        _require(words, 0, "keys publish")
        change, what = (lambda known: known), ""
    return _publish(arguments, change, what, lambda: _configured(arguments))


def revoke_lost(
    device: str, keys: Collection[bytes], folder: Path, broker: Broker, arguments: argparse.Namespace
) -> int:
    """Take a device, by its name and its public keys, out of the list in a data folder, and publish that.

    `arguments` have --owner and --passphrase-file. Raises EdgefaceError if the list has no such device, as `keys
    revoke`.
    """
    given = argparse.Namespace(
        action="revoke", data=folder, owner=arguments.owner, passphrase_file=arguments.passphrase_file,
        valid=None, out=None, adopt=False,
    )  # fmt: skip
    return _publish(given, _revoke_lost(device, keys), device, lambda: broker)


def _configured(arguments: argparse.Namespace) -> Broker:
    configuration = load(arguments.config)
    return Broker(configuration.mqtt, configuration.device)


def _add(arguments: argparse.Namespace, words: list[str]) -> tuple[Change, str]:
    usage = "keys add DEVICE LINE: the line is in `edgeface keys show` of that device; without it, this device's keys"
    if not 1 <= len(words) <= 2:  # noqa: PLR2004 - a device and its line
        raise UsageError(usage)
    line = words[1] if len(words) > 1 else own_line(data_folder(arguments))
    if arguments.door and arguments.every_door:
        raise UsageError("keys add: --door, or --every-door")
    device = _device(words[0], line or "", arguments.door or [], usage)

    def change(known: KeyList) -> KeyList:
        kids = {key.kid for key in device.signing}
        if back := min(kids & set(known.revoked), default=""):
            raise EdgefaceError(f"key {back} was revoked: make one with another name, edgeface keys new --kid NAME")
        for other in known.devices:
            if other.device != device.device and (twice := kids & {key.kid for key in other.signing}):
                name = min(twice)
                raise EdgefaceError(
                    f"key {name} of {other.device} has the same name: edgeface keys new --kid {device.device}-{name}"
                )
        before = [one.doors for one in known.devices if one.device == device.device]
        # A device whose keys were rotated must not open more doors than before by an option that was forgotten.
        keep = before and not arguments.door and not arguments.every_door
        return known.adding(replace(device, doors=before[0]) if keep else device)

    return change, device.device


def _device(name: str, line: str, doors: list[str], usage: str) -> ListedDevice:
    parts = [_PART.fullmatch(part) for part in line.split(",")]
    if not re.fullmatch(ID_PATTERN, name) or None in parts or not all(re.fullmatch(ID_PATTERN, one) for one in doors):
        raise UsageError(usage)
    try:
        keys = [(part[1], listed_key(part[2], part[3], signs=part[1] == "sign")) for part in parts if part]
    except ValueError as error:
        raise UsageError(f"keys add: {error}") from error
    sealing = [key for kind, key in keys if kind == "seal"]
    signing = tuple(key for kind, key in keys if kind == "sign")
    if not signing or len(sealing) > 1:
        raise UsageError(usage)
    return ListedDevice(name, signing, sealing[0] if sealing else None, tuple(dict.fromkeys(doors)))


def _revoke(word: str) -> Change:
    def change(known: KeyList) -> KeyList:
        after = known.revoking(word)
        if after is None:
            names = ", ".join(one.device for one in known.devices) or "none"
            raise EdgefaceError(f"{printable(word)}: no device and no key of the list; its devices: {names}")
        return after

    return change


def _revoke_lost(device: str, keys: Collection[bytes]) -> Change:
    def change(known: KeyList) -> KeyList:
        gone = [
            one.device for one in known.devices if one.device == device or any(key.raw in keys for key in one.signing)
        ]
        if not gone:
            return _revoke(device)(known)
        for name in gone:
            known = known.revoking(name) or known
        return known

    return change


def _publish(arguments: argparse.Namespace, change: Change, what: str, broker: Callable[[], Broker]) -> int:
    """Change the list, sign it, keep it in the data folder, and publish it."""
    folder = data_folder(arguments)
    owner = _signer(arguments, folder)
    seconds = _seconds(arguments.valid)
    if not synchronised():
        complain("the clock of this machine is not known to be right: a door refuses a list from the future")
    runs = arguments.out is None and _daemon_runs(folder)
    if arguments.out is not None or runs:
        # A daemon without the owner key could not verify, and so not keep, what another machine has published.
        retained = _retained(broker) if runs and arguments.owner is not None else None
        signed = _sign(folder, owner, change, seconds, retained, adopt=arguments.adopt)
        _tell(folder, arguments.action, what, signed)
        return _hand_over(folder, signed) if runs else _write_out(arguments.out, signed)
    return _send(arguments, folder, owner, change, seconds, what, broker())


def _signer(arguments: argparse.Namespace, folder: Path) -> _Signer:
    key = offline_key(arguments)
    if key is not None:
        return _Signer(key, {key.kid: key.private.public_key().public_bytes_raw()})
    vault = open_vault(folder)
    key = owner_key.active_owner(folder, vault)
    if key is None:
        raise UsageError(f"{OWNER.missing}; or name the file of the owner key with --owner")
    return _Signer(key, owner_key.authentic_owners(folder, vault))


class _Signed(NamedTuple):
    keys: KeyList
    envelope: bytes


def _sign(
    folder: Path, owner: _Signer, change: Change, seconds: int | None, retained: bytes | None, *, adopt: bool
) -> _Signed:
    """The changed list, which is written down first; `retained` is what the broker has."""
    with alone(folder):
        known = _base(key_list_file.read_envelope(folder), owner.known, adopt=adopt)
        theirs = _theirs(retained, owner, known)
        if theirs is not None and theirs.number > known.number:
            complain(f"the broker has list {theirs.number}, which is newer than the one here: it is the one changed")
            known = theirs
        elif not adopt:
            key_list_file.require_last(folder)
        life = known.expires - known.issued if known.number else key_list_file.DEFAULT_SECONDS
        renewed = change(known).renewed(SystemClock().wall(), seconds or life)
        envelope = key_list_file.signed(renewed, owner.key)
        key_list_file.write_envelope(folder, envelope)
    return _Signed(renewed, envelope)


def _theirs(retained: bytes | None, owner: _Signer, known: KeyList) -> KeyList | None:
    """The broker's list, if the owner has signed it; one of another key that is newer than `known` is named."""
    if not retained:
        return None
    with suppress(EdgefaceError):
        return key_list_file.verified(retained, owner.known)
    with suppress(EdgefaceError):
        number, kid = key_list_file.claimed(retained).number, signer(retained)
        if number > known.number:
            complain(f"the broker has list {number} of another key ({kid}), newer than the one here, which replaces it")
    return None


def _retained(broker: Callable[[], Broker]) -> bytes | None:
    """What the broker has; None if that is nothing, or if it cannot be asked."""
    try:
        with _exchange(broker()) as exchange:
            return exchange.retained()
    except EdgefaceError as error:
        complain(f"not compared with the broker's list, which may be newer: {error}")
        return None


@contextmanager
def _exchange(broker: Broker) -> Iterator[Exchange]:
    """A connection of our own, next to that of a daemon; raises UsageError if there is no broker."""
    if broker.settings is None:
        raise UsageError("there is no mqtt: in the configuration; write the list to a file with --out")
    topic = Topics.of_device(broker.settings, broker.device)(DOOR_KEYS)
    with begin(broker.settings, f"{client_id(broker.device)}-keys", topic, SystemClock()) as exchange:
        yield exchange


def _base(envelope: bytes | None, owners: Mapping[str, bytes], *, adopt: bool) -> KeyList:
    """The list that is changed: the one in the data folder, if the owner has signed it."""
    if envelope is None:
        return _EMPTY
    if adopt:
        return key_list_file.claimed(envelope)
    try:
        return key_list_file.verified(envelope, owners)
    except EdgefaceError as error:
        raise EdgefaceError(
            f"{error}; read `edgeface keys list`, and take it over with --adopt if it is right"
        ) from error


def _send(
    arguments: argparse.Namespace,
    folder: Path,
    owner: _Signer,
    change: Change,
    seconds: int | None,
    what: str,
    broker: Broker,
) -> int:
    """Publish by a connection of our own; a list that does not reach the broker is kept."""
    signed: _Signed | None = None
    try:
        with _exchange(broker) as exchange:
            retained = exchange.retained()
            signed = _sign(folder, owner, change, seconds, retained, adopt=arguments.adopt)
            exchange.publish(signed.envelope)
    except BrokerError as error:
        if signed is None:
            signed = _sign(folder, owner, change, seconds, None, adopt=arguments.adopt)
        _tell(folder, arguments.action, what, signed)
        raise BrokerError(
            f"list {signed.keys.number} is signed and kept, but no door has it yet: {error}; edgeface keys publish"
        ) from error
    key_list_file.mark_published(folder, signed.keys.number)
    _tell(folder, arguments.action, what, signed)
    say("published: the broker has accepted it")
    return 0


def _hand_over(folder: Path, signed: _Signed) -> int:
    """Wait until the running daemon, whose connection the broker knows, has published the list."""
    clock, number = SystemClock(), signed.keys.number
    deadline = clock.monotonic() + DAEMON_SECONDS
    while key_list_file.published(folder) < number:
        if clock.monotonic() > deadline:
            raise BrokerError(
                f"list {number} is signed and kept, but no door has it yet: the daemon has not published it; see its "
                "state (mqtt.problem). It publishes the list as soon as the broker accepts it"
            )
        clock.sleep(0.1)
    say("published by the daemon: the broker has accepted it")
    return 0


def _write_out(path: Path, signed: _Signed) -> int:
    try:
        put_whole(path, signed.envelope)
    except OSError as error:
        raise EdgefaceError(f"{printable_path(path)}: cannot be written ({system_reason(error)})") from error
    say(f"{printable_path(path)}: written, and not published: mosquitto_pub -q 1 -r -t edgeface/doors/keys -f FILE")
    return 0


def _daemon_runs(folder: Path) -> bool:
    try:
        with only_one(folder / LOCK):
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def _tell(folder: Path, action: str, what: str, signed: _Signed) -> None:
    if (folder / JOURNAL).exists():
        facts = {
            "action": action,
            "purpose": "list",
            "kid": what or signer(signed.envelope),
            "number": signed.keys.number,
        }
        listing.record(folder, "keys", facts)
    _say_list(signed.keys)


def _show(arguments: argparse.Namespace) -> None:
    folder = data_folder(arguments)
    envelope = key_list_file.read_envelope(folder)
    if envelope is None:
        say("no list of device keys yet: edgeface keys add DEVICE LINE")
        return
    if arguments.owner is not None:
        owners = _signer(arguments, folder).known
    else:
        owners = owner_key.authentic_owners(folder, open_vault(folder)) if read(folder, OWNER) else {}
    try:
        _say_list(key_list_file.verified(envelope, owners))
    except EdgefaceError:
        say(f"signed by {signer(envelope) or 'no one'}, whose key is not here; not verified:")
        _say_list(key_list_file.claimed(envelope))


def _say_list(keys: KeyList) -> None:
    say(f"{key_list_file.summary(keys, SystemClock().wall())}; issued {rfc3339(keys.issued)[:19]}Z")
    for one in keys.devices:
        kids = ", ".join(key.kid for key in one.signing)
        sealing = "" if one.sealing is None else f"; factors sealed to {one.sealing.kid}"
        doors = f"; only {', '.join(one.doors)}" if one.doors else ""
        say(f"  {one.device}: signs with {kids}{sealing}{doors}")
    if keys.revoked:
        say(f"  revoked: {', '.join(keys.revoked)}")


def _seconds(text: str | None) -> int | None:
    """How long the list is to be valid; None: as long as the last one."""
    if text is None:
        return None
    found = _SPAN.fullmatch(text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not _UNITS["h"] <= seconds <= MAX_SECONDS:
        raise UsageError("--valid takes hours or days: 24h, 30d; from 1h to 366d")
    return seconds


def _require(words: list[str], count: int, usage: str) -> None:
    if len(words) != count:
        raise UsageError(f"usage: edgeface {usage}")
