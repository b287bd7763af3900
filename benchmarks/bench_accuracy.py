"""The load generator of `nautilus bench` against wrk on this machine: the same server, in turns, raw figures.

    .venv/bin/python benchmarks/bench_accuracy.py [--rounds N] [--seconds S] [--json FILE]

Needs `wrk` and `nginx` (Debian packages wrk and nginx-light). Server and client have a core each where there are two.
Each pair waits (not for ever) for a quiet machine; one during which other processes used the processors is measured
again, at most twice; how many stayed disturbed is said. The rows are those of the design: A1 latency at one connection,
A2 latency of a busy server, A3 the ceiling, A7 punctuality. Each prints a table and its targets; the exit code is 1
when a target is missed.

What is compared is what wrk measured, not what it prints: `wrk.py` says why, and how it is had. Where a client is
saturated the two differ by definition: the clock of wrk starts when it comes round to writing the request, that of
nautilus when the answer before it was there, which is why only `p50 x rate / connections` is compared under load.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script is given its own folder only

from benchmarks import wrk
from benchmarks.figures import Section, Target, table, turns
from benchmarks.sides import await_all, free_port
from benchmarks.wrk import Figures
from nautilus_cli.bench import load, recording
from nautilus_cli.bench.gauge import busy

QUIET = 0.15  # cores that others may use
BODY = '{"fleet":"desk","engine":"risk","values":[' + ",".join("0.0125" for _ in range(20)) + "]}"
NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/log; worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type application/json;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 '{body}'; }} }}
}}
"""
UVICORN = """
import sys, uvicorn
BODY = sys.argv[2].encode()
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(BODY))]}
async def app(scope, receive, send):
    await send(START)
    await send({"type": "http.response.body", "body": BODY})
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", lifespan="off", access_log=False)
"""

Pair = dict[str, Figures]  # by client


