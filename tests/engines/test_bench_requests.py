"""What engines.yaml lets `nautilus bench` ask is what the engines answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engines.conftest import Client

ENGINES: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "engines.yaml").read_text())["engines"]


@pytest.mark.parametrize("name", ENGINES)
def test_the_request_of_each_engine_is_answered(client_for: Callable[[str], Client], name: str) -> None:
    told = ENGINES[name]["bench"]
    answer = client_for(name).request(
        told.get("method", "GET"), told["path"], content=told.get("body"), headers=told.get("headers")
    )
    assert answer.status_code == 200, answer.text
