"""centre.yaml as frozen objects; packages/centre/centre.yaml is the commented reference of every key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from edgeface.centre.records import Periods
from edgeface.config.configuration import MAX_WORKERS, HostName, ProxyNetwork, WebTls
from edgeface.core import settings_file
from edgeface.core.errors import ConfigError
from edgeface.core.log import Log
from edgeface.core.settings import Host, Settings
from edgeface.core.text import printable_path
from edgeface.faces.settings import EmbedderSettings, QualityLimits
from edgeface.mqtt.settings import Mqtt
from edgeface.security.secret_sources import require_one_source, secret

DEFAULT = Path("/etc/edgeface-centre/centre.yaml")
"""The file that a command uses without --config."""


def _conninfo(text: str) -> str:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        found = conninfo_to_dict(text)
    except ProgrammingError:
        # The message of libpq may quote a password.
        raise ValueError("not a connection string of PostgreSQL, such as host=/run/postgresql") from None
    if "password" in found:
        raise ValueError("has a password: write it into a file, and name that with password_file")
    return text


def _apart(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("should be an absolute path, such as /var/lib/edgeface-centre")
    return path


Folder = Annotated[Path, Field(strict=False), AfterValidator(_apart)]
Port = Annotated[int, Field(ge=0, le=65535)]
Proxies = Annotated[tuple[ProxyNetwork, ...], Field(strict=False, max_length=20, examples=[["192.168.1.2"]])]


class Database(Settings):
    """PostgreSQL 15 or newer."""

    conninfo: Annotated[str, Field(max_length=1000), AfterValidator(_conninfo)] = "dbname=edgeface"
    """How libpq connects, without the password."""
    password_file: Path | None = Field(default=None, strict=False)
    """A file whose first line is the password."""
    password_env: str | None = None
    """An environment variable that holds it."""
    password_credential: str | None = None
    """A systemd credential that holds it (LoadCredential=)."""

    @model_validator(mode="after")
    def _one_password(self) -> Database:
        require_one_source("password", self.password_file, self.password_env, self.password_credential)
        return self

    def open_conninfo(self) -> str:
        """The connection string with the password; raises ConfigError if that cannot be read."""
        from psycopg.conninfo import make_conninfo

        sources = self.password_file, self.password_env, self.password_credential
        password = secret("password of the database", "database", *sources, error_type=ConfigError)
        return self.conninfo if password is None else make_conninfo(self.conninfo, password=password)


class Devices(Settings):
    """Where devices connect; each needs its certificate, which the centre checks itself."""

    host: Host = "0.0.0.0"  # noqa: S104 - the devices are other machines
    """The address to listen on; 0.0.0.0 and :: are all addresses of this machine."""
    port: Port = 8444
    """0 picks any free port."""
    trusted_proxies: Proxies = ()
    """Addresses of balancers that pass TLS through: their connections are not limited by address."""


class Admins(Settings):
    """Where admins and their programs connect: the REST interface."""

    host: Host = "127.0.0.1"
    """The address to listen on; 0.0.0.0 and :: are all addresses of this machine."""
    port: Port = 8443
    """0 picks any free port."""
    hosts: Annotated[tuple[HostName, ...], Field(strict=False, max_length=20, examples=[["centre.example.org"]])] = ()
    """Host names under which it may be requested, in addition to `names`."""
    tls: WebTls | None = None
    """A certificate that browsers know; left out: that of the centre's own authority."""
    trusted_proxies: Proxies = ()
    """Addresses of reverse proxies: X-Forwarded-For, -Proto, -Host and -Prefix are read only from them."""


class Search(Settings):
    """The search for a face among everyone, for a human; `edgeface centre search` runs it."""

    workers: Annotated[int, Field(ge=1, le=MAX_WORKERS)] = 1
    """The number of its processes; the templates are in memory once, whatever their number."""
    sockets: Folder = Path("/run/edgeface-centre-search")
    """The folder in which each of them has its Unix socket: whoever may enter it may search everyone."""
    balancer: Folder | None = None
    """A Unix socket of nginx that balances them; left out: the centre tries one after the other."""
    per_minute: Annotated[int, Field(ge=1, le=1000)] = 10
    """Searches of one account in a minute."""


