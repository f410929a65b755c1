"""Sends to the centre what was done at this device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.core.errors import FleetError
from edgeface.fleet import sealing
from edgeface.fleet.device.client import LaterError, RefusedError
from edgeface.fleet.messages import EpochKey, Proposal, Proposed

if TYPE_CHECKING:
    from edgeface.fleet.device.applying import Applier
    from edgeface.fleet.device.book import Book
    from edgeface.fleet.device.client import CentreClient
    from edgeface.fleet.device.identity import DeviceIdentity
    from edgeface.fleet.device.records import QueuedProposal, SiteFile

ASK_AGAIN = 3600.0
"""Seconds after which a proposal that waits for an admin is sent again, which tells whether it was declined."""


class Proposer:
    """Sends the proposals of one thread."""

    def __init__(self, client: CentreClient, identity: DeviceIdentity, book: Book, applier: Applier) -> None:
        self.client, self.identity = client, identity
        self._book, self._applier = book, applier
        self.conflicts = 0
        """Changes that the centre has refused because it has others."""
        self._asked: dict[bytes, float] = {}
        self._later = 0.0
        """In monotonic seconds, when the centre takes proposals again."""

    def send(self, site: str, now: float) -> bool:
        """Send what waits, and at `now`, in monotonic seconds, ask again what was long ago; whether any was sent.

        Raises FleetError if the centre is away; what waits stays.
        """
        if now < self._later:
            return False
        ours = [one for one in self._book.waiting.values() if one.site == site]
        due = [
            one for one in ours if one.state == "waiting" or now - self._asked.get(one.number, -ASK_AGAIN) >= ASK_AGAIN
        ]
        for one in due:
            try:
                self._send(one)
            except LaterError as error:
                # People are followed all the same.
                self._later = now + error.seconds
                return False
            self._asked[one.number] = now
        return bool(due)

    def refresh_epoch(self, site: str) -> SiteFile:
        """The site with the key of its present epoch."""
        answer = self.client.get(f"/sites/{site}/epoch", EpochKey, largest=10_000)
        key = sealing.unwrap_epoch(self.identity.keys.sealing, site, answer.epoch, answer.wrapped)
        self._book.put_site(self._book.sites[site].model_copy(update={"epoch": answer.epoch, "epoch_key": key}))
        return self._book.sites[site]

    def _send(self, one: QueuedProposal) -> None:
        epoch = self._book.sites[one.site].epoch
        try:
            self._post(one)
        except RefusedError as error:
            # A new epoch is refused like a change of someone else.
            if error.is_conflict and self.refresh_epoch(one.site).epoch != epoch:
                self._send(one)
            elif error.is_conflict:
                self.conflicts += 1
                self._applier.local.give_up(one)
            elif error.is_gone:
                self._gone(one)
            else:
                raise
        else:
            self._book.queue(one.model_copy(update={"state": "sent"}))

    def _post(self, one: QueuedProposal) -> None:
        site = self._book.sites[one.site]
        if site.epoch < 0:
            site = self.refresh_epoch(one.site)
        key, wrapped, sealed = sealing.new_key(), None, None
        if not one.forget:
            wrapped = sealing.wrap_key(site.epoch_key, site.site, site.epoch, one.person, key)
            sealed = sealing.seal_proposal(key, site.site, one.person, one.seq, one.body)
        message = Proposal(
            number=one.number, person=one.person, seq=one.seq, forget=one.forget, key=wrapped, epoch=site.epoch,
            sealed=sealed,
        )  # fmt: skip
        self.client.post(f"/sites/{one.site}/proposals", message, Proposed)

    def _gone(self, one: QueuedProposal) -> None:
        """The centre has forgotten the person: they are erased here too."""
        entry = self._book.people.get((one.site, one.person))
        if entry is None:
            raise FleetError("a proposal is about no one")
        if entry.facts is not None:
            self._applier.forget(entry)
        self._book.withdraw([one.number])
