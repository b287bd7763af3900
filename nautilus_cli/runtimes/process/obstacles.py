"""What of a fleet no process can be, told before anything is touched."""

from __future__ import annotations

from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Fleet
from nautilus_cli.runtimes.process import kernel


def refuse(fleet: Fleet) -> None:
    """`ConfigError` names everything in the file that no process can be."""
    if found := obstacles(fleet):
        hint = "write process: {command: ...} under the engine, or start Docker (runtime: docker)"
        raise ConfigError("\n".join(found), hint)


def obstacles(fleet: Fleet) -> list[str]:
    """What keeps this fleet from running without Docker."""
    found = [
        f"{name}: kind: container needs Docker; without it there is kind: redis alone"
        for name, service in fleet.services.items()
        if service.kind != "redis"
    ]
    for name, engine in fleet.engines.items():
        if engine.process is None:
            found.append(f"{name}: has no process.command, so it cannot run without Docker")
        if engine.volumes or engine.secrets:
            found.append(f"{name}: volumes and secrets need Docker")
        if engine.hooks:
            found.append(f"{name}: hooks need Docker")
    if not kernel.PROC.is_dir():
        found.append("processes are kept on Linux alone: it needs /proc")
    return found
