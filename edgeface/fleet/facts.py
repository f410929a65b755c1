"""What a device gets to know about a person, as signed bytes: facts and one mean template."""

from typing import Annotated

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from edgeface.core.errors import FleetError, GalleryError
from edgeface.core.settings import Id
from edgeface.core.text import MAX_NAME, check_id, is_one_line
from edgeface.core.types import Embedding
from edgeface.fleet.messages import ModelName
from edgeface.fleet.packing import packed, unpacked
from edgeface.gallery.snapshot import check_day, check_embedding

MAX_BYTES = 16_384
"""Bytes of the signed facts of one person with one template."""
MAX_GROUPS = 64
_PURPOSE = b"edgeface fleet person 1"


def _id(text: str) -> str:
    check_id(text)
    return text


def _line(text: str) -> str:
    if not is_one_line(text):
        raise ValueError("has a character that cannot be shown")
    return text


Day = Annotated[str, AfterValidator(check_day)]


class PersonFacts(BaseModel):
    """A person with one template of one model; the centre makes it, and its site's enrolling key signs it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    id: Annotated[Id, AfterValidator(_id)]
    """The id in events, topics and rules of doors."""
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_line)]
    version: Annotated[int, Field(ge=1, le=1 << 62)]
    """Rises with each change of the person, so that an earlier signature cannot be played back."""
    model: ModelName
    """The embedder that made the template, as in the gallery."""
    mean: Annotated[bytes, Field(min_length=2, max_length=8192)]
    """The mean template, little-endian float16: half the bytes, and cosines differ by less than 1e-4."""
    groups: Annotated[tuple[Id, ...], Field(strict=False, max_length=MAX_GROUPS)] = ()
    ignored: bool = False
    consent: Day | None = None
    """The day on which they consented."""
    expires: Day | None = None
    """The first day on which they are no longer matched."""

    @property
    def embedding(self) -> Embedding:
        """The mean template as a unit vector; raises FleetError if it is none."""
        if len(self.mean) % 2:
            raise FleetError("a template from the centre has half a number")
        raw = np.frombuffer(self.mean, dtype="<f2").astype(np.float32)
        length = float(np.linalg.norm(raw))
        if not np.isfinite(length) or length == 0:
            raise FleetError("a template from the centre is not a vector of finite numbers")
        unit: Embedding = (raw / np.float32(length)).astype(np.float32)
        try:
            check_embedding(unit)
        except GalleryError as error:
            raise FleetError(f"a template from the centre is {error}") from None
        return unit


def to_mean(embedding: Embedding) -> bytes:
    """Write a unit vector as `PersonFacts.mean`."""
    return embedding.astype("<f2").tobytes()


def sign(site: str, person: bytes, facts: PersonFacts, key: Ed25519PrivateKey) -> bytes:
    """The signed facts; they hold for this site and this person only."""
    body = packed(facts.model_dump(exclude_defaults=True))
    return packed([body, key.sign(_message(site, person, body))])


def verify(site: str, person: bytes, signed: bytes, key: Ed25519PublicKey) -> PersonFacts:
    """The facts, if `key` signed them for this site and person; raises FleetError otherwise."""
    body, signature = _parts(signed)
    try:
        key.verify(signature, _message(site, person, body))
    except InvalidSignature:
        raise FleetError("a person's facts are not signed by the enrolling key of the site") from None
    return read(body)


def read_signed(signed: bytes) -> PersonFacts:
    """The facts, whoever signed them: for the centre, which reads what it has sealed itself; raises FleetError."""
    return read(_parts(signed)[0])


def read(body: bytes) -> PersonFacts:
    """The facts in a body that was signed or is a proposal; raises FleetError if it is not one."""
    try:
        return PersonFacts.model_validate(unpacked(body, MAX_BYTES))
    except ValidationError:
        raise FleetError("a person's facts cannot be read") from None


def _parts(signed: bytes) -> tuple[bytes, bytes]:
    parts = unpacked(signed, MAX_BYTES)
    if not (isinstance(parts, list) and [type(part) for part in parts] == [bytes, bytes]):
        raise FleetError("a person's facts are not signed")
    return parts[0], parts[1]


def _message(site: str, person: bytes, body: bytes) -> bytes:
    """Each part with its length, so that no two messages are the same bytes."""
    parts = (_PURPOSE, site.encode(), person, body)
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
