"""The OpenAPI document: made of the operations that the routes are made of, so that it says what they do."""

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


if TYPE_CHECKING:
    Json = dict[str, Any]
    References = dict[tuple[Any, str], Json]

_REFERENCE = "#/components/schemas/{model}"

_WORDS = {
    400: "The request cannot be read",
    401: "Nobody is signed in, or the token is wrong",
    403: "The role does not allow it, or another site has sent it",
    404: "There is no such thing",
    408: "The body came too slowly",
    409: "Refused as things stand; nothing was changed",
    412: "It has been changed meanwhile",
    413: "The body is too large",
    415: "Another Content-Type is needed",
    421: "The page is not known by this name",
    422: "Understood, and wrong: `errors` lists the mistakes",
    428: "If-Match is needed",
    429: "Too often: wait for Retry-After seconds",
    503: "The disk, the models or the device are not ready, or too much is asked at once",
}

_HEADERS: Mapping[int, Json] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    429: {"Retry-After": {"required": True, "schema": {"type": "integer"}}},
    503: {"Retry-After": {"schema": {"type": "integer"}}},
}


def document(operations: Iterable[Operation]) -> Json:
    """The document as JSON, OpenAPI 3.1."""
    every = tuple(operations)
    references, schemas = _schemas(every)
    paths: Json = {}
    for one in every:
        paths.setdefault(f"{PREFIX}{one.path}", {})[one.method.lower()] = _operation(one, references)
    bearer = {"type": "http", "scheme": "bearer", "description": "A token that `edgeface web token` made"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edgeface",
            "version": __version__,
            "description": _ABOUT,
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
    found = {401, 421, 503, *operation.errors}
    if operation.role == "admin" or operation.method != "GET":
        found.add(403)
    if operation.parameters:
        found.add(404)
    if operation.query is not None:
        found.add(422)
    if operation.body is not None:
        found.update((400, 408, 413, 415, 422))
    if operation.guarded:
        found.add(412)
    yield from sorted(found)


def _schemas(every: tuple[Operation, ...]) -> tuple[References, Json]:
    """Where each model stands, by its class and whether it is sent or received; and what stands there."""
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
        "description": f"Needs the role {one.role}.",
        "parameters": [*_parameters(one)],
        "responses": {
            **{str(status): _answer(one, status, answer, references) for status, answer in one.answers.items()},
            **({"304": {"description": "As it was", "headers": _ETAG}} if one.tagged else {}),
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
    """A parameter that is not there is what null is to the model."""
    plain = {key: value for key, value in part.items() if key not in {"title", "description", "default"}}
    choices = [choice for choice in plain.pop("anyOf", ()) if choice.get("type") != "null"]
    schema = {**plain, **choices[0]} if len(choices) == 1 else {**plain, **({"anyOf": choices} if choices else {})}
    made = {"name": name, "in": "query", "required": False, "schema": schema}
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
    made: Json = {"description": _WORDS[status], "content": {"application/problem+json": {"schema": schema}}}
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
    "What edgeface sees, whom it knows, and what was decided. Every request carries `Authorization: Bearer TOKEN`; the "
    "page's own script has a session's cookie, and the header X-CSRF-Token for what changes something."
)
