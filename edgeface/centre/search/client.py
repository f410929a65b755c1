"""Asks the search workers of this machine: any of them, and the next one if that cannot answer."""

from __future__ import annotations

import http.client
import random
import socket
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from edgeface.centre.search.messages import PATH, STATE_PATH, Answer, Question, State, to_text
from edgeface.core.errors import FleetError
from edgeface.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgeface.centre.search.messages import Nearest
    from edgeface.centre.settings import Search
    from edgeface.core.types import Embedding

SECONDS = 5.0
"""Seconds that a worker may take."""
_MOST_BYTES = 1 << 20
_NONE = "no search worker runs: edgeface centre search, or systemctl start edgeface-centre-search"

Object = TypeVar("Object", bound=BaseModel)


class SearchClient:
    """Any thread may use it."""

    def __init__(self, settings: Search) -> None:
        self._settings = settings

    def search(self, model: str, embedding: Embedding, most: int, sites: Sequence[str] | None) -> list[Nearest]:
        """The people of these sites who look most like a face; None: all sites.

        Raises FleetError with the reason if no worker can answer.
        """
        given = None if sites is None else list(sites)
        question = Question(model=model, embedding=to_text(embedding), sites=given, most=most)
        return self._ask("POST", PATH, Answer, question.model_dump_json().encode()).candidates

    def state(self) -> State:
        """What the workers do; raises FleetError if none can answer."""
        return self._ask("GET", STATE_PATH, State, None)

    def _ask(self, method: str, path: str, kind: type[Object], body: bytes | None) -> Object:
        why = _NONE
        for address in self._addresses():
            try:
                status, data = _exchanged(address, method, path, body)
            except (OSError, http.client.HTTPException):
                # It has ended, and is being replaced.
                continue
            if status == HTTPStatus.OK:
                return _read(kind, data)
            why = f"the search says: {_detail(data)}"
            if status != HTTPStatus.SERVICE_UNAVAILABLE:
                break
        raise FleetError(why)

    def _addresses(self) -> list[Path]:
        if self._settings.balancer is not None:
            return [self._settings.balancer]
        found = sorted(self._settings.sockets.glob("worker-*.sock"))
        return random.sample(found, len(found))


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, address: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(self._address))


def _exchanged(address: Path, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
    with closing(_Connection(address)) as connection:
        connection.request(method, path, body, {} if body is None else {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read(_MOST_BYTES)


def _read(kind: type[Object], data: bytes) -> Object:
    try:
        return kind.model_validate_json(data)
    except ValidationError:
        raise FleetError("the search answered something else") from None


class _Refusal(BaseModel):
    detail: str


def _detail(data: bytes) -> str:
    try:
        return printable(_Refusal.model_validate_json(data).detail, 200)
    except ValidationError:
        return "no reason"
