"""Where replicas live. This is the one place that chooses a runtime."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nautilus_cli.errors import ConfigError, RuntimeUnavailable

if TYPE_CHECKING:
    from docker.api.client import APIClient

    from nautilus_cli.fleet import Fleet
    from nautilus_cli.runtimes.base import Runtime


@contextlib.contextmanager
def open_runtime(fleet: Fleet, declared: Fleet | None = None) -> Iterator[Runtime]:
    """The runtime that the file asks for, open for one command; `RuntimeUnavailable` says why it cannot be.

    `auto` is where the fleet runs already, else docker, else process. A fleet with something in it is never opened on
    one runtime while it runs on another: that is a `ConfigError`. `declared` is what the file says of a fleet that is
    wanted empty: where it needs Docker and Docker is silent, nobody knows whether it runs.
    """
    api, why = chosen(fleet, declared)
    if api is None:
        from nautilus_cli.runtimes.process.runtime import ProcessRuntime

        with contextlib.closing(ProcessRuntime(fleet, why)) as processes:
            yield processes
        return
    from nautilus_cli.runtimes.connection import kept
    from nautilus_cli.runtimes.docker import DockerRuntime

    with contextlib.closing(DockerRuntime(api, fleet)) as containers, kept():
        yield containers


def chosen(fleet: Fleet, declared: Fleet | None = None) -> tuple[APIClient | None, str]:
    """Docker, or None for processes and why, where the file leaves it open."""
    declared = declared or fleet
    from nautilus_cli.runtimes.process.home import Home

    running = bool(Home(fleet.name).specs())
    if fleet.runtime == "auto" and running:
        return None, "the fleet runs without Docker already"
    if fleet.runtime == "docker" and running and fleet.workloads:
        raise elsewhere(fleet, "as processes of this machine", "process")
    from nautilus_cli.runtimes.connection import connect

    try:
        api = connect()
    except RuntimeUnavailable as silence:
        if fleet.runtime == "docker" or needs_docker(declared):
            raise RuntimeUnavailable("\n".join([silence.message, *needs_docker(declared)]), silence.hint) from silence
        return None, "no Docker engine answers" if fleet.runtime == "auto" else ""
    if fleet.runtime != "process":
        return api, ""
    with contextlib.closing(api):
        if fleet.workloads and not running and contained(api, fleet):
            raise elsewhere(fleet, "in Docker", "docker")
    return None, ""


def needs_docker(fleet: Fleet) -> list[str]:
    """What keeps a fleet from running without Docker; not told to who asked for Docker."""
    from nautilus_cli.runtimes.process.obstacles import obstacles

    return obstacles(fleet) if fleet.runtime == "auto" else []


def contained(api: APIClient, fleet: Fleet) -> bool:
    """Whether a replica of the fleet is in Docker."""
    from nautilus_cli.runtimes import labels

    wanted = {"label": [f"{labels.FLEET}={fleet.name}", f"{labels.ROLE}={labels.ENGINE_ROLE}"]}
    return bool(api.containers(all=True, filters=wanted))


def elsewhere(fleet: Fleet, where: str, runtime: str) -> ConfigError:
    """A fleet does not run twice."""
    hint = f"stop it first: nautilus --runtime {runtime} down"
    return ConfigError(f"fleet {fleet.name} runs {where}", hint)


__all__ = ["RuntimeUnavailable", "open_runtime"]
