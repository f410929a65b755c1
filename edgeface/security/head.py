"""The head: one sealed record outside both databases that knows what gallery, journal and key files were last.

The record is one sector of a file in the data folder, overwritten in place. A writer holds the file's lock, writes what
is about to be true next to what is true now, commits, and writes what is true then. So a process that is killed leaves
a record that fits. Syncing the record at each commit would double the time of a write; it is synced once in RESERVED
commits, for which it promises numbers ahead: after a loss of power, a database may be that far ahead of its record. The
record knows the boot it was written in, because within one boot nothing is lost and nothing may be ahead.
"""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from edgeface.core.errors import VaultError
from edgeface.core.files import put_whole, sync_folder
from edgeface.core.sqlite import create

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.security.vault import Vault

FILE = "generation"
"""Name of the file in the data folder."""

Part = Literal["gallery", "journal"]
PARTS: tuple[Part, ...] = get_args(Part)
DATABASES: dict[Part, str] = {part: f"{part}.db" for part in PARTS}
"""The databases of the data folder, by part."""
KEY_FILES = ("keys.json", "sealing.json", "passes", "web.json")
"""The other files that edgeface writes there and that decide who may do what."""
LIST_FILES = ("owner.json", "device-keys.json")
"""Those that decide which devices doors trust; no backup has them."""
PENDING_FILES = ("proposals",)
"""Those with what waits for an admin and decides nothing by itself; no backup has them."""
FILES = (*KEY_FILES, *LIST_FILES, *PENDING_FILES)
"""All files, other than the databases, whose digests the head has."""

Kind = Literal["put back", "removed", "replaced", "altered"]
KINDS: tuple[Kind, ...] = get_args(Kind)

NO_MARK = bytes(16)
"""The mark of a file that does not exist."""
LEAP = 1 << 20
"""The numbers continue at the next multiple when a backup was restored, or what was found is accepted."""

RESERVED = 64
"""Commits of a database between two syncs of the record."""

TPM = "tpm"
"""What alarms about the TPM's counter are about, in place of a file."""

# The place of each gives its bit in the record: new ones go to the end.
_SUBJECTS = (*DATABASES.values(), FILE, *KEY_FILES, TPM, *LIST_FILES, *PENDING_FILES)
_BEGAN = 1 << 63
_ABOUT = "generation"
_SECTOR = 512
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PLACE = struct.Struct(">Q16sBQ16sQ16s")
_FILE = struct.Struct(">16sB16s")
_FLAGS = struct.Struct(">BQQ")
_COUNTER = struct.Struct(">QBQ")
# The first has no counter, the second no LIST_FILES, the third no PENDING_FILES. Each is still written where it has
# room for all that is known.
_VERSIONS = _WITHOUT, _WITH_COUNTER, _WITH_LIST, _WITH_PENDING = 1, 2, 3, 4


class Alarm(NamedTuple):
    """One file of the data folder that is not what edgeface wrote last."""

    subject: str
    """Its name, or TPM."""
    kind: Kind

    @property
    def bit(self) -> int:
        """The bit that stands for it in the head."""
        return 1 << (_SUBJECTS.index(self.subject) * len(KINDS) + KINDS.index(self.kind))


class Place(NamedTuple):
    """What a database was after its last commit."""

    number: int = 0
    """Rises with every commit; 0 if there has been none."""
    mark: bytes = NO_MARK
    """A keyed digest of its content."""


