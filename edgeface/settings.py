"""The configuration as frozen objects; config.yaml is the commented reference of every key."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from edgeface.cameras import CameraSettings
from edgeface.credentials import is_loopback, require_safe
from edgeface.detectors import DetectorSettings
from edgeface.detectors.blazeface import Blazeface
from edgeface.doors import Door
from edgeface.schedules import Schedule
from edgeface.schema import Id, Level, Settings

Seconds = Annotated[float, Field(gt=0, le=3600, strict=False)]
Fraction = Annotated[float, Field(ge=0, le=1, strict=False)]
Frames = Annotated[int, Field(ge=1, le=10)]
"""Good frames of one track, of which evidence.WINDOW are kept."""
Folder = Annotated[Path, Field(strict=False)]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", max_length=253)]
Group = Annotated[tuple[Id, ...], Field(strict=False, min_length=1, max_length=1000)]


class Recognition(Settings):
    """From embeddings to decisions."""

    level: Level = "normal"
    """False accepts a passer-by that are put up with: low 1 in 100, normal 1 in 1,000, high 1 in 10,000."""
    frames: Frames = 3
    """Good frames before anything is said."""
    seconds: Seconds = 0.3
    """Time that those frames must span."""
    unknown_frames: Frames = 5
    """Good frames before somebody is called unknown."""
    verify: Seconds = 3.0
    """How often a track that has been decided is looked at again."""
    gap: Seconds = 2.0
    """A person away for less than this has not left."""


class EmbedderSettings(Settings):
    """What turns a face into an embedding."""

    model: Path | None = Field(default=None, strict=False)
    """Another .tflite than the one that ships, 1 x 112 x 112 x 3 to 1 x N, its calibration table beside it as
    NAME.calibration.json (edgeface evaluate --calibrate); templates of one model are nothing to another."""


class QualityLimits(Settings):
    """When a face is worth embedding; a face outside is not judged, and the reason is counted."""

    height: Annotated[int, Field(ge=20, le=2000)] = 40
    """Smallest face, pixels from chin to forehead."""
    sharpness: Fraction = 0.3
    """Below: blurred."""
    dark: Fraction = 0.12
    """Mean luma below: dark."""
    bright: Fraction = 0.92
    """Mean luma above: bright."""
    yaw: Annotated[float, Field(gt=0, le=90, strict=False)] = 40.0
    """Degrees to either side; beyond: turned."""
    pitch: Annotated[float, Field(gt=0, le=90, strict=False)] = 35.0
    """Degrees up or down; beyond: turned."""

    @model_validator(mode="after")
    def _dark_is_below_bright(self) -> "QualityLimits":
        if self.dark >= self.bright:
            raise ValueError("dark must be below bright, or every face is refused")
        return self


class Unknowns(Settings):
    """People whom nobody has enrolled."""

    days: Annotated[int, Field(ge=0, le=3650)] = 30
    """How long an unknown's id and embedding are kept since the last sighting; 0 keeps none."""
    per_minute: Annotated[int, Field(ge=1, le=600)] = 6
    """Unknown events a camera may send in a minute; the rest is counted."""


class Tls(Settings):
    """TLS 1.2 or newer, host name checked."""

    ca: Path | None = Field(default=None, strict=False)
    """CA certificate, PEM; the system's when not given."""
    certificate: Path | None = Field(default=None, strict=False)
    """Client certificate, PEM."""
    key: Path | None = Field(default=None, strict=False)
    """Its key, PEM."""


class Mqtt(Settings):
    """The broker."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]+$", max_length=253)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 1883
    username: str | None = None
    password_file: Path | None = Field(default=None, strict=False)
    """A file whose first line is the password."""
    password_env: str | None = None
    """An environment variable that holds it."""
    password_credential: str | None = None
    """A systemd credential that holds it (LoadCredential=)."""
    tls: Tls | None = None
    insecure: bool = False
    """Allow plaintext to a host that is not this machine."""
    keepalive: Annotated[int, Field(ge=2, le=600)] = 5
    """Seconds."""
    prefix: Annotated[str, Field(pattern=r"^[a-z0-9_-]+(/[a-z0-9_-]+)*$", max_length=100)] = "edgeface"
    """First part of every topic."""
    discovery: bool = True
    """Announce to Home Assistant."""
    discovery_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", max_length=100)] = (
        "homeassistant"
    )

    @model_validator(mode="after")
    def _one_password(self) -> "Mqtt":
        given = [self.password_file, self.password_env, self.password_credential]
        if sum(source is not None for source in given) > 1:
            raise ValueError("give one of password_file, password_env and password_credential")
        if self.username is None and any(given):
            raise ValueError("a password needs a username")
        require_safe(self)
        return self


class Privacy(Settings):
    """What leaves the memory."""

    snapshots: Literal["none", "unknown", "all"] = "none"
    """Whose faces are published as pictures on the snapshot topic."""
    journal_days: Annotated[int, Field(ge=0, le=3650)] = 90
    """How long the journal keeps a row; 0 keeps it until there are too many."""
    pictures: Literal["none", "unknown", "all"] = "none"
    """Whose faces are kept, sealed, to be looked at on this machine."""
    picture_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """How long such a picture is kept."""


class Log(Settings):
    """One line an event on standard error, for journald."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class WebTls(Settings):
    """The page's own certificate; TLS 1.2 or newer."""

    certificate: Path = Field(strict=False)
    """PEM, with what it is signed by."""
    key: Path = Field(strict=False)
    """Its key, PEM."""


class Web(Settings):
    """The page, the REST interface and the metrics; who may sign in is made by `edgeface web`."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]+$", max_length=253)] = "127.0.0.1"
    """The address to listen on; 0.0.0.0 and :: are all of this machine's."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8099
    """0 takes any that is free."""
    tls: WebTls | None = None
    insecure: bool = False
    """Allow plaintext on an address that other machines can reach."""
    hosts: Annotated[tuple[HostName, ...], Field(strict=False, max_length=20)] = ()
    """Further names by which the page is asked for: edgeface.local."""

    @model_validator(mode="after")
    def _safe(self) -> "Web":
        if self.tls is None and not self.insecure and not is_loopback(self.host):
            raise ValueError(
                f"plaintext on {self.host}, which other machines can reach: give tls, or say insecure: true"
            )
        return self


class Configuration(Settings):
    """All of config.yaml."""

    device: Id = "edgeface"
    """This machine's name in every topic."""
    data: Folder = Path("/var/lib/edgeface")
    """Where the gallery and the journal are kept."""
    cameras: Annotated[dict[Id, CameraSettings], Field(min_length=1, max_length=16)]
    detector: DetectorSettings = Blazeface(type="blazeface")
    embedder: EmbedderSettings = EmbedderSettings()
    recognition: Recognition = Recognition()
    quality: QualityLimits = QualityLimits()
    unknown: Unknowns = Unknowns()
    mqtt: Mqtt | None = None
    """Left out: events go to the log and the journal only."""
    groups: Annotated[dict[Id, Group], Field(max_length=64)] = Field(default_factory=dict)
    """People who may be meant by one name at a door."""
    schedules: Annotated[dict[Id, Schedule], Field(max_length=64)] = Field(default_factory=dict)
    """When somebody may come in."""
    doors: Annotated[dict[Id, Door], Field(max_length=16)] = Field(default_factory=dict)
    """What opens for whom; each door has a controller of its own that verifies what is sent to it."""
    privacy: Privacy = Privacy()
    web: Web | None = None
    """Left out: no page, no REST interface, no metrics."""
    log: Log = Log()
