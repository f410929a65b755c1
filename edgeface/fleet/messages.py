"""The messages between a device and the centre: msgpack bodies over HTTPS, each checked by one model.

| request of a device | body | answer |
|---|---|---|
| POST /fleet/v1/join | JoinRequest | Joined |
| GET /fleet/v1/sites/S/epoch | | EpochKey |
| GET /fleet/v1/sites/S/snapshot?model=M | | Rows |
| GET /fleet/v1/sites/S/changes?model=M&after=N&wait=30 | | Rows; 410 below the floor |
| POST /fleet/v1/sites/S/applied | Receipt | Lease |
| POST /fleet/v1/sites/S/proposals | Proposal | Proposed; 409 changed meanwhile; 410 forgotten |
| POST /fleet/v1/renew | Renewal | Certificate |

Only `join` is allowed without a certificate. A refusal is a Refused.
"""

import re
from typing import Annotated, Any, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import Self

from edgeface.core.errors import FleetError
from edgeface.core.settings import Id
from edgeface.fleet.packing import packed, unpacked
from edgeface.fleet.sealing import PERSON_BYTES

PREFIX = "/fleet/v1"
MEDIA_TYPE = "application/msgpack"
PAGE_ROWS = 5_000
"""Rows of one answer to `changes`; with more, `more` is set."""
MAX_WAIT = 30.0
"""Seconds for which `changes` may wait for news."""
MAX_ANSWER_BYTES = 64_000_000
"""Bytes of the longest answer that a device reads: a list of 10,000 people has 7 million."""
MAX_ROWS = 100_000
"""Rows of an answer."""
LATEST_MILLIS = 253_402_300_799_999
"""Milliseconds at the end of the year 9999: later ones cannot be written as a time."""
MAX_LEASE = 366 * 86_400
"""Seconds of the longest lease."""
MOST_WITHOUT = (1 << 31) - 1
"""People who may be left without a template of a model."""

