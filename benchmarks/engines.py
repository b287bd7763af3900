"""What the engines cost: their computations, and one core of requests.

    .venv/bin/python benchmarks/engines.py [--rounds N] [--section compute|app|http]... [--json FILE]

compute: plain Python, numpy and numba, in this process. app: one request inside the server, without a socket.
http: an engine on core 0 and wrk on core 1, with 16 connections; of all seconds the one counts in which a request cost
the engine's processor least. It is that cost which is held against the rate that a core has to serve, and beside it
stands that of uvicorn alone.
Prints a table and the targets of each section; exits with 1 when a target is missed, 2 when something could not be
measured. Without numba its columns are missing; http needs wrk.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # as the images set them

import argparse
import json
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # not this folder, where `engines` is this file

from benchmarks.computations import Case, cases, prices_file
from benchmarks.figures import Section, Target, table, turns
from benchmarks.serving import CONNECTIONS, LANES, LOADS, Cost, inside, measure, ways_of
from benchmarks.sides import Failed

ENOUGH = 0.2  # seconds that the timings of a computation take
SLICE = 0.004  # seconds of one of them: short enough that many are not interrupted
RATES = {"analytics": 12_000, "risk": 20_000}  # requests a second that one core has to serve


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds of one run: the least of as many timings as fit into `ENOUGH`, for other programs only ever add to it."""
    work()
    started = time.perf_counter()
    work()
    least = time.perf_counter() - started
    runs, end = max(1, int(SLICE / least)), started + ENOUGH
    while (started := time.perf_counter()) < end:
        for _ in range(runs):
            work()
        least = min(least, (time.perf_counter() - started) / runs)
    return least


def compute(rounds: int) -> Section:
    """Each computation in each way, in turns; milliseconds."""
    found = cases()
    times: dict[str, dict[str, list[float]]] = {case.what: {way: [] for way in case.ways} for case in found}
    for _ in range(rounds):
        for case in found:
            for way, work in case.ways.items():
                times[case.what][way].append(seconds_of(work) * case.scale.get(way, 1) / case.items * 1000)
    return compute_section(found, times)


def compute_section(found: Sequence[Case], times: Mapping[str, Mapping[str, Sequence[float]]]) -> Section:
    """The table of least times, what each is times faster than plain Python, and the targets."""
    rows, targets = [], []
    for case in found:
        least = {way: min(values) for way, values in times[case.what].items()}
        cells = [f"{least['python']:.4g}"]
        for way in ("numpy", "numba"):
            faster = f"{least[way]:.3g} ({least['python'] / least[way]:.0f}x)" if way in least else "-"
            cells.append(faster)
        rows.append((case.what, *cells))
        targets += [
            Target(f"{case.what}, {way}", least[way], most, " ms") for way, most in case.most.items() if way in least
        ]
    head = ("milliseconds: least", "plain Python", "numpy", "numba")
    return Section("compute", table(head, rows), tuple(targets), {what: dict(ways) for what, ways in times.items()})


def app(rounds: int) -> Section:
    """One request inside the server, from bytes to bytes, without sockets: what the hot lane saves."""
    times: dict[str, list[float]] = {}
    for what, load in LOADS.items():
        for way in ways_of(load):
            times[f"{what}, {way}"] = [inside(load, way, prices_file()) for _ in range(rounds)]
    return app_section(times)


def app_section(times: Mapping[str, Sequence[float]]) -> Section:
    """Microseconds of an item, and what that is to one request as it ships."""
    least = {what: min(found) for what, found in times.items()}
    rows = []
    for what, seconds in least.items():
        shipped = least[f"{what.partition(',')[0]}, {LANES[0]}"]
        rows.append((what, f"{seconds * 1e6:.1f}", f"{seconds / shipped:.2f}"))
    values = {what: list(found) for what, found in times.items()}
    return Section("app", table(("inside the server, least", "us", "ratio"), rows), (), values)


def http(rounds: int) -> Section:
    """The hot routes of analytics and of risk, and their batches, served in each way, in turns."""
    costs: dict[str, list[Cost]] = {f"{what}, {way}": [] for what, load in LOADS.items() for way in ways_of(load)}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for what, load in LOADS.items():
                for way in turns(ways_of(load), number):
                    cost = measure(load, way, prices_file(), Path(folder))
                    costs[f"{what}, {way}"].append(cost)
                    print(f"  {what}, {way}: {cost}", file=sys.stderr, flush=True)
    return http_section(costs)


def http_section(costs: Mapping[str, Sequence[Cost]]) -> Section:
    """Rates, what an item costs the engine's processor, and what that is to one request served as it ships.

    All are those of the second in which an item cost least: other programs only ever add to it.
    """
    least = {what: min(found, key=lambda cost: cost.cpu) for what, found in costs.items()}
    rows, targets = [], []
    for what, cost in least.items():
        shipped = least[f"{what.partition(',')[0]}, {LANES[0]}"]
        figures = (f"{cost.rate:,.0f}", f"{cost.p50 * 1e3:.2f}", f"{cost.p99 * 1e3:.2f}", f"{cost.cpu * 1e6:.1f}")
        rows.append((what, *figures, f"{1 / cost.cpu:,.0f}", f"{cost.cpu / shipped.cpu:.2f}"))
    for engine, rate in RATES.items():
        used = least[f"{engine}, {LANES[0]}"].cpu * 1e6
        targets.append(Target(f"{engine}, CPU of a request for {rate:,}/s a core", used, 1e6 / rate, " us"))
    head = (f"{CONNECTIONS} connections", "items/s", "p50 ms", "p99 ms", "CPU us", "a core's/s", "ratio")
    values = {what: [asdict(cost) for cost in found] for what, found in costs.items()}
    return Section("http", table(head, rows), tuple(targets), values)


SECTIONS: dict[str, Callable[[int], Section]] = {"compute": compute, "app": app, "http": http}


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="What the engines cost: their computations, and a core of requests.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--section", action="append", choices=list(SECTIONS))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(words)
    if given.rounds < 1:
        parser.error("--rounds: at least 1")
    return given


def main() -> int:
    """0 when every target is met, 1 when one is missed, 2 when something could not be measured, 130 on Ctrl-C."""
    wanted = arguments()
    chosen = wanted.section or list(SECTIONS)
    if "http" in chosen and not shutil.which("wrk"):
        print("the section http needs wrk: apt-get install wrk", file=sys.stderr)
        return 2
    sections = []
    try:
        for name in chosen:
            load = os.getloadavg()[0]
            sections.append(SECTIONS[name](wanted.rounds))
            print(f"{sections[-1]}\n\n(load before: {load:.1f}; Python {platform.python_version()})\n", flush=True)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if wanted.json:
        wanted.json.write_text(json.dumps([section.data() for section in sections], indent=2) + "\n")
    return int(any(not target.met for section in sections for target in section.targets))


if __name__ == "__main__":
    sys.exit(main())
