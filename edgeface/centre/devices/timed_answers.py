"""How long the centre takes to answer devices, without the time for which they wait for news."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from edgeface.recognition.timings import Histogram

WAITED = "edgeface.waited"
"""Where the scope of a request has the seconds that it waited for news."""


class TimedAnswers:
    """Counts the time from each request to the beginning of its answer; used by one event loop."""

    def __init__(self, app: ASGIApp, *, answers: Histogram, monotonic: Callable[[], float]) -> None:
        self._app, self._answers, self._monotonic = app, answers, monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and count it."""
        began = self._monotonic()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._answers.add(self._monotonic() - began - scope.get(WAITED, 0.0))
            await send(message)

        await self._app(scope, receive, counted)