Seq = Annotated[int, Field(ge=0, le=(1 << 62))]
Millis = Annotated[int, Field(ge=0, le=LATEST_MILLIS)]
Key32 = Annotated[bytes, Field(min_length=32, max_length=32)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_MODEL = r"^[A-Za-z0-9._-]{1,100}:[0-9a-f]{8}$"
ModelName = Annotated[str, Field(pattern=_MODEL)]
Message = TypeVar("Message", bound="FleetMessage")


class FleetMessage(BaseModel):
    """A body: unknown keys are errors, and types are not converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    def packed(self) -> bytes:
        """The body's bytes."""
        return packed(self.model_dump())

    @classmethod
    def read(cls, body: bytes, largest: int = MAX_ANSWER_BYTES) -> Self:
        """The message in a body; raises FleetError, which quotes nothing of it."""
        try:
            return cls.model_validate(cls.unpacked(body, largest))
        except (FleetError, ValidationError):
            raise FleetError(f"not a {cls.__name__} of this version of edgeface") from None

    @classmethod
    def unpacked(cls, body: bytes, largest: int) -> object:
        """What a body has, before it is checked; raises FleetError."""
        return unpacked(body, largest)


class Refused(FleetMessage):
    """Why a request was refused, in one line."""

    detail: Annotated[str, Field(max_length=1000)]


class JoinRequest(FleetMessage):
    """A device wants to join; the code proves that an admin allows it."""

    code: Annotated[str, Field(max_length=100)]
    device: Id
    request: Annotated[str, Field(max_length=4000)]
    """A certificate signing request, PEM, for a P-256 key."""
    sealing_key: Key32
    """X25519 public key, to which epoch keys are sealed."""
    receipt_key: Key32
    """Ed25519 public key, which signs receipts."""
    grant_keys: Annotated[tuple[Key32, ...], Field(strict=False, max_length=8)] = ()
    """Ed25519 public keys that sign the grants of this device."""


class SiteKey(FleetMessage):
    """A site that a device follows."""

    site: Id
    enrolling_key: Key32
    """Ed25519 public key, whose signature each person needs."""


class Joined(FleetMessage):
    """What a device needs from now on."""

    certificate: Annotated[str, Field(max_length=20_000)]
    """PEM."""
    authority: Annotated[str, Field(max_length=20_000)]
    """PEM; its fingerprint is in the code."""
    sites: Annotated[tuple[SiteKey, ...], Field(strict=False, min_length=1, max_length=64)]


class Renewal(FleetMessage):
    """Asks for a new certificate before the old one ends."""

    request: Annotated[str, Field(max_length=4000)]


class Certificate(FleetMessage):
    """A new certificate, PEM."""

    certificate: Annotated[str, Field(max_length=20_000)]


class EpochKey(FleetMessage):
    """The key of the site's present epoch, sealed to this device."""

    epoch: Seq
    wrapped: Annotated[bytes, Field(max_length=200)]


class Row(FleetMessage):
    """The latest about one person; who was forgotten, or may no longer pass here, has neither key nor sealed facts."""

    person: Annotated[bytes, Field(min_length=PERSON_BYTES, max_length=PERSON_BYTES)]
    seq: Seq
    key: Annotated[bytes, Field(max_length=100)] | None = None
    """The person's key, wrapped with the key of the epoch."""
    sealed: Annotated[bytes, Field(max_length=20_000)] | None = None
    """Signed facts, sealed with the person's key; none if the person has no template of the model."""


class SealedPolicy(FleetMessage):
    """The latest policy of a site, signed, and sealed with the key of the epoch."""

    version: Annotated[int, Field(ge=1, le=1 << 62)]
    """The change number at which it was made."""
    sealed: Annotated[bytes, Field(max_length=300_000)]


class Rows(FleetMessage):
    """The whole set of a site, or what has changed after a number."""

    site: Id
    seq: Seq
    """What the device has after it applied these rows."""
    epoch: Seq
    rows: Annotated[tuple[Row, ...], Field(strict=False, max_length=MAX_ROWS)]
    more: bool = False
    """Ask again after `seq`; there is then no digest."""
    digest: Digest | None = None
    count: Annotated[int, Field(ge=0)] | None = None
    """The people in the digest: all who are not gone, with or without a template of the model."""
    policy: SealedPolicy | None = None
    """With the whole set, and whenever it is newer than the number; it is in the digest, and not in the count."""
    ring: Seq = 0
    """Another number than before: ask by a receipt whether a device is to use another model."""

    @classmethod
    def unpacked(cls, body: bytes, largest: int) -> object:
        """Row by row, so that a hostile answer takes no more memory than a list of its length."""
        return unpacked(body, largest, rows="rows", most=MAX_ROWS, made=Row.model_validate)


class Receipt(FleetMessage):
    """What a device has applied, signed by it."""

    seq: Seq
    digest: Digest
    count: Annotated[int, Field(ge=0, lt=1 << 31)]
    at: Millis
    """Milliseconds of the device's clock."""
    signature: Annotated[bytes, Field(min_length=64, max_length=64)]
    policy: Seq = 0
    """The version of the policy that the device applies; 0 if the site has never had one."""
    model: ModelName | None = None
    """Whose templates it matches with."""

    @classmethod
    def signed(cls, key: Ed25519PrivateKey, device: str, site: str, facts: dict[str, Any]) -> "Receipt":
        """Sign `seq`, `digest`, `count`, `at` and `policy`, and `model` if it is given."""
        return cls(**facts, signature=key.sign(_receipt(device, site, facts)))

    def verify(self, key: Ed25519PublicKey, device: str, site: str) -> None:
        """Raise FleetError unless this device signed it for this site."""
        try:
            key.verify(self.signature, _receipt(device, site, self.model_dump(exclude={"signature"})))
        except InvalidSignature:
            raise FleetError("the receipt is not signed by the device") from None


class WantedModel(FleetMessage):
    """The model that one device is to use, signed with the enrolling key of the site."""

    model: ModelName
    without: Annotated[int, Field(ge=0, le=MOST_WITHOUT)] = 0
    """People who may be left without a template of it."""
    finish: bool = False
    """Whether the templates of other models are no longer needed."""
    number: Seq
    """Rises, so that an earlier one cannot be played back."""
    signature: Annotated[bytes, Field(min_length=64, max_length=64)]

    @classmethod
    def signed(cls, key: Ed25519PrivateKey, device: str, site: str, facts: dict[str, Any]) -> "WantedModel":
        """Sign `model`, `without`, `finish` and `number`."""
        return cls(**facts, signature=key.sign(_wanted(device, site, facts)))

    def verify(self, key: Ed25519PublicKey, device: str, site: str) -> None:
        """Raise FleetError unless the site's enrolling key signed it for this device."""
        try:
            key.verify(self.signature, _wanted(device, site, self.model_dump(exclude={"signature"})))
        except InvalidSignature:
            raise FleetError("the model that the centre wants is not signed by the enrolling key of the site") from None


class Lease(FleetMessage):
    """For how long the device may match the people of the site without another receipt."""

    seconds: Annotated[int, Field(ge=0, le=MAX_LEASE)]
    now: Millis
    """Milliseconds of the centre's clock."""
    wanted: WantedModel | None = None
    """The model that the device is to use; None leaves it as it is."""


class Proposal(FleetMessage):
    """Someone who was enrolled, changed or forgotten at the device."""

    number: Annotated[bytes, Field(min_length=16, max_length=16)]
    """The proposal's own random number: sent twice, it counts once."""
    person: Annotated[bytes, Field(min_length=PERSON_BYTES, max_length=PERSON_BYTES)]
    seq: Seq
    """The person's change number that the device knew; 0 for a new person."""
    forget: bool = False
    key: Annotated[bytes, Field(max_length=100)] | None = None
    """A key for this proposal, wrapped with the key of the epoch."""
    epoch: Seq
    sealed: Annotated[bytes, Field(max_length=20_000)] | None = None
    """The facts without a signature (msgpack of PersonFacts), sealed by `sealing.seal_proposal`."""


class Proposed(FleetMessage):
    """The proposal was taken in; `seq` is the change that it became, 0 while it waits for an admin."""

    seq: Seq


def model_name(name: str) -> str | None:
    """The name of a model; None if its file has a name that no message can have."""
    return name if re.fullmatch(_MODEL, name) else None


def _receipt(device: str, site: str, facts: dict[str, Any]) -> bytes:
    names = ("seq", "digest", "count", "at", "policy")
    model = [facts["model"]] if facts.get("model") else []
    return packed(["edgeface fleet receipt 1", device, site, *(facts.get(name, 0) for name in names), *model])


def _wanted(device: str, site: str, facts: dict[str, Any]) -> bytes:
    names = ("model", "without", "finish", "number")
    return packed(["edgeface fleet ring 1", device, site, *(facts[name] for name in names)])
