"""Runs the stages of a rollout on replicas and a gateway, and takes a failed one back; for docker and process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from nautilus_cli.errors import NautilusError, RolloutFailed, RolloutStopped
from nautilus_cli.events import Emit, Event, Phase
from nautilus_cli.fleet import Engine, Service, Update
from nautilus_cli.gateways.base import Session
from nautilus_cli.health import VITALS, Answer, Cancelled, Halt, NotReady, Vitals, Watch, monitor, wait_ready
from nautilus_cli.rollout import Stage, Step, Verb, give_way, paused, spared, undo
from nautilus_cli.snapshot import Replica
from nautilus_cli.units import show_duration

STARTS = 4  # replicas of one rollout started at a time, where the runtime gives no turns that all rollouts share
LOG_LINES = 15
ARRIVING = (Verb.START, Verb.ROUTE, Verb.MONITOR)  # what a new replica may fail at
CROWD = 8  # replicas whose processes are looked at as often as those of one: each look is a call of the daemon
DRAINED = 0.01  # seconds between two looks at a draining replica


class Place(Protocol):
    """Where the replicas of one engine live; every verb is idempotent."""

    def start(self, slot: int) -> Replica:
        """Make and start a new replica on this slot; nothing is left of one that cannot start."""
        ...

    def restore(self, replica: Replica) -> None:
        """Start again what was stopped."""
        ...

    def stop(self, replica: Replica) -> None:
        """End it: signal, grace period, kill. It can be restored."""
        ...

    def remove(self, replica: Replica) -> None:
        """Nothing of it is left."""
        ...

    def adjust(self, replica: Replica) -> None:
        """Give it the CPU and memory limits that are wanted now."""
        ...

    def vitals(self, replica: Replica) -> Vitals:
        """Whether its process lives."""
        ...

    def answer(self, replica: Replica) -> Answer:
        """What its own health check says, where no gateway checks it."""
        ...

    def logs(self, replica: Replica, tail: int) -> list[str]:
        """Its last log lines."""
        ...


@dataclass
class Rolling:
    """One rollout of one engine or service: what was begun is remembered, so that it can be undone."""

    workload: Engine | Service
    update: Update
    place: Place
    open_gateway: Callable[[], Session] | None  # waits until it is there; None for a service: nobody routes to it
    emit: Emit
    halt: Halt  # called when the user interrupts
    replicas: dict[str, Replica]  # observed, by name
    made: dict[int, Replica] = field(default_factory=dict)  # by slot
    done: list[Step] = field(default_factory=list)
    told: set[str] = field(default_factory=set)  # the replicas that the gateway may know, by name
    failed: dict[int, str] = field(default_factory=dict)  # why new replicas failed that may, by slot
    arriving: int = 0  # new replicas of this rollout
    side_by_side: int = 1  # replicas that are exchanged at the moment
    taking_back: bool = False
    tally: threading.Lock = field(default_factory=threading.Lock)
    starts: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(STARTS))

    def __post_init__(self) -> None:
        self.told |= set(self.replicas)

    @property
    def gateway(self) -> Session | None:
        """Where the replicas are routed."""
        return self.open_gateway() if self.open_gateway else None

    def run(self, stages: Iterable[Stage]) -> None:
        """Do every stage; what fails more than it may ends as `update.failure_action` says, with the reason.

        `RolloutFailed`: what served before serves again. `RolloutStopped`: each new replica that failed gave way to the
        one of before; those that did not fail serve.
        """
        try:
            self.advance(list(stages))
        except (NotReady, NautilusError) as failure:
            if self.halt.called:
                raise Cancelled from failure
            if self.update.failure_action == "rollback":
                self.take_back(failure)
            hint = "the change stands half way; mend the cause, and `nautilus up` goes on"
            raise RolloutStopped(f"{self.workload.name}: {failure}", hint) from failure
        if self.failed:
            self.conclude()

    def advance(self, stages: Sequence[Stage]) -> None:
        """Do stage after stage without those new replicas that have failed; a pause finishes what has begun."""
        self.arriving = sum(step.verb is Verb.START for stage in stages for step in stage)
        for stage in stages:
            before = set(self.failed)
            pauses = self.too_many and self.update.failure_action == "pause"
            self.perform([spared(paused(stage, self.done) if pauses else stage, before)])
            for slot in self.failed.keys() - before:
                self.perform(give_way(self.update, self.done, slot))
                self.done = [step for step in self.done if step.about != slot]

    @property
    def too_many(self) -> bool:
        """Whether more new replicas failed than may."""
        return len(self.failed) > round(self.update.max_failure_ratio * self.arriving, 6)  # 0.29 of 100 is 29

    def forgives(self, step: Step, failure: Exception) -> bool:
        """Whether the rollout goes on without this new replica, or at least finishes what has begun."""
        if step.name or step.verb not in ARRIVING:
            return False
        with self.tally:
            self.failed[step.slot] = str(failure)
            return self.update.failure_action != "rollback" or not self.too_many

    def conclude(self) -> None:
        """Tell which new replicas failed; `RolloutStopped` when they are more than may."""
        name, reasons = self.workload.name, [self.failed[slot] for slot in sorted(self.failed)]
        count = f"{len(reasons)} of {self.arriving} new replicas failed"
        if self.too_many:
            how = "paused" if self.update.failure_action == "pause" else "went on without them"
            hint = "what failed gave way to what served before; mend the cause, and `nautilus up` exchanges the rest"
            raise RolloutStopped("\n".join([f"{name}: {count}, the rollout {how}", *reasons]), hint)
        first = "; ".join(reason.splitlines()[0] for reason in reasons)
        self.emit(Event(name, "update", Phase.WARNING, f"{count}, as max_failure_ratio allows: {first}"))

    def take_back(self, failure: Exception) -> None:
        """Undo what was begun; the error tells why, and how the failed replica ended."""
        name, began = self.workload.name, monotonic()
        self.emit(Event(name, "rollback", Phase.STARTED, str(failure).splitlines()[0]))
        self.taking_back = True
        try:
            self.perform(undo(self.update, tuple(self.done)))
            self.save()
        except (NotReady, NautilusError) as second:
            hint = f"what served before could not be brought back ({second}); `nautilus up` tries again"
            raise RolloutFailed(f"{name}: {failure}", hint) from failure
        served = any(replica.routed for replica in self.replicas.values())
        after = "the replicas that served before go on serving" if served else "nothing served before, nothing is left"
        self.emit(Event(name, "rollback", Phase.DONE, after, monotonic() - began))
        known = failure.hint if isinstance(failure, NautilusError) else ""
        hint = f"{after}; {known or 'mend the cause and run the command again'}"
        raise RolloutFailed(f"{name}: {failure}", hint) from failure

    def perform(self, stages: Iterable[Stage]) -> None:
        """Do stage after stage: steps of one replica in order, replicas side by side; the first failure is raised."""
        for stage in filter(None, stages):
            lanes: dict[tuple[int, str], list[Step]] = {}
            for step in stage:
                lanes.setdefault((step.slot, step.name), []).append(step)
            ended, self.side_by_side = Halt(self.halt), len(lanes)
            with ThreadPoolExecutor(max_workers=len(lanes)) as pool:
                futures = [pool.submit(self.lane, steps, ended) for steps in lanes.values()]
            failures = [failure for future in futures if (failure := future.exception())]
            for failure in sorted(failures, key=lambda f: isinstance(f, Cancelled)):
                raise failure

    def lane(self, steps: list[Step], halt: Halt) -> None:
        """The steps of one replica, each told as it begins and ends; what is not forgiven ends the other lanes too."""
        for step in steps:
            try:
                halt.wait(0)
                self.done.append(step)
                self.tell(step, halt)
            except BaseException as failure:
                if isinstance(failure, (NotReady, NautilusError)) and self.forgives(step, failure):
                    return
                halt.call()
                raise

    def tell(self, step: Step, halt: Halt) -> None:
        """Do one step between its two events."""
        subject, began = f"{self.workload.name}/{step.slot}", monotonic()
        self.emit(Event(subject, step.verb, Phase.STARTED))
        try:
            text = self.act(step, halt)
        except NotReady as failure:
            self.emit(Event(subject, step.verb, Phase.FAILED, str(failure), monotonic() - began))
            lines = self.place.logs(self.replica(step), LOG_LINES) or ["(it logged nothing)"]
            raise NotReady("\n    ".join([f"replica {step.slot} {failure}; its last lines:", *lines])) from None
        self.emit(Event(subject, step.verb, Phase.DONE, text, monotonic() - began))

    def act(self, step: Step, halt: Halt) -> str:
        """Do one step; the text says what is worth knowing of it."""
        if step.verb is Verb.WAIT:
            halt.wait(self.update.delay)
            return ""
        if step.verb is Verb.START:
            with self.starts:
                self.made[step.slot] = self.place.start(step.slot)
            return ""
        if not step.name and step.slot not in self.made:
            return "was never made"  # its start failed: there is nothing to undo
        replica = self.replica(step)
        match step.verb:
            case Verb.ROUTE:
                return self.route(replica, halt)
            case Verb.MONITOR:
                monitor(self.watch(replica, halt), self.update.monitor)
            case Verb.ADJUST:
                self.place.adjust(replica)
            case Verb.DRAIN:
                return self.drain(replica, halt)
            case Verb.STOP:
                self.place.stop(replica)
            case Verb.REMOVE:
                self.remove(replica)
            case Verb.RESTORE:
                self.place.restore(replica)
                return self.route(replica, halt)
        return ""

    def replica(self, step: Step) -> Replica:
        """The replica that a step is about."""
        return self.replicas[step.name] if step.name else self.made[step.slot]

    def route(self, replica: Replica, halt: Halt) -> str:
        """Wait until it is healthy, then send it requests."""
        gateway = self.gateway
        self.told.add(replica.name)
        if gateway and isinstance(self.workload, Engine):
            gateway.join(replica.engine, replica.address, self.workload.container_port)
        seconds = wait_ready(self.watch(replica, halt), self.workload.healthcheck.start_period)
        if gateway:
            gateway.route(replica.engine, replica.address)
            self.save()
        return f"healthy after {show_duration(seconds)}"

    def drain(self, replica: Replica, halt: Halt) -> str:
        """No new requests; wait for those under way, at most `update.drain` seconds; then it is out of the gateway."""
        gateway = self.gateway
        if not gateway:
            return ""
        gateway.drain(replica.engine, replica.address)
        end = monotonic() + self.update.drain
        while (left := gateway.check(replica.engine, replica.address)).sessions + left.queued:
            if monotonic() > end:
                break
            halt.wait(DRAINED)
        gateway.leave(replica.engine, replica.address)
        self.save()
        return f"{left.sessions} requests cut off after {show_duration(self.update.drain)}" if left.sessions else ""

    def save(self) -> None:
        """The routes outlive the gateway; where that cannot be written down, at least what is taken back goes on."""
        try:
            if gateway := self.gateway:
                gateway.save()
        except RolloutFailed as failure:
            if not self.taking_back:
                raise
            words = f"a gateway that crashes now comes back with older routes: {failure}"
            self.emit(Event(self.workload.name, "rollback", Phase.WARNING, words))

    def remove(self, replica: Replica) -> None:
        """Nothing of it is left, in the gateway neither."""
        if replica.name in self.told and (gateway := self.gateway):
            gateway.leave(replica.engine, replica.address)
        self.place.remove(replica)

    def watch(self, replica: Replica, halt: Halt) -> Watch:
        """How to look at it: through the gateway's check, or its own."""
        gateway = self.gateway

        def checked() -> Answer:
            assert gateway is not None
            seen = gateway.check(replica.engine, replica.address)
            return Answer(seen.healthy, seen.detail)

        answer = checked if gateway else lambda: self.place.answer(replica)
        return Watch(answer, lambda: self.place.vitals(replica), halt, VITALS * max(1, self.side_by_side / CROWD))
