"""The command that drives replicas: what it measures, what it puts back, and what it writes, over fakes."""

from __future__ import annotations

import copy
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from nautilus_cli.bench import apart
from nautilus_cli.bench.recording import OnLive, Profile, Recording, Target
from nautilus_cli.errors import RolloutFailed
from tests.bench_fakes import FakeGenerator
from tests.test_main import FILE, Cli, cli

__all__ = ["cli"]
SCHEMA = json.loads((Path(__file__).parent.parent / "docs/capacity.schema.json").read_text())
SLO = ("--slo", "p99=1s")


@dataclass
class Replicas(FakeGenerator):
    """A target that holds 100 requests/s for each replica that serves."""

    cli: Cli | None = None
    seen: Callable[[int, Profile], None] = lambda count, profile: None

    def __call__(
        self,
        target: Target,
        profile: Profile,
        on_live: OnLive | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Recording:
        assert self.cli
        count = sum(r.engine == "risk" and r.state.alive for r in self.cli.runtime.replicas.values())
        self.capacity = 100.0 * count
        self.seen(count, profile)
        found = super().__call__(target, profile, on_live, stop)
        return replace(found, interrupted="stopped" if stop and stop() else "")


@pytest.fixture
def target(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Replicas:
    found = Replicas(cli=cli)
    monkeypatch.setattr(apart, "run", found)
    document = copy.deepcopy(FILE)
    document["engines"]["risk"]["replicas"] = {"min": 2, "max": 6}  # type: ignore[index]
    cli.write(document)
    assert cli.run("up").exit_code == 0
    cli.runtime.verbs.clear()
    return found


def serving(cli: Cli) -> int:
    return sum(r.engine == "risk" and r.state.alive for r in cli.runtime.replicas.values())


def measure(cli: Cli, load: float, code: int = 0) -> dict[str, Any]:
    result = cli.run("bench", "risk", "--capacity", str(load), *SLO, "--json")
    assert result.exit_code == code, result.output
    data: dict[str, Any] = json.loads(result.stdout)
    Draft202012Validator(SCHEMA).validate(data)
    return data


def test_it_drives_the_engine_and_puts_the_count_back(cli: Cli, target: Replicas) -> None:
    found = measure(cli, 350)
    assert (found["verdict"], found["replicas"]) == ("held", 4)
    assert 0 <= found["headroom"] <= 400 / 350 - 1
    assert [point["replicas"] for point in found["points"]] == [1, 2, 3, 4]
    assert found["points"][3]["cpus"] == 0.25 * 4
    assert cli.runtime.verbs == [f"deploy risk {count}" for count in (1, 2, 4, 3, 2)]
    assert serving(cli) == 2
    assert cli.runtime.purpose == "bench risk --capacity 350"
    assert cli.run("up", "--dry-run", "--exit-code").exit_code == 0


def test_what_it_says(cli: Cli, target: Replicas) -> None:
    result = cli.run("bench", "risk", "--capacity", "150", *SLO)
    assert "risk: 2 replicas hold 150 requests/s within p99 <= 1s" in result.stdout
    assert "1 holds 9" in result.stdout
    assert "to hold it while one is lost or exchanged: 3 replicas" in result.stdout
    assert "scaling law of 2 counts: one replica 9" in result.stdout


def test_more_than_the_file_allows_is_an_estimate_and_1(cli: Cli, target: Replicas) -> None:
    cli.runtime.host = cli.runtime.host.__class__(cpus=64, memory=2**36)
    found = measure(cli, 1000, code=1)
    assert found["verdict"] in ("estimated", "refused")  # refused where this machine's own cores are too few
    assert max(point["replicas"] for point in found["points"]) == 6
    assert serving(cli) == 2


def test_write_changes_the_file_and_nothing_that_runs(cli: Cli, target: Replicas) -> None:
    file = cli.folder / "engines.yaml"
    before = file.read_text()
    result = cli.run("bench", "risk", "--capacity", "450", *SLO, "--write")
    assert result.exit_code == 0, result.output
    assert f"written: {file}: engines.risk.replicas: {{min: 5, max: 6}}" in result.stderr
    after = yaml.safe_load(file.read_text())
    assert after["engines"]["risk"]["replicas"] == {"min": 5, "max": 6}
    assert after["engines"]["factor"] == yaml.safe_load(before)["engines"]["factor"]
    assert serving(cli) == 2
    again = cli.run("bench", "risk", "--capacity", "100000", *SLO, "--write")
    assert (again.exit_code, "nothing was written" in again.stderr) == (2, False)  # `up` is pending: nothing is driven


def test_what_was_not_measured_is_not_written(cli: Cli, target: Replicas) -> None:
    before = (cli.folder / "engines.yaml").read_text()
    result = cli.run("bench", "risk", "--capacity", "5000", *SLO, "--write")
    assert result.exit_code == 1
    assert "nothing was written: no count was measured to hold this load" in result.stderr
    assert (cli.folder / "engines.yaml").read_text() == before


def test_an_interrupt_puts_the_count_back(cli: Cli, target: Replicas) -> None:
    asked: list[int] = []

    def interrupt(count: int, profile: Profile) -> None:
        if count == 4 and not asked:
            asked.append(count)
            os.kill(os.getpid(), signal.SIGINT)

    target.seen = interrupt
    result = cli.run("bench", "risk", "--capacity", "350", *SLO, "--json")
    assert result.exit_code == 130
    found = json.loads(result.stdout)
    assert (found["verdict"], found["why"]) == ("unknown", "it was interrupted")
    assert [point["replicas"] for point in found["points"]] == [1, 2]
    assert serving(cli) == 2


def test_an_error_puts_the_count_back(cli: Cli, target: Replicas) -> None:
    def broken(count: int, profile: Profile) -> None:
        target.refused = count == 4

    target.seen = broken
    result = cli.run("bench", "risk", "--capacity", "350", *SLO)
    assert result.exit_code == 1
    assert "error: risk with 4 replicas: it does not answer" in result.stderr
    assert serving(cli) == 2


def test_a_count_that_cannot_be_started_is_the_answer(
    cli: Cli, target: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy = cli.runtime.deploy

    def refuse(fleet: Any, name: str, count: int, emit: Any) -> None:
        if count > 2:
            raise RolloutFailed("risk/3: no memory", "free some")
        deploy(fleet, name, count, emit)

    monkeypatch.setattr(cli.runtime, "deploy", refuse)
    found = measure(cli, 350, code=1)
    assert (found["verdict"], found["why"]) == ("refused", "4 replicas cannot be started: risk/3: no memory")
    assert serving(cli) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bench", "--capacity", "9", *SLO], "--capacity scales an engine of the fleet"),
        (["bench", "http://127.0.0.1:1/", "--capacity", "9", *SLO], "--capacity scales an engine of the fleet"),
        (["bench", "risk", "--capacity", "9"], "risk promises no latency"),
        (["bench", "risk", "--capacity", "9", "--rate", "9"], "--capacity finds the rates itself"),
        (["bench", "rosk", "--capacity", "9", *SLO], "did you mean 'risk'?"),
        (["bench", "risk", "--write"], "--write puts the answer of --capacity into the file"),
    ],
)
def test_what_makes_no_sense_is_2(cli: Cli, words: list[str], said: str) -> None:
    result = cli.run(*words)
    assert result.exit_code == 2, result.output
    assert said in result.stderr


def test_pending_changes_are_not_deployed_by_the_way(cli: Cli, target: Replicas) -> None:
    document = yaml.safe_load((cli.folder / "engines.yaml").read_text())
    document["engines"]["risk"]["environment"] = {"NEW": "1"}
    cli.write(document)
    result = cli.run("bench", "risk", "--capacity", "9", *SLO)
    assert result.exit_code == 2
    assert "risk is not as the file says (risk: environment changed)" in result.stderr
    assert not cli.runtime.verbs
