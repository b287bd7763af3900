"""A private Redis beside the engines, and secrets: data survives, and no password stands where others can read it."""

from __future__ import annotations

import json

import pytest

from tests.scenarios.load import Load
from tests.scenarios.world import REDIS, World, server

pytestmark = pytest.mark.docker

TALK = """
import os, socket, sys
def command(*words):
    text = ''.join(f'${len(w.encode())}\\r\\n{w}\\r\\n' for w in words)
    line.sendall(f'*{len(words)}\\r\\n{text}'.encode())
    return line.recv(4096).decode().replace('\\r\\n', ' ').strip()
line = socket.create_connection((os.environ['REDIS_HOST'], int(os.environ['REDIS_PORT'])), 5)
if sys.argv[1] == 'AUTH':
    assert command('AUTH', open(os.environ['REDIS_PASSWORD_FILE']).read()) == '+OK'
print(command(*sys.argv[2:]))
"""


def test_redis_is_private_keeps_its_data_and_hides_its_password(world: World) -> None:
    unprivileged = {"user": "1000", "read_only": True, "cap_drop": ["ALL"]}
    world.declare(
        engines={"alpha": server(world.ports[0], replicas=2, depends_on=["redis"], security=unprivileged)},
        services={"redis": {"kind": "redis", "image": REDIS, "port": 6379, "volumes": ["redis-data:/data"]}},
    )
    world.run("up")
    world.settled()
    assert talk(world, "AUTH", "SET", "price", "42") == "+OK"
    assert talk(world, "NOBODY", "PING").startswith("-NOAUTH")
    password = world.execute(world.names("alpha")[0], "cat", "/run/secrets/redis/password")
    assert len(password) >= 32
    hidden(world, password)
    (redis,) = world.replicas("redis")
    assert not redis["HostConfig"]["PortBindings"]
    assert not any((redis["NetworkSettings"]["Ports"] or {}).values())
    assert "nothing to do" in world.run("up").stdout
    world.run("down")
    assert world.leftovers() == [f"{world.name}-redis-data"]
    world.run("up")
    assert talk(world, "AUTH", "GET", "price") == "$2 42"
    world.run("down", "--volumes")
    assert world.leftovers() == []


def test_secrets_are_files_and_a_changed_one_replaces_its_engine_only(world: World) -> None:
    (world.folder / "key.txt").write_text("first-secret-value")
    strict = {"user": "1000", "read_only": True, "cap_drop": ["ALL"]}
    world.declare(
        engines={
            "alpha": server(world.ports[0], secrets=["key"], security=strict),
            "beta": server(world.ports[1], replicas=1),
        },
        secrets={"key": {"file": "key.txt"}},
    )
    world.run("up")
    assert world.execute(world.names("alpha")[0], "cat", "/run/secrets/key") == "first-secret-value"
    hidden(world, "first-secret-value")
    before = {name: world.ids(name) for name in ("alpha", "beta")}
    (world.folder / "key.txt").write_text("second-secret-value")
    with Load([world.ports[0], world.ports[1]]) as load:
        assert "secrets changed" in world.run("up").stdout
        load.proves()
    for name in world.names("alpha"):
        assert world.execute(name, "cat", "/run/secrets/key") == "second-secret-value"
    assert not world.ids("alpha") & before["alpha"]
    assert world.ids("beta") == before["beta"]
    assert "second-secret-value" not in world.run("config").stdout
    world.run("down")
    assert world.leftovers() == []


def talk(world: World, *words: str) -> str:
    """What Redis answers to an engine."""
    return world.execute(world.names("alpha")[0], "python3", "-c", TALK, *words)


def hidden(world: World, secret: str) -> None:
    """The secret stands in nothing that `docker inspect` shows of this fleet, and in no process list."""
    for found in world.containers():
        assert secret not in json.dumps(found)
        assert secret not in json.dumps(world.api.top(found["Id"], "-eo pid,args"))
    for volume in world.api.volumes(filters={"label": f"io.nautilus.fleet={world.name}"})["Volumes"]:
        assert secret not in json.dumps(volume)
