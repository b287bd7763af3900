"""`nautilus drill` on the command line, over a runtime in memory and a generator of its own."""

from __future__ import annotations

import json
import signal

import pytest

from nautilus_cli.bench import watching
from nautilus_cli.commands import drill
from nautilus_cli.fault import Fault
from tests.test_main import Cli, cli
from tests.test_verifying import Asker, asker, ports

__all__ = ["asker", "cli", "ports"]


@pytest.fixture(autouse=True)
def up(cli: Cli, asker: Asker, ports: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The fleet is up, its health is said without asking, and nothing is waited for longer than needed."""
    cli.run("up")
    cli.runtime.verbs.clear()
    monkeypatch.setattr(watching, "health", lambda *_: "connected")
    monkeypatch.setattr(drill, "CALM", 0.05)


def test_every_drill_breaks_and_mends_one_thing_after_the_other(cli: Cli, ports: dict[str, int]) -> None:
    result = cli.run("drill", "--yes", "--for", "100ms")
    assert result.exit_code == 0, result.output
    injected = [verb for verb in cli.runtime.verbs if verb.startswith(("inject", "undo"))]
    assert [verb.split()[1] for verb in injected] == [
        word for fault in Fault if fault is not Fault.BUS_DOWN for word in (fault, fault)
    ]
    assert injected[0].startswith("inject kill factor-1"), "factor has a spare replica"
    assert "bus-down: skipped: bus-down: no redis service of this fleet is ready" in result.stdout
    assert cli.runtime.purpose == "drill"


def test_one_drill_of_one_engine_as_data(cli: Cli) -> None:
    result = cli.run("drill", "kill", "risk", "--yes", "--json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert (data["schema"], data["rate"]) == ("nautilus.drill/1", 200)
    (found,) = data["drills"]
    assert (found["fault"], found["target"], found["held"]) == ("kill", "risk/1", True)
    assert {effect["engine"] for effect in found["effects"]} == {"risk", "factor"}
    assert cli.runtime.purpose == "drill kill risk"


def test_a_promise_that_does_not_hold_is_1(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill, "BACK", 0.1)
    cli.runtime.deadly.add(Fault.KILL)
    result = cli.run("drill", "kill", "--yes")
    assert result.exit_code == 1
    assert (
        "BROKEN: factor/1 was started again, and what was ready before is ready again, without a command"
        in " ".join(result.stdout.split())
    )
    assert "error: not all held that is promised: kill factor/1\nhint: docs/reliability.md" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["kill"], "add --yes"),
        (["kill", "risc", "--yes"], "did you mean 'risk'?"),
        (["pause", "--yes", "--for", "10s"], "less than 10s"),
        (["pause", "--yes", "--for", "long"], "--for: "),
        (["bus-down", "--yes"], "no redis service"),
        (["oom", "--yes"], "oom: not here"),
    ],
)
def test_what_cannot_be_done_is_told_and_nothing_is_broken(cli: Cli, words: list[str], said: str) -> None:
    cli.runtime.impossible.add(Fault.OOM)
    result = cli.run("drill", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not cli.runtime.verbs


def test_a_fleet_that_does_not_serve_has_nothing_to_show(cli: Cli) -> None:
    cli.runtime.replicas.clear()
    assert "no engine of fleet 'demo' serves" in cli.run("drill", "--yes").stderr


def test_an_interrupt_ends_the_drill_after_the_fault_is_undone(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    inject = cli.runtime.inject

    def interrupted(*words: object) -> object:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return inject(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(cli.runtime, "inject", interrupted)
    before = signal.getsignal(signal.SIGINT)
    result = cli.run("drill", "pause", "--yes")
    assert result.exit_code == 130
    assert [verb.split()[0] for verb in cli.runtime.verbs] == ["inject", "undo"]
    assert "interrupted: undoing the fault\nthe fault is being undone\n" in result.stderr
    assert signal.getsignal(signal.SIGINT) is before
