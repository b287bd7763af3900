"""The comparison with a monolith: the load that both sides get, what the runs say, and how it is told."""

from __future__ import annotations

import http.server
import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from nautilus_cli.bench.monolith import Beside, Comparison, Event, Offered, Peaks, Side, Work, middle
from nautilus_cli.bench.recording import Failure, Open, Request
from nautilus_cli.bench.report import summarise
from nautilus_cli.commands.duel import serves
from nautilus_cli.commands.monolith import fleet_of, work_of
from nautilus_cli.errors import ConfigError
from nautilus_cli.loader import load
from nautilus_cli.view import monolith as view
from tests.bench_fakes import MS, recording
from tests.test_main import Cli, cli

__all__ = ["cli"]
ROOT = Path(__file__).parent.parent
WORK = Work(("analytics", "risk", "factor"), "risk", "factor", {"risk": Request(), "factor": Request("POST")})
CALM = Event(2.0, 1000, 0, 0.01)


def comparison() -> Comparison:
    beside = Beside(0.001, 0.002, 0.001, 0.004, 30.0, 0)
    fleet = Side("fleet", Peaks(1000, 60, 800, 50), beside, CALM, {"rolled out": CALM})
    lost = Event(3.0, 2000, 500, 0.02)
    releases = {"rolled out": replace(CALM, seconds=5.0), "restarted": lost}
    alone = Side("monolith", Peaks(1000, 50, 200, 40), replace(beside, p99=0.04), lost, releases)
    return Comparison(WORK, Offered(250, 25), 3, 2, (fleet, alone), True)


def test_both_sides_get_what_the_slower_one_can_answer() -> None:
    fleet, alone = [Peaks(1000, 60, 1, 1), Peaks(900, 70, 1, 1), Peaks(5000, 65, 1, 1)], [Peaks(800, 90, 1, 1)]
    offered = Offered.to({"fleet": fleet, "monolith": alone})
    assert (offered.fast, offered.slow) == (0.25 * 800, 0.5 * 65)
    assert [each.rate for each in offered.loads] == [200, 32.5]


def test_the_median_of_each_figure_is_known_where_most_rounds_know_it() -> None:
    known, unknown = Beside(0.1, 0.2, 0.3, 0.4, 10, 0), Beside(0.1, None, 0.5, None, 30, 2)
    assert middle([known, unknown, unknown]) == Beside(0.1, None, 0.5, None, 30, 2)
    assert middle([known, known, unknown]) == Beside(0.1, 0.2, 0.3, 0.4, 10, 0)


def test_an_event_counts_what_failed_meanwhile() -> None:
    kinds = [Failure.NONE] * 90 + [Failure.RESET] * 10
    event = Event.of(summarise(recording([MS] * 100, Open(10), failure=kinds), 2), 1.5)
    assert (event.seconds, event.requests, event.errors, event.share) == (1.5, 100, 10, 0.1)


def test_the_table_has_both_sides_beside_each_other() -> None:
    console = Console(width=120, file=io.StringIO())
    console.print(view.view(comparison()))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for told in (
        "risk/s while factor is loaded too",
        "4.00",  # 800 / 200
        "factor crashes: errors of risk",
        "500 of 2,000",
        "factor restarted: time",
        "each side had all 2 cores",
    ):
        assert told in text


def test_the_data_holds_every_figure() -> None:
    data = view.data(comparison(), {"cores": 2})
    assert data["sides"]["monolith"]["releases"]["restarted"]["errors"] == 500
    assert data["sides"]["fleet"]["peaks"] == {"fast": 1000, "slow": 60, "fast_beside": 800, "slow_beside": 50}
    assert (data["schema"], data["cores"], data["offered"]) == ("nautilus.monolith/1", 2, {"fast": 250, "slow": 25})


def test_both_sides_are_the_same_engines_without_limits_bus_and_shared_ports() -> None:
    declared = load([ROOT / "engines.yaml"], {}).fleet
    fleet = fleet_of(declared, WORK)
    assert list(fleet.engines) == [*WORK.engines, "monolith"]
    assert len({engine.port for engine in fleet.engines.values()}) == 4
    assert {(e.replicas.min, e.replicas.max, e.depends_on, e.build) for e in fleet.engines.values()} == {
        (1, 1, (), None)
    }
    assert len({engine.process for engine in fleet.engines.values()}) == 1
    assert (fleet.runtime, fleet.services, fleet.name) == ("process", {}, "nautilus-monolith")


def test_a_folder_without_the_engines_is_told(cli: Cli) -> None:
    result = cli.run("bench", "--monolith")
    assert result.exit_code == 2
    assert "there is no engines.monolith.comparison" in result.stderr


def test_engines_that_cannot_say_what_they_are_asked_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "engines/monolith"
    folder.mkdir(parents=True)
    (folder / "comparison.py").write_text("import nowhere_to_be_found\n")
    with pytest.raises(ConfigError, match="No module named 'nowhere_to_be_found'"):
        work_of(tmp_path)


class Answers(http.server.BaseHTTPRequestHandler):
    """200 for /ok."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ok" else 503)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_what_serves_answers_with_200(port: int) -> None:
    assert serves(port, "/ok")
    assert not serves(port, "/other")


def test_what_is_not_there_does_not_serve(port: int) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as gone:
        free = gone.server_port
    assert not serves(free, "/ok")
