"""`edgeface fleet join` and `edgeface fleet status`, on a device."""

from __future__ import annotations

import base64
import json
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from edgeface.cli.listing import record
from edgeface.config import loader
from edgeface.config.configuration import require_centre
from edgeface.core.clock import SystemClock, local_time
from edgeface.core.console import say
from edgeface.core.errors import ConfigError, FleetError, UsageError
from edgeface.core.installed.parts import missing_part
from edgeface.core.text import counted, printable_path
from edgeface.gallery.leases import FILE
from edgeface.security.signing_keys import read
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from edgeface.config.configuration import Configuration
    from edgeface.core.clock import Clock
    from edgeface.fleet.device.book import Book
    from edgeface.fleet.device.fleet_file import FleetFile

_WORDS = 2


def run_fleet(arguments: argparse.Namespace) -> int:
    """Join, or show the state; returns the exit status."""
    missing = missing_part("fleet", "edgeface fleet")
    if missing is not None:
        raise ConfigError(str(missing))
    configuration = loader.load(arguments.config)
    if arguments.action == "join":
        return _join(arguments, configuration)
    if arguments.words:
        raise UsageError(f"fleet {arguments.action} takes no further words")
    if arguments.action == "acknowledge":
        return _acknowledge(configuration)
    return _status(configuration, as_json=arguments.json)


def _join(arguments: argparse.Namespace, configuration: Configuration) -> int:
    from edgeface.fleet import join_code
    from edgeface.fleet.device.joining import join

    if not 1 <= len(arguments.words) <= _WORDS:
        raise UsageError(
            "give the centre's URL, and the code when asked: edgeface fleet join https://centre.example:8444"
        )
    try:
        centre = require_centre(arguments.words[0])
    except ValueError as error:
        raise UsageError(f"the URL {error}") from None
    code = join_code.parse(_code(arguments.words[1:]))
    folder = configuration.data
    vault = open_vault(folder)
    grant_keys = [base64.b64decode(one.public) for one in read(folder) if one.alg == "ed25519"]
    identity = join(folder, vault, configuration.device, centre, code, grant_keys=grant_keys[:8], again=arguments.again)
    say(f"{identity.device}: joined {centre} for {', '.join(one.site for one in identity.sites)}")
    if configuration.fleet is None or centre not in configuration.fleet.centres:
        say(f"add to {printable_path(arguments.config)}, then restart the service: fleet: {{centres: [{centre}]}}")
    return 0


def _code(words: Sequence[str]) -> str:
    """The code, from standard input unless it was given: other users of this computer can read what is given."""
    if words:
        return words[0]
    if sys.stdin.isatty():
        say("the code that edgeface fleet code has printed:")
    return sys.stdin.readline().strip()


def _status(configuration: Configuration, *, as_json: bool) -> int:
    from edgeface.fleet.device.book import Book
    from edgeface.fleet.device.status import Counters, removed_line, report

    clock = SystemClock()
    with closing(_file(configuration)) as file:
        book, identity = Book(file), file.identity()
        alarms = [removed_line(one) for one in file.removals(clock.wall()).values() if one.is_alarm]
    facts = report(book, Counters(), clock)
    if as_json:
        say(json.dumps(facts, indent=2))
        return 0
    if identity is None:
        raise FleetError("this device has not joined: edgeface fleet join URL")
    say(f"{identity.device}: joined at {identity.centre}; the certificate ends {local_time(identity.ends)}")
    for name in book.sites:
        say(_site(name, facts["sites"][name]))
    if any(site.barred for site in book.sites.values()):
        say("the centre refuses this device: it was declared lost, revoked, or is not known there any more")
        say("it gets no changes, and matches the people of the centre until the leases are over")
        say(f"to keep it: a new code at the centre, then edgeface fleet join {identity.centre} CODE --again")
    for line in (*alarms, *_for_a_person(book, clock)):
        say(line)
    return 0


def _acknowledge(configuration: Configuration) -> int:
    """End the alarms about many people that the centre had erased."""
    with closing(_file(configuration)) as file:
        found = [one for one in file.removals(SystemClock().wall()).values() if one.is_alarm]
        for one in found:
            file.drop_removal(one.site)
            record(configuration.data, "fleet_alarm", {"found": "acknowledged", "site": one.site})
            say(f"{one.site}: acknowledged that {one.removed} of {one.people} people were erased")
    if not found:
        say("nothing to acknowledge")
    return 0


def _file(configuration: Configuration) -> FleetFile:
    from edgeface.fleet.device.fleet_file import FleetFile

    if not (configuration.data / FILE).exists():
        raise FleetError("this device has not joined: edgeface fleet join URL CODE")
    return FleetFile(configuration.data, open_vault(configuration.data))


def _site(name: str, facts: dict[str, int | None]) -> str:
    behind, lease = facts["behind"], facts["lease"]
    heard = "no answer yet" if behind is None else f"last receipt {counted(behind // 60, 'minute')} ago"
    left = "no lease" if lease is None else f"lease for {counted(lease // 86_400, 'day')}"
    people = counted(facts["people"] or 0, "person", "people")
    return f"{name}: {people}, change {facts['seq']}, {heard}, {left}"


def _for_a_person(book: Book, clock: Clock) -> list[str]:
    """What someone has to decide about; only here are people named."""
    taken = sorted(one.facts.id for one in book.people.values() if one.state == "taken" and one.facts is not None)
    lines = [
        f"{one}: the centre has someone with this id, and someone else has it here: neither was changed"
        for one in taken
    ]
    lines += [
        f"{name}: the centre wants the model {one.wanted.model}; this device uses {one.model}"
        for name, one in book.sites.items()
        if one.wanted is not None and one.wanted.model != one.model
    ]
    now = clock.wall()
    for one in book.waiting.values():
        entry = book.people.get((one.site, one.person))
        who = entry.facts.id if entry is not None and entry.facts is not None else "someone who was forgotten here"
        days = (
            f", holds for {counted(max(0, int((one.until - now) // 86_400)), 'day')}"
            if one.until and not one.forget
            else ""
        )
        lines.append(f"{who}: {'not sent yet' if one.state == 'waiting' else 'waits for the centre'}{days}")
    return lines
