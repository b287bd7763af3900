"""Fleets, snapshots and plans as tables, and as data for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nautilus_cli.fleet import Engine, Fleet, Service
from nautilus_cli.plan import Plan
from nautilus_cli.reconcile import effective, wanted
from nautilus_cli.snapshot import Replica, Snapshot, State, Traffic, Usage
from nautilus_cli.units import about_size, show_cpus, show_duration

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

SCHEMA = "nautilus.status/1"


def status_view(
    fleet: Fleet, snapshot: Snapshot, plan: Plan, usage: Mapping[str, Usage] | None = None, *, wide: bool = False
) -> Group:
    """The engines, if asked their replicas, and whether all is as the file says."""
    from rich.console import Group

    tables = [status_table(fleet, snapshot, plan)]
    if wide or usage is not None:
        tables.append(replica_table(fleet, snapshot, usage))
    return Group(*tables, summary(fleet, plan))


def status_table(fleet: Fleet, snapshot: Snapshot, plan: Plan) -> Table:
    """One row an engine and service, in 100 columns."""
    table = grid("engine", "port>", "replicas", "health", "version", "age>", "restarts>", "req/s>", "mean>", "changes")
    for name in [*fleet.workloads, *(n for n in snapshot.names if n not in fleet.workloads)]:
        table.add_row(*row(fleet, snapshot, plan, name))
    return table


def grid(*heads: str) -> Table:
    """An empty table; a head that ends with '>' has its figures on the right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in heads:
        table.add_column(head.rstrip(">").upper(), justify="right" if head.endswith(">") else "left", overflow="fold")
    return table


def row(fleet: Fleet, snapshot: Snapshot, plan: Plan, name: str) -> tuple[str, ...]:
    """The cells of one engine or service."""
    workload, replicas = fleet.workloads.get(name), snapshot.of(name)
    alive = [r for r in replicas if r.state.alive]
    traffic = snapshot.traffic.get(name)
    return (
        name,
        port_cell(workload),
        replicas_cell(workload, snapshot, name),
        styled(health(workload, snapshot, name)),
        version(replicas),
        age(min((r.created for r in alive), default=None), snapshot.at),
        str(sum(r.restarts for r in replicas)),
        str(traffic.rate) if traffic else "-",
        mean(traffic),
        changes(plan, name),
    )


def version(replicas: Sequence[Replica]) -> str:
    """The image's tag, shortened; 'mixed' while several run."""
    tags = {replica.image.rpartition(":")[2] for replica in replicas if replica.state.alive}
    return (tags.pop()[:8] if len(tags) == 1 else "mixed") if tags else "-"


def age(created: float | None, now: float) -> str:
    """Since when the oldest replica lives."""
    return "-" if created is None else show_duration(max(0.0, now - created))


def mean(traffic: Traffic | None) -> str:
    """The mean time of an answer; the gateway counts in whole milliseconds."""
    if traffic is None or not traffic.requests:
        return "-"
    return f"{traffic.mean_ms}ms" if traffic.mean_ms else "<1ms"


def replica_table(fleet: Fleet, snapshot: Snapshot, usage: Mapping[str, Usage] | None) -> Table:
    """One row a replica: where it is, what it was asked and is granted, how it ended last; with usage if measured."""
    heads = ["replica", "state", "address", "cpus>", "memory>", "age>", "restarts>", "last exit"]
    table = grid(*heads, *(["cpu>", "in use>"] if usage is not None else []))
    for replica in sorted(snapshot.replicas, key=lambda r: (r.engine, r.slot, r.name)):
        table.add_row(*replica_row(fleet, snapshot, replica), *used(replica, usage))
    return table


def replica_row(fleet: Fleet, snapshot: Snapshot, replica: Replica) -> tuple[str, ...]:
    """The cells of one replica."""
    workload = fleet.workloads.get(replica.engine)
    asked = workload.resources if workload else None
    state = "crash loop" if replica.crash_loop(snapshot.at) else replica.state.value
    state = state if replica.routed or not replica.state.alive else f"{state}, not routed"
    return (
        f"{replica.engine}/{replica.slot}",
        state,
        replica.address,
        limit(asked and asked.cpus, replica.limits.cpus, show_cpus),
        limit(asked and asked.memory, replica.limits.memory, about_size),
        age(replica.created, snapshot.at) if replica.state.alive else "-",
        str(replica.restarts),
        last_exit(replica),
    )


def limit(asked: Any, granted: Any, show: Callable[[Any], str]) -> str:
    """One limit; `4 -> 2` where the replica is granted less than the file asks."""
    if granted is None:
        return "-" if asked is None else f"{show(asked)} -> none"
    return show(granted) if asked in (None, granted) else f"{show(asked)} -> {show(granted)}"


def last_exit(replica: Replica) -> str:
    """How it ended, where it does not run."""
    if replica.exit_code is None:
        return "-"
    return f"{replica.exit_code} (oom)" if replica.oom_killed else str(replica.exit_code)


def used(replica: Replica, usage: Mapping[str, Usage] | None) -> tuple[str, ...]:
    """CPU as a share of the limit, and memory; nothing where it was not measured."""
    if usage is None:
        return ()
    if (now := usage.get(replica.name)) is None:
        return "-", "-"
    return f"{100 * now.cpus / (replica.limits.cpus or 1):.0f}%", about_size(now.memory)


