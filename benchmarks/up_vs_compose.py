"""nautilus against Docker Compose on this machine: the same images, limits, environment and health checks, in turns.

    .venv/bin/python benchmarks/up_vs_compose.py [--rounds N] [--section up|noop|latency|hundred]... [--json FILE]

Prints a table and the targets of each section; exits with 1 when a target is missed, 2 when something could not be
measured. Everything that it makes bears the name bench-<pid> and is removed at the end, on Ctrl-C too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script is given its own folder only

from benchmarks.figures import Load, Section, Target, against, middle, parse_wrk, ratio, table, turns
from benchmarks.sides import (
    BASE,
    MARK,
    Compose,
    Engine,
    Failed,
    Nautilus,
    Side,
    addresses,
    await_all,
    docker,
    free_port,
    run,
    sweep,
)

GIB = 2**30
LOAD, WARM = 3, 1  # seconds of load, and of warming up
CONNECTIONS = (1, 32)
REPEATS = 3  # quick commands are measured so often in a round
HUNDRED = 100
TINY = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""

Times = dict[str, dict[str, list[float]]]  # of what, by side: seconds


@dataclass
class World:
    """What one run works with, and the names under which it makes things."""

    folder: Path
    rounds: int

    @property
    def name(self) -> str:
        """The fleet's name on both sides."""
        return f"bench-{os.getpid()}"

    @property
    def names(self) -> list[str]:
        """Every name that a run uses."""
        return [self.name, *(f"{self.name}-{part}" for part in ("host", "bridge"))]

    @cached_property
    def nautilus(self) -> Nautilus:
        """The one side."""
        return Nautilus(self.folder / "nautilus", self.name)

    @cached_property
    def compose(self) -> Compose:
        """The other side."""
        return Compose(self.folder / "compose", self.name)

    @property
    def sides(self) -> dict[str, Side]:
        """Both."""
        return {"nautilus": self.nautilus, "compose": self.compose}

    @cached_property
    def engines(self) -> list[Engine]:
        """analytics twice and risk once, as this host grants them; their images are built and warm."""
        declared = [
            Engine("analytics", free_port(), 2, min(2, os.cpu_count() or 1), 4 * GIB, "30s"),
            Engine("risk", free_port(), 1, 0.5, GIB, "10s"),
        ]
        say("building the images, and one round that does not count")
        self.nautilus.declare(declared)
        self.nautilus.up()
        granted = self.nautilus.granted(declared)
        self.nautilus.down()
        self.compose.declare(granted)
        self.compose.up(wait=False)
        self.compose.down()
        return granted


def say(text: str) -> None:
    """Progress, beside the report."""
    print(f"  {text}", file=sys.stderr, flush=True)


def note(times: Times, what: str, side: str, seconds: float) -> None:
    """Keep one measured time."""
    times.setdefault(what, {"nautilus": [], "compose": []})[side].append(seconds)
    say(f"{what}: {side} {seconds:.2f} s")


def measure_up(world: World) -> Section:
    """From nothing to every replica healthy, with the seed's health intervals and with one of a second."""
    times: Times = {}
    variants = {"up, intervals of 30 s and 10 s": None, "up, intervals of 1 s": "1s"}
    for what, interval in variants.items():
        engines = [engine.ask(interval) if interval else engine for engine in world.engines]
        for side in world.sides.values():
            side.declare(engines)
        for number in range(world.rounds):
            for name in turns(["nautilus", "compose"], number):
                note(times, what, name, fresh(world.sides[name], engines, world.name))
    shares = [ratio(sides["nautilus"], sides["compose"]) for sides in times.values()]
    targets = [
        Target(f"{what}, share of Compose's time", share, most)
        for what, share, most in zip(times, shares, (0.2, 0.9), strict=True)
    ]
    return Section("up: from nothing to every replica healthy", against(times), tuple(targets), times)


def fresh(side: Side, engines: list[Engine], name: str) -> float:
    """The seconds of one `up` from nothing, after which every replica must answer at once."""
    seconds = side.up()
    for engine in engines:
        urls = [f"http://{address}:{engine.port}{engine.path}" for address in addresses(name, engine.name)]
        if len(urls) != engine.replicas:
            raise Failed(f"{engine.name}: {len(urls)} replicas run, {engine.replicas} were asked for")
        await_all(urls, within=0)
    side.down()
    return seconds


