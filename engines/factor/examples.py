"""Requests that the factor engine answers, and excerpts of the replies; a test holds that they are true."""

from engines.base.engine import Example

BEST = {"name": "momentum_174", "mean": 0.0719349, "deviation": 0.3003348, "ratio": 0.2395158, "hit_rate": 0.5918367}
DEFINED = {
    "all of them": Example(
        reply={
            "factors": [
                {
                    "name": "momentum_006",
                    "family": "momentum",
                    "window": 6,
                    "formula": "return over the last w days (Jegadeesh and Titman 1993)",
                }
            ]
        }
    )
}
LISTED = {"all of them": Example(reply={"instruments": ["AAPL@1997-06-26", "AMD@1997-06-26"]})}
SUMMARY = {
    "the panel": Example(
        reply={
            "instruments": 1000,
            "factors": 400,
            "values": 400_000,
            "defined": 400_000,
            "since": "1997-06-26",
            "until": "2022-12-28",
            "best": [BEST],
        }
    )
}
IC = {"all factors": Example(reply={"days_ahead": 21, "dates": 49, "factors": [BEST]})}
RESULTS = {
    "one stock-year": Example(
        key="AAPL@2022-12-28",
        reply={
            "instrument": "AAPL@2022-12-28",
            "neutral_to": ["market_beta_240", "volatility_240"],
            "factors": {
                "momentum_006": {"value": -0.0478233, "score": -1.0526880, "rank": 0.107, "neutral": -1.0116038}
            },
        },
    )
}
CORRELATIONS = {
    "one factor": Example(
        key="rsi_060", reply={"factor": "rsi_060", "correlations": {"rsi_066": 0.9462278, "rsi_054": 0.9308216}}
    )
}
PANEL = {"z-scores": Example(key="scores")}
PROCESS = {
    "one instrument": Example(
        body={
            "closes": {"A": [100, 101, 99.5, 103, 104]},
            "market": [4000, 4010, 3990, 4050, 4045],
            "windows": [2, 4],
        },
        reply={"names": ["momentum_002", "momentum_004"], "values": {"A": [0.0452261, 0.04]}, "computations": 20},
    ),
    "a batch": Example(
        body=[
            {"closes": {"A": [100, 101, 99.5]}, "market": [4000, 4010, 3990], "windows": [2]},
            {"closes": {"B": [50, 51, 52], "C": [9, 8, 9]}, "market": [4000, 4010, 3990], "windows": [2]},
        ]
    ),
}
