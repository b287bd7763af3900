"""Real processes: `python -m engines.base` starts, serves, drains and exits for every engine."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from engines.base import compiled
from tests.engines.conftest import ROOT
from tests.engines.redis_server import KINDS, Server

QUESTIONS = {
    "analytics": "/analytics/calculate/portfolio_001",
    "risk": "/risk/check/portfolio_001",
    "factor": "/factors/results/AAPL@2022-12-28",
}


@dataclass(frozen=True)
class Replica:
    """A started engine, and how to ask it."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> httpx.Response:
        """Ask on a connection of its own."""
        return httpx.get(self.url + path, timeout=20, trust_env=False)

    def wait_for(self, status: str) -> None:
        """Until /health says `status`; fails when the process ended or 20 s have passed."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if self.process.poll() is not None:
                pytest.fail(f"the engine exited with {self.process.returncode}")
            try:
                if self.get("/health").json()["status"] == status:
                    return
            except httpx.ConnectError:
                time.sleep(0.01)
        pytest.fail(f"/health did not become '{status}'")

    def wait_until_closed(self) -> None:
        """Until new connections are refused."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                self.get("/health")
            except httpx.TransportError:
                return
        pytest.fail("the port stayed open")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def start(prices_path: Path) -> Iterator[Callable[..., Replica]]:
    """Starts engines, and ends what a test left running."""
    started: list[subprocess.Popen[str]] = []

    def run(engine: str, **environment: str) -> Replica:
        port = free_port()
        given = {"NAUTILUS_ENGINE": engine, "NAUTILUS_REPLICA": f"{engine}-7", "NAUTILUS_PRICES": str(prices_path)}
        process = subprocess.Popen(
            [sys.executable, "-m", "engines.base"],
            cwd=ROOT,
            env={**os.environ, "PORT": str(port), **given, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return Replica(process, port)

    yield run
    for process in started:
        process.kill()
        process.communicate()


@contextmanager
def unfinished_request(replica: Replica) -> Iterator[socket.socket]:
    """A POST /process whose body has not been sent yet."""
    with socket.create_connection(("127.0.0.1", replica.port), timeout=20) as connection:
        head = b"POST /process HTTP/1.1\r\nHost: engine\r\nContent-Length: 18\r\nConnection: close\r\n\r\n"
        connection.sendall(head)
        yield connection


@pytest.mark.parametrize("engine", sorted(QUESTIONS))
def test_an_engine_serves_drains_and_exits_with_0(start: Callable[..., Replica], engine: str) -> None:
    replica = start(engine, NAUTILUS_DRAIN="1.5")
    replica.wait_for("ready")
    with httpx.Client(base_url=replica.url, timeout=20, trust_env=False) as kept:
        reply = kept.get(QUESTIONS[engine])
        assert (reply.status_code, reply.headers["x-nautilus-replica"]) == (200, f"{engine}-7")
        assert reply.json()["processing_time_ms"] > 0

        replica.process.send_signal(signal.SIGTERM)
        replica.wait_for("draining")
        assert replica.get("/health").status_code == 503
        reply = kept.get(QUESTIONS[engine])
        assert (reply.status_code, reply.headers["connection"]) == (200, "close")
    assert replica.process.wait(timeout=20) == 0
    with pytest.raises(httpx.ConnectError):
        replica.get("/health")


@pytest.mark.parametrize("engine", ["analytics", "risk"])
def test_an_engine_computes_the_same_without_numba(start: Callable[..., Replica], engine: str) -> None:
    replies = []
    for numba in ("on", "off"):
        replica = start(engine, NAUTILUS_NUMBA=numba)
        replica.wait_for("ready")
        metrics = replica.get("/metrics").text
        assert (f'kernels="{"numpy" if numba == "off" else compiled.PATH}"') in metrics
        reply = replica.get(QUESTIONS[engine]).json()
        replies.append({**reply.pop("performance", {}), **reply.pop("component_var", {}), **reply})
    one, other = ({k: v for k, v in reply.items() if isinstance(v, float)} for reply in replies)
    for reply in (one, other):
        assert reply.pop("processing_time_ms") > 0
    assert len(one) >= 15
    assert one == pytest.approx(other, rel=1e-9)


def test_prometheus_accepts_the_metrics(start: Callable[..., Replica]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    replica = start("risk")
    replica.wait_for("ready")
    for path in (QUESTIONS["risk"], "/risk/check/nobody", "/nothing"):
        replica.get(path)
    text = replica.get("/metrics").text
    run = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout + run.stderr) == (0, "")


def test_an_open_request_is_answered_before_the_engine_leaves(start: Callable[..., Replica]) -> None:
    replica = start("analytics", NAUTILUS_DRAIN="0")
    replica.wait_for("ready")
    with unfinished_request(replica) as connection:
        replica.get("/health")  # accepted after that connection: its head has been read
        replica.process.send_signal(signal.SIGTERM)
        replica.wait_until_closed()
        assert replica.process.poll() is None
        connection.sendall(b'{"values":[1,2,3]}')
        with connection.makefile("rb") as stream:
            reply = stream.read()
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert b'"pnl":2.0' in reply
    assert replica.process.wait(timeout=20) == 0


def test_an_engine_serves_without_the_redis_that_it_is_told_of(start: Callable[..., Replica]) -> None:
    replica = start("risk", REDIS_HOST="127.0.0.1", REDIS_PORT=str(free_port()))
    replica.wait_for("ready")
    health = replica.get("/health")
    assert (health.status_code, health.json()["bus"]) == (200, "connecting")
    assert replica.get(QUESTIONS["risk"]).status_code == 200
    replica.process.send_signal(signal.SIGTERM)
    assert replica.process.wait(timeout=20) == 0


def test_an_engine_takes_part_in_the_bus_and_leaves_no_trace_of_itself(
    start: Callable[..., Replica], tmp_path: Path
) -> None:
    server = Server(tmp_path, KINDS[0])
    server.start()
    try:
        found = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(server.port)}
        replica = start("risk", **found, REDIS_PASSWORD_FILE=str(server.password_file))
        replica.wait_for("ready")
        end = time.monotonic() + 20
        while replica.get("/health").json()["bus"] != "connected":
            assert time.monotonic() < end
        assert server.client.xinfo_groups("nautilus:bus:trading")[0]["name"] == b"risk"
        replica.process.send_signal(signal.SIGTERM)
        assert replica.process.wait(timeout=20) == 0
        assert server.client.xinfo_consumers("nautilus:bus:trading", "risk") == []
    finally:
        server.close()


def test_a_second_signal_ends_the_drain(start: Callable[..., Replica]) -> None:
    replica = start("risk", NAUTILUS_DRAIN="600")
    replica.wait_for("ready")
    replica.process.send_signal(signal.SIGTERM)
    replica.wait_for("draining")
    replica.process.send_signal(signal.SIGTERM)
    assert replica.process.wait(timeout=20) == 0


def test_a_signal_during_the_start_is_obeyed(start: Callable[..., Replica]) -> None:
    replica = start("risk", NAUTILUS_DRAIN="0")
    status = Path(f"/proc/{replica.process.pid}/status")
    bit = 1 << (signal.SIGTERM - 1)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt"))
        if int(caught.split()[1], 16) & bit:
            break
    replica.process.send_signal(signal.SIGTERM)
    assert replica.process.wait(timeout=20) == 0


@pytest.mark.parametrize(
    ("environment", "code", "message"),
    [
        ({"NAUTILUS_ENGINE": "nobody"}, 2, "NAUTILUS_ENGINE: there is no engine 'nobody'"),
        ({"NAUTILUS_ENGINE": "base"}, 2, "NAUTILUS_ENGINE: there is no engine 'base'"),
        ({"PORT": "99999"}, 2, "PORT: 99999 is not between 1 and 65535"),
        ({"NAUTILUS_PRICES": "/no/such/file.npz"}, 1, "could not load its data"),
    ],
)
def test_an_engine_that_cannot_start_says_why(
    start: Callable[..., Replica], environment: dict[str, str], code: int, message: str
) -> None:
    replica = start("risk", **environment)
    _, errors = replica.process.communicate(timeout=20)
    assert (replica.process.returncode, message in errors) == (code, True), errors


@pytest.mark.parametrize(
    ("engine", "code", "told"), [("risk", 0, "risk loads, and computes with"), ("nobody", 2, "there is no engine")]
)
def test_an_engine_can_be_loaded_once(prices_path: Path, engine: str, code: int, told: str) -> None:
    given = {"NAUTILUS_ENGINE": engine, "PORT": "1", "NAUTILUS_PRICES": str(prices_path)}
    command = [sys.executable, "-m", "engines.base.warm"]
    run = subprocess.run(command, cwd=ROOT, env={**os.environ, **given}, capture_output=True, text=True, check=False)
    assert run.returncode == code
    assert told in run.stdout + run.stderr


def test_a_taken_port_has_its_own_exit_code(start: Callable[..., Replica]) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        replica = start("risk", PORT=str(taken.getsockname()[1]))
        _, errors = replica.process.communicate(timeout=20)
    assert (replica.process.returncode, "Address already in use" in errors) == (3, True), errors
