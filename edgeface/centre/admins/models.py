"""The JSON objects of the centre's REST interface: one model validates, writes and describes each."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field

from edgeface.centre.records import ChangeKind, ReceiptState
from edgeface.core.errors import GalleryError
from edgeface.core.settings import Id
from edgeface.core.types import Embedding  # noqa: TC001 - pydantic evaluates the annotations
from edgeface.fleet.facts import MAX_GROUPS
from edgeface.gallery.snapshot import check_embedding
from edgeface.web.api.device_models import Since  # noqa: TC001 - pydantic evaluates the annotations
from edgeface.web.api.models import ApiModel, Day, Expiry, Limit, Name, NewFromPhotos, Page, Time

Groups = Annotated[list[Id], Field(max_length=MAX_GROUPS)]
SiteId = Id
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}:[0-9a-f]{8}$")]
MAX_MODELS = 4
_MAX_TEMPLATE = 24_000


def embedding(text: str) -> Embedding:
    """The unit vector in base64 of little-endian float32; raises ValueError."""
    try:
        raw = base64.b64decode(text, validate=True)
        vector: Embedding = np.frombuffer(raw, dtype="<f4").astype(np.float32)
        check_embedding(vector)
    except (binascii.Error, ValueError, GalleryError):
        raise ValueError("not base64 of a float32 vector of length one") from None
    return vector


def _template(text: str) -> str:
    embedding(text)
    return text


Template = Annotated[str, Field(max_length=_MAX_TEMPLATE), AfterValidator(_template)]


class Session(ApiModel):
    """Who is signed in."""

    name: str
    role: Literal["viewer", "admin"]
    sites: list[str] | None
    """The sites to which the role applies; null: all."""
    csrf: str
    """What X-CSRF-Token must be on changes of a session; empty for a token."""


class NewSite(ApiModel):
    """A site to add."""

    site: SiteId


class Site(ApiModel):
    """A set of people who may pass the same doors."""

    site: str
    seq: int
    """The number of the latest change."""
    epoch: int
    people: int


class Sites(ApiModel):
    """The sites that the caller may see."""

    sites: list[Site]


class PeopleQuery(Page):
    """Selects a part of the people."""

    q: Annotated[str, Field(max_length=100)] | None = None
    """Only people whose id or name contains this text; case does not matter."""


class Person(ApiModel):
    """A person of a site."""

    id: str
    name: str
    seq: int
    """The number of their latest change."""
    groups: list[str]
    ignored: bool
    consent: str | None
    expires: str | None


class People(ApiModel):
    """A part of the people."""

    people: list[Person]
    next: str | None
    """The cursor of the next part; null at the end."""


class EnrollFromPhotos(NewFromPhotos):
    """The fields of an enrollment, except its photos; known people get a new template."""

    accept_limits: Literal[False] = False
    """Levels are the devices' own: the centre has none."""


class Change(ApiModel):
    """Changes to a person; what is left out or null stays as it is."""

    name: Name | None = None
    groups: Groups | None = None
    ignored: bool | None = None
    given: Day | None = None
    """The day on which consent was given."""
    expires: Expiry | None = None
    """The first day on which they are no longer matched; `never` removes it."""


class PutPerson(Change):
    """A person with templates that are made already; a person with this id is changed."""

    templates: Annotated[dict[ModelName, Template], Field(max_length=MAX_MODELS)] = Field(default_factory=dict)
    """By the name of the embedder: base64 of little-endian float32, a vector of length one."""


class Enrolled(ApiModel):
    """What an enrollment did."""

    person: Person
    notes: list[str] = Field(default_factory=list)
    left_out: list[str] = Field(default_factory=list)
    """Photos that were left out, each with the reason."""


class Outstanding(ApiModel):
    """A device that has not signed the present set of people."""

    device: str
    state: ReceiptState
    lease_ends: Time | None
    """Until then it may match people of before; null: it has none."""


class Forgotten(ApiModel):
    """Someone who was forgotten: the key is destroyed, and these devices have not signed that yet."""

    id: str
    seq: int
    outstanding: list[Outstanding]


class DeviceProof(Outstanding):
    """What a device has signed."""

    seq: int
    digest: str | None
    count: int
    at: Time | None
    """The device's own time of the receipt."""
    signature: str | None
    """Base64 of Ed25519."""
    receipt_key: str
    """Base64 of the public key of the device that checks the signature."""
    revoked: bool
    policy: int
    """The version of the policy that it applies; 0 for none."""


class Proof(ApiModel):
    """Which devices hold which set of people."""

    site: str
    seq: int
    digest: str
    count: int
    devices: list[DeviceProof]


class HistoryQuery(ApiModel):
    """Selects a part of the history."""

    after: Annotated[int, Field(ge=0, le=1 << 62)] = 0
    """Only changes above this number."""
    limit: Limit = 50


class HistoryEntry(ApiModel):
    """One change of a person or of the policy."""

    seq: int
    kind: ChangeKind
    at: Time
    by: str
    id: str | None
    """Null for the policy, and for someone who was forgotten: nothing of them is left."""


class History(ApiModel):
    """A part of the history of a site, in the order of its changes."""

    changes: list[HistoryEntry]


class Device(ApiModel):
    """A device that has joined."""

    device: str
    sites: list[str]
    joined: Time
    seen: Time
    certificate_ends: Time
    revoked: Time | None
    grant_keys: list[str]
    """Base64 of the public keys that sign its grants."""


class Devices(ApiModel):
    """The devices of the sites that the caller may see."""

    devices: list[Device]


class NewCode(ApiModel):
    """What a code is for."""

    device: Id
    sites: Annotated[list[SiteId], Field(min_length=1, max_length=64)]


class Code(ApiModel):
    """A code; it is not shown again."""

    code: str
    expires: Time


class Lost(ApiModel):
    """What follows from the loss of a device."""

    device: str
    sites: list[str]
    epochs: dict[str, int]
    """The new epoch of each site."""
    grant_keys: list[str]
    """Base64 of the keys that doors must no longer accept: the owner removes them (`edgeface keys revoke`)."""
    people: dict[str, list[str]]
    """Whose templates it had, by site: ids."""


class Proposal(ApiModel):
    """What a device proposes."""

    number: int
    site: str
    device: str
    at: Time
    forget: bool
    id: str | None
    name: str | None
    known: int
    """The change number that the device knew; 0 for a new person."""


class Proposals(ApiModel):
    """What waits for an admin, oldest first."""

    proposals: list[Proposal]


class Decided(ApiModel):
    """A proposal that was decided."""

    number: int
    seq: int | None
    """The change that it became; null if it was declined."""


class EventsQuery(Page):
    """Selects a part of the events."""

    site: SiteId | None = None
    person: Id | None = None
    """Id of a person."""
    device: Id | None = None
    camera: Id | None = None
    door: Id | None = None
    since: Since | None = None
    """From this day in UTC, or this time as in RFC 3339."""
    until: Since | None = None
    """Up to and including this day in UTC, or before this time."""


class Event(ApiModel):
    """An event of a device."""

    at: Time
    """1970-01-01 if the clock of the device was wrong by far."""
    device: str
    id: str
    sites: list[str]
    """The site of the person in it, or those of the device."""
    kind: str
    camera: str | None
    door: str | None
    facts: dict[str, Any] | None
    """The row of the audit topic; null if it was about someone who was forgotten or is not known here."""


class Events(ApiModel):
    """A part of the events, the latest first."""

    events: list[Event]
    next: str | None
    """The cursor of the next page; null if this is the last one."""
