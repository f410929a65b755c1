"""The configuration that is made from the options of the app, with every secret in a file of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import yaml

from edgeface.cameras.network.keys import has_password_in_path
from edgeface.cli.home_assistant_app.options import HOW_TO_FIX, line
from edgeface.cli.setup.init import apart, camera_keys
from edgeface.config.places import WRITTEN_BY_APP
from edgeface.core.errors import ConfigError, UsageError
from edgeface.core.http.login import divided
from edgeface.core.text import id_from, new_id
from edgeface.mqtt.settings import is_loopback

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.cli.home_assistant_app.options import CameraOption, Options
    from edgeface.cli.home_assistant_app.supervisor import Broker
    from edgeface.cli.setup.init import Keys
    from edgeface.core.mistakes.schema import KeyPath

FILE = "config.yaml"
DEVICE = "edgeface-app"
"""Not the default, which an edgeface on another machine may have at the same broker."""
BROKER_PASSWORD = "mqtt.password"  # noqa: S105 - the name of a file

_NOT_IN_PATH = (
    "has a password in its path or query: delete it there, and fill in username and password; for a camera that needs"
    " it there, write your own config.yaml"
)
_OF_STRANGERS = ("unknown", "spoof")
_ADDRESSES = ("url", "source", "path")
"""The keys of a camera that the option `address` becomes."""
_HEAD = f"""\
{WRITTEN_BY_APP} from its options, each time it starts. Changes here are lost: change the options,
# or write a config.yaml of your own (docs/home-assistant-app.md).
"""


class Page(NamedTuple):
    """How the page is reached."""

    port: int
    supervisor: str
    """The Supervisor's address; ingress is believed from nowhere else."""


class Draft:
    """A configuration in the making, from options."""

    def __init__(self, folder: Path) -> None:
        """`folder` is where its secrets will be."""
        self.folder = folder
        self.sections: list[tuple[str, Keys]] = []
        """Parts of the file, each with its comment."""
        self.secrets: dict[str, str] = {}
        """The files with one secret each: name, and content without a final line break."""
        self.origins: dict[str, KeyPath] = {}
        """The options, by the key that they become."""
        self.mistakes: list[str] = []

    @property
    def text(self) -> str:
        """The content of config.yaml."""
        parts = (
            f"# {comment}\n{yaml.safe_dump(keys, sort_keys=False, allow_unicode=True, width=1000)}"
            for comment, keys in self.sections
        )
        return "\n".join([_HEAD, *parts])

    def secret(self, name: str, content: str) -> str:
        """Keep a secret for a file of this name; returns the path of the file."""
        self.secrets[name] = content
        return str(self.folder / name)

    def in_options(self, error: ConfigError, name: str) -> ConfigError:
        """The mistakes of the file `name`, each with the option that it comes from where there is one."""
        lines = [_in_options(one.removeprefix(name), self.origins) for one in str(error).splitlines()]
        return ConfigError("\n".join([*lines, HOW_TO_FIX]))


def _in_options(mistake: str, origins: dict[str, KeyPath]) -> str:
    """A mistake, `:LINE: KEY: PROBLEM`, in words of the options."""
    said = re.sub(r"^:\d+: ", "", mistake)
    known = [key for key in origins if said.startswith((f"{key}.", f"{key}:"))]
    if not known:
        return said
    key = max(known, key=len)
    return line(origins[key], said[len(key) :].partition(": ")[2])


def draft(options: Options, broker: Broker | None, data: Path, folder: Path, page: Page) -> Draft:
    """Make a configuration; raises ConfigError, with one line for each mistake, if the options cannot make one.

    `data` is the data folder, `folder` where the file and its secrets will be.
    """
    made = Draft(folder)
    made.sections.append(("The app's own folder.", {"device": DEVICE, "data": str(data)}))
    _cameras(made, options)
    made.sections.append(("Option level.", {"recognition": {"level": options.level}}))
    if broker is not None:
        made.sections.append(("From the Supervisor: the service mqtt.", {"mqtt": _mqtt(made, broker)}))
    _notifications(made, options)
    made.sections.append(("Option snapshots.", {"privacy": {"snapshots": options.snapshots}}))
    made.sections.append(
        ("Options users and others; only Home Assistant's ingress.", {"web": _web(made, options, page)})
    )
    made.sections.append(("Option log_level.", {"log": {"level": options.log_level}}))
    if made.mistakes:
        raise ConfigError("\n".join([*made.mistakes, HOW_TO_FIX]))
    return made


