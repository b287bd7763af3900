"""A server whose log is worth reading: a history, then numbered ticks, until it is told to stop."""

import http.server
import os
import signal
import sys
import threading
import time

NAME = os.environ["NAUTILUS_REPLICA"]


class Handler(http.server.BaseHTTPRequestHandler):
    """Always healthy."""

    def do_GET(self) -> None:
        """An empty answer."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""


def end(*_: object) -> None:
    """The last word, without the end of a line."""
    sys.stdout.write(f"bye {NAME}")
    sys.stdout.flush()
    os._exit(0)


def tick() -> None:
    """One line after the other, in turns on both outputs."""
    number = 0
    while True:
        number += 1
        print(f"tick {number} {NAME}", file=(sys.stdout, sys.stderr)[number % 2], flush=True)
        time.sleep(0.02)


signal.signal(signal.SIGTERM, end)
for line in range(int(os.environ.get("HISTORY", "0"))):
    print(f"history {line} {NAME}")
print("long " + "x" * 50_000 + " end", flush=True)
sys.stdout.buffer.write(b"bytes \xff\xfe caf\xc3\xa9\n")
sys.stdout.flush()
if os.environ.get("TICK"):
    threading.Thread(target=tick, daemon=True).start()
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
