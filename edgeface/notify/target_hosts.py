"""The hosts that targets connect to, for the firewall: each target is tried with every name lookup refused.

Only Apprise knows where its services are. `python -m edgeface.notify.target_hosts` reads a Handover and writes a JSON
object with the hosts and an error by target; it is a process of its own because the hook of the
interpreter cannot be removed.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from edgeface.core.errors import ConfigError
from edgeface.notify.network_guard import CONNECTS, LOOKUPS, PROGRAMS, BlockedError
from edgeface.notify.notifier import handover
from edgeface.notify.sender import Handover
from edgeface.notify.sender_process import START_TIMEOUT, environment
from edgeface.notify.settings import AppriseTarget, WebhookTarget, WebPushTarget
from edgeface.notify.targets import Outgoing, SendError
from edgeface.security.process import leave_no_core

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.notify.sender import TargetSecrets
    from edgeface.notify.settings import Notify
    from edgeface.notify.subscriptions import Browsers
    from edgeface.notify.targets import Sender


def hosts(settings: Notify, browsers: Browsers | None = None) -> Mapping[str, tuple[str, ...]]:
    """The names or addresses that each target connects to first, with web push to these browsers.

    Raises ConfigError if that cannot be found out.
    """
    found = {
        name: _hosts(one, browsers) for name, one in settings.targets.items() if not isinstance(one, AppriseTarget)
    }
    targets = {name: one for name, one in handover(settings).targets.items() if name not in found}
    for name, one in targets.items():
        if one.problem is not None:
            raise ConfigError(f"notify target {name}: {one.problem}")
    return {**found, **(_tried(Handover(targets=targets)) if targets else {})}


def _hosts(target: WebhookTarget | WebPushTarget, browsers: Browsers | None) -> tuple[str, ...]:
    if isinstance(target, WebhookTarget):
        return (urlsplit(target.url).hostname or "",)
    endpoints = () if browsers is None else (one.endpoint for one in browsers.subscriptions)
    return tuple(dict.fromkeys(urlsplit(one).hostname or "" for one in endpoints))


def _tried(given: Handover) -> dict[str, tuple[str, ...]]:
    command = [sys.executable, "-m", "edgeface.notify.target_hosts"]
    try:
        done = subprocess.run(
            command,
            input=given.model_dump_json().encode(),
            capture_output=True,
            timeout=START_TIMEOUT,
            check=True,
            env=environment(),
            cwd="/",
        )
        found: dict[str, tuple[list[str], str | None]] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ConfigError("notify: the hosts of the targets cannot be found out") from error
    for name, (names, reason) in found.items():
        if not names:
            raise ConfigError(f"notify target {name}: {reason or 'it connects to no host'}")
    return {name: tuple(names) for name, (names, _) in found.items()}


def main() -> int:
    """Try each target, with every lookup and connection refused."""
    leave_no_core()
    sink = os.dup(sys.stdout.fileno())
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    logging.getLogger("apprise").propagate = False
    given = Handover.model_validate_json(sys.stdin.read())
    senders = {name: _sender(target) for name, target in given.targets.items()}
    asked: list[str] = []

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in LOOKUPS:
            asked.append(str(arguments[0]))
        if event in LOOKUPS | CONNECTS | PROGRAMS:
            raise BlockedError(event)

    sys.addaudithook(refuse)
    found: dict[str, tuple[list[str], str | None]] = {}
    for name, sender in senders.items():
        asked.clear()
        # It is refused, as any library may say it.
        with suppress(Exception):
            if not isinstance(sender, str):
                sender.send(Outgoing("host", 0, "edgeface", "edgeface", {}, None))
        found[name] = list(dict.fromkeys(asked)), sender if isinstance(sender, str) else None
    os.write(sink, json.dumps(found).encode())
    return 0


def _sender(target: TargetSecrets) -> Sender | str:
    """What sends to the target, or why nothing can."""
    try:
        return target.sender()
    except SendError as error:
        return str(error)


if __name__ == "__main__":
    raise SystemExit(main())
