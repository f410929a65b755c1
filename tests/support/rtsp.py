"""A real RTSP server in a process of its own, and a relay that counts logins and renames codecs."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tests.support import gst

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator

SERVER = Path(__file__).parent / "rtsp_server.py"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Server:
    """tests/support/rtsp_server.py in its own process."""

    guard: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        arguments = [gst.SYSTEM_PYTHON, str(SERVER), str(self.port), *self.guard]
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._pipe(self.process.stdout).readline() == "ready\n"

    def publish(self, line: str) -> None:
        assert self.process is not None
        pipe = self._pipe(self.process.stdin)
        pipe.write(line + "\n")
        pipe.flush()

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self._pipe(self.process.stdout).close()
            # Output that was not read is discarded on purpose.
            self._pipe(self.process.stdin).close()
            self.process = None

    @contextmanager
    def running(self) -> Iterator[Server]:
        self.start()
        try:
            yield self
        finally:
            self.kill()

    @contextmanager
    def relayed(self, codec: bytes = b"H264") -> Iterator[Relay]:
        """The server behind a relay that counts the logins, and gives its codec another name of four letters."""
        relay = Relay(self.port, codec)
        try:
            yield relay
        finally:
            relay.close()

    def address(self, user: str = "") -> str:
        return f"rtsp://{user}127.0.0.1:{self.port}/door"

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


class Relay:
    """Passes connections on to a port."""

    def __init__(self, port: int, codec: bytes) -> None:
        self.logins: list[bytes] = []
        """Requests that log in."""
        self._to, self._codec = port, codec
        self._connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def address(self, user: str = "") -> str:
        return f"rtsp://{user}127.0.0.1:{self.port}/door"

    @property
    def busy(self) -> bool:
        """Whether a connection is open."""
        return any(thread.is_alive() for thread in self._threads[1:])

    def close(self) -> None:
        # Closing alone does not wake accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for connection in self._connections:
            _end(connection)
        for thread in self._threads[1:]:
            thread.join()
        for connection in self._connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            self._connections += [client, server]
            for pair in ((client, server), (server, client)):
                self._threads.append(threading.Thread(target=self._pass_on, args=pair, daemon=True))
                self._threads[-1].start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                if target.getpeername()[1] == self._to:
                    self.logins += re.findall(
                        rb"^(DESCRIBE [^\n]*\n(?:[^\n]+\n)*?Authorization: [^\r]*)", data, re.MULTILINE
                    )
                target.sendall(data.replace(b" H264/90000", b" %s/90000" % self._codec))
        except OSError:
            return  # one side has gone
        finally:
            _end(target)


def _end(connection: socket.socket) -> None:
    # It may be connected no more.
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
