"""The hot lane answers what uvicorn and FastAPI would, in the same order, and leaves them what it does not know."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import accumulate, pairwise, product

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
        self.lane = HotLane(engine.routes(), self.lifecycle, self.metrics, given.replica)
        self.app = create_app(engine, given, self.lifecycle, self.metrics)
        self.protocol = partial(HotProtocol, self.lane) if hot else HttpToolsProtocol

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
    ends = [*accumulate(map(len, asked))]  # where a request ends is where the next one may be known
    cuts = data.draw(st.sets(st.one_of(st.integers(0, len(whole)), st.sampled_from(ends)), max_size=8))
    chunks = [whole[start:end] for start, end in pairwise(sorted({0, *cuts, len(whole)}))]
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


HEADS = (
    b"GET /words/a HTTP/1.1\r\nhost: engine\r\n\r\n",
    b"POST /process HTTP/1.1\r\nhost: engine\r\ncontent-length: 7\r\n\r\n",
)


def known(service: Service) -> dict[bytes, int]:
    """The heads that the lane remembers, and the bytes that follow."""
    return {head: length for head, (_, length) in service.lane.heads.items()}


@pytest.mark.parametrize("data", [*HOT, *OTHER[:-1], *LAST[:3]])
def test_a_head_that_comes_again_is_answered_as_before(hot: Service, plain: Service, data: bytes) -> None:
    other = request("POST /process", "[1,2,3]")
    one, two = (service.talk(sends(other, data, data, other, other, data)) for service in (hot, plain))
    assert one.masked == two.masked
    assert (one.closed, one.state.total_requests) == (two.closed, two.state.total_requests)
    assert sorted(hot.counted()) == sorted(plain.counted())
    assert hot.lifecycle.errors == plain.lifecycle.errors


def test_heads_of_the_lane_are_remembered_and_not_parsed_again(hot: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = HEADS[0], HEADS[1] + b"[1,2,3]"
    sent = hot.talk(sends(first, second)).masked
    assert known(hot) == {HEADS[0]: 0, HEADS[1]: 7}
    monkeypatch.setattr(HotProtocol, "on_message_begin", lambda _: pytest.fail("it was parsed"))
    assert hot.talk(sends(first, second)).masked == sent
    assert b'"total":9.0' in hot.talk(sends(HEADS[1] + b"[1,2,6]")).sent


@pytest.mark.parametrize(
    "data",
    [
        *OTHER,
        *LAST,
        HOT[6],
        b"\r\n" + HEADS[0],
        HEADS[0] * 2,
        HEADS[0] + HEADS[1] + b"[1,2,3]",
        HEADS[1] + b"[1,2,3]" + HEADS[0],
        HEADS[0] + HEADS[0][:9],
        request("GET /words/a", "", f"cookie: {'x' * lane_module.LONGEST}"),
    ],
)
def test_other_heads_are_not_remembered(hot: Service, data: bytes) -> None:
    hot.talk(sends(data))
    assert known(hot).keys() <= {b"\r\n" + HEADS[0]}


def test_a_head_in_pieces_is_not_remembered(hot: Service) -> None:
    hot.talk(sends(HEADS[1], b"[1,2,3]"))
    hot.talk(sends(HEADS[0][:10], HEADS[0][10:]))
    assert known(hot) == {}


def test_a_known_head_waits_for_its_body(hot: Service) -> None:
    hot.talk(sends(HEADS[1] + b"[1,2,3]"))

    async def use(wire: Wire) -> None:
        assert at_once(wire, HEADS[1] + b"[1,") == b""
        assert at_once(wire, b"2,3]" + HEADS[0]).count(b"HTTP/1.1 200 OK") == 2

    hot.talk(use)


def test_what_looks_like_a_known_head_may_be_a_body(hot: Service) -> None:
    body = HEADS[0].decode()
    head = request("POST /process", body)[: -len(body)]

    async def use(wire: Wire) -> None:
        wire.protocol.data_received(HEADS[0])
        assert at_once(wire, head).count(b"HTTP/1.1") == 1
        assert b"not JSON" in at_once(wire, HEADS[0])

    hot.talk(use)


def test_old_heads_are_forgotten_when_there_are_too_many(hot: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "HEADS", 2)
    hot.talk(sends(*[request(f"GET /words/{word}") for word in "abc"]))
    assert known(hot) == {request("GET /words/c"): 0}


def test_a_body_may_come_later(hot: Service) -> None:
    whole = request("POST /process", "[1,2,3]")

    async def use(wire: Wire) -> None:
        assert at_once(wire, whole[:-4]) == b""
        assert b'"total":6.0' in at_once(wire, whole[-4:])

    hot.talk(use)


@pytest.mark.parametrize("pieces", [True, False])
@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.DRAINING])
def test_an_engine_that_is_not_ready_answers_beside_the_lane(
    hot: Service, plain: Service, phase: Phase, pieces: bool
) -> None:
    whole = request("POST /process", "[1,2,3]")
    first, last = (whole[:-4], whole[-4:]) if pieces else (b"", whole)

    def use(service: Service) -> Use:
        async def change(wire: Wire) -> None:
            wire.protocol.data_received(whole)
            await wire.settle()
            wire.protocol.data_received(first)
            service.lifecycle.phase = phase
            wire.protocol.data_received(last)

        return change

    one, other = (service.talk(use(service)) for service in (hot, plain))
    assert one.masked == other.masked
    assert (one.closed, b"503" in one.sent) == ((True, False) if phase is Phase.DRAINING else (False, True))


def test_a_caller_that_does_not_read_is_waited_for(hot: Service) -> None:
    hot.talk(sends(HOT[0]))  # so that its head is known

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
    hot.talk(use)  # a known head


def test_an_answer_to_a_known_head_keeps_the_connection(hot: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(wire: Wire) -> None:
        clock = wire.protocol.loop.time() + 50
        wire.protocol.timeout_keep_alive = 75
        for _ in range(2):
            wire.protocol.data_received(HOT[0])
            monkeypatch.setattr(wire.protocol.loop, "time", lambda: clock)
        first = wire.protocol.timeout_keep_alive_task
        clock += 30
        wire.protocol.timeout_keep_alive_handler()  # set 80 s ago, and answered 30 s ago
        assert wire.protocol.timeout_keep_alive_task is not first
        assert not wire.closed
        clock += 45
        wire.protocol.timeout_keep_alive_handler()
        assert wire.closed
        monkeypatch.undo()

    hot.talk(use)


def test_the_time_is_measured(hot: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):  # parsed, and known
        ticks = iter([1_000_000, 1_234_500])
        monkeypatch.setattr(lane_module, "perf_counter_ns", lambda ticks=ticks: next(ticks))
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