@dataclass(frozen=True, slots=True)
class Head:
    """The record."""

    places: dict[Part, Place] = field(default_factory=lambda: dict.fromkeys(PARTS, Place()))
    before: dict[Part, Place] = field(default_factory=dict)
    """Of a part with a commit under way, what it was before."""
    files: dict[str, bytes] = field(default_factory=lambda: dict.fromkeys(FILES, NO_MARK))
    """Keyed digests of the key files."""
    files_before: dict[str, bytes] = field(default_factory=dict)
    """Of a key file that is being written, what it was before."""
    until: dict[Part, int] = field(default_factory=dict)
    """The number that a database may have reached after a loss of power."""
    boots: dict[Part, bytes] = field(default_factory=dict)
    """The boot of the machine in which each place was written."""
    alarms: int = 0
    """The bits of what was found and has not been accepted."""
    recorded: int = 0
    """Those of them that the journal has a row about."""
    counter: int = 0
    """What the TPM's counter was when it was last advanced; 0 if it is not used."""
    advancing: bool = False
    """Whether it is being advanced, so that it may be higher by one."""
    counted: int = 0
    """The generation of the data folder at that moment."""

    @property
    def number(self) -> int:
        """The generation of the data folder: rises with every commit."""
        return sum(map(self.reached, PARTS))

    def reached(self, part: Part) -> int:
        """The number that a database has for certain: a commit under way may have been cut off."""
        return min(place.number for place in self.places_of(part))

    @property
    def found(self) -> tuple[Alarm, ...]:
        """What was found and has not been accepted."""
        return _alarms(self.alarms)

    @property
    def unrecorded(self) -> tuple[Alarm, ...]:
        """What was found and is not in the journal yet."""
        return _alarms(self.alarms & ~self.recorded)

    @property
    def began(self) -> bool:
        """Whether the head was made for data that was there before, and the journal does not say so yet."""
        return bool(self.alarms & _BEGAN & ~self.recorded)

    def places_of(self, part: Part) -> tuple[Place, ...]:
        """What a database may be: as the record says, and as it was before a commit that is under way."""
        return (self.places[part], *([self.before[part]] if part in self.before else []))

    def is_reserved(self, part: Part, number: int) -> bool:
        """Whether a database may be ahead of its place by a loss of power."""
        return self.boots.get(part) != this_boot() and number <= self.until.get(part, 0)

    def reserving(self, part: Part, number: int) -> Head:
        """With numbers reserved from this one; the record must then be synced."""
        return replace(self, until={**self.until, part: number + RESERVED})

    def marks_of(self, name: str) -> tuple[bytes, ...]:
        """The digests that a key file may have."""
        return (self.files[name], *([self.files_before[name]] if name in self.files_before else []))

    def raising(self, *alarms: Alarm, began: bool = False) -> Head:
        """With these alarms."""
        bits = self.alarms | (_BEGAN if began else 0)
        for alarm in alarms:
            bits |= alarm.bit
        return replace(self, alarms=bits)

    def placing(self, part: Part, place: Place, before: Place | None) -> Head:
        """With another place of a part, and with what it was before while the commit is under way."""
        rest = {other: was for other, was in self.before.items() if other != part}
        began = {} if before is None else {part: before}
        boots = {**self.boots, part: this_boot()}
        return replace(self, places={**self.places, part: place}, before={**rest, **began}, boots=boots)

    def pack(self) -> bytes:
        """The bytes that are sealed."""
        version = _WITH_COUNTER if self.counter > 0 or self.advancing else _WITHOUT
        if any(self.marks_of(name) != (NO_MARK,) for name in LIST_FILES):
            version = _WITH_LIST
        if any(self.marks_of(name) != (NO_MARK,) for name in PENDING_FILES):
            version = _WITH_PENDING
        packed = _FLAGS.pack(version, self.alarms, self.recorded)
        for part in PARTS:
            before = self.before.get(part)
            was = before or Place()
            rest = self.until.get(part, 0), self.boots.get(part, bytes(16))
            packed += _PLACE.pack(*self.places[part], before is not None, *was, *rest)
        for name in _files(version):
            old = self.files_before.get(name)
            packed += _FILE.pack(self.files[name], old is not None, old or NO_MARK)
        return packed if version == _WITHOUT else packed + _COUNTER.pack(self.counter, self.advancing, self.counted)

    @classmethod
    def unpack(cls, packed: bytes) -> Head:
        """Read what `pack` made; raises VaultError for a record of another version."""
        if packed[0] not in _VERSIONS:
            raise VaultError(f"{FILE}: written by another version of edgeface")
        _, alarms, recorded = _FLAGS.unpack_from(packed)
        offset = _FLAGS.size
        places: dict[Part, Place] = {}
        before: dict[Part, Place] = {}
        until: dict[Part, int] = {}
        boots: dict[Part, bytes] = {}
        for part in PARTS:
            number, mark, under_way, *old, until[part], boots[part] = _PLACE.unpack_from(packed, offset)
            places[part], offset = Place(number, mark), offset + _PLACE.size
            before.update({part: Place(*old)} if under_way else {})
        files = dict.fromkeys(FILES, NO_MARK)
        files_before: dict[str, bytes] = {}
        for name in _files(packed[0]):
            files[name], under_way, old = _FILE.unpack_from(packed, offset)
            files_before.update({name: old} if under_way else {})
            offset += _FILE.size
        counter, advancing, counted = _COUNTER.unpack_from(packed, offset) if packed[0] != _WITHOUT else (0, 0, 0)
        return cls(
            places, before, files, files_before, until, boots, alarms, recorded, counter, bool(advancing), counted
        )


class Slot:
    """The record while its lock is held."""

    def __init__(self, path: Path, handle: int, vault: Vault) -> None:
        self._path = path
        self._handle = handle
        self._vault = vault

    def read(self) -> Head | None:
        """The record; None if there is none. Raises VaultError if it was altered or sealed with another key."""
        return _opened(os.pread(self._handle, _SECTOR, 0), self._vault)

    def write(self, head: Head, *, durable: bool = True) -> None:
        """Replace the record; once it returns, a `durable` one is on the disk. Raises OSError."""
        sealed = self._vault.seal(head.pack(), _ABOUT)
        new = os.fstat(self._handle).st_size == 0
        os.pwrite(self._handle, len(sealed).to_bytes(2, "big") + sealed.ljust(_SECTOR - 2, b"\0"), 0)
        if durable or new:
            (os.fsync if new else os.fdatasync)(self._handle)
        if new:
            sync_folder(self._path.parent)


