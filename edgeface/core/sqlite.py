"""Opens SQLite files: durable, private, of a known schema; a file that is not ours is never overwritten."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from itertools import takewhile
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol
from urllib.parse import quote

from edgeface.core.clock import SystemClock
from edgeface.core.errors import DISK_FULL, GalleryError, system_reason
from edgeface.core.files import own_as_folder, stamp, sync_folder

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

Step = Callable[[sqlite3.Connection], object]
"""Works inside the open transaction."""

BEFORE_UPDATE = "before-update"
"""Name of the folder next to the databases with copies of them from before an update changed their schema."""

BUSY_MS = 5000
"""Milliseconds a connection waits for the lock of another."""
_AGAIN = 0.02
_AT_A_TIME = 500
"""Values in one query."""
_MOST_FREE = 1 / 8
"""Share of a file's pages that may be free before it is written again."""
_LIST_AT = {2: 12, 5: 12, 10: 8, 13: 8}
"""Where the list of rows begins in a page, by its kind."""
# Bytes; a sealed row and a tag have more.
_NUMBERS = 8
_HEADER_BYTES, _LEAST_PAGE, _BLOCK_PAGES = 100, 1 << 12, 256
NEWER = "install that version again, or run its `edgeface rollback` (docs/releases.md)"
"""What to do about a file that a newer version has written."""
PRAGMAS = (
    # With WAL and FULL a power cut loses no commit; with NORMAL it loses thousands (docs/decisions).
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # Deleted data is overwritten with zeros (sqlite.org/pragma.html#pragma_secure_delete).
    "PRAGMA secure_delete = ON",
    # Personal data never goes to a temporary file.
    "PRAGMA temp_store = MEMORY",
)


class Guard(Protocol):
    """Follows what the transactions of one connection change."""

    def begin(self) -> None:
        """A transaction is about to begin."""

    def committing(self) -> AbstractContextManager[None]:
        """Surrounds the COMMIT of a transaction; what it raises rolls the transaction back."""


class GuardedConnection(sqlite3.Connection):
    """A connection whose transactions a guard may follow."""

    guard: Guard | None = None


class Schema(NamedTuple):
    """How a file is migrated to its newest version, which PRAGMA user_version holds."""

    steps: tuple[Step, ...]
    """The first step fills an empty file; each later one leads to the next version."""
    first: int = 1
    """The version that the first step makes; older files are refused."""

    @property
    def newest(self) -> int:
        """The version after all steps."""
        return self.first + len(self.steps) - 1


def open_database(path: Path, schema: Schema, noun: str) -> sqlite3.Connection:
    """Open or create the file with mode 0600 in a folder of mode 0700, and migrate it to the newest schema.

    Raises GalleryError if the folder cannot be written, or the file is corrupt, not SQLite, not a `noun` of edgeface,
    or of a schema this edgeface does not know; the file is then unchanged.
    """
    with translated(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        create(path)
        connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, factory=GuardedConnection)
        try:
            _inspect(connection, path, schema, noun)
            for pragma in PRAGMAS:
                connection.execute(pragma).fetchall()
            _migrate(connection, schema, path)
        except BaseException:
            connection.close()
            raise
    return connection


def open_copy(path: Path, schema: Schema, noun: str, why: GalleryError) -> sqlite3.Connection:
    """Read a file that cannot be opened for writing into memory, and migrate the copy to the newest schema.

    A missing or empty file gives an empty copy. Raises `why` if the file cannot be read either, and GalleryError if it
    is damaged or not ours.
    """
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        with translated(path):
            if path.exists() and path.stat().st_size:
                _read_into(connection, path, why)
            _inspect(connection, path, schema, noun)
            connection.execute("PRAGMA foreign_keys = ON")
            _migrate(connection, schema)
    except BaseException:
        connection.close()
        raise
    return connection


def _read_into(connection: sqlite3.Connection, path: Path, why: GalleryError) -> None:
    # A folder that may be written to may still have no room for the shared memory.
    for immutable in (False, True):
        with suppress(sqlite3.OperationalError), closing(reading_only(path, immutable=immutable)) as source:
            source.backup(connection)
            return
    raise why


