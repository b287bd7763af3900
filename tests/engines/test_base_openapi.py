"""The OpenAPI document describes every route of every engine; its examples are true, and what it allows is answered."""

import asyncio
import contextlib
import importlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, product
from typing import Any

import httpx
import jsonschema
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engines.base import asgi, lane
from engines.base import engine as base
from engines.base.app import create_app
from engines.base.engine import Example, Route
from engines.base.lifecycle import Lifecycle
from engines.base.lifecycle import Phase as Life
from engines.base.metrics import Metrics
from engines.base.settings import Settings
from tests.engines.conftest import Client
from tests.engines.wire import Wire

ENGINES = ("analytics", "factor", "risk")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
FUZZ = settings(
    max_examples=30,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def cases(settings: Settings) -> Iterator[tuple[Route, Example]]:
    """Every example of every route of an engine."""
    service = importlib.import_module(f"engines.{settings.engine}.service")
    for route in service.create(settings).routes():
        for example in route.examples.values():
            yield route, example


def path_of(route: Route, example: Example) -> str:
    return route.path.replace(f"{{{route.parameter}}}", example.key)


def send(client: Client, route: Route, example: Example) -> httpx.Response:
    return client.request(
        route.method, path_of(route, example), **({} if example.body is None else {"json": example.body})
    )


def is_excerpt(part: Any, whole: Any) -> bool:
    """Whether `part` is what `whole` begins with: some keys of objects, the first items of arrays."""
    if isinstance(part, dict):
        return all(key in whole and is_excerpt(value, whole[key]) for key, value in part.items())
    if isinstance(part, list):
        return len(part) <= len(whole) and all(map(is_excerpt, part, whole))
    if isinstance(part, float):
        return bool(whole == pytest.approx(part, rel=1e-5, abs=1e-6))
    return bool(part == whole)


@pytest.fixture
def document(engine: str, client_for: Callable[[str], Client]) -> dict[str, Any]:
    found: dict[str, Any] = client_for(engine).get("/openapi.json").json()
    return found


def test_every_route_is_described_with_an_example(
    engine: str, document: dict[str, Any], settings_for: Callable[[str], Settings]
) -> None:
    described = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    routes = {f"{route.method} {route.path}" for route, _ in cases(settings_for(engine))}
    service = importlib.import_module(f"engines.{engine}.service").create(settings_for(engine))
    assert routes == {f"{route.method} {route.path}" for route in service.routes()}
    assert described == routes | {"GET /health", "GET /metrics"}
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            (content,) = operation["responses"]["200"]["content"].values()
            assert content["schema"]


def test_a_write_that_may_be_kept_is_described_with_202(
    engine: str, document: dict[str, Any], settings_for: Callable[[str], Settings]
) -> None:
    service = importlib.import_module(f"engines.{engine}.service").create(settings_for(engine))
    kept = set()
    for route in service.routes():
        answers = document["paths"][route.path][route.method.lower()]["responses"]
        assert ("202" in answers) == (route.stored is not None)
        if "202" in answers:
            kept.add(f"{route.method} {route.path}")
            assert answers["202"]["content"] == answers["200"]["content"]
            assert "Redis" in answers["202"]["description"]
    assert "PUT /prices" in kept


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from ([node["$ref"]] if "$ref" in node else [])
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    found = set(references(document))
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert found
    assert found <= known


def test_every_measure_states_its_convention(document: dict[str, Any], engine: str) -> None:
    schemas = document["components"]["schemas"]
    name = {"analytics": "Performance", "risk": "Assessment"}.get(engine)
    if name is None:
        assert schemas["Definition"]["properties"]["formula"]
        return
    told = {"portfolio_id", "largest_position", "confidence", "limits", "computations", "processing_time_ms"}
    fields = {field: schema for field, schema in schemas[name]["properties"].items() if field not in told}
    assert {field for field, schema in fields.items() if not schema.get("description")} == set()
    assert len(fields) >= 11


def test_every_example_is_answered_as_it_stands_there(
    engine: str, client_for: Callable[[str], Client], settings_for: Callable[[str], Settings], document: dict[str, Any]
) -> None:
    for route, example in cases(settings_for(engine)):
        reply = send(client_for(engine), route, example)
        assert (reply.status_code, reply.headers["content-type"]) == (200, route.media_type), (route.path, reply.text)
        if route.media_type == base.JSON:
            assert is_excerpt(example.reply, reply.json()) or example.reply is None, (route.path, reply.text[:2000])
            described = document["paths"][route.path][route.method.lower()]["responses"]["200"]
            schema = {**described["content"][base.JSON]["schema"], "components": document["components"]}
            jsonschema.validate(reply.json(), schema)


@pytest.mark.parametrize("engine", ["analytics", "risk"])
def test_hot_routes_reply_the_same_bytes_in_the_hot_lane(
    engine: str, settings_for: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that always says 1 leaves nothing that may differ."""
    for module in (asgi, base, lane):
        monkeypatch.setattr(module, "perf_counter_ns", count(0, 0).__next__)
    made, service = settings_for(engine), importlib.import_module(f"engines.{engine}.service")
    lifecycle, metrics = Lifecycle(phase=Life.READY), Metrics(engine, "x")
    held = service.create(made)
    held.load()
    app = create_app(held, made, lifecycle, metrics)
    hot = partial(lane.HotProtocol, lane.HotLane(held.routes(), lifecycle, metrics, made.replica))
    asked = [(route, example) for route, example in cases(made) if route.hot]
    assert len(asked) >= 3
    for route, example in asked:
        one, other = (asyncio.run(sent(protocol, app, route, example)) for protocol in (hot, HttpToolsProtocol))
        assert one.startswith(b"HTTP/1.1 200 ")
        assert one == other


async def sent(protocol: Callable[..., Any], app: ASGIApp, route: Route, example: Example) -> bytes:
    """The reply to an example, down to the last byte."""
    wire = Wire(protocol, app)
    body = b"" if example.body is None else msgspec.json.encode(example.body)
    head = f"{route.method} {path_of(route, example)} HTTP/1.1\r\nhost: engine\r\ncontent-length: {len(body)}\r\n\r\n"
    wire.protocol.data_received(head.encode() + body)
    await wire.settle()
    return wire.sent


def test_what_the_document_allows_is_never_a_500(engine: str, client_for: Callable[[str], Client]) -> None:
    """schemathesis: valid and invalid requests of every operation; replies conform to the document."""
    client = client_for(engine)
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    met: Counter[int] = Counter()
    for operation, mode in product(schema.get_all_operations(), GenerationMode):

        @seed(1)
        @FUZZ
        @given(case=operation.ok().as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case[Any]) -> None:
            response = case.call()
            met[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        with contextlib.suppress(Unsatisfiable):  # nothing can be wrong with a request without parameter and body
            ask()
    assert client.lifecycle.errors == 0
    assert min(met[200], met[404], met[422]) >= 10, met
