"""How one engine changes, replica by replica: a pure function from what runs to Steps, and their undoing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice, repeat
from itertools import count as count_from

from nautilus_cli.fleet import Update
from nautilus_cli.snapshot import Limits, Replica


class Verb(StrEnum):
    """What is done to one replica."""

    WAIT = "wait"  # let time pass before this slot's turn
    START = "start"  # make and start a new one on this slot
    ROUTE = "route"  # wait until it is healthy, then send it requests
    MONITOR = "monitor"  # see that it stays alive and healthy for a while
    ADJUST = "adjust"  # change its CPU and memory limits in place
    DRAIN = "drain"  # send no new requests and let those under way finish
    STOP = "stop"  # end its processes; it can be started again
    REMOVE = "remove"
    RESTORE = "restore"  # start again what this rollout has stopped


@dataclass(frozen=True, slots=True)
class Step:
    """One verb on one replica; without a name it is the new replica of this slot."""

    verb: Verb
    slot: int
    name: str = ""
    heir: int | None = None  # the slot of the new replica that a named one makes way for

    @property
    def about(self) -> int | None:
        """The slot of the new replica whose arrival this step is part of; None for all other steps."""
        return self.heir if self.name else self.slot

    def __str__(self) -> str:
        return f"{self.verb} {self.slot}{'@' + self.name if self.name else ''}"


Stage = tuple[Step, ...]  # steps of one replica run in order, replicas side by side; the next stage waits for all


@dataclass(frozen=True, slots=True)
class Sorted:
    """The replicas of one engine by what a rollout does with them."""

    keep: tuple[Replica, ...]  # as wanted, one a slot, lowest slots first
    leaving: tuple[Replica, ...]  # routed, and of another version or one too many
    idle: tuple[Replica, ...]  # serve nobody: dead, or left by an interrupted change


def rollout(update: Update, count: int, replicas: Iterable[Replica], fingerprint: str, limits: Limits) -> list[Stage]:
    """The stages that lead from these replicas to `count` routed ones of this fingerprint under these limits.

    The order guarantees: nothing is stopped while it is routed; nothing is routed before it is healthy; with
    start-first, no served replica leaves before its successor is routed, and never more than `update.parallelism`
    replicas above both the wanted and the present count run. Nothing is removed before every new replica has proven
    itself, so that a failure at any step can be undone by starting what was stopped.
    """
    have = classify(count, replicas, fingerprint)
    stages = [
        tuple(Step(Verb.STOP, r.slot, r.name) for r in have.idle if r.state.alive),
        steps(Verb.REMOVE, have.idle),
        tuple(Step(Verb.ADJUST, r.slot, r.name) for r in have.keep if r.limits != limits),
        tuple(Step(Verb.ROUTE, r.slot, r.name) for r in have.keep if not r.routed),
    ]
    fresh = list(islice(free_slots(have.keep), count - len(have.keep)))
    exchanged = list(exchange(update, fresh, by_successor(have.leaving, fresh)))
    heirs = {step.name: step.heir for stage in exchanged for step in stage if step.verb is Verb.STOP}
    removals = tuple(Step(Verb.REMOVE, r.slot, r.name, heirs[r.name]) for r in have.leaving)
    return [stage for stage in (*stages, *exchanged, removals) if stage]


def classify(count: int, replicas: Iterable[Replica], fingerprint: str) -> Sorted:
    """Who stays and who goes: obsolete replicas go first, then the highest slots; of two on a slot the routed stays."""
    ordered = sorted(replicas, key=lambda r: (r.slot, not r.routed, r.name))
    current = [r for r in ordered if r.state.alive and r.fingerprint == fingerprint]
    seats: dict[int, Replica] = {}
    for replica in current:
        seats.setdefault(replica.slot, replica)
    keep = list(seats.values())[:count]
    others = [r for r in ordered if r not in keep]
    return Sorted(
        keep=tuple(keep),
        leaving=tuple(r for r in others if r.state.alive and r.routed),
        idle=tuple(r for r in others if not (r.state.alive and r.routed)),
    )


def exchange(update: Update, fresh: Sequence[int], leaving: Sequence[Replica]) -> Iterator[Stage]:
    """New replicas come, old ones go: first what is missing at once, then batch by batch."""
    missing = max(0, len(fresh) - len(leaving))
    if update.order == "stop-first":
        yield retire(leaving[len(fresh) :])
        leaving = leaving[: len(fresh)]
    yield from arrive(fresh[:missing], prove=bool(leaving))
    for start in range(missing, len(fresh), update.parallelism):
        batch = fresh[start : start + update.parallelism]
        going, leaving = leaving[: len(batch)], leaving[len(batch) :]
        if update.delay and start:
            yield (Step(Verb.WAIT, batch[0]),)
        if update.order == "stop-first":
            yield retire(going, batch)
        yield from arrive(batch, prove=True)
        if update.order == "start-first":
            yield retire(going, batch)
    yield retire(leaving)


def arrive(slots: Sequence[int], prove: bool) -> Iterator[Stage]:
    """Start and route a batch; with `prove`, watch it before anything else happens."""
    yield tuple(Step(verb, slot) for slot in slots for verb in (Verb.START, Verb.ROUTE))
    if prove:
        yield tuple(Step(Verb.MONITOR, slot) for slot in slots)


def retire(replicas: Iterable[Replica], heirs: Iterable[int] = ()) -> Stage:
    """Take replicas out of service and stop them, each for its heir if it has one; they are not removed yet."""
    pairs = zip(replicas, chain(heirs, repeat(None)), strict=False)
    return tuple(Step(verb, r.slot, r.name, heir) for r, heir in pairs for verb in (Verb.DRAIN, Verb.STOP))


def steps(verb: Verb, replicas: Iterable[Replica]) -> Stage:
    """One verb on each replica."""
    return tuple(Step(verb, r.slot, r.name) for r in replicas)


def free_slots(taken: Iterable[Replica]) -> Iterator[int]:
    """The numbers of seats that nobody holds, from the lowest."""
    held = {replica.slot for replica in taken}
    return (slot for slot in count_from(1) if slot not in held)


def by_successor(leaving: Iterable[Replica], fresh: Sequence[int]) -> list[Replica]:
    """Leaving replicas in the order in which their slots are taken over, then the highest slots first."""
    order = {slot: place for place, slot in enumerate(fresh)}
    return sorted(leaving, key=lambda r: (order.get(r.slot, len(order)), -r.slot, r.name))


def undo(update: Update, done: Sequence[Step]) -> list[Stage]:
    """The stages that bring back what served before these steps were begun; what they made is removed.

    First leaves what was made beyond what was stopped, so that the surge stays bounded; then each batch is exchanged
    for the old one in the rollout's own order. At every moment as many serve as before the rollout.
    """
    made = [step.slot for step in reversed(done) if step.verb is Verb.START]
    removed = {step.name for step in done if step.verb is Verb.REMOVE}
    drained = {step.name for step in done if step.verb is Verb.DRAIN}
    stopped = [s for s in reversed(done) if s.verb is Verb.STOP and s.name in drained - removed]
    ended = {step.name for step in stopped}
    waiting = [s for s in done if s.verb is Verb.DRAIN and s.name and s.name not in ended | removed]
    back = [Step(Verb.RESTORE, step.slot, step.name) for step in stopped]
    extra = max(0, len(made) - len(back))
    stages: list[Stage] = [tuple(Step(Verb.ROUTE, step.slot, step.name) for step in waiting), discard(made[:extra])]
    made = made[extra:]
    for start in range(0, len(back), update.parallelism):
        batch = slice(start, start + update.parallelism)
        pair = [tuple(back[batch]), discard(made[batch])]
        stages += pair if update.order == "start-first" else reversed(pair)
    return [stage for stage in stages if stage]


def spared(stage: Stage, failed: Collection[int]) -> Stage:
    """What of a stage is still done when the new replicas of some slots have failed: who was to make way stays."""
    return tuple(step for step in stage if step.about not in failed)


def paused(stage: Stage, done: Sequence[Step]) -> Stage:
    """What of a stage is still done when a rollout pauses after these steps: what has begun is finished."""
    begun = {step.slot for step in done if step.verb is Verb.START}
    stopped = {step.name for step in done if step.verb is Verb.STOP}
    return tuple(step for step in stage if step.about in begun or step.name in stopped)


def give_way(update: Update, done: Sequence[Step], slot: int) -> list[Stage]:
    """The stages that take back one new replica which failed: who made way for it serves again."""
    return undo(update, [step for step in done if step.about == slot])


def discard(slots: Iterable[int]) -> Stage:
    """Take new replicas out of service and remove them."""
    return tuple(Step(verb, slot) for slot in slots for verb in (Verb.DRAIN, Verb.STOP, Verb.REMOVE))
