"""The REST interface: check a configuration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from edgeface.access.policy import face_alone
from edgeface.config import loader
from edgeface.config.levels import enrolled, levels_in_force
from edgeface.core.errors import ConfigError
from edgeface.gallery.snapshot import day
from edgeface.web.api import device_models
from edgeface.web.http.bodies import text_body
from edgeface.web.http.operation import Call, Media, Operation, reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.responses import Response

    from edgeface.config.configuration import Configuration
    from edgeface.web.context import WebContext

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
    notes = [f"door {door}: {why}" for door, why in face_alone(found.access_policy).items()]
    notes += _levels(call.context, found)
    return reply(device_models.Checked(right=True, mistakes=[], notes=notes))


def _levels(context: WebContext, found: Configuration) -> Iterator[str]:
    """The levels that would not be guaranteed with the people who are enrolled now, and the embedder in use."""
    used = found.model_copy(update={"embedder": context.configuration().embedder})
    with context.gallery() as gallery:
        people = enrolled(gallery.people(), day(context.clock.wall()))
    return (one.line for one in levels_in_force(used, people) if one.problem is not None)


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
