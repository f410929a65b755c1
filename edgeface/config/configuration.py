"""The configuration as frozen objects; config.yaml is the commented reference of every key."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from edgeface.access.policy import AccessPolicy, Door
from edgeface.access.schedules import WeeklySchedule
from edgeface.cameras import CameraSettings
from edgeface.core.log import Log
from edgeface.core.settings import Id, Settings
from edgeface.faces.detectors import DetectorSettings
from edgeface.faces.detectors.tiled_blazeface import Blazeface
from edgeface.faces.settings import EmbedderSettings, QualityLimits
from edgeface.mqtt.settings import Mqtt, is_loopback
from edgeface.recognition.settings import Recognition, UnknownSettings

if TYPE_CHECKING:
    from edgeface.faces.analyzer import FaceAnalyzer

Folder = Annotated[Path, Field(strict=False)]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", max_length=253)]
Group = Annotated[tuple[Id, ...], Field(strict=False, min_length=1, max_length=1000)]


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
    unknown: UnknownSettings = UnknownSettings()
    mqtt: Mqtt | None = None
    """Left out: events go to the log and the journal only."""
    groups: Annotated[dict[Id, Group], Field(max_length=64)] = Field(default_factory=dict)
    """People who may be meant by one name at a door."""
    schedules: Annotated[dict[Id, WeeklySchedule], Field(max_length=64)] = Field(default_factory=dict)
    """When somebody may come in."""
    doors: Annotated[dict[Id, Door], Field(max_length=16)] = Field(default_factory=dict)
    """What opens for whom; each door has a controller of its own that verifies what is sent to it."""
    privacy: Privacy = Privacy()
    web: Web | None = None
    """Left out: no page, no REST interface, no metrics."""
    log: Log = Log()

    @property
    def access_policy(self) -> AccessPolicy:
        """Who may pass which door, and when."""
        return AccessPolicy(self.doors, self.groups, self.schedules)

    def open_analyzer(self) -> "FaceAnalyzer":
        """Load the models; ModelError when one cannot be used."""
        from edgeface.faces.analyzer import FaceAnalyzer

        return FaceAnalyzer.open(self.detector, self.embedder, self.quality)
