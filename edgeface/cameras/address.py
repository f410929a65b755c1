"""Addresses of streams: which are taken, and what of one may be shown."""

from __future__ import annotations

import re

SCHEMES = ("rtsp", "rtsps", "http", "https")

_AUTHORITY = re.compile(r"(?:[^@/?#\s]*@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")


def checked(address: str, schemes: tuple[str, ...] = SCHEMES) -> str:
    """An address as it is; ValueError, without repeating it, when it is none or its password would be shown."""
    scheme, _, rest = address.partition("://")
    if scheme.lower() not in schemes:
        raise ValueError(f"a stream's address begins with one of {', '.join(schemes)}")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # A password with a bare / or @ would be taken for a part of the host, and be shown.
    if _AUTHORITY.fullmatch(authority) is None or "@" in rest[len(authority) :]:
        raise ValueError("the address is not scheme://user:password@host:port/path; write @ as %40, / as %2F")
    return address


def shown(address: str) -> str:
    """Scheme, host and port alone: cameras put passwords into paths and queries too."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{re.split(r'[/?#]', rest, maxsplit=1)[0].rpartition('@')[2]}"
