"""A stage for gateways: a bridge of its own, replicas whose health can be switched, load that counts every failure."""

from __future__ import annotations

import http.client
import io
import os
import random
import signal
import socket
import tarfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import docker.errors
from docker.api.client import APIClient
from docker.types import IPAMConfig, IPAMPool

from nautilus_cli import fleet as declared
from nautilus_cli.fleet import HealthCheck
from nautilus_cli.gateways.base import Listen, Network, Session
from nautilus_cli.gateways.haproxy import HAProxy, recipe

BASE = "nautilus/base:trixie"
GATEWAY_BASE = os.environ.get("NAUTILUS_TEST_GATEWAY_BASE", BASE)  # another Debian brings another HAProxy
OWNER = "io.nautilus.test.pid"
Mode = Literal["host", "bridge"]

REPLICA = """
import http.server, sys, time, urllib.parse
name, ready, first, stalled = sys.argv[1], time.time() + float(sys.argv[2]), 0.0, 0.0
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        global ready, first, stalled
        url = urllib.parse.urlsplit(self.path)
        arguments = dict(urllib.parse.parse_qsl(url.query))
        status, text = 200, name
        if url.path == "/health":
            status = 200 if time.time() >= ready else 503
            first = first or (time.time() if status == 200 else 0.0)
        elif url.path == "/unready":
            ready, first = time.time() + float(arguments["for"]), 0.0
        elif url.path == "/first":
            text = repr(first)
        elif url.path == "/stall":
            stalled = time.time() + float(arguments["for"])
        elif url.path == "/slow":
            time.sleep(float(arguments["for"]))
        self.answer(status, text)
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(200, name)
    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
    def log_message(self, *arguments):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = int(sys.argv[3])
    def process_request(self, request, client_address):
        time.sleep(max(0.0, stalled - time.time()))
        super().process_request(request, client_address)
Server(("", 8000), Handler).serve_forever()
"""


def wait(probe: Callable[[], Any], seconds: float = 15.0) -> Any:
    """The first true value of the probe; AssertionError when the deadline passes."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = probe()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"not within {seconds:g} s: {probe}")


def free_port() -> int:
    """A port that nobody holds now."""
    for port in random.sample(range(20000, 32000), 200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no free port")


def build_image(api: APIClient) -> str:
    """The gateway's image, made by its own recipe with the classic builder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in recipe().items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    tag = f"t-gateway:{uuid.uuid4().hex[:8]}"
    lines = list(
        api.build(
            fileobj=io.BytesIO(buffer.getvalue()),
            custom_context=True,
            tag=tag,
            rm=True,
            decode=True,
            buildargs={"BASE_IMAGE": GATEWAY_BASE},
            labels={OWNER: str(os.getpid())},
        )
    )
    assert not [line["error"] for line in lines if "error" in line]
    return tag


def sweep(api: APIClient) -> None:
    """Remove what dead runs of these tests left."""

    def dead(thing: dict[str, Any]) -> bool:
        return not Path(f"/proc/{(thing['Labels'] or {})[OWNER]}").exists()

    for container in filter(dead, api.containers(all=True, filters={"label": OWNER})):
        api.remove_container(container["Id"], force=True)
    for network in filter(dead, api.networks(filters={"label": OWNER})):
        clear(api, network["Name"])
    for image in filter(dead, api.images(filters={"label": OWNER})):
        api.remove_image(image["Id"], force=True)


def clear(api: APIClient, name: str) -> None:
    """Remove everything of one fleet; what is gone already is no error."""
    for container in api.containers(all=True, filters={"label": f"io.nautilus.fleet={name}"}):
        api.remove_container(container["Id"], force=True)
    for network in api.networks(filters={"label": f"io.nautilus.fleet={name}"}):
        api.remove_network(network["Id"])
    try:
        api.remove_volume(f"{name}-state")
    except docker.errors.NotFound:
        return


