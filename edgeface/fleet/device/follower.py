"""The thread that follows the centre: it alone has fleet.db, and nothing on the way of a frame waits for it."""

from __future__ import annotations

import logging
import random
import threading
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, Any

from edgeface.config.active_model import in_use
from edgeface.core.clock import synchronised
from edgeface.core.errors import EdgefaceError, FleetError, GalleryError
from edgeface.faces.embedder import embedder_name
from edgeface.fleet.device.applying import Applier
from edgeface.fleet.device.book import Book
from edgeface.fleet.device.client import AwayError, CentreClient, RefusedError
from edgeface.fleet.device.fleet_file import FleetFile, stored_sites
from edgeface.fleet.device.lease import DeviceLease, PublishedLeases
from edgeface.fleet.device.lease_counter import LeaseCounter
from edgeface.fleet.device.planning import DigestError
from edgeface.fleet.device.policies import SitePolicies
from edgeface.fleet.device.proposing import Proposer
from edgeface.fleet.device.records import LIST
from edgeface.fleet.device.status import Counters, alarms, problems, report
from edgeface.fleet.messages import MAX_WAIT, Certificate, Lease, Receipt, Renewal, Rows
from edgeface.fleet.models.change_over import ChangeOver, take_wanted
from edgeface.gallery.gallery import Gallery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeface.config.configuration import Configuration
    from edgeface.core.clock import Clock
    from edgeface.fleet.device.applying import Step
    from edgeface.fleet.device.identity import DeviceIdentity
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.security.vault import Vault

log = logging.getLogger(__name__)

RECEIPT_EVERY = 3600.0
"""Seconds after which the lease is extended although nothing has changed."""
RENEW_EVERY = 3600.0
"""Seconds between two attempts to renew the certificate."""
FIRST_DELAY, LONGEST_DELAY = 1.0, 300.0
"""Seconds between two attempts to reach the centre."""
RESTART_DELAY = 60.0
"""Seconds until the thread opens its files again after an error that it did not expect."""
_IDLE = 10.0
_BREATH = 1.0
"""Seconds between two rounds that bring nothing new, also with a centre that answers at once instead of waiting."""
_STOP = 5.0


