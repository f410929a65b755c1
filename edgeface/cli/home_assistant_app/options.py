"""The options of the app, as Home Assistant writes them into /data/options.json."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from edgeface.core.errors import ConfigError, system_reason
from edgeface.core.files import loads_object, read_at_most
from edgeface.core.mistakes import values
from edgeface.core.mistakes.schema import path_of
from edgeface.core.settings import Level, Settings
from edgeface.core.text import printable, printable_path

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.core.mistakes.schema import KeyPath

_MAX_BYTES = 256_000
_MAX_LISTED = 20
"""Mistakes that an error lists."""
HOW_TO_FIX = "change this on the tab Configuration of the app, save, and start the app again"


def _one_line(text: str) -> str:
    """A line break would end a password in its file, or begin a line of the log."""
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text):
        raise ValueError("has a line break or another control character: delete it")
    return text


def _left_out(value: object) -> object:
    """Home Assistant's form leaves an empty text where an optional value was deleted."""
    return None if value == "" else value


_Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_one_line)]
_Text = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_one_line)]
_Optional = Annotated[_Text | None, BeforeValidator(_left_out)]


class CameraOption(Settings):
    """One entry of the option `cameras`."""

    name: _Name
    """What people call the camera; its id is made from it."""
    address: _Text = Field(repr=False)
    """rtsp:// or http://, /dev/video0, or a clip in /media."""
    username: _Optional = None
    password: _Optional = Field(default=None, repr=False)


class UserOption(Settings):
    """One entry of the option `users`: what someone who is signed in to Home Assistant may do."""

    name: _Name
    """The user name in Home Assistant, or the user's id."""
    role: Literal["viewer", "admin", "none"]


class NotificationOption(Settings):
    """One entry of the option `notifications`."""

    address: _Text = Field(repr=False)
    """An address of Apprise; it has a password or a token in it."""
    about: Literal["strangers", "everyone"] = "strangers"


class Options(Settings):
    """All options; the app's config.yaml has the same keys, and a test compares them."""

    cameras: Annotated[tuple[CameraOption, ...], Field(strict=False, max_length=16)] = ()
    level: Level = "normal"
    users: Annotated[tuple[UserOption, ...], Field(strict=False, max_length=100)] = ()
    others: Literal["viewer", "none"] = "viewer"
    """The role of everyone that `users` does not list."""
    notifications: Annotated[tuple[NotificationOption, ...], Field(strict=False, max_length=16)] = ()
    snapshots: Literal["none", "unknown", "all"] = "none"
    photos: _Optional = None
    """A folder in /share with FOLDER/PERSON/PHOTO, whose people are enrolled when the app starts."""
    config_file: _Optional = None
    """A config.yaml of the user's own, in the app's folder; of the other options, only `photos` then counts."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def read(path: Path) -> Options:
    """The options in a file; raises ConfigError with one line for each mistake, which names the option."""
    try:
        data = read_at_most(path, _MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"{printable_path(path)}: cannot be read ({system_reason(error)})") from error
    tree = loads_object(data) if len(data) <= _MAX_BYTES else None
    if tree is None:
        raise ConfigError(f"{printable_path(path)}: not the options of an app: save them again in Home Assistant")
    try:
        return Options.model_validate(tree)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[:_MAX_LISTED]
        mistakes = [line(path_of(one, tree), values.words([one], tree, Options, "DOCS.md")) for one in found]
        raise ConfigError("\n".join([*mistakes, HOW_TO_FIX])) from error


def inside(folder: Path, text: str, option: str) -> Path:
    """A path that an option names in a folder, with or without the folder's own path; raises ConfigError."""
    found = (folder / text.removeprefix(f"{folder}/")).resolve()
    if not found.is_relative_to(folder.resolve()) or found == folder.resolve():
        raise ConfigError(f"{line((option,), f'should be a path in {folder}')}\n{HOW_TO_FIX}")
    return found


def line(where: KeyPath, problem: str) -> str:
    """One mistake: `option cameras, entry 2, address: PROBLEM`."""
    return f"option {named(where)}: {problem}"


def named(where: KeyPath) -> str:
    """An option as people find it in Home Assistant's form, where entries are counted from 1."""
    steps = [f"entry {step + 1}" if isinstance(step, int) else printable(step) for step in where]
    return ", ".join(steps) or "the options"
