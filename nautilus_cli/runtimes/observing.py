"""From what Docker says of a container to a Replica: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from nautilus_cli.gateways.base import Route
from nautilus_cli.health import Vitals
from nautilus_cli.runtimes import labels
from nautilus_cli.runtimes.containers import limits_of
from nautilus_cli.snapshot import Replica, State


def replica(found: Mapping[str, Any], route: Route | None) -> Replica:
    """One replica from `docker inspect` and from what the gateway knows of it."""
    marks, state = found["Config"]["Labels"], found["State"]
    service = marks[labels.ROLE] == labels.SERVICE_ROLE
    alive = state["Running"] or state["Paused"] or state["Restarting"]
    return Replica(
        engine=marks[labels.ENGINE],
        slot=int(marks[labels.SLOT]),
        name=found["Name"].lstrip("/"),
        id=found["Id"],
        fingerprint=marks[labels.FINGERPRINT],
        aspects=labels.aspects_of(marks),
        state=service_state(state) if service else engine_state(state, route),
        routed=alive and (service or (route is not None and route.routed)),
        address=address(found),
        limits=limits_of(found["HostConfig"]),
        image=found["Config"]["Image"],
        wave=int(marks[labels.WAVE]),
        created=moment(found["Created"]),
        started=max(0.0, moment(state["StartedAt"])),
        restarts=found["RestartCount"],
        exit_code=None if alive or state["Status"] == "created" else state["ExitCode"],
        oom_killed=state["OOMKilled"],
        pid=state["Pid"],
        detail=route.detail if route else state.get("Error", ""),
    )


def engine_state(state: Mapping[str, Any], route: Route | None) -> State:
    """The gateway's check decides on the health of what it routes to."""
    if state["Status"] == "created":
        return State.CREATED
    if not (state["Running"] or state["Restarting"]):
        return State.EXITED
    if route is None or not route.routed:
        return State.STARTING
    return State.READY if route.healthy and not (state["Paused"] or state["Restarting"]) else State.UNHEALTHY


def service_state(state: Mapping[str, Any]) -> State:
    """Docker's own check decides on a service, where it has one; it was seen ready when it was deployed."""
    if state["Status"] == "created":
        return State.CREATED
    if not (state["Running"] or state["Restarting"]):
        return State.EXITED
    sick = state["Paused"] or state["Restarting"] or state.get("Health", {}).get("Status") == "unhealthy"
    return State.UNHEALTHY if sick else State.READY


def vitals(found: Mapping[str, Any]) -> Vitals:
    """Whether the process of an inspected container lives."""
    state = found["State"]
    alive = state["Running"] and not state["Restarting"]
    return Vitals(alive, found["RestartCount"], None if alive else state["ExitCode"], state["OOMKilled"])


def address(found: Mapping[str, Any]) -> str:
    """The fixed address of a container, also while it does not run."""
    for endpoint in found["NetworkSettings"]["Networks"].values():
        fixed = (endpoint.get("IPAMConfig") or {}).get("IPv4Address")
        return str(fixed or endpoint.get("IPAddress") or "")
    return ""


def route_of(marks: Mapping[str, str], where: str, routes: Iterable[Route]) -> Route | None:
    """The gateway's route to this engine's address."""
    return next((r for r in routes if r.engine == marks[labels.ENGINE] and r.address == where), None)


def moment(text: str) -> float:
    """Seconds since the epoch of Docker's time stamp."""
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp()
