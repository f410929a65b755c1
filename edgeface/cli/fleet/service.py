"""`edgeface centre`: makes, checks and runs the centre of a fleet, and manages who may use it."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

from edgeface.centre import settings as centre_settings
from edgeface.cli import listing
from edgeface.core.clock import SystemClock, rfc3339
from edgeface.core.console import complain, say
from edgeface.core.errors import ConfigError, EdgefaceError, UsageError
from edgeface.core.installed.parts import missing_part
from edgeface.core.log import set_up
from edgeface.core.text import check_id, counted, printable_path
from edgeface.security.process import leave_no_core
from edgeface.web.auth import accounts

if TYPE_CHECKING:
    import argparse

    from edgeface.centre.settings import CentreSettings

_PASSWORD = f"password ({accounts.MIN_PASSWORD} characters or more)"


def run_centre(arguments: argparse.Namespace) -> int:
    """Do one action; returns the exit status."""
    settings = load(arguments)
    return _ACTIONS[arguments.action](settings, arguments)


def load(arguments: argparse.Namespace) -> CentreSettings:
    """The settings of the centre; raises ConfigError."""
    if (missing := missing_part("centre", "the centre of a fleet")) is not None:
        raise ConfigError(str(missing))
    return centre_settings.load(arguments.config or centre_settings.DEFAULT)


def _init(settings: CentreSettings, _: argparse.Namespace) -> int:
    """Make the authority, both copies of the keyring, and the tables; what is there stays."""
    from edgeface.centre.authority import Authority
    from edgeface.centre.context import KEYRING, opened
    from edgeface.centre.keys.keyring import Keyring
    from edgeface.centre.keys.keyring_copy import KeyringCopy

    clock = SystemClock()
    authority = Authority.create(settings.data, clock)
    first = settings.data / KEYRING
    if not any((folder / KeyringCopy.FILE).exists() for folder in (first, settings.keyring)):
        Keyring.create(first, settings.keyring)
    with opened(settings, clock):
        pass
    say(f"authority: {authority.fingerprint.hex()}")
    say(f"keyring: {printable_path(first)}, and {printable_path(settings.keyring)}; keep both out of backups")
    if not accounts.read(settings.data):
        say("next: edgeface centre password NAME --role admin, edgeface fleet site SITE, edgeface centre serve")
    return 0


def _check(settings: CentreSettings, _: argparse.Namespace) -> int:
    """Open everything that the centre needs, and print what it has."""
    from edgeface.centre.context import opened

    with opened(settings, SystemClock()) as context:
        sites, devices = context.store.sites(), context.store.devices()
    active = sum(one.revoked is None for one in devices)
    people = counted(sum(one.count for one in sites), "person", "people")
    say(f"OK ({counted(len(sites), 'site')}, {people}, {counted(active, 'device')})")
    if not any(one.kind == "password" and one.role == "admin" for one in accounts.read(settings.data)):
        complain("no admin has a password yet: edgeface centre password NAME --role admin")
    return 0


def _serve(settings: CentreSettings, _: argparse.Namespace) -> int:
    """Serve devices and admins until SIGTERM or SIGINT."""
    from edgeface.centre.context import opened
    from edgeface.centre.server import CentreServer

    set_up(settings.log)
    leave_no_core()
    with opened(settings, SystemClock()) as context:
        server = CentreServer(context)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
        server.run()
    return 0


def _search(settings: CentreSettings, _: argparse.Namespace) -> int:
    """Search among everyone for the centre's admins, until SIGTERM or SIGINT."""
    from edgeface.centre.search.service import serve

    set_up(settings.log)
    leave_no_core()
    return serve(settings)


def _restored(settings: CentreSettings, _: argparse.Namespace) -> int:
    """After the database came from a backup: forget again who was forgotten since, and number all people again."""
    from edgeface.centre.context import opened

    with opened(settings, SystemClock(), restored=True) as context:
        for one in context.store.sites():
            people = counted(one.count, "person", "people")
            say(f"{one.site}: {people}, change {one.seq}, epoch {one.epoch}; every device fetches the whole list again")
    return 0


def _password(settings: CentreSettings, arguments: argparse.Namespace) -> int:
    """Give an account a password and a new second factor, whose secret is shown once."""
    from edgeface.centre.admins.rights import make_password

    name, sites = _account(arguments)
    if arguments.role is None:
        raise UsageError("centre password needs --role: admin or viewer")
    address = make_password(settings.data, name, arguments.role, sites, listing.ask(_PASSWORD), SystemClock().wall())
    _note(settings, name, f"password for {arguments.role}", sites)
    complain(f"{name}: scan this with an authenticator; it is not shown again:")
    say(address)
    _draw(address)
    return 0


def _token(settings: CentreSettings, arguments: argparse.Namespace) -> int:
    """Give a program a token, which is shown once."""
    from edgeface.centre.admins.rights import make_token

    name, sites = _account(arguments)
    if arguments.role is None:
        raise UsageError("centre token needs --role: admin or viewer")
    token = make_token(settings.data, name, arguments.role, sites, SystemClock().wall(), arguments.days)
    _note(settings, name, f"token for {arguments.role}", sites)
    complain(f"{name}: a new token for the role {arguments.role}; it is not stored and is not shown again:")
    say(token)
    return 0


def _accounts(settings: CentreSettings, _: argparse.Namespace) -> int:
    """List who may use the centre."""
    from edgeface.centre.admins.rights import RightsFile

    rights = RightsFile(settings.data, SystemClock())
    for one in sorted(accounts.read(settings.data), key=lambda one: (one.name, one.kind)):
        sites = rights.of(one.name, one.kind).sites
        where = "all sites" if sites is None else ", ".join(sites) or "no site"
        expires = "" if one.expires is None else f"  expires {rfc3339(one.expires)}"
        say(f"{one.name:<20} {one.role:<9}  {one.kind:<8}  {rfc3339(one.created)}{expires}  {where}")
    return 0


def _revoke(settings: CentreSettings, arguments: argparse.Namespace) -> int:
    """Delete an account; a running centre ends its sessions at once."""
    from edgeface.centre.admins.rights import revoke

    name, _ = _account(arguments)
    say(f"{name}: {revoke(settings.data, name)} revoked")
    _note(settings, name, "revoked", None)
    return 0


def _note(settings: CentreSettings, name: str, done: str, sites: tuple[str, ...] | None) -> None:
    """Write a change of an account to the journal; without a database the change holds all the same."""
    from edgeface.centre.context import opened

    facts = {"account": name, "done": done, **({} if sites is None else {"sites": list(sites)})}
    try:
        with opened(settings, SystemClock()) as context:
            context.store.journal.add("command-line", "account", None, facts)
    except EdgefaceError as error:
        complain(f"not in the centre's journal: {error}")


def _account(arguments: argparse.Namespace) -> tuple[str, tuple[str, ...] | None]:
    """The name of the account, and its sites: all if none is named."""
    if arguments.name is None:
        raise UsageError(f"centre {arguments.action} needs the NAME of an account")
    check_id(arguments.name)
    for site in arguments.site or ():
        check_id(site)
    return arguments.name, tuple(arguments.site) if arguments.site else None


def _draw(text: str) -> None:
    """Show a QR code, if this is a terminal."""
    import segno

    if sys.stdout.isatty():
        segno.make_qr(text).terminal(compact=True)


_ACTIONS = {
    "init": _init, "serve": _serve, "search": _search, "check": _check, "restored": _restored,
    "password": _password, "token": _token, "accounts": _accounts, "revoke": _revoke,
}  # fmt: skip
