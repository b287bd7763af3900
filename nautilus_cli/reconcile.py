"""What has to change: a pure function from what is wanted and what is there to a Plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from nautilus_cli.fleet import Engine, Fleet, Service, Update
from nautilus_cli.plan import Action, Kind, Plan
from nautilus_cli.rollout import Verb, rollout
from nautilus_cli.snapshot import Host, Limits, Replica, Snapshot
from nautilus_cli.units import about_size, show_cpus

SERVICE_UPDATE = Update(order="stop-first", monitor=0)  # its data has one owner at a time
RESTARTED = ""  # the fingerprint of what is exchanged for its equal
UNKNOWN = "?"  # the fingerprint of what has no image yet: nothing that runs has it


def reconcile(fleet: Fleet, snapshot: Snapshot, only: Collection[str] | None = None, data: bool = False) -> Plan:
    """The plan that makes the snapshot match the fleet; empty when it does.

    Order: images first, so that a failing build touches nothing; then the ports, so that what leaves the file is
    unreachable before it stops; then engines in waves by `depends_on`; then what is not in the file, in reverse.
    `only` limits builds and deploys to these names, and removes nothing. With `data`, an empty fleet loses its volumes.
    """
    names = [name for name in fleet.workloads if only is None or name in only]
    actions = [*builds(fleet, snapshot, names)]
    if snapshot.gateway:
        actions.append(Action(Kind.EXPOSE, "gateway", snapshot.gateway))
    actions += deploys(fleet, snapshot, names)
    if only is None:
        actions += removals(fleet, snapshot)
    left = (*snapshot.leftovers, *(f"volume {name} with its data" for name in snapshot.data if data))
    if not fleet.workloads and left:
        actions.append(Action(Kind.CLEAR, fleet.name, ", ".join(left)))
    return Plan(tuple(actions), tuple(warnings(fleet, snapshot.host)) if fleet.workloads else ())


def builds(fleet: Fleet, snapshot: Snapshot, names: Collection[str]) -> Iterator[Action]:
    """One action for each image that is not there yet."""
    for name in [*names, *(["gateway"] if fleet.engines else [])]:
        image = snapshot.images.get(name)
        if image and image.id is None:
            workload = fleet.workloads.get(name)
            pulled = workload is not None and not getattr(workload, "build", None)
            yield Action(Kind.BUILD, name, f"{image.reference} is not here" if pulled else "no image for this content")


def deploys(fleet: Fleet, snapshot: Snapshot, names: Collection[str]) -> Iterator[Action]:
    """One action for each engine or service of which a rollout would have steps, wave by wave."""
    depths = waves(fleet)
    for name in sorted(names, key=lambda n: (depths[n], list(fleet.workloads).index(n))):
        count = wanted(fleet.workloads[name], snapshot.counts)
        if why := reason(fleet, snapshot, name, count):
            yield Action(Kind.DEPLOY, name, why, count, depths[name])


def removals(fleet: Fleet, snapshot: Snapshot) -> Iterator[Action]:
    """One action for each thing that runs and is not in the file, the last wave first."""
    gone = [name for name in snapshot.names if name not in fleet.workloads]
    why = "not in the file" if fleet.workloads else "the fleet goes down"
    for name in sorted(gone, key=lambda n: (-snapshot.wave(n), n)):
        yield Action(Kind.REMOVE, name, why, wave=-snapshot.wave(name))


def wanted(workload: Engine | Service, counts: Mapping[str, int]) -> int:
    """The number of replicas: chosen now, else chosen before and still in range, else the minimum."""
    if isinstance(workload, Service):
        return 1
    low, high = workload.replicas.min, workload.replicas.max
    return workload.count if workload.count is not None else min(max(counts.get(workload.name, low), low), high)


def effective(workload: Engine | Service, host: Host) -> Limits:
    """What one replica is granted: what the file asks, at most what the host has; nothing where none is enforced."""
    cpus, memory = workload.resources.cpus, workload.resources.memory
    if not host.limited:
        return Limits()
    return Limits(
        cpus=None if cpus is None else min(cpus, host.cpus),
        memory=None if memory is None else min(memory, host.memory),
    )


def update_of(workload: Engine | Service) -> Update:
    """How replicas of this are exchanged."""
    return workload.update if isinstance(workload, Engine) else SERVICE_UPDATE


def standing(workload: Engine | Service, replicas: Iterable[Replica]) -> tuple[Replica, ...]:
    """The replicas as a rollout has to see them: those that a restart exchanges are of no version."""
    return tuple(replace(r, fingerprint=RESTARTED) if r.name in workload.replaced else r for r in replicas)


def reason(fleet: Fleet, snapshot: Snapshot, name: str, count: int) -> str:
    """Why an engine has to be deployed, in words; empty when a rollout would have no step."""
    workload = fleet.workloads[name]
    replicas = standing(workload, snapshot.of(name))
    mark = snapshot.fingerprints.get(name, UNKNOWN)
    limits = effective(workload, snapshot.host)
    stages = rollout(update_of(workload), count, replicas, mark, limits)
    if not stages:
        return ""
    verbs = {step.verb for stage in stages for step in stage}
    alive = [r for r in replicas if r.state.alive]
    return (
        "; ".join(
            why
            for why in (
                "" if replicas else "not running",
                difference(snapshot, name, alive, mark),
                f"replicas {len(alive)} -> {count}" if replicas and len(alive) != count else "",
                limits_change(alive, limits) if Verb.ADJUST in verbs else "",
                idle(replicas),
            )
            if why
        )
        or "an interrupted change is finished"
    )


def difference(snapshot: Snapshot, name: str, alive: Collection[Replica], mark: str) -> str:
    """Which aspects of the declaration changed since the replicas were made."""
    if any(r.fingerprint == RESTARTED for r in alive):
        return "restart asked"
    old = [r for r in alive if r.fingerprint != mark]
    if not old:
        return ""
    now = snapshot.aspects.get(name, {})
    changed = sorted({aspect for r in old for aspect in now if r.aspects.get(aspect) != now[aspect]})
    return f"{', '.join(changed) or 'image'} changed"


def limits_change(alive: Collection[Replica], limits: Limits) -> str:
    """The change of CPU and memory, in the file's units."""
    was = next(r.limits for r in alive if r.limits != limits)
    changes = []
    if was.cpus != limits.cpus:
        changes.append(f"cpus {_cpus(was.cpus)} -> {_cpus(limits.cpus)}")
    if was.memory != limits.memory:
        changes.append(f"memory {_memory(was.memory)} -> {_memory(limits.memory)}")
    return ", ".join(changes)


