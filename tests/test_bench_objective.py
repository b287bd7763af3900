"""Objectives are read as people write them, and judged by what was measured."""

from __future__ import annotations

import pytest

from nautilus_cli.bench import objective
from nautilus_cli.bench.objective import Verdict
from nautilus_cli.bench.recording import Failure, Open
from nautilus_cli.bench.report import Report, summarise
from nautilus_cli.fleet import Slo
from tests.bench_fakes import MS, recording

SLO = Slo.parse("p50=2ms, p99.9=10ms, errors=1%")


def report(*latencies: int, load: Open | None = None, failed: int = 0) -> Report:
    kinds = [Failure.NONE] * (len(latencies) - failed) + [Failure.RESET] * failed
    return summarise(recording(latencies, load, failure=kinds), 2)


def test_each_objective_has_its_verdict() -> None:
    assert objective.verdicts(SLO, report(*[MS] * 9000, *[11 * MS] * 1000)) == (
        Verdict("p50", 0.002, 0.001, True),
        Verdict("p99.9", 0.01, 0.011, False),
        Verdict("errors", 0.01, 0.0, True),
    )


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    few = objective.verdicts(SLO, report(*[MS] * 500))
    assert [(verdict.met, verdict.value) for verdict in few] == [(True, 0.001), (None, None), (True, 0.0)]
    none = objective.verdicts(SLO, summarise(recording([], seconds=0.0), 2))
    assert {verdict.met for verdict in none} == {None}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (report(*[MS] * 10_000, load=Open(1000)), ""),
        (report(*[MS] * 9800, *[MS] * 200, load=Open(1000), failed=200), "errors 2.00% > 1.00%"),
        (report(*[MS] * 9000, load=Open(1000)), "answered 900 of 1,000 requests/s"),
        (report(*[MS] * 9980, *[20 * MS] * 20, load=Open(1000)), "p99.9 20ms > 10ms"),
        (report(*[MS] * 100, load=Open(10)), "too few answers to know p99.9"),
    ],
)
def test_why_a_load_is_not_held(found: Report, said: str) -> None:
    assert objective.fault(SLO, found) == said


def test_one_request_in_a_thousand_may_fail_unless_it_is_said() -> None:
    lenient = Slo.parse("p99=9ms")
    assert objective.fault(lenient, report(*[MS] * 10_000, load=Open(1000), failed=9)) == ""
    assert objective.fault(lenient, report(*[MS] * 10_000, load=Open(1000), failed=11)) == "errors 0.11% > 0.10%"


def test_what_is_under_way_at_the_end_is_no_backlog() -> None:
    patient, load = Slo.parse("p50=500ms"), Open(1000)
    slow = summarise(recording([300 * MS] * 1000, load, seconds=1.0), 2)  # the last 300 were answered after the end
    assert slow.rate == pytest.approx(700, abs=2)
    assert objective.fault(patient, slow) == ""
    behind = summarise(recording([300 * MS] * 900, load, seconds=1.0), 2)
    assert objective.fault(patient, behind).startswith("answered 63")
    assert objective.fault(patient, summarise(recording([20 * MS] * 14, Open(29.2), seconds=0.5), 2)).startswith("too")


def test_how_many_answers_an_objective_needs() -> None:
    assert [objective.samples(Slo.parse(text)) for text in ("p50=1s", "p50=1s,p99=1s", "errors=1%")] == [
        20, 1000, 1,
    ]  # fmt: skip