class HeadFile:
    """The head of one data folder; any thread and process may use it."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        self.folder = folder
        self._path = folder / FILE
        self._vault = vault

    @contextmanager
    def locked(self) -> Iterator[Slot]:
        """Hold the record's lock; raises OSError if the file cannot be created or written."""
        create(self._path)
        handle = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield Slot(self._path, handle, self._vault)
        finally:
            os.close(handle)

    @contextmanager
    def reading(self) -> Iterator[Head | None]:
        """Hold the lock against writers and yield the record; None without a file.

        Raises VaultError if it was altered, and OSError if it cannot be read.
        """
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield None
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield _opened(os.pread(handle, _SECTOR, 0), self._vault)
        finally:
            os.close(handle)

    def read(self) -> Head | None:
        """The record, as `reading` yields it."""
        with self.reading() as head:
            return head

    def mark_alarms(self, *alarms: Alarm) -> None:
        """Add alarms to an existing record; raises OSError and VaultError."""
        with self.locked() as slot:
            head = slot.read()
            if head is not None and (raised := head.raising(*alarms)) != head:
                slot.write(raised)

    def accept(self) -> None:
        """Take the key files as they are, and end all alarms; raises OSError, and VaultError for an altered record."""
        with self.locked() as slot:
            files = {name: mark_of(self._vault, self.folder / name) for name in FILES}
            head = slot.read() or Head()
            slot.write(replace(head, files=files, files_before={}, alarms=0, recorded=0))

    def count(self, counter: int, counted: int, *, advancing: bool) -> None:
        """Note the TPM's counter in an existing record; it is on the disk afterwards. Raises OSError and VaultError."""
        with self.locked() as slot:
            if (head := slot.read()) is None:
                raise VaultError(f"{FILE}: missing: start edgeface once, so that it is made")
            slot.write(replace(head, counter=counter, advancing=advancing, counted=counted))

    def mark_recorded(self, alarms: int) -> None:
        """Note that the journal has rows about these bits; raises OSError and VaultError."""
        with self.locked() as slot:
            if (head := slot.read()) is not None:
                slot.write(replace(head, recorded=head.recorded | alarms))


@cache
def this_boot() -> bytes:
    """16 bytes that differ from boot to boot of this machine."""
    try:
        return bytes.fromhex(_BOOT.read_text().strip().replace("-", ""))
    except (OSError, ValueError):
        return os.urandom(16)


def file_mark(vault: Vault, name: str, data: bytes) -> bytes:
    """The keyed digest of a key file."""
    return vault.link(b"", b"file", name.encode(), data)[:16]


def mark_of(vault: Vault, path: Path) -> bytes:
    """The keyed digest of a key file as it is; NO_MARK without one. Raises OSError."""
    try:
        return file_mark(vault, path.name, path.read_bytes())
    except FileNotFoundError:
        return NO_MARK


def put_file(folder: Path, vault: Vault, name: str, data: bytes) -> None:
    """Write a key file completely or not at all, and let the head know it; raises OSError."""
    with HeadFile(folder, vault).locked() as slot:
        try:
            head = slot.read()
        except VaultError:
            head = None  # a head that was altered is named by every check, and stays as it is
        if head is None:
            put_whole(folder / name, data)
            return
        mark, now = file_mark(vault, name, data), mark_of(vault, folder / name)
        if now not in head.marks_of(name):
            head = head.raising(Alarm(name, "removed" if now == NO_MARK else "put back"))
        rest = {other: was for other, was in head.files_before.items() if other != name}
        after = replace(head, files={**head.files, name: mark}, files_before=rest)
        slot.write(replace(after, files_before={**rest, name: now}))
        put_whole(folder / name, data)
        slot.write(after, durable=False)


def _files(version: int) -> tuple[str, ...]:
    if version == _WITH_PENDING:
        return FILES
    return (*KEY_FILES, *LIST_FILES) if version == _WITH_LIST else KEY_FILES


def _opened(sector: bytes, vault: Vault) -> Head | None:
    if not sector:
        return None
    return Head.unpack(vault.unseal(sector[2 : 2 + int.from_bytes(sector[:2], "big")], _ABOUT))


def _alarms(bits: int) -> tuple[Alarm, ...]:
    every = (Alarm(subject, kind) for subject in _SUBJECTS for kind in KINDS)
    return tuple(alarm for alarm in every if bits & alarm.bit)
