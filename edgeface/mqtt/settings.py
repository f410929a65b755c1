"""Settings of the broker."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from edgeface.core.errors import ConfigError
from edgeface.core.settings import Host, Id, Settings, form
from edgeface.security.secret_sources import require_one_source


class Tls(Settings):
    """TLS 1.2 or newer; the host name is checked."""

    ca: Path | None = Field(default=None, strict=False)
    """CA certificate, PEM; by default the system's."""
    certificate: Path | None = Field(default=None, strict=False)
    """Client certificate, PEM."""
    key: Path | None = Field(default=None, strict=False)
    """Its key, PEM."""


class Mqtt(Settings):
    """The broker."""

    host: Host = "127.0.0.1"
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
    prefix: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9_-]+(/[a-z0-9_-]+)*$",
            max_length=100,
            json_schema_extra=form("small letters, digits, - and _, with / between parts, such as home/edgeface"),
        ),
    ] = "edgeface"
    """First part of every topic."""
    discovery: bool = True
    """Announce to Home Assistant."""
    people: Id | None = None
    """A group of people, or everyone: publish where and when each was last seen; left out: of no one."""
    discovery_prefix: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$",
            max_length=100,
            json_schema_extra=form("letters a-z, digits, - and _, with / between parts, such as homeassistant"),
        ),
    ] = "homeassistant"

    @model_validator(mode="after")
    def _one_password(self) -> Mqtt:
        given = self.password_file, self.password_env, self.password_credential
        require_one_source("password", *given)
        if self.username is None and any(given):
            raise ValueError("a password needs a user name: add username")
        if self.tls is not None and "%" in self.host:
            raise ValueError("TLS cannot check an address with %: write the broker's name as host")
        require_safe(self)
        return self


def require_safe(settings: Mqtt) -> None:
    """Raise ConfigError if passwords and faces would cross a network in plaintext without `insecure: true`."""
    if settings.tls is None and not settings.insecure and not is_loopback(settings.host):
        raise ConfigError(
            f"plaintext to {settings.host}, which is another machine: set tls: {{}} (or tls.ca), or insecure: true"
        )


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine: localhost, 127.0.0.0/8 or ::1."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
