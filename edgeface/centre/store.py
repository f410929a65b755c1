"""The centre's store: people, devices and proposals of all sites, in PostgreSQL and the keyring."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from edgeface.centre import consistency
from edgeface.centre.answers import Answers
from edgeface.centre.bodies import Bodies
from edgeface.centre.database import Database
from edgeface.centre.migrations import migrate
from edgeface.centre.records import NOT_SAID
from edgeface.centre.tables import devices, receipts, sites
from edgeface.centre.tables.condition import Condition
from edgeface.centre.tables.crops import Crops
from edgeface.centre.tables.directory import Directory
from edgeface.centre.tables.event_rows import EventRows
from edgeface.centre.tables.feed import Feed, UnfinishedError
from edgeface.centre.tables.journal import Journal
from edgeface.centre.tables.people import People
from edgeface.centre.tables.policies import Policies
from edgeface.centre.tables.proposals import Proposals
from edgeface.centre.tables.rings import Rings
from edgeface.centre.tables.templates import Templates
from edgeface.centre.upkeep import Upkeep
from edgeface.centre.watch import Watch
from edgeface.core.clock import SystemClock
from edgeface.core.errors import ChangedError, UnknownError
from edgeface.core.text import check_id
from edgeface.faces.calibration import CalibrationTable
from edgeface.fleet import sealing
from edgeface.fleet.messages import EpochKey
from edgeface.gallery.agreement import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from edgeface.centre.database import Transaction
    from edgeface.centre.keys.keyring import Keyring
    from edgeface.centre.records import (
        AuditRow,
        Behind,
        ChangeRecord,
        Device,
        Entry,
        EventQuery,
        EventRecord,
        Insistence,
        JoinCode,
        PersonRecord,
        Repaired,
        Site,
        SiteProof,
        Software,
        Stored,
        WaitingProposal,
    )
    from edgeface.centre.tables.faces import Faces
    from edgeface.core.clock import Clock
    from edgeface.core.types import Embedding
    from edgeface.fleet.messages import JoinRequest, Lease, Proposal, Proposed, Receipt, Rows

Answer = TypeVar("Answer")


class Store:
    """Everything that the centre knows; any thread may use it, and several processes at once.

    All methods raise FleetError if the database or the keyring fails, and UnknownError for a site, person, device or
    proposal that does not exist. Nothing is half applied.
    """

    def __init__(
        self,
        conninfo: str,
        keyring: Keyring,
        clock: Clock | None = None,
        connections: int = 8,
        lease_seconds: int = receipts.LEASE_SECONDS,
        limits: Limits | None = None,
    ) -> None:
        """`limits` decide whether faces are of one person; left out: those of the embedder that ships."""
        self._keyring = keyring
        self._lease_seconds = lease_seconds
        self._limits = limits or Limits.of(CalibrationTable.shipped().cosine)
        self._clock = clock or SystemClock()
        self._database = Database(conninfo, connections)
        self.journal = Journal(self._database, self._clock)
        self._directory = Directory(keyring)
        self._people = People(keyring, self._directory)
        self.policies = Policies(self._database, keyring, self._clock)
        self._feed = Feed(keyring, self._directory, self.policies)
        self._proposals = Proposals(keyring, self._people, self._limits)
        self._events = EventRows(keyring, self._directory)
        self.upkeep = Upkeep(self._database, keyring, self._people, self._clock)
        self.templates = Templates(self._database, keyring)
        """All templates, opened: for the search."""
        self.crops = Crops(self._database, keyring, self._clock)
        self.rings = Rings(self._database, keyring, self._clock)
        self.condition = Condition(self._database, keyring)
        self._answers = Answers()
        self._bodies = Bodies(self._answers, self._feed, self.policies, self._finished, self._stamp)
        self._watch = Watch(conninfo, self._answers.drop)

    def close(self) -> None:
        """Close all connections; waiting callers return at once."""
        self._watch.close()
        self._database.close()

    def migrate(self) -> Repaired:
        """Bring the schema to the newest version and finish what a crash has left unfinished; call it at each start.

        Raises FleetError if a newer edgeface wrote the database, or the keyring does not belong to it.
        """
        with self._database.changing() as transaction:
            migrate(transaction)
            consistency.require_own_keyring(transaction, self._keyring)
            consistency.lock_sites(transaction)
            consistency.require_present(transaction, self._keyring)
            return consistency.repair(transaction, self._keyring, self._people, self._clock.wall())

    # Sites

    def add_site(self, site: str, by: str = "") -> Site:
        """Add a site with its enrolling key and its first epoch; one that exists stays as it is.

        Raises GalleryError unless its name has the form of an id.
        """
        check_id(site)
        with self._database.changing() as transaction:
            sites.add(transaction, site, self._keyring, self._clock.wall(), by)
            return sites.find(transaction, site)

    def sites(self) -> tuple[Site, ...]:
        """All sites, by name."""
        with self._database.changing() as transaction:
            return sites.all_sites(transaction)

    def site(self, site: str) -> Site:
        """One site."""
        with self._database.changing() as transaction:
            return sites.find(transaction, site)

    def enrolling_key(self, site: str) -> bytes:
        """The Ed25519 public key whose signature each person of the site needs, 32 bytes."""
        return self._keyring.enrolling.key(site).public_key().public_bytes_raw()

    def epoch_key(self, site: str, device: Device) -> EpochKey:
        """The key of the present epoch, wrapped for a device of the site."""
        _require_follower(device, site)
        epoch = self.site(site).epoch
        wrapped = sealing.wrap_epoch(device.sealing_key, site, epoch, self._keyring.epoch_key(site, epoch))
        return EpochKey(epoch=epoch, wrapped=wrapped)

    def new_epoch(self, site: str, by: str) -> int:
        """Begin an epoch, and return its number; devices fetch its key with their next request."""
        with self._database.changing() as transaction:
            epoch = sites.begin_epoch(transaction, site, self._keyring, self._clock.wall(), by)
        self._keyring.end_epochs(site, epoch)
        return epoch

    # People

    def put(self, site: str, entry: Entry, by: str) -> int:
        """Enroll or change a person, and return the number of the change.

        Raises GoneError if the person was forgotten, ChangedError for an id that another person has or another change
        number than the entry's, and GalleryError for an entry that is not valid.
        """
        return self.put_all(site, [entry], by)[0]

    def put_all(self, site: str, entries: Sequence[Entry], by: str) -> tuple[int, ...]:
        """As `put`, for many at once: all or none."""
        with self._database.changing() as transaction:
            return self._people.put(transaction, site, entries, by, self._clock.wall())

    def forget(self, site: str, person: bytes, by: str) -> int:
        """Destroy a person's key, then delete their rows; returns the number of the change. Twice is no error."""
        return self.forget_all(site, [person], by)[0]

    def forget_all(self, site: str, people: Sequence[bytes], by: str) -> tuple[int, ...]:
        """As `forget`, for many at once: all or none."""
        with self._database.changing() as transaction:
            return self._people.forget(transaction, site, people, by, self._clock.wall())

    def people(self, site: str) -> tuple[PersonRecord, ...]:
        """Everyone of a site, by id."""
        with self._database.reading() as transaction:
            return self._directory.records(transaction, sites.find(transaction, site))

    def means(self, site: str, model: str) -> dict[str, Embedding]:
        """The mean template of everyone of a site who has one of `model`, by id."""
        with self._database.reading() as transaction:
            sites.find(transaction, site)
            return self._people.means(transaction, site, model)

    def faces(self, site: str, model: str) -> Faces:
        """What a face is compared with before it is enrolled at a site."""
        with self._database.reading() as transaction:
            return self._people.faces(transaction, site, model, self._limits)

    def history(self, site: str, after: int, most: int) -> tuple[ChangeRecord, ...]:
        """The changes above a change number and who made them, at most so many, in their order."""
        with self._database.reading() as transaction:
            return self._feed.history(transaction, site, after, most)

    # What devices follow

    def snapshot(self, site: str, model: str) -> Rows:
        """All people of a site who are not gone, each with the template of `model`."""
        return self._finished(site, lambda transaction: self._feed.snapshot(transaction, site, model))

    def changes(self, site: str, model: str, after: int) -> Rows | None:
        """The latest of each person who changed after a number, the gone too, at most PAGE_ROWS.

        None if the number is below the floor or above the latest change: the device has to list again.
        """
        return self._finished(site, lambda transaction: self._feed.changes(transaction, site, model, after))

    def snapshot_body(self, site: str, model: str, device: str) -> bytes:
        """`snapshot` for a device, packed; made once for all that get the same until something changes."""
        return self._bodies.get(site, model, device, None) or b""

    def changes_body(self, site: str, model: str, device: str, after: int) -> bytes | None:
        """`changes` for a device, packed; made once for all that get the same until something changes."""
        return self._bodies.get(site, model, device, after)

    def wait(self, site: str, after: int, seconds: float) -> bool:
        """Wait until the site has a change above `after`; False if there was none.

        Ask for `changes` first, and again afterwards: this only tells when it is worth it.
        """
        return self._watch.wait(site, after, seconds)

    def on_change(self, call: Callable[[str, int], None]) -> Callable[[], None]:
        """Have `call` told of each site's new change number, from a thread of the store; returns what ends that.

        For asynchronous servers; the number may come late or twice, as with `wait`.
        """
        return self._watch.on_change(call)

    # Devices

    def make_code(self, site_names: Sequence[str], device: str, by: str) -> bytes:
        """A new secret of 80 bits with which `device` may join these sites once, for 15 minutes.

        Raises GalleryError unless the device's name has the form of an id.
        """
        check_id(device)
        with self._database.changing() as transaction:
            return devices.make_code(transaction, site_names, device, by, self._clock.wall())

    def take_code(self, secret: bytes) -> JoinCode:
        """What a secret allows; it is used up. Raises GoneError if it is unknown, used or too old."""
        with self._database.changing() as transaction:
            return devices.take_code(transaction, secret, self._clock.wall())

    def add_device(self, code: JoinCode, request: JoinRequest, fingerprint: bytes, ends: float) -> Device:
        """Add the device of a code, whose certificate has this SHA-256 and ends at wall seconds.

        A device of this name that was there before is replaced: its certificate and receipts hold no longer.
        """
        with self._database.changing() as transaction:
            return devices.add(transaction, code, request, fingerprint, ends, self._clock.wall())

    def renew_device(self, device: str, fingerprint: bytes, ends: float) -> None:
        """Give a device its next certificate; the one before holds until the new one is first used."""
        with self._database.changing() as transaction:
            devices.renew(transaction, device, fingerprint, ends)

    def device_by_fingerprint(self, fingerprint: bytes, software: Software = NOT_SAID) -> Device | None:
        """The device of a certificate, which says this of its software; None if it is unknown or revoked."""
        with self._database.changing() as transaction:
            return devices.by_fingerprint(transaction, fingerprint, self._clock.wall(), software)

    def devices(self) -> tuple[Device, ...]:
        """All devices, by name, the revoked too."""
        with self._database.changing() as transaction:
            return devices.every(transaction)

    def revoke(self, device: str, by: str) -> None:
        """Refuse a device from now on. Begin a new epoch for each of its sites if it was lost."""
        with self._database.changing() as transaction:
            devices.revoke(transaction, device, by, self._clock.wall())

    def applied(self, device: Device, site: str, receipt: Receipt) -> Lease:
        """Take a receipt; raises ChangedError if its digest is not that of its change number, FleetError if forged."""
        with self._database.changing() as transaction:
            lease = receipts.take(transaction, device, site, receipt, self._clock.wall(), self._lease_seconds)
        if lease is None:
            raise ChangedError(f"{site}: the device has another set of people than the centre: list again")
        return lease

    def proof(self, site: str) -> SiteProof:
        """What each device of a site has signed, and who is outstanding until when."""
        with self._database.reading() as transaction:
            return receipts.proof(transaction, site)

    def behind(self) -> tuple[Behind, ...]:
        """How far each device is behind at each of its sites, by name; the revoked are left out."""
        with self._database.reading() as transaction:
            return receipts.behind(transaction)

    # Proposals of devices

    def propose(self, device: Device, site: str, proposal: Proposal) -> Proposed:
        """Take a proposal; the same number twice counts once.

        Raises ChangedError if the person has another change number, the epoch is over or the proposal was declined,
        and GoneError if the person was forgotten.
        """
        _require_follower(device, site)
        with self._database.changing() as transaction:
            return self._proposals.take(transaction, device.device, site, proposal, self._clock.wall())

    def proposals(self) -> tuple[WaitingProposal, ...]:
        """What waits for an admin, oldest first."""
        with self._database.changing() as transaction:
            return self._proposals.waiting(transaction)

    def site_of_proposal(self, n: int) -> str:
        """The site of a proposal that waits."""
        with self._database.changing() as transaction:
            return self._proposals.site_of(transaction, n)

    def accept(self, n: int, by: str, insisted: Collection[Insistence] = ()) -> int:
        """Make a proposal a change, and return its number; raises as `propose` and `put` do.

        Raises ObjectionError if its face speaks against it, and no one insisted.
        """
        with self._database.changing() as transaction:
            became, subject = self._proposals.accept(transaction, n, by, self._clock.wall(), insisted)
        self._destroy(subject)
        return became

    def decline(self, n: int, by: str) -> None:
        """Destroy the facts of a proposal."""
        with self._database.changing() as transaction:
            subject = self._proposals.decline(transaction, n, by, self._clock.wall())
        self._destroy(subject)

    def _destroy(self, subject: bytes) -> None:
        """Destroy the key of a decided proposal; after the commit, so that no crash loses one that was accepted.

        What a crash leaves of it is swept at the next start.
        """
        with self._database.changing() as transaction:
            self._people.destroy_keys(transaction, [subject])

    # Events of devices

    def add_events(self, rows: Sequence[AuditRow]) -> Stored:
        """Store rows of the devices' audit topics, all or none; each is stored once, however often it comes."""
        with self._database.changing() as transaction:
            return self._events.add(transaction, rows, self._clock.wall())

    def events(self, query: EventQuery) -> tuple[EventRecord, ...]:
        """The events that match, the latest first."""
        with self._database.reading() as transaction:
            return self._events.find(transaction, query)

    # Operation

    def after_restore(self) -> None:
        """After the database came from a backup: forget again, and give every row a number above all that were given.

        Every device then lists again.
        """
        with self._database.changing() as transaction:
            migrate(transaction)
            consistency.require_own_keyring(transaction, self._keyring)
            consistency.lock_sites(transaction)
            wall = self._clock.wall()
            consistency.begin_again(transaction, self._keyring, wall)
            consistency.repair(transaction, self._keyring, self._people, wall, restored=True)
            consistency.renumber(transaction, self._keyring, self._people, self._directory, self.policies, wall)

    def _finished(self, site: str, read: Callable[[Transaction], Answer]) -> Answer:
        """Read rows; first finish forgetting those whose key is destroyed already, in case a crash interrupted it."""
        while True:
            mark = self._keyring.mark(site)
            try:
                with self._database.reading() as transaction:
                    sites.require_not_before(transaction, mark)
                    return read(transaction)
            except UnfinishedError:
                with self._database.changing() as transaction:
                    self._people.finish_forgetting(transaction, site, self._clock.wall())

    def _stamp(self, site: str) -> tuple[int, ...]:
        """What changes with every answer about a site."""
        found = self.site(site)
        return found.seq, found.epoch, found.ring


def _require_follower(device: Device, site: str) -> None:
    if site not in device.sites:
        raise UnknownError(f"{device.device}: not a device of {site}")
