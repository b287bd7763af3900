"""The body that Docker gets for one container, read as a whole and in its corners."""

from __future__ import annotations

import json

import pytest

from nautilus_cli.fleet import CommandCheck, Replicas, Resources, Security, Service, Ulimit, Volume
from nautilus_cli.runtimes import containers
from nautilus_cli.runtimes.containers import Binding, Endpoint, container, enforced, limits_of
from nautilus_cli.snapshot import Limits
from tests.conftest import engine
from tests.golden import compare

STRICT = Security(user="1000", read_only=True, cap_drop=("ALL",), pids=256)
ENDPOINT = Endpoint("demo", "172.18.0.10", {"risk": "172.18.0.1", "factor": "172.18.0.1"})


def test_a_strict_engine(request: pytest.FixtureRequest) -> None:
    declared = engine(
        "risk",
        command=("serve", "--fast"),
        environment={"A": "1"},
        security=STRICT,
        tmpfs=("/tmp",),
        ulimits={"nofile": Ulimit(soft=1024, hard=2048)},
        volumes=(Volume(source="cache", target="/cache"),),
        labels={"team": "quant"},
        stop_signal="SIGINT",
        stop_grace_period="3s",
        replicas=Replicas(min=1, max=3),
        resources=Resources(cpus=0.5, memory=2**30),
    )
    body = container(
        declared,
        "demo-risk-1-abcd",
        "demo/risk:1234",
        Limits(cpus=0.5, memory=2**30),
        ENDPOINT,
        (Binding("demo-cache", "/cache", False), Binding("demo-secrets", "/run/secrets", True)),
        {"PORT": "8000"},
        {"io.nautilus.fleet": "demo"},
    )
    compare(request, "container", json.dumps(body, indent=2, sort_keys=True) + "\n")


def test_a_plain_image_keeps_what_it_has() -> None:
    body = container(engine(), "n", "img", Limits(), ENDPOINT, (), {}, {})
    assert not {"Cmd", "Entrypoint", "User", "StopSignal", "Healthcheck"} & set(body)
    host = body["HostConfig"]
    assert (host["CapDrop"], host["ReadonlyRootfs"], host["Memory"], host["CpuQuota"]) == ([], False, 0, 0)
    assert host["SecurityOpt"] == ["no-new-privileges"]


@pytest.mark.parametrize("cpus", [None, 0.01, 0.5, 2.0, 3.75])
@pytest.mark.parametrize("memory", [None, 6 * 2**20, 2**33])
def test_limits_read_back_are_those_that_were_asked(cpus: float | None, memory: int | None) -> None:
    limits = Limits(cpus, memory)
    assert limits_of(enforced(limits)) == limits
    assert enforced(limits)["MemorySwap"] == enforced(limits)["Memory"]  # no swap beyond memory


def test_a_service_has_its_name_and_its_check() -> None:
    service = Service(
        name="db", image="pg", healthcheck=CommandCheck.model_validate({"command": ["true"], "interval": "2s"})
    )
    body = container(service, "n", "pg", Limits(), Endpoint("demo", "172.18.0.11", {}, ("db",)), (), {}, {})
    assert body["NetworkingConfig"]["EndpointsConfig"]["demo"]["Aliases"] == ["db"]
    assert body["Healthcheck"] == {
        "Test": ["CMD", "true"],
        "Interval": 2_000_000_000,
        "Timeout": 5_000_000_000,
        "StartPeriod": 60_000_000_000,
        "Retries": 3,
    }


def test_a_redis_password_is_in_its_file_and_nowhere_else() -> None:
    redis = Service(name="redis", kind="redis", image="r", port=6379)
    assert containers.redis_config(redis, "s3cret").splitlines() == [
        "port 6379",
        "bind * -::*",
        "requirepass s3cret",
        "appendonly yes",
        'save ""',
        "auto-aof-rewrite-min-size 128mb",
        "dir /data",
    ]
    assert containers.command(redis) == ["redis-server", "/run/secrets/redis/redis.conf"]
    found = containers.bus_environment(redis)
    assert found == {"REDIS_HOST": "redis", "REDIS_PORT": "6379", "REDIS_PASSWORD_FILE": "/run/secrets/redis/password"}
    assert "/run/secrets/redis/password" in containers.check_command(redis)[-1]
