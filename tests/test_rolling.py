"""What a rollout does between its steps: draining, failing lanes, and undoing that fails itself."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from nautilus_cli.errors import RolloutFailed, RolloutStopped
from nautilus_cli.events import Event, Phase, silent
from nautilus_cli.fleet import Engine, Replicas, Update
from nautilus_cli.gateways.base import Route
from nautilus_cli.health import VITALS, Cancelled, Halt, Watch
from nautilus_cli.rollout import rollout
from nautilus_cli.runtimes.rolling import Rolling
from nautilus_cli.snapshot import Limits, Replica
from tests.conftest import engine, replica
from tests.fakes import FakePlace, FakeRuntime, FakeSession


class Busy(FakeSession):
    """A gateway whose replicas still serve so many requests when they are drained."""

    left = 3

    def check(self, engine: str, address: str) -> Route:
        seen = super().check(engine, address)
        if not seen.routed and (engine, address) in self.known:
            self.left = max(0, self.left - 1)
            return replace(seen, sessions=self.left)
        return seen


def scene(
    workload: Engine, *replicas: Replica, session: FakeSession | None = None
) -> tuple[Rolling, FakeRuntime, list[Event]]:
    world, events = FakeRuntime(), list[Event]()
    gateway = session or FakeSession(world)
    gateway.world = world
    for number, one in enumerate(replicas):
        placed = replace(one, address=f"10.1.0.{number}")
        world.replicas[placed.name], world.modes[placed.address] = placed, "ok"
        gateway.known[placed.engine, placed.address] = placed.routed
    place = FakePlace(world, workload, "v2", {}, Limits(), 0)
    rolling = Rolling(workload, workload.update, place, lambda: gateway, events.append, Halt(), dict(world.replicas))
    return rolling, world, events


def run(rolling: Rolling, world: FakeRuntime, count: int = 1) -> None:
    rolling.run(rollout(rolling.update, count, list(world.replicas.values()), "v2", Limits()))


def told(events: list[Event]) -> list[str]:
    return [f"{event.verb} {event.subject}" for event in events if event.phase is Phase.DONE]


def test_draining_waits_for_the_requests_under_way() -> None:
    gateway = Busy(FakeRuntime())
    rolling, world, events = scene(engine(), replica(), session=gateway)
    run(rolling, world)
    assert gateway.left == 0
    assert told(events) == [
        "start risk/1",
        "route risk/1",
        "monitor risk/1",
        "drain risk/1",
        "stop risk/1",
        "remove risk/1",
    ]


def test_requests_that_outlast_the_drain_are_told() -> None:
    gateway = Busy(FakeRuntime())
    gateway.left = 10**9
    rolling, world, events = scene(
        engine(update=Update.model_validate({"drain": "50ms", "monitor": "0s"})), replica(), session=gateway
    )
    run(rolling, world)
    said = next(event.text for event in events if event.verb == "drain" and event.phase is Phase.DONE)
    assert said.endswith("requests cut off after 50ms")


def test_a_failure_is_told_with_the_rollback_and_its_reason() -> None:
    rolling, world, events = scene(engine(environment={"MODE": "dies"}), replica())
    with pytest.raises(RolloutFailed, match="exited with code 3") as failure:
        run(rolling, world)
    assert "go on serving" in failure.value.hint
    assert [event.phase for event in events if event.verb == "rollback"] == [Phase.STARTED, Phase.DONE]
    assert [one.fingerprint for one in world.replicas.values()] == ["v1"]


def test_the_first_failure_ends_the_waiting_of_the_others() -> None:
    """One dies, one never gets ready: the rollout must not wait 60 s for the second."""
    rolling, world, _ = scene(engine())
    place = rolling.place
    assert isinstance(place, FakePlace)
    start = place.start

    def differently(slot: int) -> Replica:
        place.workload = engine(environment={"MODE": "dies" if slot == 1 else "sick"})
        return start(slot)

    place.start = differently  # type: ignore[method-assign]
    with pytest.raises(RolloutFailed, match="replica 1 exited with code 3"):
        run(rolling, world, count=2)
    assert world.replicas == {}


def failing(rolling: Rolling, *slots: int) -> None:
    """The new replicas of these slots die; the others are well."""
    place = rolling.place
    assert isinstance(place, FakePlace)
    start = place.start

    def differently(slot: int) -> Replica:
        place.workload = engine(environment={"MODE": "dies" if slot in slots else "ok"})
        return start(slot)

    place.start = differently  # type: ignore[method-assign]


def versions(world: FakeRuntime) -> list[str]:
    return [f"{r.slot} {r.fingerprint}" for r in sorted(world.replicas.values(), key=lambda r: r.slot)]


def updating(**changes: object) -> Engine:
    return engine(update=Update.model_validate({"monitor": "0s", **changes}))


ORDERS = pytest.mark.parametrize("order", ["start-first", "stop-first"])


@ORDERS
def test_as_many_may_fail_as_the_ratio_allows(order: str) -> None:
    rolling, world, events = scene(updating(order=order, max_failure_ratio="50%"), replica(1), replica(2))
    failing(rolling, 1)
    run(rolling, world, 2)
    assert versions(world) == ["1 v1", "2 v2"]
    warning = next(event.text for event in events if event.phase is Phase.WARNING)
    assert warning.startswith("1 of 2 new replicas failed, as max_failure_ratio allows: replica 1 exited with code 3")


@pytest.mark.parametrize(
    ("ratio", "arriving", "most"), [(0.29, 100, 29), (0.34, 3, 1), (0.3, 3, 0), (1, 4, 4), (0, 5, 0)]
)
def test_a_ratio_is_of_the_new_replicas(ratio: float, arriving: int, most: int) -> None:
    rolling, _, _ = scene(updating(max_failure_ratio=ratio))
    rolling.arriving, rolling.failed = arriving, dict.fromkeys(range(most), "died")
    assert not rolling.too_many
    rolling.failed[most] = "died"
    assert rolling.too_many


def test_one_more_than_may_takes_all_back() -> None:
    rolling, world, _ = scene(updating(max_failure_ratio=0.34), replica(1), replica(2), replica(3))
    failing(rolling, 2, 3)
    with pytest.raises(RolloutFailed, match="replica 3 exited with code 3") as failure:
        run(rolling, world, 3)
    assert not isinstance(failure.value, RolloutStopped)
    assert versions(world) == ["1 v1", "2 v1", "3 v1"]


@ORDERS
def test_a_pause_leaves_what_is_exchanged_and_what_is_not(order: str) -> None:
    rolling, world, _ = scene(updating(order=order, failure_action="pause"), replica(1), replica(2), replica(3))
    failing(rolling, 2)
    with pytest.raises(RolloutStopped, match="1 of 3 new replicas failed, the rollout paused\nreplica 2 exited"):
        run(rolling, world, 3)
    assert versions(world) == ["1 v2", "2 v1", "3 v1"]
    assert all(one.state.alive for one in world.replicas.values())


@ORDERS
def test_to_continue_exchanges_the_rest(order: str) -> None:
    rolling, world, _ = scene(updating(order=order, failure_action="continue"), replica(1), replica(2), replica(3))
    failing(rolling, 2)
    with pytest.raises(RolloutStopped, match="1 of 3 new replicas failed, the rollout went on") as failure:
        run(rolling, world, 3)
    assert versions(world) == ["1 v2", "2 v1", "3 v2"]
    assert "`nautilus up` exchanges the rest" in failure.value.hint


def test_what_fails_but_is_no_new_replica_leaves_a_pausing_change_half_way() -> None:
    rolling, world, _ = scene(updating(failure_action="pause"), replica(1), replica(2))

    def refuse(replica: Replica) -> None:
        raise RolloutFailed(f"{replica.name}: Docker refuses")

    rolling.place.stop = refuse  # type: ignore[method-assign]
    with pytest.raises(RolloutStopped, match="Docker refuses") as failure:
        run(rolling, world, 2)
    assert "half way" in failure.value.hint


def test_a_delay_passes_between_two_exchanges() -> None:
    rolling, world, events = scene(updating(delay="20ms"), replica(1), replica(2))
    run(rolling, world, 2)
    waits = [event for event in events if event.verb == "wait" and event.phase is Phase.DONE]
    assert [wait.subject for wait in waits] == ["risk/2"]
    assert waits[0].seconds >= 0.02


def test_what_is_to_be_done_about_a_failure_is_told_with_how_it_was_taken_back() -> None:
    rolling, world, _ = scene(engine(), replica())

    def refuse(slot: int) -> Replica:
        raise RolloutFailed(f"risk/{slot}: the disk is full", "make room")

    rolling.place.start = refuse  # type: ignore[method-assign]
    with pytest.raises(RolloutFailed, match="the disk is full") as failure:
        run(rolling, world)
    assert failure.value.hint == "the replicas that served before go on serving; make room"


def test_a_gateway_that_cannot_write_down_its_routes_keeps_nothing_from_being_taken_back() -> None:
    class Full(FakeSession):
        def save(self) -> None:
            raise RolloutFailed("the disk is full", "make room")

    rolling, world, events = scene(engine(), replica(), session=Full(FakeRuntime()))
    with pytest.raises(RolloutFailed, match="the disk is full"):
        run(rolling, world)
    assert versions(world) == ["1 v1"]
    warnings = {event.text for event in events if event.phase is Phase.WARNING}
    assert warnings == {"a gateway that crashes now comes back with older routes: the disk is full"}


def test_an_undo_that_fails_says_so() -> None:
    update = Update.model_validate({"order": "stop-first", "monitor": "0s"})
    rolling, world, _ = scene(engine(environment={"MODE": "dies"}, update=update), replica())

    def refuse(replica: Replica) -> None:
        raise RolloutFailed(f"{replica.name}: no space left on device")

    rolling.place.restore = refuse  # type: ignore[method-assign]
    with pytest.raises(RolloutFailed, match="exited with code 3") as failure:
        run(rolling, world)
    assert "no space left on device" in failure.value.hint
    assert "nautilus up" in failure.value.hint


def test_an_interrupt_undoes_nothing() -> None:
    rolling, world, events = scene(engine(environment={"MODE": "sick"}), replica())
    rolling.emit = lambda event: rolling.halt.call() if event.verb == "route" else silent(event)
    with pytest.raises(Cancelled):
        run(rolling, world)
    assert sorted(one.fingerprint for one in world.replicas.values()) == ["v1", "v2"]
    assert events == []


@pytest.mark.parametrize(("count", "times"), [(1, 1), (8, 1), (24, 3)])
def test_the_processes_of_many_that_start_at_once_are_looked_at_less_often(count: int, times: int) -> None:
    watches: list[Watch] = []

    class Watched(Rolling):
        def watch(self, replica: Replica, halt: Halt) -> Watch:
            watches.append(super().watch(replica, halt))
            return watches[-1]

    many = engine(replicas=Replicas(min=count, max=count))
    rolling, world, _ = scene(many)
    run(Watched(**{item.name: getattr(rolling, item.name) for item in fields(rolling)}), world, count)
    assert len(watches) >= count
    assert {watch.every for watch in watches} == {VITALS * times}
