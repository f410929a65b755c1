"""The JSON objects of the REST interface about people: one model validates, writes and describes each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema, model_validator

from edgeface.core.settings import ID_PATTERN, DescribedModel
from edgeface.core.text import MAX_NAME, UNKNOWN_ID, check_id, cleaned
from edgeface.gallery.snapshot import NEVER, check_day

_PERSON = {"type": "string", "pattern": f"^{ID_PATTERN}$", "not": {"pattern": "^u-[0-9a-f]{4,64}$"}}
_DAY = {"type": "string", "format": "date"}


def _id(text: str) -> str:
    check_id(text)
    return text


def _expiry(text: str) -> str:
    return text if text == NEVER else check_day(text)


PersonId = Annotated[str, AfterValidator(_id), WithJsonSchema(_PERSON)]
Name = Annotated[str, Field(max_length=MAX_NAME)]
Day = Annotated[str, AfterValidator(check_day), WithJsonSchema(_DAY)]
Expiry = Annotated[str, AfterValidator(_expiry), WithJsonSchema({"anyOf": [_DAY, {"const": NEVER}]})]
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Limit = Annotated[int, Field(ge=1, le=200)]
Facts = dict[str, Any]


class ApiModel(DescribedModel):
    """A JSON object of the interface: unknown keys are errors, and types are not converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Page(ApiModel):
    """Selects a part of a list."""

    limit: Limit = 50
    """The number of items in one answer."""
    cursor: Annotated[str, Field(max_length=200)] | None = None
    """`next` of the previous answer."""


class PeopleQuery(Page):
    """Selects a part of the people."""

    q: Annotated[str, Field(max_length=100)] | None = None
    """Only people whose id or name contains this text; case does not matter."""


class Overrides(ApiModel):
    """What is enrolled although it is refused otherwise; each is recorded in the audit trail."""

    anyway: bool = False
    """Also enroll what may be of another person than the one with this id, or of two people."""
    different_people: bool = False
    """Also enroll a face that someone else has: both are stored as look-alikes, at level normal at most."""
    accept_limits: bool = False
    """Also enroll a person who is one too many for the level of a door, which then stays shut."""


class NewPerson(Overrides):
    """A person to enroll: by name, from which an id is made, or by id."""

    id: PersonId | None = None
    """Left out: made from the name, and never that of another person; the answer has it."""
    name: Name | None = None
    """Display name; the id if left out."""
    given: Day | None = None
    """The day on which consent was given."""
    expires: Expiry | None = None
    """The day on which consent ends: the person is no longer matched, and is erased. `never` removes it."""

    @model_validator(mode="after")
    def _consent_begins_before_it_ends(self) -> NewPerson:
        if self.given is not None and self.expires not in {None, NEVER} and str(self.expires) <= self.given:
            raise ValueError("expires must be after given")
        return self

    @model_validator(mode="after")
    def _has_id_or_name(self) -> NewPerson:
        if self.id is None and not cleaned(self.name or ""):
            raise ValueError("give a name or an id")
        return self


class NewFromPhotos(NewPerson):
    """The fields of an enrollment, except its photos."""

    skip_bad: bool = False
    """Leave out photos that cannot be used, instead of rejecting them all."""


class NewIgnored(Overrides):
    """A person for the ignore list."""

    id: PersonId
    name: Name | None = None


class PersonPatch(ApiModel):
    """Changes to a person; what is left out or null stays as it is."""

    name: Name | None = None
    given: Day | None = None
    expires: Expiry | None = None


class Into(ApiModel):
    """The target of a merge."""

    into: PersonId
    anyway: bool = False
    """Merge them also if they may be two people; recorded in the audit trail."""


class Person(ApiModel):
    """A person in the gallery."""

    id: str
    name: str
    ignored: bool
    """On the ignore list: known, but not announced."""
    enrolled: Time
    templates: int
    foreign: int
    """Templates of other models, which are not used for matching."""
    consent: str | None
    """The day on which consent was given."""
    expires: str | None
    """The day on which consent ends: the person is no longer matched, and is erased. Null for never."""
    expired: bool
    look_alikes: list[str]
    """Ids of other people who were enrolled with this face: a match reaches level normal at most."""


class People(ApiModel):
    """A part of the list of people, by id."""

    people: list[Person]
    next: str | None
    """Cursor of the next part; null at the end."""


