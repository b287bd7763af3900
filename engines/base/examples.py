"""Requests that the books of every engine answer, and excerpts of the replies; a test holds that they are true."""

from engines.base.engine import Example

DESK = {"positions": [{"symbol": "AAPL", "quantity": 100.0}, {"symbol": "KO", "quantity": -40.0}], "cash": 5000.0}
PORTFOLIO = {
    "a held portfolio": Example(key="portfolio_001", reply={"id": "portfolio_001", "name": "concentrated"}),
}
PUT_PORTFOLIO = {
    "a new portfolio": Example(key="desk-7", body=DESK, reply={"id": "desk-7", "name": "desk-7", **DESK}),
    "in place of another": Example(
        key="portfolio_002", body={**DESK, "name": "hedged"}, reply={"id": "portfolio_002", "name": "hedged"}
    ),
}
PUT_PRICES = {
    "closes of the next day": Example(
        body=[
            {"symbol": "AAPL", "date": "2022-12-29", "close": 129.61},
            {"symbol": "SP500", "date": "2022-12-29", "close": 3849.28},
        ],
        reply={"prices": 2, "until": "2022-12-29"},
    )
}
