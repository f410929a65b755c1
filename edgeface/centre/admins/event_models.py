"""The JSON objects of the centre's REST interface that are about events, the journal and accounts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from edgeface.centre.records import JournalKind
from edgeface.core.settings import Id  # noqa: TC001 - as below
from edgeface.web.api.device_models import Since  # noqa: TC001 - pydantic evaluates the annotations
from edgeface.web.api.models import ApiModel, Page, Time


class JournalPage(Page):
    """Selects a part of the journal."""

    site: Id | None = None
    by: Annotated[str, Field(max_length=100)] | None = None
    """An account, `command-line` or a device."""
    what: JournalKind | None = None
    person: Id | None = None
    """Id of a person."""
    since: Since | None = None
    """From this day in UTC, or this time as in RFC 3339."""
    until: Since | None = None
    """Up to and including this day in UTC, or before this time."""


class JournalRow(ApiModel):
    """Who did or saw what."""

    number: int
    at: Time
    by: str
    """An account, `command-line` or a device; empty for the centre itself."""
    what: JournalKind
    sites: list[str]
    person: str | None
    """The id; null without one, and for someone who was forgotten."""
    facts: dict[str, Any]


class JournalRows(ApiModel):
    """A part of the journal, the latest first."""

    rows: list[JournalRow]
    next: str | None
    """The cursor of the next page; null if this is the last one."""


class AccountOf(ApiModel):
    """Who may use the centre."""

    name: str
    kind: Literal["token", "password"]
    role: Literal["viewer", "admin"]
    sites: list[str] | None
    """The sites to which the role applies; null: all."""
    created: Time
    expires: Time | None


class Accounts(ApiModel):
    """All accounts, by name."""

    accounts: list[AccountOf]


class EventsQuery(Page):
    """Selects a part of the events."""

    site: Id | None = None
    person: Id | None = None
    """Id of a person."""
    device: Id | None = None
    kind: Annotated[str, Field(max_length=64)] | None = None
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
