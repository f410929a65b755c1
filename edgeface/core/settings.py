"""What every part of config.yaml shares: strict types, frozen objects, no unknown keys."""

import ipaddress
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, le=3600, strict=False)]
Fraction = Annotated[float, Field(ge=0, le=1, strict=False)]
Frames = Annotated[int, Field(ge=1, le=10)]
"""Good frames of one track; decision.WINDOW of them are kept."""

ID_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"
"""Ids of devices, cameras, doors and people; always matched against the whole text."""

Id = Annotated[str, Field(pattern=rf"^{ID_PATTERN}$")]


def form(words: str) -> dict[str, Any]:
    """A text's form in words, for `json_schema_extra`: mistakes show these words, and never the pattern."""
    return {"x-form": words}


_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
_ZONE = r"%[A-Za-z0-9._-]{1,15}"
"""The network interface of a link-local address (RFC 4007, 11); Linux has names of 15 characters at most."""


def require_host(text: str) -> str:
    """Return a host name or an IP address; raises ValueError, without repeating it, with what to change."""
    scheme, found, _ = text.partition("://")
    if found:
        tls = " and add tls: {}" if scheme.lower() in {"mqtts", "ssl", "tls", "wss"} else ""
        raise ValueError(f"an address with ://: write the host alone{tls}, and a port with the key port")
    if "@" in text or "/" in text:
        raise ValueError("has more than a host in it: write the host alone, without user name and path")
    if re.fullmatch(r"\[.*\](:\d*)?", text):
        raise ValueError("an IPv6 address has no brackets here: write ::1, and a port with the key port")
    if re.fullmatch(r"[^:]*:\d*", text):
        raise ValueError("has a port in it: write the host alone, and the port with the key port")
    if ":" in text or "%" in text or re.fullmatch(r"[\d.]+", text):
        _require_ip(text)
    elif _NAME.fullmatch(text) is None:
        raise ValueError("not a host: an IP address, or a name of letters a-z, digits, dots and hyphens")
    return text


def _require_ip(text: str) -> None:
    address, zone, _ = text.partition("%")
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        raise ValueError("not an IP address: four numbers from 0 to 255, or an IPv6 address") from None
    if zone and not (found.is_link_local and found.version == 6 and re.search(f"{_ZONE}$", text)):  # noqa: PLR2004 - IPv6
        raise ValueError("only an IPv6 address that begins with fe80 has % and an interface, such as fe80::1%eth0")


Host = Annotated[str, Field(max_length=253), AfterValidator(require_host)]
"""A host name or an IP address, without port, brackets or scheme; a link-local one has its interface."""

Level = Literal["low", "normal", "high"]
"""Security levels, from lax to strict."""

FactorKind = Literal["pin", "code", "card", "pass", "reader"]
"""What a person shows in addition to the face."""

Unit = Literal["millimetre", "centikelvin"]
"""What the values of a picture with 16 bits per pixel measure: distance, or absolute temperature in 0.01 K."""


class Settings(BaseModel):
    """A section of the configuration, checked once and frozen."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    restartless: ClassVar[frozenset[str]] = frozenset()
    """Keys whose changes take effect without a restart."""
