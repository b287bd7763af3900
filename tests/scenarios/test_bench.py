"""`nautilus bench` on real replicas: every replica has its share, 1,000 connections fail nothing, verdicts exit."""

from __future__ import annotations

import json
import re
import signal
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.scenarios.test_readme import BENCH, commands
from tests.scenarios.world import NGINX, World, host
from tests.test_bench_export import SCHEMA

pytestmark = pytest.mark.docker
ALPHA = {"slo": {"p99": "3s", "errors": "1%"}, "bench": {"path": "/"}}


def measure(fleet: World, *words: str, code: int = 0) -> dict[str, Any]:
    """What `nautilus bench WORDS --json` says, which is as its schema says."""
    data: dict[str, Any] = json.loads(fleet.run("bench", *words, "--json", code=code).stdout)
    Draft202012Validator(SCHEMA).validate(data)
    return data


@host
def test_each_replica_has_its_share_and_nothing_is_touched(fleet: World) -> None:
    before = fleet.touched()
    with fleet.but("alpha", **ALPHA):
        (alpha,) = measure(fleet, "alpha", "--rate", "100", "--duration", "2s", "--save")["subjects"]
        assert fleet.status()["in_sync"]
    (taken,) = alpha["runs"]
    assert taken["errors"] == 0
    shares = {share["replica"]: share["share"] * alpha["replicas"]["ready"] for share in taken["replicas"]}
    assert set(shares) == set(fleet.names("alpha"))
    assert all(0.5 <= share <= 1.5 for share in shares.values())
    assert {verdict["objective"]: verdict["met"] for verdict in alpha["verdicts"]}["errors"] is True
    assert alpha["images"][0]["id"].startswith("sha256:")
    assert len(list((fleet.folder / ".nautilus/bench").glob("*-alpha.json"))) == 1
    assert fleet.touched() == before  # what is promised and asked is no reason to exchange a replica


@host
def test_an_objective_that_is_missed_is_1(fleet: World) -> None:
    with fleet.but("alpha", slo={"p50": "1us"}):
        data = measure(fleet, "alpha", "--rate", "50", "--duration", "1s", code=1)
    assert data["missed"] is True


@host
def test_ctrl_c_shows_what_was_measured(fleet: World) -> None:
    running = fleet.start("bench", "alpha", "--duration", "60s")
    running.until("alpha        check")
    assert running.end(signal.SIGINT, within=20) == 130
    assert "alpha " in running.text
    assert "Traceback" not in running.text


@host
def test_a_replica_can_be_asked_past_the_gateway(fleet: World) -> None:
    address = fleet.replicas("beta")[0]["NetworkSettings"]["Networks"]
    where = next(iter(address.values()))["IPAddress"]
    (beta,) = measure(fleet, "beta", "--target", f"http://{where}:8000", "--connections", "2", "--duration", "500ms")[
        "subjects"
    ]
    assert {share["replica"] for share in beta["runs"][0]["replicas"]} == {fleet.names("beta")[0]}


@pytest.mark.timeout(600)
def test_a_campaign_a_thousand_connections_and_every_command_of_the_manual(world: World) -> None:
    web = {
        "image": NGINX,
        "port": world.ports[0],
        "container_port": 80,
        "replicas": 2,
        "healthcheck": {"path": "/", "timeout": "1s"},
        "update": {"monitor": "0s"},
        "slo": {"p50": "2s", "errors": "0.1%"},
    }
    world.declare(engines={"risk": web})
    world.run("up")
    run = world.run("bench", "--duration", "500ms", "--warmup", "200ms")
    assert re.search(r"(?m)^ risk +2/2 +[\d,]+ +[\d,]+ .* met *$", run.stdout)
    assert re.search(r"(?m)^risk +peak +64 connections +[\d,]+/s", run.stderr)
    (risk,) = measure(world, "risk", "--connections", "1000", "--duration", "2s", "--timeout", "20s")["subjects"]
    (loaded,) = risk["runs"]
    assert (loaded["errors"], set(loaded["statuses"])) == (0, {"2xx"})
    assert loaded["connects"] >= 1000
    assert loaded["answers"] > 1000
    for words, code in commands(BENCH):
        world.run(*words, code=code)


@host
def test_what_is_slower_beyond_doubt_fails_a_comparison(fleet: World) -> None:
    alpha = f"http://127.0.0.1:{fleet.port('alpha')}/slow"
    words = ["-c", "1", "--duration", "1s", "--warmup", "100ms", "--rounds", "4", "--json"]
    slower = [f"{alpha}?0.01", f"{alpha}?0.3", "--fail-above", "20%"]
    found = json.loads(fleet.run("bench", "compare", *slower, *words, code=1).stdout)
    assert [row["verdict"] for row in found["rows"] if row["metric"] == "requests/s"] == ["slower"]
    assert found["regressions"][0].startswith("requests/s at ")


@host
def test_an_engine_can_be_compared_with_itself_to_see_the_noise(fleet: World) -> None:
    words = ["alpha", "alpha", "-c", "2", "--duration", "300ms", "--warmup", "100ms", "--rounds", "3", "--json"]
    found = json.loads(fleet.run("bench", "compare", *words).stdout)
    assert (found["rounds"], found["failed"], found["paired"]) == (3, "", True)
    assert all(len(side) == 3 for row in found["rows"] for side in row["runs"].values())
