"""`edgeface web`: the accounts for the page, the REST interface and the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.cli import listing
from edgeface.config import loader
from edgeface.core.clock import SystemClock, rfc3339
from edgeface.core.console import complain, say
from edgeface.core.errors import UsageError
from edgeface.core.text import check_id
from edgeface.web.auth import accounts

if TYPE_CHECKING:
    from argparse import Namespace
    from pathlib import Path

    from edgeface.web.auth.accounts import Role

_PASSWORD = f"password ({accounts.MIN_PASSWORD} characters or more)"


def run_web(arguments: Namespace) -> int:
    """Create a token or a password, list the accounts, or revoke one; a running daemon uses the change at once."""
    folder = loader.data_folder(arguments)
    if arguments.action == "list":
        return _list(folder)
    if arguments.action == "revoke":
        if arguments.name is None:
            raise UsageError("web revoke needs --name (edgeface web list)")
        count = accounts.revoke(folder, arguments.name)
        listing.record(folder, "config", {"web": "account revoked", "account": arguments.name})
        say(f"{arguments.name}: {count} revoked")
        return 0
    return _make(folder, arguments)


def _make(folder: Path, arguments: Namespace) -> int:
    role: Role | None = arguments.role
    if role is None:
        raise UsageError(f"web {arguments.action} needs --role: admin, viewer or recognise")
    name: str = arguments.name or role
    check_id(name)
    wall = SystemClock().wall()
    if arguments.action == "token":
        token = accounts.make_token(folder, name, role, wall, days=arguments.days)
        complain(f"{name}: a new token for the role {role}; it is not stored and is not shown again:")
        say(token)
    else:
        if arguments.days is not None:
            raise UsageError("--days is for tokens")
        accounts.set_password(folder, name, role, listing.ask(_PASSWORD), wall)
        say(f"{name}: new password set for the role {role}")
    listing.record(folder, "config", {"web": f"{arguments.action} made", "account": name, "role": role})
    return 0


def _list(folder: Path) -> int:
    found = sorted(accounts.read(folder), key=lambda one: (one.name, one.kind))
    for one in found:
        expires = "" if one.expires is None else f"  expires {rfc3339(one.expires)}"
        say(f"{one.name:<20} {one.role:<9}  {one.kind:<8}  {rfc3339(one.created)}{expires}")
    if not found:
        say("no one can sign in (edgeface web password --role admin)")
    return 0