def idle(replicas: Collection[Replica]) -> str:
    """How many replicas are there and serve nobody."""
    dead = [r for r in replicas if not r.state.alive]
    waiting = [r for r in replicas if r.state.alive and not r.routed]
    codes = sorted({str(r.exit_code) for r in dead if r.exit_code is not None})
    return ", ".join(
        text
        for text in (
            f"{len(dead)} not running" + (f" (exit {', '.join(codes)})" if codes else "") if dead else "",
            f"{len(waiting)} not routed" if waiting else "",
        )
        if text
    )


def waves(fleet: Fleet) -> dict[str, int]:
    """The wave of each engine and service: one more than the latest of what it depends on."""
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in depths:
            depths[name] = max((depth(other) + 1 for other in fleet.workloads[name].depends_on), default=0)
        return depths[name]

    for name in fleet.workloads:
        depth(name)
    return depths


def warnings(fleet: Fleet, host: Host) -> Iterator[str]:
    """What is special about the host, and where it cannot grant what the file asks."""
    yield from host.notes
    if not host.limited:
        return
    total = 0
    for name, workload in fleet.workloads.items():
        asked, granted = workload.resources, effective(workload, host)
        if asked.cpus != granted.cpus:
            yield f"{name}: {_cpus(asked.cpus)} CPUs asked, the host has {_cpus(host.cpus)}: lowered to that"
        if asked.memory != granted.memory:
            yield f"{name}: {_memory(asked.memory)} asked, the host has {_memory(host.memory)}: lowered to that"
        total += (granted.memory or 0) * (workload.replicas.min if isinstance(workload, Engine) else 1)
    if total > host.memory:
        sums = f"memory limits add up to {_memory(total)}, the host has {_memory(host.memory)}"
        yield f"{sums}: replicas may be killed under load"


def _cpus(cpus: float | None) -> str:
    return "no limit" if cpus is None else show_cpus(cpus)


def _memory(memory: int | None) -> str:
    return "no limit" if memory is None else about_size(memory)
