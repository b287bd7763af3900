"""Where a fleet of processes is written down on this machine, and whose turn it is to change it."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from nautilus_cli.errors import Busy
from nautilus_cli.runtimes.process import cgroups, kernel, record
from nautilus_cli.runtimes.process.record import Spec

HOME = "NAUTILUS_STATE_HOME"
LOCK, WANTED, VOLUMES = "lock", "wanted.json", "volumes"
SPARE = 5.0  # seconds that a supervisor may need beyond the grace period of its replica


def state_home() -> Path:
    """The folder of all fleets of this user."""
    if named := os.environ.get(HOME):
        return Path(named).absolute()
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state").absolute() / "nautilus"


class Home:
    """The folder of one fleet."""

    def __init__(self, fleet: str) -> None:
        self.fleet = fleet
        self.root = state_home() / fleet
        self.replicas = self.root / "replicas"
        self.gateway = self.root / "edge" / "gateway"

    def make(self) -> None:
        """It is there, for its owner alone."""
        for folder in (self.root, self.replicas):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def specs(self) -> list[Spec]:
        """Every replica that was made, by name; one that was only begun is none."""
        if not self.replicas.is_dir():
            return []
        found = (record.read_spec(folder) for folder in sorted(self.replicas.iterdir()) if folder.name[0] != ".")
        return [spec for spec in found if spec]

    def add(self, spec: Spec) -> Path:
        """The folder of a new replica, there from one moment to the next with its specification in it."""
        self.make()
        begun, folder = self.replicas / f".{spec.name}", self.replicas / spec.name
        begun.mkdir(mode=0o700)
        record.write(begun / record.SPEC, spec)
        return begun.rename(folder)

    def forget(self, folder: Path) -> None:
        """Nothing of it is left, its cgroups neither. It loses its name first: no half of it is taken for a replica."""
        cgroups.remove(record.read_bounds(folder).folders)
        gone = folder.with_name(f".{folder.name}")
        with suppress(FileNotFoundError):
            folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def tidy(self) -> None:
        """What a command that was killed had only begun to make or to remove is gone; call it under the lock."""
        if self.replicas.is_dir():
            for folder in self.replicas.glob(".*"):
                shutil.rmtree(folder, ignore_errors=True)

    def counts(self) -> dict[str, int]:
        """The replica counts that a person chose."""
        try:
            found = json.loads((self.root / WANTED).read_text())["counts"]
            return {str(name): int(count) for name, count in found.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def choose(self, counts: Mapping[str, int], cause: str) -> None:
        """Remember these counts from now on, the others stay."""
        self.make()
        at = datetime.now(UTC).isoformat(timespec="seconds")
        entry = {"counts": {**self.counts(), **counts}, "at": at, "who": getpass.getuser(), "cause": cause}
        record.replace(self.root / WANTED, json.dumps(entry))

    def data(self) -> tuple[str, ...]:
        """The volumes that `down` keeps."""
        folder = self.root / VOLUMES
        return tuple(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else ()

    def leftovers(self) -> tuple[str, ...]:
        """What belongs to no replica and is no data."""
        if not self.root.is_dir():
            return ()
        rest = {path.name for path in self.root.iterdir()} - {LOCK, VOLUMES}
        return (f"folder {self.root}",) if rest else ()

    def clear(self, data: bool) -> None:
        """Everything is gone but the lock and, unless asked, the data."""
        for path in self.root.iterdir() if self.root.is_dir() else ():
            if path.is_dir() and (data or path.name != VOLUMES):
                shutil.rmtree(path)
            elif path.name not in (LOCK, VOLUMES):
                path.unlink()


def end(folder: Path, spec: Spec) -> None:
    """No process of a replica runs afterwards: signal, grace period, kill. Its files stay."""
    status = record.read_status(folder)
    if status and status.supervisor.alive:
        status.supervisor.signal(signal.SIGTERM)
        if not status.supervisor.gone(spec.grace + SPARE):
            status.supervisor.signal(signal.SIGKILL)
    kernel.sweep(spec.mark, status.supervisor if status else None)


class FileLock:
    """Held from `with` to its end, and by no process that has ended: the kernel gives it back."""

    def __init__(self, home: Home, purpose: str, patience: float = 0.3) -> None:
        self._home, self._purpose, self._patience = home, purpose, patience
        self._path = home.root / LOCK
        self._file: IO[str] | None = None

    def __enter__(self) -> FileLock:
        end = time.monotonic() + self._patience
        while not self._take():
            if time.monotonic() > end:
                with suppress(OSError):
                    holder = self._path.read_text().strip() or "somebody"
                    raise Busy(
                        f"{self._home.fleet}: another change is running: {holder}",
                        "wait until it is done; it holds the lock only as long as it lives",
                    )
            time.sleep(0.02)
        self._home.tidy()
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._file
        with self._file, suppress(OSError):  # a folder with anything else in it stays
            if not self._home.data() and not self._home.leftovers():
                self._path.unlink()
                self._home.root.rmdir()

    def _take(self) -> bool:
        """Take the lock of the file that bears its name now: whoever held it before may have removed it."""
        self._home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.fstat(file.fileno()).st_ino == self._path.stat().st_ino
        except OSError:
            held = False
        if not held:
            file.close()
            return False
        file.truncate(0)
        file.write(f"{self._purpose} by {getpass.getuser()} (pid {os.getpid()}) since {datetime.now():%H:%M:%S}\n")
        file.flush()
        self._file = file
        return True
