"""Start what a folder describes, under a supervisor that outlives this command."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Collection
from pathlib import Path

from nautilus_cli.errors import RolloutFailed
from nautilus_cli.gateways.sockets import bound

PORTS = range(12000, 20000)  # below those that the kernel gives to connections
INHERITED = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "TMPDIR", "TZ", "USER", "XDG_CACHE_HOME")
PACKAGE = str(Path(__file__).parents[3])  # where this very nautilus is imported from

_given: set[int] = set()
_turn = threading.Lock()


def launch(folder: Path, subject: str) -> None:
    """It was started once when this returns; `RolloutFailed` says why it could not be."""
    command = [sys.executable, "-m", "nautilus_cli.runtimes.process.supervisor", str(folder)]
    begun = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/",
        env={**os.environ, "PYTHONPATH": PACKAGE, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    if begun.returncode:
        raise RolloutFailed(f"{subject}: {begun.stderr.strip()}", "correct process.command in the file")


def environment(bin_folder: Path) -> dict[str, str]:
    """What every process gets: the caller's person and language, and commands of its environment first."""
    own = {name: value for name in INHERITED if (value := os.environ.get(name)) is not None}
    path = os.pathsep.join([str(bin_folder), os.environ.get("PATH", os.defpath)])
    return {**own, "PATH": path, "PYTHONUNBUFFERED": "1"}


def free_port(taken: Collection[int]) -> int:
    """A port of this machine that nobody listens on, and that was given to nobody else."""
    with _turn:
        for port in random.sample(PORTS, len(PORTS)):
            if port not in taken and port not in _given and not any(bound(h, port) for h in ("0.0.0.0", "127.0.0.1")):
                _given.add(port)
                return port
    raise RolloutFailed(f"no port is free between {PORTS.start} and {PORTS.stop}", "stop what listens there")
