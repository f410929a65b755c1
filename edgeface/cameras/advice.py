"""How to fix each fault of a camera: the one source for the health page and `edgeface doctor`."""

from __future__ import annotations

from edgeface.cameras.network import faults

# Each text is a constant of its own: the pages translate it by its name.
SILENT = "Check the camera's cable and power. edgeface reopens it automatically."
"""A camera that delivers no image."""
LOGIN = (
    "Check the user name and the password of the camera, in config.yaml or in its password file. A reload tries again"
    " at once."
)
NEEDS_LOGIN = "Set username and password_file of the camera; docs/cameras.md."
FORBIDDEN = "In the camera's own menu, allow this user to see the pictures."
PATH = "Try the address in a player such as VLC. The camera's manual has the right path."
SERVICE = "Compare the port with the camera's menu, and switch on RTSP or HTTP there."
HOST = "Correct the host name, or use the camera's IP address."
ROUTE = "Check the camera's address, and this machine's network."
PORT = "Compare the port with the camera's menu."
RTSP_PORT = "Use the RTSP port, or type: snapshot for a still picture; docs/cameras.md."
STREAM_ADDRESS = "Use the address of the camera's video stream."
CODEC = "In the camera's own menu, set the codec of this stream to H.264."
STILL = "Set type: snapshot and url for this camera; docs/cameras.md."
STREAM = "Set type: opencv and source for this camera; docs/cameras.md."
VIEWERS = "Close another program that is watching the camera, or allow more viewers in its menu."
CLOSED = "Is the camera on and connected, and its address correct? If it has a password, check that too."
HANGS = "Unplug the camera and plug it in again."
IN_USE = "End the other program that uses the camera, or configure another camera."
ELSE = "`edgeface cameras` lists what is plugged in, and tests each camera; docs/cameras.md."

LITERAL = "the address contains a password, which everyone who reads config.yaml sees"
"""A camera's address with a password: it works, and there is a better way."""
LITERAL_DO = "use username and password_file, password_env or password_credential instead; docs/cameras.md"


def _problem(fault: str) -> str:
    """The part of a fault that names the problem."""
    return fault.partition(":")[0]


# Words in a problem of a camera and how to fix it; the first match counts.
_ADVICE = (
    ("delivers no image", SILENT),
    ("refuses the user name", LOGIN),
    (_problem(faults.NEEDS_LOGIN), NEEDS_LOGIN),
    (_problem(faults.FORBIDDEN), FORBIDDEN),
    (_problem(faults.NO_PATH), PATH),
    ("nothing listening on this port", SERVICE),
    (_problem(faults.NO_HOST), HOST),
    (_problem(faults.NO_ROUTE), ROUTE),
    (_problem(faults.SILENT), SILENT),
    ("accepts the connection but does not answer", PORT),
    ("does not speak", PORT),
    (_problem(faults.HTTP_NOT_RTSP), RTSP_PORT),
    (_problem(faults.NO_VIDEO), STREAM_ADDRESS),
    ("cannot be decoded here", CODEC),
    (_problem(faults.STILL), STILL),
    (_problem(faults.STREAM), STREAM),
    (_problem(faults.BUSY), VIEWERS),
    ("cannot be opened", CLOSED),
    ("hangs", HANGS),
    ("in use", IN_USE),
)
OFFERED = frozenset(text for _, text in _ADVICE) | {ELSE}
"""Every text that `advice` gives."""


def advice(problem: str) -> str:
    """How to fix what a CameraError reports; ELSE if nothing better is known."""
    return next((text for words, text in _ADVICE if words in problem), ELSE)
