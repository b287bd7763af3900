"""Health, headers, metrics, the fast lane and errors, with an engine that is made for it."""

import asyncio
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import msgspec
import pytest
from starlette.types import Message

from engines.base import asgi
from engines.base.app import create_api, create_app
from engines.base.bus import Bus
from engines.base.engine import INLINE_BODY, Call, Computed, Reply, Route
from engines.base.lifecycle import Lifecycle, Phase
from engines.base.metrics import Metrics
from engines.base.problem import unknown
from engines.base.settings import Settings
from tests.engines.conftest import Client, client_of


class Sum(Computed):
    """What the numbers add up to, and the thread that did it."""

    total: float
    thread: str


class Word(Reply):
    """One word."""

    word: str


class Adder:
    """Adds numbers, fast or slowly, and fails on request."""

    def join(self, bus: Bus) -> None:
        """No engine of a bus."""

    def load(self) -> None:
        self.word = "loaded"

    def routes(self) -> Sequence[Route]:
        return (
            Route("POST", "/process", self.add, reads=list[float], replies=(Sum,), hot=True),
            Route("POST", "/slow", self.add, reads=list[float], replies=(Sum,), slow=True),
            Route("GET", "/words/{word}", self.say, replies=(Word,), hot=True),
            Route("GET", "/state", self.state, replies=(Word,)),
            Route("PUT", "/kept", self.keep, replies=(Word,), hot=True, stored=self.is_stored),
            Route("GET", "/bug", self.fail, hot=True),
            Route("GET", "/plain-bug", self.fail),
        )

    def add(self, call: Call) -> Sum:
        """Add the numbers"""
        numbers = call.read(list[float])
        return Sum(total=sum(numbers), thread=threading.current_thread().name, computations=len(numbers))

    def say(self, call: Call) -> Word:
        """Say the word"""
        if call.key == "secret":
            raise unknown("word", call.key, "word")
        return Word(word=call.key)

    def state(self, call: Call) -> Word:
        """Say what was loaded, or what was asked"""
        return Word(word=call.query.get("word", self.word))

    def keep(self, call: Call) -> Word:
        """Keep the word"""
        self.word = call.read(str)
        return Word(word=self.word)

    async def is_stored(self) -> bool:
        return self.word != "away"

    def fail(self, _: Call) -> Word:
        """Fail"""
        raise RuntimeError("a bug with a secret in it")


@pytest.fixture
def settings(settings_for: Callable[[str], Settings]) -> Settings:
    return settings_for("adder")


@pytest.fixture
def client(settings: Settings) -> Client:
    return client_of(Adder(), settings)


def without_time(reply: httpx.Response) -> tuple[int, list[tuple[str, str]], str]:
    """Everything of a reply but the measured time, which may also change the length."""
    body = re.sub(r'("processing_time_ms":)[\d.e-]+', r"\1-", reply.text)
    headers = [pair for pair in reply.headers.items() if pair[0] not in ("x-nautilus-time-us", "content-length")]
    return reply.status_code, headers, body


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


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/words/a", None),
        ("GET", "/words/%C3%BC%20b", None),
        ("GET", "/words/secret", None),
        ("GET", "/words/", None),
        ("GET", "/words", None),
        ("GET", "/words/a/b", None),
        ("POST", "/words/a", b""),
        ("GET", "/words/a?x=1", None),
        ("POST", "/process", b"[1,2,3]"),
        ("POST", "/process", b'["a"]'),
        ("POST", "/process", b"[1,"),
        ("POST", "/process", b""),
        ("GET", "/process", None),
        ("DELETE", "/process", None),
        ("HEAD", "/words/a", None),
        ("PUT", "/kept", b'"here"'),
        ("PUT", "/kept", b'"away"'),
        ("GET", "/bug", None),
        ("GET", "/state?word=b", None),
    ],
)
def test_the_fast_lane_replies_as_fastapi_does(settings: Settings, method: str, path: str, body: bytes | None) -> None:
    engine, lifecycle, metrics = Adder(), Lifecycle(phase=Phase.READY), Metrics("adder", "adder-1")
    engine.load()
    api = create_api(engine, settings, lifecycle, metrics)
    plain = Client(asgi.Instrument(api, lifecycle, metrics, settings.replica), lifecycle)
    full = Client(create_app(engine, settings, lifecycle), lifecycle)
    replies = [without_time(client.request(method, path, content=body)) for client in (plain, full)]
    assert replies[0] == replies[1]


@pytest.mark.parametrize(("word", "status"), [("here", 200), ("away", 202)])
def test_a_write_that_is_only_kept_is_202_in_the_fast_lane_too(client: Client, word: str, status: int) -> None:
    assert client.request("PUT", "/kept", json=word).status_code == status


def test_the_fast_lane_is_taken_by_hot_routes_alone() -> None:
    reached = []

    async def behind(scope: Any, _receive: Any, send: Any) -> None:
        reached.append(f"{scope['method']} {scope['path']}")
        await asgi.send_body(send, 200, b"", "text/plain")

    client = Client(asgi.FastLane(behind, Adder().routes(), Metrics("adder", "adder-1")), Lifecycle())
    client.get("/words/a")
    client.post("/process", [1])
    assert reached == []
    for path in ("/words/a?x=1", "/words/", "/state", "/health", "/words/a/b"):
        client.get(path)
    client.post("/slow", [1])
    client.post("/words/a")
    assert reached == [
        "GET /words/a",
        "GET /words/",
        "GET /state",
        "GET /health",
        "GET /words/a/b",
        "POST /slow",
        "POST /words/a",
    ]


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
