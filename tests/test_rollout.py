"""The order that a rollout guarantees, as text for the usual cases and as properties for all others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nautilus_cli.fleet import Update
from nautilus_cli.rollout import Stage, Step, Verb, give_way, paused, rollout, spared, undo
from nautilus_cli.snapshot import Limits, Replica, State
from tests.conftest import replica

LIMITS = Limits(cpus=1.0, memory=2**30)


def text(stages: Iterable[Stage]) -> str:
    return " | ".join(", ".join(map(str, stage)) for stage in stages)


def plan(update: Update, count: int, *replicas: Replica, fingerprint: str = "v1") -> str:
    return text(rollout(update, count, [replace(r, limits=LIMITS) for r in replicas], fingerprint, LIMITS))


FIRST = Update(monitor=0)
LAST = Update(order="stop-first")


def test_a_fresh_engine_starts_all_replicas_side_by_side() -> None:
    assert plan(FIRST, 2) == "start 1, route 1, start 2, route 2"


def test_nothing_to_do_has_no_stage() -> None:
    assert plan(FIRST, 2, replica(1), replica(2)) == ""


def test_growing_touches_nobody() -> None:
    assert plan(FIRST, 3, replica(1)) == "start 2, route 2, start 3, route 3"


def test_shrinking_takes_the_highest_slots() -> None:
    assert plan(FIRST, 1, replica(1), replica(2), replica(3)) == (
        "drain 3@risk-3-v1, stop 3@risk-3-v1, drain 2@risk-2-v1, stop 2@risk-2-v1 | "
        "remove 2@risk-2-v1, remove 3@risk-3-v1"
    )


def test_start_first_replaces_one_at_a_time() -> None:
    assert plan(FIRST, 2, replica(1), replica(2), fingerprint="v2") == (
        "start 1, route 1 | monitor 1 | drain 1@risk-1-v1, stop 1@risk-1-v1 | "
        "start 2, route 2 | monitor 2 | drain 2@risk-2-v1, stop 2@risk-2-v1 | remove 1@risk-1-v1, remove 2@risk-2-v1"
    )


def test_stop_first_stops_before_it_starts() -> None:
    assert plan(LAST, 1, replica(1), fingerprint="v2") == (
        "drain 1@risk-1-v1, stop 1@risk-1-v1 | start 1, route 1 | monitor 1 | remove 1@risk-1-v1"
    )


def test_parallelism_makes_batches() -> None:
    stages = plan(Update(parallelism=2), 2, replica(1), replica(2), fingerprint="v2")
    assert stages.startswith("start 1, route 1, start 2, route 2 | monitor 1, monitor 2 | drain 1@risk-1-v1")


def test_a_dead_replica_is_replaced_on_its_own_slot() -> None:
    dead = replica(1, state=State.EXITED)
    assert plan(FIRST, 2, dead, replica(2)) == "remove 1@risk-1-v1 | start 1, route 1"


def test_an_interrupted_start_is_finished_by_routing_it() -> None:
    assert plan(FIRST, 1, replica(1, state=State.STARTING)) == "route 1@risk-1-v1"


def test_an_unrouted_replica_of_another_version_goes_first() -> None:
    left = replica(1, "v2", State.STARTING)
    assert plan(FIRST, 1, replica(1), left) == "stop 1@risk-1-v2 | remove 1@risk-1-v2"


def test_of_two_on_one_slot_the_routed_stays() -> None:
    twin = replica(1, state=State.STARTING, name="risk-1-twin")
    assert plan(FIRST, 1, replica(1), twin) == "stop 1@risk-1-twin | remove 1@risk-1-twin"


def test_another_limit_is_adjusted_in_place() -> None:
    kept = replace(replica(1), limits=Limits(cpus=0.5, memory=2**30))
    assert text(rollout(FIRST, 1, [kept], "v1", LIMITS)) == "adjust 1@risk-1-v1"


def test_undo_restores_what_was_stopped_and_removes_what_was_made() -> None:
    done = [
        *(Step(Verb.START, 1), Step(Verb.ROUTE, 1), Step(Verb.DRAIN, 1, "a"), Step(Verb.STOP, 1, "a")),
        *(Step(Verb.START, 2), Step(Verb.DRAIN, 2, "b")),
    ]
    assert text(undo(FIRST, done)) == "route 2@b | drain 2, stop 2, remove 2 | restore 1@a | drain 1, stop 1, remove 1"
    assert text(undo(LAST, done)) == "route 2@b | drain 2, stop 2, remove 2 | drain 1, stop 1, remove 1 | restore 1@a"


def test_a_delay_stands_between_two_exchanges() -> None:
    slow = Update.model_validate({"delay": "10s"})
    stages = plan(slow, 2, replica(1), replica(2), fingerprint="v2").split(" | ")
    assert [stages.index(text) for text in ("stop 1@risk-1-v1", "wait 2") if text in stages] == [3]
    assert "wait" not in plan(slow, 2)


def test_who_should_make_way_for_a_replica_that_failed_stays() -> None:
    stages = rollout(FIRST, 2, [replica(1), replica(2)], "v2", Limits())
    assert text(stage for one in stages if (stage := spared(one, {1}))) == (
        "start 2, route 2 | monitor 2 | drain 2@risk-2-v1, stop 2@risk-2-v1 | remove 2@risk-2-v1"
    )


def test_a_pause_finishes_what_has_begun_and_nothing_else() -> None:
    stages = rollout(FIRST, 2, [replica(1), replica(2), replica(3)], "v2", Limits())
    begun = [Step(Verb.START, 1), Step(Verb.ROUTE, 1)]
    assert text(stage for one in stages[1:] if (stage := paused(one, begun))) == (
        "monitor 1 | drain 1@risk-1-v1, stop 1@risk-1-v1 | remove 1@risk-1-v1"
    )


def test_a_replica_that_failed_gives_way_to_the_one_of_before() -> None:
    done = [*(Step(Verb.DRAIN, 1, "a", 1), Step(Verb.STOP, 1, "a", 1)), Step(Verb.START, 1), Step(Verb.START, 2)]
    assert text(give_way(LAST, done, 1)) == "drain 1, stop 1, remove 1 | restore 1@a"


@dataclass
class World:
    """Replicas under a rollout: it does each step and checks what every step must respect."""

    running: dict[str, Replica]
    stopped: dict[str, Replica]
    ceiling: int
    floor: int

    def do(self, step: Step) -> None:
        name = step.name or f"new-{step.slot}"
        match step.verb:
            case Verb.WAIT:
                return
            case Verb.START:
                assert name not in self.running
                self.running[name] = replica(step.slot, "new", State.STARTING, name=name, limits=LIMITS)
            case Verb.ROUTE:
                self.running[name] = replace(self.running[name], routed=True, state=State.READY)
            case Verb.RESTORE:
                self.running[name] = replace(self.stopped.pop(name), routed=True)
            case Verb.MONITOR:
                assert self.running[name].routed
            case Verb.ADJUST:
                self.running[name] = replace(self.running[name], limits=LIMITS)
            case Verb.DRAIN:
                self.running[name] = replace(self.running[name], routed=False)
            case Verb.STOP:
                assert not self.running[name].routed, "stopped while routed"
                self.stopped[name] = self.running.pop(name)
            case Verb.REMOVE:
                assert name not in self.running, "removed while running"
                del self.stopped[name]
        assert len(self.running) <= self.ceiling, "more replicas than the surge allows"
        assert sum(r.routed for r in self.running.values()) >= self.floor, "fewer serve than must"


updates = st.builds(
    Update,
    order=st.sampled_from(["start-first", "stop-first"]),
    parallelism=st.integers(1, 3),
    delay=st.sampled_from(["0s", "10s"]),
)


@st.composite
def worlds(draw: st.DrawFn) -> list[Replica]:
    """Any mix of versions, states and slots, as crashes and interrupted changes leave it."""
    replicas = []
    for number in range(draw(st.integers(0, 6))):
        state = draw(st.sampled_from(list(State)))
        replicas.append(
            replica(
                draw(st.integers(1, 6)),
                draw(st.sampled_from(["new", "old", "older"])),
                state,
                name=f"r{number}",
                routed=state.alive and draw(st.booleans()),
                limits=draw(st.sampled_from([LIMITS, Limits(cpus=2)])),
            )
        )
    return replicas


def world(update: Update, count: int, replicas: list[Replica]) -> World:
    alive = {r.name: r for r in replicas if r.state.alive}
    routed = sum(r.routed for r in alive.values())
    slack = update.parallelism if update.order == "stop-first" else 0
    return World(
        running=alive,
        stopped={r.name: r for r in replicas if not r.state.alive},
        ceiling=max(count, len(alive)) + update.surge,
        floor=max(0, min(count, routed) - slack),
    )


@settings(max_examples=500)
@given(update=updates, count=st.integers(0, 6), replicas=worlds())
def test_every_rollout_keeps_its_promises_and_a_second_one_is_empty(
    update: Update, count: int, replicas: list[Replica]
) -> None:
    scene = world(update, count, replicas)
    for stage in rollout(update, count, replicas, "new", LIMITS):
        for step in stage:
            scene.do(step)
    assert sorted(r.fingerprint for r in scene.running.values()) == ["new"] * count
    assert all(r.routed for r in scene.running.values())
    assert len({r.slot for r in scene.running.values()}) == count
    assert not scene.stopped
    assert rollout(update, count, scene.running.values(), "new", LIMITS) == []


@settings(max_examples=500)
@given(update=updates, count=st.integers(0, 6), replicas=worlds(), data=st.data())
def test_a_rollout_that_stops_anywhere_is_finished_by_the_next(
    update: Update, count: int, replicas: list[Replica], data: st.DataObject
) -> None:
    scene = world(update, count, replicas)
    steps = [step for stage in rollout(update, count, replicas, "new", LIMITS) for step in stage]
    for step in steps[: data.draw(st.integers(0, len(steps)))]:
        scene.do(step)
    left = [*scene.running.values(), *(replace(r, state=State.EXITED, routed=False) for r in scene.stopped.values())]
    left = [replace(r, name=f"x{number}") for number, r in enumerate(left)]
    second = world(update, count, left)
    for stage in rollout(update, count, left, "new", LIMITS):
        for step in stage:
            second.do(step)
    assert sorted(r.fingerprint for r in second.running.values()) == ["new"] * count


@settings(max_examples=500)
@given(update=updates, count=st.integers(1, 6), replicas=worlds(), data=st.data())
def test_undoing_at_any_step_brings_back_what_served(
    update: Update, count: int, replicas: list[Replica], data: st.DataObject
) -> None:
    scene = world(update, count, replicas)
    served = {r.name for r in scene.running.values() if r.routed}
    steps = [step for stage in rollout(update, count, replicas, "new", LIMITS) for step in stage]
    proven = next((i for i, s in enumerate(steps) if s.verb is Verb.REMOVE and s.name in served), len(steps))
    done = steps[: data.draw(st.integers(0, proven))]
    for step in done:
        scene.do(step)
    for stage in undo(update, done):
        for step in stage:
            if (step.name or f"new-{step.slot}") in {*scene.running, *scene.stopped}:
                scene.do(step)
    assert served <= {r.name for r in scene.running.values() if r.routed}
    assert not [name for name in scene.running if name.startswith("new-")]


@settings(max_examples=500)
@given(
    update=updates,
    count=st.integers(1, 6),
    replicas=worlds(),
    doomed=st.dictionaries(st.integers(1, 12), st.sampled_from([Verb.START, Verb.ROUTE, Verb.MONITOR])),
    pause=st.booleans(),
)
def test_new_replicas_that_fail_cost_no_old_one_and_leave_nothing(
    update: Update, count: int, replicas: list[Replica], doomed: dict[int, Verb], pause: bool
) -> None:
    """Some new replicas fail at some step; the rest goes on, or the rollout pauses at the first of them."""
    scene, done, failed = world(update, count, replicas), list[Step](), set[int]()
    for stage in rollout(update, count, replicas, "new", LIMITS):
        fallen = set[int]()
        for step in spared(paused(stage, done) if pause and failed else stage, failed):
            if step.about in fallen:
                continue
            done.append(step)
            if not step.name and doomed.get(step.slot) is step.verb:
                fallen.add(step.slot)
            if step.slot not in fallen or step.name or step.verb is not Verb.START:
                scene.do(step)
        for slot in sorted(fallen):
            for way in (step for part in give_way(update, done, slot) for step in part):
                if (way.name or f"new-{way.slot}") in {*scene.running, *scene.stopped}:
                    scene.do(way)
            done = [step for step in done if step.about != slot]
        failed |= fallen
    assert not scene.stopped, "what made way is removed, what was restored runs"
    assert not [slot for slot in failed if f"new-{slot}" in scene.running]
    assert all(r.routed for r in scene.running.values())
    if not failed:
        assert sorted(r.fingerprint for r in scene.running.values()) == ["new"] * count


@pytest.mark.parametrize("order", ["start-first", "stop-first"])
def test_rollouts_are_the_same_every_time(order: str) -> None:
    mixed = [replica(3), replica(1, "old"), replica(2, state=State.EXITED)]
    one = rollout(Update.model_validate({"order": order}), 3, mixed, "v1", LIMITS)
    assert one == rollout(Update.model_validate({"order": order}), 3, reversed(mixed), "v1", LIMITS)
