"""What the centre's store takes and gives: frozen records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.access.site_policy import SitePolicy
    from edgeface.core.types import Embedding

ReceiptState = Literal["never", "behind", "equal", "differs"]
"""What a device's latest receipt says: none yet, an earlier change, all there is, or another set than the centre's."""
ChangeKind = Literal["put", "forget", "restore", "policy"]
ProposalState = Literal["waiting", "accepted", "declined"]
JournalKind = Literal[
    "enroll", "change", "forget", "accept", "decline", "site", "epoch", "code", "join", "lost", "policy", "model",
    "search", "export", "events", "sign-in", "account",
]  # fmt: skip
"""What the journal can say; `events`: someone has looked at the events of a person."""
ObjectionKind = Literal["another_face", "no_template", "duplicate", "not_compared", "same_name", "other_id"]
Insistence = Literal["another_face", "duplicate"]
"""What an admin may insist on."""
INSISTENCES: Mapping[ObjectionKind, Insistence] = {
    "another_face": "another_face",
    "no_template": "another_face",
    "duplicate": "duplicate",
    "not_compared": "duplicate",
}
"""What carries out an enrollment against each objection; those of other kinds are only shown."""


@dataclass(frozen=True, slots=True)
class Site:
    """A set of people who may pass the same doors."""

    site: str
    seq: int
    """The number of the latest change."""
    epoch: int
    floor: int
    """The lowest change number from which a device may follow; below it, it lists again."""
    digest: int
    count: int
    """People who are not gone."""
    ring: int = 0
    """Rises with each change of what model a device is to use."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Entry:
    """A person as an admin enters them."""

    id: str
    name: str
    embeddings: Mapping[str, Embedding] = field(default_factory=dict, repr=False)
    """One mean template for each model; templates of other models that the person has are kept."""
    groups: tuple[str, ...] = ()
    ignored: bool = False
    consent: str | None = None
    expires: str | None = None
    person: bytes | None = None
    """The number of the person to change; None: the person with this id, or a new one."""
    seq: int | None = None
    """The change number that the person must still have; 0: there is no such person yet; None: any."""

    @classmethod
    def of(cls, record: PersonRecord, embeddings: Mapping[str, Embedding] | None = None) -> Entry:
        """A person as they are, with these templates in place of those of the same models."""
        return cls(
            id=record.id, name=record.name, embeddings=embeddings or {}, groups=record.groups, ignored=record.ignored,
            consent=record.consent, expires=record.expires, person=record.person, seq=record.seq,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A person with their facts opened."""

    person: bytes
    seq: int
    id: str
    name: str
    groups: tuple[str, ...]
    ignored: bool
    consent: str | None
    expires: str | None


@dataclass(frozen=True, slots=True)
class DeviceModel:
    """The model of one device at one site."""

    device: str
    signed: str | None
    """The model of its latest receipt."""
    wanted: str | None
    """The model that it is to use; None if nothing was ever said."""
    at: float | None
    """Wall seconds at which that was said."""
    by: str | None
    """The account that said it."""


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """The latest policy of a site."""

    version: int = 0
    """The change number at which it was made; 0 if there has never been one."""
    policy: SitePolicy | None = None
    """None if there is none, or no longer one: the config.yaml of each device decides alone."""


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """One change of a person or of the policy, in the history of a site."""

    seq: int
    person: bytes
    kind: ChangeKind
    at: float
    """Wall seconds."""
    by: str

    @property
    def of_policy(self) -> bool:
        """Whether it is of the policy, which has zero bytes in place of a person's number."""
        return not any(self.person)


@dataclass(frozen=True, slots=True)
class JoinCode:
    """What a code allows."""

    device: str
    sites: tuple[str, ...]


class Software(NamedTuple):
    """What a device says of itself with a request; None: nothing."""

    version: str | None
    """Of edgeface."""
    model: str | None
    """The embedder for whose templates it asks."""


NOT_SAID = Software(None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device that has joined."""

    device: str
    sites: tuple[str, ...]
    fingerprint: bytes
    """SHA-256 of its latest certificate (DER)."""
    certificate_ends: float
    """Wall seconds."""
    sealing_key: bytes
    receipt_key: bytes
    grant_keys: tuple[bytes, ...]
    joined: float
    seen: float
    """Wall seconds of the latest request, to the minute."""
    revoked: float | None
    version: str | None = None
    model: str | None = None
    """What it last said of its software; None if it did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProof:
    """What one device has signed about one site."""

    device: str
    state: ReceiptState
    seq: int
    """Of the latest receipt, 0 without one."""
    digest: str | None
    count: int
    at: int
    """Milliseconds of the device's clock."""
    signature: bytes | None
    receipt_key: bytes
    """Ed25519 public key of the device, by which anyone can check the signature."""
    lease_ends: float | None
    """Wall seconds; None without a lease. Until then a device that is outstanding may match people of before."""
    revoked: bool
    model: str | None = None
    """The model that it has signed too; part of what the signature is of."""
    policy: int = 0
    """The version of the policy that it applies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteProof:
    """Which devices hold which set of people, for `edgeface fleet proof`."""

    site: Site
    devices: tuple[DeviceProof, ...]

    @property
    def outstanding(self) -> tuple[DeviceProof, ...]:
        """The devices that have not yet signed the present set."""
        return tuple(one for one in self.devices if one.state != "equal")


@dataclass(frozen=True, slots=True)
class Objection:
    """Something that speaks against an enrollment."""

    kind: ObjectionKind
    person: str
    """The id of the person it is about."""
    text: str

    @property
    def option(self) -> Insistence | None:
        """What carries it out all the same; None if this is only shown."""
        return INSISTENCES.get(self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingProposal:
    """A proposal that waits for an admin."""

    n: int
    site: str
    device: str
    person: bytes
    seq: int
    """The change number that the device knew; 0 for a new person."""
    forget: bool
    at: float
    """Wall seconds at which it arrived."""
    id: str | None
    """Facts as the device proposes them; None if it proposes to forget the person."""
    name: str | None
    model: str | None
    objections: tuple[Objection, ...] = ()
    """What speaks against it now."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a start has found unfinished and finished."""

    keys: int
    """Keys without a row, which were destroyed."""
    people: int
    """Rows whose key was destroyed, which are gone now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """A row of a device's audit topic, as it is stored."""

    device: str
    id: str
    at: float
    """Wall seconds that the id has."""
    kind: str
    camera: str | None
    door: str | None
    person: str | None
    facts: bytes = field(repr=False)
    """All of the row, JSON."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of rows."""

    stored: int
    repeated: int
    """Those that were stored already."""
    refused: int
    """Those of devices that have not joined, or are revoked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """Selects events; None selects all."""

    sites: tuple[str, ...] | None = None
    """Events of any of these sites."""
    person: str | None = None
    """The id of a person."""
    device: str | None = None
    kind: str | None = None
    camera: str | None = None
    door: str | None = None
    since: float | None = None
    until: float | None = None
    """Wall seconds; an event at this time is left out."""
    before: tuple[float, str, str] | None = None
    """The `key` of the last record so far: only those that follow."""
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """A stored event with its facts opened."""

    at: float
    """Wall seconds; 0 if the device's clock was wrong by far."""
    device: str
    id: str
    sites: tuple[str, ...]
    kind: str
    camera: str | None
    door: str | None
    facts: Mapping[str, Any] | None = field(repr=False)
    """What the device has said; None if that was about someone who was forgotten or is not known here."""

    @property
    def key(self) -> tuple[float, str, str]:
        """Its place in the order."""
        return self.at, self.id, self.device


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """How far a device is behind the centre at one site."""

    device: str
    site: str
    state: ReceiptState
    changes: int
    """That it has not signed."""
    since: float | None
    """Wall seconds of the oldest of them; None without one, and if the history begins later."""
    lease_ends: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalQuery:
    """Selects rows of the journal; None selects all."""

    sites: tuple[str, ...] | None = None
    """Rows of any of these sites; rows that belong to no site are left out then."""
    by: str | None = None
    what: tuple[JournalKind, ...] | None = None
    """Rows of any of these kinds."""
    person: bytes | None = None
    since: float | None = None
    until: float | None = None
    """Wall seconds; a row at this time is left out."""
    before: int | None = None
    """Only rows with a lower number."""
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRecord:
    """Who did or saw what at the centre."""

    n: int
    at: float
    """Wall seconds."""
    by: str
    """An account, `command-line` or a device; empty for the centre itself."""
    what: JournalKind
    sites: tuple[str, ...]
    person: bytes | None
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Periods:
    """How long what is kept; 0 keeps it without end, except for people."""

    grace_days: int = 0
    """Days between the end of a consent and the forgetting."""
    event_months: int = 0
    history_days: int = 60
