"""Request bodies: hostile input, read strictly and in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from starlette.datastructures import UploadFile

from edgeface.core import files as core_files
from edgeface.core.text import counted, printable
from edgeface.web.auth.guard import FIELD
from edgeface.web.http import limits
from edgeface.web.http.problems import MAX_ERRORS, Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.datastructures import FormData
    from starlette.requests import Request

    from edgeface.web.api.models import ApiModel

_IMAGES = ("image/jpeg", "image/png", "image/webp", "image/bmp", "application/octet-stream")
_BINARY = {"type": "string", "format": "binary"}
_BOOLEANS = frozenset({"skip_bad", "anyway", "different_people", "accept_limits", "keep_crops"})
_BOOLEAN_WORDS: dict[Any, Any] = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Body:
    """How the body of an operation is read, and its schema."""

    read: Callable[[Request], Awaitable[Any]]
    content: Mapping[str, Any]
    """By media type: the model or the JSON schema."""


@dataclass(frozen=True, slots=True)
class CheckedForm:
    """A form that has been read."""

    fields: Any
    """An object of the model."""
    files: list[tuple[str, bytes]] = field(default_factory=list)
    """Names, as given by the client, and contents."""


def json_body(model: type[ApiModel], *, strict: bool | None = True) -> Body:
    """A JSON object; with None as `strict`, each model and field says how strict it is."""

    async def read(request: Request) -> ApiModel:
        _require_type(request, "application/json")
        found: ApiModel = checked(model, _parsed(await request.body()), request, strict=strict)
        return found

    return Body(read, {"application/json": model})


def text_body(media: tuple[str, ...]) -> Body:
    """Text, as bytes."""

    async def read(request: Request) -> bytes:
        _require_type(request, *media)
        return await request.body()

    return Body(read, {one: {"type": "string", "maxLength": limits.MAX_BODY_BYTES} for one in media})


def form_body(model: type[ApiModel], name: str) -> Body:
    """A form with the model's fields, and one or more files in the field `name`."""

    async def read(request: Request) -> CheckedForm:
        _require_type(request, limits.MULTIPART)
        form = await limits.form(request)
        fields = {key: form[key] for key in form if key not in {name, FIELD}}
        for key in _BOOLEANS & fields.keys():
            # A form has only text.
            fields[key] = _BOOLEAN_WORDS.get(fields[key], fields[key])
        return CheckedForm(checked(model, fields, request), await _files(form, name))

    schema = model.model_json_schema()
    files = {"type": "array", "items": _BINARY, "minItems": 1, "maxItems": limits.MAX_FILES}
    schema["properties"][name] = files
    schema["required"] = [*schema.get("required", []), name]
    return Body(read, {limits.MULTIPART: schema})


def image_body() -> Body:
    """One photo: as the body, or as `image` in a form."""

    async def read(request: Request) -> bytes:
        _require_type(request, *_IMAGES, limits.MULTIPART)
        if limits.media_type(request) != limits.MULTIPART:
            return await request.body()
        form = await limits.form(request)
        files = await _files(form, "image")
        if len(files) > 1 or set(form) - {"image", FIELD}:
            raise Problem(422, detail="the form must have exactly one file `image` and no other field")
        return files[0][1]

    schema = {"type": "object", "properties": {"image": _BINARY}, "required": ["image"], "additionalProperties": False}
    return Body(read, {limits.MULTIPART: schema, **dict.fromkeys(_IMAGES, _BINARY)})


def checked(model: type[ApiModel], value: object, request: Request, *, strict: bool | None = True) -> Any:
    """`value` as an object of the model. Raises Problem 422 with a line for each mistake."""
    try:
        return model.model_validate(value, strict=strict)
    except ValidationError as error:
        lines = [_line(one) for one in error.errors(include_url=False, include_input=False, include_context=False)]
        detail = f"{counted(len(lines), 'mistake')} in the request to {request.url.path[:100]}"
        raise Problem(422, detail=printable(detail, 200), more={"errors": lines[:MAX_ERRORS]}) from None


def _line(error: Any) -> str:
    where = ".".join(printable(str(step)) for step in error["loc"]) or "body"
    return f"{where}: {printable(error['msg'].removeprefix('Value error, '), 200)}"


def _parsed(data: bytes) -> object:
    try:
        return core_files.loads_strict(data)
    except UnicodeDecodeError:
        raise Problem(400, detail="not UTF-8 text") from None
    except RecursionError:
        raise Problem(400, detail="nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Problem(400, detail=f"not JSON: {error.msg} at character {error.pos}") from None
    except ValueError as error:
        raise Problem(400, detail=f"not JSON: {printable(str(error), 200)}") from None


async def _files(form: FormData, name: str) -> list[tuple[str, bytes]]:
    keys = [key for key, _ in form.multi_items() if key != name]
    if len(set(keys)) < len(keys):
        raise Problem(422, detail="a field is given twice")
    found = [value for value in form.getlist(name) if isinstance(value, UploadFile)]
    if not found or len(found) < len(form.getlist(name)):
        raise Problem(422, detail=f"the form must have a file `{name}`")
    return [(file.filename or f"{name} {n}", await file.read()) for n, file in enumerate(found, 1)]


def _require_type(request: Request, *known: str) -> None:
    if limits.media_type(request) not in known:
        raise Problem(415, detail=f"the Content-Type must be {' or '.join(known)}")
