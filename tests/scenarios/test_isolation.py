"""One engine misbehaves in each of four ways, and no request of another one fails."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.scenarios.load import Load, eventually
from tests.scenarios.world import World, server

pytestmark = pytest.mark.docker
QUICK = {"path": "/health", "interval": "200ms", "timeout": "500ms", "retries": 2, "start_period": "20s"}
CLIENTS = 32  # of the one that misbehaves
REQUESTS = 200  # of the other engine, each time


@contextmanager
def crowd(port: int, size: int = CLIENTS) -> Iterator[Counter[str]]:
    """So many clients ask this port all the time, whatever it answers, and wait a while for what never comes."""
    stop, met = threading.Event(), Counter[str]()

    def ask() -> None:
        while not stop.wait(0.05):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            try:
                connection.request("GET", "/")
                met[str(connection.getresponse().status)] += 1
            except (OSError, http.client.HTTPException):
                met["nothing"] += 1
            connection.close()

    clients = [threading.Thread(target=ask) for _ in range(size)]
    for client in clients:
        client.start()
    try:
        yield met
    finally:
        stop.set()
        for client in clients:
            client.join()


def tell(world: World, trick: str) -> None:
    """Make every replica of alpha do this; some never answer that."""
    for replica in world.replicas("alpha"):
        address = replica["NetworkSettings"]["Networks"][world.name]["IPAddress"]
        code = f"import urllib.request as u; u.urlopen('http://{address}:8000/{trick}', timeout=5)"
        made = world.api.exec_create(replica["Id"], ["python3", "-c", code])["Id"]
        world.api.exec_start(made, detach=True)


def throttled(world: World) -> bool:
    """Whether every replica of alpha wants more CPU than it may have."""
    found = [world.api.stats(id, stream=False)["cpu_stats"]["throttling_data"] for id in world.ids("alpha")]
    return all(one["throttled_periods"] > 10 for one in found)


def restarted(world: World, times: int) -> bool:
    """Whether Docker has started every replica of alpha so many times again."""
    return all(found["RestartCount"] >= times for found in world.replicas("alpha"))


def test_an_engine_that_burns_eats_hangs_or_crashes_costs_the_others_no_request(world: World) -> None:
    declared = {name: server(world.ports[n], healthcheck=QUICK) for n, name in enumerate(("alpha", "beta"))}
    world.declare(engines=declared)
    world.run("up")
    untouched = world.ids("beta")
    with Load([world.port("beta")], rate=100) as load, crowd(world.port("alpha")) as met:
        tell(world, "burn")
        eventually(lambda: throttled(world))
        load.proves(REQUESTS)
        tell(world, "eat")
        eventually(lambda: restarted(world, 1))
        load.proves(REQUESTS)
        well = met["200"]
        eventually(lambda: met["200"] > well)
        tell(world, "hang")
        eventually(lambda: met["nothing"] > CLIENTS)
        load.proves(REQUESTS)
        world.kill(*world.replicas("alpha"))
        well = met["200"]
        eventually(lambda: met["200"] > well)
        tell(world, "loop")
        eventually(lambda: restarted(world, 4))
        load.proves(REQUESTS)
    assert len(load.seen) >= 4 * REQUESTS
    assert world.ids("beta") == untouched
    assert load.names(world.port("beta")) == set(world.names("beta"))