def _cameras(made: Draft, options: Options) -> None:
    cameras: dict[str, Keys] = {}
    if not options.cameras:
        made.mistakes.append(line(("cameras",), "lists no camera: add one, with a name and an address"))
    for number, option in enumerate(options.cameras):
        where = ("cameras", number)
        if (wrong := _mistake(option)) is not None:
            made.mistakes.append(line((*where, wrong[0]), wrong[1]))
            continue
        name = new_id(option.name, cameras.__contains__)
        try:
            keys = _camera(made, name, option)
        except UsageError as error:
            made.mistakes.append(line((*where, "address"), str(error)))
            continue
        cameras[name] = {"name": option.name, **keys}
        key = f"cameras.{name}"
        made.origins |= {key: where, f"{key}.name": (*where, "name")}
        made.origins |= {f"{key}.{one}": (*where, "address") for one in _ADDRESSES}
    made.sections.append(("Option cameras.", {"cameras": cameras}))


def _mistake(option: CameraOption) -> tuple[str, str] | None:
    """The first mistake in a camera: the option, and the problem; None if there is none."""
    user, password, address = option.username is not None, option.password is not None, option.address
    problems = (
        ("name", "should have a letter", not id_from(option.name)),
        ("username", "missing: a password needs a user name", password and not user),
        ("password", "missing: a user name needs a password", user and not password),
        ("username", "is for an address such as rtsp://: remove it", user and "://" not in address),
        ("address", "has a user name already: remove it there, or remove username", user and divided(address)[1]),
        ("address", _NOT_IN_PATH, has_password_in_path(address)),
    )
    return next(((key, problem) for key, problem, wrong in problems if wrong), None)


def _camera(made: Draft, name: str, option: CameraOption) -> Keys:
    """The keys of a camera; raises UsageError if its address cannot be used."""
    file = f"camera-{name}.password"
    keys, password = camera_keys(option.address), option.password
    if option.username is not None:
        keys |= {"username": option.username, "password_file": str(made.folder / file)}
    else:
        keys, password = apart(keys, made.folder / file)
    if password is not None:
        made.secrets[file] = password
    return keys


def _mqtt(made: Draft, broker: Broker) -> Keys:
    """Discovery is on by default. The network between apps does not leave this machine, and its broker has no TLS."""
    keys: Keys = {"host": broker.host, "port": broker.port}
    if broker.username:
        keys["username"] = broker.username
    if broker.password:
        keys["password_file"] = made.secret(BROKER_PASSWORD, broker.password)
    if broker.ssl:
        keys["tls"] = {}
    elif not is_loopback(broker.host):
        keys["insecure"] = True
    return keys


def _notifications(made: Draft, options: Options) -> None:
    targets: dict[str, Keys] = {}
    rules: list[Keys] = []
    for number, option in enumerate(options.notifications):
        name = f"notification-{number + 1}"
        # Home Assistant itself, which most people send to, has a local address.
        file = made.secret(f"{name}.url", option.address)
        targets[name] = {"type": "apprise", "url_file": file, "allow_local": True}
        known = ("match",) if option.about == "everyone" else ()
        # A list of its own: YAML would repeat one that stands twice by an alias, which no configuration may have.
        rules.append({"to": [name], "kinds": [*known, *_OF_STRANGERS]})
        made.origins[f"notify.targets.{name}"] = ("notifications", number, "address")
    if targets:
        made.origins["notify"] = ("notifications",)
        made.sections.append(("Option notifications.", {"notify": {"targets": targets, "rules": rules}}))


def _web(made: Draft, options: Options, page: Page) -> Keys:
    users: dict[str, str] = {}
    for number, option in enumerate(options.users):
        if option.name in users:
            made.mistakes.append(line(("users", number, "name"), "is listed twice"))
        users[option.name] = option.role
    made.origins["web.ingress.users"] = ("users",)
    ingress: Keys = {"enabled": True, "supervisor": page.supervisor, "users": users, "default_role": options.others}
    return {"host": "0.0.0.0", "port": page.port, "insecure": True, "ingress": ingress}  # noqa: S104 - of a container
