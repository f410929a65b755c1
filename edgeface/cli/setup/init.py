"""`edgeface init`: write the first configuration, from a few questions or from options."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import yaml

from edgeface.cameras.discovery import attached, missing, take_image
from edgeface.config import loader
from edgeface.config.places import SYSTEM, SYSTEM_DATA, default_config, own_config, own_data
from edgeface.core.console import say
from edgeface.core.errors import CameraError, ConfigError, EdgefaceError, UsageError, system_reason
from edgeface.core.files import put_whole
from edgeface.core.http.login import divided
from edgeface.core.installed.container import for_here
from edgeface.core.installed.owner import of_another
from edgeface.core.installed.place import place
from edgeface.core.text import check_id, cleaned, printable_path
from edgeface.mqtt.settings import Mqtt, is_loopback

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from edgeface.config.configuration import Configuration

    Keys = dict[str, object]
    """A part of the file."""

_Answer = TypeVar("_Answer")

CAMERA = "porch"
"""The camera's name, as in README and docs."""

NO_BROKER = "none"
LOCAL = "127.0.0.1"
_PORT, _TLS_PORT = 1883, 8883
_CAMERA_QUESTION = "camera: a device of the list, an rtsp:// or http:// address, or a video file"
_DEVICE_QUESTION = "name of this device in every MQTT topic"
_BROKER_QUESTION = f"MQTT broker, or {NO_BROKER}"
_NO_ADDRESS = "not a broker's address: HOST, HOST:PORT, mqtts://HOST or mqtt://HOST"
_SECONDS = 1.0
"""How long a broker on this machine may take to answer."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What differs between two first configurations."""

    camera: Keys
    device: str
    broker: Keys | None


def run_init(arguments: argparse.Namespace) -> int:
    """`edgeface init`: returns 0 with a file that is checked; raises UsageError if there is a configuration already."""
    path: Path = arguments.config or _target()
    if os.access(path, os.F_OK):
        raise UsageError(f"{printable_path(path)} exists and is not changed: edit it, or name another with --config")
    asks = sys.stdin.isatty() and not arguments.yes
    data = _data(path, named=arguments.config is not None)
    parts = _parts(arguments, asks=asks)
    password_file = path.absolute().with_name(f"{CAMERA}.password")
    camera, password = apart(parts.camera, password_file)
    text = _text(replace(parts, camera=camera), data)
    configuration = loader.parse(text.encode(), printable_path(path))
    if password is not None:
        _write(password_file, f"{password}\n", replaces=True)
        say(f"{printable_path(password_file)}: the camera's password, which only you can read")
    _write(path, text)
    say(f"{path}: written and checked; every other key is in the reference: docs/configuration.md")
    _say_camera(configuration)
    _say_next(path, configuration)
    return 0


def _target() -> Path:
    """The person's own file, or the one that commands would use instead; in a container, the one in its volume."""
    used = default_config()
    own = used == SYSTEM and not os.access(used, os.F_OK) and place().kind != "image"
    return own_config() if own else used


def _data(path: Path, *, named: bool) -> Path:
    if path == SYSTEM:
        return SYSTEM_DATA
    return path.absolute().parent / "data" if named else own_data()


def _parts(arguments: argparse.Namespace, *, asks: bool) -> _Parts:
    """From the options, and for the others from questions, or from what this machine has."""
    return _Parts(
        _chosen(arguments.camera, _camera_here, camera_keys, _CAMERA_QUESTION if asks else None),
        _chosen(arguments.device, lambda: "edgeface", _device, _DEVICE_QUESTION if asks else None),
        _chosen(arguments.broker, _broker_here, broker_keys, _BROKER_QUESTION if asks else None),
    )


def _chosen(
    given: str | None, found: Callable[[], str], read: Callable[[str], _Answer], question: str | None
) -> _Answer:
    """The value of an option; or of an answer, which is asked for until it can be used; or what was found."""
    if given is not None:
        return read(given)
    default = found()
    while question is not None:
        answer = _ask(question, default)
        try:
            return read(answer)
        except EdgefaceError as error:
            say(f"  {error}")
    return read(default)


def _ask(question: str, default: str) -> str:
    try:
        return input(f"{question} [{default}]: " if default else f"{question}: ").strip() or default
    except EOFError as error:
        raise UsageError("the input has ended; nothing was written") from error


def _camera_here() -> str:
    """List the cameras that are plugged in; returns the first that delivers images, or nothing."""
    first = ""
    for one in attached():
        say(f"  {one.where:<14}{cleaned(one.what)}; {one.hint}")
        if one.camera is not None and not first:
            first = one.where
    if not first:
        say("  no camera is plugged in")
        for hint in missing():
            say(f"  {hint}")
    return first