class Follower:
    """Follows the sites of one device; what `facts` and `problems` give, any thread may read."""

    def __init__(
        self,
        configuration: Callable[[], Configuration],
        vault: Vault,
        model: str,
        clock: Clock,
        *,
        synced: Callable[[], bool] = synchronised,
        latest: Callable[[], GallerySnapshot | None] = lambda: None,
        record: Callable[[str, Mapping[str, Any]], None] = lambda _, __: None,
        wait: float = MAX_WAIT,
        step: Step = lambda _: None,
        changed_over: Callable[[], None] = lambda: None,
    ) -> None:
        """`latest` is a snapshot to read the gallery by difference; `record` writes a row to the journal.

        `wait` is how long the centre may wait for news; `changed_over` is called when another embedder is in use.
        """
        self._configuration, self._vault, self._model, self._clock = configuration, vault, model, clock
        self._synced, self._latest, self._wait, self._step = synced, latest, wait, step
        self._record = record
        self._closing = threading.Event()
        self.policies = SitePolicies()
        """The policies of the sites, as the doors read them."""
        self._client: CentreClient | None = None
        self._proposer: Proposer | None = None
        self._counters = Counters()
        self._identity: DeviceIdentity | None = None
        self._receipts: dict[str, float] = {}
        self._renewed = -RENEW_EVERY
        self._failures = 0
        self._problem: str | None = None
        self._facts: dict[str, Any] = {}
        self._problems: tuple[str, ...] = ()
        self.leases = PublishedLeases(configuration().data, vault, clock)
        """The sites whose lease is not over at these wall seconds; any thread may call it."""
        self._counter = LeaseCounter(self.leases, clock)
        self._embedder = configuration().embedder
        self._rings: dict[str, int] = {}
        self._change_over = ChangeOver(configuration, clock, step)
        self._changed_over = changed_over
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)

    @property
    def facts(self) -> dict[str, Any]:
        """The part `fleet` of the state; nothing personal."""
        return self._facts

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, one line each; nothing personal."""
        return self._problems

    def start(self) -> None:
        """End the matching of people whose lease is over, then follow in a thread; call it before anyone is matched.

        Files that cannot be written keep no one from being matched who has a lease, and are opened again later. Raises
        VaultError if the key is not that of the files.
        """
        try:
            with ExitStack() as stack:
                self._counter.end(*self._opened(stack))
        except (GalleryError, FleetError) as error:
            self._report(None, error)
            with suppress(GalleryError, FleetError):
                self.policies.show(stored_sites(self._configuration().data, self._vault))
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._closing.set()
        client = self._client
        if client is not None:
            client.interrupt()
        if self._thread.is_alive():
            self._thread.join(_STOP)

    def _run_once(self) -> None:
        self._counter.begin()
        with ExitStack() as stack:
            book, applier = self._opened(stack)
            try:
                embedder = self._configuration().embedder
                while not self._closing.is_set() and self._is_current(book, applier):
                    if self._configuration().embedder != embedder:
                        break
                    self._closing.wait(self.round(book, applier))
            finally:
                self.end(book)

    def _run(self) -> None:
        """Follow until the end: without this thread, no lease would ever be over."""
        while not self._closing.is_set():
            try:
                self._run_once()
            except Exception as error:  # whatever an answer or a file has caused
                self._counters.restarts.append(self._clock.monotonic())
                if not isinstance(error, EdgefaceError):
                    log.exception("fleet: unexpected error")
                self._report(None, error)
                self._closing.wait(RESTART_DELAY)

    def end(self, book: Book) -> None:
        """Store the leases, and close the connection."""
        # Where that cannot be written, each lease was charged in advance.
        with suppress(GalleryError):
            for site in book.sites.values():
                book.file.put_site(site)
        self._disconnect()

    def _opened(self, stack: ExitStack) -> tuple[Book, Applier]:
        folder = self._configuration().data
        self._take_up_model()
        book = Book(stack.enter_context(closing(FleetFile(folder, self._vault))))
        gallery = stack.enter_context(closing(Gallery.open(folder, self._model)))
        if gallery.problem is not None:
            raise FleetError(gallery.problem)
        book.remodel(self._model)
        self.policies.show(book.sites)
        applier = Applier(
            self._settings, gallery, book, self._clock,
            latest=self._latest, step=self._step, policies=self.policies,
        )  # fmt: skip
        applier.local.take_restored(folder)
        return book, applier

    def _is_current(self, book: Book, applier: Applier) -> bool:
        """Whether both files were opened for the model in use; a change-over, or one that failed, ends that."""
        return {applier.gallery.model, *(one.model for one in book.sites.values())} == {self._model}

    def _settings(self) -> Configuration:
        """The configuration with the embedder in use, which the daemon's may not have yet."""
        return self._configuration().model_copy(update={"embedder": self._embedder})

    def _take_up_model(self) -> None:
        """The model in use, which a change-over or the configuration may have changed."""
        embedder = in_use(self._configuration()).embedder
        if embedder != self._embedder:
            self._model, self._embedder = embedder_name(embedder.model), embedder

    def round(self, book: Book, applier: Applier) -> float:
        """Do what is due, once; returns the seconds until the next time."""
        if not self._is_current(book, applier):
            return 0.0
        try:
            self._counter.count(book, applier)
            self._finish(book, applier)
            idle = self._follow(book, applier)
        except EdgefaceError as error:
            self._failures += 1
            self._report(book, error)
            most = min(LONGEST_DELAY, FIRST_DELAY * (1 << min(self._failures - 1, 10)))
            return most * random.uniform(0.5, 1.0)  # noqa: S311 - only so that devices do not ask all at once
        self._failures = 0
        self._report(book, None)
        return idle

    def _follow(self, book: Book, applier: Applier) -> float:
        identity, settings = book.file.identity(), self._configuration().fleet
        if identity is None or settings is None:
            return _IDLE
        if identity != self._identity:
            self._joined(book, applier, identity)
        applier.local.collect(self._clock.wall())
        if self._synced():
            applier.local.provisional(self._clock.wall())
        if self._proposer is None:
            self._client = CentreClient(settings.centres, identity.context())
            self._proposer = Proposer(self._client, identity, book, applier)
        if self._closing.is_set():
            return 0.0
        now = self._clock.monotonic()
        if identity.must_renew(self._clock.wall()) and now - self._renewed >= RENEW_EVERY:
            # Noted first: where that fails, or the clock is wrong, people are followed all the same.
            self._renewed = now
            self._renew(book, self._proposer)
            return 0.0
        return self._follow_sites(book, applier, self._proposer)

    def _follow_sites(self, book: Book, applier: Applier, proposer: Proposer) -> float:
        """Follow each site, whatever is wrong with another; raises the first error afterwards."""
        first: EdgefaceError | None = None
        changed = False
        for name in list(book.sites):
            for do in (self._propose, self._follow_site):
                try:
                    changed = do(book, applier, proposer, name) or changed
                except AwayError:
                    raise
                except EdgefaceError as error:
                    if isinstance(error, RefusedError) and error.is_barred:
                        book.bar(name)
                    first = first or error
        if first is not None:
            raise first
        if not changed and self._change_over.run(book, applier, proposer.client):
            self._take_up_model()
            self._receipts.clear()
            self._changed_over()
        return 0.0 if changed else _BREATH

    def _joined(self, book: Book, applier: Applier, identity: DeviceIdentity) -> None:
        """Take up what `edgeface fleet join` has written; the people of sites that it no longer names go at once."""
        book.read()
        book.remodel(self._model)
        for name in book.sites.keys() - {one.site for one in identity.sites}:
            applier.lapse(name)
            applier.finish()
            book.leave(name)
        self._identity = identity
        self._disconnect()

    def _renew(self, book: Book, proposer: Proposer) -> None:
        identity = proposer.identity
        request = Renewal(request=identity.keys.request(identity.device))
        answer = proposer.client.post("/renew", request, Certificate)
        renewed = identity.model_copy(update={"certificate": answer.certificate})
        # Refused here, while the old one still works.
        renewed.context()
        book.file.put_identity(renewed)
        self._identity = renewed
        self._disconnect()

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = self._proposer = None

    def _propose(self, _: Book, __: Applier, proposer: Proposer, name: str) -> bool:
        try:
            return proposer.send(name, self._clock.monotonic())
        finally:
            self._counters.conflicts += proposer.conflicts
            proposer.conflicts = 0

    def _follow_site(self, book: Book, applier: Applier, proposer: Proposer, name: str) -> bool:
        """Ask once and apply the answer; whether there is more to do at once.

        One answer a round: leases are counted between two of them, however many the centre has.
        """
        now = self._clock.monotonic()
        site, whole = book.sites[name], book.sites[name].seq == LIST
        answer = self._asked(book, proposer.client, name, whole=whole)
        if answer is None:
            return True
        if answer.epoch != site.epoch:
            site = proposer.refresh_epoch(name)
        try:
            changed = applier.apply(site, answer, whole=whole)
        except DigestError:
            self._wrong(book, name)
            raise
        due = now - self._receipts.get(name, -RECEIPT_EVERY) >= RECEIPT_EVERY
        due = due or (not answer.more and self._rings.get(name) != answer.ring)
        if not answer.more and (changed or due or book.sites[name].lease is None):
            self._receipt(book, proposer, name)
            self._rings[name] = answer.ring
        return changed or answer.more

    def _asked(self, book: Book, client: CentreClient, name: str, *, whole: bool) -> Rows | None:
        """What the centre says of a site; None if its whole list has to be fetched, which the next round does."""
        site, path = book.sites[name], f"/sites/{name}"
        if whole:
            answer = client.get(f"{path}/snapshot?model={self._model}", Rows)
        else:
            wait = max(0.0, min(self._wait / len(book.sites), self.leases.shortest(self._clock.wall())))
            query = f"changes?model={self._model}&after={site.seq}&wait={wait:.0f}"
            try:
                answer = client.get(f"{path}/{query}", Rows, wait=wait)
            except RefusedError as error:
                if not error.is_gone:
                    raise
                book.list_again(name)
                return None
        self._counters.reached[name] = self._clock.monotonic()
        return answer

    def _receipt(self, book: Book, proposer: Proposer, name: str) -> None:
        identity, site = proposer.identity, book.sites[name]
        facts = site.receipt(self._clock.wall(), self._model)
        receipt = Receipt.signed(identity.keys.receipt_key, identity.device, name, facts)
        try:
            answer = proposer.client.post(f"/sites/{name}/applied", receipt, Lease)
        except RefusedError as error:
            if error.is_conflict:
                self._wrong(book, name)
            raise
        lease = DeviceLease.granted(answer.seconds, answer.now / 1000)
        if site.lease is not None and lease.is_over(self._clock.wall()):
            # Otherwise one wrong clock would have everyone erased; the lease before runs out all the same.
            raise FleetError(
                f"the lease of {name} was not extended: the clock of the centre or of this device is wrong"
            )
        book.put_site(site.model_copy(update={"lease": lease, "reached": self._clock.wall(), "barred": False}))
        self.leases.publish(book.leases())
        self._receipts[name] = self._clock.monotonic()
        take_wanted(book, identity.device, name, answer.wanted)

    def _wrong(self, book: Book, name: str) -> None:
        """The people here are not those of the centre: fetch the whole list, once."""
        self._counters.wrong[name] = self._counters.wrong.get(name, 0) + 1
        if book.sites[name].seq != LIST:
            book.list_again(name)

    def _finish(self, book: Book, applier: Applier) -> None:
        """Erase those who are no longer matched; after a lease that only an unsure clock ends, not yet."""
        unsure = [one.lease for one in book.sites.values() if one.lease is not None and one.lease.left > 0]
        if book.erasing() and (self._synced() or not unsure):
            applier.finish()

    def _ended(self) -> str:
        """Why the centre may close every connection without a word: this is not told to a client by TLS."""
        if self._identity is None or self._clock.wall() < self._identity.ends:
            return ""
        return "; the certificate of this device has ended: edgeface fleet join URL --again"

    def _report(self, book: Book | None, error: Exception | None) -> None:
        what = error if isinstance(error, EdgefaceError) else "unexpected error"
        line = None if error is None else f"fleet: {what}{self._ended()}"
        if line is not None and line != self._problem and not self._closing.is_set():
            log.warning("%s", line)
        self._problem = line
        restarted = self._counters.restarted(self._clock.monotonic())
        if book is not None:
            self.policies.show(book.sites)
            self._facts = report(book, self._counters, self._clock)
            found = problems(book, self._counters, line, self._clock.wall())
            stays = self._change_over.problem
            told = alarms(book, self._clock, self._record)
            self._problems = (*found, *(() if stays is None else (stays,)), *restarted, *told, *self.policies.problems)
        elif line is not None:
            self._problems = (line, *restarted)
