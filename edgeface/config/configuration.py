"""The configuration as frozen objects; config.yaml is the commented reference of every key."""

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from edgeface.access.policy import AccessPolicy, Door
from edgeface.access.schedules import WeeklySchedule
from edgeface.cameras import CameraSettings
from edgeface.core.log import Log
from edgeface.core.settings import Folder, Host, Id, Settings, form, require_host
from edgeface.faces.detectors import DEFAULT_DETECTOR, DetectorSettings
from edgeface.faces.liveness import LivenessSettings
from edgeface.faces.settings import EmbedderSettings, QualityLimits
from edgeface.journal.rows import FILE as JOURNAL
from edgeface.mqtt.settings import Mqtt, is_loopback
from edgeface.notify.settings import Notify
from edgeface.recognition.settings import Recognition, UnknownSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.cameras.base import CameraBase
    from edgeface.faces.analyzer import FaceAnalyzer


MAX_BASE_PATH = 200
"""Characters of a base path."""
_CENTRE = re.compile(r"https://(?P<host>\[[0-9A-Fa-f:.]+\]|[^/:@?#\s]+)(:(?P<port>[0-9]{1,5}))?/?")
_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
"""What a segment of a path may have without percent-encoding (RFC 3986, 2.3)."""
PAGE_SEGMENTS = frozenset({
    "accounts", "api", "doors", "enroll", "events", "faces", "favicon.ico", "forget", "health", "invitation", "join",
    "live", "login", "logout", "metrics", "notifications", "people", "proposals", "service-worker.js", "sessions",
    "settings", "static", "stranger", "today", "tokens", "unknowns", "visits.csv",
})  # fmt: skip
"""The first segment of every path of the page itself."""
MAX_WORKERS = 64
"""Workers of the recognition service."""


def _require_network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("should be an IP address or a network, such as 192.168.1.2 or 10.0.0.0/24") from None
    if network.prefixlen == 0:
        raise ValueError("every address: then any client could claim to be any other")
    return text


def _require_address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("should be an IP address, such as 172.30.32.2") from None
    return text


def require_base_path(text: str) -> str:
    """A base path without its final slash; raises ValueError, with what to change, if it cannot be one."""
    path = text.removesuffix("/")
    if not path:
        return ""
    if len(path) > MAX_BASE_PATH:
        raise ValueError(f"has more than {MAX_BASE_PATH} characters")
    if not path.startswith("/"):
        raise ValueError("should begin with a slash, such as /doors/edgeface")
    for segment in path[1:].split("/"):
        if segment in {".", ".."}:
            raise ValueError("has a segment of dots: write the path as the browser shows it, such as /doors/edgeface")
        if not segment:
            raise ValueError("has two slashes next to each other: write one")
        if _SEGMENT.fullmatch(segment) is None:
            raise ValueError("has a character that is not a letter a-z, digit, hyphen, dot, underscore or tilde")
    if path[1:] in PAGE_SEGMENTS:
        # Where a proxy has removed it, /events cannot be told from the start page at /events.
        raise ValueError("is a path that the page itself uses: choose another, such as /doors/edgeface")
    return path


HostName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
        max_length=253,
        json_schema_extra=form("a host name alone, without https://, port or path, such as edgeface.local"),
    ),
]
ProxyNetwork = Annotated[str, Field(max_length=50), AfterValidator(_require_network)]
IngressRole = Literal["viewer", "admin", "none"]
Group = Annotated[tuple[Id, ...], Field(strict=False, min_length=1, max_length=1000, examples=[["alice", "bob"]])]


