"""The door's own messages about itself: results, state and events, signed by its key if it has one."""

from __future__ import annotations

import base64
import json
import logging
import os
import stat
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from edgeface.access.reports.envelope import VERSION, sign_report
from edgeface.core.errors import ConfigError, system_reason
from edgeface.core.files import put_whole
from edgeface.core.text import printable_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edgeface.access.reports.envelope import ReportKind
    from edgeface.door.settings import DoorSettings
    from edgeface.door.verifier import Grant

_log = logging.getLogger(__name__)

_MAX_BYTES = 1_000
_OTHERS = 0o077
_STATE = ("contact", "alarms", "doorbell", "exit_button")
"""The keys of the state that are signed."""


class Reports:
    """Makes the messages of one run of a door; the main thread uses it."""

    def __init__(self, door: str, boot: str, private: Ed25519PrivateKey | None, newest: Callable[[], str]) -> None:
        """`newest` returns the nonce that was published last, which shows that a signature is not an old one."""
        self._door, self._boot = door, boot
        self._private = private
        self._newest = newest
        self._seq = 0

    def result(self, grant: Grant | None, reason: str | None) -> bytes:
        """What the door did with a grant, None if it could not be read; `reason` is why it was rejected."""
        facts: dict[str, Any] = {
            "accepted": reason is None,
            "reason": reason,
            "device": None if grant is None else grant.device,
            "grant_boot": None if grant is None else grant.boot,
            "grant_seq": None if grant is None else grant.seq,
        }
        outer = {"v": 1, "door": self._door, "boot": self._boot, **facts}
        return self._signed("result", outer, {**facts, "nonce": None if grant is None else grant.nonce})

    def state(self, facts: Mapping[str, Any]) -> bytes:
        """The state; what devices take from it is signed."""
        return self._signed("state", facts, {key: facts.get(key) for key in _STATE})

    def event(self, kind: str, number: int) -> bytes:
        """Something that has happened at the door, for the `number`th time in this run."""
        facts = {"event_type": kind, "number": number}
        return self._signed("event", {"v": 1, "door": self._door, "boot": self._boot, **facts}, facts)

    def _signed(self, kind: ReportKind, outer: Mapping[str, Any], facts: Mapping[str, Any]) -> bytes:
        if self._private is None:
            return json.dumps(outer, separators=(",", ":")).encode()
        self._seq += 1
        first = {"v": VERSION, "kind": kind, "door": self._door, "boot": self._boot, "seq": self._seq}
        return sign_report(outer, {**first, "newest": self._newest(), **facts}, self._private)


def result_key(settings: DoorSettings) -> Ed25519PrivateKey | None:
    """The door's own key, created in the folder `data` if its file is missing; None if it cannot be created.

    Raises ConfigError if the file is no key, if others may use it, or if it cannot be read.
    """
    path = settings.data / f"{settings.door}.pem"
    name = printable_path(path)
    try:
        if not path.exists():
            put_whole(path, _pem(Ed25519PrivateKey.generate()), replace=False)
            _log.info("created the key that signs what the door reports: %s", name)
    except OSError as error:
        _log.warning(
            "what the door reports is not signed: %s cannot be created (%s; data: in door.yaml)",
            name,
            system_reason(error),
        )
        return None
    try:
        return _read(path, name)
    except OSError as error:
        raise ConfigError(f"{name}: {system_reason(error)}") from error


def public_text(key: Ed25519PrivateKey | None) -> str | None:
    """The public half of a key, in base64."""
    return None if key is None else base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _read(path: Path, name: str) -> Ed25519PrivateKey:
    """Read a key that no one else may use; raises OSError or ConfigError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{name}: not a file")
        if stat.S_IMODE(found.st_mode) & _OTHERS or found.st_uid not in {0, os.geteuid()}:
            raise ConfigError(f"{name}: others may use it: chmod 600, and it must belong to the door's user")
        data = file.read(_MAX_BYTES + 1)
    try:
        key = load_pem_private_key(data, None) if len(data) <= _MAX_BYTES else None
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{name}: not an Ed25519 key in PEM, without a password")
    return key


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
