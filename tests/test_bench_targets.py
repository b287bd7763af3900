"""Real servers as targets: every answer is read to its end, connections are kept or made anew as each server has it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from nautilus_cli.bench.load import run
from nautilus_cli.bench.recording import Closed, Failure, Open, Profile, Recording, Request, Target

LARGE = 3 << 20  # more than any buffer
NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{ worker_connections 256; }}
http {{
  access_log off; keepalive_requests 5;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port}; root {folder}; gzip on; gzip_types text/plain; gzip_proxied any; gzip_min_length 1;
    location = /small {{ add_header X-Nautilus-Replica nginx-1; return 200 "small"; }}
    location = /moved {{ return 301 /small; }}
  }}
}}
"""
HAPROXY = """
defaults
  mode http
  retries 0
  timeout connect 2s
  timeout client 10s
  timeout server 10s
frontend front
  bind 127.0.0.1:{port}
  acl small path /small
  http-request return status 200 hdr X-Nautilus-Replica haproxy-1 content-type text/plain string small if small
  default_backend nobody
backend nobody
  server gone 127.0.0.1:1
"""
UVICORN = """
import sys, uvicorn
async def app(scope, receive, send):
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    headers = [(b"x-nautilus-replica", b"uvicorn-1")]
    if scope["path"] == "/small":
        headers.append((b"content-length", b"5"))
    pieces = {"/small": [b"small"], "/chunked": [b"a" * n for n in (1, 10, 5000)], "/large": [b"x" * (3 << 20)]}
    pieces = pieces[scope["path"]]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
uvicorn.run(app, port=int(sys.argv[1]), http=sys.argv[2], log_level="error", lifespan="off", access_log=False)
"""
NODE = """
const http = require("http");
http.createServer((request, response) => {
  request.resume();
  response.setHeader("X-Nautilus-Replica", "node-1");
  if (request.url === "/small") return response.end("small");
  if (request.url === "/large") { response.write("x".repeat(3 << 20)); return response.end(); }
  response.writeHead(200, {Trailer: "Digest"});
  for (const n of [1, 10, 5000]) response.write("a".repeat(n));
  response.addTrailers({Digest: "none"});
  response.end();
}).listen(Number(process.argv[1]), "127.0.0.1");
"""
HTTP_SERVER = """
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
SimpleHTTPRequestHandler.log_message = lambda *words: None
SimpleHTTPRequestHandler.protocol_version = sys.argv[3]
handler = partial(SimpleHTTPRequestHandler, directory=sys.argv[2])
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler).serve_forever()
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A program that serves on a port."""

    program: str  # without which it cannot be tested
    words: Callable[[int, Path], list[str]]  # how it is started; a port and a folder of its own


def file(folder: Path, text: str, port: int) -> str:
    """A configuration, written down."""
    path = folder / "configuration"
    path.write_text(text.format(folder=folder, port=port))
    return str(path)


SERVERS = {
    "nginx": Server("nginx", lambda port, folder: ["nginx", "-c", file(folder, NGINX, port)]),
    "haproxy": Server("haproxy", lambda port, folder: ["haproxy", "-db", "-f", file(folder, HAPROXY, port)]),
    "uvicorn-h11": Server(sys.executable, lambda port, _: [sys.executable, "-c", UVICORN, str(port), "h11"]),
    "uvicorn-httptools": Server(
        sys.executable, lambda port, _: [sys.executable, "-c", UVICORN, str(port), "httptools"]
    ),
    "node": Server("node", lambda port, _: ["node", "-e", NODE, str(port)]),
    "http.server": Server(
        sys.executable, lambda port, folder: [sys.executable, "-c", HTTP_SERVER, str(port), str(folder), "HTTP/1.0"]
    ),
    "http.server-1.1": Server(
        sys.executable, lambda port, folder: [sys.executable, "-c", HTTP_SERVER, str(port), str(folder), "HTTP/1.1"]
    ),
}


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], int]]:
    """The port of a server by its name, started when it is first asked for."""
    started: dict[str, tuple[subprocess.Popen[bytes], int]] = {}

    def port_of(name: str) -> int:
        if not shutil.which(SERVERS[name].program):
            pytest.skip(f"NOT TESTED: {SERVERS[name].program} is not on this machine, so not as a target of the load")
        if name not in started:
            started[name] = start(SERVERS[name], tmp_path_factory.mktemp(name))
        return started[name][1]

    yield port_of
    for process, _ in started.values():
        process.kill()
        process.wait()


