"""The hot lane answers what uvicorn and FastAPI would, in the same order, and leaves them what it does not know."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engines.base import lane as lane_module
from engines.base.app import create_app
from engines.base.engine import INLINE_BODY
from engines.base.lane import HotLane, HotProtocol
from engines.base.lifecycle import Lifecycle, Phase
from engines.base.metrics import Metrics
from engines.base.settings import Settings
from tests.engines.adder import Adder
from tests.engines.wire import Wire

Use = Callable[[Wire], Awaitable[None]]


def request(line: str, body: str = "", *headers: str, version: str = "1.1") -> bytes:
    length = [f"content-length: {len(body)}"] if body else []
    return "\r\n".join([f"{line} HTTP/{version}", "host: engine", *headers, *length, "", body]).encode()


HOT = (
    request("GET /words/a"),
    request("GET /words/secret"),
    request("POST /process", "[1,2,3]"),
    request("POST /process", '["a"]'),
    request("POST /process", "[1,"),
    request("POST /process"),
    request("POST /process", "", "transfer-encoding: chunked") + b"3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n",
    request("GET /words/a", "what GET does not read"),
    request("GET /bug"),
)
OTHER = (
    request("GET /words/a?x=1"),
    request("GET /words/a?"),
    request("GET /words/%C3%BC%20b"),
    request("GET /words/a#b"),
    request("GET /words/"),
    request("GET /words"),
    request("GET /words/a/b"),
    request("GET http://engine/words/a"),
    request("GET /state?word=b"),
    request("GET /nothing"),
    request("HEAD /words/a"),
    request("POST /words/a"),
    request("GET /process"),
    request("PUT /kept", '"here"'),
    request("PUT /kept", '"away"'),
    request("POST /slow", "[1]"),
    request("GET /words/a", "", "expect: 100-continue"),
    request("POST /process", "[1]", "expect: 100-continue"),
    request("GET /words/a", "", "connection: upgrade", "upgrade: h2c"),
    request("POST /process", f"[{'1,' * (INLINE_BODY // 2)}1]"),
)
LAST = (
    request("GET /words/a", "", "connection: close"),
    request("GET /words/a", version="1.0"),
    request("GET /words/a", "", "connection: keep-alive", version="1.0"),
    b"GET /words/a HTTP/9\r\n\r\n",
    b"nothing of HTTP\r\n\r\n",
)


class Service:
    """The adder, ready, behind both protocols; the counts of each are its own."""

    def __init__(self, given: Settings, *, hot: bool) -> None:
        self.lifecycle = Lifecycle(phase=Phase.READY)
        self.metrics = Metrics("adder", "adder-1")
        engine = Adder()
        engine.load()
        lane = HotLane(engine.routes(), self.lifecycle, self.metrics, given.replica)
        self.app = create_app(engine, given, self.lifecycle, self.metrics)
        self.protocol = partial(HotProtocol, lane) if hot else HttpToolsProtocol

    def talk(self, use: Use) -> Wire:
        """What a conversation on one connection leaves."""

        async def run() -> Wire:
            wire = Wire(self.protocol, self.app)
            await use(wire)
            await wire.settle()
            return wire

        return asyncio.run(run())

    def counted(self) -> list[str]:
        lines = self.metrics.exposition().decode().splitlines()
        return [line for line in lines if line.startswith(("nautilus_requests_total", "nautilus_computations"))]


@pytest.fixture(scope="module")
def given_settings(settings_for: Callable[[str], Settings]) -> Settings:
    return settings_for("adder")


@pytest.fixture
def hot(given_settings: Settings) -> Service:
    return Service(given_settings, hot=True)


@pytest.fixture
def plain(given_settings: Settings) -> Service:
    return Service(given_settings, hot=False)


@pytest.fixture(scope="module")
def both(given_settings: Settings) -> tuple[Service, Service]:
    """Used again and again, for what is made once takes longer than what is asked of it."""
    return Service(given_settings, hot=True), Service(given_settings, hot=False)


def sends(*chunks: bytes) -> Use:
    """Each chunk when everything before it was answered."""

    async def use(wire: Wire) -> None:
        for chunk in chunks:
            wire.protocol.data_received(chunk)
            await wire.settle()

    return use


def at_once(wire: Wire, data: bytes) -> bytes:
    """What is sent in the very call that brings the data."""
    wire.protocol.data_received(data)
    return wire.sent


@pytest.mark.parametrize("data", [*HOT, *OTHER, *LAST])
def test_the_lane_replies_as_fastapi_does(hot: Service, plain: Service, data: bytes) -> None:
    one, other = (service.talk(sends(data)) for service in (hot, plain))
    assert one.masked == other.masked
    assert one.sent
    assert (one.closed, one.state.total_requests) == (other.closed, other.state.total_requests)
    assert hot.counted() == plain.counted()
    assert hot.lifecycle.errors == plain.lifecycle.errors


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_pipelined_requests_in_any_chunks_are_answered_in_order(
    both: tuple[Service, Service], data: st.DataObject
) -> None:
    asked = data.draw(st.lists(st.sampled_from([*HOT, *OTHER[:-2]]), min_size=1, max_size=6))
    whole = b"".join([*asked, data.draw(st.sampled_from([b"", *LAST[:3]]))])
    cuts = [0, *sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=6))), len(whole)]
    chunks = [whole[start:end] for start, end in pairwise(cuts)]
    wait = data.draw(st.booleans())

    async def use(wire: Wire) -> None:
        for chunk in chunks:
            if not wire.closed:
                wire.protocol.data_received(chunk)
            if wait:
                await asyncio.sleep(0)

    one, other = (service.talk(use) for service in both)
    assert one.masked == other.masked
    assert sorted(both[0].counted()) == sorted(both[1].counted())


@pytest.mark.parametrize(("data", "taken"), [*product(HOT, [True]), *product([*OTHER, *LAST[:3]], [False])])
def test_the_lane_is_for_hot_routes_alone(hot: Service, data: bytes, taken: bool) -> None:
    async def use(wire: Wire) -> None:
        assert bool(at_once(wire, data)) == taken

    hot.talk(use)


def test_a_body_may_come_later(hot: Service) -> None:
    whole = request("POST /process", "[1,2,3]")

    async def use(wire: Wire) -> None:
        assert at_once(wire, whole[:-4]) == b""
        assert b'"total":6.0' in at_once(wire, whole[-4:])

    hot.talk(use)


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.DRAINING])
def test_an_engine_that_is_not_ready_answers_beside_the_lane(hot: Service, plain: Service, phase: Phase) -> None:
    whole = request("POST /process", "[1,2,3]")

    def use(service: Service) -> Use:
        async def change(wire: Wire) -> None:
            wire.protocol.data_received(whole[:-4])
            service.lifecycle.phase = phase
            wire.protocol.data_received(whole[-4:])

        return change

    one, other = (service.talk(use(service)) for service in (hot, plain))
    assert one.masked == other.masked
    assert (one.closed, b"503" in one.sent) == ((True, False) if phase is Phase.DRAINING else (False, True))


def test_a_caller_that_does_not_read_is_waited_for(hot: Service) -> None:
    async def use(wire: Wire) -> None:
        wire.protocol.pause_writing()
        wire.protocol.data_received(HOT[0])
        for _ in range(100):
            await asyncio.sleep(0)
        assert wire.sent == b""
        wire.protocol.resume_writing()

    assert hot.talk(use).sent.startswith(b"HTTP/1.1 200 ")


def test_an_open_request_of_the_lane_is_answered_when_the_server_leaves(hot: Service, plain: Service) -> None:
    async def use(wire: Wire) -> None:
        wire.protocol.data_received(HOT[2][:-4])
        wire.protocol.shutdown()
        assert not wire.closed
        wire.protocol.data_received(HOT[2][-4:])

    one, other = (service.talk(use) for service in (hot, plain))
    assert one.masked == other.masked
    assert one.closed
    assert b"connection: close" in one.sent


def test_an_idle_connection_is_closed_when_the_server_leaves(hot: Service) -> None:
    async def use(wire: Wire) -> None:
        wire.protocol.data_received(HOT[0])
        wire.protocol.shutdown()

    assert hot.talk(use).closed


def test_a_caller_that_left_is_counted(hot: Service, plain: Service, caplog: pytest.LogCaptureFixture) -> None:
    async def use(wire: Wire) -> None:
        wire.protocol.data_received(HOT[2][:-4])
        wire.protocol.connection_lost(None)

    for service in (hot, plain):
        service.talk(use)
        assert [line.partition("status=")[2] for line in service.counted()[:1]] == ['"499"} 1.0']
    assert caplog.records == []


def test_a_kept_connection_times_out_after_an_answer_of_the_lane(hot: Service) -> None:
    async def use(wire: Wire) -> None:
        wire.protocol.timeout_keep_alive = 0
        wire.protocol.data_received(HOT[0])
        async with asyncio.timeout(20):
            while not wire.closed:
                await asyncio.sleep(0)

    hot.talk(use)


def test_the_time_is_measured(hot: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([1_000_000, 1_234_500])
    monkeypatch.setattr(lane_module, "perf_counter_ns", lambda: next(ticks))
    assert b"x-nautilus-time-us: 234.5\r\n" in hot.talk(sends(HOT[0])).sent


def test_a_bug_is_counted_logged_and_not_shown(hot: Service, caplog: pytest.LogCaptureFixture) -> None:
    sent = hot.talk(sends(request("GET /bug"))).sent
    assert sent.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in sent
    assert hot.lifecycle.errors == 1
    assert "a bug with a secret in it" in caplog.text


def test_the_date_is_the_servers(hot: Service) -> None:
    async def use(wire: Wire) -> None:
        wire.protocol.data_received(HOT[0])
        wire.state.default_headers = [(b"date", b"tomorrow")]
        wire.protocol.data_received(HOT[0])

    sent = hot.talk(use).sent
    assert [line for line in sent.split(b"\r\n") if line.startswith(b"date")] == [b"date: today", b"date: tomorrow"]
