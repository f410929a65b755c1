"""What goes in and out of the REST interface: each shape is checked, written and described by one model."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from edgeface.core.errors import GalleryError
from edgeface.core.settings import ID_PATTERN
from edgeface.core.text import MAX_NAME, check_id
from edgeface.gallery.snapshot import NEVER, check_day

_PERSON = {"type": "string", "pattern": f"^{ID_PATTERN}$", "not": {"pattern": "^u-[0-9a-f]{4,64}$"}}
_DAY = {"type": "string", "format": "date"}


def _id(text: str) -> str:
    return _plain(check_id, text)


def _day(text: str) -> str:
    return _plain(check_day, text)


def _expiry(text: str) -> str:
    return text if text == NEVER else _day(text)


def _plain(check: Any, text: str) -> str:
    """A GalleryError as pydantic takes it, without the class."""
    try:
        check(text)
    except GalleryError as error:
        raise ValueError(str(error)) from error
    return text


PersonId = Annotated[str, AfterValidator(_id), WithJsonSchema(_PERSON)]
Name = Annotated[str, Field(max_length=MAX_NAME)]
Day = Annotated[str, AfterValidator(_day), WithJsonSchema(_DAY)]
Expiry = Annotated[str, AfterValidator(_expiry), WithJsonSchema({"anyOf": [_DAY, {"const": NEVER}]})]
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Limit = Annotated[int, Field(ge=1, le=200)]
Facts = dict[str, Any]


class ApiModel(BaseModel):
    """A JSON object of the interface: no key is unknown, no type is guessed."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )


class Page(ApiModel):
    """Which part of a list."""

    limit: Limit = 50
    """Most items of one answer."""
    cursor: Annotated[str, Field(max_length=200)] | None = None
    """`next` of the answer before."""


class NewPerson(ApiModel):
    """Who is enrolled."""

    id: PersonId
    name: Name | None = None
    """Display name; the id when left out."""
    given: Day | None = None
    """The day of consent."""
    expires: Expiry | None = None
    """The day from which on they are not matched, and are erased; `never` takes it away."""

    @model_validator(mode="after")
    def _consent_begins_before_it_ends(self) -> NewPerson:
        if self.given is not None and self.expires not in {None, NEVER} and str(self.expires) <= self.given:
            raise ValueError("expires must be after given")
        return self


class NewFromPhotos(NewPerson):
    """The fields of an enrollment besides its photos."""

    skip_bad: bool = False
    """Leave out the photos that cannot be used, in place of refusing them all."""


class NewIgnored(ApiModel):
    """Whom the ignore list gets."""

    id: PersonId
    name: Name | None = None


class PersonPatch(ApiModel):
    """What changes of a person; what is left out or null stays."""

    name: Name | None = None
    given: Day | None = None
    expires: Expiry | None = None


class Into(ApiModel):
    """Whom a person is merged into."""

    into: PersonId


class Person(ApiModel):
    """Somebody in the gallery."""

    id: str
    name: str
    ignored: bool
    """On the ignore list: known, and not announced."""
    enrolled: Time
    templates: int
    foreign: int
    """Templates of other models, which take no part in matching."""
    consent: str | None
    """The day of consent."""
    expires: str | None
    """The day from which on they are not matched, and are erased; null for never."""
    expired: bool


class People(ApiModel):
    """A part of the list of people, by id."""

    people: list[Person]
    next: str | None
    """Cursor of the part that follows; null at the end."""


class Enrolled(ApiModel):
    """What an enrollment did."""

    person: Person
    notes: list[str]
    """What to know, one line each."""
    left_out: list[str]
    """Photos that were not taken, each with the reason."""


class Forgotten(ApiModel):
    """What was erased, and what a search of the data folder found afterwards."""

    id: str
    forgotten: bool
    """Whether no file holds a trace."""
    templates: int
    pictures: int
    files_searched: int
    traces: list[str]
    """Files that still hold a trace."""
    warnings: list[str]
    """Where else they may still be named, one line each."""


class PictureFacts(ApiModel):
    """One picture that is kept."""

    number: int
    at: Time


class Pictures(ApiModel):
    """The pictures that are kept of somebody, the newest first."""

    pictures: list[PictureFacts]


class Pair(ApiModel):
    """Two people who are too alike."""

    one: str
    other: str
    score: float
    """Cosine."""


class Alike(ApiModel):
    """The same person twice, or look-alikes: pairs that reach the threshold, the most alike first."""

    threshold: float
    pairs: list[Pair]


class TemplateFacts(ApiModel):
    """A template without its embedding."""

    model: str
    source: str
    at: Time


class KeptPicture(ApiModel):
    """A picture in a copy of somebody's data."""

    at: Time
    jpeg: str
    """Base64."""


class About(ApiModel):
    """A row of the journal in a copy of somebody's data."""

    id: str
    kind: str
    at: Time
    facts: Facts


class Export(ApiModel):
    """Everything that is known of a person, but for the numbers of the embeddings."""

    person: Person
    templates: list[TemplateFacts]
    pictures: list[KeptPicture]
    journal: list[About]


class Unknown(ApiModel):
    """Somebody whom nobody has enrolled."""

    id: str
    visits: int
    templates: int
    first: Time
    last: Time
    camera: str
    """Where they were seen last."""


class Unknowns(ApiModel):
    """A part of the list of unknowns, the one last seen first."""

    unknowns: list[Unknown]
    next: str | None
