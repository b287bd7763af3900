"""How soon a healthy replica serves, whatever its health interval says, and how long a recreated gateway does not.

    .venv/bin/python benchmarks/readiness.py [ROUNDS]

Each round brings up a fleet of one engine whose health check answers 503 for a second and then 200, with an interval of
30 s. The server prints the moment of its first healthy answer; this process asks the engine's port every 2 ms and notes
the moment of the first 200. Both read the clock of this machine. The bound is 100 ms.

Then the file declares one more engine, in bridge mode, where a new port costs a new gateway: the longest time between
two answers of the first engine is that of the recreation. The bound is 1 s.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script is given its own folder only

from benchmarks.sides import free_port, sweep

BOUND_MS = 100
GAP_MS = 1000
SERVER = """
import http.server, os, time
born, told = time.monotonic(), []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = time.monotonic() - born > 1
        self.send_response(200 if ready else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if ready and not told:
            told.append(print("FIRST", time.time(), flush=True))
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""


def nautilus(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start the command line in a folder."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-m", "nautilus_cli", *words], cwd=folder, stdout=quiet, stderr=quiet)


def declare(folder: Path, *ports: int, network: str = "auto") -> str:
    """Write the fleet, an engine for each port; its name."""
    name = f"bench-ready-{os.getpid()}"
    image = os.environ.get("NAUTILUS_BASE_IMAGE", "nautilus/base:trixie")
    engine = {
        "image": image,
        "command": ["python3", "-c", SERVER.replace("$", "$$")],
        "healthcheck": {"path": "/", "interval": "30s"},
    }
    engines = {word: {**engine, "port": port} for word, port in zip(("slow", "more"), ports, strict=False)}
    document = {"name": name, "engines": engines, "gateway": {"base_image": image, "network": network}}
    (folder / "engines.yaml").write_text(yaml.safe_dump(document))
    return name


def answers(port: int) -> bool:
    """Whether the port answers with 200 now."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False  # the gateway does not listen yet
    finally:
        connection.close()


def first_answer(port: int, deadline: float) -> float:
    """The moment of the first 200 through the port."""
    while time.monotonic() < deadline:
        if answers(port):
            return time.time()
        time.sleep(0.002)
    raise SystemExit("the engine never answered")


def longest_silence(port: int, change: subprocess.Popen[bytes]) -> float:
    """Milliseconds between two answers of the port, at the most, until this command has ended."""
    last, longest = time.monotonic(), 0.0
    while change.poll() is None:
        if answers(port):
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        time.sleep(0.002)
    return longest * 1000


def first_healthy(name: str) -> float:
    """The moment that the server printed."""
    ids = subprocess.check_output(["docker", "ps", "-q", "--filter", f"label=io.nautilus.fleet={name}",
                                   "--filter", "label=io.nautilus.engine=slow"], text=True)  # fmt: skip
    log = subprocess.check_output(["docker", "logs", ids.split()[0]], text=True)
    return float(next(line.split()[1] for line in log.splitlines() if line.startswith("FIRST")))


@contextlib.contextmanager
def fleet(folder: Path, port: int, network: str) -> Iterator[tuple[str, float]]:
    """A fleet that was brought up, and is gone afterwards: its name, and the moment of its first answer."""
    name = declare(folder, port, network=network)
    change = nautilus(folder, "up")
    try:
        served = first_answer(port, time.monotonic() + 60)
        change.wait()
        yield name, served
    finally:
        change.wait()
        nautilus(folder, "down", "--volumes").wait()
        sweep([name])  # its gateway's image too


def readiness(folder: Path) -> float:
    """Milliseconds between the first healthy answer and the first served request."""
    with fleet(folder, free_port(), "auto") as (name, served):
        return (served - first_healthy(name)) * 1000


def recreation(folder: Path) -> float:
    """Milliseconds without an answer while the gateway makes room for another port."""
    with fleet(folder, port := free_port(), "bridge"):
        declare(folder, port, free_port(), network="bridge")
        return longest_silence(port, nautilus(folder, "up"))


def show(what: str, found: Sequence[float], bound: int) -> bool:
    """Print the figures of one bound; whether it is met in the median."""
    median = statistics.median(found)
    print(f"{what}, ms: {' '.join(f'{value:.0f}' for value in found)}")
    print(f"median {median:.0f} ms, worst {max(found):.0f} ms, bound {bound:,} ms")
    return median <= bound


def main(rounds: int) -> int:
    """Print the figures; 1 when a bound is missed in the median."""
    with tempfile.TemporaryDirectory() as folder:
        lags = [readiness(Path(folder)) for _ in range(rounds)]
        gaps = [recreation(Path(folder)) for _ in range(rounds)]
    soon = show("routed after the first healthy answer, health interval 30,000 ms", lags, BOUND_MS)
    short = show("no answer while the gateway is recreated in bridge mode", gaps, GAP_MS)
    return int(not (soon and short))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
