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

CONNECTIONS = 16
SLICES = 5  # of a second each; the one that other programs disturbed least counts
BATCH = 64
SERVED = re.compile(r"(\d+) requests in ")


@dataclass(frozen=True, slots=True)
class Load:
    """One request, sent again and again; a batch holds several items."""

    engine: str
    method: str
    path: str
    items: int = 1


LOADS = {
    "analytics": Load("analytics", "GET", "/analytics/calculate/portfolio_001"),
    "analytics, 64 a request": Load("analytics", "POST", "/process", BATCH),
    "risk": Load("risk", "POST", "/risk/check/desk"),
    "risk, 64 a request": Load("risk", "POST", "/process", BATCH),
}
# How it is served, the shipped way first, and whether with numba.
LANES = ("lane, numba", "lane, numpy") if compiled.AVAILABLE else ("lane, numpy",)
SERVE = {"lane": "lane", "FastAPI without the lane": "routes", "FastAPI with dictionaries": "dict"}
WAYS = (*LANES, *(f"{way}, numpy" for way in list(SERVE)[1:]))
BARE = "uvicorn alone"  # which reads the body and sends as many bytes back, computing nothing: no way can cost less


def ways_of(load: Load) -> tuple[str, ...]:
    """Batches are measured as they ship; for the rest, what they would cost otherwise too."""
    return LANES if load.items > 1 else (*WAYS, BARE)


@dataclass(frozen=True, slots=True)
class Cost:
    """Items a second and latencies that wrk saw, and the seconds of the engine's processor for one item."""

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


def measure(load: Load, way: str, prices: Path, folder: Path) -> Cost:
    """Load one way of serving for `SLICES` seconds, after one that does not count."""
    script = folder / "request.lua"
    script.write_text(lua(load.method, body(load, prices)))
    with served(load.engine, way, prices) as (process, url):
        wrk(url + load.path, script)
        found = [one_second(load, url + load.path, script, process) for _ in range(SLICES)]
    return min(found, key=lambda cost: cost.cpu)


def one_second(load: Load, url: str, script: Path, process: int) -> Cost:
    """One slice."""
    before = cpu_seconds(process)
    report = wrk(url, script)
    used = cpu_seconds(process) - before
    try:
        seen = parse_wrk(report)
    except ValueError as error:
        raise Failed(f"{url}: {error}") from None
    return Cost(seen.rate * load.items, seen.p50, seen.p99, used / (requests_in(report) * load.items))


def wrk(url: str, script: Path) -> str:
    """Its report of a second; one thread, on the second core."""
    words = ["wrk", "-t1", f"-c{CONNECTIONS}", "-d1s", "--latency", "-s", str(script), url]
    return run(["taskset", "-c", "1", *words])


def body(load: Load, prices: Path) -> str:
    """A portfolio of all twenty stocks, or a batch of them; nothing for GET."""
    if load.method == "GET":
        return ""
    symbols = Prices.load(prices).symbols
    positions = [{"symbol": symbol, "quantity": 100 + place} for place, symbol in enumerate(symbols)]
    item = {"positions": positions, "cash": 1000}
    return json.dumps(item if load.items == 1 else [item] * load.items)


def lua(method: str, content: str) -> str:
    """The request, as wrk wants it."""
    return f"wrk.method = '{method}'\nwrk.body = '{content}'\nwrk.headers['Content-Type'] = 'application/json'\n"


def command(engine: str, way: str, prices: Path) -> list[str]:
    """Of benchmarks/serve_engine.py, on the first core."""
    serve = "bare" if way == BARE else SERVE[way.rpartition(", ")[0]]
    return ["taskset", "-c", "0", sys.executable, "benchmarks/serve_engine.py", serve, engine, str(prices)]


def setting(way: str) -> dict[str, str]:
    """The environment, with numba or without."""
    return {**os.environ, "NAUTILUS_NUMBA": "on" if way.endswith(", numba") else "off"}


def inside(load: Load, way: str, prices: Path) -> float:
    """Seconds of one item inside the server, from bytes to bytes without a socket: the least of many timings."""
    words = [*command(load.engine, way, prices), "time", load.method, load.path]
    done = subprocess.run(
        words, input=body(load, prices), capture_output=True, text=True, cwd=ROOT, env=setting(way), check=False
    )
    if done.returncode:
        raise Failed(f"{load.engine}, {way}: {done.stderr}")
    return float(done.stdout) / 1e6 / load.items


@contextmanager
def served(engine: str, way: str, prices: Path) -> Iterator[tuple[int, str]]:
    """The engine on the first core, ready; its process and address."""
    port = free_port()
    with subprocess.Popen([*command(engine, way, prices), "serve", str(port)], cwd=ROOT, env=setting(way)) as process:
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
