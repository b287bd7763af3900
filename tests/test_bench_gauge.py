"""What a generator says of itself, from what it measured."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from nautilus_cli.bench.gauge import Processor, busy, health, undisturbed
from nautilus_cli.bench.recording import Closed, GeneratorHealth, Open
from nautilus_cli.bench.tape import NEVER, Records, Tape

US = 1000


def records(*late: tuple[int, bool]) -> Records:
    """Requests that were sent so many microseconds after they were due, having waited for a connection or not."""
    tape = Tape()
    for us, waited in late:
        tape.answered(0, us * US, us * US + 100, 0, NEVER, 200, 0, waited)
    return tape.since(0)


def judged(load: Closed | Open, seen: Records, seconds: float = 2.0) -> GeneratorHealth:
    used = Processor(own=1.5, everybody=3.5)
    return health(load, seen, 8.0, 2, seconds, used, polled=0.5, stamped=True, clock_steps=3, steady=True)


def test_open_loop_tells_late_from_waiting() -> None:
    seen = records(*[(1, False)] * 50, *[(3, False)] * 50, *[(90_000, True)] * 100)
    found = judged(Open(100), seen)
    assert (found.late_p50, found.late_p99) == pytest.approx((2e-6, 3e-6))
    assert found.waited == 0.5
    assert found.little == 0


def test_polling_for_a_due_time_is_no_work() -> None:
    found = judged(Open(100), records((1, False)))
    assert (found.cpu, found.foreign_cpu) == (0.5, 1.0)


def test_closed_loop_accounts_for_its_connections() -> None:
    found = judged(Closed(8), records((0, False)))
    assert (found.little, found.late_p50, found.late_p99, found.waited) == (1, 0, 0, 0)


@pytest.mark.parametrize("load", [Closed(1), Open(1)])
def test_nothing_measured(load: Closed | Open) -> None:
    found = health(load, records(), 0.0, 0, 0.0, Processor(0, 0), 0.0, False, 0, False)
    assert found == GeneratorHealth(0, 0, 0, 0, 0, 0, False, 0, False)


def test_what_was_measured_is_passed_on() -> None:
    found = judged(Closed(1), records((0, False)))
    assert (found.wire, found.clock_steps, found.steady) == (True, 3, True)


def test_processor_time_never_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Processor.now()
    used = Processor.now() - before
    assert used.own >= 0
    assert used.everybody >= 0
    assert before.everybody > before.own >= 0


def test_a_machine_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: Path) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", missing)
    assert busy() == 0


def test_the_collector_of_garbage_is_as_it_was() -> None:
    gc.disable()
    try:
        with undisturbed():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
    with undisturbed():
        assert not gc.isenabled()
    assert gc.isenabled()
