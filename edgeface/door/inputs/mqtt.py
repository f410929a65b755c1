"""A contact or a doorbell that reports on the door's broker: Zigbee2MQTT, Shelly, Tasmota, Home Assistant.

Such a report is not signed. Anyone who may write to the topic can claim it; it opens nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from edgeface.core.files import loads_strict
from edgeface.core.settings import Settings, form
from edgeface.door.inputs.base import DEBOUNCE, ContactTimes, OpenInput, UnknownLevelError

if TYPE_CHECKING:
    from collections.abc import Callable

PRESS_SECONDS, RELEASE_SECONDS = 5 * DEBOUNCE, 2 * DEBOUNCE
"""For how long a report presses a button, and for how long it is released at least before it is pressed again."""
MAX_BYTES = 4_000
"""Bytes of a report; one of Zigbee2MQTT has some hundred."""

_ONLINE = {"online", "true"}


def _word(value: Any) -> Any:
    """A value of JSON as text, so that `false` in door.yaml is the `false` of a report."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


Word = Annotated[str, BeforeValidator(_word), Field(min_length=1, max_length=100)]
InputTopic = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_.:@ -]+(/[A-Za-z0-9_.:@ -]+)*$",
        max_length=200,
        json_schema_extra=form("a topic without + and #, and without / at an end, such as zigbee2mqtt/front"),
    ),
]
Key = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_:-]+(\.[A-Za-z0-9_:-]+)*$",
        max_length=100,
        json_schema_extra=form("keys with dots between them, such as input:0.state"),
    ),
]
"""Keys of JSON objects from the outside to the inside, with dots between them."""


class _Mqtt(Settings):
    type: Literal["mqtt"] = "mqtt"
    topic: InputTopic
    """The topic on which it reports."""
    key: Key | None = None
    """The key with the value, in a report in JSON; left out: the whole report is the value."""

    def require(self) -> None:
        """It needs nothing."""


class MqttContact(ContactTimes, _Mqtt):
    """A contact that reports over MQTT."""

    open: Word
    """The value while the door is open."""
    shut: Word
    """The value while it is shut."""
    availability_topic: InputTopic | None = None
    """Reports whether the sensor is online: online or true, also as `state` in JSON; anything else: it is not."""
    stale_seconds: Annotated[float, Field(ge=0, le=172_800, strict=False)] = 0.0
    """After this many seconds without a report, the contact is unknown; 0: never."""

    @model_validator(mode="after")
    def _two_values(self) -> MqttContact:
        if self.open == self.shut:
            raise ValueError("open and shut are two values")
        return self

    @property
    def topics(self) -> tuple[str, ...]:
        """What it subscribes to."""
        return (self.topic,) if self.availability_topic is None else (self.topic, self.availability_topic)

    def connect(self, _wake: Callable[[], None]) -> OpenInput:
        """Wait for its reports."""
        return _Contact(self)


class MqttButton(_Mqtt):
    """A button that reports over MQTT."""

    pressed: Word
    """The value when it is pressed."""

    @property
    def topics(self) -> tuple[str, ...]:
        """What it subscribes to."""
        return (self.topic,)

    def connect(self, _wake: Callable[[], None]) -> OpenInput:
        """Wait for its reports."""
        return _Button(self)


class _Contact:
    """The contact by its reports.

    A report that the broker has retained may be of any age: it counts only while the availability topic confirms that
    the sensor is online. While there is no connection, the contact is unknown.
    """

    def __init__(self, settings: MqttContact) -> None:
        self._settings = settings
        self._online: bool | None = None
        self.disconnected()

    def disconnected(self) -> None:
        """The connection to the broker has ended: nothing is known until the next report."""
        self._open: bool | None = None
        self._retained = False
        self._at = float("-inf")
        self._online = None
        self._why = "has not reported yet"

    def on_message(self, topic: str, payload: bytes, *, retained: bool, now: float) -> None:
        """Take a report."""
        if topic == self._settings.availability_topic:
            said = {value_of(payload, None), value_of(payload, "state")}
            self._online = any(word is not None and word.lower() in _ONLINE for word in said)
        elif topic == self._settings.topic and (value := value_of(payload, self._settings.key)) is not None:
            self._open = {self._settings.open: True, self._settings.shut: False}.get(value)
            self._retained, self._at = retained, now
            self._why = "reports neither open nor shut"

    def level(self, now: float) -> bool:
        """What it reports."""
        settings = self._settings
        if settings.availability_topic is not None and not self._online:
            raise UnknownLevelError("is not available" if self._online is False else "is not known to be online")
        if self._open is None:
            raise UnknownLevelError(self._why)
        if self._retained and settings.availability_topic is None:
            raise UnknownLevelError("has not reported since the controller has connected")
        if settings.stale_seconds and now - self._at >= settings.stale_seconds:
            raise UnknownLevelError(f"has not reported for {settings.stale_seconds:g} s")
        return self._open

    def close(self) -> None:
        """It holds nothing."""


class _Button:
    """A button that is pressed for a moment by each report."""

    def __init__(self, settings: MqttButton) -> None:
        self._settings = settings
        self._reported = False
        self._until = float("-inf")

    def disconnected(self) -> None:
        """The connection to the broker has ended."""

    def on_message(self, topic: str, payload: bytes, *, retained: bool, now: float) -> None:  # noqa: ARG002 - see `level`
        """Take a report; one that the broker has retained is of any age, and no press."""
        settings = self._settings
        if topic == settings.topic and not retained and value_of(payload, settings.key) == settings.pressed:
            self._reported = True

    def level(self, now: float) -> bool:
        """Whether it is pressed: from the first reading after a report, so that a busy machine misses none."""
        # Without a pause, reports in a flood would look like a button that is stuck.
        if self._reported and now >= self._until + RELEASE_SECONDS:
            self._until = now + PRESS_SECONDS
        self._reported = False
        return now < self._until

    def close(self) -> None:
        """It holds nothing."""


def value_of(payload: bytes, key: str | None) -> str | None:
    """The value in a report as text; None if it has none, as a report about the battery only."""
    if len(payload) > MAX_BYTES:
        return None
    if key is None:
        text = payload.decode(errors="replace").strip()
        return text.lower() if text.lower() in {"true", "false"} else text
    try:
        value = loads_strict(payload)
    except (ValueError, RecursionError):
        return None
    for step in key.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return _word(value) if isinstance(value, (str, int)) else None
