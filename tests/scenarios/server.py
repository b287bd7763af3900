"""A small HTTP server whose behaviour its environment decides: what runs inside the containers of the scenarios.

MODE: ok, sick (answers 503 for ever), hangs (never answers), dies (exits with 3 when started), crashes (exits a while
after it was healthy). READY_AFTER: seconds until it answers 200; a request for more than its health before then is
logged as an early one. HEALTH: the one path of its health check that it knows. GET /slow?0.5 takes half a second;
/turn?0.02 too, one request after the other: 50 a second at the most.

It misbehaves when it is told to: GET /burn keeps two processes busy for ever, GET /eat takes all memory that there is,
GET /hang is the last request that it answers, and after GET /loop it exits, now and whenever it is started again.
"""

import http.server
import os
import pathlib
import signal
import sys
import threading
import time

TURN = threading.Lock()
BORN = time.monotonic()
MODE = os.environ.get("MODE", "ok")
READY_AFTER = float(os.environ.get("READY_AFTER", "0"))
LOOPS = pathlib.Path("/var/tmp/loops")  # outlives the process


def burn() -> None:
    """Keep processors busy for ever, in processes that answer nothing."""
    for _ in range(2):
        if os.fork() == 0:
            while True:
                pass


def eat() -> None:
    """Take memory until the kernel ends this process."""
    taken = []
    while True:
        taken.append(b"x" * 2**20)


def loop() -> None:
    """Exit, now and at every start."""
    LOOPS.touch()
    os._exit(4)


def hang() -> None:
    """Answer nothing from now on."""
    global MODE
    MODE = "hangs"


TRICKS = {"/burn": burn, "/eat": eat, "/loop": loop, "/hang": hang}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every path with its version, and says which replica it is."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        """One answer."""
        age = time.monotonic() - BORN
        if MODE == "hangs":
            time.sleep(3600)
        if MODE == "crashes" and age > READY_AFTER + float(os.environ.get("CRASH_AFTER", "0.5")):
            print("crashing as told", flush=True)
            os._exit(4)
        path, _, query = self.path.partition("?")
        if path in TRICKS:
            TRICKS[path]()
        if path == "/slow":
            time.sleep(float(query or "0.2"))
        if path == "/turn":
            with TURN:
                time.sleep(float(query))
        ready = MODE != "sick" and age >= READY_AFTER
        body = f"{os.environ.get('NAUTILUS_ENGINE', '?')} {os.environ.get('VERSION', '1')}\n".encode()
        if not ready and path != "/health":
            print(f"early request for {path}", flush=True)
        known = not path.startswith("/health") or path == os.environ.get("HEALTH", "/health")
        self.send_response((200 if ready else 503) if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Nautilus-Replica", os.environ.get("NAUTILUS_REPLICA", "?"))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Quiet."""


class Server(http.server.ThreadingHTTPServer):
    """As many clients at once as other servers take; the 5 of the class lose some under an open-loop load."""

    daemon_threads = True
    request_queue_size = 1024


def main() -> None:
    """Serve until told to stop."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    print(f"starting in mode {MODE}", flush=True)
    if MODE == "dies":
        sys.exit(3)
    if LOOPS.exists():
        sys.exit(4)
    Server(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()


if __name__ == "__main__":
    main()
