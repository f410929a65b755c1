"""Compares gallery, journal and key files with the head and with each other; it changes nothing."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.errors import VaultError
from edgeface.core.sqlite import reading_only
from edgeface.core.text import counted
from edgeface.security import content as contents
from edgeface.security.head import DATABASES, FILE, FILES, NO_MARK, PARTS, Alarm, Head, HeadFile, mark_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from edgeface.security.content import Content
    from edgeface.security.head import Part
    from edgeface.security.vault import Vault

ACCEPT = "edgeface audit accept"
"""The command after which what was found counts as known."""
ROLLED_BACK = Alarm(FILE, "put back")
"""The alarm if something outside the data folder remembers a later generation."""


class Found(NamedTuple):
    """One file that is not what edgeface wrote last, in words."""

    alarm: Alarm
    says: str

    @property
    def line(self) -> str:
        """One line."""
        return f"{self.alarm.subject}: {self.says}"


class Opened(NamedTuple):
    """A database at one moment."""

    connection: sqlite3.Connection
    content: Content | None


def check(folder: Path, vault: Vault, others: Sequence[Found] = ()) -> list[Found]:
    """Everything that is not what edgeface wrote last; empty if all is well, or if there is no head yet.

    `others` is what something outside the folder has found.

    It reads every row, about 5 microseconds for each, while others may write. Raises OSError if files cannot be read.
    """
    with ExitStack() as stack:
        found = [*others]
        databases: dict[Part, Opened] = {}
        head = _moment(folder, vault, stack, databases, found)
        if head is None:
            if any(one.content is not None for one in databases.values()):
                if read_head(folder, vault) is not None:
                    # Without a record there is no lock: another process has just written the first one.
                    return check(folder, vault, others)
                found.append(Found(Alarm(FILE, "removed"), "was removed: the databases know that it existed"))
            head = Head()
        else:
            found += _missing(folder, head)
        for part, database in databases.items():
            found += _placed(head, vault, part, database.content)
        found += _seen(folder, databases)
        for part, database in databases.items():
            if database.content is not None:
                found += _compared(database.connection, vault, part, database.content)
    live = {one.alarm: one for one in reversed(found)}
    was = (Found(alarm, f"was {alarm.kind} earlier ({ACCEPT})") for alarm in head.found if alarm not in live)
    once = [one for one in found if one.alarm.kind == "altered" or live[one.alarm] is one]
    return [*once, *was]


def read_head(folder: Path, vault: Vault) -> Head | None:
    """The head; None if there is none or it cannot be read, which `check` names. It waits for a writer."""
    try:
        return HeadFile(folder, vault).read()
    except (VaultError, OSError):
        return None


def generation(head: Head, vault: Vault) -> Mapping[str, int | str]:
    """The numbers that the state carries, with a mark that only the owner of the key can make."""
    places = {part: head.reached(part) for part in PARTS}
    return {"number": head.number, "mark": mark(vault, places), **{str(part): place for part, place in places.items()}}


def numbers(folder: Path, vault: Vault) -> dict[Part, int]:
    """The numbers of the databases as they are: 0 for one that is missing or has none.

    One that cannot be read is left out: `check` names it, and it tells nothing about its age.
    """
    found: dict[Part, int] = {}
    for part, name in DATABASES.items():
        with suppress(VaultError, sqlite3.Error, OSError):
            content = None
            if (folder / name).exists():
                with closing(reading_only(folder / name)) as connection:
                    content = contents.stored(connection, vault, part)
            found[part] = 0 if content is None else content.number
    return found


def older_than(now: Mapping[Part, int], vault: Vault, remembered: object, by: str = "the broker") -> Found | None:
    """What is wrong if a message of this device, as `generation` made it, knows later numbers than these.

    A message that the key did not make is ignored. `by` is who remembers it.
    """
    if not isinstance(remembered, dict):
        return None
    known = {part: remembered.get(part) for part in PARTS}
    # Anyone may have written it: a mark over text that is no UTF-8 cannot be computed.
    if any(type(number) is not int for number in known.values()):
        return None
    if remembered.get("mark") != mark(vault, known):
        return None
    behind = {part: known[part] for part, number in now.items() if number < _number(known[part])}
    if not behind:
        return None
    found, was = (sum(map(_number, numbers)) for numbers in ([now[part] for part in behind], behind.values()))
    says = f"put back: it is of generation {found}, and {by} remembers {was}"
    if [*behind] == ["journal"]:
        return Found(Alarm(DATABASES["journal"], "put back"), f"was {says}")
    return Found(ROLLED_BACK, f"the data folder was {says}")


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def mark(vault: Vault, numbers: Mapping[Part, object]) -> str:
    """The mark of these numbers, which only the owner of the key can make."""
    return vault.tag("generation " + " ".join(str(numbers[part]) for part in PARTS)).hex()


def _moment(
    folder: Path, vault: Vault, stack: ExitStack, databases: dict[Part, Opened], found: list[Found]
) -> Head | None:
    """The head, and both databases as they are at the same moment, without waiting for a writer for long."""
    with ExitStack() as lock:
        try:
            head = lock.enter_context(HeadFile(folder, vault).reading())
        except VaultError:
            head = Head()
            found.append(Found(Alarm(FILE, "replaced"), "was altered, or sealed with another key"))
        else:
            known = [] if head is None else [_key_file(folder, vault, head, name) for name in FILES]
            found += [one for one in known if one is not None]
        for part, name in DATABASES.items():
            if not (folder / name).exists():
                continue
            try:
                connection = stack.enter_context(closing(reading_only(folder / name)))
                connection.execute("BEGIN")
                databases[part] = Opened(connection, contents.stored(connection, vault, part))
            except VaultError:
                found.append(Found(Alarm(name, "replaced"), "is another device's, or its digest was altered"))
            except sqlite3.OperationalError as error:
                raise OSError(0, str(error), str(folder / name)) from error
            except sqlite3.DatabaseError as error:
                found.append(Found(Alarm(name, "replaced"), f"cannot be read as a database ({error})"))
    return head


def _key_file(folder: Path, vault: Vault, head: Head, name: str) -> Found | None:
    try:
        mark = mark_of(vault, folder / name)
    except IsADirectoryError:
        return Found(Alarm(name, "replaced"), "was replaced by a folder")
    if mark in head.marks_of(name):
        return None
    if mark == NO_MARK:
        return Found(Alarm(name, "removed"), "was removed")
    return Found(Alarm(name, "put back"), "was altered, or put back: it is not what edgeface wrote last")


def _missing(folder: Path, head: Head) -> Iterator[Found]:
    for part, name in DATABASES.items():
        if head.places[part].number and not (folder / name).exists():
            yield Found(Alarm(name, "removed"), f"was removed: its last generation was {head.places[part].number}")


def _placed(head: Head, vault: Vault, part: Part, content: Content | None) -> Iterator[Found]:
    """Whether a database is what the head knows."""
    name, known = DATABASES[part], head.places[part].number
    if content is None:
        if known:
            yield Found(Alarm(name, "removed"), f"was removed and created again, or replaced; the last one was {known}")
        return
    words: dict[str, Callable[[], str]] = {
        "put back": lambda: f"was put back or cut: it is of generation {content.number}, and {known} was the last",
        "replaced": lambda: f"was replaced by another one of generation {known}",
    }
    for alarm in contents.misplaced(head, part, content.place(vault, part)) if known else ():
        says = f"was put back: it knows generation {known} of {name}, which is of {content.number}"
        yield Found(alarm, says if alarm.subject == FILE else words[alarm.kind]())


def _seen(folder: Path, databases: Mapping[Part, Opened]) -> Iterator[Found]:
    """Whether a database is older than another one has seen it."""
    for one in databases.values():
        for other, number in (one.content.seen if one.content is not None else {}).items():
            name, now = DATABASES[other], databases.get(other)
            if now is None and number and not (folder / name).exists():
                yield Found(Alarm(name, "removed"), f"was removed: generation {number} of it was seen")
            elif now is not None and now.content is None and number:
                yield Found(Alarm(name, "removed"), f"was created again, or replaced: generation {number} was seen")
            elif now is not None and now.content is not None and now.content.number < number:
                says = f"was put back: it is of generation {now.content.number}, and {number} was seen"
                yield Found(Alarm(name, "put back"), says)


def _compared(connection: sqlite3.Connection, vault: Vault, part: Part, content: Content) -> Iterator[Found]:
    """Whether the rows are those that edgeface wrote."""
    name, alarm = DATABASES[part], Alarm(DATABASES[part], "altered")
    try:
        sums, schema = contents.scan(connection, vault)
    except sqlite3.OperationalError as error:
        # A disk that fails to be read once shows nothing about the rows.
        raise OSError(0, str(error), name) from error
    except sqlite3.DatabaseError as error:
        yield Found(Alarm(name, "replaced"), f"is damaged ({error})")
        return
    for table in sorted(sums.keys() | content.sums.keys()):
        (count, total), (known, wanted) = sums.get(table, (0, 0)), content.sums.get(table, (0, 0))
        if count < known:
            yield Found(alarm, f"table {table}: {counted(known - count, 'row')} removed")
        elif count > known:
            yield Found(alarm, f"table {table}: {counted(count - known, 'row')} added or put back")
        elif total != wanted:
            yield Found(alarm, f"table {table}: rows altered, exchanged or put back")
    if schema != content.schema:
        yield Found(alarm, "its tables or triggers were altered")
