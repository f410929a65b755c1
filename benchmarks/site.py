"""A broker, a subscriber and one process that watches cameras; the cameras are looping clips."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import trace
from edgeface.demo.mosquitto import Mosquitto
from tools.faults.listener import Listener
from tools.faults.site import until
from tools.faults.soak import Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from benchmarks.trace import Dealt
    from tools.faults.listener import Received

ROOT = Path(__file__).parent.parent
DEVICE = "bench"
"""The device's name in the topics."""
_FIRST = 60.0
_SETTLE = 1.0
_END = 20.0


@dataclass(slots=True)
class Run:
    """What was observed of one process, from its start to its end."""

    began: float
    """Monotonic seconds, just before the process was started."""
    samples: Samples = field(default_factory=Samples)
    dealt: list[Dealt] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    cpu: float = 0.0
    """CPU seconds of the whole process between `since` and `until`."""
    since: float = 0.0
    """End of the warm-up, monotonic seconds, as `until`."""
    until: float = 0.0
    peak: float = 0.0
    """Peak resident memory in MB (VmHWM)."""

    @property
    def start(self) -> float:
        """Seconds from the start of the process until its first frame was processed; NaN if there was none."""
        return min((frame.done for frame in self.dealt), default=float("nan")) - self.began

    @property
    def measured(self) -> list[Dealt]:
        """The frames captured after the warm-up and early enough to have been processed."""
        return [frame for frame in self.dealt if self.since <= frame.captured < self.until]


class Site:
    """A context manager: broker and listener run from the start; the people are enrolled once in a data folder."""

    def __init__(self, folder: Path, cameras: Mapping[str, Path], cores: Collection[int] = (), more: str = "") -> None:
        """`cameras` maps names to clips; `cores`, if given, pins the process; `more` is appended to config.yaml."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.cameras, self.cores = folder, cameras, cores
        self.config, self.trace = folder / "config.yaml", folder / "trace.txt"
        self.broker = Mosquitto(folder)
        clips = "\n".join(f"  {name}: {{type: replay, path: {path}, loop: true}}" for name, path in cameras.items())
        self.config.write_text(
            f"device: {DEVICE}\ndata: {folder / 'data'}\ncameras:\n{clips}\nmqtt: {{port: {self.broker.port}}}\n{more}",
            encoding="utf-8",
        )

    def __enter__(self) -> Site:
        with ExitStack() as stack:
            stack.callback(self.broker.stop)
            self.broker.start()
            self.listener = Listener(self.broker.port, DEVICE)
            stack.callback(self.listener.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def enroll(self, people: Path) -> None:
        """Enroll from FOLDER/PERSON/PHOTO."""
        command = [
            sys.executable,
            "-m",
            "edgeface.cli",
            "enroll",
            "--config",
            str(self.config),
            "--folder",
            str(people),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
        if done.returncode:
            raise RuntimeError(f"enrollment failed: {done.stderr.strip()}")

    def daemon(self) -> list[str]:
        """The command of the daemon with a trace."""
        return [sys.executable, "-m", "benchmarks.watched", str(self.config), str(self.trace)]

    def run(
        self,
        command: Sequence[str],
        seconds: float,
        warm: float = 5.0,
        step: float = 1.0,
        say: Callable[[Run], object] = lambda _: None,
    ) -> Run:
        """Run a process that writes `trace`, sample it every `step` seconds for `seconds` after `warm`, and end it.

        RuntimeError if it processes no frame, or exits by itself.
        """
        self.trace.unlink(missing_ok=True)
        self.listener.received.clear()
        run = Run(time.monotonic())
        with (self.folder / "process.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
            try:
                self._hold(process.pid)
                self._follow(process, run, seconds, warm, step, say)
            finally:
                self._end(process)
        run.dealt = trace.read(self.trace)
        run.received = [received for received in self.listener.received if not received.audit]
        return run

    def started(self, command: Sequence[str]) -> float:
        """Seconds from the start of a process until it has processed its first frame."""
        return self.run(command, 0.0, 0.0).start

    def _hold(self, pid: int) -> None:
        if self.cores:
            os.sched_setaffinity(pid, self.cores)

    def _follow(
        self,
        process: subprocess.Popen[bytes],
        run: Run,
        seconds: float,
        warm: float,
        step: float,
        say: Callable[[Run], object],
    ) -> None:
        first = until(lambda: process.poll() is not None or trace.read(self.trace), _FIRST)
        if not first or process.poll() is not None:
            raise RuntimeError(f"no frame was processed: {self._last_words()}")
        time.sleep(warm)
        run.since, used = time.monotonic(), _cpu(process.pid)
        while (now := time.monotonic()) < run.since + seconds:
            run.samples.take(process.pid, now - run.since)
            say(run)
            if process.poll() is not None:
                raise RuntimeError(f"the process exited by itself: {self._last_words()}")
            time.sleep(max(0.0, min(step, run.since + seconds - time.monotonic())))
        run.until, run.cpu = time.monotonic(), _cpu(process.pid) - used
        # The kernel's own peak value lags behind by what its CPUs have not yet added up.
        run.peak = max(_peak(process.pid), *run.samples.megabytes)
        # Frames captured in time are still processed, and the events they cause are received.
        time.sleep(_SETTLE if seconds else 0.0)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _last_words(self) -> str:
        lines = (self.folder / "process.log").read_text(errors="replace").splitlines()
        return " | ".join(lines[-3:])


def go_first() -> None:
    """Give this process and its children priority over everything else on the machine, as far as the kernel allows.

    Sessions share the processor by their own weights (sched(7), autogroup), so nice(1) alone has no effect.
    """
    with suppress(OSError):
        os.setsid()
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text("-20", encoding="ascii")


def _cpu(pid: int) -> float:
    """CPU seconds of all threads so far, user and system (proc_pid_stat(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^VmHWM:\s+(\d+)", status, re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else float("nan")
