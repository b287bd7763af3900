"""One engine on one core, loaded by wrk from another: rates, and the processor time that a request costs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import parse_wrk
from benchmarks.sides import ROOT, Failed, free_port, run
from engines.base import compiled
from engines.base.prices import Prices

SECONDS, CONNECTIONS = 3, 16
SERVED = re.compile(r"(\d+) requests in ")
REQUESTS = {"analytics": "GET /analytics/calculate/portfolio_001", "risk": "POST /risk/check/desk"}
# What is measured, the shipped way first: how it is served, and whether with numba.
_LANES = ("lane, numba", "lane, numpy") if compiled.AVAILABLE else ("lane, numpy",)
WAYS = (*_LANES, "FastAPI without the lane, numpy", "FastAPI with dictionaries, numpy")
SERVE = {"lane": "lane", "FastAPI without the lane": "routes", "FastAPI with dictionaries": "dict"}


@dataclass(frozen=True, slots=True)
class Cost:
    """What wrk saw, and the seconds of the engine's processor for one request."""

    rate: float
    p50: float
    p99: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.rate:,.0f}/s, {self.cpu * 1e6:.1f} us of CPU"


def requests_in(report: str) -> int:
    """How many requests wrk's report counts."""
    found = SERVED.search(report)
    if found is None or not int(found[1]):
        raise Failed(f"wrk reports no requests: {report.strip()[-200:]!r}")
    return int(found[1])


def measure(engine: str, way: str, prices: Path, folder: Path) -> Cost:
    """Load one way of serving for `SECONDS`, after a second that does not count."""
    method, path = REQUESTS[engine].split()
    script = folder / "request.lua"
    script.write_text(lua(method, body(prices) if method == "POST" else ""))
    with served(engine, way, prices) as (process, url):
        wrk(url + path, script, 1)
        before = cpu_seconds(process)
        report = wrk(url + path, script, SECONDS)
        used = cpu_seconds(process) - before
    try:
        load = parse_wrk(report)
    except ValueError as error:
        raise Failed(f"{engine}, {way}: {error}") from None
    return Cost(load.rate, load.p50, load.p99, used / requests_in(report))


def wrk(url: str, script: Path, seconds: int) -> str:
    """Its report; one thread, on the second core."""
    words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script), url]
    return run(["taskset", "-c", "1", *words])


def body(prices: Path) -> str:
    """A proposal of all twenty stocks."""
    symbols = Prices.load(prices).symbols
    positions = [{"symbol": symbol, "quantity": 100 + place} for place, symbol in enumerate(symbols)]
    return json.dumps({"positions": positions, "cash": 1000})


def lua(method: str, content: str) -> str:
    """The request, as wrk wants it."""
    return f"wrk.method = '{method}'\nwrk.body = '{content}'\nwrk.headers['Content-Type'] = 'application/json'\n"


@contextmanager
def served(engine: str, way: str, prices: Path) -> Iterator[tuple[int, str]]:
    """The engine on the first core, ready; its process and address."""
    serve, _, arithmetic = way.rpartition(", ")
    port = free_port()
    words = [sys.executable, "benchmarks/serve_engine.py", SERVE[serve], engine, str(port), str(prices)]
    environment = {**os.environ, "NAUTILUS_NUMBA": "on" if arithmetic == "numba" else "off"}
    with subprocess.Popen(["taskset", "-c", "0", *words], cwd=ROOT, env=environment) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            await_ready(url, process)
            yield process.pid, url
        finally:
            process.kill()


def await_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until /health says 200; a minute covers the compilation of kernels."""
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise Failed(f"the engine at {url} does not become ready")


def cpu_seconds(process: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
