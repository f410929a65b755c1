"""Finds out why a stream does not open. Nothing is sent unless an opening has failed or takes unusually long."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from edgeface.cameras.network import faults, rtsp_probe
from edgeface.cameras.network.connection import tls_context
from edgeface.cameras.network.http_client import HttpClient
from edgeface.core.errors import CameraAddressError, CameraError, CameraLoginError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.core.clock import Clock

SLOW_SECONDS = 2.5
"""An opening that takes longer may wait for a server that is none; FFmpeg opens most streams in 1 to 2.5 s."""

_SECONDS, _MAGIC_BYTES = 2.0, 16
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"BM")
"""How JPEG, PNG, WebP and BMP begin."""


def fault(address: str, label: str, clock: Clock, *, verify: bool) -> CameraError | None:
    """What is wrong with an address that does not open; None if nothing is found. It logs in once at most.

    `label` begins the error; `verify` is whether a TLS certificate must be valid, as for what opens the stream.
    """
    if _is_rtsp(address):
        return rtsp_probe.diagnose(address, label, clock, verify=verify)
    return _http_fault(address, label, clock, verify=verify)


def certain_fault(address: str, label: str, clock: Clock, *, verify: bool) -> CameraError | None:
    """Why an RTSP stream that is still opening will not open; None if that is not sure, and for HTTP."""
    return rtsp_probe.certain_fault(address, label, clock, verify=verify) if _is_rtsp(address) else None


def require_login(address: str, label: str, clock: Clock, *, verify: bool) -> None:
    """Raise CameraLoginError if the camera still refuses the login; opening the stream would try it twice."""
    found = fault(address, label, clock, verify=verify)
    if isinstance(found, CameraLoginError):
        raise found


def opened(
    open_stream: Callable[[], Any], doubt: Callable[[], CameraError | None], slow_seconds: float = SLOW_SECONDS
) -> Any:
    """What `open_stream` returns; after `slow_seconds`, what `doubt` finds is raised instead.

    FFmpeg cannot be interrupted: an opening that is given up ends in its thread at its own timeout, and is released.
    """
    opening = _Opening(open_stream)
    opening.thread.start()
    opening.thread.join(slow_seconds)
    if opening.thread.is_alive() and (found := doubt()) is not None and opening.give_up():
        raise found
    opening.thread.join()
    if opening.error is not None:
        raise opening.error
    return opening.stream


class _Opening:
    """A stream that opens in a thread of its own."""

    def __init__(self, open_stream: Callable[[], Any]) -> None:
        self.stream: Any = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=(open_stream,), name="opening", daemon=True)
        self._lock = threading.Lock()
        self._given_up = False

    def give_up(self) -> bool:
        """Have the stream released as soon as it opens; False if it has opened already."""
        with self._lock:
            self._given_up = self.stream is None and self.error is None
            return self._given_up

    def _run(self, open_stream: Callable[[], Any]) -> None:
        try:
            stream = open_stream()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            with self._lock:
                self.error = error
            return
        with self._lock:
            self.stream = stream
            released = self._given_up
        if released:
            stream.release()


def _is_rtsp(address: str) -> bool:
    return address.partition("://")[0].lower() in {"rtsp", "rtsps"}


def _http_fault(address: str, label: str, clock: Clock, *, verify: bool) -> CameraError | None:
    try:
        answer = HttpClient(address, label, clock, tls_context(verify=verify)).get(_MAGIC_BYTES, _SECONDS)
    except CameraError as error:
        return error
    if answer.kind.startswith("image/") or answer.body.startswith(_PICTURES):
        return CameraAddressError(f"{label} {faults.STILL}")
    if (content := faults.no_picture(answer.kind)) is not None:
        return CameraAddressError(f"{label} {faults.NO_STREAM.format(content=content)}")
    return None