class Privacy(Settings):
    """Which images and rows are published or kept."""

    snapshots: Literal["none", "unknown", "all"] = "none"
    """Whose faces are published as images on the snapshot topic."""
    journal_days: Annotated[int, Field(ge=0, le=3650)] = 90
    """Days to keep a row of the journal; 0 keeps it until there are too many."""
    pictures: Literal["none", "unknown", "all"] = "none"
    """Whose faces are kept, encrypted, to be viewed on this machine."""
    picture_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """Days to keep such an image."""
    correction_days: Annotated[int, Field(ge=0, le=90)] = 7
    """Days to keep the template of each announced visit, so that its event can be corrected; 0 keeps none."""
    negative_days: Annotated[int, Field(ge=0, le=3650)] = 365
    """Days to keep a negative template, which a correction "not this person" makes; 0 allows no such corrections."""
    proposal_days: Annotated[int, Field(ge=1, le=90)] = 7
    """Days for which the photos of a self-enrollment wait for an admin; they are erased afterwards."""
    consent_text: Annotated[str, Field(max_length=4000)] | None = None
    """What someone who enrolls with a link agrees to; left out: a default text."""


class Integrity(Settings):
    """What, outside the data folder, shows that all of it was put back; the broker and the doors need no key."""

    tpm: bool = False
    """Use a counter in the TPM 2 of this machine; `edgeface audit tpm` makes it."""


class WebTls(Settings):
    """The page's own certificate; TLS 1.2 or newer."""

    certificate: Path = Field(strict=False)
    """PEM, with its chain."""
    key: Path = Field(strict=False)
    """Private key, PEM."""


class Ingress(Settings):
    """Home Assistant's ingress: its Supervisor has signed people in, and names them in headers."""

    enabled: bool = False
    """Accept X-Ingress-Path and X-Remote-User-Id from the Supervisor, and allow its frame."""
    supervisor: Annotated[str, Field(max_length=50), AfterValidator(_require_address)] = "172.30.32.2"
    """The only address whose ingress headers are read."""
    users: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=200)], IngressRole],
        Field(max_length=100, examples=[{"anna": "admin"}]),
    ] = Field(default_factory=dict)
    """Roles by the user name or the id in Home Assistant."""
    default_role: IngressRole = "viewer"
    """The role of everyone else; `none` refuses them."""


class Web(Settings):
    """The page, the REST interface and the metrics; `edgeface web` manages accounts."""

    host: Host = "127.0.0.1"
    """The address to listen on; 0.0.0.0 and :: are all addresses of this machine."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8099
    """0 picks any free port."""
    tls: WebTls | None = None
    insecure: bool = False
    """Allow plaintext on an address that other machines can reach."""
    hosts: Annotated[tuple[HostName, ...], Field(strict=False, max_length=20, examples=[["edgeface.local"]])] = ()
    """Other host names of the page, such as edgeface.local."""
    trusted_proxies: Annotated[
        tuple[ProxyNetwork, ...], Field(strict=False, max_length=20, examples=[["192.168.1.2"]])
    ] = ()
    """Addresses or networks of reverse proxies: X-Forwarded-For, -Proto, -Host and -Prefix are read only from them."""
    base_path: Annotated[str, AfterValidator(require_base_path)] = ""
    """The path of the page behind a reverse proxy, such as /doors/edgeface."""
    ingress: Ingress = Ingress()
    """Serve the page inside Home Assistant."""

    @property
    def proxies(self) -> tuple[str, ...]:
        """Whose X-Forwarded headers are read."""
        return (*self.trusted_proxies, *((self.ingress.supervisor,) if self.ingress.enabled else ()))

    @model_validator(mode="after")
    def _require_tls(self) -> "Web":
        _refuse_plaintext(self)
        return self


class Serve(Settings):
    """The recognition service: REST without cameras, by several processes; `edgeface serve` runs it."""

    host: Host = "127.0.0.1"
    """The address to listen on; 0.0.0.0 and :: are all addresses of this machine."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8098
    """All workers listen on it; 0 picks any free port."""
    tls: WebTls | None = None
    insecure: bool = False
    """Allow plaintext on an address that other machines can reach."""
    trusted_proxies: Annotated[
        tuple[ProxyNetwork, ...], Field(strict=False, max_length=20, examples=[["192.168.1.2"]])
    ] = ()
    """Addresses or networks of reverse proxies: their connections are not limited by address."""
    sockets: Folder | None = None
    """A folder in which each worker also has its own Unix socket, for a proxy on this machine."""
    workers: Annotated[int, Field(ge=1, le=MAX_WORKERS)] | None = None
    """The number of workers; left out: one for each core."""
    queue: Annotated[int, Field(ge=0, le=1000)] = 16
    """Pictures that may wait in each worker; further ones are refused with 503."""
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    """Requests per minute with one token, over all workers."""
    stop_seconds: Annotated[float, Field(gt=0, le=15, strict=False)] = 10.0
    """Seconds to finish the requests in progress when the service stops.

    After 20 the service manager, or in a container the kernel, ends it by force.
    """

    @model_validator(mode="after")
    def _require_tls(self) -> "Serve":
        _refuse_plaintext(self)
        return self


