"""Versions on purpose: a pause between two, the way back to the one before, and waiting for one's turn; under load."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.scenarios.load import Load, bodies
from tests.scenarios.world import World, host

pytestmark = pytest.mark.docker


def history(fleet: World, engine: str) -> list[dict[str, Any]]:
    """The versions of an engine, the newest first."""
    found: list[dict[str, Any]] = json.loads(fleet.run("history", engine, "--json").stdout)["versions"]
    return found


@host
def test_a_version_goes_back_to_the_one_before_without_losing_a_request(fleet: World) -> None:
    fleet.edit("alpha", environment={"VERSION": "good", "API_TOKEN": "hush"})
    fleet.run("scale", "alpha", "2")
    port, untouched = fleet.port("alpha"), fleet.ids("beta")
    with Load([port], rate=100) as load, fleet.but("alpha", environment={"VERSION": "bad"}):
        fleet.run("up")
        assert bodies(port) == {"alpha bad"}
        assert "environment changed" in fleet.run("rollback").stdout
        load.proves()
        assert bodies(port) == {"alpha good"}
    newest, bad, good = known = history(fleet, "alpha")[:3]
    assert (newest["runs"], bad["runs"], newest["fingerprint"]) == (2, 0, good["fingerprint"])
    assert newest["cause"] == f"rollback alpha={good['serial']}: environment changed"
    assert bad["spec"]["environment"]["VERSION"] == "bad"
    assert "hush" not in json.dumps(known)
    assert fleet.ids("beta") == untouched
    fleet.settled()


@host
def test_a_rollout_that_pauses_leaves_both_versions_serving_until_it_is_mended(fleet: World) -> None:
    """The second new replica cannot start: both want the same lock in a volume that they share."""
    port, update = fleet.port("alpha"), {"failure_action": "pause", "monitor": "200ms"}
    command = ["sh", "-c", 'mkdir /once/$$VERSION || exit 9; exec python3 -c "$$CODE"']
    code = fleet.document["engines"]["alpha"]["command"][2]
    environment = {"VERSION": "half", "CODE": code}
    fleet.run("scale", "alpha", "2")
    with Load([port], rate=100) as load:
        with fleet.but("alpha", environment=environment, command=command, update=update, volumes=["once:/once"]):
            fleet.edit("alpha", security={"user": "0:0"})
            said = fleet.run("up", code=5).stderr
            assert "alpha: 1 of 2 new replicas failed, the rollout paused\nreplica 2 exited with code 9" in said
            load.proves()
            states = [c["State"]["Status"] for c in fleet.replicas("alpha")]
            assert states == ["running", "running"]
            assert len(bodies(port)) == 2, "the new version and the one of before"
            assert "1 change pending" in fleet.run("status").stdout
        fleet.run("up")
        load.proves()
    fleet.settled()


@host
def test_a_change_waits_for_its_turn(fleet: World) -> None:
    fleet.run("scale", "alpha=2", "beta=1")
    with fleet.but("alpha", environment={"VERSION": "slow", "READY_AFTER": "1"}):
        first = fleet.start("up")
        first.until("alpha/1 +start")
        first.process.send_signal(signal.SIGSTOP)  # so that it holds the lock however slow the others begin
        try:
            assert "another change is running: up by" in fleet.run("scale", "beta", "2", code=6).stderr
            second = fleet.start("up", "--wait", "60s")
            second.until("waiting at most 1m00s")
        finally:
            first.process.send_signal(signal.SIGCONT)
        assert (first.end(), second.end(within=120)) == (0, 0)
    fleet.run("up")
    fleet.settled()


@host
def test_a_hook_runs_once_before_a_new_version_and_its_failure_touches_nothing(fleet: World) -> None:
    before, port = fleet.touched(), fleet.port("alpha")
    say = "echo migrating $$VERSION as $$(id -u) in $$NAUTILUS_ENGINE"
    with Load([port]) as load:
        with fleet.but("alpha", environment={"VERSION": "hooked"}, hooks={"pre_deploy": f"sh -c '{say}; exit 3'"}):
            said = fleet.run("up", code=5).stderr
        with fleet.but("alpha", environment={"VERSION": "stuck"}, hooks={"pre_deploy": "sleep 60", "timeout": "300ms"}):
            stuck = fleet.run("up", code=5).stderr
        load.proves()
    assert "alpha: pre_deploy exited with code 3; its last lines:\n    migrating hooked as 1000 in alpha" in said
    assert "alpha: pre_deploy did not end within 300ms" in stuck
    assert fleet.touched() == before
    fleet.edit("alpha", environment={"VERSION": "hooked"})
    with fleet.but("alpha", hooks={"pre_deploy": "true"}):
        assert fleet.run("up").stderr.count("pre_deploy") == 1
        assert "pre_deploy" not in fleet.run("scale", "alpha", "3").stderr
    fleet.settled()
