"""People that Home Assistant has signed in: the Supervisor names them in the headers of each request."""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING

from edgeface.core.text import printable
from edgeface.web.auth.accounts import Account
from edgeface.web.auth.sessions import Session
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request

    from edgeface.config.configuration import Ingress
    from edgeface.web.auth.accounts import Role
    from edgeface.web.http.forwarded import IngressUser

_LONGEST_NAME = 64


class IngressSignIn:
    """Gives each user of Home Assistant a role, without a cookie: the headers of each request decide."""

    def __init__(self, settings: Ingress) -> None:
        self._settings = settings
        self._key = secrets.token_bytes(32)

    def session(self, request: Request) -> Session | None:
        """A session for this request alone; None if Home Assistant names no one, or someone without a role."""
        user: IngressUser | None = request.scope.get("edgeface.user")
        if user is None or (role := self._role(user)) is None:
            return None
        account = Account(_name(user), role, "ingress", "", 0.0)
        # The same for all pages of a user, so that nothing has to be kept; only these pages have it.
        csrf = hmac.new(self._key, user.id.encode(), sha256).hexdigest()
        return Session(account, csrf, 0.0, 0.0)

    def require_role(self, request: Request) -> None:
        """Raise Problem 403 if the configuration gives the user of Home Assistant no role."""
        user: IngressUser | None = request.scope.get("edgeface.user")
        if user is not None and self._role(user) is None:
            name = printable(user.name or user.id)
            detail = (
                f"{name} has no access: an admin gives a role in the app's option users, or in web.ingress.users of"
                " config.yaml"
            )
            raise Problem(HTTPStatus.FORBIDDEN, detail=detail)

    def _role(self, user: IngressUser) -> Role | None:
        users = self._settings.users
        role = users.get(user.id) or users.get(user.name) or self._settings.default_role
        return None if role == "none" else role


def _name(user: IngressUser) -> str:
    """The name in the audit trail; no account of this device has a colon in its name."""
    return f"ingress:{printable(user.name or user.id, _LONGEST_NAME)}"
