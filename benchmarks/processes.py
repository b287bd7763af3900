"""What the gateway of the process runtime costs: requests/s through it, against one process asked directly.

    .venv/bin/python benchmarks/processes.py [ROUNDS]

One fleet of the analytics engine, without Docker and without limits. wrk with 64 connections asks the port of the
engine and the replica's own port in turns of 3 s, each round beginning with the other one; with one replica, so that
both ends are the same process, and then with two. The ratio of the medians must be at least 0.7. What one request costs
the gateway in processor time, which other programs of the machine hardly move, is told beside it. Needs wrk.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import yaml

sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # not this folder, where `engines` is a script

from benchmarks.figures import table, turns
from benchmarks.serving import cpu_seconds, requests_in
from benchmarks.sides import ROOT, Failed, free_port, run

LEAST = 0.7
CONNECTIONS, SECONDS = 64, 3
PATH = "/analytics/calculate/portfolio_001"
SIDES = ("direct", "gateway")


def declare(folder: Path, port: int) -> None:
    """Write the fleet."""
    engine = {
        "build": str(ROOT / "engines"),
        "process": {"command": "python -m engines.base.local"},
        "environment": {"PYTHONPATH": str(ROOT)},
        "port": port,
        "replicas": {"min": 1, "max": 2},
        "update": {"monitor": "0s"},
    }
    document = {"name": f"bench-processes-{os.getpid()}", "engines": {"analytics": engine}}
    (folder / "engines.yaml").write_text(yaml.safe_dump(document))


def nautilus(folder: Path, *words: str) -> str:
    """What the command line prints in a folder."""
    own = {**os.environ, "NAUTILUS_RUNTIME": "process", "NAUTILUS_STATE_HOME": str(folder / "state")}
    return run([sys.executable, "-m", "nautilus_cli", *words], folder, own)


def direct(folder: Path) -> int:
    """The port of the first replica itself."""
    (engine,) = json.loads(nautilus(folder, "status", "--json"))["engines"]
    return int(engine["replicas"][0]["address"].rpartition(":")[2])


def gateway(folder: Path) -> int:
    """The process that the requests go through: the newest child of the gateway's first one."""
    (state,) = folder.glob("state/*/edge/gateway/state.json")
    master = json.loads(state.read_text())["child"]["pid"]
    return int(Path(f"/proc/{master}/task/{master}/children").read_text().split()[-1])


def load(port: int) -> int:
    """How many requests were answered in one turn; `Failed` where one was not."""
    text = run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--timeout", "10s", f"http://127.0.0.1:{port}{PATH}"]
    )
    if "Socket errors" in text or "Non-2xx" in text:
        raise Failed(text)
    return requests_in(text)


def measure(folder: Path, port: int, rounds: int) -> tuple[dict[str, float], float]:
    """Requests/s of both sides, and the gateway's seconds of processor for one request."""
    ports, worker = {"direct": direct(folder), "gateway": port}, gateway(folder)
    for each in ports.values():
        load(each)  # which does not count
    rates: dict[str, list[float]] = {side: [] for side in SIDES}
    costs = []
    for number in range(rounds):
        for side in turns(SIDES, number):
            before = cpu_seconds(worker)
            answered = load(ports[side])
            rates[side].append(answered / SECONDS)
            if side == "gateway":
                costs.append((cpu_seconds(worker) - before) / answered)
    return {side: statistics.median(found) for side, found in rates.items()}, statistics.median(costs)


def main(rounds: int) -> int:
    """1 when the ratio is missed."""
    rows, least = [], float("inf")
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        declare(folder, port)
        try:
            nautilus(folder, "up")
            for replicas in (1, 2):
                nautilus(folder, "scale", "analytics", str(replicas))
                rates, cost = measure(folder, port, rounds)
                share = rates["gateway"] / rates["direct"]
                least = min(least, share)
                rows.append((f"{replicas} behind the gateway", *(f"{rates[side]:,.0f}" for side in SIDES),
                             f"{share:.2f}", f"{cost * 1e6:.0f} us"))  # fmt: skip
        finally:
            nautilus(folder, "down")
    print(table((f"requests/s, {CONNECTIONS} connections", *SIDES, "ratio", "gateway's CPU"), rows))
    print(f"\n{'met' if least >= LEAST else 'MISSED'}: a ratio of {least:.2f}, at least {LEAST}")
    return int(least < LEAST)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
