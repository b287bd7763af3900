"""Which counts are measured, what is concluded, and the law behind an estimate, on targets of a known law."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.bench.capacity import (
    Answer,
    Limits,
    Point,
    Verdict,
    answer,
    knees,
    next_count,
    range_to_write,
)
from nautilus_cli.bench.scaling import KNOWN, Law, fit, range_needed, spread

HOST = Limits(most=8, cores=16, memory=32 << 30, cpus=0.5, each=1 << 30)
LAWS = st.builds(Law, st.floats(10, 1e5), st.floats(0, 0.5), st.floats(0, 0.05))


def point(replicas: int, knee: float, **changes: float) -> Point:
    cpus = 0.001 * knee
    return replace(Point(replicas, knee, "p99 9 ms > 5 ms", knee, cpus, 100 << 20, cpus + 1, 0.3), **changes)  # type: ignore[arg-type]


def measure(law: Law, load: float, limits: Limits = HOST) -> tuple[Answer, list[int]]:
    """What is found where replicas follow this law, and the counts that were measured in turn."""
    points: list[Point] = []
    while (count := next_count(points, load, limits.most)) is not None:
        points.append(point(count, law.at(count), cpus=0.1, busy=1.0))
        assert len(points) <= 16
    return answer(points, load, limits), [one.replicas for one in points]


@given(LAWS)
def test_the_law_of_three_points_is_found(law: Law) -> None:
    found = fit({count: law.at(count) for count in (1, 2, 4, 8)})
    for count in (1, 3, 8, 16):
        assert found.at(count) == pytest.approx(law.at(count), rel=1e-4)


@given(st.dictionaries(st.integers(1, 32), st.floats(1, 1e6), min_size=1, max_size=8))
def test_any_points_have_a_law_that_makes_sense(points: dict[int, float]) -> None:
    law = fit(points)
    assert law.rate > 0
    assert law.contention >= 0
    assert law.coherency >= 0
    assert spread(points) >= KNOWN


def test_few_points_are_not_asked_for_more_than_they_know() -> None:
    assert fit({1: 100}) == Law(pytest.approx(100))  # type: ignore[arg-type]
    two = fit({1: 100, 2: 180})
    assert [two.at(1), two.at(2)] == pytest.approx([100, 180])
    assert two.coherency == 0


@given(LAWS, st.integers(1, 24))
def test_the_range_holds_the_truth(law: Law, count: int) -> None:
    points, load = {n: law.at(n) for n in (1, 2, 4, 8)}, law.at(count)
    truth = law.needed(load, 24)
    low, high = range_needed(points, load, 24)
    assert truth is not None
    assert low is not None
    assert low <= truth
    assert high is None or truth <= high


def test_one_point_knows_no_upper_end() -> None:
    assert range_needed({1: 100.0}, 250, 10) == (3, None)


@given(LAWS, st.floats(0.1, 10))
def test_what_is_said_to_hold_is_the_fewest_that_do(law: Law, share: float) -> None:
    load = law.rate * share
    found, counts = measure(law, load)
    if found.verdict is Verdict.HELD:
        assert found.replicas
        assert law.at(found.replicas) >= load
        assert found.replicas == 1 or law.at(found.replicas - 1) < load
        assert found.headroom == pytest.approx(law.at(found.replicas) / load - 1)
    else:
        assert max(law.at(count) for count in counts) < load
    assert len(set(counts)) == len(counts)
    assert max(counts) <= HOST.most


def test_the_counts_grow_by_what_is_expected_and_at_most_double() -> None:
    found, counts = measure(Law(100), 650)
    assert counts == [1, 2, 4, 7, 5, 6]
    assert (found.verdict, found.replicas, found.why) == (Verdict.HELD, 7, "6 hold 600/s")
    assert found.headroom == pytest.approx(700 / 650 - 1)
    assert range_to_write(found, 8) == (7, 8)


def test_one_replica_may_do() -> None:
    found, counts = measure(Law(100), 80)
    assert (found.replicas, counts) == (1, [1])
    assert range_to_write(found, 1) == (1, 2)


def test_more_than_may_be_driven_is_estimated_and_not_written() -> None:
    found, counts = measure(Law(100), 900)
    assert counts == [1, 2, 4, 8]
    assert (found.verdict, found.low, found.high) == (Verdict.ESTIMATED, 9, 10)
    assert found.why == "the file's replicas.max of 8 holds 800/s"
    assert range_to_write(found, 8) is None


def test_an_estimate_has_no_upper_end_where_the_points_do_not_give_one() -> None:
    found, _ = measure(Law(100, 0.02), 900)  # it may flatten before, as well as it is known
    assert (found.low, found.high) == (10, None)


def test_too_far_is_not_estimated() -> None:
    found, _ = measure(Law(100), 2700)
    assert found.verdict is Verdict.UNKNOWN
    assert "more than 24 replicas, too far" in found.why


def test_throughput_that_does_not_grow_ends_the_climb_with_its_reason() -> None:
    points = [point(1, 1000, busy=1.2), point(2, 1040, busy=1.95, cpus=1.2, client=0.4)]
    limits = replace(HOST, cores=2)
    assert next_count(points, 3000, 8) is None
    found = answer(points, 3000, limits)
    assert found.verdict is Verdict.REFUSED
    assert found.why == (
        "scaling flattens: 1 to 2 replicas brought +40/s; 1.9 of this host's 2 cores are in use "
        "(replicas 1.2, generator 0.4, the rest everything else)"
    )


@pytest.mark.parametrize(
    ("last", "told"),
    [
        ({"client": 0.9}, "the load generator used 90% of its core"),
        ({"cpus": 0.98}, "each replica uses its limit of 0.5 CPUs"),
        ({"cpus": 0.2, "busy": 0.7}, "0.7 of 16 cores are in use: they wait for something that all share"),
    ],
)
def test_what_is_used_up_is_named(last: dict[str, float], told: str) -> None:
    assert told in answer([point(1, 1000), point(2, 1000, **last)], 3000, HOST).why


def test_a_host_without_the_cores_or_the_memory_is_told_before_it_is_tried() -> None:
    points = [point(1, 1000), point(2, 2000)]
    few = answer(points, 3000, replace(HOST, most=2, cores=2))
    assert few.verdict is Verdict.REFUSED
    assert few.why == "at 1 ms of CPU a request it takes 3.0 CPUs, more than this host's 2 cores"
    small = answer(points, 3000, replace(HOST, most=2, memory=100 << 20))
    assert small.why == "the replicas would need 0.1 GiB, more than this host's 0.1"


def test_an_objective_that_no_rate_holds_is_not_measured_further() -> None:
    points = [Point(1, 0.0, "p99 12 ms > 5 ms")]
    assert next_count(points, 10, 8) is None
    found = answer(points, 10, HOST)
    assert (found.verdict, found.law) == (Verdict.REFUSED, None)
    assert found.why == "1 holds no rate within the objective: p99 12 ms > 5 ms"


def test_a_count_that_cannot_be_started_is_the_answer() -> None:
    found = answer([point(1, 100)], 300, HOST, "2 replicas cannot be started: risk/2: no memory")
    assert (found.verdict, found.why) == (Verdict.REFUSED, "2 replicas cannot be started: risk/2: no memory")
    assert answer([], 300, HOST, "1 replicas cannot be started: no memory").verdict is Verdict.UNKNOWN


def test_an_interrupt_claims_no_more_than_was_measured() -> None:
    cut = answer([point(1, 100)], 300, HOST, interrupted=True)
    assert (cut.verdict, cut.why) == (Verdict.UNKNOWN, "it was interrupted")
    found = answer([point(1, 100), point(2, 200), point(4, 400)], 300, HOST, interrupted=True)
    assert (found.replicas, found.why) == (4, "fewer were not measured")


def test_rates_of_0_are_left_out_of_the_law() -> None:
    assert knees([Point(1, 0.0), point(2, 10)]) == {2: 10}
