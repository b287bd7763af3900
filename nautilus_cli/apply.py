"""Runs a Plan on a Runtime, wave by wave, telling what happens; it decides nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from nautilus_cli.errors import BuildFailed, NautilusError, RolloutFailed
from nautilus_cli.events import Emit
from nautilus_cli.fleet import Fleet
from nautilus_cli.plan import Action, Kind, Plan
from nautilus_cli.runtimes.base import Runtime


def apply(plan: Plan, fleet: Fleet, runtime: Runtime, emit: Emit, data: bool = False) -> None:
    """Do what the plan says, but its builds. A failed wave is finished and then raised; later waves do not begin."""
    exposed = [runtime.expose(fleet, emit) for _ in plan.of(Kind.EXPOSE)]
    try:
        for wave in (slowest_first(wave, fleet) for wave in plan.waves(Kind.DEPLOY)):
            run(runtime, [lambda a=a: runtime.deploy(fleet, a.subject, a.count, emit) for a in wave], len(wave))  # type: ignore[misc]
    finally:
        for wait_for in exposed:
            wait_for()  # if it failed, that is why what was deployed failed too
    for wave in plan.waves(Kind.REMOVE):
        run(runtime, [lambda a=a: runtime.remove(fleet, a.subject, emit) for a in wave], len(wave))  # type: ignore[misc]
    for _ in plan.of(Kind.CLEAR):
        runtime.clear(fleet, data, emit)


def slowest_first(wave: Sequence[Action], fleet: Fleet) -> tuple[Action, ...]:
    """The less CPU a replica has, the longer it takes to become ready; without a limit it has all there is."""
    return tuple(sorted(wave, key=lambda action: fleet.workloads[action.subject].resources.cpus or math.inf))


def build(actions: Sequence[Action], fleet: Fleet, runtime: Runtime, emit: Emit, parallel: int) -> None:
    """Every image of these actions is present afterwards; at most so many are built at a time."""
    run(runtime, [lambda a=a: runtime.build(fleet, a.subject, emit) for a in actions], parallel)  # type: ignore[misc]


def run(runtime: Runtime, jobs: Sequence[Callable[[], None]], width: int) -> None:
    """Do the jobs side by side and all of them; then raise their failures as one. An interrupt ends them at a step."""
    with ThreadPoolExecutor(max_workers=max(1, width)) as pool:
        futures = [pool.submit(job) for job in jobs]
        try:
            wait(futures)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            runtime.cancel()
            raise
    failures = [failure for future in futures if (failure := future.exception())]
    expected = [failure for failure in failures if isinstance(failure, NautilusError)]
    for failure in failures:
        if failure not in expected:
            raise failure
    if expected:
        raise together(expected)


def together(failures: Sequence[NautilusError]) -> NautilusError:
    """One error that says what all of them say."""
    if len(failures) == 1:
        return failures[0]
    kind = BuildFailed if all(isinstance(failure, BuildFailed) for failure in failures) else RolloutFailed
    hints = dict.fromkeys(failure.hint for failure in failures if failure.hint)
    return kind("\n".join(failure.message for failure in failures), "; ".join(hints))
