"""What every part of config.yaml shares: strict types, frozen objects, no unknown keys."""

import ast
import inspect
import ipaddress
import re
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

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
    if found.version == 6 and found.is_link_local and not zone:  # noqa: PLR2004 - IPv6
        raise ValueError("an address that begins with fe80 needs the interface to it, such as fe80::1%eth0")
    if zone and not (found.is_link_local and found.version == 6 and re.search(f"{_ZONE}$", text)):  # noqa: PLR2004 - IPv6
        raise ValueError("only an IPv6 address that begins with fe80 has % and an interface, such as fe80::1%eth0")


Folder = Annotated[Path, Field(strict=False), WithJsonSchema({"type": "string", "format": "directory-path"})]
"""The path of a folder; whether it exists is not checked."""

Host = Annotated[str, Field(max_length=253), AfterValidator(require_host)]
"""A host name or an IP address, without port, brackets or scheme; a link-local one has its interface."""

Level = Literal["low", "normal", "high"]
"""Security levels, from lax to strict."""

FactorKind = Literal["pin", "code", "card", "pass", "reader"]
"""What a person shows in addition to the face."""

Unit = Literal["millimetre", "centikelvin"]
"""What the values of a picture with 16 bits per pixel measure: distance, or absolute temperature in 0.01 K."""


class DescribedModel(BaseModel):
    """A model whose JSON schema describes each key with the docstring of its field.

    pydantic's own `use_attribute_docstrings` reads the source of every class when it is imported: a tenth of the CPU
    time of a start.
    """

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema with descriptions; only those who ask for a schema read the source."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in _docstrings(cls).items():
            key = cls.model_fields[name].alias or name if name in cls.model_fields else name
            if key in properties:
                properties[key].setdefault("description", text)
        return schema


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The docstring of each field that has one; those of a class replace those of its bases."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, DescribedModel):
            body = ast.parse(dedent(inspect.getsource(one))).body[0].body  # type: ignore[attr-defined]
            for field, text in pairwise(body):
                match field, text:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                        found[name] = inspect.cleandoc(words)
    return found


class Settings(DescribedModel):
    """A section of the configuration, checked once and frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    restartless: ClassVar[frozenset[str]] = frozenset()
    """Keys whose changes take effect without a restart."""
