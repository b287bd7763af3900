"""The order in which a plan runs, and what happens when a part of it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from nautilus_cli.apply import apply, build, run, slowest_first, together
from nautilus_cli.errors import BuildFailed, ConfigError, RolloutFailed
from nautilus_cli.events import Emit, silent
from nautilus_cli.fleet import Fleet, Resources
from nautilus_cli.plan import Action, Kind, Plan
from tests.conftest import engine, fleet
from tests.fakes import FakeRuntime

FLEET = fleet(engine("api", port=1), engine("app", port=2, depends_on=("api",)), engine("web", port=3))
PLAN = Plan(
    (
        Action(Kind.EXPOSE, "gateway", "not running"),
        Action(Kind.DEPLOY, "api", "not running", 1, 0),
        Action(Kind.DEPLOY, "app", "not running", 1, 1),
        Action(Kind.REMOVE, "old", "not in the file", wave=-1),
        Action(Kind.REMOVE, "older", "not in the file", wave=0),
        Action(Kind.CLEAR, "demo", "network demo"),
    )
)


def test_ports_first_then_waves_then_removals_then_the_rest() -> None:
    runtime = FakeRuntime()
    runtime.images = {"img"}
    apply(PLAN, FLEET, runtime, silent)
    assert runtime.verbs == ["expose", "deploy api 1", "deploy app 1", "exposed", "remove old", "remove older", "clear"]


def test_who_has_the_least_cpu_begins_first() -> None:
    cpus = {"a": 2.0, "b": None, "c": 0.5, "d": 2.0}
    declared = fleet(*(engine(name, resources=Resources(cpus=share)) for name, share in cpus.items()))
    wave = [Action(Kind.DEPLOY, name, "not running", 1, 0) for name in cpus]
    assert [action.subject for action in slowest_first(wave, declared)] == ["c", "a", "d", "b"]


def test_a_failed_wave_ends_the_change() -> None:
    runtime = FakeRuntime()
    runtime.images = {"img"}
    broken = engine("api", port=1, environment={"MODE": "dies"})
    with pytest.raises(RolloutFailed, match="api: replica 1 exited with code 3"):
        apply(PLAN, fleet(broken, *list(FLEET.engines.values())[1:]), runtime, silent)
    assert runtime.verbs == ["expose", "deploy api 1", "exposed"]


def test_a_gateway_that_cannot_be_had_is_the_reason_that_is_told() -> None:
    class Closed(FakeRuntime):
        """Its gateway fails while replicas start."""

        def expose(self, fleet: Fleet, emit: Emit) -> Callable[[], None]:
            def fail() -> None:
                raise ConfigError("port 1 is taken")

            return fail

    runtime = Closed()
    runtime.images = {"img"}
    broken = engine("api", port=1, environment={"MODE": "dies"})
    with pytest.raises(ConfigError, match="port 1 is taken"):
        apply(PLAN, fleet(broken, *list(FLEET.engines.values())[1:]), runtime, silent)


def test_every_job_of_a_wave_runs_and_all_failures_are_told() -> None:
    done: list[str] = []

    def job(name: str, failure: Exception | None = None) -> Callable[[], None]:
        def work() -> None:
            done.append(name)
            if failure:
                raise failure

        return work

    jobs = [job("a", BuildFailed("a broke", "mend a")), job("b"), job("c", BuildFailed("c broke", "mend c"))]
    with pytest.raises(BuildFailed) as raised:
        run(FakeRuntime(), jobs, 1)
    assert sorted(done) == ["a", "b", "c"]
    assert raised.value.message == "a broke\nc broke"
    assert raised.value.hint == "mend a; mend c"


def test_a_bug_is_not_hidden_behind_an_expected_failure() -> None:
    def bug() -> None:
        raise ZeroDivisionError

    def failure() -> None:
        raise RolloutFailed("expected")

    with pytest.raises(ZeroDivisionError):
        run(FakeRuntime(), [failure, bug], 2)


def test_different_failures_together_are_a_failed_rollout() -> None:
    assert isinstance(together([BuildFailed("a"), RolloutFailed("b")]), RolloutFailed)


def test_no_more_builds_at_a_time_than_allowed() -> None:
    class Counting(FakeRuntime):
        """Counts how many builds run at once."""

        now = most = 0
        counting = threading.Lock()
        both = threading.Barrier(2)

        def build(self, fleet: Fleet, name: str, emit: Emit) -> None:
            with self.counting:
                self.now += 1
                self.most = max(self.most, self.now)
            self.both.wait(5)  # two at a time must meet here
            with self.counting:
                self.now -= 1

    runtime = Counting()
    build([Action(Kind.BUILD, name, "new") for name in ("a", "b", "c", "d")], FLEET, runtime, silent, 2)
    assert runtime.most == 2
