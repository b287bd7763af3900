"""Requests that the analytics engine answers, and excerpts of the replies; a test holds that they are true."""

from engines.base.engine import Example

CALCULATE = {
    "a held portfolio": Example(
        key="portfolio_001",
        reply={
            "portfolio_id": "portfolio_001",
            "days": 252,
            "performance": {
                "pnl": -2039795.304,
                "time_weighted_return": -0.1694211,
                "cagr": -0.1694211,
                "volatility": 0.259977,
                "sharpe": -0.5843261,
                "sortino": -0.8144131,
                "max_drawdown": 0.2135956,
                "calmar": -0.7931863,
                "var_95": 0.0281694,
                "cvar_95": 0.0349797,
                "beta": 1.0373462,
                "alpha": 0.0639876,
                "tracking_error": 0.0733891,
                "information_ratio": 0.7402889,
                "win_rate": 0.4920635,
            },
            "computations": 1,
        },
    )
}
PORTFOLIOS = {
    "all of them": Example(
        reply={
            "portfolios": [{"id": "portfolio_001", "name": "concentrated"}],
            "since": "2021-12-28",
            "until": "2022-12-28",
        }
    )
}
PROCESS = {
    "daily values": Example(
        body={"id": "mine", "values": [100, 101, 99.5, 103]},
        reply={
            "portfolio_id": "mine",
            "days": 3,
            "performance": {
                "pnl": 3.0,
                "time_weighted_return": 0.03,
                "cagr": 10.976416,
                "volatility": 0.3970827,
                "sharpe": 6.4149087,
                "sortino": 18.713796,
                "max_drawdown": 0.0148515,
                "calmar": 739.07868,
                "var_95": 0.0123663,
                "cvar_95": 0.0148515,
                "beta": None,
                "alpha": None,
                "tracking_error": None,
                "information_ratio": None,
                "win_rate": 0.6666667,
            },
            "computations": 1,
        },
    ),
    "values with flows and a benchmark": Example(
        body={
            "id": "funded",
            "values": [100, 101, 109.5, 113],
            "flows": [0, 10, 0],
            "benchmark": [0.01, -0.02, 0.015],
            "risk_free": 0.02,
        }
    ),
    "positions, as a batch": Example(
        body=[
            {"id": "long", "positions": [{"symbol": "AAPL", "quantity": 10}, {"symbol": "KO", "quantity": 20}]},
            {"id": "hedged", "positions": [{"symbol": "XOM", "quantity": -5}], "cash": 1000},
        ]
    ),
}