def require_centre(text: str) -> str:
    """Return the address of a centre; raises ValueError, without repeating it, with what to change."""
    found = _CENTRE.fullmatch(text)
    if found is None:
        raise ValueError("should be https:// and a host, with a port if it is not 443, such as https://centre:8444")
    require_host(found["host"].strip("[]"))
    if found["port"] is not None and not 0 < int(found["port"]) < 1 << 16:
        raise ValueError("has a port that is not from 1 to 65535")
    return text


Centre = Annotated[str, Field(max_length=300), AfterValidator(require_centre)]


ModelFile = Annotated[Path, Field(strict=False)]


class Fleet(Settings):
    """The centre whose people this device matches; `edgeface fleet join` makes it a member."""

    centres: Annotated[
        tuple[Centre, ...], Field(strict=False, min_length=1, max_length=8, examples=[["https://centre.example:8444"]])
    ]
    """Addresses of the same centre: the next one is asked while one cannot be reached."""
    models: Annotated[
        tuple[ModelFile, ...], Field(strict=False, max_length=8, examples=[["/etc/edgeface/new.tflite"]])
    ] = ()
    """Embedders that the centre may have this device change over to, besides the one that ships, each with its
    calibration table next to it; none: the model stays."""


def _refuse_plaintext(served: Web | Serve) -> None:
    """Raise ValueError if other machines can reach a plaintext address and `insecure` does not allow it."""
    if served.tls is None and not served.insecure and not is_loopback(served.host):
        raise ValueError(f"plaintext on {served.host}, which other machines can reach: add tls, or set insecure: true")


