"""The analytics engine answers for held portfolios, for the request's own, and for batches."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engines.analytics.model import Measures, measure, portfolio_values
from engines.analytics.schema import Performance
from engines.base.portfolios import demo_portfolios
from engines.base.prices import Prices
from tests.engines.conftest import Client

VALUES = [100.0, 101.0, 99.5, 103.0, 104.5]


@pytest.fixture
def client(client_for: Callable[[str], Client]) -> Client:
    return client_for("analytics")


def expected(prices: Prices, quantities: Any, cash: float) -> dict[str, float]:
    year = prices.last(253)
    values = portfolio_values(np.atleast_2d(quantities), year.closes, np.array([cash]))
    found = measure(values, (year.index[1:] / year.index[:-1] - 1)[None, :])
    return {name: getattr(found, name).item() for name in Measures._fields}


def test_every_held_portfolio_is_measured_by_the_model(client: Client, prices: Prices) -> None:
    listed = client.get("/analytics/portfolios").json()
    assert (listed["since"], listed["until"]) == ("2021-12-28", "2022-12-28")
    held = demo_portfolios(prices)
    assert [portfolio["id"] for portfolio in listed["portfolios"]] == list(held)
    for id_, portfolio in held.items():
        body = client.get(f"/analytics/calculate/{id_}").json()
        assert (body["portfolio_id"], body["days"], body["computations"]) == (id_, 252, 1)
        assert body["performance"] == pytest.approx(expected(prices, portfolio.quantities, portfolio.cash), rel=1e-12)


def test_the_reply_has_every_measure() -> None:
    assert Performance.__struct_fields__ == tuple(Measures._fields)


def test_an_unknown_portfolio_is_not_found(client: Client) -> None:
    reply = client.get("/analytics/calculate/portfolio_999")
    assert reply.status_code == 404
    assert (reply.json()["detail"], reply.json()["field"]) == ("no portfolio 'portfolio_999'", "portfolio_id")


def test_positions_are_valued_at_the_bundled_closes(client: Client, prices: Prices) -> None:
    positions = [{"symbol": "AAPL", "quantity": 10}, {"symbol": "XOM", "quantity": -2}]
    body = client.post("/process", {"id": "mine", "positions": positions, "cash": 500}).json()
    quantities = np.zeros(20)
    quantities[[prices.symbols.index("AAPL"), prices.symbols.index("XOM")]] = [10, -2]
    assert body["portfolio_id"] == "mine"
    assert body["performance"] == pytest.approx(expected(prices, quantities, 500.0), rel=1e-12)


def test_own_values_without_a_benchmark_have_null_where_it_is_needed(client: Client) -> None:
    body = client.post("/process", {"values": VALUES}).json()
    nulls = {name for name, value in body["performance"].items() if value is None}
    assert nulls == {"beta", "alpha", "tracking_error", "information_ratio"}
    assert body["performance"]["pnl"] == 4.5
    assert body["days"] == 4


def test_flows_and_benchmark_reach_the_model(client: Client) -> None:
    flows, benchmark = [0.0, 5.0, 0.0, -3.0], [0.01, -0.02, 0.015, 0.001]
    item = {"values": VALUES, "flows": flows, "benchmark": benchmark, "risk_free": 0.02}
    performance = client.post("/process", item).json()["performance"]
    found = measure(np.array([VALUES]), np.array([benchmark]), np.array([flows]), 0.02)
    assert performance == pytest.approx({name: getattr(found, name).item() for name in performance}, rel=1e-12)
    assert performance["pnl"] == pytest.approx(2.5)


def test_a_batch_keeps_its_order_and_equals_single_requests(client: Client) -> None:
    items = [
        {
            "id": f"p{number}",
            "values": [value + number for value in VALUES[: 3 + number % 3]],
            "risk_free": number % 2 / 100,
        }
        for number in range(100)
    ]
    items[50] = {"id": "p50", "positions": [{"symbol": "KO", "quantity": 1}]}
    body = client.post("/process", items).json()
    assert body["computations"] == 100
    assert [result["portfolio_id"] for result in body["results"]] == [f"p{number}" for number in range(100)]
    for item, result in list(zip(items, body["results"], strict=True))[::7]:
        single = client.post("/process", item).json()
        assert result["days"] == single["days"]
        assert result["performance"].keys() == single["performance"].keys()
        for name, value in single["performance"].items():
            assert result["performance"][name] == (None if value is None else pytest.approx(value, rel=1e-12)), name
        assert "processing_time_ms" not in result


def test_a_batch_of_positions_equals_single_requests(client: Client) -> None:
    items: list[dict[str, Any]] = [
        {"id": f"p{number}", "positions": [{"symbol": "KO", "quantity": 1 + number / 8}], "cash": number}
        for number in range(40)
    ]
    for batch in (items, [*items, {**items[0], "risk_free": 0.01}], [{**item, "cash": 1e-9} for item in items]):
        body = client.post("/process", batch).json()
        assert (body["computations"], len(body["results"])) == (len(batch), len(batch))
        for item, result in list(zip(batch, body["results"], strict=True))[::4]:
            single = client.post("/process", item).json()
            assert (result["portfolio_id"], result["days"]) == (single["portfolio_id"], single["days"])
            assert result["performance"] == pytest.approx(single["performance"], rel=1e-12)
            assert "processing_time_ms" not in result


def test_a_batch_of_positions_follows_the_prices(client: Client) -> None:
    batch = [{"positions": [{"symbol": "KO", "quantity": 1}]}] * 2
    before = client.post("/process", batch).json()["results"][1]
    client.request("PUT", "/prices", json=[{"symbol": "KO", "date": "2023-01-03", "close": 1000.0}])
    after = client.post("/process", batch).json()["results"][1]
    assert after["performance"]["pnl"] > before["performance"]["pnl"] + 900


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({}, "values"),
        ({"values": VALUES, "positions": [{"symbol": "KO", "quantity": 1}]}, "values"),
        ({"values": VALUES[:2]}, "values"),
        ({"values": [1, 2, 0]}, "values[2]"),
        ({"values": [1, 2, "x"]}, "values[2]"),
        ({"values": VALUES, "flows": [1.0]}, "flows"),
        ({"values": VALUES, "flows": [101, 0, 0, 0]}, "flows"),
        ({"values": VALUES, "benchmark": [0.1] * 5}, "benchmark"),
        ({"values": VALUES, "benchmark": [0.1, -1.1, 0, 0]}, "benchmark[1]"),
        ({"values": VALUES, "risk_free": -1}, "risk_free"),
        ({"values": VALUES, "riskfree": 0}, "riskfree"),
        ({"positions": []}, "positions"),
        ({"positions": [{"symbol": "KO"}]}, "positions[0].quantity"),
        ({"positions": [{"symbol": "NOPE", "quantity": 1}]}, "positions[0].symbol"),
        ({"positions": [{"symbol": "KO", "quantity": -1}]}, "positions"),
        ({"positions": [{"symbol": "KO", "quantity": 1}], "flows": [1]}, "flows"),
        ({"positions": [{"symbol": "KO", "quantity": 1}], "benchmark": [1]}, "benchmark"),
    ],
)
def test_a_wrong_field_is_named(client: Client, item: dict[str, Any], field: str) -> None:
    single = client.post("/process", item)
    assert (single.status_code, single.json()["field"]) == (422, field)
    for first in ({"values": VALUES}, {"positions": [{"symbol": "KO", "quantity": 1}]}):
        batch = client.post("/process", [first, item])
        assert (batch.status_code, batch.json()["field"]) == (422, f"[1].{field}")


@pytest.mark.parametrize(
    "body", [b'{"values":[1,2,NaN]}', b'{"values":[1,2,Infinity]}', b"", b"{", b"nul", b'[{"id":"\x80"}]']
)
def test_what_is_not_json_is_refused(client: Client, body: bytes) -> None:
    reply = client.request("POST", "/process", content=body)
    assert (reply.status_code, reply.json()["field"]) == (400, "body")


@pytest.mark.parametrize("body", [b'{"values":[1,2,1e400]}', b"[]", b"7", b'{"values":[1,2,1e16]}'])
def test_what_is_out_of_range_is_refused(client: Client, body: bytes) -> None:
    assert client.request("POST", "/process", content=body).status_code == 422


def test_extreme_values_give_numbers_or_null(client: Client) -> None:
    values = [1e15, 1e-9] * 300
    reply = client.post("/process", {"values": values, "flows": [-1e15] * 599, "benchmark": [1e3] * 599})
    assert reply.status_code == 200
    assert reply.json()["performance"]["cagr"] is None
