"""What the centre's store takes and gives: frozen records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.core.types import Embedding

ReceiptState = Literal["never", "behind", "equal", "differs"]
"""What a device's latest receipt says: none yet, an earlier change, all there is, or another set than the centre's."""
ChangeKind = Literal["put", "forget", "restore"]
ProposalState = Literal["waiting", "accepted", "declined"]


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
class ChangeRecord:
    """One change of a person, in the history of a site."""

    seq: int
    person: bytes
    kind: ChangeKind
    at: float
    """Wall seconds."""
    by: str


@dataclass(frozen=True, slots=True)
class JoinCode:
    """What a code allows."""

    device: str
    sites: tuple[str, ...]


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
    lease_ends: float | None
    """Wall seconds; None without a lease. Until then a device that is outstanding may match people of before."""
    revoked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteProof:
    """Which devices hold which set of people, for `edgeface fleet proof`."""

    site: Site
    devices: tuple[DeviceProof, ...]

    @property
    def outstanding(self) -> tuple[DeviceProof, ...]:
        """The devices that have not yet signed the present set."""
        return tuple(one for one in self.devices if one.state != "equal")


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


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a start has found unfinished and finished."""

    keys: int
    """Keys without a row, which were destroyed."""
    people: int
    """Rows whose key was destroyed, which are gone now."""
