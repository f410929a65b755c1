"""`edgeface factors`: set, draw, list and remove second factors, and forget wrong PINs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.cli.listing import ask, say_factors
from edgeface.cli.people import service_of
from edgeface.core.console import complain, say
from edgeface.core.errors import UsageError
from edgeface.people.factors import FactorService

if TYPE_CHECKING:
    from argparse import Namespace


def run_factors(arguments: Namespace) -> int:
    """Do one action; a PIN is never an argument, where other users of the machine could see it."""
    service = FactorService(service_of(arguments))
    action, person, value = arguments.action, arguments.id, arguments.value
    if (value is not None) != (action in {"add-card", "remove"}):
        raise UsageError(f"factors {action} ID{' VALUE' if value is None else ''}: see edgeface factors --help")
    if action == "list":
        with service.people.gallery() as gallery:
            say_factors(gallery, person)
        return 0
    if person is None:
        raise UsageError(f"factors {action} needs the ID of a person (edgeface people)")
    _change(service, arguments)
    return 0


def _change(service: FactorService, arguments: Namespace) -> None:
    person, value = arguments.id, arguments.value
    if arguments.action == "set-pin":
        number = service.set_pin(person, ask("PIN (4 to 12 digits)"), arguments.number)
        say(f"{person}: PIN set, person number {number}")
    elif arguments.action == "set-duress":
        service.set_duress(person, ask("duress PIN (4 to 12 digits)"))
        say(f"{person}: duress PIN set; it opens doors like the PIN, and the audit topic reports it")
    elif arguments.action == "draw-code":
        code = service.draw_code(person, arguments.digits)
        complain(f"{person}: a new code; it is not stored and is not shown again:")
        say(code)
    elif arguments.action == "add-card":
        service.add_card(person, value)
        say(f"{person}: card added; anyone near it can read and copy its UID, so it names a person and proves nothing")
    elif arguments.action == "remove":
        service.remove(person, value)
        say(f"{person}: factor {value} removed")
    else:
        service.unlock(person)
        say(f"{person}: unlocked at every door")
