"""`nautilus bench --monolith` on the real engines, as processes: every figure is there, and nothing is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.computations import prices_file
from nautilus_cli.runtimes.process.haproxy import find
from tests.scenarios.process_world import ProcessWorld

ROOT = Path(__file__).parents[2]
SHORT = ("--duration", "300ms", "--warmup", "100ms")


pytestmark = pytest.mark.skipif(find() is None, reason="there is no HAProxy on this machine")


@pytest.fixture
def world(tmp_path: Path, port_range: list[int], monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessWorld]:
    """The shipped engines and their file in a folder of their own; nothing runs afterwards."""
    prices = str(prices_file())
    monkeypatch.setenv("NAUTILUS_PRICES", prices)
    text = (ROOT / "engines.yaml").read_text()
    assert "\ndefaults:\n" in text
    environment = f"  environment: {{NAUTILUS_PRICES: {prices}, NAUTILUS_NUMBA: 'off'}}\n"  # nothing to compile
    (tmp_path / "engines.yaml").write_text(text.replace("\ndefaults:\n", f"\ndefaults:\n{environment}"))
    shutil.copytree(ROOT / "engines", tmp_path / "engines", ignore=shutil.ignore_patterns("__pycache__"))
    scene = ProcessWorld(tmp_path, port_range, None)  # type: ignore[arg-type]
    yield scene
    assert not scene.processes()
    assert list(scene.home.iterdir()) == []


def test_the_comparison_measures_both_sides_and_leaves_nothing(world: ProcessWorld) -> None:
    run = world.run("-p", world.name, "bench", "--monolith", *SHORT, "--json", within=300)
    found = json.loads(run.stdout)
    assert (found["schema"], found["fast"], found["slow"]) == ("nautilus.monolith/1", "risk", "factor")
    assert found["cores"] == len(os.sched_getaffinity(0))
    fleet, monolith = found["sides"]["fleet"], found["sides"]["monolith"]
    for side in (fleet, monolith):
        assert all(rate > 0 for rate in side["peaks"].values())
        assert side["beside"]["errors"] == 0
        assert side["releases"]["rolled out"]["errors"] == 0
        assert side["crash"]["requests"] > 0
    assert fleet["crash"]["errors"] == 0  # one engine died, and the other did not notice
    assert monolith["crash"]["errors"] > 0
    assert monolith["releases"]["restarted"]["errors"] > 0
    assert set(fleet["releases"]) == {"rolled out"}


def test_ctrl_c_leaves_nothing(world: ProcessWorld) -> None:
    running = world.start("-p", world.name, "bench", "--monolith", *SHORT)
    running.until("4 processes serve")
    assert running.end(signal.SIGINT) == 130
    assert "Traceback" not in running.text
