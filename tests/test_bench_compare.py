"""What changed between A and B: which loads are compared, and what is told apart from noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nautilus_cli.bench import compare, rounds
from nautilus_cli.bench.campaign import Bench, Result, Run
from nautilus_cli.bench.compare import P50, P99, RATE, Case, rows
from nautilus_cli.bench.recording import Closed, Failure, OnLive, Open, Profile, Recording, Target
from nautilus_cli.bench.report import Report, summarise
from nautilus_cli.bench.wish import Wish
from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Slo
from tests.bench_fakes import MS, FakeGenerator, recording
from tests.test_bench_campaign import Diary, bench, subject
from tests.test_bench_export import SUBJECT


def report(latency: float, load: Closed | Open | None = None, seed: int = 0, **changes: Any) -> Report:
    """A run whose answers take about so many milliseconds."""
    dice = np.random.default_rng(seed)
    count = int(16 / (latency / 1e3) / 10) * 10
    values = (latency * MS * np.exp(dice.normal(0, 0.1, count))).astype(np.int64)
    return summarise(recording(values, load, seconds=1.0, **changes), 2)


def case(a: Sequence[Report], b: Sequence[Report], paired: bool = True) -> Case:
    return Case("risk", a[0].profile.load, tuple(a), tuple(b), paired)


def verdicts(found: Case) -> dict[str, str]:
    return {row.metric.name: row.verdict for row in rows(found)}


@pytest.mark.parametrize("paired", [True, False])
def test_what_is_faster_slower_and_noise(paired: bool) -> None:
    fast, slow = [report(2, seed=n) for n in range(4)], [report(3, seed=n) for n in range(4, 8)]
    again = [report(2, seed=n) for n in (11, 12, 13, 14)]
    assert verdicts(case(fast, slow, paired)) == {"requests/s": "slower", "p50": "slower", "p99": "slower"}
    assert verdicts(case(slow, fast, paired)) == {"requests/s": "faster", "p50": "faster", "p99": "faster"}
    assert verdicts(case(fast, again, paired))["p50"] == "noise"


def test_how_much_worse_it_is_at_the_least() -> None:
    found = {row.metric.name: row for row in rows(case([report(2)] * 3, [report(2.5)] * 3))}
    assert found["p50"].worse == pytest.approx(0.25, abs=0.02)
    assert found["requests/s"].worse == pytest.approx(0.2, abs=0.02)
    back = {row.metric.name: row for row in rows(case([report(2.5)] * 3, [report(2)] * 3))}
    assert {row.worse for row in back.values()} == {0.0}


def test_the_rate_of_an_open_loop_counts_only_where_it_was_missed() -> None:
    kept, behind = report(2, Open(8000)), report(2, Open(20_000))
    assert case([kept], [kept]).metrics == (P50, P99)
    assert case([kept], [behind]).metrics == (RATE, P50, P99)


def test_within_one_saved_run_the_parts_say_how_much_it_varies() -> None:
    (rate, p50, p99) = rows(case([report(2, seed=1)], [report(2.4, seed=2)], paired=False))
    assert (rate.verdict, p50.verdict) == ("slower", "slower")
    assert p50.change
    assert p50.change.ratio == pytest.approx(p50.b / p50.a if p50.a and p50.b else 0)
    assert p99.verdict == "unknown"  # no part has the thousand answers that its p99 needs
    assert p99.change
    assert p99.change.ratio == pytest.approx(1.2, abs=0.1)


def test_what_one_side_does_not_know_is_unknown() -> None:
    few = summarise(recording([MS] * 30), 2)
    assert verdicts(case([few] * 3, [report(1)] * 3))["p99"] == "unknown"
    nothing = summarise(recording([MS] * 30, failure=Failure.RESET), 2)
    assert verdicts(case([report(1)] * 3, [nothing] * 3)) == {
        "requests/s": "unknown", "p50": "unknown", "p99": "unknown",
    }  # fmt: skip
    assert {row.worse for row in rows(case([report(1)] * 3, [nothing] * 3))} == {0.0}


def test_b_fails_where_it_has_more_errors_than_a() -> None:
    well, ill = report(1), report(1, status=500)
    assert compare.failing(case([well], [ill]))
    assert not compare.failing(case([ill], [well]))
    assert not compare.failing(case([ill], [ill]))


def saved(wish: Wish, name: str = "risk", **target: Any) -> Result:
    return wish.measure(bench(FakeGenerator(**target)), replace(SUBJECT, name=name))


def test_every_load_that_two_runs_have_in_common_is_a_case() -> None:
    found, left = compare.cases([saved(Wish(levels=(1, 4, 16)))], [saved(Wish(levels=(4, 16, 64)))])
    assert [(one.load, len(one.a), len(one.b), one.paired) for one in found] == [
        (Closed(4), 3, 3, False),
        (Closed(16), 3, 3, False),
    ]
    assert left == ["risk: B has no run at the load of A's sweep (1 connections)"]


def test_latencies_at_different_rates_are_not_compared() -> None:
    found, left = compare.cases([saved(Wish())], [saved(Wish(), capacity=900)])
    assert [one.load for one in found] == [Closed(4), Closed(16), Closed(64)]
    assert left == ["risk: B has no run at the load of A's latency (500/s)"]
    with pytest.raises(ConfigError, match="no load in common"):
        compare.cases([saved(Wish(rate=50))], [saved(Wish(connections=64))])
    with pytest.raises(ConfigError, match="no load in common"):
        compare.cases([saved(Wish(rate=50))], [saved(Wish(rate=60))])


def test_subjects_are_matched_by_name_and_single_ones_in_any_case() -> None:
    one, other = saved(Wish(connections=4), "a"), saved(Wish(connections=4), "b")
    assert len(compare.cases([one], [other])[0]) == 1
    found, _ = compare.cases([one, other], [other, saved(Wish(connections=4), "c")])
    assert [each.subject for each in found] == ["b"]


def test_a_confirmed_rate_is_compared_and_its_search_is_not() -> None:
    searched = saved(Wish(slo=Slo.parse("p99=5ms")))
    assert isinstance(searched.runs[-1], Run)
    found, _ = compare.cases([searched], [searched])
    assert {type(one.load) for one in found} == {Open, Closed}
    assert len([one for one in found if isinstance(one.load, Open)]) == 1


class Two:
    """Two targets, by port, one of which is slower."""

    def __init__(self, **second: Any) -> None:
        self.targets = {8100: FakeGenerator(), 8200: FakeGenerator(**second)}
        self.order: list[tuple[int, Closed | Open]] = []

    def __call__(
        self, target: Target, profile: Profile, on_live: OnLive | None = None, stop: object = None
    ) -> Recording:
        self.order.append((target.port, profile.load))
        return self.targets[target.port](target, profile)


def duel(second: Two, loads: Sequence[Closed | Open] = (), count: int = 3) -> rounds.Rounds:
    whole = Bench(second, Diary(), 2, Profile(Closed(1), duration=2.0, warmup=0.1), lambda: False)
    return rounds.in_turns(whole, subject(), subject(name="new", target=Target("127.0.0.1", 8200)), loads, count)


def test_rounds_are_measured_in_turns_and_each_side_begins_as_often() -> None:
    load = Closed(4)
    two = Two(capacity=500)
    found = duel(two, [load], 4)
    assert [port for port, _ in two.order[2:]] == [8100, 8200, 8200, 8100, 8100, 8200, 8200, 8100]
    (only,) = found.cases
    assert (len(only.a), len(only.b), only.paired, found.done) == (4, 4, True, 4)
    assert verdicts(only)["requests/s"] == "slower"


def test_without_a_load_the_peak_and_half_of_the_slower_ones_are_compared() -> None:
    two = Two(capacity=500)
    found = duel(two)
    assert list(found.reports) == [Closed(16), Open(250)]
    assert {type(one.load) for one in found.cases} == {Closed, Open}


@pytest.mark.parametrize(
    ("second", "failed", "interrupted", "done"),
    [
        ({"refused": True}, "B, new: it does not answer (250 refused)", False, 0),
        ({"stop_at": 0}, "", True, 0),
        ({"stop_at": 1}, "", True, 0),
        ({"stop_at": 6, "why": "the target is gone"}, "B, new: the target is gone", False, 2),
        ({"stop_at": 6}, "", True, 2),
    ],
)
def test_what_ends_early_says_why_and_keeps_whole_rounds(
    second: dict[str, Any], failed: str, interrupted: bool, done: int
) -> None:
    found = duel(Two(**second), count=5)
    assert found.failed == failed
    assert (found.interrupted, found.done) == (interrupted, done)