class Server:
    """One process that serves on a port, on a core of its own where there are two."""

    def __init__(self, words: Sequence[str], port: int, core: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/"
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.sched_setaffinity(self._process.pid, {core})
        await_all([self.url])

    def cpu(self) -> float:
        """Seconds of processor time that it used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Gone afterwards."""
        self._process.kill()
        self._process.wait()


@contextmanager
def nginx(core: int) -> Iterator[Server]:
    """One worker, a short answer: faster than any client."""
    with tempfile.TemporaryDirectory() as folder:
        port, file = free_port(), Path(folder) / "nginx.conf"
        file.write_text(NGINX.format(folder=folder, port=port, body=BODY))
        with running(["nginx", "-c", str(file)], port, core) as server:
            yield server


@contextmanager
def uvicorn(core: int) -> Iterator[Server]:
    """A server that is slower than any client."""
    port = free_port()
    with running([sys.executable, "-c", UVICORN, str(port), BODY], port, core) as server:
        yield server


@contextmanager
def running(words: Sequence[str], port: int, core: int) -> Iterator[Server]:
    """Such a server, stopped afterwards."""
    server = Server(words, port, core)
    try:
        yield server
    finally:
        server.stop()


def ours(server: Server, connections: int, seconds: int) -> Figures:
    """The same as `wrk.load`, by nautilus."""
    profile = recording.Profile(recording.Closed(connections), seconds, warmup=0.5, warmup_limit=0.5)
    found = load.run(recording.Target("127.0.0.1", server.port), profile)
    if np.any(found.failure) or np.any(found.status != 200):
        raise ValueError("not every request was answered with 200")
    p50, p99 = np.percentile(found.service, (50, 99)) / 1e9
    count = len(found.service)
    longest, cpu = float(found.service.max()) / 1e9, found.health.cpu * found.seconds / count
    return Figures(count / found.seconds, float(found.service.mean()) / 1e9, float(p50), float(p99), longest, cpu)


class Pairs:
    """Runs of both clients in turns, one beginning each round with the other; counts what was disturbed."""

    def __init__(self, rounds: int, seconds: int) -> None:
        self._rounds = rounds
        self._seconds = seconds
        self.disturbed = self.measured = 0

    def measure(self, server: Server, connections: int) -> list[Pair]:
        """So many pairs, after a round that does not count."""
        clients: dict[str, Callable[[], Figures]] = {
            "nautilus": lambda: ours(server, connections, self._seconds),
            "wrk": lambda: wrk.load(server.url, connections, self._seconds),
        }
        pairs = []
        for number in range(-1, self._rounds):
            pair = self._quiet(server, {name: clients[name] for name in turns(list(clients), number)})
            say(f"{connections} connections: " + ", ".join(f"{n} {f.rate:,.0f}/s" for n, f in sorted(pair.items())))
            pairs.append(pair)
        return pairs[1:]

    def _quiet(self, server: Server, clients: dict[str, Callable[[], Figures]], attempts: int = 3) -> Pair:
        await_quiet(server)
        began, before = time.monotonic(), others(server)
        pair = {name: client() for name, client in clients.items()}
        disturbed = (others(server) - before) / (time.monotonic() - began) > QUIET
        if disturbed and attempts > 1:
            return self._quiet(server, clients, attempts - 1)
        self.measured += 1
        self.disturbed += disturbed
        return pair


def await_quiet(server: Server, within: float = 15) -> None:
    """Others leave the processors alone, or have not for so many seconds."""
    end, disturbed = time.monotonic() + within, True
    while disturbed and time.monotonic() < end:
        before = others(server)
        time.sleep(0.5)
        disturbed = (others(server) - before) / 0.5 > QUIET


def others(server: Server) -> float:
    """Seconds of processor time that neither this process, nor its ended children, nor the server used."""
    return busy() - sum(os.times()[:4]) - server.cpu()


def measure_one(server: Server, pairs: Pairs) -> Section:
    """A1: the latency that one connection sees."""
    found = pairs.measure(server, 1)
    targets = []
    for name, share, least in (("p50", 0.10, 15e-6), ("p99", 0.20, 40e-6)):
        apart = abs(statistics.median(getattr(p["nautilus"], name) - getattr(p["wrk"], name) for p in found))
        most = max(share * statistics.median(getattr(p["wrk"], name) for p in found), least)
        targets.append(Target(f"A1 {name}, apart", apart * 1e6, most * 1e6, " us"))
    return section("A1: nginx, 1 connection", {1: found}, targets)


def measure_busy(server: Server, pairs: Pairs) -> Section:
    """A2: the latency of a server that is the bottleneck, without the unit of time in which the machine drifts."""
    found = pairs.measure(server, 64)
    share = statistics.median(scaled(p["nautilus"], 64) / scaled(p["wrk"], 64) for p in found)
    targets = [Target("A2 p50 x rate / connections, apart from wrk's", abs(share - 1) * 100, 3, " %")]
    return section("A2: uvicorn, 64 connections", {64: found}, targets)


def scaled(figures: Figures, connections: int) -> float:
    """The median latency as a share of the mean that Little's law demands."""
    return figures.p50 * figures.rate / connections


def measure_ceiling(server: Server, pairs: Pairs) -> Section:
    """A3: how much load one process makes, and what it costs."""
    found = {connections: pairs.measure(server, connections) for connections in (64, 256, 1000)}
    targets = []
    for connections, least in ((64, 0.8), (256, 0.8), (1000, 0.7)):
        rates = statistics.median(p["wrk"].rate / p["nautilus"].rate for p in found[connections])
        costs = statistics.median(p["nautilus"].cpu / p["wrk"].cpu for p in found[connections])
        targets.append(Target(f"A3 {connections} connections, wrk's rate, times ours", rates, 1 / least))
        targets.append(Target(f"A3 {connections} connections, processor time a request, times wrk's", costs, 1.3))
    return section("A3: nginx, as much as goes", found, targets)


def measure_punctuality(server: Server, rounds: int, seconds: int) -> Section:
    """A7: how late requests are sent that found an idle connection."""
    profile = recording.Profile(recording.Open(2000, 16), seconds, warmup=0.5, warmup_limit=0.5)
    runs = [load.run(recording.Target("127.0.0.1", server.port), profile).health for _ in range(rounds)]
    p50, p99 = (statistics.median(getattr(run, name) for run in runs) * 1e6 for name in ("late_p50", "late_p99"))
    rows = [(f"{number}", f"{r.late_p50 * 1e6:.1f}", f"{r.late_p99 * 1e6:.1f}") for number, r in enumerate(runs, 1)]
    targets = (Target("A7 late, p50", p50, 5, " us"), Target("A7 late, p99", p99, 50, " us"))
    values = {"runs": [asdict(run) for run in runs]}
    return Section("A7: nginx, 2,000/s: late by us", table(("run", "p50", "p99"), rows), targets, values)


def section(title: str, found: dict[int, list[Pair]], targets: Sequence[Target]) -> Section:
    """A table of medians and of the medians of each pair's ratio."""
    head = ("connections, client", "requests/s", "mean us", "p50 us", "p99 us", "max us", "p50 x rate / C", "cpu us")
    rows = [row for connections, pairs in found.items() for row in medians(connections, pairs)]
    values = {str(c): [{name: asdict(f) for name, f in pair.items()} for pair in pairs] for c, pairs in found.items()}
    return Section(title, table(head, rows), tuple(targets), values)


def medians(connections: int, pairs: list[Pair]) -> Iterator[tuple[str, ...]]:
    """One line per client, and their ratio."""
    columns = {client: [quantities(p[client], connections) for p in pairs] for client in ("nautilus", "wrk")}
    for client, runs in columns.items():
        middle = [statistics.median(column) for column in zip(*runs, strict=True)]
        texts = [f"{value:,.3f}" if place == 5 else f"{value:,.1f}" for place, value in enumerate(middle)]
        yield (f"{connections}, {client}", *texts)
    both = zip(columns["nautilus"], columns["wrk"], strict=True)
    ratios = [[a / b for a, b in zip(ours, theirs, strict=True)] for ours, theirs in both]
    yield (f"{connections}, ratio", *(f"{statistics.median(column):.2f}" for column in zip(*ratios, strict=True)))


def quantities(figures: Figures, connections: int) -> tuple[float, ...]:
    """What stands in one line of a table."""
    latencies = (figures.mean, figures.p50, figures.p99, figures.longest)
    return (figures.rate, *(x * 1e6 for x in latencies), scaled(figures, connections), figures.cpu * 1e6)


def say(text: str) -> None:
    """Progress, beside the report."""
    print(f"  {text}", file=sys.stderr, flush=True)


def cores() -> tuple[int, int]:
    """The server's and the clients', which are this process's."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def measure(rounds: int, seconds: int) -> Iterator[Section]:
    """Every section, as it is done."""
    servers, clients = cores()
    os.sched_setaffinity(0, {clients})
    pairs = Pairs(rounds, seconds)
    with nginx(servers) as server:
        yield measure_one(server, pairs)
        yield measure_ceiling(server, pairs)
        yield measure_punctuality(server, rounds, seconds)
    with uvicorn(servers) as server:
        yield measure_busy(server, pairs)
    say(f"{pairs.disturbed} of {pairs.measured} pairs were disturbed by other processes, also when repeated")


def main(words: Sequence[str]) -> int:
    """Print the report; 1 when a target is missed, 2 when a program is not there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(words)
    if missing := [name for name in ("wrk", "nginx") if not shutil.which(name)]:
        print(f"{' and '.join(missing)}: not found; apt-get install wrk nginx-light", file=sys.stderr)
        return 2
    sections = []
    for found in measure(given.rounds, given.seconds):
        print(f"{found}\n", flush=True)
        sections.append(found)
    if given.json:
        given.json.write_text(json.dumps([found.data() for found in sections], indent=2))
    return int(not all(target.met for found in sections for target in found.targets))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
