"""The benchmark's own arithmetic: medians, ratios, targets, tables, and what wrk's report is read as."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bench_accuracy import Pairs, Server, measure_busy, measure_ceiling, measure_one
from benchmarks.figures import Load, Section, Series, Target, against, middle, parse_wrk, ratio, table, turns
from benchmarks.up_vs_compose import SECTIONS, arguments, latency_section, quick
from benchmarks.wrk import Figures, Histogram, parse, raw, summary

REPORT = """Running 3s test @ http://127.0.0.1:8100/health
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     3.43ms    2.80ms  16.38ms   82.81%
    Req/Sec     1.28k   138.11     1.57k    80.00%
  Latency Distribution
     50%  {p50}
     75%    5.01ms
     90%    7.76ms
     99%  {p99}
  1273 requests in 1.00s, 646.45KB read
Requests/sec:   1270.70
Transfer/sec:    645.28KB
"""
SECONDS = st.lists(st.floats(0.001, 1000), min_size=1)


def report(p50: str = "2.11ms", p99: str = "12.48ms") -> str:
    """What wrk prints."""
    return REPORT.format(p50=p50, p99=p99)


@given(SECONDS)
def test_median_lies_between_the_fastest_and_the_worst(values: list[float]) -> None:
    series = Series(tuple(values))
    assert min(values) <= series.median <= series.worst == max(values)
    assert sum(v < series.median for v in values) <= len(values) / 2
    assert sum(v > series.median for v in values) <= len(values) / 2


@given(SECONDS, st.floats(0.01, 100))
def test_ratio_is_that_of_the_medians(values: list[float], factor: float) -> None:
    assert ratio([v * factor for v in values], values) == pytest.approx(factor)
    assert ratio(values, [1.0]) == pytest.approx(Series(tuple(values)).median)


def test_one_slow_round_does_not_move_the_median() -> None:
    assert ratio([1, 1, 1, 1, 60], [2, 2, 2, 2, 2]) == 0.5


@pytest.mark.parametrize(
    ("value", "met", "text"),
    [
        (0.5, True, "met    up: 0.50 s, at most 0.60 s"),
        (0.6, True, "met    up: 0.60 s, at most 0.60 s"),
        (0.7, False, "MISSED up: 0.70 s, at most 0.60 s"),
    ],
)
def test_target(value: float, met: bool, text: str) -> None:
    target = Target("up", value, 0.6, " s")
    assert (target.met, str(target)) == (met, text)


def test_quick_commands_have_a_bound_against_compose_and_one_of_their_own() -> None:
    slow = {"nautilus": [0.7, 0.7], "compose": [0.2, 0.2]}
    fast = {"nautilus": [0.5], "compose": [0.05]}
    targets = quick({"up with nothing to do": slow, "status and ps": fast})
    assert [str(target) for target in targets] == [
        "met    up with nothing to do, times Compose's: 3.50, at most 5.00",
        "MISSED up with nothing to do, nautilus: 0.70 s, at most 0.60 s",
        "MISSED status and ps, times Compose's: 10.00, at most 5.00",
        "met    status and ps, nautilus: 0.50 s, at most 0.60 s",
    ]


def test_table_against_compose() -> None:
    text = against({"up": {"nautilus": [3, 2, 10], "compose": [30, 32, 31]}})
    assert text.splitlines() == [
        "seconds: median (worst)      nautilus        Compose  ratio",
        "up                       3.00 (10.00)  31.00 (32.00)   0.10",
    ]


@given(st.lists(st.tuples(st.text("abc", min_size=1, max_size=12), st.text("123.", max_size=12)), max_size=5))
def test_columns_are_aligned_and_no_cell_is_lost(rows: list[tuple[str, str]]) -> None:
    lines = table(("what", "figure"), rows).splitlines()
    assert len(lines) == 1 + len(rows)
    for line, (what, figure) in zip(lines[1:], rows, strict=True):
        assert line.split() == [cell for cell in (what, figure) if cell]
        assert line.startswith(what)
        assert len(line) == len(lines[0]) or not figure


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("123.00us", 123e-6), ("  2.11ms", 2.11e-3), ("1.02s", 1.02), ("  1.50m", 90), ("0.00us", 0)],
)
def test_units_of_wrk(text: str, seconds: float) -> None:
    assert parse_wrk(report(p50=text)).p50 == pytest.approx(seconds)


def test_report_of_wrk() -> None:
    load = parse_wrk(report())
    assert (load.p50, load.p99, load.rate) == pytest.approx((2.11e-3, 12.48e-3, 1270.7))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (report() + "  Non-2xx or 3xx responses: 12\n", "Non-2xx or 3xx responses: 12"),
        (report() + "  Socket errors: connect 0, read 1, write 0, timeout 0\n", "Socket errors: connect 0, read 1"),
        (report(p99="nothing"), "no figures"),
        (report().replace("1270.70", "0.00"), "no figures"),
        ("unable to connect to 127.0.0.1:1 Connection refused", "Connection refused"),
    ],
)
def test_a_load_that_was_not_served_is_no_figure(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_wrk(text)


def test_middle_takes_each_figure_by_itself() -> None:
    assert middle([Load(1, 30, 200), Load(2, 10, 100), Load(3, 20, 300)]) == Load(2, 20, 200)


@given(st.lists(st.text(), min_size=1, unique=True), st.integers(-1, 50))
def test_each_round_runs_everything_once_and_begins_with_another(names: list[str], number: int) -> None:
    order = turns(names, number)
    assert sorted(order) == sorted(names)
    assert order[0] == names[number % len(names)]
    assert len({turns(names, n)[0] for n in range(len(names))}) == len(names)


def paths(host: Sequence[float], published: Sequence[float]) -> dict[tuple[str, int], list[Load]]:
    """p50 of each path, in seconds, at both numbers of connections."""
    p50 = {"a published port": published, "the gateway, host": host}
    return {(path, c): [Load(v, 2 * v, 1 / v) for v in values] for c in (1, 32) for path, values in p50.items()}


def test_gateway_is_held_against_a_published_port() -> None:
    section = latency_section(paths(host=[1e-3, 9e-3, 1e-3], published=[2e-3, 2e-3, 2e-3]))
    assert [(target.value, target.met) for target in section.targets] == [(0.5, True), (0.5, True)]
    assert section.table.splitlines()[-1].split("  ")[0] == "the gateway, host, 32"
    assert section.table.split()[-3:] == ["1.00", "2.00", "1000"]
    assert not all(t.met for t in latency_section(paths(host=[3e-3], published=[2e-3])).targets)


def test_section_as_text_and_as_json() -> None:
    section = Section("up", "a table", (Target("share", 0.3, 0.2),), {"up": {"nautilus": [0.3], "compose": [1.0]}})
    assert str(section) == "up\n\na table\n\nMISSED share: 0.30, at most 0.20"
    assert json.loads(json.dumps(section.data())) == {
        "title": "up",
        "values": {"up": {"nautilus": [0.3], "compose": [1.0]}},
        "targets": [{"what": "share", "value": 0.3, "most": 0.2, "met": False}],
    }


def test_command_line() -> None:
    assert list(SECTIONS) == ["up", "noop", "latency", "hundred"]
    assert (arguments([]).rounds, arguments([]).section) == (5, None)
    assert arguments(["--section", "up", "--section", "noop", "--rounds", "2"]).section == ["up", "noop"]


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--section", "sideways"]])
def test_wrong_arguments(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments(words)
    assert words[0] in capsys.readouterr().err


def corrected(latencies: list[int], interval: int) -> Histogram:
    """What wrk 4 makes of latencies, step by step as it does."""
    histogram = np.bincount(latencies)
    for value in range(2 * interval, len(histogram)):
        count, earlier = histogram[value], value - interval
        while count and earlier > interval:
            histogram[earlier] += count
            earlier -= interval
    return histogram


@given(st.lists(st.integers(1, 500), min_size=1, max_size=50), st.integers(1, 300))
def test_the_correction_of_wrk_is_undone(latencies: list[int], interval: int) -> None:
    histogram = corrected(latencies, interval)
    assert raw(histogram, interval, len(latencies)).tolist() == np.bincount(latencies).tolist()


def test_a_correction_of_another_kind_is_noticed() -> None:
    with pytest.raises(ValueError, match="not undone: 3 latencies of 4"):
        raw(np.bincount([10, 20, 30]), 100, 4)
    with pytest.raises(ValueError, match="not undone"):
        raw(corrected([10, 55, 300], 50), 49, 3)


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=200))
def test_figures_of_a_histogram(latencies: list[int]) -> None:
    mean, p50, p99, longest = summary(np.bincount(latencies))
    assert mean == pytest.approx(np.mean(latencies) / 1e6)
    assert longest == max(latencies) / 1e6
    for value, share in ((p50, 50), (p99, 99)):
        assert value == pytest.approx(np.percentile(latencies, share, method="inverted_cdf") / 1e6)


def test_what_the_hook_of_wrk_writes() -> None:
    runtime, completed, histogram = parse("Requests/sec: 12\nhistogram 2000000 3\n1 2\n4 1\n")
    assert (runtime, completed, histogram.tolist()) == (2_000_000, 3, [0, 2, 0, 0, 1])
    with pytest.raises(ValueError, match="no histogram: 'nothing'"):
        parse("nothing")


class Measured(Pairs):
    """Pairs that were measured already."""

    def __init__(self, *pairs: tuple[Figures, Figures]) -> None:
        self._pairs = pairs

    def measure(self, server: Server, connections: int) -> list[dict[str, Figures]]:
        return [{"nautilus": ours, "wrk": theirs} for ours, theirs in self._pairs]


def figures(p50: float = 100e-6, p99: float = 200e-6, rate: float = 1000, cpu: float = 10e-6) -> Figures:
    return Figures(rate, p50, p50, p99, p99, cpu)


SERVER = cast(Server, None)  # not asked


def test_latency_may_differ_by_a_share_or_by_a_few_microseconds() -> None:
    pairs = [(figures(120e-6), figures(100e-6)), (figures(90e-6), figures(100e-6)), (figures(160e-6), figures(150e-6))]
    found = measure_one(SERVER, Measured(*pairs))
    assert [str(target) for target in found.targets] == [
        "met    A1 p50, apart: 10.00 us, at most 15.00 us",  # the median of +20, -10 and +10
        "met    A1 p99, apart: 0.00 us, at most 40.00 us",
    ]
    assert found.table.splitlines()[1:] == [
        "1, nautilus             1,000.0    120.0   120.0   200.0   200.0           0.120    10.0",
        "1, wrk                  1,000.0    100.0   100.0   200.0   200.0           0.100    10.0",
        "1, ratio                   1.00     1.07    1.07    1.00    1.00            1.07    1.00",
    ]


def test_a_busy_server_is_compared_without_its_speed() -> None:
    pairs = [(figures(rate=500, p50=200e-6), figures(rate=1000, p50=100e-6)), (figures(rate=1040), figures())]
    assert [str(target) for target in measure_busy(SERVER, Measured(*pairs[:1])).targets] == [
        "met    A2 p50 x rate / connections, apart from wrk's: 0.00 %, at most 3.00 %"
    ]
    assert not measure_busy(SERVER, Measured(pairs[1])).targets[0].met


def test_the_ceiling_is_that_of_each_pair() -> None:
    pairs = [(figures(rate=900), figures()), (figures(rate=90, cpu=14e-6), figures(rate=100))]
    targets = measure_ceiling(SERVER, Measured(*pairs)).targets
    assert [round(target.value, 2) for target in targets] == [1.11, 1.2] * 3
    assert all(target.met for target in targets)
    assert not any(
        target.met for target in measure_ceiling(SERVER, Measured(*[(figures(rate=600, cpu=14e-6), figures())])).targets
    )
