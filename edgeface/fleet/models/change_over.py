"""Changes a device over to another embedder, in one step that a crash either has done or has not.

1. Everything is checked: the file, the whole list of the new model, who would be left out, the levels, the embedder.
2. fleet.db: everyone is marked as not yet put for the new model.
3. gallery.db: the templates of the new model are added to the old ones, like any other list of the centre.
4. The switch: one small file in the data folder names the model in use.

After a crash or an error between 2 and 4, the follower opens its files again with the old model, whose templates are
still there, and fetches its list once more. To go back is the same with the old model.
"""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edgeface.config.active_model import activate, with_embedder
from edgeface.config.levels import levels_in_force
from edgeface.core.errors import EdgefaceError, FleetError, system_reason
from edgeface.core.text import counted
from edgeface.fleet import digest, signed_policy
from edgeface.fleet.device.applying import Applier, gallery_person
from edgeface.fleet.device.client import AwayError
from edgeface.fleet.device.opening import open_rows
from edgeface.fleet.device.policies import SitePolicies, with_policy
from edgeface.fleet.messages import Rows
from edgeface.fleet.models.self_check import check_embedder
from edgeface.gallery.gallery import Gallery
from edgeface.recognition.limits import with_sites

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from edgeface.access.site_policy import SitePolicy
    from edgeface.config.configuration import Configuration
    from edgeface.config.levels import LevelInForce
    from edgeface.core.clock import Clock
    from edgeface.fleet.device.applying import Step
    from edgeface.fleet.device.book import Book
    from edgeface.fleet.device.client import CentreClient
    from edgeface.fleet.device.opening import OpenedPerson
    from edgeface.fleet.device.records import SiteFile
    from edgeface.fleet.messages import WantedModel
    from edgeface.gallery.snapshot import Person

log = logging.getLogger(__name__)

AGAIN = 600.0
"""Seconds after which a change-over is tried again although nothing has changed at the centre."""
_PAUSE = 10.0


def take_wanted(book: Book, device: str, site: str, wanted: WantedModel | None) -> None:
    """Note which model the centre wants; raises FleetError unless it is signed. An earlier one changes nothing."""
    known = book.sites[site]
    if wanted is None or (known.wanted is not None and wanted.number <= known.wanted.number):
        return
    wanted.verify(Ed25519PublicKey.from_public_bytes(known.enrolling_key), device, site)
    book.put_site(known.model_copy(update={"wanted": wanted}))


class ChangeOver:
    """Belongs to the thread that follows the centre."""

    def __init__(
        self,
        configuration: Callable[[], Configuration],
        clock: Clock,
        step: Step,
        pause: float = _PAUSE,
    ) -> None:
        """`step` is called between the steps; `pause` is the least time between two attempts, in seconds."""
        self._configuration, self._clock, self._step, self._pause = configuration, clock, step, pause
        self.problem: str | None = None
        """Why the device stays with its model although the centre wants another one."""
        self._tried: object = None
        self._tried_at = -AGAIN
        self._finished = 0

    def run(self, book: Book, applier: Applier, client: CentreClient) -> bool:
        """Change over, or do what has to be done afterwards; whether another model is in use now.

        Raises AwayError if the centre cannot be reached. Whatever else is wrong becomes the problem.
        """
        gallery = applier.gallery
        wanted = {(gallery.model if one.wanted is None else one.wanted.model) for one in book.sites.values()}
        if wanted <= {gallery.model}:
            self.problem = None
            self._finish(book, gallery)
            return False
        state = [(one.seq, one.epoch, one.wanted) for one in book.sites.values()]
        now = self._clock.monotonic()
        if now - self._tried_at < (AGAIN if state == self._tried else self._pause):
            return False
        self._tried, self._tried_at = state, now
        try:
            if len(wanted) > 1:
                raise FleetError("its sites want different ones")
            self._change(book, applier, client, next(iter(wanted)))
        except AwayError:
            raise
        except (EdgefaceError, OSError) as error:
            why = system_reason(error) if isinstance(error, OSError) else error
            self.problem = f"fleet: this device stays with {gallery.model}; the centre wants {', '.join(wanted)}: {why}"
            log.error("%s", self.problem)
            return False
        self.problem = None
        log.info("fleet: changed over from %s to %s", gallery.model, next(iter(wanted)))
        return True

    def _change(self, book: Book, applier: Applier, client: CentreClient, model: str) -> None:
        before, old = self._configuration(), applier.gallery
        after = with_embedder(before, model)
        if after is None:
            raise FleetError("no file of fleet.models in config.yaml is this model")
        answers = {name: client.get(f"/sites/{name}/snapshot?model={model}", Rows) for name in book.sites}
        lists = [_List.opened(book.sites[name], answer, model) for name, answer in answers.items()]
        with closing(Gallery.open(before.data, model)) as new:
            before = with_embedder(before, old.model) or before
            _require_people(book, old, new, lists)
            _require_levels(before, after, old, new, lists)
            _require_settled(book, applier, self._clock.wall())
            sizes = {one.embedding.size for each in lists for one in each.people}
            if len(sizes) > 1:
                raise FleetError("templates of the centre have different sizes")
            check_embedder(after, next(iter(sizes), None))
            # Again: the list and the embedder have taken seconds.
            _require_settled(book, applier, self._clock.wall())
            self._step("checked")
            book.remodel(model)
            other = Applier(lambda: after, new, book, self._clock, step=self._step, policies=applier.policies)
            for name, answer in answers.items():
                other.apply(book.sites[name], answer, whole=True)
            self._step("added")
            activate(before.data, model)
        self._step("switched")

    def _finish(self, book: Book, gallery: Gallery) -> None:
        """Erase the templates of other models when the centre says that no one needs them."""
        orders = [one.wanted for one in book.sites.values()]
        number = sum(one.number for one in orders if one is not None)
        if number != self._finished and all(one is not None and one.finish for one in orders):
            gallery.keep_only_model()
            self._finished = number


