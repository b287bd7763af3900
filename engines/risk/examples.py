"""Requests that the risk engine answers, and excerpts of the replies; a test holds that they are true."""

from engines.base.engine import Example

VERDICT = {
    "limit_id": "gross-leverage",
    "kind": "gross_leverage",
    "severity": "critical",
    "value": 0.9998256,
    "threshold": 3.0,
    "utilisation": 0.3332752,
    "breached": False,
}
LIMIT = {
    "id": "gross-leverage",
    "kind": "gross_leverage",
    "threshold": 3.0,
    "severity": "critical",
    "active": True,
    "portfolio_id": None,
}
CHECK = {
    "a held portfolio": Example(
        key="portfolio_001",
        reply={
            "portfolio_id": "portfolio_001",
            "approved": False,
            "equity": 10000000.0,
            "gross_leverage": 0.9998256,
            "net_leverage": 0.9998256,
            "concentration": 0.3999952,
            "largest_position": "AAPL",
            "herfindahl": 0.1789953,
            "confidence": 0.95,
            "historical_var": 0.0273213,
            "historical_es": 0.0334610,
            "parametric_var": 0.0258619,
            "parametric_es": 0.0323501,
            "component_var": {"AAPL": 0.014447, "AMD": 0.0016263},
            "limits": [VERDICT],
            "computations": 1,
        },
    )
}
PROPOSE = {
    "a proposal": Example(
        key="desk-7",
        body={"positions": [{"symbol": "AAPL", "quantity": 100}, {"symbol": "KO", "quantity": 40}], "cash": 5000},
    ),
    "a held portfolio, without a body": Example(key="portfolio_001"),
}
LIMITS = {"all of them": Example(reply={"limits": [LIMIT]})}
NET = {"id": "net", "kind": "net_leverage", "threshold": 0.9, "severity": "warning", "portfolio_id": "portfolio_003"}
PUT_LIMIT = {"a limit of one portfolio": Example(body=NET, reply={"limits": [LIMIT]})}
REPLACE_LIMIT = {"a limit of one portfolio": Example(key="net", body=NET, reply={"limits": [LIMIT]})}
REMOVE_LIMIT = {"a limit": Example(key="gross-leverage")}
BREACH = {
    "portfolio_id": "portfolio_001",
    "limit_id": "single-name-concentration",
    "kind": "concentration",
    "severity": "critical",
    "value": 0.3999952,
    "threshold": 0.25,
}
BREACHES = {"all of them": Example(reply={"breaches": [BREACH]})}
ACKNOWLEDGE = {
    "a breach": Example(
        body={
            "portfolio_id": "portfolio_001",
            "limit_id": "single-name-concentration",
            "by": "risk desk",
            "note": "reduced to 25 % by Friday",
        },
        reply={"breaches": [{**BREACH, "acknowledged": {"by": "risk desk", "note": "reduced to 25 % by Friday"}}]},
    )
}
PROCESS = {
    "positions": Example(body={"id": "mine", "positions": [{"symbol": "XOM", "quantity": 10}], "cash": 1000}),
    "own scenarios, as a batch": Example(
        body=[
            {"id": "one", "values": [60, -20], "cash": 60, "returns": [[0.01, -0.02], [-0.03, 0.01], [0.02, 0.02]]},
            {"id": "other", "positions": [{"symbol": "PG", "quantity": 5}], "confidence": 0.99},
        ]
    ),
}
