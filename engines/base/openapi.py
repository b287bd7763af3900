"""The OpenAPI document: every route with its schemas, its examples and the errors that it answers with.

FastAPI derives schemas from pydantic; engines read and write msgspec, which describes itself in the same JSON Schema
(2020-12, that of OpenAPI 3.1).
"""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI

from engines.base.engine import JSON, Example, Route
from engines.base.lifecycle import Health
from engines.base.problem import MEDIA_TYPE

REF = "#/components/schemas/{name}"
PROBLEM = {
    "title": "Problem",
    "description": "What is wrong (RFC 9457); `field` names the part of the request that it is about. "
    "Of several faults it is the first, and `errors` has them all.",
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "field": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"detail": {"type": "string"}, "field": {"type": "string"}},
                "required": ["detail", "field"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}
_HEALTH = {"content": {JSON: {"schema": {"$ref": REF.format(name="Health")}}}}
HEALTH = {"responses": {"200": _HEALTH, "503": {"description": "Starting or draining", **_HEALTH}}}
KEPT = "Kept, and stored as soon as Redis is back"
STARTING = HTTPStatus.SERVICE_UNAVAILABLE
BODY_ERRORS = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)


def describe(api: FastAPI, routes: Sequence[Route]) -> None:
    """Put the schemas that `operation` refers to into the document of `api`."""
    _, components = msgspec.json.schema_components(_types(routes), ref_template=REF)
    derived = api.openapi

    def document() -> dict[str, Any]:
        whole = derived()
        whole["components"] = {"schemas": {**components, "Problem": PROBLEM}}
        return whole

    api.openapi = document  # type: ignore[method-assign]


def operation(route: Route) -> dict[str, Any]:
    """What the document says of one route beyond its address and summary."""
    replies = {name: example.reply for name, example in route.examples.items() if example.reply is not None}
    success = {"description": "Successful Response", "content": _content(route.replies, replies, route.media_type)}
    kept = {} if route.stored is None else {"202": {**success, "description": KEPT}}
    extra: dict[str, Any] = {"responses": {"200": success, **kept} | {str(int(e)): _error(e) for e in _errors(route)}}
    if route.reads is not None:
        bodies = {name: example.body for name, example in route.examples.items() if example.body is not None}
        required = not any(example.body is None for example in route.examples.values())
        extra["requestBody"] = {"content": _content((route.reads,), bodies), "required": required}
    if name := route.parameter:
        extra["parameters"] = [_parameter(name, route.examples.values())]
    return extra


def _types(routes: Iterable[Route]) -> list[object]:
    return [Health, *(type_ for route in routes for type_ in (route.reads, *route.replies) if type_ is not None)]


def _errors(route: Route) -> Sequence[HTTPStatus]:
    missing = (HTTPStatus.NOT_FOUND,) if route.parameter else ()
    return (*missing, *(BODY_ERRORS if route.reads is not None else ()), STARTING)


def _error(status: HTTPStatus) -> dict[str, Any]:
    return {"description": status.phrase, "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(name="Problem")}}}}


def _parameter(name: str, examples: Iterable[Example]) -> dict[str, Any]:
    found = next((example.key for example in examples), "")
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "example": found}


def _content(types: Iterable[object], values: dict[str, Any], media_type: str = JSON) -> dict[str, Any]:
    if media_type != JSON:
        return {media_type: {"schema": {"type": "string", "format": "binary"}}}
    schemas = [msgspec.json.schema_components([type_], ref_template=REF)[0][0] for type_ in types]
    content: dict[str, Any] = {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}
    if values:
        content["examples"] = {name: {"summary": name, "value": value} for name, value in values.items()}
    return {JSON: content}
