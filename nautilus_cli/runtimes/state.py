"""What is wanted beyond the file: replica counts that a person chose, kept in the fleet's state volume.

A ring of numbered files: each change writes the next one whole, and the newest that can be read counts, so that a
write which is cut off loses nothing. The gateway mounts the volume; archive calls read and write through it.
"""

from __future__ import annotations

import getpass
import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from docker.api.client import APIClient

from nautilus_cli.gateways import archive
from nautilus_cli.gateways.haproxy import NUMBERED
from nautilus_cli.runtimes import volumes

RING = 10


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


class State:
    """Reads and writes entries through the gateway's container."""

    def __init__(self, api: APIClient, gateway: str) -> None:
        self._api = api
        self._gateway = gateway
        self._lock = threading.Lock()

    def read(self) -> Wanted:
        """The latest entry."""
        return newest(archive.read_all(self._api, self._gateway, NUMBERED))

    def choose(self, counts: Mapping[str, int], cause: str) -> None:
        """Remember these counts from now on, the others stay."""
        with self._lock:
            last = self.read()
            if all(last.counts.get(name) == count for name, count in counts.items()):
                return
            at = datetime.now(UTC).isoformat(timespec="seconds")
            entry = Wanted(last.serial + 1, {**last.counts, **counts}, at, getpass.getuser(), cause)
            name = f"{entry.serial % RING}.json"
            content = json.dumps(asdict(entry)).encode()
            self._api.put_archive(self._gateway, NUMBERED, volumes.tar({name: content}, 0o644))
