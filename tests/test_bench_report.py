"""What a recording means, and which figures are told at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.bench.latency import PERCENTILES, Latency, samples_for
from nautilus_cli.bench.recording import Closed, Failure, Open, Profile, Recording
from nautilus_cli.bench.report import SLICES, method, summarise
from tests.bench_fakes import MS, recording


def codes(found: Recording, cores: int = 2) -> list[str]:
    return [caution.code for caution in summarise(found, cores).cautions]


def test_rate_latencies_and_shares_are_those_of_the_answers() -> None:
    report = summarise(recording([*([MS] * 6000), *([3 * MS] * 4000)], late=MS), 2)
    assert (report.rate, report.answers, report.errors, report.error_share) == (1000.0, 10_000, 0, 0.0)
    assert (report.service["p50"], report.service["p90"], report.service.max) == (0.001, 0.003, 0.003)
    assert report.service.mean == pytest.approx(0.0018)
    assert report.response["p50"] == 0.002
    assert report.wire
    assert report.wire["p50"] == pytest.approx(0.000999)
    assert [(s.replica, s.answers, s.share) for s in report.replicas] == [("risk/1", 5000, 0.5), ("risk/2", 5000, 0.5)]
    assert report.statuses == {"2xx": 10_000}
    assert report.healthy


@given(st.lists(st.integers(min_value=1, max_value=10**10), min_size=1, max_size=3000))
def test_a_percentile_is_the_nearest_rank_and_told_only_with_ten_samples_beyond_it(values: list[int]) -> None:
    latency = Latency.of(np.array(values, np.int64))
    for name, share in PERCENTILES.items():
        told = latency[name]
        assert (told is not None) == (len(values) * (1 - share) >= 10 - 1e-9)
        if told is not None:
            at = round(told * 1e9)
            assert sum(value <= at for value in values) >= share * len(values)
            assert sum(value < at for value in values) < share * len(values)
    assert latency.max * 1e9 == pytest.approx(max(values))


def test_what_is_missing_is_said() -> None:
    report = summarise(recording([MS] * 1500), 2)
    assert report.response.missing == "p99.9 not told: p99.9 needs 10,000 answers, there are 1,500"
    assert [samples_for(share) for share in PERCENTILES.values()] == [20, 100, 1000, 10_000]


def test_failures_and_statuses_are_counted_apart() -> None:
    kinds = [Failure.NONE] * 95 + [Failure.REFUSED, Failure.RESET, Failure.CLOSED, Failure.TIMEOUT, Failure.MALFORMED]
    statuses = [200] * 80 + [204] * 5 + [301] * 5 + [404] * 3 + [503] * 7
    report = summarise(recording([MS] * 98 + [5000 * MS, MS], status=statuses, failure=kinds), 2)
    assert report.failures == {"refused": 1, "reset": 1, "closed": 1, "timeout": 1, "malformed": 1}
    assert report.statuses == {"2xx": 85, "3xx": 5, "4xx": 3, "5xx": 2}
    assert (report.errors, report.error_share, report.answers) == (10, 0.1, 95)
    assert report.response.count == 96  # answers, and who waited in vain; quick failures would look like speed
    assert report.response.max == 5.0


def test_an_open_loop_counts_no_answers_after_the_end_a_closed_one_does() -> None:
    late = [MS] * 900 + [5000 * MS] * 100  # the last tenth is answered when all is over
    assert summarise(recording(late, Open(100)), 2).rate == 90
    assert summarise(recording(late, Closed(100)), 2).rate == 100


def test_slices_follow_the_time() -> None:
    report = summarise(recording([MS] * 5000 + [4 * MS] * 5000), 2)
    assert len(report.slices) == SLICES
    assert sum(part.rate for part in report.slices) / SLICES == pytest.approx(report.rate)
    assert (report.slices[0].p50, report.slices[-1].p50) == (0.001, 0.004)


def test_a_recording_of_nothing_is_a_report_too() -> None:
    report = summarise(recording([], seconds=0.0, interrupted="the target is gone"), 2)
    assert (report.rate, report.requests, report.slices, report.replicas) == (0.0, 0, (), ())
    assert not report.healthy


def stalled(**changes: Any) -> Recording:
    return recording([MS] * 20_000 + [500 * MS] * 16, **changes)


def test_a_closed_loop_that_saw_a_stall_says_what_it_hides() -> None:
    (caution,) = [c for c in summarise(stalled(), 2).cautions if c.code == "coordinated omission"]
    assert caution.text.startswith("a request took 500 ms, 500 times the p99.9: a closed loop sends nothing")
    assert "coordinated omission" not in codes(stalled(load=Open(2000)))
    assert "coordinated omission" not in codes(recording([MS] * 20_000))


@pytest.mark.parametrize(
    ("found", "code", "distrust"),
    [
        (recording([MS] * 100, health={"cpu": 0.93}), "client bound", True),
        (recording([MS] * 100, health={"little": 0.9}), "little", True),
        (recording([MS] * 100, health={"steady": False}), "not steady", True),
        (recording([MS] * 100, health={"spanning": 7}), "starved", True),
        (recording([MS] * 100, Open(10), health={"late_p99": 0.002}), "late", True),
        (recording([MS] * 50, Open(10)), "behind", False),
        (recording([MS] * 100, Open(10), health={"waited": 0.2}), "no idle connection", False),
        (recording([MS] * 100, health={"foreign_cpu": 1.7}), "crowded", False),
        (recording([MS] * 100, health={"clock_steps": 3}), "clock", False),
        (recording([MS] * 100, status=302), "redirects", False),
        (recording([MS] * 100, interrupted="stopped"), "ended early", True),
    ],
)
def test_each_reason_for_doubt_is_told(found: Recording, code: str, distrust: bool) -> None:
    report = summarise(found, 2)
    (caution,) = [caution for caution in report.cautions if caution.code == code]
    assert caution.distrust == distrust
    assert report.healthy != distrust


def test_a_good_run_has_no_cautions_and_the_grave_ones_come_first() -> None:
    assert codes(recording([MS] * 20_000)) == []
    assert codes(recording([MS] * 100, status=302, health={"little": 0.5}))[0] == "little"


def test_a_spinning_open_loop_is_not_client_bound() -> None:
    assert codes(recording([MS] * 20_000, Open(2000), health={"cpu": 1.0})) == []


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (Closed(1), "closed loop: 1 kept connection, which sends when it has its answer"),
        (Closed(1000), "closed loop: 1,000 kept connections, each of which sends"),
        (
            Open(2000),
            "open loop: 2,000 requests/s due evenly spaced, over up to 64 kept connections; latency from when",
        ),
        (Open(2000, arrival="poisson"), "due at random (Poisson) times"),
    ],
)
def test_a_run_says_what_it_did(load: Closed | Open, said: str) -> None:
    assert said in method(Profile(load))
