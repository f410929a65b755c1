"""`edgeface backup` and `edgeface restore`: the data folder in one sealed file, without the key that seals it.

The file is a line of text with the id of the key, then pieces, each sealed for its place: the first lists the files,
the others hold them. A restore leaves out who was forgotten since, and starts above the last generation.

Neither who this device is in a fleet nor the people of its centre are in it: a second device must not be able to speak
for this one, and no one stays in backups after the centre has forgotten them.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.config import loader
from edgeface.config.configuration import Configuration
from edgeface.core import sqlite
from edgeface.core.clock import SystemClock, rfc3339
from edgeface.core.console import say
from edgeface.core.errors import EdgefaceError, GalleryError, UsageError, VaultError
from edgeface.core.files import LOCK, only_one, put_whole, regular
from edgeface.core.text import printable, printable_path
from edgeface.gallery import leases
from edgeface.gallery import rows as gallery_rows
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.rows import RowCodec
from edgeface.journal import removal
from edgeface.journal.database import noted
from edgeface.journal.journal import write_rows
from edgeface.people.rules import level_threshold
from edgeface.security import integrity
from edgeface.security.content import renew_all, stored
from edgeface.security.head import DATABASES, KEY_FILES, HeadFile
from edgeface.security.sealing_keys import SEALING
from edgeface.security.signing_keys import SIGNING, read
from edgeface.security.vault import FILE as KEY
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from edgeface.security.vault import Vault

_MAGIC = "edgeface-backup-1"
_PIECE = 1 << 20
_MAX_HEADER = 128
_MAX_PIECE = _PIECE + 64
_SUFFIX = ".backup"
_LOCK = "backup-lock"


class Manifest(NamedTuple):
    """The first piece."""

    wall: float
    """When it was made, in wall seconds."""
    files: dict[str, int]
    """Names and sizes, in the order of the pieces."""


def run_backup(arguments: Namespace) -> int:
    """Write a backup to a file, or to a new one in a folder, where --keep leaves the newest."""
    folder, wall = loader.data_folder(arguments), SystemClock().wall()
    if arguments.keep is not None and (arguments.keep < 1 or not arguments.file.is_dir()):
        raise UsageError("--keep N needs a FOLDER, and 1 or more")
    if not (folder / DATABASES["gallery"]).exists():
        raise GalleryError(f"{printable_path(folder)}: no gallery here yet (edgeface enroll creates one)")
    path = arguments.file
    if path.is_dir():
        path /= f"edgeface-{rfc3339(wall)[:19].replace(':', '')}Z{_SUFFIX}"
    vault = open_vault(folder)
    with sqlite.translated(path):
        if found := integrity.check(folder, vault):
            raise GalleryError(f"not backed up: {found[0].line} (edgeface audit verify)")
        with _staged(folder) as stage:
            _copy(folder, vault, stage)
            _leave_out_fleet(vault, stage, 2.0)
            size = _write(path, vault, stage, wall)
        for old in sorted(path.parent.glob(f"edgeface-*{_SUFFIX}"))[: -arguments.keep] if arguments.keep else ():
            old.unlink()
    say(f"{printable_path(path)}: {size:,} bytes, sealed with key {vault.id}")
    _say_keys(folder)
    return 0


def run_restore(arguments: Namespace) -> int:
    """Put a backup in the place of what is in the data folder, while no daemon runs."""
    configuration = _configuration(arguments)
    folder, wall = configuration.data, SystemClock().wall()
    vault = open_vault(folder)
    with sqlite.translated(folder), ExitStack() as stack:
        try:
            stack.enter_context(only_one(folder / LOCK))
        except BlockingIOError:
            raise GalleryError(f"{printable_path(folder)}: stop the daemon first") from None
        current = None if arguments.lost else stack.enter_context(_current(folder, vault))
        doubtful = sorted({one.alarm.subject for one in integrity.check(folder, vault)})
        stage = stack.enter_context(_staged(folder))
        manifest = _unpack(arguments.file, vault, stage)
        forgotten = _leave_out(configuration, vault, stage, current)
        if (folder / leases.FILE).exists():
            # Written first: otherwise that no one of the centre is there would count as forgetting them.
            put_whole(folder / leases.RESTORED, b"")
        if current is not None:
            current.close()
        _swap(folder, vault, stage)
        renew_all(folder, vault, wall)
    made = rfc3339(manifest.wall)[:10]
    facts = {"found": "restored", "made": made, "left_out": forgotten, "files": doubtful}
    if problem := write_rows(folder / DATABASES["journal"], [noted("integrity", wall, facts)]):
        raise EdgefaceError(f"restored, but not in the audit trail: {problem}")
    say(f"restored from a backup of {made}; left out, because they were forgotten since: {forgotten}")
    if arguments.lost:
        say(f"who was forgotten after {made} is in it: forget them again")
    say("changes of people, consent and PINs since then are undone")
    return 0


def _configuration(arguments: Namespace) -> Configuration:
    if arguments.data is None:
        return loader.load(arguments.config)
    return Configuration.model_construct(cameras={}, data=arguments.data)


def _say_keys(folder: Path) -> None:
    kids = [record.kid for purpose in (SIGNING, SEALING) for record in read(folder, purpose)]
    say(f"in it, sealed: {'the keys ' + ', '.join(kids) if kids else 'no keys of doors'}")
    say("not in it: the key that opens it")
    say(f"keep a copy of {printable_path(folder / KEY)}, or of the credential, in another place")


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """An empty folder for files under way, which is removed at the end; raises GalleryError if another has it."""
    stage = folder / ".stage"
    with ExitStack() as held:
        try:
            held.enter_context(only_one(folder / _LOCK))
        except BlockingIOError:
            raise GalleryError(f"{printable_path(folder)}: another backup or restore is under way") from None
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir(mode=0o700)
        held.callback(shutil.rmtree, stage, ignore_errors=True)
        yield stage


def _copy(folder: Path, vault: Vault, stage: Path) -> None:
    """Copy both databases and the key files as they are at one moment."""
    with ExitStack() as stack:
        sources = {}
        with HeadFile(folder, vault).reading():
            for name in DATABASES.values():
                if (folder / name).exists():
                    sources[name] = stack.enter_context(closing(sqlite.reading_only(folder / name)))
                    sources[name].execute("BEGIN")
                    sources[name].execute("SELECT count(*) FROM sqlite_master").fetchone()
            for name in KEY_FILES:
                if (folder / name).exists():
                    put_whole(stage / name, (folder / name).read_bytes())
        for name, source in sources.items():
            sqlite.create(stage / name)
            with closing(sqlite3.connect(stage / name)) as target:
                source.backup(target)
                # One file, without a log next to it.
                target.execute("PRAGMA journal_mode = DELETE").fetchall()


def _write(path: Path, vault: Vault, stage: Path, wall: float) -> int:
    files = {file.name: file.stat().st_size for file in sorted(stage.iterdir())}
    salt = secrets.token_hex(16)

    def parts() -> Iterator[bytes]:
        yield f"{_MAGIC} {vault.id} {salt}\n".encode()
        manifest = json.dumps({"wall": wall, "files": files}).encode()
        for number, piece in enumerate((manifest, *_pieces(stage, files))):
            sealed = vault.seal(piece, f"backup {salt} {number}")
            yield len(sealed).to_bytes(4, "big") + sealed

    put_whole(path, parts())
    return path.stat().st_size


def _pieces(stage: Path, files: dict[str, int]) -> Iterator[bytes]:
    for name in files:
        yield from _whole(stage / name)


def _unpack(path: Path, vault: Vault, stage: Path) -> Manifest:
    """Write the files of a backup; raises GalleryError or VaultError if it is none, cut, altered or of another key."""
    with regular(path) as file:
        words = file.readline(_MAX_HEADER).decode("ascii", "replace").split()
        if len(words) != 3 or words[0] != _MAGIC:  # noqa: PLR2004 - as `_write` writes them
            raise GalleryError(f"{printable_path(path)}: not a backup of edgeface")
        if words[1] != vault.id:
            raise VaultError(
                f"{printable_path(path)}: sealed with key {printable(words[1])}, the key here is {vault.id}"
            )
        pieces = _sealed(file, vault, words[2], path)
        facts: dict[str, Any] = json.loads(next(pieces))
        manifest = Manifest(float(facts["wall"]), dict(facts["files"]))
        for name, size in manifest.files.items():
            if name not in (*DATABASES.values(), *KEY_FILES):
                raise GalleryError(f"{printable_path(path)}: holds {printable(name)}, which no backup has")
            put_whole(stage / name, _file(pieces, size))
    return manifest


def _sealed(file: BinaryIO, vault: Vault, salt: str, path: Path) -> Iterator[bytes]:
    number = 0
    while length := file.read(4):
        size = int.from_bytes(length, "big")
        sealed = file.read(size) if size <= _MAX_PIECE else b""
        yield vault.unseal(sealed, f"backup {salt} {number}")
        number += 1
    raise GalleryError(f"{printable_path(path)}: its end is missing")


def _file(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    while size > 0:
        piece = next(pieces)
        size -= len(piece)
        yield piece


@contextmanager
def _current(folder: Path, vault: Vault) -> Iterator[Gallery]:
    """The gallery that is there, which knows who was forgotten; raises GalleryError without one."""
    path = folder / DATABASES["gallery"]
    lost = "--lost restores without it, and brings back who was forgotten since the backup"
    if not path.exists():
        raise GalleryError(f"{printable_path(path)}: there is none that knows who was forgotten; {lost}")
    try:
        gallery = _unguarded(path, vault)
    except GalleryError as error:
        raise GalleryError(f"{error}; {lost}") from error
    with closing(gallery):
        yield gallery


def _unguarded(path: Path, vault: Vault) -> Gallery:
    connection = sqlite.open_database(path, gallery_rows.schema(vault), "gallery")
    gallery_rows.require_same_key(vault, connection, path)
    return Gallery(path, connection, "", RowCodec(vault, path))


def _leave_out(configuration: Configuration, vault: Vault, stage: Path, current: Gallery | None) -> int:
    """Erase from the unpacked files who was forgotten since; returns how many people."""
    gallery = _unguarded(stage / DATABASES["gallery"], vault)
    with closing(gallery):
        gone = frozenset() if current is None else current.gone
        kept = {} if current is None else {one.id: one.enrolled for one in current.people()}
        who = [one.id for one in gallery.people() if gallery.is_gone(one.id, gone) and kept.get(one.id) != one.enrolled]
        unknowns = [one for one in gallery.all_unknown_ids() if gallery.is_gone(one, gone)]
        alike = level_threshold(configuration, gallery.census())[0]
        if who or unknowns:
            gallery.remove([*who, *unknowns], alike)
        gallery.retire(gone)
    _leave_out_fleet(vault, stage, alike)
    journal = stage / DATABASES["journal"]
    if journal.exists() and (who or unknowns):
        removal.redact_in(journal, vault, *who, *unknowns)
    return len(who)


def _leave_out_fleet(vault: Vault, stage: Path, alike: float) -> None:
    """Erase from the unpacked gallery whoever is here by the word of a centre, which has them and may forget them."""
    with closing(_unguarded(stage / DATABASES["gallery"], vault)) as gallery:
        who = [one.id for one in gallery.people() if one.site is not None]
        if who:
            gallery.remove(who, alike)


def _swap(folder: Path, vault: Vault, stage: Path) -> None:
    """Move the unpacked files into the folder; a journal and key files that are in it stay.

    They are never older than those of the backup: a key or a pass that was withdrawn stays withdrawn.
    """
    for name in (*DATABASES.values(), *KEY_FILES):
        target = folder / name
        if not (stage / name).exists() or (name != DATABASES["gallery"] and _stays(target, vault)):
            continue
        for suffix in ("-wal", "-shm"):
            target.with_name(target.name + suffix).unlink(missing_ok=True)
        put_whole(target, _whole(stage / name))


def _stays(path: Path, vault: Vault) -> bool:
    if path.name != DATABASES["journal"]:
        return path.exists()
    try:
        with closing(sqlite.reading_only(path)) as connection:
            return path.exists() and stored(connection, vault, "journal") is not None
    except (sqlite3.Error, VaultError):
        return False


def _whole(path: Path) -> Iterator[bytes]:
    with regular(path) as file:
        while piece := file.read(_PIECE):
            yield piece