class _List(NamedTuple):
    """The whole list of a site for a model."""

    site: SiteFile
    """With the policy of the list."""
    people: tuple[OpenedPerson, ...]
    without: int
    """Those who may pass here and have no template of the model."""

    @classmethod
    def opened(cls, site: SiteFile, answer: Rows, model: str) -> _List:
        """The list, if its policy and every row fit, and the digest too."""
        site = with_policy(site, answer, whole=True)
        opened = open_rows(site, answer, model, {}, after=0, whole=True)
        present = [(row.person, row.seq) for row in answer.rows if row.key is not None]
        value = signed_policy.digest_with(site.site, present, site.policy)
        if (answer.digest, answer.count) != (digest.to_hex(value), len(present)):
            raise FleetError("its list is not complete: the digest does not fit")
        # Who may pass no door of this device comes without a key.
        return cls(site, opened.people, sum(row.key != b"" for row in opened.absent))


def _require_settled(book: Book, applier: Applier, wall: float) -> None:
    """Raise FleetError while something that was done here waits."""
    applier.local.collect(wall)
    if book.waiting or book.erasing():
        raise FleetError("changes made here wait for the centre: accept or decline them there")


def _require_people(book: Book, old: Gallery, new: Gallery, lists: Collection[_List]) -> None:
    """Raise FleetError if more people would be left out than the centre allows."""
    away = sum(each.without for each in lists)
    here = len(_matched(old).keys() - book.by_id.keys() - _matched(new).keys())
    allowed = sum(one.wanted.without for one in book.sites.values() if one.wanted is not None)
    if away + here > allowed:
        people = counted(away + here, "person has", "people have")
        raise FleetError(f"{people} no template of it, {here} of them enrolled at this device only; {allowed} may")


def _require_levels(
    before: Configuration, after: Configuration, old: Gallery, new: Gallery, lists: Collection[_List]
) -> None:
    """Raise FleetError if a door or camera would lose its level, with the policies of the lists."""
    coming = {one.facts.id: gallery_person(each.site.site, one, 0.0) for each in lists for one in each.people}
    people = {one.id: one for one in (_matched(new) | coming).values() if not one.ignored}
    policies = SitePolicies()
    policies.show({each.site.site: each.site for each in lists})
    levels = {(one.place, one.wanted): one.level for one in _levels(before, _matched(old).values(), policies.current)}
    for one in _levels(after, people.values(), policies.current):
        level = levels.get((one.place, one.wanted))
        if one.problem is not None and level is not None and level != one.level:
            raise FleetError(f"{one.place} would lose its level: {one.problem}")


def _levels(
    configuration: Configuration, people: Collection[Person], sites: Mapping[str, SitePolicy | None]
) -> tuple[LevelInForce, ...]:
    """The levels with these people, as the daemon will have them."""
    enrolled = frozenset(one.id for one in people)
    return levels_in_force(configuration, enrolled, with_sites(configuration.access_policy, enrolled, people, sites))


def _matched(gallery: Gallery) -> dict[str, Person]:
    """Who can be matched, by id."""
    return {one.id: one for one in gallery.snapshot().people if not one.ignored}
