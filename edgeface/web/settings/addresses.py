"""What a camera reads, as the page may show it: no password, and what was not changed stays as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeface.cameras.base import CameraBase

MASK = "***"
"""Stands for a part that is not shown."""

_ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?:(?P<login>[^@/?#]*)@)?(?P<host>[^/?#]*)"
    r"(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<rest>#.*)?",
    re.DOTALL,
)
# Some cameras have the password, or a token in place of it, in the path: only what is common in paths is shown.
_ORDINARY = re.compile(
    r"|live|main|sub|media|realmonitor|axis-media|media\.amp|cgi-bin|h26[45]|mpeg4?|mjpe?g|\d{1,3}|ch\d{1,3}(_\d{1,2})?"
    r"|(stream|streaming|channels?|cam|camera|video|profile|onvif|media)_?\d{0,3}|h26[45]Preview_\d{2}_(main|sub)"
    r"|(image|snap|snapshot|video|mjpg)(\.(jpe?g|cgi|mjpe?g))?",
    re.IGNORECASE,
)
_HARMLESS = re.compile(r"\d{1,2}|main|sub")


class HiddenError(ValueError):
    """A part that is hidden must be typed again."""


def source_key(camera: CameraBase) -> str | None:
    """The key with what a camera reads, if a page may change it.

    None for a pipeline, which can write files as well, and for clips and folders.
    """
    named = ("source", "url", "device", "number", "sensor")
    key = next((one for one in named if one in camera.keys_in_use), None)
    return key if key is not None and may_be_source(getattr(camera, key)) else None


def may_be_source(value: object) -> bool:
    """Whether a page may set a camera to this: a number, a device or an address, but no other file."""
    return isinstance(value, int) or (isinstance(value, str) and ("://" in value or value.startswith("/dev/")))


def masked(address: str) -> str:
    """An address without what may be secret: the password, and parts of path and query that look like one."""
    if "://" not in address:
        return address
    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        return MASK
    login = "" if parts["login"] is None else f"{_login(parts['login'])}@"
    path = "/".join(map(_segment, parts["path"].split("/")))
    query = "" if parts["query"] is None else "?" + "&".join(map(_argument, parts["query"][1:].split("&")))
    return f"{parts['scheme']}{login}{parts['host']}{path}{query}" + (f"#{MASK}" if parts["rest"] else "")


def unmasked(given: str, stored: str) -> str:
    """What was typed over a masked address, with the hidden parts of the stored one.

    Raises HiddenError if a hidden part would go to another host, by another protocol or for another user.
    """
    if given == masked(stored):
        return stored
    if MASK not in given:
        return given
    new, old = _ADDRESS.fullmatch(given), _ADDRESS.fullmatch(stored)
    if new is None or old is None or _place(new) != _place(old):
        raise HiddenError
    login = new["login"]
    if login is not None and MASK in login:
        login = old["login"]
        if login is None or _login(login) != new["login"]:
            raise HiddenError
    path = _filled(new["path"].split("/"), old["path"].split("/"))
    query = _query(new["query"], old["query"])
    rest = old["rest"] if new["rest"] == f"#{MASK}" else new["rest"]
    return f"{new['scheme']}{'' if login is None else f'{login}@'}{new['host']}{'/'.join(path)}{query}{rest or ''}"


def same_place(one: str, other: str) -> bool:
    """Whether both are addresses with the same protocol, host and port."""
    first, second = _ADDRESS.fullmatch(one), _ADDRESS.fullmatch(other)
    return first is not None and second is not None and _place(first) == _place(second)


def _place(parts: re.Match[str]) -> tuple[str, ...]:
    return tuple(parts[name].lower() for name in ("scheme", "host"))


def _login(login: str) -> str:
    user, colon, _ = login.partition(":")
    # Without a password, the name may be a token.
    return f"{user}:{MASK}" if colon else MASK


def _segment(text: str) -> str:
    return text if _ORDINARY.fullmatch(text) else MASK


def _argument(text: str) -> str:
    name, equals, value = text.partition("=")
    if not equals:
        return MASK if text else ""
    return text if _HARMLESS.fullmatch(value) else f"{name}={MASK}"


def _filled(new: list[str], old: list[str]) -> list[str]:
    """The segments of a path; a hidden one is that of the same place."""
    for n, one in enumerate(new):
        if MASK in one and (one != MASK or n >= len(old) or _segment(old[n]) != MASK):
            raise HiddenError
    return [old[n] if one == MASK else one for n, one in enumerate(new)]


def _query(new: str | None, old: str | None) -> str:
    if new is None:
        return ""
    hidden = {_argument(one): one for one in reversed((old or "?")[1:].split("&"))}
    parts = new[1:].split("&")
    if any(MASK in one and one not in hidden for one in parts):
        raise HiddenError
    return "?" + "&".join(hidden[one] if MASK in one else one for one in parts)
