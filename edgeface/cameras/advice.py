"""How to fix each fault of a camera: the one source for the health page and `edgeface doctor`."""

from __future__ import annotations

from edgeface.cameras.network import faults

SILENT = "Check the camera's cable and power. edgeface reopens it automatically."
"""A camera that delivers no image."""
ELSE = "`edgeface cameras` lists what is plugged in, and tests each camera; docs/cameras.md."

LITERAL = "the address contains a password, which everyone who reads config.yaml sees"
"""A camera's address with a password: it works, and there is a better way."""
LITERAL_DO = "use username and password_file, password_env or password_credential instead; docs/cameras.md"
LOGIN = (
    "Check the user name and the password of the camera, in config.yaml or in its password file. A reload tries again"
    " at once."
)
_PORT = "Compare the port with the camera's menu."


def _problem(fault: str) -> str:
    """The part of a fault that names the problem."""
    return fault.partition(":")[0]


# Words in a problem of a camera and how to fix it; the first match counts.
_ADVICE = (
    ("delivers no image", SILENT),
    ("refuses the user name", LOGIN),
    (_problem(faults.NEEDS_LOGIN), "Set username and password_file of the camera; docs/cameras.md."),
    (_problem(faults.FORBIDDEN), "In the camera's own menu, allow this user to see the pictures."),
    (_problem(faults.NO_PATH), "Try the address in a player such as VLC. The camera's manual has the right path."),
    ("nothing that listens on this port", "Compare the port with the camera's menu, and switch on RTSP or HTTP there."),
    (_problem(faults.NO_HOST), "Correct the host name, or use the camera's IP address."),
    (_problem(faults.NO_ROUTE), "Check the camera's address, and this machine's network."),
    (_problem(faults.SILENT), SILENT),
    ("accepts the connection but does not answer", _PORT),
    ("does not speak", _PORT),
    (_problem(faults.HTTP_NOT_RTSP), "Use the RTSP port, or type: snapshot for a still picture; docs/cameras.md."),
    (_problem(faults.NO_VIDEO), "Use the address of the camera's video stream."),
    ("cannot be decoded here", "In the camera's own menu, set the codec of this stream to H.264."),
    (_problem(faults.STILL), "Set type: snapshot and url for this camera; docs/cameras.md."),
    (_problem(faults.STREAM), "Set type: opencv and source for this camera; docs/cameras.md."),
    (_problem(faults.BUSY), "End another program that watches the camera, or raise the number of viewers in its menu."),
    (
        "cannot be opened",
        "Is the camera on and connected, and its address correct? If it has a password, check that too.",
    ),
    ("hangs", "Unplug the camera and plug it in again."),
    ("in use", "End the other program that uses the camera, or configure another camera."),
)

TEXTS = {**dict(_ADVICE), "else": ELSE}
"""Every advice by a key of its own, for the pages, which translate it."""


def advice(problem: str) -> str:
    """How to fix what a CameraError reports; ELSE if nothing better is known."""
    return next((text for words, text in _ADVICE if words in problem), ELSE)
