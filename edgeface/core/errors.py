"""What can go wrong, and who handles it.

EdgefaceError
 |- ConfigError   (ValueError)    the CLI: exit status 78; systemd does not restart
 |- ModelError    (RuntimeError)  the CLI: exit status 78
 |- VaultError    (RuntimeError)  the CLI: exit status 78; nothing was written
 |- UsageError    (ValueError)    the CLI: exit status 2
 |- CameraError   (OSError)       capture: counts, waits, opens again
 |- GalleryError  (ValueError)    the CLI verb: one line, exit status 1
 |- PhotoError    (ValueError)    enrollment: the photo is refused with the reason
 `- BrokerError   (OSError)       the publisher: counts, waits, connects again
"""


class EdgefaceError(Exception):
    """Anything that edgeface itself raises; its text is one line that a user can act on."""


class ConfigError(EdgefaceError, ValueError):
    """The configuration is wrong; the text has one mistake a line, each with path and line number."""


class ModelError(EdgefaceError, RuntimeError):
    """A model file or its calibration table is missing, altered or of another shape."""


class VaultError(EdgefaceError, RuntimeError):
    """The key of the data folder is missing, is another one, or something sealed with it was altered."""


class UsageError(EdgefaceError, ValueError):
    """The arguments of a verb do not go together."""


class CameraError(EdgefaceError, OSError):
    """A camera cannot be opened, or stopped giving pictures."""


class GalleryError(EdgefaceError, ValueError):
    """A change to the gallery is refused, or its file cannot be used."""


class PhotoError(EdgefaceError, ValueError):
    """A photo cannot be used: not an image, too large, or not exactly one good face."""


class BrokerError(EdgefaceError, OSError):
    """The MQTT broker cannot be reached or refuses us."""
