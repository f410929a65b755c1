"""`edgeface egress`: a systemd drop-in that blocks all network peers except those that the configuration needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.config import loader
from edgeface.config.egress import Peer, peers, peers_of_door
from edgeface.core.console import say
from edgeface.core.errors import EdgefaceError, system_reason
from edgeface.core.files import put_whole
from edgeface.core.text import cleaned

if TYPE_CHECKING:
    import argparse

DROP_IN = "/etc/systemd/system/{unit}.service.d/egress.conf"
"""Where systemd reads it."""

_HEADER = """\
# The network peers of {unit}.service, written by `edgeface egress`. Run it again after an address or the configuration
# changes. The rules apply in both directions.
[Service]
IPAddressDeny=
IPAddressDeny=any
# Replaces the list of the unit itself.
IPAddressAllow=
IPAddressAllow=localhost
"""

_ADVICE = """\
written: {path}
1. systemctl daemon-reload && systemctl restart {unit}
2. systemctl show -p IPAddressAllow {unit} shows the rules in effect; without this file the unit's own list applies"""


def run_egress(arguments: argparse.Namespace) -> int:
    """`edgeface egress`: print the drop-in, or write it to where systemd reads it."""
    unit = "edgeface" if arguments.door is None else "edgeface-door"
    found = peers_of_door(arguments.door) if arguments.door is not None else peers(loader.load(arguments.config))
    text = drop_in(found, unit)
    if arguments.write is None:
        say(text.rstrip("\n"))
        return 0
    path = Path(arguments.write or DROP_IN.format(unit=unit))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        put_whole(path, text.encode())
        # Like every unit, it is readable by all users.
        path.chmod(0o644)
    except OSError as error:
        raise EdgefaceError(
            f"{path}: cannot be written ({system_reason(error)}); root can: sudo edgeface egress"
        ) from error
    say(_ADVICE.format(path=path, unit=unit))
    return 0


def drop_in(found: tuple[Peer, ...], unit: str = "edgeface") -> str:
    """The unit's drop-in, which allows this machine and these peers only."""
    lines = [_HEADER.format(unit=unit)]
    for peer in found:
        where = peer.host if peer.addresses else f"{peer.host}, on this machine"
        lines.append(f"# {cleaned(peer.what)}: {cleaned(where)}\n")
        lines += [f"IPAddressAllow={address}\n" for address in peer.addresses]
    return "".join(lines)