class Stage:
    """One fleet: its bridge, its gateway and the replicas that a test wants."""

    def __init__(self, api: APIClient, image: str, mode: Mode, **gateway: Any) -> None:
        self.api, self.image, self.mode = api, image, mode
        self.name = f"t-{uuid.uuid4().hex[:8]}"
        self.labels = {"io.nautilus.fleet": self.name, OWNER: str(os.getpid())}
        self.port = free_port()
        self.network = self._network()
        self._reached: list[HAProxy] = []
        self.gateway = self.another(**gateway)
        self._hosts = iter(range(10, 250))

    def another(self, **gateway: Any) -> HAProxy:
        """The same gateway, as another process would reach it."""
        wanted = declared.Gateway(network=self.mode, **gateway)
        self._reached.append(HAProxy(self.api, self.name, wanted, self.image, self.network))
        return self._reached[-1]

    def _network(self) -> Network:
        for third in random.sample(range(256), 50):
            subnet, address = f"10.213.{third}.0/24", f"10.213.{third}.1"
            pool = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet, gateway=address)])
            try:
                self.api.create_network(self.name, driver="bridge", ipam=pool, labels=self.labels)
            except docker.errors.APIError:
                continue  # the pool overlaps with another one
            return Network(self.name, subnet, address)
        raise AssertionError("no free subnet")

    def listen(self, engine: str = "risk", port: int = 0, slots: int = 4, **check: Any) -> Listen:
        """One engine's port."""
        values = {"path": "/health", "interval": "30s", "timeout": "2s", "retries": 3, **check}
        return Listen(engine, port or self.port, slots, HealthCheck.model_validate(values), drain=10.0)

    def replica(self, name: str, ready_after: float = 0.0, command: list[str] | None = None, backlog: int = 128) -> str:
        """A running replica's fixed address."""
        address = f"{self.network.address.rpartition('.')[0]}.{next(self._hosts)}"
        endpoint = self.api.create_endpoint_config(ipv4_address=address)
        made = self.api.create_container(
            BASE,
            command or ["python3", "-c", REPLICA, name, str(ready_after), str(backlog)],
            name=f"{self.name}-{name}",
            labels=self.labels,
            host_config=self.api.create_host_config(
                network_mode=self.name, restart_policy={"Name": "always"}, init=True
            ),
            networking_config={"EndpointsConfig": {self.name: endpoint}},
        )
        self.api.start(made["Id"])
        return address

    def serve(self, session: Session, name: str, engine: str = "risk", backlog: int = 128) -> str:
        """A new replica that is routed: its address."""
        address = self.replica(name, backlog=backlog)
        session.join(engine, address, 8000)
        wait(lambda: session.check(engine, address).healthy)
        session.route(engine, address)
        return address

    def crash(self, name: str) -> None:
        """Kill a replica behind Docker's back: a container killed through the API would not be restarted."""
        os.kill(self.api.inspect_container(f"{self.name}-{name}")["State"]["Pid"], signal.SIGKILL)

    def get(self, path: str = "/", host: str = "127.0.0.1", port: int = 0, method: str = "GET") -> tuple[int, str]:
        """The status and text of one request on a connection of its own; status 0 where there is no connection."""
        connection = http.client.HTTPConnection(host, port or self.port, timeout=10)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)
        finally:
            connection.close()

    def processes(self) -> list[str]:
        """The command lines inside the gateway's container."""
        top = self.api.top(self.gateway.name, "-eo pid,args")
        return [row[-1] for row in top["Processes"]]

    def networks(self) -> list[str]:
        """The networks of this fleet."""
        mark = {"label": f"io.nautilus.fleet={self.name}"}
        return [network["Name"] for network in self.api.networks(filters=mark)]

    def close(self) -> None:
        """Nothing is left of it."""
        for gateway in self._reached:
            gateway.close()
        clear(self.api, self.name)


class Load:
    """Requests without a pause from several threads, half of them on kept connections; every failure is kept."""

    def __init__(self, port: int, methods: tuple[str, ...] = ("GET", "GET", "POST", "POST"), path: str = "/") -> None:
        self.port, self.path, self.failures, self.names = port, path, list[str](), Counter[str]()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(method, number % 2 == 0)) for number, method in enumerate(methods)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def requests(self) -> int:
        """How many were answered well."""
        return sum(self.names.values())

    def _run(self, method: str, keep: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self._stop.wait(0.001):
            try:
                connection.request(method, self.path, body=b"x" if method == "POST" else None)
                answer = connection.getresponse()
                text = answer.read().decode()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self.failures.append(f"{method} keep={keep}: {error!r}")
                continue
            if answer.status == 200:
                self.names[text] += 1
            else:
                self.failures.append(f"{method} keep={keep}: {answer.status}")
            if not keep:
                connection.close()
        connection.close()
