"""Slow is waited for, dead is not: with a clock that runs, and replicas that do as told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from nautilus_cli.health import Answer, Cancelled, Halt, NotReady, Vitals, Watch, monitor, wait_ready

ALIVE = Vitals(alive=True)


def watch(answers: Iterator[bool], vitals: Iterator[Vitals] | None = None, halt: Halt | None = None) -> Watch:
    lives = vitals or repeat(ALIVE)
    return Watch(lambda: Answer(next(answers), "answers 503"), lambda: next(lives), halt or Halt())


def test_the_first_healthy_answer_ends_the_wait() -> None:
    asked = iter([False, False, True])
    wait_ready(watch(asked), 10)
    assert list(asked) == []


def test_slow_is_waited_for_until_patience_ends_and_told_with_what_was_seen() -> None:
    with pytest.raises(NotReady, match="^was not ready within 100ms: answers 503$"):
        wait_ready(watch(repeat(False)), 0.1)


def test_dead_fails_at_once() -> None:
    lives = chain([ALIVE], repeat(Vitals(alive=False, exit_code=3)))
    with pytest.raises(NotReady, match="^exited with code 3 "):
        wait_ready(watch(repeat(False), lives), 3600)


def test_a_restart_is_a_death() -> None:
    lives = chain([Vitals(True, restarts=1)], repeat(Vitals(True, restarts=2)))
    with pytest.raises(NotReady, match="^exited "):
        wait_ready(watch(repeat(False), lives), 3600)


def test_out_of_memory_is_named() -> None:
    lives = repeat(Vitals(alive=False, exit_code=137, oom_killed=True))
    with pytest.raises(NotReady, match=r"^exited with code 137 \(out of memory\)"):
        wait_ready(watch(repeat(False), lives), 3600)


def test_one_that_dies_in_the_last_moment_is_dead_and_not_slow() -> None:
    lives = chain([ALIVE, ALIVE], repeat(Vitals(alive=False, exit_code=1)))
    with pytest.raises(NotReady, match="^exited with code 1"):
        wait_ready(watch(repeat(False), lives), 0.05)


def test_monitor_ends_well_when_it_stays_healthy() -> None:
    monitor(watch(repeat(True)), 0.05)


def test_monitor_tells_who_became_unhealthy() -> None:
    with pytest.raises(NotReady, match="^became unhealthy .* after it was routed: answers 503$"):
        monitor(watch(chain([True], repeat(False))), 3600)


def test_monitor_tells_who_died() -> None:
    lives = chain([ALIVE, ALIVE], repeat(Vitals(alive=False, exit_code=4)))
    with pytest.raises(NotReady, match="^exited with code 4"):
        monitor(watch(repeat(True), lives), 3600)


def test_an_interrupt_ends_every_wait() -> None:
    user = Halt()
    child = Halt(user)
    threading.Timer(0.05, user.call).start()
    with pytest.raises(Cancelled):
        wait_ready(watch(repeat(False), halt=child), 3600)
    assert Halt(user).called


def test_a_failed_lane_does_not_end_what_comes_after() -> None:
    user = Halt()
    Halt(user).call()
    assert not user.called
    assert not Halt(user).called
