"""The REST interface: check a configuration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from edgeface.access.policy import never_open
from edgeface.config import loader
from edgeface.core.errors import ConfigError
from edgeface.web.api import device_models
from edgeface.web.http.bodies import text_body
from edgeface.web.http.operation import Call, Media, Operation, reply

if TYPE_CHECKING:
    from starlette.responses import Response

_NAME = "config.yaml"
_LINE = re.compile(rf"{re.escape(_NAME)}:(?:(\d+): )?(.*)", re.DOTALL)
_PATH = re.compile(r"((?:[A-Za-z0-9_.-]+|'[^']*')+): (.+)", re.DOTALL)
_YAML = ("application/yaml", "text/yaml", "text/plain")


def check(call: Call) -> Response:
    """List the mistakes of a configuration; nothing is stored."""
    try:
        found = loader.parse(call.body, _NAME)
    except ConfigError as error:
        mistakes = [_mistake(line) for line in str(error).splitlines()]
        return reply(device_models.Checked(right=False, mistakes=mistakes, notes=[]))
    notes = [f"door {door}: {why}" for door, why in never_open(found.access_policy).items()]
    return reply(device_models.Checked(right=True, mistakes=[], notes=notes))


def schema(_: Call) -> Response:
    """The JSON schema of config.yaml."""
    return JSONResponse(loader.schema(), media_type="application/schema+json")


def _mistake(line: str) -> device_models.Mistake:
    found = _LINE.fullmatch(line)
    number, rest = (found[1], found[2]) if found else (None, line)
    pathed = _PATH.fullmatch(rest)
    path, text = (pathed[1], pathed[2]) if pathed and number else (None, rest)
    return device_models.Mistake(line=None if number is None else int(number), path=path, text=text.strip())


OPERATIONS = (
    Operation("POST", "/config/check", "admin", "config", "Check a config.yaml; nothing is stored", check,
              {200: device_models.Checked}, body=text_body(_YAML)),
    Operation("GET", "/config/schema", "viewer", "config", "Get the JSON schema of config.yaml", schema,
              {200: Media("application/schema+json", {"type": "object"})}),
)  # fmt: skip
"""The configuration."""
