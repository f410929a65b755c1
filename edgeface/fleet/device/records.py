"""What fleet.db holds: a person, a site, and a proposal that waits."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from edgeface.core.clock import DAY
from edgeface.core.errors import FleetError
from edgeface.core.settings import Id
from edgeface.fleet.device.lease import DeviceLease
from edgeface.fleet.messages import LATEST_MILLIS, FleetMessage, Key32, WantedModel, model_name

EntryState = Literal["matched", "absent", "taken", "proposed", "overruled", "forgotten", "lapsed", "gone"]
"""What the device has of a person:

- matched: in the gallery as the centre has them
- absent: the centre has them, without a template of the model
- taken: their id belongs to someone else here
- proposed: enrolled here, and not yet accepted
- overruled: changed here, and the centre's facts are to be put again
- forgotten: erased here, and proposed to be forgotten
- lapsed: erased because the lease was over
- gone: forgotten by the centre, or no longer of this site
"""
PUTTING, ERASING = 1, 2
"""Entry.busy."""
MANY = 20
"""People of a site from which the removal of half of them is an alarm."""
ALARM_SECONDS = 30 * DAY
"""Seconds for which an alarm stands that no one acknowledges."""
ProposalState = Literal["waiting", "sent"]


class PersonFile(FleetMessage):
    """What is sealed of a person."""

    id: Id
    mark: Annotated[bytes, Field(max_length=32)] = b""
    """A keyed digest of what the gallery was given, which shows whether someone has changed it here."""
    expires: str | None = None
    groups: Annotated[tuple[str, ...], Field(strict=False)] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """What the device knows of a person of a site."""

    site: str
    person: bytes
    seq: int
    """The change that the device has; 0 if the centre has none of them."""
    version: int
    """The highest that was ever taken up."""
    state: EntryState
    facts: PersonFile | None = None
    known: int = 0
    """The version of the row in gallery.db when it was last as noted here."""
    busy: int = 0
    """PUTTING or ERASING while gallery.db is written."""

    @property
    def named(self) -> PersonFile:
        """The facts of someone in the gallery; raises FleetError if nothing is known of the person any more."""
        if self.facts is None:
            raise FleetError("fleet.db has no facts of someone")
        return self.facts

    @property
    def counted(self) -> bool:
        """Whether the digest has this person."""
        return self.seq > 0 and self.state != "gone"

    @property
    def is_here(self) -> bool:
        """Whether the gallery has this person, or is about to get or to lose them."""
        return self.facts is not None and self.state != "taken"

    @property
    def needs_lease(self) -> bool:
        """Whether they may be matched by the centre's word alone, also where a crash has cut off their arrival."""
        return self.is_here and self.busy != ERASING and (self.seq > 0 or self.busy == PUTTING)


LIST = -1
"""In place of a change number: the whole list is needed. An empty site has the number 0."""


class SiteFile(FleetMessage):
    """What the device knows of a site."""

    site: Id
    enrolling_key: Key32
    seq: int = LIST
    """The change that the device has."""
    digest: str = f"{0:064x}"
    count: int = 0
    epoch: int = -1
    epoch_key: Annotated[bytes, Field(repr=False)] = b""
    lease: DeviceLease | None = None
    reached: Annotated[float, Field(strict=False)] = 0.0
    """Wall seconds of the last answer."""
    wrong: int = 0
    """How often the digest was wrong."""
    began: bool = False
    """Whether it is noted who was enrolled before."""
    policy: int = 0
    """The version of the site's policy that holds here; 0 if there has never been one."""
    signed_policy: Annotated[bytes, Field(repr=False)] = b""
    barred: bool = False
    """Whether the centre has refused this device, and has answered nothing since."""
    model: str = ""
    """The embedder whose templates the marks of its people are of; empty before the first list."""
    wanted: WantedModel | None = None
    """The model that the centre wants, as it was last signed."""

    def receipt(self, wall: float, model: str) -> dict[str, object]:
        """What the device signs of it at `wall`, with the embedder in use."""
        at = min(max(0, round(wall * 1000)), LATEST_MILLIS)
        return {
            "seq": self.seq, "digest": self.digest, "count": self.count, "at": at,
            "policy": self.policy, "model": model_name(model),
        }  # fmt: skip

    def charged(self, seconds: float, wall: float = 0.0) -> "SiteFile":
        """The site after the device has run for so many more seconds, and its clock shows `wall`."""
        return self if self.lease is None else self.model_copy(update={"lease": self.lease.after(seconds, wall)})


class Removal(FleetMessage):
    """How many people of a site the centre had this device erase within a day, or since an alarm."""

    site: Id
    began: Annotated[float, Field(strict=False)]
    """Wall seconds of the first."""
    people: int
    """Who was matched before."""
    removed: int = 0
    told: bool = False
    """Whether the journal has it."""

    @property
    def is_alarm(self) -> bool:
        """Whether a person must look at it: half of many people, which is lawful, or an attack on the centre."""
        return self.people >= MANY and 2 * self.removed >= self.people

    def is_over(self, wall: float) -> bool:
        """Whether it no longer counts; a clock that was set back ends it too, unless it is an alarm."""
        if self.is_alarm:
            return wall >= self.began + ALARM_SECONDS
        return not self.began <= wall < self.began + DAY


class QueuedProposal(FleetMessage):
    """Something that was done here and that the centre must learn."""

    number: Annotated[bytes, Field(min_length=16, max_length=16)]
    site: Id
    person: Annotated[bytes, Field(min_length=16, max_length=16)]
    seq: int
    forget: bool
    body: Annotated[bytes, Field(repr=False)] = b""
    """The facts; none with `forget`."""
    until: Annotated[float, Field(strict=False)] = 0.0
    """Wall seconds until which it holds here without the centre's word; 0 while the clock is not known to be right."""
    state: ProposalState = "waiting"


def emptied(entry: Entry, state: EntryState, seq: int | None = None) -> Entry:
    """What stays of a person who is no longer in the gallery."""
    return replace(entry, state=state, facts=None, known=0, busy=0, seq=entry.seq if seq is None else seq)
