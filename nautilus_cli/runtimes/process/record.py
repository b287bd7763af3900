"""What is written down of one replica: what it is, once; and how it fares, by its supervisor, whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nautilus_cli.runtimes.process.kernel import Process
from nautilus_cli.snapshot import Limits

SPEC, STATE, BOUNDS, LOG = "spec.json", "state.json", "bounds.json", "log"
MARK = "NAUTILUS_REPLICA"  # every process of a replica has it in its environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a replica is: never changed."""

    name: str
    engine: str
    slot: int
    service: bool = False
    port: int = 0
    fingerprint: str = ""
    aspects: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    wave: int = 0
    created: float = 0.0
    command: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]
    signal: int = 15
    grace: float = 10.0
    restart: str = "unless-stopped"
    nice: int = 0

    @property
    def mark(self) -> str:
        """What tells its processes from all others."""
        return f"{MARK}={self.name}"

    @property
    def subject(self) -> str:
        """What people call it."""
        return f"{self.engine}/{self.slot}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a replica fares."""

    supervisor: Process
    child: Process | None = None  # None: it ended, and may be started again
    restarts: int = 0
    exit_code: int | None = None  # of the last that ended; 128 and the number of the signal that ended it
    oom_killed: bool = False  # the last that ended had used up its memory
    since: float = 0.0  # when the child was started

    @property
    def watched(self) -> bool:
        """Whether somebody would start it again."""
        return self.supervisor.alive

    @property
    def alive(self) -> bool:
        """Whether it runs, under its supervisor."""
        return self.watched and self.child is not None and self.child.alive


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a replica may use at the most, and the cgroups that hold it to that; none where they cannot be made."""

    cpus: float | None = None
    memory: int | None = None
    cgroups: tuple[str, ...] = ()

    @property
    def limits(self) -> Limits:
        """What was asked."""
        return Limits(self.cpus, self.memory)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of its cgroups."""
        return tuple(map(Path, self.cgroups))


def write(path: Path, value: Spec | Status | Bounds) -> None:
    """Put it in the place of what was there in one step."""
    replace(path, json.dumps(asdict(value)))


def replace(path: Path, text: str) -> None:
    """A file with this text, readable by its owner only; whoever reads sees the old one or the new one."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def read_spec(folder: Path) -> Spec | None:
    """What was written; None where it was not, or was by another version."""
    found = _read(folder / SPEC)
    try:
        return Spec(**{**found, "command": tuple(found["command"])}) if found else None
    except (TypeError, KeyError):
        return None


def read_status(folder: Path) -> Status | None:
    """What its supervisor wrote last; None where it has not begun."""
    found = _read(folder / STATE)
    try:
        if not found:
            return None
        child = Process(**found["child"]) if found["child"] else None
        return Status(**{**found, "supervisor": Process(**found["supervisor"]), "child": child})
    except (TypeError, KeyError):
        return None


def read_bounds(folder: Path) -> Bounds:
    """What was written; no limits where nothing was."""
    found = _read(folder / BOUNDS)
    try:
        return Bounds(**{**found, "cgroups": tuple(found["cgroups"])}) if found else Bounds()
    except (TypeError, KeyError):
        return Bounds()


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
