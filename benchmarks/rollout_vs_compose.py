"""An update under load, nautilus against Docker Compose: how many requests fail, and how long it takes.

    .venv/bin/python benchmarks/rollout_vs_compose.py [--rounds N] [--rate N]

One engine with one replica gets another environment while requests come at a steady rate, each on a connection of its
own, whether or not those before it were answered: `nautilus up` against `docker compose up -d --wait`, in turns. Exits
with 1 when a request failed under nautilus. Everything that it makes bears the name bench-<pid> and is removed.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script is given its own folder only

from benchmarks.figures import Series, table, turns
from benchmarks.sides import BASE, Compose, Engine, Failed, Nautilus, await_all, free_port
from benchmarks.up_vs_compose import World, machine, say, stage

SERVER = """
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
Server(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""
PATIENCE = 5.0  # seconds for an answer
AROUND = 1.5  # seconds of load before and after an update
NAME = "tiny"


@dataclass
class Load:
    """Requests to one port at a steady rate until it is stopped; a request that is late does not delay the next."""

    port: int
    rate: float
    sent: int = 0
    failed: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Requests go out while the block runs; all are answered or have failed afterwards."""
        stop = threading.Event()
        with ThreadPoolExecutor(max_workers=64) as pool:
            sender = threading.Thread(target=self._send, args=(pool, stop))
            sender.start()
            try:
                yield
            finally:
                stop.set()
                sender.join()

    def _send(self, pool: ThreadPoolExecutor, stop: threading.Event) -> None:
        began = time.monotonic()
        while not stop.wait(max(0.0, began + self.sent / self.rate - time.monotonic())):
            self.sent += 1
            pool.submit(self._ask)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/health")
            if (status := connection.getresponse().status) != 200:
                self.failed.append(str(status))
        except (OSError, http.client.HTTPException) as error:
            self.failed.append(type(error).__name__)
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class Update:
    """One measured update."""

    seconds: float
    sent: int
    failed: int


def port_of(side: Nautilus | Compose) -> int:
    """The port that the users of an engine know."""
    if isinstance(side, Nautilus):
        return int(document(side)["engines"][NAME]["port"])
    return int(document(side)["services"][NAME]["ports"][0].split(":")[1])


def file_of(side: Nautilus | Compose) -> Path:
    """What declares the fleet."""
    return side.folder / ("engines.yaml" if isinstance(side, Nautilus) else "compose.yaml")


def document(side: Nautilus | Compose) -> Any:
    """What that file says."""
    return yaml.safe_load(file_of(side).read_text())


def edit(side: Nautilus | Compose, release: str) -> None:
    """Another environment, and so another version, of the same engine."""
    declared = document(side)
    part = declared["engines" if isinstance(side, Nautilus) else "services"][NAME]
    part["environment"] = {**part.get("environment", {}), "RELEASE": release}
    file_of(side).write_text(yaml.safe_dump(declared))


def measure(side: Nautilus | Compose, rate: float) -> Update:
    """Bring the engine up, then update it under load, which begins before and ends after it."""
    edit(side, "one")
    side.up()
    url = f"http://127.0.0.1:{port_of(side)}/health"
    await_all([url])
    load = Load(port_of(side), rate)
    with load.running():
        time.sleep(AROUND)
        edit(side, "two")
        took = side.up()
        await_all([url])
        time.sleep(AROUND)
    side.down()
    return Update(took, load.sent, len(load.failed))


def declare(world: World) -> None:
    """The same engine on both sides, on the image that nautilus was granted."""
    engine = Engine(NAME, free_port(), 1, 0.5, 64 * 2**20, "1s", image=BASE, command=("python3", "-c", SERVER))
    world.nautilus.declare([engine])
    world.nautilus.up()
    granted = world.nautilus.granted([engine])
    world.nautilus.down()
    world.compose.declare(granted)


def report(updates: dict[str, list[Update]]) -> str:
    """Both sides as a table."""
    rows = []
    for name, measured in updates.items():
        sent, failed = sum(u.sent for u in measured), sum(u.failed for u in measured)
        worst = max(u.failed for u in measured)
        rows.append((name, str(Series(tuple(u.seconds for u in measured))), str(sent), str(failed), str(worst)))
    return table(("update under load", "seconds: median (worst)", "requests", "failed", "worst round"), rows)


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="updates of each side (3)")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second (100)")
    found = parser.parse_args(words)
    if found.rounds < 1 or found.rate <= 0:
        parser.error("--rounds and --rate: more than nothing")
    return found


def main() -> int:
    """0 when no request failed under nautilus, 1 when one did, 2 when it could not be measured, 130 on Ctrl-C."""
    wanted = arguments()
    updates: dict[str, list[Update]] = {"nautilus": [], "compose": []}
    try:
        with stage(wanted.rounds) as world:
            print(", ".join(f"{key} {value}" for key, value in machine(world).items()))
            declare(world)
            sides: dict[str, Nautilus | Compose] = {"nautilus": world.nautilus, "compose": world.compose}
            for number in range(wanted.rounds):
                for name in turns(["nautilus", "compose"], number):
                    updates[name].append(found := measure(sides[name], wanted.rate))
                    say(f"{name}: {found.seconds:.2f} s, {found.failed} of {found.sent} failed")
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(report(updates))
    return int(any(update.failed for update in updates["nautilus"]))


if __name__ == "__main__":
    sys.exit(main())