class CentreSettings(Settings):
    """All of centre.yaml."""

    database: Database = Database()
    data: Folder = Path("/var/lib/edgeface-centre")
    """The folder for the authority, the accounts, and the first copy of the keyring."""
    keyring: Folder = Path("/var/lib/edgeface-centre-keyring")
    """The folder for the second copy of the keyring; best on another disk."""
    passphrase_file: Path | None = Field(default=None, strict=False)
    """A file whose first line seals the keys that sign people; left out: they lie open in both folders."""
    passphrase_env: str | None = None
    """An environment variable that holds it."""
    passphrase_credential: str | None = None
    """A systemd credential that holds it (LoadCredential=)."""
    names: Annotated[
        tuple[Host, ...], Field(strict=False, min_length=1, max_length=20, examples=[["centre.example.org"]])
    ]
    """Host names and addresses by which devices reach the centre: they are in its certificate."""
    devices: Devices = Devices()
    admins: Admins = Admins()
    owner_keys: Folder | None = None
    """The data folder with the owner key and the list of device keys, if it is on this computer: `edgeface fleet lost`
    then takes the device out of every door's list, too."""
    mqtt: Mqtt | None = None
    """The broker that has the audit topics of all devices; left out: the centre stores no events."""
    event_months: Annotated[int, Field(ge=0, le=240)] = 0
    """Months after which events are deleted; 0 keeps all."""
    lease_days: Annotated[int, Field(ge=1, le=365)] = 30
    """Days for which a device may match people without reaching the centre."""
    history_days: Annotated[int, Field(ge=0, le=3660)] = 60
    """Days for which the history of changes is kept, more than `lease_days`; 0 keeps all of it."""
    expiry_grace_days: Annotated[int, Field(ge=0, le=3660)] = 0
    """Days after the end of a consent until the person is forgotten; no one is matched meanwhile."""
    search: Search = Search()
    embedder: EmbedderSettings = EmbedderSettings()
    """The model that makes templates of photos; the devices must use the same one."""
    quality: QualityLimits = QualityLimits()
    """What a photo needs."""
    log: Log = Log()

    @model_validator(mode="after")
    def _one_passphrase(self) -> CentreSettings:
        require_one_source("passphrase", self.passphrase_file, self.passphrase_env, self.passphrase_credential)
        return self

    @model_validator(mode="after")
    def _two_folders(self) -> CentreSettings:
        one, other = (Path(path).resolve() for path in (self.data, self.keyring))
        if one == other or one in other.parents:
            raise ValueError("keyring should not be data or inside it: one mistake would lose both copies of the keys")
        return self

    @model_validator(mode="after")
    def _history_outlasts_leases(self) -> CentreSettings:
        if 0 < self.history_days <= self.lease_days:
            raise ValueError("history_days should be more than lease_days: a device that was away would list again")
        return self

    @property
    def periods(self) -> Periods:
        """How long what is kept."""
        return Periods(self.expiry_grace_days, self.event_months, self.history_days)

    @property
    def lease_seconds(self) -> int:
        """Seconds of `lease_days`."""
        return self.lease_days * 86_400

    def passphrase(self) -> bytes | None:
        """What seals the enrolling keys, None for nothing; raises ConfigError if it cannot be read."""
        sources = self.passphrase_file, self.passphrase_env, self.passphrase_credential
        found = secret(
            "passphrase of the enrolling keys", "the file", *sources, key="passphrase", error_type=ConfigError
        )
        return None if found is None else found.encode()


def load(path: Path) -> CentreSettings:
    """Read the file; raises ConfigError with one line per mistake: FILE:LINE: KEY: the problem."""
    return parse(settings_file.read(path), printable_path(path))


def parse(data: bytes, name: str) -> CentreSettings:
    """Check a file's content; each line of a ConfigError starts with `name`."""
    sections = ("database", "devices", "admins", "search", "embedder", "quality", "log")
    return settings_file.parse(CentreSettings, data, name, optional=sections, reference="packages/centre/centre.yaml")
