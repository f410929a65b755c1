"""What can go wrong, and where it is handled.

EdgefaceError
 |- ConfigError   (ValueError)    command line: exit status 78; systemd does not restart
 |- ModelError    (RuntimeError)  command line: exit status 78
 |- VaultError    (RuntimeError)  command line: exit status 78; nothing was written
 |- ProcessorError (RuntimeError) command line: exit status 78
 |- UsageError    (ValueError)    command line: exit status 2
 |- CameraError   (OSError)       capture: counts it, waits, reopens
 |   `- CameraAddressError        a camera in the network has been asked why it gives no picture
 |       `- CameraLoginError      capture: as CameraError, but waits a minute
 |- GalleryError  (ValueError)    command line: one line, exit status 1
 |- PhotoError    (ValueError)    enrollment: the photo is rejected with the reason
 |- BrokerError   (OSError)       the publisher: counts it, waits, reconnects
 `- FleetError    (OSError)       the follower: keeps what it has, waits, asks again; command line: exit status 69
     |- ChangedError              the centre answers 409: the person or what was sent is no longer what it was
     |- GoneError                 the centre answers 410: forgotten, and never again
     `- UnknownError              the centre answers 404
"""

from __future__ import annotations

import errno
import re

OUT_OF_MEMORY = (
    "out of memory: end other programs, or give the service more (MemoryMax= in its unit, --memory of a container)"
)

# cv2.Error.StsNoMem; the class itself is not imported here, as OpenCV takes a second to load.
_CV2_NO_MEMORY = -4


_OUT_OF_MEMORY: tuple[tuple[type[BaseException], str], ...] = (
    # CPython says so where it cannot even allocate the exception: "error return without exception set",
    # "... returned NULL without setting an exception".
    (SystemError, r"without.*exception"),
    # Its compiler, when a part of the syntax tree could not be allocated.
    (ValueError, r"^field '\w+' is required for \w+$"),
    (RuntimeError, r"can't start new thread"),
    (ImportError, r"annot allocate memory|failed to map segment"),
)
"""Errors that are out of memory by their text."""


DISK_FULL = "the disk is full"


def system_reason(error: OSError) -> str:
    """What an error of the system says; the same words for every kind of full disk."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DISK_FULL
    return error.strerror or str(error) or type(error).__name__


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, also one of the system, of OpenCV or of a library that is being loaded, says so."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    if any(isinstance(error, kind) and re.search(text, str(error)) for kind, text in _OUT_OF_MEMORY):
        return True
    return type(error).__name__ == "error" and getattr(error, "code", None) == _CV2_NO_MEMORY


class EdgefaceError(Exception):
    """Base of all errors of edgeface; the text is one line that a user can act on."""


class ConfigError(EdgefaceError, ValueError):
    """The configuration has mistakes; the text has one line per mistake, with its path and line number."""


class ModelError(EdgefaceError, RuntimeError):
    """A model file or its calibration table is missing, altered or has another shape."""


class VaultError(EdgefaceError, RuntimeError):
    """The key of the data folder is missing or wrong, or something sealed with it was altered."""


class ProcessorError(EdgefaceError, RuntimeError):
    """This processor lacks instructions that an installed package needs."""


class UsageError(EdgefaceError, ValueError):
    """The arguments of a command do not fit together."""


class CameraError(EdgefaceError, OSError):
    """A camera cannot be opened, or has stopped delivering images."""


class CameraAddressError(CameraError):
    """What answers at the address of a camera gives no picture, and why; there is no need to ask again."""


class CameraLoginError(CameraAddressError):
    """A camera refuses the user name or the password; after a few attempts, many cameras lock the account."""


class GalleryError(EdgefaceError, ValueError):
    """A change to the gallery is rejected, or its file cannot be used."""


class PhotoError(EdgefaceError, ValueError):
    """A photo cannot be used: not an image, too large, or not exactly one good face."""


class BrokerError(EdgefaceError, OSError):
    """The MQTT broker cannot be reached or rejects the connection."""


class FleetError(EdgefaceError, OSError):
    """The centre of a fleet cannot be reached or refuses, its database fails, or what it sent does not fit."""


class ChangedError(FleetError):
    """What a request rests on has changed meanwhile, or conflicts with what there is."""


class GoneError(FleetError):
    """The person was forgotten; their number can never be used again."""


class UnknownError(FleetError):
    """There is no such site, person, device or proposal."""