def reading_only(path: Path, *, immutable: bool | None = None) -> sqlite3.Connection:
    """A connection to a file that writes nothing; tampered text is read as well. Raises sqlite3.Error.

    Without its shared memory, which is a file too, SQLite reads only a file that it may assume to be `immutable`; if
    not given, that follows from the folder. With a write-ahead log, the file alone is incomplete, and never is.
    """
    log = path.with_name(f"{path.name}-wal")
    alone = not os.access(path.parent, os.W_OK) if immutable is None else immutable
    alone = alone and not (log.exists() and log.stat().st_size)
    uri = f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' * alone}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_MS / 1000, isolation_level=None)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    return connection


def open_unchanged(path: Path, schema: Schema, noun: str) -> sqlite3.Connection:
    """Open a file of the newest schema and never write to it.

    Raises GalleryError if it cannot be read, is damaged or not ours, or an older edgeface wrote it.
    """
    with translated(path):
        connection = reading_only(path)
        try:
            _inspect(connection, path, schema, noun)
            _require_newest(connection, path, schema)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the file system into a GalleryError of one line."""
    try:
        yield
    except sqlite3.Error as error:
        raise GalleryError(f"{path}: {_explained(error)}") from error
    except OSError as error:
        raise GalleryError(f"{error.filename or path}: {system_reason(error)}") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit everything written inside, or nothing; joins a transaction that is already open."""
    joined = connection.in_transaction
    if joined:
        yield
        return
    guard = getattr(connection, "guard", None)
    if guard is not None:
        guard.begin()
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        with nullcontext() if guard is None else guard.committing():
            connection.execute("COMMIT")
    except BaseException:
        # SQLite may have rolled back already, for example on a full disk.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """Read one state of the file, whoever writes meanwhile; joins a transaction that is already open."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def among(
    connection: sqlite3.Connection, query: str, values: Collection[object], *before: object,
    after: tuple[object, ...] = (),
) -> Iterator[tuple[Any, ...]]:  # fmt: skip
    """The rows of a query with `IN ({})`, for any number of values; those of other places come `before` and `after`."""
    values = list(values)
    for start in range(0, len(values), _AT_A_TIME):
        some = values[start : start + _AT_A_TIME]
        yield from connection.execute(query.format(", ".join("?" * len(some))), (*before, *some, *after)).fetchall()


def erase(connection: sqlite3.Connection, path: Path) -> None:
    """Overwrite deleted rows in the file and its log; raises GalleryError if another process reads the log.

    The whole file is written again only where something of a deleted row may be left.
    """
    empty_log(connection, path)
    with translated(path):
        clean = _is_clean(connection, path)
        if not clean:
            connection.execute("VACUUM")
    if not clean:
        empty_log(connection, path)


