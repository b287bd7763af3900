"""The factor engine serves its panel, and the factors of the request's own prices."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engines.base.prices import Prices
from engines.factor import model
from engines.factor.panel import Panel
from tests.engines.conftest import Client


@pytest.fixture(scope="module")
def panel(prices: Prices) -> Panel:
    return Panel.of(prices)


@pytest.fixture
def client(client_for: Callable[[str], Client]) -> Client:
    return client_for("factor")


def series(days: int, seed: int) -> list[float]:
    """Prices that move, the same ones every time."""
    prices: list[float] = (100 * np.cumprod(1 + np.sin(np.arange(days) * (1.3 + seed)) / 50)).tolist()
    return prices


def test_definitions_name_every_factor(client: Client) -> None:
    factors = client.get("/factors/definitions").json()["factors"]
    assert [factor["name"] for factor in factors] == model.names()
    assert len({factor["family"] for factor in factors}) == 10
    assert [factor["window"] for factor in factors[:40]] == list(range(6, 246, 6))
    assert all(factor["name"] == f"{factor['family']}_{factor['window']:03}" for factor in factors)


def test_the_summary_is_of_the_whole_panel(client: Client) -> None:
    body = client.get("/factors/summary").json()
    assert (body["instruments"], body["factors"], body["values"], body["defined"]) == (1000, 400, 400_000, 400_000)
    assert (body["since"], body["until"]) == ("1997-06-26", "2022-12-28")
    assert len(body["best"]) == 10


def test_coefficients_are_the_panels_best_first(client: Client, panel: Panel) -> None:
    body = client.get("/factors/ic").json()
    assert (body["days_ahead"], body["dates"], len(body["factors"])) == (21, 49, 400)
    ratios = [factor["ratio"] for factor in body["factors"]]
    assert ratios == sorted(ratios, reverse=True)
    for factor in body["factors"][::57]:
        found = panel.coefficients[panel.names[factor["name"]]]
        assert factor["mean"] == pytest.approx(found.mean())
        assert factor["ratio"] == pytest.approx(found.mean() / found.std(ddof=1))
        assert factor["hit_rate"] == pytest.approx((found > 0).mean())


def test_results_are_the_panels_column(client: Client, panel: Panel) -> None:
    instruments = client.get("/factors/instruments").json()["instruments"]
    assert instruments == list(panel.instruments)
    name = instruments[777]
    body = client.get(f"/factors/results/{name}").json()
    assert (body["instrument"], body["computations"], list(body["factors"])) == (name, 400, model.names())
    for factor, standing in list(body["factors"].items())[::37]:
        place = (panel.names[factor], 777)
        expected = (panel.values[place], panel.scores[place], panel.ranks[place], panel.neutral[place])
        assert tuple(standing.values()) == pytest.approx(expected)


def test_correlations_are_sorted_by_strength(client: Client, panel: Panel) -> None:
    body = client.get("/factors/correlations/rsi_060").json()
    sizes = [abs(value) for value in body["correlations"].values()]
    assert (len(sizes), sizes) == (399, sorted(sizes, reverse=True))
    row, column = panel.names["rsi_060"], panel.names["momentum_060"]
    expected = np.corrcoef(panel.scores[row], panel.scores[column])[0, 1]
    assert body["correlations"]["momentum_060"] == pytest.approx(expected)


@pytest.mark.parametrize("table", ["values", "scores", "ranks", "neutral"])
def test_the_whole_panel_is_a_numpy_file(client: Client, panel: Panel, table: str) -> None:
    reply = client.get(f"/factors/panel/{table}")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/x-npy")
    found = np.load(io.BytesIO(reply.content), allow_pickle=False)
    assert (found.shape, found.dtype) == ((400, 1000), np.float64)
    np.testing.assert_array_equal(found, getattr(panel, table))


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/factors/results/AAPL", "instrument"),
        ("/factors/correlations/rsi", "factor"),
        ("/factors/panel/prices", "table"),
    ],
)
def test_unknown_names_are_not_found(client: Client, path: str, field: str) -> None:
    reply = client.get(path)
    assert (reply.status_code, reply.json()["field"]) == (404, field)


def test_own_prices_are_computed_by_the_model(client: Client) -> None:
    closes, market = {"A": series(120, 1), "B": series(120, 2)}, series(120, 3)
    body = client.post("/process", {"closes": closes, "market": market, "windows": [63, 21, 63]}).json()
    expected = model.factors(np.array([closes["A"], closes["B"]]), np.array([market, market]), (21, 63))
    assert (body["names"], body["computations"]) == (model.names((21, 63)), 40)
    assert body["values"]["A"] == pytest.approx(expected[:, 0].tolist())
    assert body["values"]["B"] == pytest.approx(expected[:, 1].tolist())


def test_without_windows_those_that_fit_are_used(client: Client) -> None:
    body = client.post("/process", {"closes": {"A": series(20, 1)}, "market": series(20, 2)}).json()
    assert body["names"] == model.names((6, 12, 18))


def test_what_is_not_defined_is_null(client: Client) -> None:
    body = client.post("/process", {"closes": {"A": [5.0] * 8}, "market": series(8, 1), "windows": [6]}).json()
    values = dict(zip(body["names"], body["values"]["A"], strict=True))
    assert (values["momentum_006"], values["bollinger_z_006"], values["market_beta_006"]) == (0.0, None, 0.0)


def test_a_batch_keeps_its_order(client: Client) -> None:
    items = [{"closes": {f"S{n}": series(30 + n, n)}, "market": series(30 + n, 9), "windows": [6]} for n in range(5)]
    body = client.post("/process", items).json()
    assert [list(result["values"]) for result in body["results"]] == [[f"S{n}"] for n in range(5)]
    assert body["computations"] == 50
    assert body["results"][3]["values"] == client.post("/process", items[3]).json()["values"]


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"market": [1, 2, 3]}, "closes"),
        ({"closes": {}, "market": [1, 2, 3]}, "closes"),
        ({"closes": {"A": [1, 2, 3]}, "market": [1, 2]}, "market"),
        ({"closes": {"A": [1, 2, 3, 4]}, "market": [1, 2, 3]}, "closes.A"),
        ({"closes": {"A": [1, 2, 3]}, "market": [1, 2, 3]}, "windows"),
        ({"closes": {"A": [1, 2, 3]}, "market": [1, 2, 3], "windows": [3]}, "windows"),
        ({"closes": {"A": [1, 2, 3]}, "market": [1, 2, 3], "windows": [1]}, "windows[0]"),
        ({"closes": {"A": [1, 2, 3]}, "market": [1, 0, 3], "windows": [2]}, "market[1]"),
    ],
)
def test_a_wrong_field_is_named(client: Client, item: dict[str, Any], field: str) -> None:
    single = client.post("/process", item)
    assert (single.status_code, single.json()["field"]) == (422, field)
    batch = client.post("/process", [{"closes": {"A": series(9, 1)}, "market": series(9, 2)}, item])
    assert (batch.status_code, batch.json()["field"]) == (422, f"[1].{field}")