def measure_noop(world: World) -> Section:
    """What one waits for at every look: a second `up`, `status` and `down` of a fleet that is as declared."""
    times: Times = {}
    for number in range(world.rounds):
        for side in world.sides.values():
            side.declare(world.engines)
            side.up(wait=False)
        await_serving(world)
        order = turns(["nautilus", "compose"], number)
        for _ in range(REPEATS):
            for name in order:
                note(times, "up with nothing to do", name, world.sides[name].up(wait=False))
            for name in order:
                note(times, "status and ps", name, world.sides[name].show())
        for name in order:
            note(times, "down and down -t 2", name, world.sides[name].down())
    return Section("looking, and going", against(times), quick(times), times)


def quick(times: Times) -> tuple[Target, ...]:
    """The targets of commands that change nothing."""
    found = []
    for what in ("up with nothing to do", "status and ps"):
        sides = times[what]
        found.append(Target(f"{what}, times Compose's", ratio(sides["nautilus"], sides["compose"]), 5))
        found.append(Target(f"{what}, nautilus", ratio(sides["nautilus"], [1.0]), 0.6, " s"))
    return tuple(found)


def await_serving(world: World) -> None:
    """Every replica of both sides answers: what they still do to start would be measured too."""
    for engine in world.engines:
        await_all([f"http://{a}:{engine.port}{engine.path}" for a in addresses(world.name, engine.name)])


def measure_latency(world: World) -> Section:
    """One replica of one engine, reached on four paths: its own address, a published port, and both gateways."""
    engine = replace(world.engines[0], replicas=1)
    paths = open_paths(world, engine)
    loads: dict[tuple[str, int], list[Load]] = {}
    await_all(list(paths.values()))
    for number in range(-1, world.rounds):  # the first round warms up
        for path in turns(list(paths), number):
            for connections in CONNECTIONS:
                load = press(paths[path], connections, LOAD if number >= 0 else WARM)
                if number >= 0:
                    loads.setdefault((path, connections), []).append(load)
                    say(f"{path}, {connections}: p50 {load.p50 * 1e6:.0f} us, {load.rate:.0f}/s")
    sweep(world.names[1:])
    docker("rm", "-f", f"{world.name}-plain")
    return latency_section(loads)


def open_paths(world: World, engine: Engine) -> dict[str, str]:
    """Start a plain container and two fleets of the same image and limits; the URL of each path."""
    published = free_port()
    limits = ["--cpus", str(engine.cpus), "--memory", str(engine.memory), "--memory-swap", str(engine.memory)]
    environment = ["-e", f"PORT={engine.port}", "-e", f"NAUTILUS_ENGINE={engine.name}"]
    plain = f"{world.name}-plain"
    bind = ["-p", f"127.0.0.1:{published}:{engine.port}"]
    docker("run", "-d", "--name", plain, "--label", f"{MARK}={world.name}", *bind, *limits, *environment, engine.image)
    own = docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", plain)
    paths = {
        "its own address": f"http://{own}:{engine.port}{engine.path}",
        "a published port": f"http://127.0.0.1:{published}{engine.path}",
    }
    for network in ("host", "bridge"):
        side = Nautilus(world.folder / network, f"{world.name}-{network}", network)
        port = free_port()
        side.declare([replace(engine, port=port)])
        side.up()
        paths[f"the gateway, {network}"] = f"http://127.0.0.1:{port}{engine.path}"
    return paths


def press(url: str, connections: int, seconds: int) -> Load:
    """What wrk sees of this many connections that ask as fast as they are answered."""
    try:
        return parse_wrk(run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url]))
    except ValueError as fault:
        raise Failed(f"{url}: {fault}") from None


def latency_section(loads: dict[tuple[str, int], list[Load]]) -> Section:
    """The medians of each path, and the gateway's p50 against a published port's."""
    rows, targets = [], []
    for (path, connections), found in loads.items():
        load = middle(found)
        rows.append((f"{path}, {connections}", f"{load.p50 * 1e3:.2f}", f"{load.p99 * 1e3:.2f}", f"{load.rate:.0f}"))
    for connections in CONNECTIONS:
        ours, theirs = (loads[path, connections] for path in ("the gateway, host", "a published port"))
        share = ratio([load.p50 for load in ours], [load.p50 for load in theirs])
        targets.append(Target(f"p50 through the gateway (host), {connections}, share of a published port's", share, 1))
    values = {f"{path}, {number}": [asdict(load) for load in found] for (path, number), found in loads.items()}
    shown = table(("path, connections", "p50 ms", "p99 ms", "requests/s"), rows)
    return Section("requests: latency and throughput", shown, tuple(targets), values)


