"""`nautilus bench --monolith` on the real engines, as processes: every figure is there, and nothing is left."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from benchmarks.computations import prices_file
from nautilus_cli.runtimes.process.haproxy import find
from tests.scenarios.test_processes import ProcessWorld

ROOT = Path(__file__).parents[2]
SHORT = ("--duration", "300ms", "--warmup", "100ms")


@pytest.mark.skipif(find() is None, reason="there is no HAProxy on this machine")
def test_the_comparison_measures_both_sides_and_leaves_nothing(
    tmp_path: Path, port_range: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = str(prices_file())
    monkeypatch.setenv("NAUTILUS_PRICES", prices)
    world = ProcessWorld(tmp_path, port_range, None)  # type: ignore[arg-type]
    text = (ROOT / "engines.yaml").read_text()
    assert "\ndefaults:\n" in text
    environment = f"  environment: {{NAUTILUS_PRICES: {prices}}}\n"
    (tmp_path / "engines.yaml").write_text(text.replace("\ndefaults:\n", f"\ndefaults:\n{environment}"))
    shutil.copytree(ROOT / "engines", tmp_path / "engines", ignore=shutil.ignore_patterns("__pycache__"))
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
    assert not world.processes()
    assert list(world.home.iterdir()) == []
