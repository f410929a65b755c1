"""The recognition service behind nginx: throughput of one and two workers, a worker that is killed, memory and start.

    python -m benchmarks.serve [--seconds 20] [--people 1000 10000] [--write]

wrk sends one photo again and again over eight connections, and nginx, with packages/recognition_service/nginx.conf,
shares them among the workers. One worker has a core to itself, with the process that decodes its photos; wrk and nginx
are on the other one. Two workers share both cores with wrk and nginx. What those use is read from /proc, and so is what
other programs use. Writes build/bench-serve.json. The people are random.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.people import fill
from edgeface.demo.mosquitto import free_port
from edgeface.web.auth import accounts
from tools import figures
from tools.faults import table
from tools.ports import listens
from tools.processes import children, cpu_seconds, machine_cpu_seconds, memory_mb, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "packages.md"
MARK = "recognition-service"
NGINX = ROOT / "packages" / "recognition_service" / "nginx.conf"
PHOTO = ROOT / "tests" / "data" / "obama2.jpg"
CONNECTIONS = 8
RATIO_BAR = 0.85
"""Of two workers over one, for each core that wrk and nginx leave them."""
KILL_BAR = 0.01
"""Of the requests while a worker is killed, those that may fail."""
MOST_OTHERS = 0.2
"""Cores that other programs may use; with more, the ratio of two loads says more about them."""
KILL_SECONDS = 20.0
"""Of the load during which a worker is killed, after a third of it."""
START_SECONDS = 120.0

LUA = """\
local file = io.open(os.getenv("PHOTO"), "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "image/jpeg"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("TOKEN")
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests": %d, "seconds": %.6f, "p50": %.3f, "p95": %.3f, "failed": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(95) / 1000,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


class Load(NamedTuple):
    """What wrk has measured, and what the machine did meanwhile."""

    requests: int
    failed: int
    rate: float
    """Answers of status 200 per second."""
    p50: float
    """Milliseconds."""
    p95: float
    outside: float
    """Cores that wrk and nginx used."""
    service: float
    """Cores that the service used."""
    others: float
    """Cores that programs used that do not belong to this."""


@dataclass
class Site:
    """A running service, and nginx before it."""

    folder: Path
    service: subprocess.Popen[bytes]
    nginx: subprocess.Popen[bytes]
    port: int
    token: str
    ready_s: float

    @property
    def workers(self) -> list[int]:
        """The process ids of the workers."""
        return children(self.service.pid)


def main() -> int:
    """Measure, print the table, and write the figures; 0 if both bars hold."""
    options = _parser().parse_args()
    for need, package in (("wrk", "wrk"), ("nginx", "nginx-light"), ("taskset", "util-linux")):
        if shutil.which(need) is None:
            raise SystemExit(f"bench-serve: {need} is missing: apt-get install {package}")
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:  # noqa: PLR2004 - two cores
        raise SystemExit("bench-serve: needs two cores")
    rows, held = measured(cores, options)
    text = tabled(rows)
    print(text)
    figures.save("bench-serve", text)
    if options.write:
        table.write(PAGE, MARK, text.rstrip())
    return 0 if held else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each load")
    parser.add_argument("--people", type=int, nargs="+", default=[10, 1_000, 10_000])
    parser.add_argument("--write", action="store_true", help=f"write the table to {PAGE.relative_to(ROOT)}")
    return parser


def measured(cores: Sequence[int], options: argparse.Namespace) -> tuple[list[tuple[str, str, str]], bool]:
    """The rows of the table, and whether the bars hold."""
    with tempfile.TemporaryDirectory(prefix="edgeface-serve-") as scratch:
        folder = Path(scratch)
        data = folder / "data-1"
        fill(data, 100)
        one = loaded(folder, data, cores[:1], cores[1:], options.seconds)
        two = loaded(folder, data, cores, cores, options.seconds)
        kill = killed(folder, data, cores)
        rows, held = compared(one, two, kill)
        for people in options.people:
            rows += sized(folder, people, cores)
    return rows, held


def compared(one: Load, two: Load, kill: Load) -> tuple[list[tuple[str, str, str]], bool]:
    """The rows of the loads, and whether both bars hold."""
    least = RATIO_BAR * (2 - two.outside)
    ratio, lost = two.rate / one.rate, kill.failed / max(1, kill.requests)
    others = max(one.others, two.others)
    doubt = f"; shows nothing: other programs used {others:.1f} cores" if others > MOST_OTHERS else ""
    rows = [
        ("answers per second, 1 worker with a core to itself", "", f"{one.rate:.1f}"),
        ("answers per second, 2 workers on both cores", "", f"{two.rate:.1f}"),
        ("2 workers over 1", f">= {RATIO_BAR} x (2 - {two.outside:.2f} cores) = {least:.2f}", f"{ratio:.2f}{doubt}"),
        ("cores of wrk and nginx; of the service; of other programs: 1 worker", "", _cores(one)),
        ("the same, 2 workers", "", _cores(two)),
        (
            "answers per second and core that the service used, 1 worker; 2 workers",
            "",
            f"{one.rate / one.service:.1f}; {two.rate / two.service:.1f}",
        ),
        (f"latency of 1 worker, {CONNECTIONS} connections, p50 / p95", "", f"{one.p50:.0f} / {one.p95:.0f} ms"),
        (f"latency of 2 workers, {CONNECTIONS} connections, p50 / p95", "", f"{two.p50:.0f} / {two.p95:.0f} ms"),
        (
            "kill -9 of one of two under load: requests that failed",
            f"<= {KILL_BAR:.0%}",
            f"{kill.failed} of {kill.requests} ({lost:.2%})",
        ),
    ]
    return rows, ratio >= least and lost <= KILL_BAR


def _cores(load: Load) -> str:
    return f"{load.outside:.2f}; {load.service:.2f}; {load.others:.2f}"


def loaded(folder: Path, data: Path, inside: Sequence[int], outside: Sequence[int], seconds: float) -> Load:
    """The load of as many workers as there are cores `inside`; wrk and nginx are on those `outside`."""
    with running(folder, data, len(inside), inside, outside) as site:
        # The first pictures start the processes that decode.
        wrk(site, 3.0, outside)
        return load(site, seconds, outside)


def load(site: Site, seconds: float, outside: Sequence[int]) -> Load:
    """What wrk and /proc say of so many seconds."""
    nginx = [site.nginx.pid, *children(site.nginx.pid)]
    before = cpu_seconds(nginx), cpu_seconds(tree(site.service.pid)), machine_cpu_seconds(), time.monotonic()
    told, own = wrk(site, seconds, outside)
    took = time.monotonic() - before[3]
    proxy = (cpu_seconds(nginx) - before[0]) / took
    service = (cpu_seconds(tree(site.service.pid)) - before[1]) / took
    client = own / took
    others = (machine_cpu_seconds() - before[2]) / took - proxy - service - client
    rate = (told["requests"] - told["failed"]) / told["seconds"]
    return Load(
        int(told["requests"]), int(told["failed"]), rate, told["p50"], told["p95"], proxy + client, service, others
    )


def wrk(site: Site, seconds: float, cores: Sequence[int]) -> tuple[dict[str, float], float]:
    """Run wrk; gives what it has measured, and its own CPU seconds."""
    script = site.folder / "load.lua"
    script.write_text(LUA)
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--timeout=30s", "-s", str(script)]
    before = os.times()
    done = subprocess.run(
        [*_pinned(cores), *command, f"http://127.0.0.1:{site.port}/api/v1/recognise"],
        env={**os.environ, "PHOTO": str(PHOTO), "TOKEN": site.token},
        stdout=subprocess.PIPE,
        check=True,
    )
    after = os.times()
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    own = after.children_user + after.children_system - before.children_user - before.children_system
    return told, own


def killed(folder: Path, data: Path, cores: Sequence[int]) -> Load:
    """The load during which one of two workers is killed."""
    with running(folder, data, 2, cores, cores) as site:
        wrk(site, 3.0, cores)
        victim = threading.Timer(KILL_SECONDS / 3, os.kill, (site.workers[0], signal.SIGKILL))
        victim.start()
        found = load(site, KILL_SECONDS, cores)
        victim.join()
        if len(site.workers) != 2 or "exited with status -9" not in (site.folder / "log").read_text():  # noqa: PLR2004
            raise SystemExit("bench-serve: no worker was killed and replaced")
    return found


def sized(folder: Path, people: int, cores: Sequence[int]) -> list[tuple[str, str, str]]:
    """How soon two workers are ready with so many people, and the memory of the processes."""
    data = folder / f"data-{people}"
    fill(data, people)
    with running(folder, data, 2, cores, cores) as site:
        wrk(site, 3.0, cores)
        workers = [memory_mb(one) for one in site.workers]
        decoders = [memory_mb(child) for one in site.workers for child in children(one)]
        supervisor = memory_mb(site.service.pid)
    shown = f"{people:,} people: "
    return [
        (f"{shown}2 workers are ready after", "", f"{site.ready_s:.1f} s"),
        (f"{shown}memory (PSS) of a worker; of the process that decodes its pictures; of the supervisor", "",
         f"{sum(workers) / 2:.0f}; {sum(decoders) / max(1, len(decoders)):.0f}; {supervisor:.0f} MB"),
    ]  # fmt: skip


@contextmanager
def running(folder: Path, data: Path, workers: int, inside: Sequence[int], outside: Sequence[int]) -> Iterator[Site]:
    """A service with so many workers, and nginx before it; both end with the block."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="site-", dir=folder)))
        config = place / "config.yaml"
        config.write_text(
            f"data: {data}\nserve: {{port: 0, sockets: {place}, workers: {workers}, requests_per_minute: 1000000}}\n"
        )
        token = accounts.make_token(data, "bench", "recognise", 0.0)
        began = time.monotonic()
        command = [*_pinned(inside), sys.executable, "-m", "edgeface.cli", "serve", "--config", str(config)]
        with (place / "log").open("wb") as log:
            service = stack.enter_context(_process(command, stderr=log.fileno()))
        wait(lambda: "recognition service: " in (place / "log").read_text(), service, place / "log")
        ready = time.monotonic() - began
        port = free_port()
        (place / "nginx.conf").write_text(nginx_conf(place, port, workers))
        command = [*_pinned(outside), "nginx", "-p", str(place), "-c", str(place / "nginx.conf")]
        with (place / "nginx.log").open("wb") as log:
            nginx = stack.enter_context(_process(command, stderr=log.fileno()))
        wait(lambda: listens(port), nginx, place / "nginx.log")
        yield Site(place, service, nginx, port, token, ready)


def nginx_conf(place: Path, port: int, workers: int) -> str:
    """The supplied file, with plaintext on a free port, and the sockets of so many workers in this folder."""
    text = NGINX.read_text(encoding="utf-8").replace("/run/edgeface-serve", str(place))
    text = re.sub(r"listen 443 ssl;", f"listen 127.0.0.1:{port};", re.sub(r"^ *ssl_.*\n", "", text, flags=re.MULTILINE))
    servers = "".join(f"    server unix:{place}/worker-{number}.sock max_fails=0;\n" for number in range(workers))
    text = re.sub(r"(    server unix:.*\n)+", servers, text)
    paths = "".join(f"{name}_temp_path {place};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    # Its workers must be of the user that made the sockets.
    user = "user root;\n" if os.geteuid() == 0 else ""
    head = f"{user}daemon off;\npid {place}/nginx.pid;\nworker_processes 1;\nerror_log stderr crit;\nevents {{}}\n"
    return f"{head}http {{\naccess_log off;\n{paths}{text}}}\n"


@contextmanager
def _process(command: Sequence[str], stderr: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def wait(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a process is ready, or end with its log."""
    until = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"bench-serve: {log.read_text()[-2000:]}")
        time.sleep(0.02)


def _pinned(cores: Sequence[int]) -> list[str]:
    return ["taskset", "--cpu-list", ",".join(map(str, cores))]


def tabled(rows: Sequence[tuple[str, str, str]]) -> str:
    """The rows as a Markdown table, with date and machine."""
    lines = [
        f"Run on {time.strftime('%Y-%m-%d')}, {table.machine()}.",
        "",
        "| what | bar | measured |",
        "|---|---|---|",
    ]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
