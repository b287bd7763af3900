"""Any HTTP server can be an engine: Debian's nginx, which knows nothing of nautilus."""

from __future__ import annotations

import pytest

from tests.scenarios.load import Load
from tests.scenarios.world import NGINX, World

pytestmark = pytest.mark.docker


def test_nginx_is_scaled_and_replaced_under_load_and_removed(world: World) -> None:
    port = world.ports[0]
    engine = {
        "image": NGINX,
        "port": port,
        "container_port": 80,
        "replicas": {"min": 2, "max": 3},
        "healthcheck": {"path": "/", "timeout": "1s"},
        "update": {"monitor": "200ms", "drain": "5s"},
    }
    world.declare(engines={"web": engine})
    world.run("up")
    world.settled()
    first = world.ids("web")
    with Load([port]) as load:
        world.run("scale", "web", "3")
        load.proves()
        assert first < world.ids("web")
        world.edit("web", environment={"VERSION": "2"})
        world.run("up")
        load.proves()
        assert "nginx" in load.seen[-1][1].body
    assert len(world.ids("web")) == 3
    assert not first & world.ids("web")
    world.settled()
    world.run("down")
    assert world.leftovers() == []
