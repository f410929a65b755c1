"""What is wrong with the address of a camera, in words: one line for each fault, for every type of camera."""

from __future__ import annotations

import errno
import socket
import ssl

from edgeface.core.errors import CameraAddressError, CameraLoginError
from edgeface.core.text import printable

WRONG_LOGIN = "refuses the user name or the password; edgeface tries again once a minute"
NEEDS_LOGIN = "asks for a user name and a password: set username and password_file at this camera"
FORBIDDEN = "does not let this user see the pictures: allow it in the camera's menu"
NO_PATH = "has nothing at this path: copy the whole address from the camera's menu or manual"
NOTHING_LISTENS = "has nothing listening on this port: is {protocol} switched on in the camera, and is the port right?"
NO_HOST = "has a host name that is not known here: is it spelled correctly? An IP address works without a name server"
NO_ROUTE = "cannot be reached: is the camera in a network that this machine can reach?"
SILENT = "does not answer: is the camera on and connected, and is its address right?"
MUTE = "accepts the connection but does not answer: is the port right? {protocol} usually has {port}"
OTHER_PROTOCOL = "does not speak {protocol} on this port: is the port right? {protocol} usually has {port}"
HTTP_NOT_RTSP = (
    "answers in HTTP, not in RTSP: is the port right? RTSP usually has 554; for a still picture, use type: snapshot"
    " with its http:// address"
)
NO_VIDEO = "offers no video: copy the address of the video stream from the camera's menu or manual"
CODEC = "sends video as {codec}, which cannot be decoded here: set H.264 in the camera's menu"
STILL = "gives a still picture, not a stream: use type: snapshot"
STREAM = "gives a stream, not a still picture: use type: opencv"
NO_PICTURE = "gives {content}, not a picture: copy the address of the picture from the camera's menu or manual"
NO_STREAM = "gives {content}, not a stream: copy the address of the stream from the camera's menu or manual"
BROKE_OFF = "does not finish its answer within {seconds:.1f} s: is the network slow, or the picture large?"
BUSY = "allows no more viewers: close another program that is watching this camera"
REDIRECT = "redirects to another address, which edgeface does not follow: configure that address"
STATUS = "answers with the error {protocol} {status}: does the camera's own page show pictures?"
UNTRUSTED = "has a certificate that cannot be verified: set ca to the certificate of its authority"
UNTRUSTED_RTSPS = "has a certificate that cannot be verified: add its authority to this machine's certificates"
NO_TLS = "does not answer with TLS: is it {plain}:// instead, or another port?"

PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
"""The port of each scheme, where an address names none."""

_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL})
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _GONE = 401, 403, 404, 410
_NO_SESSION, _NO_BANDWIDTH = 454, 453


def no_picture(kind: str) -> str | None:
    """What an answer of this media type is, if it is surely no picture; None if it may be one."""
    if kind == "text/html":
        return "a web page"
    return kind if kind in {"application/json", "application/xml", "text/xml"} else None


def protocol(scheme: str) -> str:
    """RTSP or HTTP."""
    return scheme.upper().removesuffix("S")


def of_connection(label: str, scheme: str, error: OSError | UnicodeError) -> CameraAddressError:
    """Why no connection was made."""
    if isinstance(error, ConnectionRefusedError):
        return CameraAddressError(f"{label} {NOTHING_LISTENS.format(protocol=protocol(scheme))}")
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return CameraAddressError(f"{label} {NO_HOST}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return CameraAddressError(f"{label} {UNTRUSTED if scheme == 'https' else UNTRUSTED_RTSPS}")
    if isinstance(error, ssl.SSLError):
        return CameraAddressError(f"{label} {NO_TLS.format(plain=scheme.removesuffix('s'))}")
    return CameraAddressError(f"{label} {NO_ROUTE if getattr(error, 'errno', None) in _UNREACHABLE else SILENT}")


def of_exchange(label: str, scheme: str, *, late: bool) -> CameraAddressError:
    """Why there is no answer in the protocol of the address; `late` if nothing came at all."""
    text = (MUTE if late else OTHER_PROTOCOL).format(protocol=protocol(scheme), port=PORTS[scheme])
    return CameraAddressError(f"{label} {text}")


def of_status(label: str, scheme: str, status: int, *, known: bool) -> CameraAddressError | None:
    """What a status above 299 says, of RTSP or HTTP alike; None for success. `known` is whether there is a login."""
    if status < 300:  # noqa: PLR2004 - RFC 9110, 15.3, and RFC 7826, 17
        return None
    if status == _UNAUTHORIZED:
        return of_login(label, known=known)
    texts = {
        _FORBIDDEN: FORBIDDEN,
        _NOT_FOUND: NO_PATH,
        _GONE: NO_PATH,
        _NO_SESSION: NO_PATH,
        _NO_BANDWIDTH: BUSY,
    }
    other = REDIRECT if status < 400 else STATUS.format(protocol=protocol(scheme), status=status)  # noqa: PLR2004 - as above
    return CameraAddressError(f"{label} {texts.get(status, other)}")


def of_login(label: str, *, known: bool) -> CameraAddressError:
    """That the login was refused, or that none is known."""
    return CameraLoginError(f"{label} {WRONG_LOGIN}") if known else CameraAddressError(f"{label} {NEEDS_LOGIN}")


def of_codec(label: str, codec: str) -> CameraAddressError:
    """That a codec is unknown; its name comes from the camera."""
    return CameraAddressError(f"{label} {CODEC.format(codec=printable(codec, 32))}")
