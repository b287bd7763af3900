"""One change after another at 200 requests a second, and none fails: short in `make test`, long in `make soak`."""

from __future__ import annotations

import pytest

from tests.scenarios.load import Load, bodies
from tests.scenarios.world import World, host

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]  # the long form takes its time
RATE = 100.0  # requests a second on kept connections, and as many on new ones


@host
def test_rollouts_and_scale_steps_in_a_row_lose_no_request(fleet: World, request: pytest.FixtureRequest) -> None:
    rollouts, steps = (20, 50) if request.config.getoption("--soak") else (1, 2)
    port = fleet.port("alpha")
    with Load([port], rate=RATE) as load:
        for number in range(rollouts):
            fleet.edit("alpha", environment={"VERSION": f"soak-{number}"})
            fleet.run("up")
            assert bodies(port) == {f"alpha soak-{number}"}
            load.proves(100)
        for step in range(steps):
            fleet.run("scale", "alpha", str((3, 2)[step % 2]))
            load.proves(100)
    fleet.settled()
