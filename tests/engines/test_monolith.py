"""The monolith answers as the engines do, and the comparison asks for what they answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engines.monolith.comparison import comparison
from engines.monolith.service import ENGINES
from tests.engines.conftest import Client

QUESTIONS = {
    "analytics": "/analytics/calculate/portfolio_001",
    "risk": "/risk/check/portfolio_001",
    "factor": "/factors/definitions",
}
MEASURED = {"processing_time_ms"}


@pytest.fixture
def monolith(client_for: Callable[[str], Client]) -> Client:
    return client_for("monolith")


def test_it_answers_as_each_engine_does(monolith: Client, client_for: Callable[[str], Client]) -> None:
    assert set(QUESTIONS) == set(ENGINES)
    for engine, path in QUESTIONS.items():
        alone, together = client_for(engine).get(path), monolith.get(f"/{engine}{path}")
        assert (alone.status_code, together.status_code) == (200, 200)
        left, right = alone.json(), together.json()
        assert {k: v for k, v in left.items() if k not in MEASURED} == {
            k: v for k, v in right.items() if k not in MEASURED
        }
    assert monolith.get("/health").json()["status"] == "ready"


def test_what_is_asked_is_answered_by_both(
    monolith: Client, client_for: Callable[[str], Client], prices_path: Path
) -> None:
    work = comparison({"NAUTILUS_PRICES": str(prices_path)})
    assert {work["fast"], work["slow"]} == set(work["requests"]) <= set(work["engines"])
    for engine, asked in work["requests"].items():
        for client, prefix in ((client_for(engine), ""), (monolith, f"/{engine}")):
            transport = {"content": asked["body"], "headers": asked["headers"]}
            answer = client.request(asked["method"], prefix + asked["path"], **transport)
            assert answer.status_code == 200, answer.text
            assert answer.json()["computations"] >= 1
