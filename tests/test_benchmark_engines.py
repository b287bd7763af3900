"""The engines' benchmark: its plain Python gives the models' numbers, and its report says what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import plain
from benchmarks.computations import Case
from benchmarks.engines import app_section, arguments, compute_section, http_section, seconds_of
from benchmarks.serving import WAYS, Cost, lua, requests_in
from benchmarks.sides import Failed
from engines.analytics import model as analytics
from engines.factor import model as factor
from engines.risk import model as risk


@pytest.fixture
def closes() -> np.ndarray:
    """Prices of four stocks and of the market over 90 days, which move."""
    days = np.arange(90.0)[:, None]
    changes = np.sin(days * np.array([1.3, 2.1, 0.7, 3.3, 1.9]) + 1) / 40 + 0.001
    return 100 * np.cumprod(1 + changes, axis=0)


def test_plain_performance_is_the_models(closes: np.ndarray) -> None:
    stocks, market = closes[:, :4], closes[1:, 4] / closes[:-1, 4] - 1
    quantities = np.array([3.0, 2.0, -1.0, 4.0])
    values = analytics.portfolio_values(quantities[None, :], stocks, np.zeros(1))
    expected = [column.item() for column in analytics.measure(values, market[None, :])]
    assert plain.performance(quantities.tolist(), stocks.tolist(), market.tolist()) == pytest.approx(expected)


def test_plain_risk_is_the_models(closes: np.ndarray) -> None:
    scenarios = risk.Scenarios.of(closes[1:] / closes[:-1] - 1)
    weights = np.array([[0.5, 0.3, -0.2, 0.1, 0.2]])
    figures, component = risk.assess(scenarios, weights, np.ones(5), 1 - weights.sum(axis=1), 0.95)
    lists = (scenarios.returns.tolist(), scenarios.mean.tolist(), scenarios.covariance.tolist())
    found = plain.risk(weights[0].tolist(), *lists, 0.95)
    assert found == pytest.approx([*figures[0, [0, 1, 2, 4, 5, 6, 7, 8]], *component[0]])


def test_plain_factors_are_the_models(closes: np.ndarray) -> None:
    windows = (6, 30, 84)
    expected = factor.factors(closes[:, :1].T, closes[:, 4:].T, windows)[:, 0]
    found = plain.factors(closes[:, 0].tolist(), closes[:, 4].tolist(), windows)
    assert np.ravel(found).tolist() == pytest.approx(expected.tolist(), rel=1e-8)


def test_a_computation_is_told_with_its_ratio_and_its_bound() -> None:
    case = Case("risk", {"python": int, "numpy": int}, most={"numpy": 0.03, "numba": 0.02})
    section = compute_section([case], {"risk": {"python": [2.0, 3.0, 4.0], "numpy": [0.02, 0.04, 0.03]}})
    assert section.table.splitlines()[1].split() == ["risk", "2", "0.02", "(100x)", "-"]
    assert [str(target) for target in section.targets] == ["met    risk, numpy: 0.02 ms, at most 0.03 ms"]


def test_a_request_is_told_by_the_processor_time_it_costs() -> None:
    costs = {
        f"{engine}, {way}": [Cost(1000, 0.001, 0.002, (40 + 60 * place) * 1e-6)] * 3
        for engine in ("analytics", "risk")
        for place, way in enumerate(WAYS)
    }
    section = http_section(costs)
    assert section.table.splitlines()[2].split()[-3:] == ["100.0", "10,000", "2.50"]
    found = [(round(target.value, 6), round(target.most, 2), target.met) for target in section.targets]
    assert found == [(40, 83.33, True), (40, 50, True)]


def test_the_application_alone_is_told_by_its_least_time() -> None:
    times = {f"risk, {way}": [5e-5 * (place + 1), 4e-5 * (place + 1)] for place, way in enumerate(WAYS)}
    section = app_section(times)
    assert [line.split()[-2:] for line in section.table.splitlines()[1:3]] == [["40.0", "1.00"], ["80.0", "2.00"]]


def test_requests_are_counted_from_wrks_report() -> None:
    assert requests_in("  1273 requests in 1.00s, 646.45KB read\n") == 1273
    for report in ("", "  0 requests in 1.00s, 0B read"):
        with pytest.raises(Failed, match="no requests"):
            requests_in(report)


def test_the_request_of_wrk_has_method_and_body() -> None:
    assert lua("POST", '{"a":1}').splitlines()[:2] == ["wrk.method = 'POST'", "wrk.body = '{\"a\":1}'"]


def test_a_run_is_timed() -> None:
    ran: list[int] = []
    assert 0 < seconds_of(lambda: ran.append(1)) < 0.1
    assert len(ran) > 2


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--section", "bus-stop"]])
def test_wrong_arguments(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments(words)
    assert words[0] in capsys.readouterr().err
