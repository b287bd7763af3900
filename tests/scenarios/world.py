"""What scenarios share: a fleet of their own, the real command line, and looking at Docker."""

from __future__ import annotations

import copy
import fcntl
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from typing import IO, Any

import docker
import pytest
import yaml
from docker.api.client import APIClient
from docker.errors import NotFound

from tests.scenarios.load import eventually

BASE = os.environ.get("NAUTILUS_BASE_IMAGE", "nautilus/base:trixie")
NGINX = os.environ.get("NAUTILUS_TEST_NGINX_IMAGE", "nautilus/nginx:trixie")
REDIS = os.environ.get("NAUTILUS_REDIS_IMAGE", "nautilus/redis:trixie")
SERVER = (Path(__file__).parent / "server.py").read_text()
PREFIX = "nt"  # of the names of test fleets: ntPID-xxxx
FLEET = "io.nautilus.fleet"
IMAGES = "io.nautilus.image.fleet"
BLOCK = 20  # ports
host = pytest.mark.parametrize("standing", ["host"], indirect=True)
both_modes = pytest.mark.parametrize("standing", ["host", "bridge"], indirect=True)


@contextmanager
def port_block() -> Iterator[list[int]]:
    """Free ports in 20000-32000 that no other test run uses while this one lives."""
    folder = Path(gettempdir()) / "nautilus-test-ports"
    folder.mkdir(exist_ok=True)
    for start in range(20000, 32000, BLOCK):
        lock = (folder / str(start)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        with lock:
            yield list(range(start, start + BLOCK))
            return
    raise AssertionError("every block of ports is in use")


def server(port: int, container_port: int = 8000, **changes: Any) -> dict[str, Any]:
    """An engine that runs server.py; `environment` decides how it behaves."""
    environment = changes.pop("environment", {})
    return {
        "image": BASE,
        "command": ["python3", "-c", SERVER.replace("$", "$$")],
        "port": port,
        "container_port": container_port,
        "replicas": {"min": 2, "max": 4},
        "healthcheck": {"path": "/health", "interval": "30s", "timeout": "1s", "start_period": "60s"},
        "update": {"monitor": "200ms", "drain": "5s"},
        "stop_grace_period": "2s",
        "resources": {"cpus": 0.5, "memory": "64MiB"},
        "environment": environment,
        **changes,
    }


class Running:
    """A command that is under way: its lines as they come, and signals to it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        streams = [stream for stream in (process.stdout, process.stderr) if stream]
        self._readers = [threading.Thread(target=self._read, args=(stream,)) for stream in streams]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            self.lines.extend(stream)

    @property
    def text(self) -> str:
        """Everything that it said until now."""
        return "".join(list(self.lines))

    def until(self, pattern: str) -> None:
        """Return as soon as it says this; it must still run then."""
        eventually(lambda: re.search(pattern, self.text) or self.process.poll() is not None, every=0.005)
        assert self.process.poll() is None, f"it ended before it said {pattern!r}:\n{self.text}"

    def end(self, number: int | None = None, within: float = 60) -> int:
        """Its exit code, after this signal if one is given."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(within)
        for reader in self._readers:
            reader.join()
        return code


@dataclass
class World:
    """One test's fleet: its folder, its file, its ports, and everything that Docker has of it."""

    folder: Path
    ports: list[int]
    api: APIClient
    name: str = field(default_factory=lambda: f"{PREFIX}{os.getpid()}-{secrets.token_hex(3)}")
    url: str | None = None  # of a daemon of its own
    address: str = "127.0.0.1"  # where its ports are
    document: dict[str, Any] = field(default_factory=dict)  # what engines.yaml says
    failures: int = 0  # tests that had failed when this fleet was last in order

    @property
    def environ(self) -> dict[str, str]:
        """What the command line sees."""
        host = {"DOCKER_HOST": self.url} if self.url else {}
        return {**os.environ, "NO_COLOR": "1", "NAUTILUS_BASE_IMAGE": BASE, **host}

    def declare(self, **parts: Any) -> dict[str, Any]:
        """Write engines.yaml: `engines=...`, `services=...`, `gateway=...`."""
        self.document = copy.deepcopy({"name": self.name, **parts})
        self.write()
        return self.document

    def write(self) -> None:
        """Write the document as it is now."""
        (self.folder / "engines.yaml").write_text(yaml.safe_dump(self.document, sort_keys=False))

    def edit(self, engine: str, **changes: Any) -> None:
        """Change keys of one engine; mappings are merged."""
        declared = self.document["engines"][engine]
        for key, value in changes.items():
            declared[key] = {**declared.get(key, {}), **value} if isinstance(value, dict) else value
        self.write()

    @contextmanager
    def but(self, engine: str, **changes: Any) -> Iterator[None]:
        """The file with these changes, and without them again."""
        before = copy.deepcopy(self.document)
        self.edit(engine, **changes)
        try:
            yield
        finally:
            self.document = before
            self.write()

    def port(self, engine: str) -> int:
        """The port of an engine."""
        return int(self.document["engines"][engine]["port"])

    def start(self, *words: str) -> Running:
        """Start `nautilus WORDS` and listen to it."""
        return Running(self.spawn(*words))

    def spawn(self, *words: str) -> subprocess.Popen[str]:
        """Start `nautilus WORDS` in the folder."""
        return subprocess.Popen(
            [sys.executable, "-m", "nautilus_cli", *words],
            cwd=self.folder,
            env=self.environ,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # its signals are not ours
        )

    def run(self, *words: str, code: int = 0, within: float = 120) -> subprocess.CompletedProcess[str]:
        """Run `nautilus WORDS`; it must end with this exit code."""
        process = self.spawn(*words)
        out, err = process.communicate(timeout=within)
        assert process.returncode == code, f"nautilus {' '.join(words)} ended with {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def status(self, code: int = 0) -> dict[str, Any]:
        """What `nautilus status --json` says."""
        data: dict[str, Any] = json.loads(self.run("status", "--json", code=code).stdout)
        return data

    def replicas(self, engine: str) -> list[dict[str, Any]]:
        """The containers of an engine, as `docker inspect` shows them, by slot."""
        found = self.containers(f"io.nautilus.engine={engine}")
        return sorted(found, key=lambda c: (int(c["Config"]["Labels"]["io.nautilus.slot"]), c["Name"]))

    def containers(self, *marks: str) -> list[dict[str, Any]]:
        """Everything of this fleet with these labels."""
        chosen = [f"{FLEET}={self.name}", *marks]
        found = []
        for container in self.api.containers(all=True, filters={"label": chosen}):
            try:
                found.append(self.api.inspect_container(container["Id"]))
            except NotFound:
                continue
        return found

    def names(self, engine: str) -> list[str]:
        """The names of an engine's containers."""
        return [c["Name"].lstrip("/") for c in self.replicas(engine)]

    def ids(self, engine: str) -> set[str]:
        """The ids of an engine's containers."""
        return {c["Id"] for c in self.replicas(engine)}

    def touched(self) -> dict[str, str]:
        """Every container of this fleet and when it was started: equal as long as nothing was touched."""
        return {c["Id"]: c["State"]["StartedAt"] for c in self.containers()}

    def kill(self, *containers: dict[str, Any]) -> dict[str, str]:
        """End these containers from outside, all at once, without telling Docker; when each of them had started."""
        for container in containers:
            os.kill(container["State"]["Pid"], signal.SIGKILL)
        return {c["Id"]: c["State"]["StartedAt"] for c in containers}

    def execute(self, container: str, *command: str) -> str:
        """What a command says inside a container; it must succeed."""
        made = self.api.exec_create(container, list(command))["Id"]
        said: str = self.api.exec_start(made).decode()
        assert self.api.exec_inspect(made)["ExitCode"] == 0, said
        return said.strip()

    def settled(self) -> None:
        """In sync, every replica ready, and no container but the replicas and the gateway: no lock, no helper."""
        status = self.status()
        assert status["in_sync"], status["changes"]
        roles = Counter(c["Config"]["Labels"]["io.nautilus.role"] for c in self.containers())
        wanted = Counter(gateway=1)
        for found in status["engines"]:
            assert found["ready"] == found["wanted"], found
            wanted[found["kind"]] += found["wanted"]
        assert roles == wanted

    def leftovers(self) -> list[str]:
        """The names of all that Docker has of this fleet."""
        mark = {"label": f"{FLEET}={self.name}"}
        containers = [c["Names"][0] for c in self.api.containers(all=True, filters=mark)]
        networks = [n["Name"] for n in self.api.networks(filters=mark)]
        volumes = [v["Name"] for v in self.api.volumes(filters=mark)["Volumes"] or []]
        return [*containers, *networks, *volumes]

    def sweep(self) -> None:
        """Remove all of it."""
        sweep(self.api, lambda name: name == self.name)


def sweep(api: APIClient, mine: Callable[[str], bool]) -> None:
    """Remove every container, network, volume and image of the fleets that are mine."""

    def owned(things: list[dict[str, Any]], label: str = FLEET) -> list[dict[str, Any]]:
        return [t for t in things if mine((t["Labels"] or {}).get(label, ""))]

    for container in owned(api.containers(all=True, filters={"label": FLEET})):
        _gone(lambda c=container: api.remove_container(c["Id"], force=True, v=True))  # type: ignore[misc]
    for network in owned(api.networks(filters={"label": FLEET})):
        _gone(lambda n=network: api.remove_network(n["Id"]))  # type: ignore[misc]
    for volume in owned(api.volumes(filters={"label": FLEET})["Volumes"] or []):
        _gone(lambda v=volume: api.remove_volume(v["Name"]))  # type: ignore[misc]
    for image in owned(api.images(filters={"label": IMAGES}), IMAGES):
        # What the gateway's image is built on is every fleet's: without it each test would install HAProxy again.
        shared = image["Labels"].get("io.nautilus.image.engine") == "gateway"
        _gone(lambda i=image, s=shared: api.remove_image(i["Id"], force=True, noprune=s))  # type: ignore[misc]


def _gone(remove: Callable[[], object]) -> None:
    try:
        remove()
    except docker.errors.APIError as error:
        if error.status_code not in (404, 409) and "unrecognized image ID" not in str(error):  # 20.10 says 500 to that
            raise


def dead(name: str) -> bool:
    """Whether a fleet belongs to a test run whose process is gone."""
    number = name.removeprefix(PREFIX).split("-")[0]
    return name.startswith(PREFIX) and number.isdecimal() and not Path(f"/proc/{number}").exists()