def _is_clean(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether no byte of a deleted row is left in a file whose log is empty, and the file is not much too large.

    `secure_delete` overwrites rows and pages when they are deleted. What it misses is the copy of a row that SQLite has
    moved to another page: it stays between the list of rows of the old page and the first row there, until the page
    needs the room (sqlite.org/fileformat2.html#b_tree_pages).
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        pragmas = ("page_size", "page_count", "freelist_count")
        size, count, free = (int(connection.execute(f"PRAGMA {what}").fetchone()[0]) for what in pragmas)
        # Another program has written in the meantime.
        if path.with_name(f"{path.name}-wal").stat().st_size or free > _MOST_FREE * count:
            return False
        with path.open("rb") as file:
            return _free_pages_are_clean(file, size) and _rows_are_clean(file, size)
    finally:
        connection.execute("COMMIT")


def _rows_are_clean(file: BinaryIO, size: int) -> bool:
    """Whether the pages with rows are empty between the list of their rows and the first row."""
    zeros, header = bytes(size), _HEADER_BYTES
    file.seek(0)
    while block := file.read(_BLOCK_PAGES * size):
        for page in range(0, len(block), size):
            head, header = page + header, 0
            list_at = _LIST_AT.get(block[head])
            if list_at is not None:
                end = page + (_number(block, head + 5, 2) or 1 << 16)
                gap = block[head + list_at + 2 * _number(block, head + 3, 2) : end]
                if gap != zeros[: len(gap)] and not _is_empty(gap):
                    return False
    return True


def _free_pages_are_clean(file: BinaryIO, size: int) -> bool:
    """Whether the pages that are free hold nothing but the numbers of other free pages."""

    def page(number: int) -> bytes:
        file.seek((number - 1) * size)
        return file.read(size)

    trunk = _number(page(1), 32)
    while trunk:
        data = page(trunk)
        end = 8 + 4 * _number(data, 4)
        if not (_is_empty(data[end:]) and all(_is_empty(page(_number(data, at))) for at in range(8, end, 4))):
            return False
        trunk = _number(data, 0)
    return True


def _is_empty(data: bytes) -> bool:
    """Whether bytes are zero, except for SQLite's own numbers: the places of former rows, and a few sizes of rooms."""
    # Places are below the size of a page; sealed bytes are no such list.
    places = takewhile(lambda at: 0 < _number(data, at, 2) < _LEAST_PAGE, range(0, len(data), 2))
    rest = data[2 * sum(1 for _ in places) :]
    return len(rest) - rest.count(0) <= _NUMBERS


def _number(data: bytes, at: int, size: int = 4) -> int:
    return int.from_bytes(data[at : at + size], "big")


def empty_log(connection: sqlite3.Connection, path: Path) -> None:
    """Move the log into the file and empty it; raises GalleryError if another process reads the log."""
    clock = SystemClock()
    until = clock.monotonic() + BUSY_MS / 1000
    with translated(path):
        # SQLite waits for readers itself, but not for a checkpoint of another connection.
        while busy := int(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]):
            if clock.monotonic() >= until:
                break
            clock.sleep(_AGAIN)
    if busy:
        raise GalleryError(f"{path}: deleted rows leave traces in the log while another program reads it; try again")


def stamps(path: Path) -> tuple[object, object]:
    """What changes with each write: the stamps of the file and of its log."""
    return stamp(path), stamp(path.with_name(f"{path.name}-wal"))


def keep(path: Path) -> None:
    """Copy a database as it is, before its schema changes; a copy from an earlier update is replaced.

    The copy is as sealed as the database. The caller holds the lock, so that no one writes meanwhile. Raises
    sqlite3.Error or OSError, for example if there is no room.
    """
    folder = path.parent / BEFORE_UPDATE
    folder.mkdir(mode=0o700, exist_ok=True)
    # Not through a link: root would give away the folder at its end.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        own_as_folder(handle, path.parent)
    finally:
        os.close(handle)
    part = folder / f"{path.name}.part"
    part.unlink(missing_ok=True)
    create(part)
    with closing(reading_only(path, immutable=False)) as source, closing(sqlite3.connect(part)) as target:
        source.backup(target)
        # One file, without a log next to it.
        target.execute("PRAGMA journal_mode = DELETE").fetchall()
    part.replace(folder / path.name)
    sync_folder(folder)


def create(path: Path) -> None:
    """Create an empty file with mode 0600 and its folder's owner unless it exists; raises OSError."""
    with suppress(FileExistsError):
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            own_as_folder(handle, path.parent)
        finally:
            os.close(handle)
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


def _inspect(connection: sqlite3.Connection, path: Path, schema: Schema, noun: str) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if version == 0 and tables:
        raise GalleryError(f"{path}: a database, but not edgeface's {noun}")
    if version > schema.newest:
        raise GalleryError(
            f"{path}: written by a newer edgeface (schema {version}, this one knows {schema.newest}): {NEWER}"
        )
    if 0 < version < schema.first:
        raise GalleryError(f"{path}: written by a version before 0.1 (schema {version}), which edgeface cannot read")
    if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise GalleryError(f"{path}: the {noun} is damaged; put a backup in its place")


def _require_newest(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    if int(connection.execute("PRAGMA user_version").fetchone()[0]) < schema.newest:
        raise GalleryError(f"{path}: written by an older edgeface: run edgeface people, which upgrades it")


def _migrate(connection: sqlite3.Connection, schema: Schema, path: Path | None = None) -> None:
    with transaction(connection):
        # Read again under the lock: another process may have migrated the file meanwhile.
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if path is not None and 0 < version < schema.newest:
            keep(path)
        for step in schema.steps[version - schema.first + 1 if version else 0 :]:
            step(connection)
        if version < schema.newest:
            connection.execute(f"PRAGMA user_version = {schema.newest}")


def _explained(error: sqlite3.Error) -> str:
    text = str(error)
    if "readonly" in text or "unable to open" in text:
        return f"cannot be written ({text})"
    if "not a database" in text or "malformed" in text:
        return f"not a database, or damaged ({text}); put a backup in its place"
    if "is full" in text:
        return f"cannot be written ({DISK_FULL})"
    if "disk I/O" in text:
        # Also if there is no room for the shared memory of its log.
        return f"cannot be written ({text}; perhaps {DISK_FULL})"
    return text
