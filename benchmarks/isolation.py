"""What one engine that misbehaves costs another one: its p99 before and during, and what the CPU shares explain of it.

    .venv/bin/python benchmarks/isolation.py [--rounds N] [--seconds S] [--rate N]

`alpha` and `beta` have one replica each, with the same CPU limit, on the server of the scenario tests. While `beta` is
asked at a steady rate through its port, `alpha` burns its CPU, takes memory until it is killed, hangs, or crashes
whenever it is started. Each round measures `beta` in quiet just before each of the four.

What the shares explain: `alpha` may take the CPU of its limit, so `beta` has the cores that are left, or its share of
all where that is more, or its own limit where that is less. An answer that needs `beta`'s processor takes longer by the
ratio of what it has to spare then and now; and at each of the three processes that it passes, generator, gateway and
`beta`, it may wait until another one is put off its core (SLICE).

Exits with 1 when a request failed or when the median p99 of a fault is above what is explained.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script is given its own folder only

from benchmarks.figures import table
from benchmarks.sides import BASE, ROOT, Engine, Failed, Nautilus, docker, free_port, run, sweep

SERVER = (ROOT / "tests/scenarios/server.py").read_text()
FAULTS = ("burn", "eat", "hang", "loop")
LIMIT = 1.0  # cores of each
SLICE = 0.004  # seconds that the kernel lets a process run before another one may have its core
PASSED = 3  # processes that an answer needs
AGAIN = 0.3  # seconds between two times that alpha is told: a replica that was killed and is back misbehaves again


@dataclass(frozen=True, slots=True)
class Seen:
    """What one measurement saw of beta."""

    p50: float  # seconds
    p99: float
    answers: int
    failed: int
    busy: float  # cores that beta used


def left(cores: float, limit: float, others: Sequence[float]) -> float:
    """The cores that an engine can have beside others that take all that their limits grant; weights are as limits."""
    share = cores * limit / (limit + sum(others))
    return min(limit, max(share, cores - sum(others)))


def explained(before: Seen, cores: float, limit: float, others: Sequence[float]) -> float:
    """The p99 that the CPU shares explain, in seconds; without end where the engine is given less than it needs."""
    calm, spare = left(cores, limit, ()) - before.busy, left(cores, limit, others) - before.busy
    return before.p99 * calm / spare + PASSED * SLICE if spare > 0 else float("inf")


class Stage:
    """The fleet of a run."""

    def __init__(self, folder: Path) -> None:
        self.side = Nautilus(folder / "fleet", f"bench-iso-{os.getpid()}")
        command = ("python3", "-c", SERVER)
        self.engines = [
            Engine(name, free_port(), 1, LIMIT, 64 * 2**20, "500ms", image=BASE, command=command)
            for name in ("alpha", "beta")
        ]
        self.side.declare(self.engines)
        self.side.up()

    def container(self, engine: str) -> str:
        """The name of an engine's replica."""
        marks = [f"label=io.nautilus.{key}={value}" for key, value in (("fleet", self.side.name), ("engine", engine))]
        return docker("ps", "-a", "--format", "{{.Names}}", *(word for mark in marks for word in ("--filter", mark)))

    def ask(self, rate: float, seconds: float) -> Seen:
        """Beta's latencies in an open loop."""
        url = f"http://127.0.0.1:{self.engines[1].port}/"
        words = ["bench", url, "--rate", str(rate), "--duration", f"{seconds}s", "--warmup", "500ms", "--json"]
        began, used = time.monotonic(), self.used("beta")
        said = json.loads(run([sys.executable, "-m", "nautilus_cli", *words], self.side.folder))
        busy = (self.used("beta") - used) / (time.monotonic() - began)
        measured = said["subjects"][0]["runs"][0]
        found = measured["response"]["percentiles"]
        if found["p99"] is None:
            raise Failed(f"p99 needs 1,000 answers, there were {measured['answers']}: more --seconds or --rate")
        good = measured["statuses"].get("2xx", 0)
        return Seen(found["p50"], found["p99"], good, measured["requests"] - good, busy)

    def used(self, engine: str) -> float:
        """Seconds of processor that its replica has used."""
        code = (
            "import pathlib as p; v1 = p.Path('/sys/fs/cgroup/cpuacct/cpuacct.usage');"
            "print(int(v1.read_text()) / 1e9 if v1.exists() else"
            " int(p.Path('/sys/fs/cgroup/cpu.stat').read_text().split()[1]) / 1e6)"
        )
        return float(docker("exec", self.container(engine), "python3", "-c", code))

    @contextlib.contextmanager
    def fault(self, trick: str) -> Iterator[None]:
        """Alpha does this again and again while the block runs; afterwards it is as good as new."""
        stop, name = threading.Event(), self.container("alpha")
        ask = "import os, sys, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/{sys.argv[1]}')"

        def tell() -> None:
            with contextlib.suppress(Failed):  # it is being started again, or does not answer any more
                docker("exec", "-d", name, "python3", "-c", ask, trick)

        def again() -> None:
            while trick == "eat" and not stop.wait(AGAIN):
                tell()

        tell()
        teller = threading.Thread(target=again)
        teller.start()
        try:
            yield
        finally:
            stop.set()
            teller.join()
            docker("rm", "-f", name)
            self.side.up()


def rows(rounds: Mapping[str, Sequence[tuple[Seen, Seen]]], bound: Callable[[Seen], float]) -> list[list[str]]:
    """Each fault: medians before and during, what is explained, and the failed requests of all."""
    lines = []
    for name, pairs in rounds.items():
        before, during = (statistics.median(pair[side].p99 for pair in pairs) for side in (0, 1))
        least = statistics.median(bound(pair[0]) for pair in pairs)
        failed = sum(pair[1].failed for pair in pairs)
        answers = sum(pair[1].answers for pair in pairs)
        figures = [f"{1000 * value:.1f}" for value in (before, during, least)]
        lines.append([name, *figures, "met" if during <= least else "MISSED", f"{failed} of {answers + failed}"])
    return lines


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="of all four faults (3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (5)")
    parser.add_argument("--rate", type=float, default=250.0, help="requests a second (250)")
    found = parser.parse_args(words)
    if found.rounds < 1 or found.rate * found.seconds < 1000:
        parser.error("--rounds: at least one; --rate times --seconds: at least 1,000 requests, or there is no p99")
    return found


def main() -> int:
    """0 when nothing failed and every p99 is explained, 1 when not, 2 when it could not be measured, 130 on Ctrl-C."""
    wanted, cores = arguments(), float(os.cpu_count() or 1)
    found: dict[str, list[tuple[Seen, Seen]]] = {fault: [] for fault in FAULTS}
    with tempfile.TemporaryDirectory() as folder:
        try:
            stage = Stage(Path(folder))
            for _ in range(wanted.rounds):
                for fault in FAULTS:
                    before = stage.ask(wanted.rate, wanted.seconds)
                    with stage.fault(fault):
                        found[fault].append((before, stage.ask(wanted.rate, wanted.seconds)))
        except Failed as failure:
            print(failure, file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
        finally:
            sweep([f"bench-iso-{os.getpid()}"])
    lines = rows(found, lambda before: explained(before, cores, LIMIT, [LIMIT]))
    head = ["alpha", "beta's p99 before, ms", "during", "explained", "", "failed"]
    print(f"{cores:g} cores, {LIMIT:g} for each engine, {wanted.rate:g} requests/s, load {os.getloadavg()[0]:.1f}")
    print(table(head, lines))
    return int(any(line[4] != "met" or not line[5].startswith("0 ") for line in lines))


if __name__ == "__main__":
    sys.exit(main())
