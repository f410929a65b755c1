"""The OpenAPI document, built from the same operations as the routes."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from edgeface import __version__
from edgeface.web.api.device_models import Problem
from edgeface.web.http.operation import PREFIX, Media

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from edgeface.web.http.operation import Operation

    Json = dict[str, Any]
    References = dict[tuple[Any, str], Json]

_REFERENCE = "#/components/schemas/{model}"

_MEANINGS = {
    400: "The request cannot be parsed, or has an unknown parameter",
    401: "No session or token, or a wrong one",
    403: "The role does not allow this, or the request came from another site",
    404: "Not found",
    408: "The body arrived too slowly",
    409: "Not possible in the current state; nothing was changed",
    412: "The item has changed in the meantime",
    413: "The body is too large",
    415: "Another Content-Type is required",
    421: "The host name is not in web.hosts",
    422: "Understood, but invalid: `errors` lists the mistakes",
    428: "If-Match is required",
    429: "Too often: retry after Retry-After seconds",
    503: "The disk, the models or a camera are not ready, or there are too many requests",
}

_ROLES = {
    "viewer": "Requires the viewer or admin role.",
    "admin": "Requires the admin role.",
    "recognise": "Requires the recognise or admin role.",
}

_HEADERS: Mapping[int, Json] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    429: {"Retry-After": {"required": True, "schema": {"type": "integer"}}},
    503: {"Retry-After": {"schema": {"type": "integer"}}},
}


def document(operations: Iterable[Operation], title: str = "edgeface", about: str = "") -> Json:
    """The OpenAPI 3.1 document of these operations; `about` describes them, by default those of a device."""
    every = tuple(operations)
    references, schemas = _schemas(every)
    paths: Json = {}
    for one in every:
        paths.setdefault(f"{PREFIX}{one.path}", {})[one.method.lower()] = _operation(one, references)
    bearer = {"type": "http", "scheme": "bearer", "description": "A token from `edgeface web token`"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": __version__,
            "description": about or _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(one.tag for one in every)],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"bearer": bearer}},
    }


def statuses(operation: Operation) -> Iterator[int]:
    """The statuses of an operation's problems."""
    found = {400, 401, 421, 503, *operation.errors}
    if operation.role != "viewer" or operation.method != "GET":
        found.add(403)
    if operation.parameters:
        found.add(404)
    if operation.query is not None:
        found.add(422)
    if operation.body is not None:
        found.update((408, 413, 415, 422))
    if operation.guarded:
        found.add(412)
    yield from sorted(found)


def _schemas(every: tuple[Operation, ...]) -> tuple[References, Json]:
    """The reference to each model, by class and direction, and the schemas that they refer to."""
    inside = {model for one in every if one.body for model in one.body.content.values() if _is_model(model)}
    outside = {model for one in every for model in one.answers.values() if _is_model(model)} | {Problem}
    wanted: Any = [*((model, "validation") for model in inside), *((model, "serialization") for model in outside)]
    wanted.sort(key=lambda pair: (pair[0].__name__, pair[1]))
    found, definitions = models_json_schema(wanted, ref_template=_REFERENCE)
    references: References = {key: dict(schema) for key, schema in found.items()}
    return references, dict(definitions.get("$defs", {}))


def _operation(one: Operation, references: References) -> Json:
    made: Json = {
        "operationId": one.id,
        "tags": [one.tag],
        "summary": one.summary,
        "description": _ROLES[one.role],
        "parameters": [*_parameters(one)],
        "responses": {
            **{str(status): _answer(one, status, answer, references) for status, answer in one.answers.items()},
            **({"304": {"description": "Not changed", "headers": _ETAG}} if one.tagged else {}),
            **{str(status): _problem(status, references) for status in statuses(one)},
        },
    }
    if one.body is not None:
        content = {media: {"schema": _schema(model, references)} for media, model in one.body.content.items()}
        made["requestBody"] = {"required": True, "content": content}
    return made


def _parameters(one: Operation) -> Iterator[Json]:
    for name in one.parameters:
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    if one.query is not None:
        schema = one.query.model_json_schema()
        for name, part in schema.get("properties", {}).items():
            yield _query(name, part)
    for header, wanted in (("If-None-Match", one.tagged), ("If-Match", one.guarded)):
        if wanted:
            yield {"name": header, "in": "header", "schema": {"type": "string"}}


def _query(name: str, part: Json) -> Json:
    """A query parameter; leaving it out means null to the model."""
    plain = {key: value for key, value in part.items() if key not in {"title", "description", "default"}}
    choices = [choice for choice in plain.pop("anyOf", ()) if choice.get("type") != "null"]
    schema = {**plain, **choices[0]} if len(choices) == 1 else {**plain, **({"anyOf": choices} if choices else {})}
    made = {"name": name, "in": "query", "required": False, "schema": schema}
    if schema.pop("deprecated", False):
        made["deprecated"] = True
    if part.get("default") not in (None, []):
        schema["default"] = part["default"]
    if schema.get("type") == "array":
        made.update(style="form", explode=True)
    return {**made, **({"description": part["description"]} if "description" in part else {})}


def _answer(one: Operation, status: int, answer: Any, references: References) -> Json:
    media, schema = (
        (answer.type, answer.schema) if isinstance(answer, Media) else ("application/json", _schema(answer, references))
    )
    headers = {
        **(_ETAG if status == HTTPStatus.OK and (one.tagged or one.guarded) else {}),
        **({"Location": {"required": True, "schema": {"type": "string"}}} if status == HTTPStatus.CREATED else {}),
    }
    made: Json = {"description": one.summary, "content": {media: {"schema": schema}}}
    return {**made, "headers": headers} if headers else made


def _problem(status: int, references: References) -> Json:
    schema = references[(Problem, "serialization")]
    made: Json = {"description": _MEANINGS[status], "content": {"application/problem+json": {"schema": schema}}}
    return {**made, "headers": _HEADERS[status]} if status in _HEADERS else made


def _schema(model: Any, references: References) -> Any:
    if not _is_model(model):
        return model
    modes = [references[key] for key in ((model, "validation"), (model, "serialization")) if key in references]
    return modes[0]


def _is_model(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseModel)


_ETAG: Json = {"ETag": {"required": True, "schema": {"type": "string"}}}
_ABOUT = (
    "Identify faces, manage people, read events. Every request carries `Authorization: Bearer TOKEN`; the scripts of "
    "the web pages use the session's cookie instead, and the header X-CSRF-Token on requests that change something."
)