class Enrolled(ApiModel):
    """The result of an enrollment."""

    person: Person
    notes: list[str]
    """Notes, one line each."""
    left_out: list[str]
    """Photos that were left out, each with the reason."""


class Forgotten(ApiModel):
    """What was erased, and what a search of the data folder found afterwards."""

    id: str
    forgotten: bool
    """Whether no file contains a trace."""
    templates: int
    pictures: int
    files_searched: int
    traces: list[str]
    """Files that still contain a trace."""
    warnings: list[str]
    """Other places where they may still be named, one line each."""


class Several(ApiModel):
    """Which people and unknowns."""

    id: Annotated[list[Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=100)]
    """Given once for each; at most 100."""


class SeveralForgotten(ApiModel):
    """What was erased together, and what a search of the data folder found afterwards."""

    ids: list[str]
    forgotten: bool
    """Whether no file contains a trace."""
    files_searched: int
    traces: list[str]
    """Files that still contain a trace."""
    warnings: list[str]
    """Other places where they may still be named, one line each."""


class PictureFacts(ApiModel):
    """A picture that is kept."""

    number: int
    at: Time


class Pictures(ApiModel):
    """The pictures that are kept of a person or an unknown, newest first."""

    pictures: list[PictureFacts]


class Pair(ApiModel):
    """Two people who look too alike."""

    one: str
    other: str
    score: float
    """Cosine."""


class Alike(ApiModel):
    """The same person twice, or look-alikes: pairs that reach the threshold, most alike first."""

    threshold: float
    pairs: list[Pair]


class Template(ApiModel):
    """One template of a person, without its embedding."""

    id: str
    at: Time
    source: str
    """photo, camera, unknown or correction."""
    model: str
    score: float | None
    """Cosine with the mean of the person's other templates; null without others, or if it is of another model."""
    outlier: bool
    """It may be of another person."""
    picture: int | None
    """Number of the picture that it was made from; null if it is not kept."""


class Templates(ApiModel):
    """The templates of a person, oldest first."""

    templates: list[Template]


class TemplateFacts(ApiModel):
    """A template without its embedding."""

    model: str
    source: str
    at: Time


class KeptPicture(ApiModel):
    """A picture in a copy of a person's data."""

    at: Time
    jpeg: str
    """Base64."""


class About(ApiModel):
    """A row of the journal in a copy of a person's data."""

    id: str
    kind: str
    at: Time
    facts: Facts


class Export(ApiModel):
    """Everything known about a person, except the numbers of the embeddings."""

    person: Person
    templates: list[TemplateFacts]
    pictures: list[KeptPicture]
    journal: list[About]


class Correction(Overrides):
    """What is wrong with an event; the overrides and the name are for `is`."""

    kind: Literal["not", "is"]
    """not: the face is not `person`, although the event names them. is: it is `person`, and no one else."""
    person: PersonId
    name: Name | None = None
    """With a new id: display name; the id if left out."""


class Corrected(ApiModel):
    """The result of a correction."""

    event: str
    person: Person
    """The person of the correction, as they are now."""
    notes: list[str]
    """Notes, one line each."""


class Negative(ApiModel):
    """A negative template, without its embedding: a face that is not this person."""

    event: str
    """The event that was corrected; it names the template."""
    at: Time
    """Time of the correction."""
    camera: str
    score: float | None
    """Cosine to the person; null if they have no template of the model."""


class Negatives(ApiModel):
    """The negative templates of a person, oldest first."""

    negatives: list[Negative]


class Unknown(ApiModel):
    """A person who was seen and is not enrolled."""

    id: str
    visits: int
    templates: int
    first: Time
    last: Time
    camera: str
    """The camera that saw them last."""


class UnknownPair(ApiModel):
    """Two ids of unknowns that are probably one person."""

    unknowns: list[Unknown]
    """The two, the one that was seen first in front."""
    score: float
    """Cosine of their means."""


class UnknownPairs(ApiModel):
    """The pairs that are proposed for a merge, the most alike first; at most 100."""

    pairs: list[UnknownPair]


class OtherUnknown(ApiModel):
    """The other one of two unknowns."""

    other: Annotated[str, Field(pattern=UNKNOWN_ID)]


class MergeUnknown(OtherUnknown):
    """The other id of one person."""

    anyway: bool = False
    """Merge them also if they may be two people; recorded in the audit trail."""


class Unknowns(ApiModel):
    """A part of the list of unknowns, the last one seen first."""

    unknowns: list[Unknown]
    next: str | None
