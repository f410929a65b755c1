"""Publishes the list of device keys of a data folder, renews it in time, and takes a newer one over from the broker."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from edgeface.core.clock import rfc3339, synchronised
from edgeface.core.errors import EdgefaceError
from edgeface.core.files import alone
from edgeface.core.text import counted
from edgeface.door import key_list_file
from edgeface.door.key_list import digest
from edgeface.security.owner_key import OWNER, active_owner, authentic_owners
from edgeface.security.signing_keys import FileWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edgeface.core.clock import Clock
    from edgeface.door.key_list import KeyList
    from edgeface.mqtt.connection import Connection, PublishResult
    from edgeface.mqtt.topics import Topic
    from edgeface.security.vault import Vault

log = logging.getLogger(__name__)

_RECALL_TIMEOUT, _RECALL_PAUSE = 2.0, 0.3
# Seconds between two attempts to renew.
_RETRY = 60.0
_HOUR = 3_600


class KeyListPublisher:
    """The list of one data folder; the publisher's thread uses it, any thread may read `problem` and `facts`.

    A device without owner key and list does nothing.
    """

    def __init__(
        self,
        folder: Path,
        vault: Vault,
        topic: Topic,
        clock: Clock,
        synced: Callable[[], bool] = synchronised,
        withheld: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`topic` is where the doors receive it; `synced` is whether the wall clock is right.

        `withheld` is why nothing may be signed now, in one line, or None.
        """
        self._folder, self._vault, self.topic = folder, vault, topic
        self._clock, self._synced, self._withheld = clock, synced, withheld
        self._watches = [FileWatch(folder / name, clock) for name in (key_list_file.FILE, OWNER.file)]
        self._envelope: bytes | None = None
        self._list: KeyList | None = None
        self._newest = b""
        self._holds_owner = False
        self._subscribed = False
        self._ready_at = float("inf")
        self._sent: str | None = None
        self._sent_at = float("-inf")
        self._replaced = False
        self._rival = 0
        self._accepted: str | None = None
        self._tried_at = float("-inf")
        self._failure: str | None = None

    @property
    def problem(self) -> str | None:
        """Why the doors may soon open for no one, in one line."""
        known = self._list
        if self._failure is not None:
            return f"the list of device keys: {self._failure}"
        if known is None:
            return None
        if self._outdated:
            return (
                f"the broker has list {self._rival} of device keys, and {known.number} is here: it is left alone, as "
                "only the owner key, which is elsewhere, can verify it (edgeface keys publish --owner FILE)"
            )
        left, life = known.expires - self._clock.wall(), known.expires - known.issued
        if left <= 0:
            return "the list of device keys has expired, so no door with an owner opens: edgeface keys publish"
        if left < life / 2 and (not self._holds_owner or self._accepted is None):
            why = (
                "the broker has not accepted a renewed one" if self._holds_owner else "edgeface keys publish renews it"
            )
            return f"the list of device keys expires in {counted(int(left // _HOUR), 'hour')}: {why}"
        return None

    def facts(self) -> dict[str, Any] | None:
        """What the state has about the list; docs/events.md names the keys. None without one."""
        known = self._list
        if known is None:
            return None
        return {
            "number": known.number,
            "expires": rfc3339(known.expires),
            "seconds_left": max(0, round(known.expires - self._clock.wall())),
            "devices": len(known.devices),
            "renewed_here": self._holds_owner,
            "published": self._accepted is not None,
        }

    def connected(self) -> None:
        """Start again: another broker, or one that has lost what it retained."""
        self._subscribed, self._sent, self._accepted, self._ready_at = False, None, None, float("inf")
        self._rival = 0

    def flush(self, connection: Connection) -> None:
        """Follow the files, renew the list when it is due, and publish what the broker does not have."""
        changed = [watch.changed() for watch in self._watches]
        if any(changed):
            self._load()
        if self._envelope is None and not self._holds_owner:
            return
        now = self._clock.monotonic()
        if not self._subscribed:
            self._subscribed, self._ready_at = True, now + _RECALL_TIMEOUT
            # A list that is newer than the one in the folder must not be replaced: the folder may be older.
            connection.subscribe([self.topic.name], retained=True)
        if now < self._ready_at:
            return
        self._renew(now)
        if self._replaced and now - self._sent_at >= _RETRY:
            # At most once a minute, so that two owners of one site do not flood it.
            self._sent = self._accepted = None
        if self._envelope is None or self._outdated:
            return
        if (wanted := digest(self._envelope)) not in {self._sent, self._accepted}:
            self._sent, self._sent_at, self._replaced = wanted, now, False
            connection.publish(self.topic, self._envelope)

    def on_result(self, result: PublishResult) -> None:
        """Take the broker's answer to a request."""
        if result.tag.id != self.topic.name:
            return
        if result.tag.kind == "subscribe":
            self._ready_at = self._clock.monotonic() + _RECALL_PAUSE
        elif result.refused is None:
            self._accept(self._sent)

    def on_message(self, payload: bytes) -> None:
        """Take the list that the broker has: it may be the newest, newer than the folder's, or to be replaced."""
        if self._envelope is not None and payload == self._envelope:
            self._rival = 0
            self._accept(digest(payload))
        elif not self._take_over(payload):
            self._replaced, self._rival = True, self._claimed_number(payload)

    @property
    def _outdated(self) -> bool:
        """Whether the broker's list claims to be newer than the one here, and no owner key is here to verify it.

        An older list must not take its place: doors that have not seen the newer one would accept what it revokes.
        """
        return not self._holds_owner and self._list is not None and self._rival > self._list.number

    def _claimed_number(self, payload: bytes) -> int:
        """The number of a list that is not verified; 0 if it is none."""
        try:
            return key_list_file.claimed(payload).number
        except EdgefaceError:
            return 0

    def _take_over(self, payload: bytes) -> bool:
        """Keep a list of the owner that is newer than the one here; False for any other, or if that is impossible."""
        try:
            theirs = key_list_file.verified(payload, authentic_owners(self._folder, self._vault))
            if self._list is not None and theirs.number <= self._list.number:
                return False
            with alone(self._folder):
                key_list_file.write_envelope(self._folder, payload)
        except (EdgefaceError, OSError):
            return False
        log.warning(
            "the broker has list %d of device keys, which is newer than the one here: taken over", theirs.number
        )
        self._load()
        self._accept(digest(payload))
        return True

    def _accept(self, accepted: str | None) -> None:
        if self._list is None or self._envelope is None or accepted != digest(self._envelope):
            return
        self._accepted = accepted
        try:
            key_list_file.mark_published(self._folder, self._list.number)
        except EdgefaceError as error:
            log.warning("%s", error)

    def _load(self) -> None:
        """Read the files. A list of an owner key that is kept elsewhere is published as it is: the doors verify it."""
        self._envelope, self._list, self._failure = None, None, None
        try:
            owners = authentic_owners(self._folder, self._vault)
            self._holds_owner = bool(owners)
            envelope = self._not_older(key_list_file.read_envelope(self._folder), owners)
            if envelope is not None:
                self._list = key_list_file.verified(envelope, owners) if owners else key_list_file.claimed(envelope)
                self._envelope = envelope
                self._newest = envelope if owners else b""
        except EdgefaceError as error:
            self._failure = str(error)

    def _not_older(self, envelope: bytes | None, owners: Mapping[str, bytes]) -> bytes | None:
        """The list of the file; if an older one was put back, that of this run, which is written to the file again.

        An older list must not be signed again: a device that was revoked would come back.
        """
        try:
            newest = key_list_file.verified(self._newest, owners) if self._newest else None
        except EdgefaceError:
            newest = None  # the owner key was changed
        if newest is None or (envelope and key_list_file.verified(envelope, owners).number >= newest.number):
            return envelope
        log.warning("%s: an older list of device keys was put back, or it was removed: restored", key_list_file.FILE)
        key_list_file.write_envelope(self._folder, self._newest)
        return self._newest

    def _renew(self, now: float) -> None:
        known = self._list
        if known is None or not self._holds_owner or not key_list_file.renewal_due(known, self._clock.wall()):
            return
        if now - self._tried_at < _RETRY:
            return
        self._tried_at = now
        doubt = self._withheld() or (None if self._synced() else "the clock is not synchronised")
        if doubt is not None:
            self._failure = f"it cannot be renewed: {doubt}"
            return
        try:
            self._sign_again(known)
        except (EdgefaceError, OSError) as error:
            self._failure = f"it cannot be renewed: {error}"
        else:
            self._load()

    def _sign_again(self, known: KeyList) -> None:
        with alone(self._folder):
            owner = active_owner(self._folder, self._vault)
            if owner is None or key_list_file.read_envelope(self._folder) != self._envelope:
                return  # a command has changed it at this moment: the next round reads it
            renewed = known.renewed(self._clock.wall(), known.expires - known.issued)
            key_list_file.write_envelope(self._folder, key_list_file.signed(renewed, owner))
        log.info("the list of device keys is renewed: number %d until %s", renewed.number, rfc3339(renewed.expires))
