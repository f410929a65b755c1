"""Asks Home Assistant's Supervisor for the MQTT broker (developers.home-assistant.io, Supervisor API, services)."""

from __future__ import annotations

import logging
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, ValidationError

from edgeface.core.errors import BrokerError, UsageError, system_reason
from edgeface.core.files import loads_object
from edgeface.core.settings import Host, Settings
from edgeface.core.text import printable

if TYPE_CHECKING:
    from edgeface.core.clock import Clock

_log = logging.getLogger(__name__)

TRIES, SECONDS = 4, 5.0
"""Attempts; and seconds to wait for each answer, and between two attempts."""
_MAX_BYTES = 65_536
_OK, _NO_SERVICE, _REFUSED = 200, 400, frozenset({401, 403})
_Line = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Broker(Settings):
    """The service `mqtt`, as the app that provides it has registered it."""

    model_config = ConfigDict(extra="ignore")

    host: Host
    port: Annotated[int, Field(ge=1, le=65535)]
    ssl: bool = False
    username: _Line | None = None
    password: _Line | None = Field(default=None, repr=False)


class _AgainError(Exception):
    """There is no answer, or another attempt may give a better one; the text is the reason."""


def broker(address: str, token: str, clock: Clock, timeout: float = SECONDS) -> Broker | None:
    """The broker; None if no app provides one, which is logged. `timeout` is for each answer, in seconds.

    Raises BrokerError if the Supervisor refuses the app, or gives no answer that can be used.
    """
    attempts = 0
    while True:
        attempts += 1
        try:
            return _asked(address, token, timeout)
        except _AgainError as error:
            if attempts == TRIES:
                raise BrokerError(f"the Supervisor does not name the MQTT broker: {error}") from error
            _log.warning("the Supervisor does not name the MQTT broker yet: %s", error)
            clock.sleep(SECONDS)


def _asked(address: str, token: str, timeout: float) -> Broker | None:
    status, body = _answer(address, token, timeout)
    answer = loads_object(body) or {}
    if status in _REFUSED:
        raise BrokerError(
            f"the Supervisor refuses this app's token (HTTP {status}): start the app again in Home Assistant"
        )
    if status == _NO_SERVICE and answer.get("result") == "error":
        _log.warning("no MQTT broker (Supervisor: %s)", printable(str(answer.get("message"))))
        return None
    if status != _OK:
        raise _AgainError(f"HTTP {status}")
    try:
        return Broker.model_validate(answer.get("data"))
    except ValidationError as error:
        raise _AgainError("its answer does not describe a broker") from error


def _answer(address: str, token: str, timeout: float) -> tuple[int, bytes]:
    # Not urllib: it follows redirects and proxies of the environment, and the token must go to the Supervisor alone.
    parts = urlsplit(address)
    if parts.scheme != "http" or not parts.hostname:
        raise UsageError(f"{printable(address)}: not an address such as http://supervisor")
    try:
        with closing(HTTPConnection(parts.hostname, parts.port, timeout=timeout)) as connection:
            connection.request("GET", "/services/mqtt", headers={"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            return response.status, response.read(_MAX_BYTES)
    except (OSError, HTTPException, ValueError) as error:
        raise _AgainError(system_reason(error) if isinstance(error, OSError) else "no HTTP answer") from error