def start(server: Server, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """It listens afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    (folder / "small").write_text("small")
    (folder / "large").write_bytes(b"x" * LARGE)
    folder.chmod(0o755)
    process = subprocess.Popen(server.words(port, folder), stderr=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while not listens(port):
        assert process.poll() is None, f"ended with {process.returncode}: {process.args!r}"
        assert time.monotonic() < end, f"does not listen: {process.args!r}"
        time.sleep(0.02)
    return process, port


def listens(port: int) -> bool:
    """Whether a connection can be made."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def load(port: int, request: Request, kind: Closed | Open) -> Recording:
    return run(Target("127.0.0.1", port, request), Profile(kind, 0.25, warmup=0.05, warmup_limit=0.05))


KINDS = [Closed(4), Open(100, 4)]
EVERY = pytest.mark.parametrize("name", sorted(SERVERS))
CHUNKING = pytest.mark.parametrize("name", ["node", "uvicorn-h11", "uvicorn-httptools"])


@EVERY
@pytest.mark.parametrize("kind", KINDS, ids=["closed", "open"])
def test_small_answers(name: str, kind: Closed | Open, ports: Callable[[str], int]) -> None:
    recording = load(ports(name), Request(path="/small"), kind)
    assert len(recording.due) > 10
    assert set(recording.failure) == {Failure.NONE}
    assert set(recording.status) == {200}
    once = {"http.server": 1, "nginx": 5}.get(name)  # answers per connection
    assert recording.connects >= len(recording.due) / once if once else recording.connects == 4


@pytest.mark.parametrize("name", sorted(set(SERVERS) - {"haproxy"}))
def test_large_answers(name: str, ports: Callable[[str], int]) -> None:
    recording = load(ports(name), Request(path="/large"), Closed(2))
    assert len(recording.due) > 0
    assert set(recording.failure) == {Failure.NONE}
    assert recording.received > LARGE * (len(recording.due) - 2)


@CHUNKING
def test_chunked_answers(name: str, ports: Callable[[str], int]) -> None:
    recording = load(ports(name), Request(path="/chunked"), Closed(4))
    assert len(recording.due) > 10
    assert set(recording.failure) == {Failure.NONE}
    assert recording.connects == 4


@pytest.mark.parametrize("name", ["nginx", "node", "uvicorn-h11", "uvicorn-httptools", "haproxy"])
def test_the_replica_is_read(name: str, ports: Callable[[str], int]) -> None:
    recording = load(ports(name), Request(path="/small"), Closed(2))
    assert {recording.replicas[index] for index in recording.replica} == {f"{name.partition('-')[0]}-1"}


@CHUNKING
def test_large_requests(name: str, ports: Callable[[str], int]) -> None:
    recording = load(ports(name), Request("POST", "/small", body=b"x" * LARGE), Closed(2))
    assert len(recording.due) > 0
    assert set(recording.failure) == {Failure.NONE}


@pytest.mark.parametrize(
    ("name", "method", "path", "status"),
    [
        ("nginx", "GET", "/nothing", 404),
        ("nginx", "GET", "/moved", 301),
        ("nginx", "HEAD", "/large", 200),
        ("nginx", "POST", "/small", 200),
        ("nginx", "BREW", "/large", 405),
        ("haproxy", "GET", "/nothing", 503),
        ("haproxy", "HEAD", "/small", 200),
        ("http.server", "GET", "/nothing", 404),
        ("http.server", "HEAD", "/large", 200),
        ("http.server", "POST", "/small", 501),
        ("node", "HEAD", "/large", 200),
        ("uvicorn-h11", "HEAD", "/small", 200),
        ("uvicorn-httptools", "GET", "/nothing", 500),
    ],
)
def test_other_answers(name: str, method: str, path: str, status: int, ports: Callable[[str], int]) -> None:
    recording = load(ports(name), Request(method, path), Closed(2))
    assert len(recording.due) > 2
    assert set(recording.failure) == {Failure.NONE}
    assert set(recording.status) == {status}


def test_a_compressed_answer_of_unknown_length(ports: Callable[[str], int]) -> None:
    recording = load(ports("nginx"), Request(path="/small", headers=(("Accept-Encoding", "gzip"),)), Closed(2))
    assert set(recording.failure) == {Failure.NONE}
    assert np.count_nonzero(recording.status == 200) == len(recording.due) > 10
