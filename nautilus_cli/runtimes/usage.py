"""What replicas use now: from the kernel's files where they can be read, else from Docker's statistics."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.api.client import APIClient
from docker.errors import NotFound

from nautilus_cli.snapshot import Replica, Usage

PROC, CGROUP = Path("/proc"), Path("/sys/fs/cgroup")
WIDTH = 16  # containers asked at a time


@dataclass(frozen=True, slots=True)
class Reading:
    """CPU seconds used since the start and bytes held, at one moment; page cache that can be given up is left out."""

    cpu: float
    memory: int
    at: float


def measure(api: APIClient, replicas: Iterable[Replica], seconds: float) -> dict[str, Usage]:
    """The usage of each replica that runs, by name, over so many seconds."""
    alive = [replica for replica in replicas if replica.state.alive]
    with ThreadPoolExecutor(max_workers=WIDTH) as pool:
        first = list(pool.map(lambda replica: reading(api, replica), alive))
        time.sleep(seconds)
        second = list(pool.map(lambda replica: reading(api, replica), alive))
    pairs = zip(alive, first, second, strict=True)
    return {replica.name: between(one, two) for replica, one, two in pairs if one and two and two.at > one.at}


def between(first: Reading, second: Reading) -> Usage:
    """CPUs in use between two readings, and memory at the second."""
    return Usage(cpus=max(0.0, second.cpu - first.cpu) / (second.at - first.at), memory=second.memory)


def reading(api: APIClient, replica: Replica) -> Reading | None:
    """One reading; None for a container that has just left."""
    return from_files(replica, PROC, CGROUP) or from_statistics(api, replica)


def from_files(replica: Replica, proc: Path, root: Path) -> Reading | None:
    """The kernel's own counters; None where they are another machine's or cannot be read."""
    try:
        paths = hierarchies((proc / str(replica.pid) / "cgroup").read_text(), replica.id)
        return split(root, paths) if "memory" in paths else unified(root, paths[""])
    except (OSError, KeyError):
        return None


def hierarchies(text: str, container: str) -> dict[str, str]:
    """The container's group in each hierarchy, '' being version 2; a stranger's process has none."""
    lines = [line.split(":", 2) for line in text.splitlines()]
    return {name: path for _, names, path in lines for name in names.split(",") if container in path}


def unified(root: Path, path: str) -> Reading:
    """Version 2 of the kernel's control groups."""
    folder = root / path.lstrip("/")
    used = counters(folder / "cpu.stat")["usage_usec"] / 1e6
    held = int((folder / "memory.current").read_text()) - counters(folder / "memory.stat")["inactive_file"]
    return Reading(used, held, time.monotonic())


def split(root: Path, paths: Mapping[str, str]) -> Reading:
    """Version 1: a hierarchy for each resource."""
    memory = root / "memory" / paths["memory"].lstrip("/")
    used = int((root / "cpuacct" / paths["cpuacct"].lstrip("/") / "cpuacct.usage").read_text()) / 1e9
    held = int((memory / "memory.usage_in_bytes").read_text()) - counters(memory / "memory.stat")["total_inactive_file"]
    return Reading(used, held, time.monotonic())


def counters(file: Path) -> dict[str, int]:
    """A file of `name number` lines."""
    return {name: int(number) for name, number in (line.split() for line in file.read_text().splitlines())}


def from_statistics(api: APIClient, replica: Replica) -> Reading | None:
    """Docker's own figures."""
    try:
        said: dict[str, Any] = api.stats(replica.id, stream=False, one_shot=True)
    except NotFound:
        return None
    memory = said.get("memory_stats", {})
    details = memory.get("stats", {})
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    used = said["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
    return Reading(used, memory.get("usage", 0) - cache, time.monotonic())
