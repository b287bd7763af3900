"""A fleet of processes of a test's own, on a machine whose Docker is hidden."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from nautilus_cli.runtimes.process import kernel, record
from tests.scenarios.world import World, server


class ProcessWorld(World):
    """A fleet of processes on a machine whose Docker is hidden."""

    @property
    def environ(self) -> dict[str, str]:
        """What the command line sees."""
        return {**super().environ, "DOCKER_HOST": "tcp://127.0.0.1:1", "NAUTILUS_STATE_HOME": str(self.home)}

    @property
    def home(self) -> Path:
        """Where every fleet of this test is written down."""
        return self.folder / "state"

    def specs(self, engine: str) -> list[tuple[Path, record.Spec]]:
        """The replicas of an engine, by slot."""
        folders = sorted((self.home / self.name / "replicas").glob("[!.]*"))
        found = [(folder, spec) for folder in folders if (spec := record.read_spec(folder))]
        return sorted(((f, s) for f, s in found if s.engine == engine), key=lambda pair: pair[1].slot)

    def state(self, folder: Path) -> record.Status:
        """What its supervisor wrote last."""
        status = record.read_status(folder)
        assert status
        return status

    def processes(self) -> list[str]:
        """The command lines of everything that belongs to this fleet."""
        lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
        marked = [path.parent for path in kernel.PROC.glob("[0-9]*/environ")]
        named = f"{record.MARK}={self.name}-".encode()
        inside = [str(p) for p in marked if any(word.startswith(named) for word in kernel.variables(p))]
        return inside + [line for line in lines if str(self.home) in line]


def engine(port: int, **changes: Any) -> dict[str, Any]:
    """An engine that runs server.py without an image."""
    declared = server(port, **changes)
    return {**declared, "process": {"command": declared["command"]}, "restart": "always"}
