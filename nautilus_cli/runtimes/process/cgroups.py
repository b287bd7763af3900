"""Limits of CPU and memory by the kernel's cgroups, of either version, where this user may make them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nautilus_cli.snapshot import Limits

MOUNTS, OWN = Path("/proc/self/mountinfo"), Path("/proc/self/cgroup")
PERIOD = 100_000  # microseconds in which a quota is counted, as Docker has it
CONTROLLERS = ("cpu", "memory")
PREFIX = "nautilus-"
UNLIMITED = 2**62  # what the first version says of memory without a limit is above
PATIENCE = 2.0  # seconds until the kernel has let go of processes that ended


@dataclass(frozen=True, slots=True)
class Cgroups:
    """The folders in which each replica gets one of its own: of both controllers one in v2, of each its own in v1."""

    version: int
    parents: tuple[Path, ...]

    def folders(self, name: str) -> tuple[Path, ...]:
        """Where the cgroups of this name are, or will be."""
        return tuple(dict.fromkeys(parent / f"{PREFIX}{name}" for parent in self.parents))

    def make(self, folders: Iterable[Path], limits: Limits) -> None:
        """They are there, with these limits; `OSError` where the kernel refuses them."""
        for folder in folders:
            folder.mkdir(exist_ok=True)
            for file, value in (second if self.version == 2 else first)(folder, limits):
                _write(folder / file, value)


def find(mounts: Path = MOUNTS, own: Path = OWN) -> Cgroups | None:
    """Where cgroups can be made here: below that of this process, or above it where that one cannot have any."""
    places = dict(_places(mounts, own))
    if unified := places.get(""):
        mount, inside = unified
        for parent in (inside, *(above for above in inside.parents if above.is_relative_to(mount))):
            if _delegated(parent) and _writable(parent):
                return Cgroups(2, (parent,))
    if all(controller in places for controller in CONTROLLERS):
        parents = tuple(places[controller][1] for controller in CONTROLLERS)
        if all(map(_writable, parents)):
            return Cgroups(1, parents)
    return None


def first(folder: Path, limits: Limits) -> Iterator[tuple[str, str]]:
    """What is written for v1; memory with swap must never be less than memory, in whichever direction it moves."""
    if (folder / "cpu.cfs_quota_us").exists():
        yield "cpu.cfs_period_us", str(PERIOD)
        yield "cpu.cfs_quota_us", str(_quota(limits) or -1)
    if (folder / "memory.limit_in_bytes").exists():
        memory, swap = limits.memory or -1, "memory.memsw.limit_in_bytes"
        both = (folder / swap).exists()
        if both:
            yield swap, "-1"
        yield "memory.limit_in_bytes", str(memory)
        if both:
            yield swap, str(memory)


def second(folder: Path, limits: Limits) -> Iterator[tuple[str, str]]:
    """What is written for v2; swap is off where memory is limited."""
    yield "cpu.max", f"{_quota(limits) or 'max'} {PERIOD}"
    yield "memory.max", str(limits.memory or "max")
    if (folder / "memory.swap.max").exists():
        yield "memory.swap.max", "0" if limits.memory else "max"


def limits_of(folders: Iterable[Path]) -> Limits:
    """What is in force; nothing where the cgroups are gone."""
    cpus: float | None = None
    memory: int | None = None
    for folder in folders:
        told = _read(folder / "cpu.max").split() or [_read(folder / "cpu.cfs_quota_us")]
        if told[0].isdecimal():
            cpus = round(int(told[0]) / PERIOD, 5)
        held = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
        if held.isdecimal() and int(held) < UNLIMITED:
            memory = int(held)
    return Limits(cpus, memory)


def granted(asked: Limits, found: Limits) -> Limits:
    """What is in force, in the words of what was asked: the kernel counts memory in whole pages."""
    page = os.sysconf("SC_PAGE_SIZE")
    if asked.memory and found.memory and asked.memory // page == found.memory // page:
        return Limits(found.cpus, asked.memory)
    return found


def kills(folders: Iterable[Path]) -> int:
    """How many processes were killed because memory was used up."""
    lines = [
        line.split()
        for folder in folders
        for line in (_read(folder / "memory.events") or _read(folder / "memory.oom_control")).splitlines()
    ]
    return sum(int(words[1]) for words in lines if words[0] == "oom_kill")


def enter(folders: Iterable[Path], pid: int = 0) -> None:
    """This process, or another one, and what it starts from now on is in these cgroups."""
    for folder in folders:
        _write(folder / "cgroup.procs", str(pid))


def remove(folders: Iterable[Path]) -> None:
    """They are gone; call it when no process is in them any more."""
    end = time.monotonic() + PATIENCE
    for folder in folders:
        while folder.is_dir():
            with suppress(OSError):
                folder.rmdir()
                break
            if time.monotonic() > end:
                break
            time.sleep(0.01)


def _places(mounts: Path, own: Path) -> Iterator[tuple[str, tuple[Path, Path]]]:
    """By controller, and '' for v2: where its cgroups are mounted, and where that of this process is."""
    inside: Mapping[str, str] = {
        name: path for line in _read(own).splitlines() for name, path in _controllers(*line.split(":", 2))
    }
    for line in _read(mounts).splitlines():
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        kind, _, options = after.split(maxsplit=2)
        names = [""] if kind == "cgroup2" else options.split(",") if kind == "cgroup" else []
        for name in names:
            if name in inside:
                below = os.path.relpath(inside[name], root)
                yield name, (Path(point), Path(point) if below.startswith("..") else Path(point, below))


def _controllers(_hierarchy: str, names: str, path: str) -> list[tuple[str, str]]:
    return [(name, path) for name in names.split(",")]


def _delegated(parent: Path) -> bool:
    """Whether children of this one can have both controllers, and processes may be moved into them."""
    if not set(CONTROLLERS) <= set(_read(parent / "cgroup.controllers").split()):
        return False
    if not os.access(parent / "cgroup.procs", os.W_OK):
        return False
    if missing := set(CONTROLLERS) - set(_read(parent / "cgroup.subtree_control").split()):
        try:
            _write(parent / "cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(missing)))
        except OSError:
            return False  # processes are in it, or it is another's
    return True


def _writable(parent: Path) -> bool:
    """Whether a cgroup can be made here."""
    probe = parent / f"{PREFIX}probe-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return True


def _quota(limits: Limits) -> int | None:
    return round(limits.cpus * PERIOD) if limits.cpus else None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _write(path: Path, value: str) -> None:
    with path.open("w") as file:
        file.write(value)
