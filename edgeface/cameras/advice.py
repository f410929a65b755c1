"""How to fix each fault of a camera: the one source for the health page and `edgeface doctor`."""

from __future__ import annotations

SILENT = "Check the camera's cable and power. edgeface reopens it automatically."
"""A camera that delivers no image."""
ELSE = "`edgeface cameras` lists what is plugged in, and tests each camera; docs/cameras.md."

# Words in a problem of a camera and how to fix it; the first match counts.
_ADVICE = (
    ("delivers no image", SILENT),
    ("refuses the user name", "Check the user name and the password in the camera's address."),
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
