"""Reads passwords and other secrets from where a configuration says: a file, a variable, a systemd credential."""

from __future__ import annotations

import codecs
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edgeface.core.errors import BrokerError, system_reason
from edgeface.core.files import regular
from edgeface.core.text import printable_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.core.errors import EdgefaceError

_log = logging.getLogger(__name__)

# MQTT 5, 3.1.3.6, has the largest of all.
_MAX_BYTES = 65_535


class PasswordSource(Protocol):
    """Settings that name at most one source of a password."""

    @property
    def password_file(self) -> Path | None:
        """A file whose first line is the password."""

    @property
    def password_env(self) -> str | None:
        """An environment variable."""

    @property
    def password_credential(self) -> str | None:
        """A systemd credential."""


def require_one_source(kind: str, *sources: object, needed: bool = False) -> None:
    """Raise ValueError if several sources of a secret are given, or none although one is `needed`."""
    given = sum(source is not None for source in sources)
    if given > 1 or (needed and not given):
        raise ValueError(f"give one of {kind}_file, {kind}_env and {kind}_credential")


def password(settings: PasswordSource, section: str = "mqtt") -> str | None:
    """The password of these settings, or None if they name none; raises BrokerError, as `secret`."""
    what = f"{'MQTT' if section == 'mqtt' else section} password"
    sources = settings.password_file, settings.password_env, settings.password_credential
    return secret(what, section, *sources)


def secret(
    what: str,
    section: str,
    file: Path | None,
    variable: str | None,
    credential: str | None,
    *,
    key: str = "password",
    error_type: Callable[[str], EdgefaceError] = BrokerError,
) -> str | None:
    """The secret from its file, credential or environment variable, or None if there is none.

    Raises `error_type` if it cannot be read. No error, log line or repr contains it. `what` names it in errors;
    `section` and `key` are where it is configured: SECTION.KEY_file, KEY_env and KEY_credential.
    """
    if file is not None:
        return _first_line(file, what, error_type)
    if credential is not None:
        return _first_line(_credential(credential, f"{section}.{key}_credential", error_type), what, error_type)
    if variable is not None:
        found = os.environ.get(variable)
        if not found:
            raise error_type(f"{section}.{key}_env: the environment has no {variable}")
        return found
    return None


def _credential(name: str, where: str, error_type: Callable[[str], EdgefaceError]) -> Path:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        raise error_type(f"{where}: systemd gave no credentials (LoadCredential= in the unit)")
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
        raise error_type(f"{where}: a name has only letters, digits, dot, - and _")
    return Path(folder) / name


def _first_line(path: Path, what: str, error_type: Callable[[str], EdgefaceError]) -> str:
    try:
        with regular(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            # Editors of Windows begin a file with a byte order mark.
            line = file.readline(_MAX_BYTES + 5).removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n")
    except OSError as error:
        raise error_type(f"the {what} cannot be read: {printable_path(path)}: {system_reason(error)}") from error
    if mode & 0o007:
        _log.warning("%s holds the %s and is open to every user: chmod 640 it", printable_path(path), what)
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise error_type(f"the {what} cannot be used: {printable_path(path)} is UTF-16; save it again as UTF-8")
    if not line or len(line) > _MAX_BYTES:
        raise error_type(f"the {what} cannot be used: the first line of {printable_path(path)} is empty or too long")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise error_type(f"the {what} cannot be used: the first line of {printable_path(path)} is not UTF-8") from None
