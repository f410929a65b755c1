"""The centre's store: people, devices and proposals of all sites, in PostgreSQL and the keyring."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgeface.centre.keyring import Keyring
    from edgeface.centre.records import (
        Device,
        Entry,
        JoinCode,
        PersonRecord,
        Repaired,
        Site,
        SiteProof,
        WaitingProposal,
    )
    from edgeface.core.clock import Clock
    from edgeface.fleet.messages import EpochKey, JoinRequest, Lease, Proposal, Proposed, Receipt, Rows


class Store:
    """Everything that the centre knows; any thread may use it, and several processes at once.

    All methods raise FleetError if the database or the keyring fails, and UnknownError for a site, person, device or
    proposal that does not exist. Nothing is half applied.
    """

    def __init__(self, conninfo: str, keyring: Keyring, clock: Clock | None = None, connections: int = 8) -> None: ...

    def close(self) -> None:
        """Close all connections; waiting callers return at once."""
        raise NotImplementedError

    def migrate(self) -> Repaired:
        """Bring the schema to the newest version and finish what a crash has left unfinished; call it at each start.

        Raises FleetError if a newer edgeface wrote the database, or the keyring does not belong to it.
        """
        raise NotImplementedError

    # Sites

    def add_site(self, site: str) -> Site:
        """Add a site with its enrolling key and its first epoch; one that exists stays as it is."""
        raise NotImplementedError

    def sites(self) -> tuple[Site, ...]:
        """All sites, by name."""
        raise NotImplementedError

    def site(self, site: str) -> Site:
        """One site."""
        raise NotImplementedError

    def enrolling_key(self, site: str) -> bytes:
        """The Ed25519 public key whose signature each person of the site needs, 32 bytes."""
        raise NotImplementedError

    def epoch_key(self, site: str, device: Device) -> EpochKey:
        """The key of the present epoch, wrapped for a device of the site."""
        raise NotImplementedError

    def new_epoch(self, site: str, by: str) -> int:
        """Begin an epoch, and return its number; devices fetch its key with their next request."""
        raise NotImplementedError

    # People

    def put(self, site: str, entry: Entry, by: str) -> int:
        """Enroll or change a person, and return the number of the change.

        Raises GoneError if the person was forgotten, ChangedError for an id that another person has or another change
        number than the entry's, and GalleryError for an entry that is not valid.
        """
        raise NotImplementedError

    def put_all(self, site: str, entries: Sequence[Entry], by: str) -> tuple[int, ...]:
        """As `put`, for many at once: all or none."""
        raise NotImplementedError

    def forget(self, site: str, person: bytes, by: str) -> int:
        """Destroy a person's key, then delete their rows; returns the number of the change. Twice is no error."""
        raise NotImplementedError

    def people(self, site: str) -> tuple[PersonRecord, ...]:
        """Everyone of a site, by id."""
        raise NotImplementedError

    # What devices follow

    def snapshot(self, site: str, model: str) -> Rows:
        """All people of a site who are not gone, each with the template of `model`."""
        raise NotImplementedError

    def changes(self, site: str, model: str, after: int) -> Rows | None:
        """The latest of each person who changed after a number, the gone too, at most PAGE_ROWS.

        None if the number is below the floor or above the latest change: the device has to list again.
        """
        raise NotImplementedError

    def snapshot_body(self, site: str, model: str) -> bytes:
        """`snapshot`, packed; made once for all callers until something changes."""
        raise NotImplementedError

    def changes_body(self, site: str, model: str, after: int) -> bytes | None:
        """`changes`, packed; made once for all callers until something changes."""
        raise NotImplementedError

    def wait(self, site: str, after: int, seconds: float) -> bool:
        """Wait until the site has a change above `after`; False if there was none.

        Ask for `changes` first, and again afterwards: this only tells when it is worth it.
        """
        raise NotImplementedError

    def on_change(self, call: Callable[[str, int], None]) -> Callable[[], None]:
        """Have `call` told of each site's new change number, from a thread of the store; returns what ends that.

        For asynchronous servers; the number may come late or twice, as with `wait`.
        """
        raise NotImplementedError

    def raise_floor(self, site: str, floor: int) -> None:
        """Have devices that are below a change number list again, and delete the history below it."""
        raise NotImplementedError

    # Devices

    def make_code(self, sites: Sequence[str], device: str, by: str) -> bytes:
        """A new secret of 80 bits with which `device` may join these sites once, for 15 minutes."""
        raise NotImplementedError

    def take_code(self, secret: bytes) -> JoinCode:
        """What a secret allows; it is used up. Raises GoneError if it is unknown, used or too old."""
        raise NotImplementedError

    def add_device(self, code: JoinCode, request: JoinRequest, fingerprint: bytes, ends: float) -> Device:
        """Add the device of a code, whose certificate has this SHA-256 and ends at wall seconds.

        A device of this name that was there before is replaced: its certificate and receipts hold no longer.
        """
        raise NotImplementedError

    def renew_device(self, device: str, fingerprint: bytes, ends: float) -> None:
        """Give a device its next certificate; the one before holds until the new one is first used."""
        raise NotImplementedError

    def device_by_fingerprint(self, fingerprint: bytes) -> Device | None:
        """The device of a certificate; None if it is unknown or revoked."""
        raise NotImplementedError

    def devices(self) -> tuple[Device, ...]:
        """All devices, by name, the revoked too."""
        raise NotImplementedError

    def revoke(self, device: str, by: str) -> None:
        """Refuse a device from now on. Begin a new epoch for each of its sites if it was lost."""
        raise NotImplementedError

    def applied(self, device: Device, site: str, receipt: Receipt) -> Lease:
        """Take a receipt; raises ChangedError if its digest is not that of its change number, FleetError if forged."""
        raise NotImplementedError

    def proof(self, site: str) -> SiteProof:
        """What each device of a site has signed, and who is outstanding until when."""
        raise NotImplementedError

    # Proposals of devices

    def propose(self, device: Device, site: str, proposal: Proposal) -> Proposed:
        """Take a proposal; the same number twice counts once.

        Raises ChangedError if the person has another change number, the epoch is over or the proposal was declined,
        and GoneError if the person was forgotten.
        """
        raise NotImplementedError

    def proposals(self) -> tuple[WaitingProposal, ...]:
        """What waits for an admin, oldest first."""
        raise NotImplementedError

    def accept(self, n: int, by: str) -> int:
        """Make a proposal a change, and return its number; raises as `propose` and `put` do."""
        raise NotImplementedError

    def decline(self, n: int, by: str) -> None:
        """Destroy the facts of a proposal."""
        raise NotImplementedError

    # Operation

    def after_restore(self) -> None:
        """After the database came from a backup: forget again, and give every row a number above all that were given.

        Every device then lists again.
        """
        raise NotImplementedError

    def make_partitions(self, months: int = 2) -> None:
        """Have a partition of `events` for this month and the next ones."""
        raise NotImplementedError
