"""`edgeface mqtt clean`: removes what the broker retains under names that the configuration no longer has."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from edgeface.config.loader import load
from edgeface.core.clock import SystemClock
from edgeface.core.console import say
from edgeface.core.errors import EdgefaceError, UsageError
from edgeface.core.text import is_id, printable
from edgeface.journal.journal import Journal
from edgeface.mqtt.connection import Connection, Waker
from edgeface.mqtt.leftovers import Named, Place, Retained, cleared, read_places, write_places
from edgeface.mqtt.settings import require_safe
from edgeface.mqtt.topics import client_id

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from edgeface.config.configuration import Configuration
    from edgeface.mqtt.settings import Mqtt

_TICK = 0.2
_AT_ONCE = 8
"""Messages that the broker has not confirmed."""


def run_mqtt(arguments: argparse.Namespace) -> int:
    """Clear, or only list, what is left over; returns 1 if the broker denies some of it, or a device is online there.

    Raises UsageError without the section mqtt or for a name that is no id, and BrokerError.
    """
    configuration = load(arguments.config)
    mqtt = configuration.mqtt
    if mqtt is None:
        raise UsageError(f"{arguments.config} has no section mqtt, so there is no broker to clean")
    if wrong := [name for name in arguments.device if not is_id(name)]:
        raise UsageError(f"--device: {printable(wrong[0])} is not the name of a device")
    here = Place.of(mqtt, configuration.device)
    earlier = tuple(one for one in read_places(configuration.data) if one != here)
    asked = tuple(here._replace(device=name) for name in arguments.device if name != here.device)
    with _session(mqtt, configuration.device) as session:
        found = session.retained((here, *dict.fromkeys((*earlier, *asked))))
        names = {one.place: _obsolete(configuration, mqtt, one, asked) for one in found}
        denied = [] if arguments.dry_run else session.clear([name for each in names.values() for name in each or ()])
    for name in dict.fromkeys(name for each in names.values() for name in each or ()):
        say(f"{name}: {'would be cleared' if arguments.dry_run else 'denied' if name in denied else 'cleared'}")
    if not any(names.values()):
        say("nothing is left over")
    done = [] if arguments.dry_run or denied else [place for place, each in names.items() if each]
    if {*done} & {*earlier}:
        write_places(configuration.data, (*(one for one in earlier if one not in done), here))
    return int(bool(denied) or any(names[place] is None for place in asked))


def _obsolete(configuration: Configuration, mqtt: Mqtt, retained: Retained, asked: Sequence[Place]) -> list[str] | None:
    """The topics to clear at a place; None, and a line that explains it, if they may be of another device."""
    place, here = retained.place, Place.of(mqtt, configuration.device)
    people = () if mqtt.people is None else None
    named = Named(configuration.cameras, configuration.doors, people, announced=mqtt.discovery)
    if place == here:
        return retained.obsolete(named)
    if place.is_beside(here):
        return _left_behind(retained, here, named)
    if retained.online:
        say(f"{place}: a device is online under this name, so its topics stay; stop it first if it is yours")
        return None
    if place in asked or retained.is_of(lambda seq, head: _knows(configuration, seq, head)):
        return _left_behind(retained, here, named)
    if retained.found:
        say(f"{place}: not known to be of this device, so its topics stay; --device {place.device} clears them")
    return None


def _left_behind(retained: Retained, here: Place, named: Named) -> list[str]:
    # The topics of the device itself may be gone already.
    return retained.left_behind(here, named) if retained.found else []


def _knows(configuration: Configuration, seq: int, head: str) -> bool:
    """Whether the journal here has this row; False if it cannot be read."""
    if not configuration.journal_path.exists():
        return False
    try:
        with closing(Journal(configuration.journal_path)) as journal:
            return journal.knows(seq, head)
    except EdgefaceError as error:
        say(f"the journal cannot be read: {error}")
        return False


class _Session:
    """A connection of this command."""

    def __init__(self, connection: Connection, waker: Waker) -> None:
        self._connection, self._waker = connection, waker

    def retained(self, places: Sequence[Place]) -> list[Retained]:
        """What the broker retains at each place, as far as it may be read."""
        found = [Retained(place) for place in places]
        for one in found:
            self._connection.subscribe(one.subscriptions(), retained=True)
            # What is retained arrives before the answer to a later request.
            self._settle(0, found)
        self._connection.probe()
        self._settle(0, found)
        self._connection.results()
        return found

    def clear(self, names: Sequence[str]) -> list[str]:
        """Remove what these topics retain; returns those that the broker denies."""
        for name in dict.fromkeys(names):
            self._connection.publish(cleared(name), b"")
            self._settle(_AT_ONCE)
        self._settle(0)
        return [result.tag.id for result in self._connection.results() if result.refused is not None]

    def _settle(self, most: int, found: Sequence[Retained] = ()) -> None:
        """Wait until at most so many requests have no answer, and take what arrives."""
        while self._connection.in_flight > most:
            self._connection.wait(_TICK, self._waker.socket)
            while self._connection.messages:
                message = self._connection.messages.popleft()
                for one in found:
                    one.take(message)


@contextmanager
def _session(settings: Mqtt, device: str) -> Iterator[_Session]:
    """Connect as a client of its own; raises BrokerError."""
    require_safe(settings)
    name = f"{client_id(device)}-clean"
    connection, waker = Connection(settings, name, None, SystemClock(), session_seconds=0), Waker()
    try:
        while not connection.ready:
            connection.wait(_TICK, waker.socket)
        yield _Session(connection, waker)
    finally:
        connection.close()
        waker.close()
