"""Asks an RTSP server why its stream does not open, with as few requests as possible."""

from __future__ import annotations

import re
from contextlib import closing
from http.client import HTTPException, parse_headers
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from edgeface.cameras.network import faults
from edgeface.cameras.network.connection import Connection, tls_context
from edgeface.core.errors import CameraAddressError, CameraLoginError
from edgeface.core.http.login import authorization, best_challenge, divided

if TYPE_CHECKING:
    import io

    from edgeface.core.clock import Clock
    from edgeface.core.http.login import Login

_SECONDS, _IMPATIENT_SECONDS = 2.0, 1.5
"""For all requests of a question together; the second while a stream is opening, to report its fault within 5 s."""

CODECS = frozenset(
    (
        "H264",
        "H265",
        "JPEG",
        "MP4V-ES",
        "H261",
        "H263",
        "H263-1998",
        "H263-2000",
        "MPV",
        "MP2T",
        "VP8",
        "VP9",
        "AV1",
        "RAW",
        "THEORA",
    )
)
"""Encoding names (RFC 4855) that FFmpeg or GStreamer may decode: another cause is to be looked for."""

_STATIC = {"26": "JPEG", "31": "H261", "32": "MPV", "33": "MP2T", "34": "H263"}
"""Payload types of video that need no rtpmap (RFC 3551, table 5)."""

_MAX_LINE, _MAX_BODY = 1024, 65_536
_UNAUTHORIZED = 401


class _Answer(NamedTuple):
    status: int
    challenges: tuple[str, ...]
    body: bytes


class _OtherProtocolError(Exception):
    """The server does not answer in RTSP; the text is the beginning of its answer."""


class _Finding(NamedTuple):
    error: CameraAddressError | None
    sure: bool = True
    """False if a camera that serves another connection at this moment might answer the same."""


def diagnose(address: str, label: str, clock: Clock, *, verify: bool) -> CameraAddressError | None:
    """Describe the stream, and log in once at most: what is wrong with it, or None if nothing is found.

    `label` begins the error; `verify` is whether a certificate of rtsps:// must be valid.
    """
    return _asked(address, label, clock, _SECONDS, verify=verify).error


def certain_fault(address: str, label: str, clock: Clock, *, verify: bool) -> CameraAddressError | None:
    """As `diagnose`, while the stream is opening: None also for what only this second connection may have met."""
    found = _asked(address, label, clock, _IMPATIENT_SECONDS, verify=verify)
    return found.error if found.sure else None


def _asked(address: str, label: str, clock: Clock, seconds: float, *, verify: bool) -> _Finding:
    bare, login = divided(address)
    parts = urlsplit(bare)
    scheme = parts.scheme.lower()
    tls = tls_context(verify=verify) if scheme == "rtsps" else None
    try:
        made = Connection(parts.hostname or "", parts.port or faults.PORTS[scheme], seconds, clock, tls=tls)
    except (OSError, UnicodeError) as error:
        return _Finding(faults.of_connection(label, scheme, error), isinstance(error, TimeoutError))
    try:
        with closing(made) as connection:
            answer = _described(connection, bare.partition("#")[0], login)
    except _OtherProtocolError as error:
        return _Finding(_other_protocol(label, scheme, str(error)), bool(str(error)))
    except (OSError, HTTPException, ValueError) as error:
        late = isinstance(error, TimeoutError)
        return _Finding(faults.of_exchange(label, scheme, late=late), late)
    refused = faults.of_status(label, scheme, answer.status, known=login is not None)
    if refused is not None:
        return _Finding(refused, isinstance(refused, CameraLoginError))
    return _Finding(_video_fault(label, answer.body))


def _described(connection: Connection, address: str, login: Login | None) -> _Answer:
    """The answer, after a login if the server asks for one."""
    file = connection.makefile("rb")
    connection.send(_request(address, 1, None))
    answer = _read(file)
    challenge = best_challenge(answer.challenges)
    if answer.status != _UNAUTHORIZED or challenge is None or login is None:
        return answer
    connection.send(_request(address, 2, authorization(login, challenge, "DESCRIBE", address)))
    return _read(file)


def _request(address: str, number: int, login: str | None) -> bytes:
    lines = [f"DESCRIBE {address} RTSP/1.0", f"CSeq: {number}", "User-Agent: edgeface", "Accept: application/sdp"]
    lines += [] if login is None else [f"Authorization: {login}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _read(file: io.BufferedReader) -> _Answer:
    line = file.readline(_MAX_LINE)
    matched = re.match(rb"RTSP/\d\.\d (\d{3})\b", line)
    if matched is None:
        raise _OtherProtocolError(line.decode("ascii", "replace"))
    headers = parse_headers(file)
    length = headers.get("Content-Length", "0").strip()
    size = int(length) if re.fullmatch(r"\d{1,9}", length) else 0
    body = file.read(min(size, _MAX_BODY))
    return _Answer(int(matched[1]), tuple(headers.get_all("WWW-Authenticate", ())), body)


def _other_protocol(label: str, scheme: str, line: str) -> CameraAddressError:
    # Simple servers answer a request that they do not understand with a page alone.
    if line.startswith(("HTTP/", "<")):
        return CameraAddressError(f"{label} {faults.HTTP_NOT_RTSP}")
    return faults.of_exchange(label, scheme, late=False)


def _video_fault(label: str, description: bytes) -> CameraAddressError | None:
    """What is wrong with the video of a stream, by its description (SDP, RFC 8866)."""
    codecs = _codecs(description.decode("ascii", "replace"))
    if not codecs:
        return CameraAddressError(f"{label} {faults.NO_VIDEO}")
    if not any(codec.upper() in CODECS for codec in codecs):
        return faults.of_codec(label, codecs[0])
    return None


def _codecs(description: str) -> list[str]:
    """The encoding names of the video, in order; a payload type that has no name stands for itself."""
    found: dict[str, str] = {}
    video = False
    for line in description.splitlines():
        if line.startswith("m="):
            kind, *words = line[2:].split()
            video = kind == "video"
            found |= {number: _STATIC.get(number, f"payload type {number}") for number in words[2:] if video}
        elif video and (named := re.match(r"a=rtpmap:(\d+) ([^/\s]+)", line)) and named[1] in found:
            found[named[1]] = named[2]
    return list(found.values())
