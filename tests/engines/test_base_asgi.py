"""Health, headers, metrics and errors, with an engine that is made for it."""

import asyncio
import threading
from collections.abc import Callable

import msgspec
import pytest
from starlette.types import Message

from engines.base import asgi
from engines.base.engine import INLINE_BODY
from engines.base.lifecycle import Phase
from engines.base.settings import Settings
from tests.engines.adder import Adder, Sum
from tests.engines.conftest import Client, client_of


@pytest.fixture
def settings(settings_for: Callable[[str], Settings]) -> Settings:
    return settings_for("adder")


@pytest.fixture
def client(settings: Settings) -> Client:
    return client_of(Adder(), settings)


def test_health_says_what_the_replica_is(client: Client) -> None:
    reply = client.get("/health")
    assert reply.status_code == 200
    body = reply.json()
    assert body.pop("uptime_seconds") >= 0
    assert body == {
        "status": "ready",
        "engine": "adder",
        "replica": "adder-1",
        "version": "1.2.3",
        "bus": "off",
        "errors": 0,
    }


def test_a_starting_engine_answers_only_health_and_metrics(client: Client) -> None:
    client.lifecycle.phase = Phase.STARTING
    assert (client.get("/health").status_code, client.get("/health").json()["status"]) == (503, "starting")
    assert client.get("/metrics").status_code == 200
    for reply in (client.get("/state"), client.get("/words/a"), client.post("/process", [1])):
        assert (reply.status_code, reply.json()["detail"]) == (503, "the engine is starting")


def test_a_draining_engine_answers_and_closes_connections(client: Client) -> None:
    assert "connection" not in client.get("/words/a").headers
    client.lifecycle.phase = Phase.DRAINING
    assert (client.get("/health").status_code, client.get("/health").json()["status"]) == (503, "draining")
    for reply in (client.get("/words/a"), client.get("/state")):
        assert (reply.status_code, reply.headers["connection"]) == (200, "close")


@pytest.mark.parametrize("path", ["/health", "/metrics", "/words/a", "/words/secret", "/state", "/bug", "/nothing"])
def test_each_reply_says_the_replica_and_the_time(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-nautilus-replica"] == "adder-1"
    assert float(headers["x-nautilus-time-us"]) > 0


def test_the_time_is_measured(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([1_000_000, 1_234_500, 9_000_000])
    monkeypatch.setattr(asgi, "perf_counter_ns", lambda: next(ticks))
    assert client.get("/words/a").headers["x-nautilus-time-us"] == "234.5"


@pytest.mark.parametrize("path", ["/bug", "/plain-bug"])
def test_a_bug_is_counted_logged_and_not_shown(client: Client, path: str, caplog: pytest.LogCaptureFixture) -> None:
    reply = client.get(path)
    assert (reply.status_code, reply.headers["content-type"]) == (500, "application/problem+json")
    assert reply.json() == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "the engine failed; its log has the cause",
    }
    assert client.lifecycle.errors == client.get("/health").json()["errors"] == 1
    assert [record.message for record in caplog.records if record.name == "nautilus.engine"] == [f"GET {path} failed"]
    assert "a bug with a secret in it" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/nothing", 404, "GET /nothing: Not Found"),
        ("DELETE", "/state", 405, "DELETE /state: Method Not Allowed"),
    ],
)
def test_wrong_addresses_are_problems(client: Client, method: str, path: str, status: int, detail: str) -> None:
    reply = client.request(method, path)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert reply.json()["detail"] == detail


@pytest.mark.parametrize("path", ["/process", "/slow"])
def test_a_body_above_the_limit_is_refused(client: Client, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "BODY_LIMIT", 10)
    assert client.post(path, [1, 2]).status_code == 200
    reply = client.post(path, [1, 2, 3, 4, 5, 6])
    assert (reply.status_code, reply.json()["field"]) == (413, "body")


def test_long_work_runs_beside_the_event_loop(client: Client) -> None:
    loop_thread = threading.current_thread().name
    assert client.post("/process", [1.0]).json()["thread"] == loop_thread
    assert client.post("/slow", [1.0]).json()["thread"] != loop_thread
    assert client.post("/process", [1.0] * INLINE_BODY).json()["thread"] != loop_thread


def test_a_body_in_parts_is_one_body() -> None:
    parts: list[Message] = [
        {"type": "http.request", "body": b"[1,", "more_body": True},
        {"type": "http.request", "body": b"2]"},
    ]

    async def receive() -> Message:
        return parts.pop(0)

    assert asyncio.run(asgi.read_body(receive)) == b"[1,2]"


@pytest.mark.parametrize("path", ["/process", "/slow"])
def test_a_caller_that_left_is_no_error(client: Client, path: str, caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}

    async def call() -> None:
        await client.app(scope, receive, send)

    asyncio.run(call())
    assert [message.get("status") for message in sent] == [499, None]
    assert caplog.records == []
    assert client.lifecycle.errors == 0
    assert f'route="{path}",status="499"}} 1.0' in client.get("/metrics").text


def test_metrics_count_requests_by_route_and_computations(client: Client) -> None:
    for path in ("/words/a", "/words/b?x=1", "/words/secret", "/state", "/nothing/1", "/nothing/2"):
        client.get(path)
    client.post("/process", [1, 2, 3])
    reply = client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    labels = 'engine="adder",replica="adder-1"'
    lines = reply.text.splitlines()
    assert [line for line in lines if line.startswith("nautilus_requests_total")] == [
        f'nautilus_requests_total{{{labels},route="/words/{{word}}",status="200"}} 2.0',
        f'nautilus_requests_total{{{labels},route="/words/{{word}}",status="404"}} 1.0',
        f'nautilus_requests_total{{{labels},route="/state",status="200"}} 1.0',
        f'nautilus_requests_total{{{labels},route="unmatched",status="404"}} 2.0',
        f'nautilus_requests_total{{{labels},route="/process",status="200"}} 1.0',
    ]
    assert f'nautilus_request_seconds_count{{{labels},route="/words/{{word}}"}} 3.0' in lines
    assert f"nautilus_computations_total{{{labels}}} 3.0" in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)


def test_computed_replies_carry_their_own_time_and_others_do_not(client: Client) -> None:
    body = client.post("/process", [1, 2]).json()
    assert (body["total"], body["computations"]) == (3.0, 2)
    assert body["processing_time_ms"] > 0
    assert client.get("/words/a").json() == {"word": "a"}
    assert msgspec.json.encode(Sum(total=1.0, thread="t")) == b'{"total":1.0,"thread":"t"}'
