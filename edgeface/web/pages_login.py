"""The page that asks who looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from edgeface.web.auth import public
from edgeface.web.login import local
from edgeface.web.render import render

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def routes() -> list[Route]:
    """The page; POST /login and POST /logout are in login.py."""
    return [Route("/login", login)]


@public
async def login(request: Request) -> Response:
    """Ask for a name and a secret; `wrong` and `wait` say why it is asked again."""
    asked = request.query_params
    wait = asked.get("wait", "")
    return render(
        request,
        "login.html",
        wrong="wrong" in asked,
        wait=wait if wait.isascii() and wait.isdigit() else None,
        after=local(asked.get("next", "/")),
    )