def camera_keys(text: str) -> Keys:
    """The keys of a camera: a number, a device, `picamera:N`, an address or a file; raises UsageError."""
    # As it is typed, and as the list of cameras names it.
    if (found := re.fullmatch(r"(?:picamera:?|Pi camera )(\d*)", text, re.ASCII)) is not None:
        return {"type": "picamera", "number": int(found[1] or 0)}
    if re.fullmatch(r"\d{1,4}", text, re.ASCII) is not None:
        return {"type": "opencv", "source": int(text)}
    if text.startswith("/dev/"):
        return {"type": "opencv", "source": text}
    if text.lower().startswith(("rtsp://", "rtsps://")):
        return {"type": "rtsp", "url": text}
    if "://" in text:
        return {"type": "opencv", "source": text}
    if not text or not os.access(text, os.F_OK):
        # An address without its :// may have a password in it, and the app writes this into its log.
        shown = "this" if "@" in text else cleaned(text)
        none = f"{shown} is not a camera: use" if text else "no camera is given: --camera takes"
        raise UsageError(f"{none} 0, /dev/video0, picamera, an rtsp:// address or a video file")
    return {"type": "replay", "path": str(Path(text).absolute()), "loop": True}


def apart(camera: Keys, file: Path) -> tuple[Keys, str | None]:
    """The keys of a camera with the password of its address in a file, and this password; None if it has none."""
    key = "url" if "url" in camera else "source"
    address, login = divided(str(camera.get(key, "")))
    if login is None or not login.password:
        return camera, None
    return {**camera, key: address, "username": login.username, "password_file": str(file)}, login.password


def _device(text: str) -> str:
    check_id(text)
    return text


def _broker_here() -> str:
    """This machine's broker, or none."""
    try:
        socket.create_connection((LOCAL, _PORT), timeout=_SECONDS).close()
    except OSError:
        return NO_BROKER
    return LOCAL


def broker_keys(text: str) -> Keys | None:
    """The section `mqtt` of HOST, HOST:PORT, mqtt://HOST or mqtts://HOST; raises UsageError.

    Plaintext to another machine must be asked for with mqtt://.
    """
    if text == NO_BROKER:
        return None
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(_NO_ADDRESS) from error
    if host is None or parts.scheme not in {"", "mqtt", "mqtts"} or parts.username or parts.path:
        raise UsageError(_NO_ADDRESS)
    if not parts.scheme and not is_loopback(host):
        raise UsageError(f"{host} is another machine: mqtts://{host} uses TLS, mqtt://{host} sends in plaintext")
    keys: Keys = {"host": host, "port": port or (_TLS_PORT if parts.scheme == "mqtts" else _PORT)}
    if parts.scheme == "mqtts":
        keys["tls"] = {}
    elif not is_loopback(host):
        keys["insecure"] = True
    try:
        Mqtt.model_validate(keys)
    except ValueError as error:
        raise UsageError(_NO_ADDRESS) from error
    return keys


def _text(parts: _Parts, data: Path) -> str:
    """The file, about ten lines."""
    keys: Keys = {"device": parts.device, "data": str(data), "cameras": {CAMERA: parts.camera}}
    if parts.broker is not None:
        keys["mqtt"] = parts.broker
    keys["web"] = {}
    head = "# Written by edgeface init. After a change: edgeface check\n"
    if place().kind == "image":
        # Only what is published reaches the page, and its 127.0.0.1 is not that of the machine.
        keys["web"] = {"host": "0.0.0.0", "insecure": True}  # noqa: S104
        head += "# The page is in plaintext: publish its port to 127.0.0.1 alone, or add web.tls (docs/container.md)\n"
    return head + yaml.safe_dump(keys, sort_keys=False, allow_unicode=True, width=1000)


def _write(path: Path, text: str, *, replaces: bool = False) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        put_whole(path, text.encode(), replace=replaces)
    except OSError as error:
        reason = of_another(path.parent, os.W_OK | os.X_OK) or system_reason(error)
        raise ConfigError(f"{printable_path(path)}: cannot be written ({reason})") from error


def _say_camera(configuration: Configuration) -> None:
    for name, camera in configuration.cameras.items():
        try:
            height, width = take_image(camera).shape[:2]
        except CameraError as error:
            say(f"camera {name} does not deliver images yet: {error}")
        else:
            say(f"camera {name}: {width} x {height}")


def _say_next(path: Path, configuration: Configuration) -> None:
    """What to run next, as it can be typed here."""
    inside = place().kind == "image"
    command = for_here("sudo edgeface") if inside else "edgeface" if shutil.which("edgeface") else sys.argv[0]
    option = "" if default_config() == path else f" --config {path}"
    if configuration.mqtt is None:
        broker = "add the section mqtt" if inside else "sudo apt-get install mosquitto, and add the line mqtt: {}"
        say(f"without a broker, events are in the log and on the page; for MQTT: {broker}")
    if inside:
        say("start the container with the same volumes, as in docs/container.md; then:")
    else:
        say("next:")
    say(f'  {command} enroll alice --name "Alice" a1.jpg a2.jpg a3.jpg{option}')
    say(f"  {command} enroll alice --camera {CAMERA}{option}   (instead, at the camera)")
    then = f"; then {for_here('systemctl restart edgeface')}" if inside else ""
    say(f"  {command} web password --role admin{option}   (your account for the page{then})")
    if inside:
        say("the page is where you publish port 8099: http://127.0.0.1:8099/")
        return
    say(f"  {command} run{option}")
    if configuration.web is not None:
        say(f"the page is then at http://{configuration.web.host}:{configuration.web.port}/")
