"""What `nautilus bench` shows, as text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nautilus_cli.bench.campaign import Result, Run
from nautilus_cli.bench.recording import Closed, Failure, Live, Open, Profile
from nautilus_cli.bench.report import summarise
from nautilus_cli.bench.selftest import Check
from nautilus_cli.bench.wish import Wish
from nautilus_cli.fleet import Slo
from nautilus_cli.view import bench as view
from tests.bench_fakes import MS, FakeGenerator, recording
from tests.golden import compare, rendered
from tests.test_bench_campaign import bench
from tests.test_bench_export import SUBJECT

TWENTY = Slo.parse("p50=20ms,p99=20ms,errors=1%")


def measured(wish: Wish, name: str = "risk", slo: Slo = TWENTY, **target: Any) -> Result:
    return wish.measure(bench(FakeGenerator(**target)), replace(SUBJECT, name=name, slo=slo))


def test_a_campaign_is_one_table_and_says_what_it_did(request: pytest.FixtureRequest) -> None:
    results = [
        measured(Wish(), "analytics", capacity=12_345),
        measured(Wish(), "risk", alone=0.1),
        measured(Wish(), "factor", slo=Slo()),
        measured(Wish(), "gone", refused=True),
        measured(Wish(), "late", capacity=20_000, health={"late_p99": 0.003}),
    ]
    text = rendered(view.view(results))
    assert max(len(line) for line in text.splitlines()) <= 100
    compare(request, "bench_campaign", text)


def test_who_was_asked_for_longer_than_the_others_is_not_hidden() -> None:
    results = [measured(Wish(), "analytics"), measured(Wish(), "risk", capacity=2000, slo=Slo.parse("p99.9=1s"))]
    assert "for 10 s, longer where an slo needs more answers," in " ".join(rendered(view.view(results)).split())


def test_one_run_is_shown_from_every_side(request: pytest.FixtureRequest) -> None:
    latencies = np.random.default_rng(5).lognormal(14, 0.5, 20_000).astype(np.int64)
    kinds = [Failure.NONE] * 19_990 + [Failure.RESET] * 10
    found = recording(latencies, Open(2000), status=[200] * 19_950 + [503] * 50, failure=kinds)
    result = Result(SUBJECT, (Run("run", summarise(found, 2)),))
    compare(request, "bench_run", rendered(view.view([result])))


def test_a_sweep_is_one_row_a_level(request: pytest.FixtureRequest) -> None:
    compare(request, "bench_sweep", rendered(view.view([measured(Wish(levels=(1, 16, 1000)), alone=0.01)])))


def test_a_search_is_one_sentence() -> None:
    text = " ".join(rendered(view.view([measured(Wish(slo=Slo.parse("p99=5ms")))])).split())
    assert "risk: 600 requests/s hold the objective, confirmed in a longer run; the first that does not: 6" in text
    halted = rendered(view.view([measured(Wish(slo=Slo.parse("p99=5ms")), stop_at=6)]))
    assert "risk: it ended before a rate was confirmed to hold the objective" in halted
    nothing = " ".join(rendered(view.view([measured(Wish(slo=Slo.parse("p99=1us")))])).split())
    assert "risk: no rate was confirmed to hold the objective; at 60 requests/s: p99 2." in nothing


def test_an_interrupt_during_the_first_run_shows_what_there_is() -> None:
    for wish in (Wish(), Wish(levels=(1,)), Wish(slo=TWENTY), Wish(rate=5)):
        assert rendered(view.view([measured(wish, stop_at=0)]))


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (measured(Wish(), slo=Slo.parse("p99=1ms")), "[red]missed: p99[/]"),
        (measured(Wish(), capacity=20, alone=0.1, slo=Slo.parse("p99.9=9s")), "[yellow]unknown: p99.9[/]"),
        (measured(Wish()), "[green]met[/]"),
        (measured(Wish(), slo=Slo()), "-"),
        (measured(Wish(), refused=True), "[red]not measured[/]"),
        (measured(Wish(), stop_at=4, why="the target is gone"), "[red]target gone[/]"),
    ],
)
def test_each_verdict_has_its_word(result: Result, said: str) -> None:
    assert view.verdict(result) == said


def test_a_run_is_told_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    ticker = view.Ticker()
    profile = Profile(Open(500))
    ticker.began(SUBJECT, "latency", profile)
    ticker.live(Live(1, 2, False, 500, 0.001, 0.002, 0, np.array([], np.int64)))
    few = recording([MS] * 200, Open(500), failure=[Failure.NONE] * 198 + [Failure.RESET] * 2, health={"steady": False})
    ticker.ended(SUBJECT, Run("latency", summarise(few, 2), "held"))
    assert capsys.readouterr().err == (
        "risk         latency  500/s             20/s  p50 1ms  p90 1ms  2 errors  (not steady)  held\n"
    )


def test_on_a_terminal_the_run_under_way_is_one_line_that_is_drawn_over(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    ticker = view.Ticker()
    ticker.began(SUBJECT, "peak", Profile(Closed(4)))
    for rate in (100.0, 200.0):
        ticker.live(Live(1, 4, rate == 100, rate, 0.001, 0.002, 3, np.array([], np.int64)))
    ticker.ended(SUBJECT, Run("peak", summarise(recording([MS] * 200), 2)))
    drawn = capsys.readouterr().err
    assert "100/s p50 1ms p99 2ms  3 errors  █ warming up\r" in drawn
    assert "200/s p50 1ms p99 2ms  3 errors  ▅█ 3 s left\r" in drawn
    assert drawn.count("\n") == 1


def test_the_self_test_as_a_table_and_as_data() -> None:
    checks = [Check("A4", "closed loop", "1", "1.0", True, 0.0), Check("A6", "stall", "5 %", "9 %", False, 1.5)]
    text = rendered(view.check_table(checks))
    assert "A4  ok " in text
    assert "A6  failed" in text
    assert view.check_data(checks)["passed"] is False
