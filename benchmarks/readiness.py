"""How long after its first healthy answer a replica serves, whatever its health interval says.

    .venv/bin/python benchmarks/readiness.py [ROUNDS]

Each round brings up a fleet of one engine whose health check answers 503 for a second and then 200, with an interval of
30 s. The server prints the moment of its first healthy answer; this process asks the engine's port every 2 ms and notes
the moment of the first 200. Both read the clock of this machine. The bound is 100 ms.
"""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script is given its own folder only

from benchmarks.sides import free_port, sweep

BOUND_MS = 100
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


def declare(folder: Path, port: int) -> str:
    """Write the fleet; its name."""
    name = f"bench-ready-{os.getpid()}"
    image = os.environ.get("NAUTILUS_BASE_IMAGE", "nautilus/base:trixie")
    engine = {
        "image": image,
        "command": ["python3", "-c", SERVER.replace("$", "$$")],
        "port": port,
        "healthcheck": {"path": "/", "interval": "30s"},
    }
    document = {"name": name, "engines": {"slow": engine}, "gateway": {"base_image": image}}
    (folder / "engines.yaml").write_text(yaml.safe_dump(document))
    return name


def first_answer(port: int, deadline: float) -> float:
    """The moment of the first 200 through the port."""
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status == 200:
                return time.time()
        except OSError:
            pass  # the gateway does not listen yet
        finally:
            connection.close()
        time.sleep(0.002)
    raise SystemExit("the engine never answered")


def first_healthy(name: str) -> float:
    """The moment that the server printed."""
    ids = subprocess.check_output(["docker", "ps", "-q", "--filter", f"label=io.nautilus.fleet={name}",
                                   "--filter", "label=io.nautilus.engine=slow"], text=True)  # fmt: skip
    log = subprocess.check_output(["docker", "logs", ids.split()[0]], text=True)
    return float(next(line.split()[1] for line in log.splitlines() if line.startswith("FIRST")))


def measure(folder: Path) -> float:
    """Milliseconds between the first healthy answer and the first served request."""
    port = free_port()
    name = declare(folder, port)
    change = nautilus(folder, "up")
    try:
        served = first_answer(port, time.monotonic() + 60)
        change.wait()
        return (served - first_healthy(name)) * 1000
    finally:
        change.wait()
        nautilus(folder, "down", "--volumes").wait()
        sweep([name])  # its gateway's image too


def main(rounds: int) -> int:
    """Print the figures; 1 when the bound is missed in the median."""
    with tempfile.TemporaryDirectory() as folder:
        lags = [measure(Path(folder)) for _ in range(rounds)]
    median = statistics.median(lags)
    print(f"routed after the first healthy answer, ms: {' '.join(f'{lag:.0f}' for lag in lags)}")
    print(f"median {median:.0f} ms, worst {max(lags):.0f} ms, bound {BOUND_MS} ms, health interval 30,000 ms")
    return int(median > BOUND_MS)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
