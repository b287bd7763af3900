"""`nautilus bus` against a real server: through the redis-cli that its container has, and through its port."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from engines.base.bus import BusOptions, topics
from nautilus_cli.bus import contract
from nautilus_cli.bus.contract import Group, Message, Overview, Stream
from nautilus_cli.bus.redis import Redis
from nautilus_cli.bus.wires import Cli, Port, command, line_of
from nautilus_cli.commands.bus import redis_service
from nautilus_cli.errors import ConfigError, NautilusError, Unhealthy
from nautilus_cli.fleet import Service
from nautilus_cli.runtimes.base import Door
from nautilus_cli.view.bus import SCHEMA, message_line, overview_data, overview_view
from tests.conftest import engine, fleet
from tests.engines.redis_server import KINDS, PASSWORD, Server

needs_redis = pytest.mark.skipif(not shutil.which("redis-cli"), reason="needs Debian's redis-tools")


class Local:
    """Implements `Attached` for a process here, with the streams of a pipe."""

    def __init__(self, words: list[str]) -> None:
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def output(self) -> Iterator[tuple[int, bytes]]:
        assert self.process.stdout is not None
        while data := self.process.stdout.read1(1 << 16):  # type: ignore[attr-defined]
            yield 1, data

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def end_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def resize(self, columns: int, rows: int) -> None:
        """No terminal."""

    def exit_code(self) -> int:
        return self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, KINDS[0])
    server.start()
    yield server
    server.close()


def words_of(server: Server) -> list[str]:
    """What runs in the container, with this server's port and password file."""
    service = Service(name="redis", kind="redis", image="redis:8", port=server.port)
    return [word.replace("/run/secrets/redis/password", str(server.password_file)) for word in command(service)]


@pytest.fixture(params=["port", pytest.param("cli", marks=needs_redis)])
def redis(server: Server, request: pytest.FixtureRequest) -> Iterator[Redis]:
    if request.param == "port":
        port = Port(Door("127.0.0.1", server.port, PASSWORD))
        yield Redis(port)
        port.close()
        return
    local = Local(words_of(server))
    yield Redis(Cli(local))
    local.end_input()
    assert local.exit_code() == 0
    local.process.stdout.close()  # type: ignore[union-attr]


def test_the_overview_has_streams_groups_lag_pending_and_dead_letters(server: Server, redis: Redis) -> None:
    assert redis.overview() == Overview((), 0)
    for number in range(5):
        redis.publish("trading.positions.p1", b"%d" % number)
    redis.publish("system.health.x", b"null")
    server.client.xgroup_create("nautilus:bus:trading", "risk", "0")
    server.client.xreadgroup("risk", "risk-1", {"nautilus:bus:trading": ">"}, count=2)
    server.client.xadd(topics.DEAD_LETTERS, {"t": "trading.positions.p1"})
    server.client.set("nautilus:bus:handled", "no stream")
    assert redis.overview() == Overview(
        (Stream("system", 1, ()), Stream("trading", 5, (Group("risk", 1, lag=3, pending=2),))), dead_letters=1
    )


def test_what_is_published_is_what_is_read(server: Server, redis: Redis) -> None:
    positions = redis.newest(["nautilus:bus:trading", "nautilus:bus:risk"])
    assert set(positions.values()) == {"0-0"}
    payload = contract.checked_payload('{"text": "a \\"quoted\\" line\\nand Grüße ☃", "n": 1}')
    entry = redis.publish("trading.positions.p1", payload)
    redis.publish("risk.breaches.p1", b"[]")
    first, second = list(redis.after(positions))
    assert (first.entry, first.topic, second.topic) == (entry, "trading.positions.p1", "risk.breaches.p1")
    assert first.payload == {"text": 'a "quoted" line\nand Grüße ☃', "n": 1}
    assert list(redis.after(positions)) == []
    ((_, fields),) = server.entries("nautilus:bus:trading")
    assert set(fields) == {b"i", b"t", b"a", b"d"}
    assert fields[b"d"] == payload


@needs_redis
def test_a_wrong_password_and_an_end_are_told(server: Server) -> None:
    server.password_file.write_text("wrong")
    local = Local(words_of(server))
    with local.process:
        with pytest.raises(NautilusError, match="WRONGPASS"):
            Cli(local)
        local.end_input()
    server.password_file.write_text(PASSWORD)
    local = Local(words_of(server))
    with local.process:
        cli = Cli(local)
        local.process.stdin.close()  # type: ignore[union-attr]
        with pytest.raises(NautilusError, match="redis-cli has ended"):
            cli._line()


def test_a_port_tells_a_wrong_password_an_end_and_nobody(server: Server) -> None:
    with pytest.raises(NautilusError, match="WRONGPASS"):
        Port(Door("127.0.0.1", server.port, "wrong"))
    port = Port(Door("127.0.0.1", server.port, PASSWORD))
    assert port.ask("NONSENSE").startswith("ERR unknown command")
    server.close()
    with pytest.raises(NautilusError, match="Redis has ended"):
        port.ask("PING")
    port.close()
    with pytest.raises(Unhealthy, match=f"Redis on port {server.port}: connection refused"):
        Port(Door("127.0.0.1", server.port, PASSWORD))


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5))
def test_a_command_is_one_plain_line(words: list[bytes]) -> None:
    line = line_of(words)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()


@given(st.text("abc.*-_9Z ", max_size=20))
def test_both_sides_agree_on_what_is_a_topic_and_a_pattern(text: str) -> None:
    def holds(check: object, error: type[Exception]) -> bool:
        try:
            check(text)  # type: ignore[operator]
        except error:
            return False
        return True

    assert holds(contract.checked_topic, ConfigError) == holds(topics.check_topic, topics.TopicError)
    assert holds(contract.checked_pattern, ConfigError) == holds(topics.pattern, topics.TopicError)


def test_both_sides_agree_on_names() -> None:
    assert (contract.STREAMS, contract.DEAD_LETTERS) == (topics.STREAMS, topics.DEAD_LETTERS)
    assert BusOptions(host="redis").retained == contract.RETAINED
    assert contract.stream_of("risk.**") == topics.stream("risk.x")


@pytest.mark.parametrize("text", ["{", "NaN", "", "{'a': 1}"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="the payload is not JSON"):
        contract.checked_payload(text)


def test_a_fleet_has_one_bus_or_says_so() -> None:
    with pytest.raises(ConfigError, match="its services of kind redis are: none"):
        redis_service(fleet(engine()))


def test_table_lines_and_data() -> None:
    overview = Overview((Stream("risk", 7, (Group("a", 2, 0, 1), Group("b", 1, None, 0))), Stream("ml", 1, ())), 3)
    out = StringIO()
    Console(file=out, width=80).print(overview_view(overview))
    rows = [line.split() for line in out.getvalue().splitlines() if line.strip()]
    assert rows[0] == ["STREAM", "MESSAGES", "GROUP", "CONSUMERS", "LAG", "PENDING"]
    assert rows[2:5] == [["risk", "7", "a", "2", "0", "1"], ["b", "1", "?", "0"], ["ml", "1", "-", "-", "-", "-"]]
    assert " ".join(rows[5]) == "3 dead letters, in nautilus:dead-letters"
    assert overview_data(overview)["schema"] == SCHEMA
    message = Message("1700000000123-0", "risk.breaches.p1", "x-1", {"value": 1})
    assert message_line(message, as_json=False).endswith('.123 risk.breaches.p1 {"value": 1}')
    assert json.loads(message_line(message, as_json=True))["payload"] == {"value": 1}
