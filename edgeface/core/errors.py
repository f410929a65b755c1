"""What can go wrong, and where it is handled.

EdgefaceError
 |- ConfigError   (ValueError)    command line: exit status 78; systemd does not restart
 |- ModelError    (RuntimeError)  command line: exit status 78
 |- VaultError    (RuntimeError)  command line: exit status 78; nothing was written
 |- UsageError    (ValueError)    command line: exit status 2
 |- CameraError   (OSError)       capture: counts it, waits, reopens
 |- GalleryError  (ValueError)    command line: one line, exit status 1
 |- PhotoError    (ValueError)    enrollment: the photo is rejected with the reason
 `- BrokerError   (OSError)       the publisher: counts it, waits, reconnects
"""


class EdgefaceError(Exception):
    """Base of all errors of edgeface; the text is one line that a user can act on."""


class ConfigError(EdgefaceError, ValueError):
    """The configuration has mistakes; the text has one line per mistake, with its path and line number."""


class ModelError(EdgefaceError, RuntimeError):
    """A model file or its calibration table is missing, altered or has another shape."""


class VaultError(EdgefaceError, RuntimeError):
    """The key of the data folder is missing or wrong, or something sealed with it was altered."""


class UsageError(EdgefaceError, ValueError):
    """The arguments of a command do not fit together."""


class CameraError(EdgefaceError, OSError):
    """A camera cannot be opened, or has stopped delivering images."""


class GalleryError(EdgefaceError, ValueError):
    """A change to the gallery is rejected, or its file cannot be used."""


class PhotoError(EdgefaceError, ValueError):
    """A photo cannot be used: not an image, too large, or not exactly one good face."""


class BrokerError(EdgefaceError, OSError):
    """The MQTT broker cannot be reached or rejects the connection."""
