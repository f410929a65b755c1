"""The passes that a device has made, sealed in its data folder: a pass that is not in this list is refused."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from edgeface.access.passes import Pass, PassRules
from edgeface.core.errors import EdgefaceError, VaultError, system_reason
from edgeface.core.files import alone, read_at_most
from edgeface.core.text import printable_path
from edgeface.security.head import put_file
from edgeface.security.signing_keys import SIGNING, FileWatch, public_keys, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from edgeface.core.clock import Clock
    from edgeface.security.vault import Vault

FILE = "passes"
"""Name of the file in the data folder."""
MAX_PASSES = 10_000

_ABOUT = "passes"
_MAX_BYTES = 8 << 20

Passes = Annotated[tuple[Pass, ...], Field(max_length=MAX_PASSES)]


@dataclass(frozen=True, slots=True)
class PassList:
    """The file in a data folder; its changes are safe against other processes."""

    folder: Path
    vault: Vault

    def passes(self) -> tuple[Pass, ...]:
        """All passes, oldest first; raises VaultError if the file was altered or cannot be read."""
        path = self.folder / FILE
        try:
            return _parser().validate_json(self.vault.unseal(read_at_most(path, _MAX_BYTES), _ABOUT))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise VaultError(f"{printable_path(path)}: cannot be read ({system_reason(error)})") from error
        except ValidationError:
            raise VaultError(f"{printable_path(path)}: not a list of passes") from None

    def add(self, one: Pass, wall: float) -> None:
        """Add a pass, and drop those that have expired; raises EdgefaceError if there are too many."""
        self._change(lambda passes: (*(kept for kept in passes if kept.expires > wall), one))

    def revoke(self, id_: str) -> Pass:
        """Drop a pass, which is refused from now on; raises EdgefaceError if there is none with this id."""
        found = next((one for one in self.passes() if one.id == id_), None)
        if found is None:
            raise EdgefaceError(f"no pass {id_}: edgeface pass --list lists them")
        self._change(lambda passes: (one for one in passes if one.id != id_))
        return found

    def erase(self, *people: str) -> None:
        """Drop the passes of people, without a trace of them in the file."""
        gone = frozenset(people)
        if any(one.person in gone for one in self.passes()):
            self._change(lambda passes: (one for one in passes if one.person not in gone))

    def _change(self, change: Callable[[Sequence[Pass]], Iterable[Pass]]) -> None:
        path = self.folder / FILE
        try:
            with alone(self.folder):
                after = tuple(change(self.passes()))
                if len(after) > MAX_PASSES:
                    raise EdgefaceError(f"there are {MAX_PASSES:,} passes already: revoke some")
                put_file(self.folder, self.vault, FILE, self.vault.seal(_parser().dump_json(after), _ABOUT))
        except OSError as error:
            raise EdgefaceError(f"{printable_path(path)}: cannot be written ({system_reason(error)})") from error


class PassRulesFile:
    """Follows keys and passes in the files of a data folder; used by one thread."""

    def __init__(self, folder: Path, vault: Vault, site: str, clock: Clock) -> None:
        self._pass_list = PassList(folder, vault)
        self._site = site
        self._watches = [FileWatch(folder / name, clock) for name in (FILE, SIGNING.file)]
        self.rules = PassRules(site, (), {})
        """What the device accepts now: nothing while a file cannot be read."""
        self.problem: str | None = None
        """Why nothing is accepted, in one line."""

    def refresh(self) -> None:
        """Read the files if one has changed, at most every CHECK_SECONDS of signing_keys."""
        if not [watch for watch in self._watches if watch.changed()]:
            return
        try:
            issued = {one.id: one.person for one in self._pass_list.passes()}
            self.rules = PassRules(self._site, public_keys(read(self._pass_list.folder)), issued)
            self.problem = None
        except EdgefaceError as error:
            self.rules, self.problem = PassRules(self._site, (), {}), str(error)


@cache
def _parser() -> TypeAdapter[Passes]:
    return TypeAdapter(Passes, config=ConfigDict(strict=True))
