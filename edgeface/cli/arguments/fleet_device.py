"""The arguments of `edgeface fleet` on a device."""

from __future__ import annotations

from edgeface.cli.arguments.build import Argument, config, flag, value

FLEET_DEVICE: dict[str, tuple[Argument, ...]] = {
    "fleet": (
        config,
        value("action", choices=("join", "status")),
        value("words", "WORD", "join: the centre's URL and the CODE that it has shown", nargs="*"),
        flag("--again", "join: although the device has joined before"),
        flag("--json", "status: print JSON"),
    ),
}