def measure_hundred(world: World) -> Section:
    """A hundred small replicas of one engine: until all answer, a second `up`, `status`, `down`."""
    tiny = Engine("tiny", free_port(), HUNDRED, None, 32 * 2**20, "30s", "/", BASE, ("python3", "-c", TINY))
    times: Times = {}
    world.nautilus.declare([tiny])
    many(world, "nautilus", tiny, times)
    tiny = world.nautilus.granted([tiny])[0]
    look_again(world, "nautilus", times)
    world.compose.declare([tiny])
    many(world, "compose", tiny, times)
    look_again(world, "compose", times)
    return Section(f"{HUNDRED} replicas of 32 MiB", against(times), (), times)


def many(world: World, name: str, engine: Engine, times: Times) -> None:
    """One `up` of all replicas, and when the last of them answers."""
    began = time.perf_counter()
    note(times, "up", name, world.sides[name].up(wait=False))
    await_all([f"http://{address}:{engine.port}/" for address in addresses(world.name, engine.name)], within=120)
    note(times, "up, until all answer", name, time.perf_counter() - began)


def look_again(world: World, name: str, times: Times) -> None:
    """What one waits for at every look, and the end."""
    side = world.sides[name]
    for _ in range(world.rounds):
        note(times, "up with nothing to do", name, side.up(wait=False))
        note(times, "status and ps", name, side.show())
    note(times, "down and down -t 2", name, side.down())


SECTIONS: dict[str, Callable[[World], Section]] = {
    "up": measure_up,
    "noop": measure_noop,
    "latency": measure_latency,
    "hundred": measure_hundred,
}


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """Ctrl-C and SIGTERM end the measurement; what was made is removed all the same."""
    raise KeyboardInterrupt


@contextmanager
def stage(rounds: int) -> Iterator[World]:
    """A world whose traces are removed however it ends; a second Ctrl-C does not stop that."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    with tempfile.TemporaryDirectory(prefix="nautilus-bench-") as folder:
        world = World(Path(folder), rounds)
        try:
            yield world
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            say("removing what was made")
            sweep(world.names)


def machine(world: World) -> dict[str, Any]:
    """Where the figures were made."""
    server = json.loads(docker("version", "--format", "{{json .Server}}"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    return {
        "cores": os.cpu_count(),
        "memory": f"{memory:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "docker": f"{server['Version']} (API {server['ApiVersion']})",
        "compose": run([str(world.compose.binary), "version", "--short"], env=world.compose.env).strip(),
        "rounds": world.rounds,
    }


def measure(world: World, chosen: Sequence[str]) -> tuple[list[Section], dict[str, Any]]:
    """Run these sections and print each as it is done."""
    where, sections, loads = machine(world), [], {}
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    for name in chosen:
        loads[name] = os.getloadavg()[0]
        print(f"\n== {name} (load before: {loads[name]:.2f})", flush=True)
        sections.append(SECTIONS[name](world))
        print(sections[-1], flush=True)
    found = dict(zip(chosen, (section.data() for section in sections), strict=True))
    return sections, {"machine": where, "load": loads, "sections": found}


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="alternated rounds of each measurement (5)")
    parser.add_argument("--section", action="append", choices=SECTIONS, help="only this one; may be repeated")
    parser.add_argument("--json", type=Path, help="write every measured value here")
    found = parser.parse_args(words)
    if found.rounds < 1:
        parser.error("--rounds: at least 1")
    return found


def main() -> int:
    """0 when every target is met, 1 when one is missed, 2 when something could not be measured, 130 on Ctrl-C."""
    wanted = arguments()
    chosen = wanted.section or list(SECTIONS)
    if "latency" in chosen and not shutil.which("wrk"):
        print("the section latency needs wrk: apt-get install wrk", file=sys.stderr)
        return 2
    try:
        with stage(wanted.rounds) as world:
            sections, data = measure(world, chosen)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if wanted.json:
        wanted.json.write_text(json.dumps(data, indent=2) + "\n")
    return int(any(not target.met for section in sections for target in section.targets))


if __name__ == "__main__":
    sys.exit(main())
