"""The ways to back PostgreSQL up that docs/fleet-operations.md shows, and how each brings the database back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tests.support.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Callable

DATABASE, POINT = "centre", "before"
"""The name of the database, and that of the moment to which those with an archive return."""


class Backup(Protocol):
    """One way; its files are in a folder that the user of the server may write to."""

    title: str

    def back_up(self, server: Postgres) -> None:
        """Make a backup of a server that runs."""

    def restored(self) -> Postgres:
        """A new server with the database as it was; it runs."""


class Dump:
    """pg_dump: as of the backup."""

    title = "pg_dump"

    def __init__(self, folder: Path) -> None:
        self._file = folder / "edgeface.dump"

    def back_up(self, server: Postgres) -> None:
        """Write one file."""
        server.run("pg_dump", *_at(server), "--format", "custom", "--file", self._file, DATABASE)

    def restored(self) -> Postgres:
        """Load it into an empty server."""
        server = Postgres()
        server.start()
        server.run("pg_restore", *_at(server), "--create", "--dbname", "postgres", self._file)
        return server


class BaseBackup:
    """pg_basebackup with an archive of the log: as of any moment since."""

    title = "pg_basebackup and an archive"

    def __init__(self, folder: Path, archive: Path) -> None:
        self._copy, self._archive = folder / "base", archive

    def back_up(self, server: Postgres) -> None:
        """Copy the data folder."""
        server.run("pg_basebackup", *_at(server), "-D", self._copy, "-X", "none", "-c", "fast")

    def restored(self) -> Postgres:
        """Replay the archive up to the moment."""
        command = f"cp {self._archive}/%f %p"
        settings = (f"restore_command={command}", f"recovery_target_name={POINT}", "recovery_target_action=promote")

        def fill(server: Postgres) -> None:
            server.run("/bin/cp", "-r", self._copy, server.data)
            server.run("/bin/touch", server.data / "recovery.signal")

        return _started(settings, fill)


class PgBackRest:
    """pgbackrest: as of any moment since."""

    title = "pgbackrest"
    PROGRAM = Path("/usr/bin/pgbackrest")

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "pgbackrest"

    def archive_command(self) -> str:
        """What the server runs for each file of its log."""
        return f"{self.PROGRAM} --config={self._folder}/conf --stanza=edgeface archive-push %p"

    def prepare(self, server: Postgres) -> None:
        """Begin the repository of a server that runs, or it archives nothing."""
        self._folder.mkdir()
        lines = [
            "[global]", f"repo1-path={self._folder}/repository", "compress-type=gz", "start-fast=y",
            *(f"{name}-path={self._folder}" for name in ("log", "lock", "spool")),
            "[edgeface]", f"pg1-path={server.data}", f"pg1-socket-path={server.root}", "pg1-user=edgeface",
        ]  # fmt: skip
        (self._folder / "conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        shutil.chown(self._folder, server.root.owner())
        self._run(server, "stanza-create")

    def back_up(self, server: Postgres) -> None:
        """Make a full backup."""
        self._run(server, "--type=full", "backup")

    def restored(self) -> Postgres:
        """Have pgbackrest fill the data folder; the server then fetches the log from it."""

        def fill(server: Postgres) -> None:
            target = ("--type=name", f"--target={POINT}", "--target-action=promote", f"--pg1-path={server.data}")
            self._run(server, *target, "restore")

        # What it has recovered is not archived into the repository of the old server.
        return _started(("archive_mode=off",), fill)

    def _run(self, server: Postgres, *words: str) -> None:
        server.run(str(self.PROGRAM), f"--config={self._folder}/conf", "--stanza=edgeface", *words)


def _at(server: Postgres) -> tuple[object, ...]:
    return "-h", server.root, "-U", "edgeface"


def _started(settings: tuple[str, ...], fill: Callable[[Postgres], None]) -> Postgres:
    server = Postgres(settings=settings, fill=fill)
    server.start()
    server.wait_until_writable()
    return server
