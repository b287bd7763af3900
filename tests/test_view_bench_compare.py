"""What `nautilus bench compare` and `history` show, as text and as data."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from nautilus_cli.bench import saved
from nautilus_cli.bench.campaign import Result
from nautilus_cli.bench.compare import cases, rows
from nautilus_cli.bench.wish import Wish
from nautilus_cli.fleet import Slo
from nautilus_cli.view.bench_compare import Comparison, compare_data, compare_view, explained, held
from nautilus_cli.view.bench_history import history_data, history_table
from tests.bench_fakes import FakeGenerator
from tests.golden import compare, rendered
from tests.test_bench_compare import Two, case, duel, report
from tests.test_bench_export import data, measured

SCHEMAS = json.loads((Path(__file__).parent.parent / "docs/bench.compare.schema.json").read_text())


def comparison(second: float = 2.6) -> Comparison:
    found = case([report(2, seed=n) for n in range(5)], [report(second, seed=n) for n in range(5, 10)])
    return Comparison("risk (http://a/)", "risk (http://b/)", True, 5, tuple(rows(found)))


def test_a_comparison_as_a_table_and_in_words(request: pytest.FixtureRequest) -> None:
    told = [comparison(), comparison(2.0)]
    text = "".join(rendered(compare_view(one, 0.1)) for one in told)
    assert max(map(len, text.splitlines())) <= 100
    compare(request, "bench_compare", text)


def test_only_what_is_worse_beyond_doubt_fails() -> None:
    assert [line.split(" at ")[0] for line in comparison().regressions(0.1)] == ["requests/s", "p50", "p99"]
    assert comparison().regressions(0.5) == []
    assert comparison().regressions(None) == []
    assert comparison(2.0).regressions(0.0) == []
    assert comparison(1.5).regressions(0.0) == []


def test_errors_fail_whatever_the_figures_say() -> None:
    found = case([report(2)] * 3, [report(1, status=500)] * 3)
    told = Comparison("a", "b", True, 3, tuple(rows(found)))
    assert told.regressions(0.5) == ["errors at risk, 16 connections"]
    assert "risk, 16 connections: B FAILS 100.00% of the requests, A 0.00%" in "\n".join(explained(told, None))


def test_an_unwell_generator_is_told() -> None:
    found = case([report(2)] * 3, [report(2), report(2), report(2, health={"steady": False})])
    told = "\n".join(explained(Comparison("a", "b", True, 3, tuple(rows(found)), failed="B is gone"), None))
    assert "risk, 16 connections: DOUBTFUL in 1 of 3 runs of B: not steady" in told
    assert "not compared to the end: B is gone" in told


def test_two_saved_runs_are_honest_about_what_they_do_not_know() -> None:
    one = measured(Wish(connections=4))
    found, left = cases([one], [one])
    told = Comparison("x", "y", False, 1, tuple(row for each in found for row in rows(each)), tuple(left))
    assert "nothing that changed between them" in " ".join(explained(told, None))


def test_two_searches_are_told_beside_each_other() -> None:
    def searched(capacity: float) -> list[Result]:
        return [measured(Wish(slo=Slo.parse("p99=5ms")), FakeGenerator(capacity=capacity))]

    (told,) = held(searched(1000), searched(2000))
    assert told.startswith("risk: held A 600/s, B 1,200/s")
    assert list(held(searched(1000), [measured(Wish(connections=4))])) == []


def valid(document: object) -> None:
    Draft202012Validator.check_schema(SCHEMAS)
    Draft202012Validator(SCHEMAS).validate(json.loads(json.dumps(document)))


def test_the_data_of_a_comparison_is_as_its_schema_says() -> None:
    for told in (comparison(), Comparison("a", "b", True, 0, (), failed="gone")):
        valid(compare_data(told, 0.1))
    rounds = duel(Two(capacity=500))
    valid(compare_data(Comparison("a", "b", True, 3, tuple(row for one in rounds.cases for row in rows(one))), None))


def runs() -> list[saved.Saved]:
    wishes = [Wish(), Wish(levels=(1, 4)), Wish(slo=Slo.parse("p99=5ms")), Wish(rate=50)]
    one = [saved.revived(f"2026-{number}", data(measured(wish))) for number, wish in enumerate(wishes)]
    return [*one, saved.revived("2026-gone", data(measured(Wish(), FakeGenerator(refused=True))))]


def test_the_history_is_one_row_a_subject() -> None:
    text = rendered(history_table(runs()))
    for line in ("2026-0 risk 500/s 1,000", "2026-1 risk sweep of 2", "2026-2 risk held 600/s", "not measured"):
        assert re.search(line, " ".join(text.split())), line


def test_the_data_of_the_history_is_as_its_schema_says() -> None:
    found = history_data(runs())
    valid(found)
    assert [row["run"] for row in found["runs"]] == ["2026-0", "2026-1", "2026-2", "2026-3", "2026-gone"]
    assert found["runs"][2]["held"] == pytest.approx(600, rel=0.05)
    assert found["runs"][4]["missed"] is True
