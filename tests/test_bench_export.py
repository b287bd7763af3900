"""Results as data are what their schema says, and hold no secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from nautilus_cli.bench import export
from nautilus_cli.bench.address import target_of
from nautilus_cli.bench.campaign import Result, Subject
from nautilus_cli.bench.environment import environment
from nautilus_cli.bench.recording import Closed, Open, Request
from nautilus_cli.bench.wish import Wish
from nautilus_cli.fleet import Slo
from nautilus_cli.snapshot import Image
from tests.bench_fakes import FakeGenerator
from tests.test_bench_campaign import bench

ROOT = Path(__file__).parent.parent
SCHEMA = json.loads((ROOT / "docs/bench.schema.json").read_text())
REQUEST = Request("POST", "/x", (("Authorization", "hush"),), b"hush")
SUBJECT = Subject(
    "risk",
    target_of("http://127.0.0.1:8200", REQUEST),
    Slo.parse("p99=20ms,errors=1%"),
    ready=2,
    wanted=2,
    images=(Image("img:1", "sha256:1"), Image("img:0")),
)


def measured(wish: Wish, generator: FakeGenerator | None = None) -> Result:
    return wish.measure(bench(generator or FakeGenerator()), SUBJECT)


def data(*results: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(export.data(results, environment(ROOT))))
    return found


@pytest.mark.parametrize(
    "wish",
    [
        Wish(),
        Wish(connections=4),
        Wish(rate=50, arrival="poisson"),
        Wish(levels=(1, 4)),
        Wish(slo=Slo.parse("p99=5ms")),
    ],
)
@pytest.mark.parametrize("target", [{}, {"refused": True}, {"stop_at": 0}], ids=["well", "gone", "stopped"])
def test_data_is_as_its_schema_says(wish: Wish, target: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(data(measured(wish, FakeGenerator(**target))))


def test_no_value_of_a_header_and_no_body_is_kept() -> None:
    found = data(measured(Wish(connections=4)))
    assert "hush" not in json.dumps(found)
    (subject,) = found["subjects"]
    assert subject["request"] == {
        "url": "http://127.0.0.1:8200/x",
        "method": "POST",
        "headers": ["Authorization"],
        "body_bytes": 4,
    }


def test_what_was_measured_and_on_what() -> None:
    found = data(measured(Wish()))
    (subject,) = found["subjects"]
    assert [run["purpose"] for run in subject["runs"]] == ["check", "peak", "peak", "peak", "latency"]
    assert subject["runs"][-1]["load"] == {
        "kind": "open", "rate": 500, "connections": 64, "arrival": "constant", "seed": 0,
        "duration": 10, "warmup": 1, "timeout": 5,
    }  # fmt: skip
    assert subject["images"] == [{"reference": "img:1", "id": "sha256:1"}, {"reference": "img:0", "id": None}]
    assert subject["slo"] == {"p99": 0.02, "errors": 0.01}
    counts = subject["runs"][-1]["response"]["histogram"]
    assert sum(counts["counts"]) == subject["runs"][-1]["answers"]
    assert found["environment"]["git"]["revision"]
    assert found["environment"]["cores"] >= 1


def test_a_folder_without_a_repository_has_no_revision(tmp_path: Path) -> None:
    assert environment(tmp_path)["git"] is None


def test_the_file_that_keeps_results_says_when_and_of_what(tmp_path: Path) -> None:
    found = data(measured(Wish(connections=4)), measured(Wish(connections=4)))
    assert export.place(tmp_path, found) == tmp_path / ".nautilus/bench/20270115T080000-risk-risk.json"
    assert measured(Wish(connections=4)).runs[0].report.profile.load == Closed(4)
    assert isinstance(measured(Wish(rate=4)).runs[0].report.profile.load, Open)