def port_cell(workload: Engine | Service | None) -> str:
    """The port; in brackets when only the fleet's own network reaches it."""
    if workload is None or workload.port is None:
        return "-"
    return str(workload.port) if isinstance(workload, Engine) else f"({workload.port})"


def styled(word: str) -> str:
    """A word of health in its colour."""
    colour = {"healthy": "green", "degraded": "yellow", "down": "red", "crash loop": "red"}.get(word)
    return f"[{colour}]{word}[/]" if colour else word


def replicas_cell(workload: Engine | Service | None, snapshot: Snapshot, name: str) -> str:
    """`2/2 (2-8)`: ready, wanted, range."""
    ready = len(ready_of(snapshot, name))
    if workload is None:
        return f"{ready}/0"
    span = f" ({workload.replicas.min}-{workload.replicas.max})" if isinstance(workload, Engine) else ""
    return f"{ready}/{wanted(workload, snapshot.counts)}{span}"


def ready_of(snapshot: Snapshot, name: str) -> list[Replica]:
    """The replicas that serve."""
    return [r for r in snapshot.of(name) if r.state is State.READY and r.routed]


def health(workload: Engine | Service | None, snapshot: Snapshot, name: str) -> str:
    """healthy, degraded, crash loop or down."""
    ready = len(ready_of(snapshot, name))
    if any(replica.crash_loop(snapshot.at) for replica in snapshot.of(name)):
        return "crash loop"
    if workload is None or ready >= wanted(workload, snapshot.counts):
        return "healthy" if ready else "down"
    return "degraded" if ready else "down"


def changes(plan: Plan, name: str) -> str:
    """Whether the next `up` would change it; why is told under the table."""
    pending = sum(action.subject == name for action in plan.actions)
    return f"[yellow]{pending} pending[/]" if pending else "in sync"


def unhealthy(fleet: Fleet, snapshot: Snapshot) -> list[str]:
    """The engines and services that do not have every wanted replica ready."""
    return [name for name, w in fleet.workloads.items() if health(w, snapshot, name) != "healthy"]


def summary(fleet: Fleet, plan: Plan) -> str:
    """The lines under the table: in sync, or what the next `up` would do."""
    if not plan:
        return f"fleet {fleet.name}: in sync"
    pending = f"{len(plan.actions)} change{'s' if len(plan.actions) != 1 else ''} pending, `nautilus up` makes them:"
    return f"fleet {fleet.name}: {pending}\n{plan_text(plan)}"


def status_data(
    fleet: Fleet, snapshot: Snapshot, plan: Plan, usage: Mapping[str, Usage] | None = None
) -> dict[str, Any]:
    """The same as plain data, under a versioned schema."""
    return {
        "schema": SCHEMA,
        "fleet": fleet.name,
        "in_sync": not plan,
        "changes": [{"action": a.kind.value, "subject": a.subject, "reason": a.reason} for a in plan.actions],
        "warnings": list(plan.warnings),
        "engines": [engine_data(fleet, snapshot, name, usage or {}) for name in fleet.workloads],
    }


def engine_data(fleet: Fleet, snapshot: Snapshot, name: str, usage: Mapping[str, Usage]) -> dict[str, Any]:
    """One engine or service as plain data."""
    workload = fleet.workloads[name]
    granted = effective(workload, snapshot.host)
    span = workload.replicas if isinstance(workload, Engine) else None
    traffic = snapshot.traffic.get(name)
    return {
        "name": name,
        "kind": "engine" if isinstance(workload, Engine) else "service",
        "port": workload.port,
        "ready": len(ready_of(snapshot, name)),
        "wanted": wanted(workload, snapshot.counts),
        "min": span.min if span else 1,
        "max": span.max if span else 1,
        "health": health(workload, snapshot, name),
        "version": version(snapshot.of(name)),
        "restarts": sum(replica.restarts for replica in snapshot.of(name)),
        "traffic": asdict(traffic) if traffic else None,
        "limits": {
            "asked": {"cpus": workload.resources.cpus, "memory": workload.resources.memory},
            "effective": {"cpus": granted.cpus, "memory": granted.memory},
        },
        "replicas": [replica_data(r, snapshot.at, usage.get(r.name)) for r in snapshot.of(name)],
    }


def replica_data(replica: Replica, now: float, usage: Usage | None) -> dict[str, Any]:
    """One replica as plain data."""
    return {
        "name": replica.name,
        "slot": replica.slot,
        "state": replica.state.value,
        "routed": replica.routed,
        "address": replica.address,
        "fingerprint": replica.fingerprint,
        "image": replica.image,
        "age_seconds": round(max(0.0, now - replica.created), 1),
        "restarts": replica.restarts,
        "exit_code": replica.exit_code,
        "detail": replica.detail,
        "oom_killed": replica.oom_killed,
        "limits": {"cpus": replica.limits.cpus, "memory": replica.limits.memory},
        "usage": asdict(usage) if usage else None,
    }


def plan_text(plan: Plan) -> str:
    """A plan as people read it before it runs."""
    return "\n".join(f"  {action}" for action in plan.actions)
