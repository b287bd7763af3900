"""What a watch mends: the fleet as it was deployed last, what of it is broken, and how often it may be tried; pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Engine, Fleet, Service
from nautilus_cli.history import as_it_was, newest_first
from nautilus_cli.plan import Kind, Plan
from nautilus_cli.reconcile import reconcile
from nautilus_cli.snapshot import Snapshot, State

FIRST = 10.0  # seconds between the first and the second repair of one engine; doubled with each further one
LONGEST = 300.0
CALM = 600.0  # after so long without a repair the next one is a first one again
GONE = "not running"  # what is wrong with a gateway that a watch brings back


@dataclass(frozen=True, slots=True)
class Repairs:
    """What a round does, and what it leaves to people."""

    plan: Plan
    fleet: Fleet  # with the replicas that have to be exchanged
    notes: dict[str, str] = field(default_factory=dict)  # by engine or replica


def deployed(fleet: Fleet, snapshot: Snapshot) -> Fleet:
    """The fleet as its last changes made it: an edit of the file that nobody has brought up yet counts for nothing.

    What was never deployed is not in it. An engine of which no version is on record is as the file says.
    """
    names = sorted({*fleet.engines, *snapshot.names} - {*fleet.services})
    engines = {name: engine for name in names if (engine := engine_deployed(name, fleet, snapshot))}
    services = {name: service for name, service in fleet.services.items() if snapshot.of(name)}
    return fleet.model_copy(update={"engines": engines, "services": services})


def engine_deployed(name: str, fleet: Fleet, snapshot: Snapshot) -> Engine | None:
    """One engine as it was deployed, on the port that the file has now; None where it was not."""
    now, there = fleet.engines.get(name), snapshot.of(name)
    newest = newest_first(snapshot.versions, name)
    running = {replica.fingerprint for replica in there if replica.state.alive}
    if not newest or not (now or there):
        return now if there else None
    if running and newest[0].fingerprint not in running:
        return now  # its change was killed before it could be put on record
    try:
        was = as_it_was(newest[0], fleet)
    except ConfigError:
        return now  # which is another one: `unlike` tells
    return was.model_copy(update={"hooks": None, "port": now.port if now else was.port})


def decide(fleet: Fleet, snapshot: Snapshot, backoff: Backoff, now: float) -> Repairs:
    """What is missing comes back, what hangs is exchanged; never another version, and not before its turn."""
    notes: dict[str, str] = {}
    sick: dict[str, list[str]] = {}
    names = set()
    for name, workload in fleet.workloads.items():
        for replica in snapshot.of(name):
            if replica.crash_loop(snapshot.at):
                text = f"crash loop: {replica.restarts} restarts; Docker starts it again, less and less often"
                notes[f"{name}/{replica.slot}"] = text
        if why := unlike(workload, snapshot):
            notes[name] = why
        elif backoff.due(name, now):
            names.add(name)
            sick[name] = hanging(workload, snapshot)
    wanted = fleet.with_replaced(sick)
    plan = reconcile(wanted, snapshot, names)
    gateway = snapshot.gateway == GONE and backoff.due("gateway", now)
    actions = [a for a in plan.actions if a.kind is Kind.DEPLOY or (gateway and a.subject == "gateway")]
    return Repairs(Plan(tuple(actions)), wanted, notes)


def unlike(workload: Engine | Service, snapshot: Snapshot) -> str:
    """Why replicas of this cannot be made again as they are, in words; empty when they can."""
    running = {replica.fingerprint for replica in snapshot.of(workload.name) if replica.state.alive}
    if len(running) > 1:
        return "two versions run: a change stands half way; `nautilus up` or `nautilus rollback` ends it"
    newest = newest_first(snapshot.versions, workload.name)
    recorded = {newest[0].fingerprint} if newest else running
    mark = snapshot.fingerprints.get(workload.name)
    if (running or recorded) != {mark}:
        return "its image, secrets or the file are not what it was deployed with; `nautilus up` brings it in sync"
    return ""


def hanging(workload: Engine | Service, snapshot: Snapshot) -> list[str]:
    """The names of replicas that run and fail their check, after the time that a start may take."""
    return [
        replica.name
        for replica in snapshot.of(workload.name)
        if replica.state is State.UNHEALTHY
        and not replica.crash_loop(snapshot.at)
        and snapshot.at - replica.started > workload.healthcheck.start_period
    ]


@dataclass
class Backoff:
    """When each engine may be repaired again: at once, then less and less often while it keeps on breaking."""

    tried: dict[str, tuple[int, float]] = field(default_factory=dict)  # how often in a row, and when last

    def due(self, name: str, now: float) -> bool:
        """Whether it is its turn."""
        count, last = self.tried.get(name, (0, now))
        return count == 0 or now - last >= min(LONGEST, FIRST * 2 ** (count - 1))

    def attempt(self, name: str, now: float) -> None:
        """It is repaired now."""
        count, last = self.tried.get(name, (0, now))
        self.tried[name] = (1 if now - last > CALM else count + 1, now)
