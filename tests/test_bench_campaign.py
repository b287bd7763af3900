"""What is measured, in which order, and what is made of it, on a generator whose target is a formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from nautilus_cli.bench import sweep
from nautilus_cli.bench.campaign import Bench, Result, Run, Subject, campaign, searched, single, swept
from nautilus_cli.bench.recording import Closed, Live, Open, Profile, Recording, Target
from nautilus_cli.bench.report import summarise
from nautilus_cli.fleet import Slo
from tests.bench_fakes import MS, TARGET, FakeGenerator, recording


@dataclass
class Diary:
    """A watcher that writes down what it is told."""

    lines: list[str] = field(default_factory=list)

    def began(self, subject: Subject, purpose: str, profile: Profile) -> None:
        self.lines.append(f"began {purpose}")

    def live(self, live: Live) -> None:
        self.lines.append("live")

    def ended(self, subject: Subject, run: Run) -> None:
        self.lines.append(f"ended {run.purpose} {run.note}".rstrip())


def bench(generator: FakeGenerator, diary: Diary | None = None) -> Bench:
    return Bench(generator, diary or Diary(), 2, Profile(Closed(1), duration=10.0, warmup=1.0), lambda: False)


def subject(**changes: object) -> Subject:
    return Subject(**{"name": "risk", "target": TARGET, "ready": 2, "wanted": 2, **changes})  # type: ignore[arg-type]


def measure(generator: FakeGenerator, **changes: object) -> Result:
    return campaign(bench(generator), subject(**changes), Open(1, arrival="poisson", seed=3))


def test_what_needs_longer_than_a_check_for_its_first_answer_is_waited_for() -> None:
    class Slow(FakeGenerator):
        def __call__(self, target: Target, profile: Profile, *others: Any) -> Recording:
            found = super().__call__(target, profile, *others)
            return found if profile.duration > 1 else recording([], Closed(1), profile.duration)

    generator = Slow()
    run = bench(generator).check(subject())
    assert [profile.duration for profile in generator.profiles] == [0.5, 5.0]
    assert (run.note, run.report.requests > 0) == ("", True)


def test_a_campaign_checks_climbs_and_measures_at_half_the_peak() -> None:
    generator = FakeGenerator(capacity=1000, alone=0.008)
    result = measure(generator, slo=Slo.parse("p99=20ms,errors=0.1%"))
    assert [run.purpose for run in result.runs] == ["check", "peak", "peak", "peak", "latency"]
    loads = [profile.load for profile in generator.profiles]
    assert loads == [Closed(1), Closed(4), Closed(16), Closed(64), Open(500, 64, "poisson", 3)]
    assert [profile.duration for profile in generator.profiles] == [0.5, 3, 3, 3, 10]
    assert result.peak
    assert result.peak.rate == pytest.approx(1000)
    assert result.headline
    assert result.headline.response["p99"] == pytest.approx(0.016)
    assert [(verdict.objective, verdict.met) for verdict in result.verdicts] == [("p99", True), ("errors", True)]
    assert not result.missed


@pytest.mark.parametrize(
    ("slo", "rate", "seconds"),
    [
        ("p99=20ms", 500.0, 10.0),  # 5,000 answers are more than enough
        ("p99=20ms", 100.0, 12.0),
        ("p99.9=20ms", 800.0, 15.0),
        ("p99.9=20ms", 500.0, 10.0),  # 24 s are too long: it stays unknown
        ("errors=1%", 0.5, 10.0),
    ],
)
def test_latency_is_measured_as_long_as_its_objective_needs_answers(slo: str, rate: float, seconds: float) -> None:
    generator = FakeGenerator(capacity=1000, alone=0.008)
    measure(generator, rate=rate, slo=Slo.parse(slo))
    assert generator.profiles[-1].duration == pytest.approx(seconds)


def test_a_declared_rate_is_where_the_objective_is_judged() -> None:
    generator = FakeGenerator(capacity=1000, alone=0.008)
    result = measure(generator, rate=900.0, slo=Slo.parse("p99=20ms"))
    assert generator.profiles[-1].load == Open(900, 64, "poisson", 3)
    assert [verdict.met for verdict in result.verdicts] == [False]
    assert result.missed


def test_what_does_not_answer_is_not_measured() -> None:
    generator = FakeGenerator(refused=True)
    result = measure(generator)
    assert len(generator.profiles) == 1
    assert result.failed.startswith("it does not answer (")
    assert result.failed.endswith(" refused)")
    assert result.missed


def test_missing_replicas_are_told_before_anything_is_measured() -> None:
    assert measure(FakeGenerator(), ready=1).failed == "1 of 2 replicas are ready"


@pytest.mark.parametrize(("stop_at", "purposes"), [(0, 1), (2, 3), (4, 5)])
def test_an_interrupt_ends_it_with_what_there_is(stop_at: int, purposes: int) -> None:
    result = measure(FakeGenerator(stop_at=stop_at))
    assert len(result.runs) == purposes
    assert result.interrupted
    assert not result.failed


def test_a_target_that_dies_on_the_way_is_no_success() -> None:
    result = measure(FakeGenerator(stop_at=2, why="the target is gone"), slo=Slo.parse("p99=9s"))
    assert (len(result.runs), result.interrupted, result.missed) == (3, False, True)


def test_who_watches_hears_of_every_run_once() -> None:
    diary = Diary()
    single(bench(FakeGenerator(), diary), subject(), Closed(4))
    assert diary.lines == ["began run", "live", "ended run"]


def test_an_objective_is_judged_at_a_chosen_rate_and_not_at_the_most_that_is_possible() -> None:
    slo = Slo.parse("p99=1us")
    assert single(bench(FakeGenerator()), subject(slo=slo), Open(100)).missed
    assert not single(bench(FakeGenerator()), subject(slo=slo), Closed(100)).missed


def test_a_sweep_goes_up_and_down_and_takes_medians() -> None:
    generator = FakeGenerator(capacity=1000, alone=0.008)
    result = swept(bench(generator), subject(), [16, 1, 4])
    loads = [profile.load for profile in generator.profiles[1:]]
    assert loads == [Closed(n) for n in (1, 4, 16, 16, 4, 1, 1, 4, 16)]
    assert [(level.connections, level.rate, level.runs) for level in result.levels] == [
        (1, 125, 3),
        (4, 500, 3),
        (16, 1000, 3),
    ]
    assert result.levels[2].percentiles["p50"] == pytest.approx(0.016)


def test_a_sweep_that_is_interrupted_shows_the_levels_it_has() -> None:
    result = swept(bench(FakeGenerator(stop_at=3)), subject(), [1, 4])
    assert [(level.connections, level.runs) for level in result.levels] == [(1, 1), (4, 2)]
    assert result.interrupted


def test_a_median_is_told_when_most_runs_know_the_percentile() -> None:
    many, few = summarise(recording([MS] * 2000), 2), summarise(recording([MS] * 50), 2)
    assert sweep.level(4, [many, many, few]).percentiles["p99"] == 0.001
    assert sweep.level(4, [many, few, few]).percentiles["p99"] is None


def test_the_search_finds_the_rate_that_the_formula_gives() -> None:
    generator = FakeGenerator(capacity=1000, alone=0.002)
    slo = Slo.parse("p99=5ms")  # 0.002 / (1 - x) = 0.005 at x = 0.6
    result = searched(bench(generator), subject(), slo, Open(1))
    assert result.found
    assert result.found.held
    assert result.found.failed
    assert 600 / 1.03 < result.found.held <= 600 < result.found.failed < 600 * 1.03
    assert result.found.why.startswith("p99 5.")
    assert generator.profiles[-1].duration == 30
    assert result.headline is result.runs[-1].report
    assert not result.missed


def test_an_objective_that_no_rate_holds_is_missed() -> None:
    result = searched(bench(FakeGenerator()), subject(), Slo.parse("p99=1us"), Open(1))
    assert result.found
    assert (result.found.held, result.found.failed) == (None, 60.0)
    assert result.missed


def test_a_slow_rate_is_tried_until_enough_answers_are_there() -> None:
    generator = FakeGenerator(capacity=100, alone=0.002)
    searched(bench(generator), subject(), Slo.parse("p99=4ms"), Open(1))
    for profile in generator.profiles[4:]:
        assert isinstance(profile.load, Open)
        assert profile.duration * profile.load.rate >= 1000


def test_the_search_can_be_interrupted() -> None:
    result = searched(bench(FakeGenerator(stop_at=6)), subject(), Slo.parse("p99=5ms"), Open(1))
    assert result.interrupted
    assert result.found
    assert result.found.held is None


def test_the_user_is_asked_whether_to_stop() -> None:
    asked: list[Callable[[], bool] | None] = []

    class Asking(FakeGenerator):
        def __call__(self, target, profile, on_live=None, stop=None):  # type: ignore[no-untyped-def]
            asked.append(stop)
            return super().__call__(target, profile, on_live, stop)

    running = bench(Asking())
    single(running, subject(), Closed(1))
    assert asked == [running.stop]
