"""Two centres behind packages/centre/nginx.conf: one is killed while devices follow, and started again."""

from __future__ import annotations

import http.client
import re
import shutil
import ssl
import subprocess
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.centre.records import Entry
from tests.support.centre_server import HOST, SITE
from tests.support.embeddings import unit
from tests.support.postgres import Postgres, memory
from tools.faults.part import say
from tools.faults.site import ROOT
from tools.fleet_faults.centre_process import CentreProcess, free_port, join_as
from tools.fleet_faults.followers import Followers
from tools.fleet_faults.stage import BY, MODEL
from tools.fleet_faults.step import Options, Row, missed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edgeface.centre.context import CentreContext

NGINX = (ROOT / "packages" / "centre" / "nginx.conf").read_text(encoding="utf-8")
MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
_STEP, _BAR = "one of two centres killed", "every device has every change <= 10 s, digests equal"
_DEVICES, _KILLS, _MOST_SECONDS = 8, 4, 10.0
_CHANGES = 3
"""After each kill."""


def program() -> str | None:
    """nginx, if it is here with the module `stream`."""
    found = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    return found if found is not None and MODULE.exists() else None


def nginx_conf(folder: Path, ports: Mapping[int, int]) -> str:
    """The supplied file as a whole configuration, with other ports."""
    text = re.sub(r"(?<=[ :])\d+(?=;|\s+max_fails)", lambda found: str(ports.get(int(found[0]), found[0])), NGINX)
    return f"load_module {MODULE};\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n{text}"


def run(options: Options) -> list[Row]:
    """Kill them in turn while devices follow and another program asks."""
    if program() is None:
        return [Row(_STEP, "", "not tried: needs nginx and libnginx-mod-stream", _BAR, skipped=True)]
    folders = [options.folder / f"door-{n}" for n in range(_DEVICES)]
    with _two(options.folder) as (centres, port), centres[0].context() as context:
        for folder in folders:
            join_as(centres[0], context, folder)
        with Followers(f"https://{HOST}:{port}", folders) as followers, _Asking(port, context) as asking:
            _change(context, followers, 0)
            times, cut = [], 0
            for kill in range(_KILLS):
                killed = centres[kill % 2]
                cut += _connections(killed.port)
                killed.kill()
                times += [_change(context, followers, 100 * kill + n) for n in range(1, _CHANGES + 1)]
                killed.start()
                time.sleep(6)  # longer than fail_timeout
            problems = followers.problems
        time.sleep(1)
        equal = [one.state for one in context.store.proof(SITE).devices].count("equal")
    worst = max(max(one) for one in times)
    everywhere = all(len(one) == _DEVICES for one in times)
    return [
        Row(
            _STEP,
            f"{_DEVICES} devices behind nginx, {_KILLS} kills in turn, which cut {cut} connections, {_CHANGES} changes "
            "after each; another program with a connection for each question",
            f"{asking.failed} of {asking.asked:,} questions failed, none after {asking.longest:.1f} s; a change with "
            f"all after {worst:.1f} s (worst); {equal} of {_DEVICES} digests equal",
            _BAR,
            missed(
                every_change_everywhere=everywhere,
                connections_were_cut=cut >= _KILLS,
                within_10_s=worst <= _MOST_SECONDS,
                digests_equal=equal == _DEVICES,
            )
            + tuple(sorted(problems)),
        )
    ]


@contextmanager
def _two(folder: Path) -> Iterator[tuple[tuple[CentreProcess, CentreProcess], int]]:
    """Two centres on one database and keyring, and the port of nginx."""
    place = Path(tempfile.mkdtemp(prefix="edgeface-fleet-", dir=memory() or folder))
    postgres, port = Postgres(), free_port()
    centres = CentreProcess(postgres, place, "one"), CentreProcess(postgres, place, "two")
    nginx: subprocess.Popen[bytes] | None = None
    try:
        postgres.start()
        postgres.create("centre")
        centres[0].init()
        for one in centres:
            one.start()
        ports = {8444: port, 18444: centres[0].port, 28444: centres[1].port, 8443: free_port()}
        (place / "nginx.conf").write_text(nginx_conf(place, ports), encoding="utf-8")
        nginx = subprocess.Popen([str(program()), "-c", str(place / "nginx.conf"), "-g", "daemon off;"])
        yield centres, port
    finally:
        if nginx is not None:
            nginx.terminate()
            nginx.wait()
        for one in centres:
            one.kill()
        postgres.close()
        shutil.rmtree(place)


@dataclass
class _Asking:
    """Asks all the time, over a new connection each time; an answer of any status counts."""

    port: int
    context: CentreContext
    asked: int = 0
    failed: int = 0
    longest: float = 0.0
    """Seconds from the first failed question in a row to the next answer, at most."""
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> _Asking:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        tls = ssl.create_default_context(cadata=self.context.authority.pem)
        failing: float | None = None
        while not self._ending.wait(0.05):
            began = time.monotonic()
            self.asked += 1
            if self._ask(tls):
                self.longest = max(self.longest, 0.0 if failing is None else time.monotonic() - failing)
                failing = None
            else:
                self.failed += 1
                failing = began if failing is None else failing

    def _ask(self, tls: ssl.SSLContext) -> bool:
        with closing(http.client.HTTPSConnection(HOST, self.port, timeout=5, context=tls)) as connection:
            try:
                connection.request("GET", "/v1/sites/tower/epoch")
                return connection.getresponse().status > 0
            except (OSError, http.client.HTTPException):
                return False


def _connections(port: int) -> int:
    """How many connections a port of this machine has."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="utf-8").splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def _change(context: CentreContext, followers: Followers, n: int) -> list[float]:
    """Seconds until each device has a change."""
    began = time.monotonic()
    seq = context.store.put(SITE, Entry(id=f"p-{n}", name="New", embeddings={MODEL: unit(n)}), BY)
    found = [had.written - began for had in followers.wait(seq, 60)]
    say(f"change {n}: with {len(found)} after {max(found, default=0):.2f} s")
    return found
