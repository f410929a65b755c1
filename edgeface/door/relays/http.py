"""Relays that are switched over HTTP: Shelly and Tasmota devices. None of them has been tried with real hardware."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from pydantic import Field, model_validator

from edgeface.core.errors import BrokerError
from edgeface.core.http.login import Login
from edgeface.core.settings import Settings, form
from edgeface.door.relays.base import Channel, OpenSeconds, RelayError
from edgeface.door.relays.tasmota import pulse_time, tasmota_state
from edgeface.door.relays.web_client import DeviceLogin, WebClient
from edgeface.mqtt.settings import is_loopback
from edgeface.security.secret_sources import password, require_one_source

if TYPE_CHECKING:
    from edgeface.door.relays.base import DoorContext, RelayDriver
    from edgeface.door.relays.web_client import Scheme

HttpUrl = Annotated[
    str,
    Field(
        pattern=r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?/?$",
        json_schema_extra=form("scheme, host and perhaps a port, without a path, such as http://192.168.1.40"),
    ),
]
"""Scheme, host and perhaps a port, without a path."""


class HttpRelay(Settings):
    """A relay with a web server, in the local network."""

    type: Literal["http"] = "http"
    device: Literal["shelly-gen2", "shelly-gen1", "tasmota"]
    """shelly-gen2: Plus, Pro, Gen3 and later."""
    url: HttpUrl
    """http://192.168.1.40, best with an address: a name server may be slow."""
    channel: Channel = 0
    """Which relay of a device with several, from 0."""
    username: str = "admin"
    password_file: Path | None = Field(default=None, strict=False)
    """A file whose first line is the password; without any of the three, there is none."""
    password_env: str | None = None
    """An environment variable that holds it."""
    password_credential: str | None = None
    """A systemd credential that holds it (LoadCredential=)."""
    ca: Path | None = Field(default=None, strict=False)
    """CA certificate for https, PEM; by default the system's."""
    insecure: bool = False
    """Allow plaintext to a host that is not this machine."""
    seconds: OpenSeconds = 3.0
    """How long the relay stays on after the last grant."""

    @model_validator(mode="after")
    def _is_safe(self) -> HttpRelay:
        require_one_source("password", self.password_file, self.password_env, self.password_credential)
        if self.url.startswith("http:") and not self.insecure and not is_loopback(self.host):
            raise ValueError(f"plaintext to {self.host}, which is another machine: use https, or insecure: true")
        return self

    @property
    def host(self) -> str:
        """The host of `url`."""
        return urlsplit(self.url).hostname or ""

    def driver(self, _context: DoorContext) -> RelayDriver:
        """Nothing is sent yet; a password that cannot be read is reported at each command."""
        return HttpDriver(self)


class _Preset(Protocol):
    """What one kind of device is asked and answers."""

    @property
    def scheme(self) -> Scheme:
        """How it takes the password."""

    def on(self, channel: int, seconds: float, /) -> tuple[str, ...]:
        """The paths that switch on."""

    def off(self, channel: int, /) -> str:
        """The path that switches off."""

    def read(self, channel: int, /) -> str:
        """The path that reads the state."""

    def refusal(self, channel: int, answer: dict[str, Any], /) -> str | None:
        """Why the device has not done what a path of `on` asks; None if its answer shows no reason."""

    def is_on(self, channel: int, answer: dict[str, Any], /) -> object:
        """The state in an answer to `read`: True, False, or anything else if there is none."""


class ShellyGen2(NamedTuple):
    """https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Switch; `toggle_after` is the device's timer."""

    scheme: Scheme = "digest"

    def on(self, channel: int, seconds: float) -> tuple[str, ...]:
        """Switch.Set with a timer."""
        return (f"/rpc/Switch.Set?id={channel}&on=true&toggle_after={seconds:.1f}",)

    def off(self, channel: int) -> str:
        """Switch.Set."""
        return f"/rpc/Switch.Set?id={channel}&on=false"

    def read(self, channel: int) -> str:
        """Switch.GetStatus."""
        return f"/rpc/Switch.GetStatus?id={channel}"

    def refusal(self, _channel: int, _answer: dict[str, Any]) -> str | None:
        """It answers another status than 200 instead."""
        return None

    def is_on(self, channel: int, answer: dict[str, Any]) -> object:
        """`output`, of the channel that was asked for."""
        return answer.get("output") if answer.get("id") == channel else None