class Configuration(Settings):
    """All of config.yaml."""

    restartless: ClassVar[frozenset[str]] = frozenset(
        {"embedder", "recognition", "quality", "privacy", "log", "groups", "schedules", "doors", "readers", "notify"}
    )

    device: Id = "edgeface"
    """This machine's name in every topic."""
    data: Folder = Path("/var/lib/edgeface")
    """The folder for the gallery and the journal."""
    cameras: Annotated[dict[Id, CameraSettings], Field(min_length=1, max_length=16)] = Field(default_factory=dict)
    """Left out: only `edgeface serve`, which has none, can use this configuration."""
    detector: DetectorSettings = DEFAULT_DETECTOR
    embedder: EmbedderSettings = EmbedderSettings()
    liveness: LivenessSettings | None = None
    """Whether faces are alive; left out: nothing is judged, and a photo may pass for a face."""
    recognition: Recognition = Recognition()
    quality: QualityLimits = QualityLimits()
    unknown: UnknownSettings = UnknownSettings()
    mqtt: Mqtt | None = None
    """Left out: events go only to the log and the journal."""
    groups: Annotated[dict[Id, Group], Field(max_length=64)] = Field(default_factory=dict)
    """Groups of people, for the rules of doors and for cameras."""
    schedules: Annotated[dict[Id, WeeklySchedule], Field(max_length=64)] = Field(default_factory=dict)
    """When people may enter, for the rules of doors."""
    doors: Annotated[dict[Id, Door], Field(max_length=16)] = Field(default_factory=dict)
    """Who may open which door; each door has its own controller, which verifies every grant."""
    readers: Annotated[tuple[Id, ...], Field(strict=False, max_length=16, examples=[["front-door"]])] = ()
    """Doors whose readers may name a person without a proof, for `factor: reader`."""
    notify: Notify | None = None
    """Left out: no one is notified."""
    privacy: Privacy = Privacy()
    integrity: Integrity = Integrity()
    web: Web | None = None
    """Left out: no page, no REST interface, no metrics."""
    serve: Serve | None = None
    """Left out: `edgeface serve` uses the defaults."""
    fleet: Fleet | None = None
    """Left out: only people who are enrolled here are matched."""
    log: Log = Log()

    @property
    def journal_path(self) -> Path:
        """Where the audit trail is kept."""
        return self.data / JOURNAL

    @property
    def page(self) -> str | None:
        """The address of the page as others reach it; None if it has none, or the configuration does not name it."""
        if self.notify is not None and self.notify.page is not None:
            return self.notify.page
        if self.web is None or not self.web.hosts:
            return None
        origin = f"{'http' if self.web.tls is None else 'https'}://{self.web.hosts[0]}:{self.web.port}"
        return f"{origin}{self.web.base_path}/"

    @property
    def https_page(self) -> str | None:
        """The address of the page if others reach it over https."""
        page = self.page
        return page if page is not None and page.startswith("https://") else None

    @property
    def access_policy(self) -> AccessPolicy:
        """Who may pass which door, and when."""
        # A group of the centre, which the camera alone may name.
        of_cameras: dict[str, tuple[str, ...]] = {
            one.people: () for one in self.cameras.values() if one.people is not None
        }
        groups = {**of_cameras, **self.groups}
        return AccessPolicy(
            self.doors, groups, self.schedules, readers=frozenset(self.readers), looks=self.liveness is not None
        )

    @property
    def companions(self) -> "Mapping[str, str]":
        """The cameras that only serve the liveness detector, by the camera whose faces they see."""
        return {} if self.liveness is None else self.liveness.companions

    @property
    def face_cameras(self) -> dict[str, "CameraBase"]:
        """The cameras in whose pictures faces are searched for: all but companions."""
        companions = frozenset(self.companions.values())
        return {name: camera for name, camera in self.cameras.items() if name not in companions}

    @property
    def camera_names(self) -> dict[str, str]:
        """The display names of the cameras that have one, by their ids."""
        return {one: camera.name for one, camera in self.cameras.items() if camera.name is not None}

    def camera_name(self, camera: str) -> str:
        """What people are shown for a camera: its display name; its id if it has none, or is no longer there."""
        found = self.cameras.get(camera)
        return camera if found is None or found.name is None else found.name

    @property
    def recorded_doors(self) -> dict[str, str]:
        """The cameras that play a recording, by the doors that they open; a camera's companion counts as well."""
        recorded = {name for name, camera in self.cameras.items() if camera.recorded}
        used = {name: (door.camera, self.companions.get(door.camera)) for name, door in self.doors.items()}
        return {name: camera for name, pair in used.items() for camera in pair if camera in recorded}

    @property
    def door_cameras(self) -> dict[str, str]:
        """The cameras whose pictures open doors, each with one of its doors; a camera's companion counts as well."""
        seen = {door.camera: name for name, door in self.doors.items()}
        return {**seen, **{other: seen[camera] for camera, other in self.companions.items() if camera in seen}}

    def camera_groups(self, groups: "Mapping[str, tuple[str, ...]] | None" = None) -> dict[str, frozenset[str]]:
        """The people who are matched at each camera that names a group, one of these or of those configured."""
        named = {name: camera.people for name, camera in self.cameras.items() if camera.people is not None}
        known = self.groups if groups is None else groups
        return {name: frozenset(known.get(group, ())) for name, group in named.items()}

    def open_analyzer(self) -> "FaceAnalyzer":
        """Load the models; raises ModelError if one cannot be used."""
        from edgeface.faces.analyzer import FaceAnalyzer

        return FaceAnalyzer.open(self.detector, self.embedder, self.quality, self.liveness)
