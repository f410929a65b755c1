"""`edgeface pass`: make a pass as a QR code, list the passes, revoke one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.access import passes
from edgeface.access.pass_list import PassList
from edgeface.cli import listing
from edgeface.cli.people import service_of
from edgeface.core.clock import SystemClock
from edgeface.core.console import say
from edgeface.core.errors import ConfigError, EdgefaceError, UsageError, system_reason
from edgeface.core.files import own_as_folder
from edgeface.core.text import printable, printable_path
from edgeface.gallery.snapshot import day
from edgeface.security.signing_keys import SIGNING, active, read
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping
    from pathlib import Path

    from edgeface.access.passes import Pass
    from edgeface.config.configuration import Configuration


def run_pass(arguments: Namespace) -> int:
    """Make, list or revoke passes."""
    service = service_of(arguments)
    configuration = service.configuration
    pass_list = PassList(configuration.data, open_vault(configuration.data))
    if arguments.list:
        _list(pass_list.passes())
    elif arguments.revoke is not None:
        revoked = pass_list.revoke(arguments.revoke)
        _record(configuration.data, revoked, {"removed": True})
        say(f"{revoked.id}: revoked; it named {revoked.person}")
    elif arguments.id is None or arguments.out is None:
        raise UsageError("pass PERSON --out FILE, or --list, or --revoke ID: see edgeface pass --help")
    else:
        with service.gallery() as gallery:
            gallery.person(arguments.id)
        _make(configuration, pass_list, arguments)
    return 0


def _make(configuration: Configuration, pass_list: PassList, arguments: Namespace) -> None:
    doors = tuple(dict.fromkeys(arguments.door))
    unknown = [door for door in doors if door not in configuration.doors]
    if unknown:
        raise EdgefaceError(
            f"{printable(unknown[0])}: no such door; there are {', '.join(configuration.doors) or 'none'}"
        )
    if not 1 <= arguments.days <= passes.MAX_DAYS:
        raise EdgefaceError(f"--days {arguments.days}: 1 to {passes.MAX_DAYS}")
    key = active(read(configuration.data), pass_list.vault)
    if key is None:
        raise EdgefaceError(SIGNING.missing)
    wall = SystemClock().wall()
    one = passes.new(arguments.id, doors, configuration.device, wall, arguments.days)
    text = passes.write(one, key)
    picture = _picture(text)
    # In the list first: a picture of a pass that is not in it opens nothing.
    pass_list.add(one, wall)
    try:
        _put(arguments.out, picture)
    except EdgefaceError:
        pass_list.revoke(one.id)
        raise
    _record(configuration.data, one, {})
    say(f"{printable_path(arguments.out)}: pass {one.id} for {one.person}, until {day(one.expires)}")
    say("whoever copies it has a name only: the door still needs the face")


def _picture(text: str) -> bytes:
    """The QR code as PNG, eight pixels a module; raises ConfigError without segno."""
    try:
        import segno
    except ImportError as error:
        raise ConfigError("edgeface pass draws with segno: pip install 'edgeface[pass]'") from error
    from io import BytesIO

    picture = BytesIO()
    # Level L: the signature finds every error, and fewer modules are read from further away.
    segno.make_qr(text, error="l", boost_error=False).save(picture, kind="png", scale=8, border=4)
    return picture.getvalue()


def _put(path: Path, picture: bytes) -> None:
    try:
        with path.open("xb") as file:
            own_as_folder(file.fileno(), path.parent)
            file.write(picture)
    except OSError as error:
        raise EdgefaceError(f"{printable_path(path)}: cannot be written ({system_reason(error)})") from error


def _list(found: tuple[Pass, ...]) -> None:
    now = SystemClock().wall()
    for one in found:
        until = day(one.expires)
        expired = "  expired" if one.expires <= now else ""
        say(f"{one.id}  {one.person}  until {until}  {', '.join(one.doors) or 'every door'}{expired}")
    if not found:
        say("no passes")


def _record(folder: Path, one: Pass, more: Mapping[str, bool]) -> None:
    listing.record(folder, "factors", {"person": one.person, "factor": "pass", "pass": one.id, **more})
