"""The keys of cameras in the network: user name and password, from a file, the environment or a systemd credential."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from edgeface.cameras import base
from edgeface.cameras.base import CameraBase
from edgeface.core.errors import CameraError
from edgeface.core.http.login import Login, divided, joined
from edgeface.security.secret_sources import require_one_source, secret

LOGIN_KEYS = frozenset({"username", "password_file", "password_env", "password_credential"})


_PASSWORD = re.compile(r"(?<![a-z0-9])(?:password|passwd|passphrase|pass|pwd|loginpas|token)=[^&;_/#]", re.IGNORECASE)
"""As cameras name it: `/snap.cgi?loginpas=x`, `/user=admin_password=x_stream=0`."""


def _require_username(name: str) -> str:
    # RFC 7617, 2: Basic separates the password by the first colon.
    if ":" in name or not name.isprintable():
        raise ValueError("a user name has no colon and no control characters")
    return name


class NetworkCamera(CameraBase):
    """A camera that may need a login; its address is without user name and password then."""

    username: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_require_username)] | None = None
    password_file: Path | None = Field(default=None, strict=False)
    """A file whose first line is the password."""
    password_env: str | None = None
    """An environment variable that holds it."""
    password_credential: str | None = None
    """A systemd credential that holds it (LoadCredential=)."""

    @model_validator(mode="after")
    def _one_password(self) -> NetworkCamera:
        given = self.password_file, self.password_env, self.password_credential
        require_one_source("password", *given)
        if self.username is None and any(given):
            raise ValueError("a password needs a username")
        if self.username is not None and not any(given):
            raise ValueError("a username needs one of password_file, password_env and password_credential")
        return self

    def logged_in(self, address: str) -> str:
        """The address with user name and password; raises CameraError if the password cannot be read.

        It is read at each opening, so a new password needs no restart. The result must not be shown.
        """
        if self.username is None:
            return address
        sources = self.password_file, self.password_env, self.password_credential
        password = secret("camera's password", "camera", *sources, error_type=CameraError)
        return joined(address, Login(self.username, password or ""))

    def why_no_password(self) -> str | None:
        """That the variable or the systemd credential is missing here."""
        if self.password_env is not None and self.password_env not in os.environ:
            return f"{self.password_env} is not set here"
        if self.password_credential is not None and "CREDENTIALS_DIRECTORY" not in os.environ:
            return "only the service receives the password"
        return None

    def require_one_login(self, address: str) -> None:
        """Raise ValueError if both the address and the keys name a user."""
        if self.username is not None and divided(address)[1] is not None:
            raise ValueError("the address has a user name already: remove it there, or remove username")


class AddressCamera(NetworkCamera):
    """A camera in the network that is nothing but an address."""

    restartless = NetworkCamera.restartless | {"insecure"}

    url: Annotated[str, Field(max_length=2000, repr=False)]
    """The address; each type says of which protocols."""
    insecure: bool = False
    """Allow doors at this camera although its pictures come from another machine in plaintext."""

    @model_validator(mode="after")
    def _one_login(self) -> AddressCamera:
        self.require_one_login(self.url)
        return self

    @property
    def label(self) -> str:
        """The address as it may be shown."""
        return base.public_part(self.url)

    def hosts(self) -> tuple[str, ...]:
        """The host of `url`."""
        return base.hosts_of(self.url)

    def plaintext(self) -> tuple[tuple[str, str], ...]:
        """The host of rtsp:// or http://."""
        host = None if self.insecure else base.plaintext_host(self.url)
        return () if host is None else (("url", host),)

    def keys_with_passwords(self) -> tuple[str, ...]:
        """`url`, if a password is written into it."""
        return ("url",) if has_password(self.url) else ()


def has_password(address: str) -> bool:
    """Whether a password is written into an address: before the host, in the path or in the query."""
    login = divided(address)[1]
    return (login is not None and login.password != "") or has_password_in_path(address)


def has_password_in_path(address: str) -> bool:
    """Whether the path or the query of an address has a password or a token, by its name there."""
    return _PASSWORD.search(divided(address)[0].partition("://")[2]) is not None
