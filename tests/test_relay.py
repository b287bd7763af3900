"""The gateway without HAProxy: connections go to routed replicas in turns, past those that refuse."""

from __future__ import annotations

import http.client
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nautilus_cli.errors import RuntimeUnavailable
from nautilus_cli.fleet import Gateway, HealthCheck
from nautilus_cli.gateways import config
from nautilus_cli.gateways.base import Listen
from nautilus_cli.gateways.config import Setup
from nautilus_cli.runtimes.process import plain, record
from nautilus_cli.runtimes.process.home import Home
from nautilus_cli.runtimes.process.plain import PlainGateway, PlainSession, asked
from nautilus_cli.runtimes.process.relay import LISTENS, ROUTES
from tests.scenarios.load import eventually


class Replica(http.server.ThreadingHTTPServer):
    """Answers with its port; 503 while it is sick."""

    sick = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def end(self) -> None:
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    server: Replica

    def do_GET(self) -> None:
        body = str(self.server.server_port).encode()
        self.send_response(503 if self.server.sick else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def replicas() -> Iterator[list[Replica]]:
    both = [Replica(), Replica()]
    yield both
    for replica in both:
        replica.end()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("NAUTILUS_STATE_HOME", str(tmp_path))
    home = Home("demo")
    home.gateway.mkdir(parents=True)
    return home


@pytest.fixture
def relay(home: Home) -> Iterator[Path]:
    """The process, on the folder of the gateway."""
    command = [sys.executable, "-m", "nautilus_cli.runtimes.process.relay", str(home.gateway)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1]) as process:
        yield home.gateway
        process.terminate()


def listen(folder: Path, port: int) -> None:
    """The relay's port."""
    setup = Setup(listens=(Listen("risk", port, 2, HealthCheck(), 1.0),), hosts=("127.0.0.1",))
    record.replace(folder / LISTENS, config.dump(setup))


def route(folder: Path, **addresses: list[str]) -> None:
    """Which replicas are routed."""
    routes = {engine: dict.fromkeys(found, True) for engine, found in addresses.items()}
    record.replace(folder / ROUTES, json.dumps(routes))


def get(port: int) -> tuple[int, str]:
    """What one new connection is answered; 0 where nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def test_connections_go_in_turns_and_past_what_refuses(
    relay: Path, replicas: list[Replica], port_range: list[int]
) -> None:
    one, two = replicas
    listen(relay, port_range[6])
    assert eventually(lambda: get(port_range[6])[0]) == 503  # nobody is routed
    route(relay, risk=[one.address, two.address], other=[])
    eventually(lambda: get(port_range[6])[0] == 200)
    answers = [get(port_range[6])[1] for _ in range(6)]
    assert {answers.count(str(replica.server_port)) for replica in replicas} == {3}
    one.end()
    assert {get(port_range[6]) for _ in range(4)} == {(200, str(two.server_port))}
    route(relay, risk=[])
    eventually(lambda: get(port_range[6])[0] == 503)


def test_a_port_may_change(relay: Path, replicas: list[Replica], port_range: list[int]) -> None:
    route(relay, risk=[replicas[0].address])
    listen(relay, port_range[6])
    eventually(lambda: get(port_range[6])[0] == 200)
    listen(relay, port_range[7])
    eventually(lambda: get(port_range[7])[0] == 200)
    eventually(lambda: get(port_range[6])[0] == 0)


def test_a_session_writes_what_the_relay_reads_and_asks_itself(home: Home, replicas: list[Replica]) -> None:
    one, two = replicas
    session = PlainSession(home, lambda _engine: HealthCheck())
    session.join("risk", one.address, 0)
    session.route("risk", one.address)
    session.join("risk", one.address, 0)  # a known one keeps its state
    session.join("risk", two.address, 0)
    two.sick = True
    found = {route.port: (route.routed, route.healthy, route.detail) for route in session.routes()}
    assert found == {
        one.server_port: (True, True, "answers 200"),
        two.server_port: (False, False, "answers 503"),
    }
    session.drain("risk", one.address)
    session.leave("risk", two.address)
    session.leave("risk", "127.0.0.1:1")
    assert json.loads((home.gateway / ROUTES).read_text()) == {"risk": {one.address: False}}


def test_what_does_not_answer_says_so() -> None:
    assert asked("127.0.0.1", 1, HealthCheck()) == (False, "connection refused")


def test_it_is_chosen_for_a_fleet_until_it_goes(home: Home) -> None:
    assert not plain.chosen(home)
    plain.choose(home)
    assert plain.chosen(home)
    gateway = PlainGateway(home, Gateway())
    with pytest.raises(RuntimeUnavailable, match="does not run"):
        gateway.session()
    gateway.remove()
    assert not plain.chosen(home)
