"""The risk engine enforces its limits on held portfolios, on proposals and on batches."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engines.base.portfolios import demo_portfolios
from engines.base.prices import Prices
from engines.risk.model import Scenarios, exposure, tail_risk, weigh
from tests.engines.conftest import Client

FIGURES = (
    *("gross_leverage", "net_leverage", "concentration", "herfindahl"),
    *("historical_var", "historical_es", "parametric_var", "parametric_es"),
)
CALM = [{"symbol": symbol, "quantity": 1} for symbol in ("JNJ", "KO", "MRK", "PEP", "PG", "WMT", "XOM")]


@pytest.fixture
def client(client_for: Callable[[str], Client]) -> Client:
    return client_for("risk")


def breaches(client: Client) -> list[tuple[str, str, str]]:
    found = client.get("/risk/breaches").json()["breaches"]
    return [(breach["portfolio_id"], breach["limit_id"], breach["severity"]) for breach in found]


def test_every_held_portfolio_is_assessed_by_the_model(client: Client, prices: Prices) -> None:
    year = prices.closes[-253:]
    scenarios = Scenarios.of(year[1:] / year[:-1] - 1)
    for id_, portfolio in demo_portfolios(prices).items():
        body = client.get(f"/risk/check/{id_}").json()
        weights, equity = weigh(portfolio.quantities[None, :], prices.closes[-1], np.array([portfolio.cash]))
        shape, tail = exposure(weights), tail_risk(scenarios, weights, 0.95)
        for name in FIGURES:
            source = shape if hasattr(shape, name) else tail
            assert body[name] == pytest.approx(getattr(source, name).item(), rel=1e-12), name
        components = {
            symbol: loss for symbol, loss in zip(prices.symbols, tail.component_var[0].tolist(), strict=True) if loss
        }
        assert body["component_var"] == pytest.approx(components, rel=1e-12)
        assert body["largest_position"] == prices.symbols[np.abs(weights[0]).argmax()]
        assert (body["portfolio_id"], body["equity"]) == (id_, pytest.approx(equity.item()))


def test_portfolio_001_breaches_the_single_name_limit(client: Client) -> None:
    body = client.get("/risk/check/portfolio_001").json()
    verdicts = {verdict["limit_id"]: verdict["breached"] for verdict in body["limits"]}
    assert verdicts == {"gross-leverage": False, "single-name-concentration": True, "value-at-risk": False}
    assert body["approved"] is False
    assert body["largest_position"] == "AAPL"


def test_breaches_are_listed_from_the_start(client: Client) -> None:
    assert breaches(client) == [
        ("portfolio_001", "single-name-concentration", "critical"),
        ("portfolio_007", "single-name-concentration", "critical"),
        ("portfolio_008", "gross-leverage", "critical"),
        ("portfolio_008", "value-at-risk", "warning"),
    ]


def test_get_and_post_without_a_body_are_the_same_check(client: Client) -> None:
    replies = [client.get("/risk/check/portfolio_002").json(), client.post("/risk/check/portfolio_002").json()]
    for reply in replies:
        assert reply.pop("processing_time_ms") > 0
    assert replies[0] == replies[1]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_portfolio_is_not_found(client: Client, method: str) -> None:
    reply = client.request(method, "/risk/check/portfolio_999")
    assert (reply.status_code, reply.json()["field"]) == (404, "portfolio_id")


def test_a_proposal_is_judged_and_not_recorded(client: Client) -> None:
    before = breaches(client)
    calm = client.post("/risk/check/mine", {"positions": CALM, "cash": 100}).json()
    assert (calm["portfolio_id"], calm["approved"]) == ("mine", True)
    bold = client.post("/risk/check/portfolio_002", {"positions": [{"symbol": "AMD", "quantity": 5}]}).json()
    assert (bold["portfolio_id"], bold["approved"], bold["concentration"]) == ("portfolio_002", False, 1.0)
    assert breaches(client) == before


def test_a_new_limit_is_enforced_at_once(client: Client) -> None:
    limit = {
        "id": "net",
        "kind": "net_leverage",
        "threshold": 0.9,
        "severity": "warning",
        "portfolio_id": "portfolio_003",
    }
    listed = client.post("/risk/limits", limit).json()["limits"]
    assert [limit["id"] for limit in listed] == ["gross-leverage", "single-name-concentration", "value-at-risk", "net"]
    assert listed == client.get("/risk/limits").json()["limits"]
    assert ("portfolio_003", "net", "warning") in breaches(client)
    body = client.get("/risk/check/portfolio_003").json()
    assert ([verdict["limit_id"] for verdict in body["limits"]][-1], body["approved"]) == ("net", True)


def test_an_open_breach_is_acknowledged_and_stays_listed(client: Client) -> None:
    before = breaches(client)
    words = {"portfolio_id": "portfolio_008", "limit_id": "gross-leverage", "by": "desk 7", "note": "agreed"}
    assert client.post("/risk/breaches/acknowledge", words).status_code == 200
    assert client.get("/risk/check/portfolio_008").json()["approved"] is False
    assert breaches(client) == before
    listed = {
        (breach["portfolio_id"], breach["limit_id"]): breach["acknowledged"]
        for breach in client.get("/risk/breaches").json()["breaches"]
    }
    seen = listed.pop(("portfolio_008", "gross-leverage"))
    assert (seen["by"], seen["note"]) == ("desk 7", "agreed")
    assert set(listed.values()) == {None}


def test_a_breach_that_a_price_has_opened_is_acknowledged_before_anybody_has_listed_it(client: Client) -> None:
    words = {"portfolio_id": "portfolio_012", "limit_id": "single-name-concentration", "by": "desk 7"}
    assert client.post("/risk/breaches/acknowledge", words).status_code == 422
    client.request("PUT", "/prices", json=[{"symbol": "KO", "date": "2023-01-03", "close": 1000.0}])
    listed = client.post("/risk/breaches/acknowledge", words).json()["breaches"]
    assert [breach["acknowledged"]["by"] for breach in listed if breach["acknowledged"]] == ["desk 7"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"limit_id": "nothing"}, "limit_id"),
        ({"portfolio_id": "portfolio_002"}, "limit_id"),
        ({"by": ""}, "by"),
        ({"at": "noon"}, "at"),
    ],
)
def test_what_is_not_open_cannot_be_acknowledged(client: Client, change: dict[str, str], field: str) -> None:
    words = {"portfolio_id": "portfolio_008", "limit_id": "gross-leverage", "by": "desk 7", **change}
    reply = client.post("/risk/breaches/acknowledge", words)
    assert (reply.status_code, reply.json()["field"]) == (422, field)


def test_a_replaced_limit_opens_and_closes_breaches(client: Client) -> None:
    client.post("/risk/limits", {"id": "single-name-concentration", "kind": "concentration", "threshold": 0.3})
    assert [breach for breach in breaches(client) if breach[1] == "single-name-concentration"] == [
        ("portfolio_001", "single-name-concentration", "critical")
    ]
    off = {"id": "single-name-concentration", "kind": "concentration", "threshold": 0.3, "active": False}
    client.post("/risk/limits", off)
    assert client.get("/risk/check/portfolio_001").json()["approved"] is True
    assert "single-name-concentration" not in {breach[1] for breach in breaches(client)}


def test_a_removed_limit_is_gone(client: Client) -> None:
    assert client.request("DELETE", "/risk/limits/gross-leverage").status_code == 200
    assert client.request("DELETE", "/risk/limits/gross-leverage").status_code == 404
    assert "gross-leverage" not in {breach[1] for breach in breaches(client)}
    assert len(client.get("/risk/check/portfolio_008").json()["limits"]) == 2


@pytest.mark.parametrize(
    ("limit", "field"),
    [
        ({"kind": "concentration", "threshold": 1}, "id"),
        ({"id": "", "kind": "concentration", "threshold": 1}, "id"),
        ({"id": "x", "kind": "herfindahl", "threshold": 1}, "kind"),
        ({"id": "x", "kind": "concentration", "threshold": 0}, "threshold"),
        ({"id": "x", "kind": "concentration", "threshold": 1, "severity": "mild"}, "severity"),
        ({"id": "x", "kind": "concentration", "threshold": 1, "portfolio_id": "nobody"}, "portfolio_id"),
        ({"id": "x", "kind": "concentration", "threshold": 1, "enabled": True}, "enabled"),
    ],
)
def test_a_wrong_limit_is_refused_by_field(client: Client, limit: dict[str, Any], field: str) -> None:
    reply = client.post("/risk/limits", limit)
    assert (reply.status_code, reply.json()["field"]) == (422, field)
    assert len(client.get("/risk/limits").json()["limits"]) == 3


def test_own_scenarios_need_no_symbols(client: Client) -> None:
    returns = [[0.01, -0.02], [-0.03, 0.01], [0.02, 0.02], [-0.01, -0.01]]
    item = {"id": "own", "values": [60, -20], "cash": 60, "returns": returns, "confidence": 0.75}
    body = client.post("/process", item).json()
    weights = np.array([[0.6, -0.2]])
    tail = tail_risk(Scenarios.of(np.array(returns)), weights, 0.75)
    assert body["historical_var"] == pytest.approx(tail.historical_var.item())
    assert body["component_var"] == pytest.approx(dict(zip("01", tail.component_var[0].tolist(), strict=True)))
    assert (body["largest_position"], body["concentration"], body["confidence"]) == ("0", 0.6, 0.75)


def test_a_batch_keeps_its_order_and_equals_single_requests(client: Client) -> None:
    items: list[dict[str, Any]] = [
        {
            "id": f"p{number}",
            "positions": CALM[: 1 + number % 7],
            "cash": 10 * number,
            "confidence": 0.9 + number % 3 / 50,
        }
        for number in range(70)
    ]
    items[20] = {"id": "p20", "values": [1], "returns": [[0.1], [-0.2]]}
    body = client.post("/process", items).json()
    assert body["computations"] == 70
    assert [result["portfolio_id"] for result in body["results"]] == [f"p{number}" for number in range(70)]
    for item, result in list(zip(items, body["results"], strict=True))[::5]:
        single = client.post("/process", item).json()
        for name in FIGURES:
            assert result[name] == pytest.approx(single[name], rel=1e-12)
        assert result["approved"] == single["approved"]


def test_a_batch_of_positions_equals_single_requests(client: Client, prices: Prices) -> None:
    client.post("/risk/limits", {"id": "mine", "kind": "net_leverage", "threshold": 0.9, "portfolio_id": "p4"})
    every = [{"symbol": symbol, "quantity": 10} for symbol in prices.symbols]
    items: list[dict[str, Any]] = [
        {"id": f"p{number}", "positions": [*CALM[: 1 + number % 7], *every * (number % 2)], "cash": 10 * number}
        for number in range(20)
    ]
    for batch in (items, [*items, {**items[0], "confidence": 0.9}]):
        body = client.post("/process", batch).json()
        assert (body["computations"], len(body["results"])) == (len(batch), len(batch))
        for item, result in zip(batch, body["results"], strict=True):
            single = client.post("/process", item).json()
            assert list(result) == [name for name in single if name not in ("computations", "processing_time_ms")]
            assert list(result["component_var"]) == list(single["component_var"])
            assert result["component_var"] == pytest.approx(single["component_var"], rel=1e-12)
            assert [verdict["limit_id"] for verdict in result["limits"]] == [
                one["limit_id"] for one in single["limits"]
            ]
            for name in FIGURES:
                assert result[name] == pytest.approx(single[name], rel=1e-12)
            for name in ("portfolio_id", "approved", "largest_position", "confidence"):
                assert result[name] == single[name]


def test_a_batch_of_positions_follows_the_prices(client: Client) -> None:
    batch = [{"positions": [{"symbol": "KO", "quantity": 1}]}] * 2
    client.post("/process", batch)
    client.request("PUT", "/prices", json=[{"symbol": "KO", "date": "2023-01-03", "close": 1000.0}])
    assert client.post("/process", batch).json()["results"][1]["equity"] == 1000.0


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({}, "values"),
        ({"positions": CALM, "values": [1], "returns": [[0.1], [0.2]]}, "values"),
        ({"values": [1]}, "returns"),
        ({"positions": CALM, "returns": [[0.1], [0.2]]}, "returns"),
        ({"values": [1], "returns": [[0.1]]}, "returns"),
        ({"values": [1], "returns": [[0.1], [0.1, 0.2]]}, "returns"),
        ({"values": [1], "returns": [[0.1], [-2]]}, "returns[1][0]"),
        ({"values": [1, -1], "returns": [[0.1, 0], [0.1, 0.2]]}, "values"),
        ({"values": [1e15, -1e15], "cash": 1e-3, "returns": [[0.1, 0], [0.1, 0.2]]}, "values"),
        ({"positions": CALM, "confidence": 1}, "confidence"),
        ({"positions": CALM, "cash": -1e9}, "positions"),
        ({"positions": [{"symbol": "NOPE", "quantity": 1}]}, "positions[0].symbol"),
        ({"positions": [{"symbol": "KO", "quantity": "many"}]}, "positions[0].quantity"),
    ],
)
def test_a_wrong_field_is_named(client: Client, item: dict[str, Any], field: str) -> None:
    single = client.post("/process", item)
    assert (single.status_code, single.json()["field"]) == (422, field)
    batch = client.post("/process", [{"positions": CALM}, item])
    assert (batch.status_code, batch.json()["field"]) == (422, f"[1].{field}")


@pytest.mark.parametrize("path", ["/process", "/risk/check/mine", "/risk/limits"])
@pytest.mark.parametrize("body", [b"{", b"NaN", b"Infinity"])
def test_what_is_not_json_is_refused(client: Client, path: str, body: bytes) -> None:
    reply = client.request("POST", path, content=body)
    assert (reply.status_code, reply.json()["field"]) == (400, "body")