class ShellyGen1(NamedTuple):
    """https://shelly-api-docs.shelly.cloud/gen1/#shelly1-shelly1pm-relay-0; `timer` is in whole seconds."""

    scheme: Scheme = "basic"

    def on(self, channel: int, seconds: float) -> tuple[str, ...]:
        """turn=on with a timer."""
        return (f"/relay/{channel}?turn=on&timer={math.ceil(seconds)}",)

    def off(self, channel: int) -> str:
        """turn=off."""
        return f"/relay/{channel}?turn=off"

    def read(self, channel: int) -> str:
        """The relay without a parameter."""
        return f"/relay/{channel}"

    def refusal(self, _channel: int, _answer: dict[str, Any]) -> str | None:
        """It answers another status than 200 instead."""
        return None

    def is_on(self, _channel: int, answer: dict[str, Any]) -> object:
        """`ison`."""
        return answer.get("ison")


class Tasmota(NamedTuple):
    """https://tasmota.github.io/docs/Commands/#with-web-requests; PulseTime is the device's timer."""

    scheme: Scheme = "query"

    def on(self, channel: int, seconds: float) -> tuple[str, ...]:
        """PulseTime, which the device keeps, and Power."""
        return (
            _tasmota(f"PulseTime{channel + 1} {pulse_time(seconds)}"),
            _tasmota(f"Power{channel + 1} ON"),
        )

    def off(self, channel: int) -> str:
        """Power OFF."""
        return _tasmota(f"Power{channel + 1} OFF")

    def read(self, channel: int) -> str:
        """Power without a parameter."""
        return _tasmota(f"Power{channel + 1}")

    def refusal(self, channel: int, answer: dict[str, Any]) -> str | None:
        """Without its timer, it is not switched on; old versions refuse a password with a warning."""
        if "WARNING" in answer:
            return "it rejects the user name or password"
        known = {"POWER", f"POWER{channel + 1}", f"PulseTime{channel + 1}"}
        return None if known & set(answer) else "it does not know the command PulseTime or Power"

    def is_on(self, channel: int, answer: dict[str, Any]) -> object:
        """POWER of a device with one relay, else POWER and its number."""
        return tasmota_state(channel, answer)


PRESETS: dict[str, _Preset] = {"shelly-gen2": ShellyGen2(), "shelly-gen1": ShellyGen1(), "tasmota": Tasmota()}


def _tasmota(command: str) -> str:
    return f"/cm?cmnd={quote(command)}"


class HttpDriver:
    """Switches with one request, or two, and reads back with another."""

    pace = 2.0
    repeats_off = False

    def __init__(self, settings: HttpRelay) -> None:
        self._settings = settings
        self._preset = PRESETS[settings.device]

    def on(self, seconds: float) -> None:
        """Switch on, with the device's timer."""
        client = self._client()
        for path in self._preset.on(self._settings.channel, seconds):
            if refusal := self._preset.refusal(self._settings.channel, client.get(path)):
                raise RelayError(refusal)

    def off(self) -> None:
        """Switch off."""
        self._client().get(self._preset.off(self._settings.channel))

    def is_on(self) -> bool:
        """Ask the device."""
        channel = self._settings.channel
        state = self._preset.is_on(channel, self._client().get(self._preset.read(channel)))
        if not isinstance(state, bool):
            raise RelayError("its answer has no state of the relay")
        return state

    def close(self) -> None:
        """There is nothing to release: each request has a connection of its own."""

    def _client(self) -> WebClient:
        # Read each time, so that a new password needs no restart.
        try:
            secret = password(self._settings, "relay")
        except BrokerError as error:
            raise RelayError(str(error)) from error
        login = None if secret is None else DeviceLogin(self._preset.scheme, Login(self._settings.username, secret))
        return WebClient(self._settings.url, self._settings.ca, login)
