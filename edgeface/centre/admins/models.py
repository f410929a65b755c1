"""The JSON objects of the centre's REST interface: one model validates, writes and describes each."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from edgeface.centre.records import ChangeKind, Insistence, ObjectionKind, ReceiptState
from edgeface.core.errors import GalleryError
from edgeface.core.settings import Id
from edgeface.core.types import Embedding  # noqa: TC001 - pydantic evaluates the annotations
from edgeface.fleet.facts import MAX_GROUPS
from edgeface.fleet.messages import ModelName
from edgeface.gallery.snapshot import check_embedding
from edgeface.web.api.models import ApiModel, Day, Expiry, Limit, Name, NewFromPhotos, Page, Time

Groups = Annotated[list[Id], Field(max_length=MAX_GROUPS)]
SiteId = Id
MAX_MODELS = 4
MAX_FORGOTTEN = 1_000
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


class KeptCrops(ApiModel):
    """Aligned faces that are kept for another model, by consent."""

    given: str
    """The day of that consent."""
    count: int


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
    crops: KeptCrops | None
    """null: none are kept."""


class People(ApiModel):
    """A part of the people."""

    people: list[Person]
    next: str | None
    """The cursor of the next part; null at the end."""


class EnrollFromPhotos(NewFromPhotos):
    """The fields of an enrollment, except its photos; known people get a new template."""

    accept_limits: Literal[False] = False
    """Levels are the devices' own: the centre has none."""
    keep_crops: bool = False
    """The person consents to keeping the aligned faces, for another model."""


class Change(ApiModel):
    """Changes to a person; what is left out or null stays as it is."""

    name: Name | None = None
    groups: Groups | None = None
    ignored: bool | None = None
    given: Day | None = None
    """The day on which consent was given."""
    expires: Expiry | None = None
    """The first day on which they are no longer matched; `never` removes it."""


class Insisting(ApiModel):
    """What is done although a face speaks against it."""

    another_face: bool = False
    """Although the face differs from the person's own template, or there is none to compare it with."""
    duplicate: bool = False
    """Although someone else is enrolled with this face, or could not be compared."""


def insisted(given: Insisting) -> frozenset[Insistence]:
    """What a request insists on."""
    wanted: dict[Insistence, bool] = {"another_face": given.another_face, "duplicate": given.duplicate}
    return frozenset(name for name, on in wanted.items() if on)


class PutPerson(Change, Insisting):
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


class ForgetAll(ApiModel):
    """People to forget."""

    people: Annotated[list[Id], Field(min_length=1, max_length=MAX_FORGOTTEN)]
    """Ids."""


class Gone(ApiModel):
    """Someone who was forgotten, and the change that says so."""

    id: str
    seq: int


class ForgottenAll(ApiModel):
    """People who were forgotten: their keys are destroyed, and these devices have not signed that yet."""

    people: list[Gone]
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
    model: str | None
    """The model that the device has signed too."""
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


class Following(ApiModel):
    """How far a device is behind the centre at one site."""

    site: str
    state: ReceiptState
    changes: int
    """That it has not signed."""
    since: Time | None
    """Of the oldest of them; null without one, and if the history begins later."""
    lease_ends: Time | None


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
    version: str | None
    """Of edgeface, as the device last said."""
    model: str | None
    """The embedder for whose templates it last asked."""
    follows: list[Following]
    """How far it is at each site; empty for a revoked one."""


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


class Objection(ApiModel):
    """Something that speaks against a proposal."""

    kind: ObjectionKind
    person: str
    """The id of the person it is about."""
    text: str
    needs: Insistence | None
    """What accepts the proposal all the same; null if nothing is needed."""


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
    objections: list[Objection]
    """What speaks against it; accepting it may need `another_face` or `duplicate`."""


class Proposals(ApiModel):
    """What waits for an admin, oldest first."""

    proposals: list[Proposal]


class Decided(ApiModel):
    """A proposal that was decided."""

    number: int
    seq: int | None
    """The change that it became; null if it was declined."""


class Duplicate(ApiModel):
    """Two people whose templates are so alike that they may be one person."""

    one: str
    other: str
    """Ids."""
    cosine: float


class Duplicates(ApiModel):
    """The pairs of a site, the most similar first; they stay until an admin decides."""

    duplicates: list[Duplicate]
