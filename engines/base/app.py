"""The application of one engine: FastAPI with the engine's routes, /health and /metrics, behind the instruments."""

import inspect
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from engines.base.asgi import CLIENT_CLOSED, Instrument, internal_error, read_body
from engines.base.engine import Call, Engine, Route, answer
from engines.base.lifecycle import Health, Lifecycle, Phase
from engines.base.metrics import CONTENT_TYPE, Metrics
from engines.base.openapi import HEALTH, describe, operation
from engines.base.problem import MEDIA_TYPE, Problem
from engines.base.settings import Settings


def create_app(engine: Engine, settings: Settings, lifecycle: Lifecycle, metrics: Metrics) -> ASGIApp:
    """The whole application: it serves every route, the hot ones too."""
    api = create_api(engine, settings, lifecycle, metrics)
    return Instrument(api, lifecycle, metrics, settings.replica)


def create_api(engine: Engine, settings: Settings, lifecycle: Lifecycle, metrics: Metrics) -> FastAPI:
    """FastAPI alone."""
    api = FastAPI(title=f"nautilus {settings.engine}", version=settings.version)
    _declare_errors(api)

    @api.get("/health", summary="Ready (200), or starting or draining (503)", openapi_extra=HEALTH)
    async def health() -> Response:
        status = HTTPStatus.OK if lifecycle.phase is Phase.READY else HTTPStatus.SERVICE_UNAVAILABLE
        return _json(msgspec.json.encode(Health.of(settings, lifecycle)), status)

    @api.get("/metrics", summary="Prometheus exposition", response_class=PlainTextResponse)
    async def exposition() -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    for route in engine.routes():
        summary, _, description = inspect.cleandoc(route.handler.__doc__ or "").partition("\n\n")
        api.add_api_route(
            route.path,
            _endpoint(route, metrics),
            methods=[route.method],
            summary=summary,
            description=description,
            response_class=Response,
            openapi_extra=operation(route),
        )
    describe(api, engine.routes())
    return api


def _endpoint(route: Route, metrics: Metrics) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        body = b"" if route.method == "GET" else await read_body(request.receive)
        call = Call(next(iter(request.path_params.values()), ""), request.query_params, body)
        reply = await answer(route, call, metrics)
        return Response(reply, await route.status(), media_type=route.media_type)

    return respond


def _declare_errors(api: FastAPI) -> None:
    async def problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return _problem(error)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        detail = f"{request.method} {request.url.path}: {error.detail}"
        return _problem(Problem(HTTPStatus(error.status_code), detail), error.headers)

    async def bug(_: Request, __: Exception) -> Response:
        return _problem(internal_error())

    async def left(_: Request, __: Exception) -> Response:
        return Response(status_code=CLIENT_CLOSED)

    api.add_exception_handler(Problem, problem)
    api.add_exception_handler(ClientDisconnect, left)
    api.add_exception_handler(HTTPException, http_error)
    api.add_exception_handler(Exception, bug)


def _json(body: bytes, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(body, status, media_type="application/json")


def _problem(problem: Problem, headers: Any = None) -> Response:
    return Response(problem.body(), problem.status, headers=headers, media_type=MEDIA_TYPE)
