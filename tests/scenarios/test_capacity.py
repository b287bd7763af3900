"""`nautilus bench --capacity` on real replicas of a known limit: the answer is right, and the count is put back."""

from __future__ import annotations

import json
import signal

import pytest
import yaml

from tests.scenarios.world import World, server

pytestmark = pytest.mark.docker
TURNS = "/turn?0.02"  # 50 requests/s for each replica at the most
QUICK = ("--duration", "600ms", "--warmup", "100ms", "--connections", "32")


def test_the_replicas_that_a_load_needs_are_found_written_and_not_left_running(world: World) -> None:
    slo, bench = {"p50": "250ms", "errors": "1%"}, {"path": TURNS}
    world.declare(engines={"alpha": server(world.ports[0], replicas={"min": 1, "max": 4}, slo=slo, bench=bench)})
    file = world.folder / "engines.yaml"
    file.write_text(f"# ours\n{file.read_text()}# the end\n")
    world.run("up")
    found = json.loads(world.run("bench", "alpha", "--capacity", "65", *QUICK, "--json", "--write", within=300).stdout)
    assert (found["verdict"], found["replicas"]) == ("held", 2), found
    one, two = found["points"]
    assert 25 <= one["knee"] <= 51  # 50, less what a request takes beside its turn
    assert 65 <= two["knee"] <= 102
    assert 0 < two["cpus"] < 1
    assert two["memory"] > 2 << 20
    (alpha,) = world.status(code=1)["engines"]
    assert (alpha["ready"], alpha["wanted"]) == (1, 2)  # the file says 2 by now, and nobody ran `up`
    text = file.read_text()
    assert text.startswith("# ours\n")
    assert text.endswith("# the end\n")
    assert yaml.safe_load(text)["engines"]["alpha"]["replicas"] == {"min": 2, "max": 4}


def test_ctrl_c_puts_the_count_back(world: World) -> None:
    slo = {"p50": "250ms"}
    world.declare(
        engines={"alpha": server(world.ports[0], replicas={"min": 2, "max": 4}, slo=slo, bench={"path": TURNS})}
    )
    world.run("up")
    running = world.start("bench", "alpha", "--capacity", "1000", *QUICK)
    running.until("alpha        peak")
    assert running.end(signal.SIGINT) == 130
    assert "alpha: not known what 1,000 requests/s" in running.text
    world.settled()
    assert len(world.replicas("alpha")) == 2
