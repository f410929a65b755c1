"""`edgeface app`: what Home Assistant's app runs when it starts."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgeface.cli.home_assistant_app import configuration, options, photos, supervisor, user
from edgeface.config import loader
from edgeface.core.clock import SystemClock
from edgeface.core.errors import ConfigError, UsageError, system_reason
from edgeface.core.files import put_whole
from edgeface.core.log import Log, set_up
from edgeface.core.text import printable_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from edgeface.cli.home_assistant_app.options import Options
    from edgeface.cli.home_assistant_app.supervisor import Broker
    from edgeface.cli.home_assistant_app.user import User

_log = logging.getLogger(__name__)

DATA, SETTINGS = "edgeface", "settings"
"""Folders of the app's own: people and journal, which the daemon owns; the configuration, which only root changes."""
_TOKEN = "SUPERVISOR_TOKEN"  # noqa: S105 - the name of a variable
_NO_BROKER = "events go to the log and the journal only: install the app Mosquitto broker, then start this app again"


def run_app(arguments: argparse.Namespace) -> int:
    """`edgeface app`: becomes `edgeface run` with the configuration of the options, or of the user's own file.

    Raises ConfigError with one line for each mistake in the options, and BrokerError if the Supervisor gives no answer.
    """
    if not os.environ.get(_TOKEN):
        raise UsageError(
            f"only Home Assistant's app runs this command ({_TOKEN} is not set): elsewhere, use edgeface run"
        )
    set_up(Log())
    home: Path = arguments.data
    daemon, chosen = user.named(arguments.user), options.read(home / "options.json")
    _make_folders(home, daemon)
    file = _own_file(chosen, arguments.config_folder)
    if file is None:
        file = _written(chosen, arguments, daemon)
    else:
        _keep_broker(arguments, daemon)
        _check_own_file(file, home)
        _log.info("%s is used instead of the options, except for the option photos", printable_path(file))
    # No other process gets it: not the daemon, and not the one that reads photos.
    os.environ.pop(_TOKEN, None)
    if chosen.photos is not None:
        waiting = options.inside(arguments.share, chosen.photos, "photos")
        photos.enroll_waiting(waiting, ("--config", str(file)), daemon)
    if daemon is not None:
        user.become(daemon)
    # The process of the daemon has never seen a secret of the options.
    command = [sys.executable, "-m", "edgeface.cli", "run", "--config", str(file)]
    try:
        os.execv(sys.executable, command)  # noqa: S606
    except OSError as error:
        raise UsageError(f"--user: {arguments.user} cannot run {sys.executable}: {system_reason(error)}") from error


def _make_folders(home: Path, daemon: User | None) -> None:
    """Make the data folder, which the daemon owns with all its content, and the settings folder; raises ConfigError."""
    data, settings = home / DATA, home / SETTINGS
    with _writing(home):
        for folder in (data, settings):
            folder.mkdir(mode=0o700, exist_ok=True)
        if daemon is not None:
            settings.chmod(0o750)
            os.chown(settings, 0, daemon.gid)
            user.own(data, daemon)


def _own_file(chosen: Options, folder: Path) -> Path | None:
    """The user's own config.yaml, which is named or has this name; raises ConfigError if the named one is missing."""
    if chosen.config_file is None:
        own = folder / configuration.FILE
        return own if os.access(own, os.F_OK) else None
    named = options.inside(folder, chosen.config_file, "config_file")
    if not os.access(named, os.F_OK):
        raise ConfigError(f"{options.line(('config_file',), f'no such file in {folder}')}\n{options.HOW_TO_FIX}")
    return named


def _check_own_file(file: Path, home: Path) -> None:
    """Raise ConfigError if the user's own configuration has mistakes, or its data is where an update erases it."""
    configured = loader.load(file, files=True, machine=True)
    if not configured.data.resolve().is_relative_to((home / DATA).resolve()):
        raise ConfigError(
            f"{printable_path(file)}: data: should be {home / DATA}: an update of the app erases everything else"
        )
    if configured.web is None or not configured.web.ingress.enabled:
        _log.warning("%s: web.ingress is not enabled, so Home Assistant shows no page", printable_path(file))


def _written(chosen: Options, arguments: argparse.Namespace, daemon: User | None) -> Path:
    """Write the configuration of the options and their secrets, and check it; raises ConfigError."""
    settings: Path = arguments.data / SETTINGS
    file = settings / configuration.FILE
    page = configuration.Page(arguments.port, arguments.ingress)
    made = configuration.draft(chosen, _broker(arguments), arguments.data / DATA, settings, page)
    with _writing(settings):
        _clear(settings)
        for name, secret in made.secrets.items():
            _put(settings / name, secret, daemon)
        put_whole(file, made.text.encode())
        if daemon is not None:
            os.chown(file, 0, daemon.gid)
        # Read-only: the page would change it, and the next start would undo the change.
        file.chmod(0o440)
    try:
        loader.load(file, files=True, machine=True)
    except ConfigError as error:
        raise made.in_options(error, printable_path(file)) from error
    return file


def _keep_broker(arguments: argparse.Namespace, daemon: User | None) -> None:
    """Keep only the broker's password, for `mqtt.password_file` of the user's own configuration; raises ConfigError."""
    settings, found = arguments.data / SETTINGS, _broker(arguments)
    with _writing(settings):
        # Without a broker, the last password stays: the user's own configuration may name its file.
        _clear(settings, configuration.BROKER_PASSWORD)
        if found is not None and found.password:
            _put(settings / configuration.BROKER_PASSWORD, found.password, daemon)


def _clear(settings: Path, *kept: str) -> None:
    """Delete what an earlier start has written."""
    for old in settings.iterdir():
        if old.name not in kept:
            old.unlink()


def _broker(arguments: argparse.Namespace) -> Broker | None:
    found = supervisor.broker(arguments.supervisor, os.environ[_TOKEN], SystemClock())
    if found is None:
        _log.warning(_NO_BROKER)
    return found


def _put(path: Path, secret: str, daemon: User | None) -> None:
    """Write a file of mode 600 that the daemon's user owns."""
    put_whole(path, f"{secret}\n".encode())
    if daemon is not None:
        os.chown(path, daemon.uid, daemon.gid)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{printable_path(folder)}: cannot be written ({system_reason(error)})") from error
