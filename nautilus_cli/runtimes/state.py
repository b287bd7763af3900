"""What is known beyond the file, kept in the fleet's state volume: chosen replica counts, and the versions that served.

Rings of numbered files, one of counts and one of versions for each engine: each change writes the next file whole, and
the newest that can be read counts, so that a write which is cut off loses nothing. The gateway mounts the volume;
archive calls read and write through it.
"""

from __future__ import annotations

import getpass
import json
import socket
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from docker.api.client import APIClient

from nautilus_cli.fleet import Engine
from nautilus_cli.gateways import archive
from nautilus_cli.gateways.haproxy import NUMBERED
from nautilus_cli.history import RING, following, newest_first
from nautilus_cli.runtimes import volumes
from nautilus_cli.snapshot import Image, Version

VERSIONS = "versions"  # the folder of them


@dataclass(frozen=True, slots=True)
class Wanted:
    """One entry: what was chosen, when, by whom and why."""

    serial: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    at: str = ""
    who: str = ""
    cause: str = ""


def newest(files: Mapping[str, bytes]) -> Wanted:
    """The latest entry that can be read, of the files in `NUMBERED`; an empty one when there is none."""
    numbered = (content for path, content in files.items() if path.startswith(f"{NUMBERED}/"))
    entries = [entry for content in numbered if (entry := parse(content))]
    return max(entries, key=lambda entry: entry.serial, default=Wanted())


def parse(content: bytes) -> Wanted | None:
    """One entry; None for a file that was cut off."""
    try:
        return Wanted(**json.loads(content))
    except (ValueError, TypeError):
        return None


def versions(files: Mapping[str, bytes]) -> tuple[Version, ...]:
    """Every version on record that can be read, by engine, the oldest first."""
    kept = (content for path, content in files.items() if path.startswith(f"{NUMBERED}/{VERSIONS}/"))
    found = [version for content in kept if (version := parse_version(content))]
    return tuple(sorted(found, key=lambda version: (version.engine, version.serial)))


def parse_version(content: bytes) -> Version | None:
    """One version; None for a file that was cut off."""
    try:
        return Version(**json.loads(content))
    except (ValueError, TypeError):
        return None


def whoami() -> str:
    """Who runs this command, and where."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


class State:
    """Reads and writes entries through the gateway's container."""

    def __init__(self, api: APIClient, gateway: str) -> None:
        self._api = api
        self._gateway = gateway
        self._lock = threading.Lock()
        self._purpose, self._at = "", ""
        self._files: dict[str, bytes] | None = None  # during a change, which alone writes

    def begin(self, purpose: str) -> None:
        """A change begins: what it records has this purpose and this moment."""
        self._purpose, self._at = purpose, datetime.now(UTC).isoformat(timespec="seconds")
        self._files = None

    def seen(self, files: Mapping[str, bytes]) -> None:
        """What a look has found after a change began need not be read again."""
        with self._lock:
            if self._purpose and self._files is None and files:
                self._files = dict(files)

    def choose(self, counts: Mapping[str, int], why: str) -> None:
        """Remember these counts from now on, the others stay."""
        with self._lock:
            last = newest(self._kept())
            if all(last.counts.get(name) == count for name, count in counts.items()):
                return
            at = datetime.now(UTC).isoformat(timespec="seconds")
            entry = Wanted(last.serial + 1, {**last.counts, **counts}, at, getpass.getuser(), why)
            self._write(f"{entry.serial % RING}.json", asdict(entry))

    def record(self, engine: Engine, image: Image, parts: Mapping[str, str]) -> None:
        """This engine serves from now on; what it was before stays on record, as the last ten do."""
        with self._lock:
            kept = newest_first(versions(self._kept()), engine.name)
            version = following(kept, engine, image, parts, (self._purpose, self._at, whoami()))
            if version:
                self._write(f"{VERSIONS}/{engine.name}-{version.serial % RING}.json", asdict(version))

    def _kept(self) -> dict[str, bytes]:
        """Every file, read once a change."""
        if self._files is None:
            self._files = archive.read_all(self._api, self._gateway, NUMBERED)
        return self._files

    def _write(self, name: str, entry: Mapping[str, Any]) -> None:
        content = json.dumps(entry).encode()
        self._api.put_archive(self._gateway, NUMBERED, volumes.tar({name: content}, 0o644))
        self._kept()[f"{NUMBERED}/{name}"] = content
