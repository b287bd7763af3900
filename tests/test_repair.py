"""What a watch holds to, what it mends, what it leaves to people, and how it backs off."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.fleet import Engine, Fleet, Hooks, Service
from nautilus_cli.history import specification
from nautilus_cli.repair import FIRST, LONGEST, Backoff, Repairs, decide, deployed
from nautilus_cli.snapshot import Image, Limits, Replica, Snapshot, State
from tests.conftest import engine, fleet, replica
from tests.test_history import version

RISK = engine(replicas={"min": 2, "max": 4})
OLD = 1000.0


def seen(*replicas: Replica, fleet: Fleet | None = None, **changes: Any) -> Snapshot:
    """A fleet of one version, v1, that is on record."""
    values: dict[str, Any] = {
        "replicas": replicas,
        "images": {"risk": Image("img", "id")},
        "fingerprints": {"risk": "v1", "redis": "v1"},
        "versions": (version(1, spec=specification(RISK), image="img"),),
        "at": 2 * OLD,
    }
    return Snapshot(**{**values, **changes})


def plan(snapshot: Snapshot, file: Fleet | None = None, backoff: Backoff | None = None) -> Repairs:
    return decide(deployed(file or fleet(RISK), snapshot), snapshot, backoff or Backoff(), 0.0)


def test_a_whole_fleet_is_left_alone() -> None:
    found = plan(seen(replica(1), replica(2)))
    assert (str(found.plan), found.notes) == ("nothing to do", {})


def test_what_is_missing_or_dead_comes_back() -> None:
    assert "replicas 1 -> 2" in str(plan(seen(replica(1))).plan)
    assert "1 not running" in str(plan(seen(replica(1), replica(2, state=State.EXITED))).plan)
    assert "not running" in str(plan(seen()).plan)


def test_what_runs_and_hangs_is_exchanged_unless_it_is_still_starting() -> None:
    sick = replica(2, state=State.UNHEALTHY, started=OLD)
    found = plan(seen(replica(1), sick))
    assert found.fleet.engines["risk"].replaced == {sick.name}
    assert "restart asked" in str(found.plan)
    assert not plan(seen(replica(1), replace(sick, started=2 * OLD - 30))).plan


def test_a_crash_loop_is_told_and_left_to_docker() -> None:
    loop = replica(2, state=State.UNHEALTHY, started=2 * OLD - 100, restarts=7)
    found = plan(seen(replica(1), loop))
    assert not found.plan
    assert found.notes == {"risk/2": "crash loop: 7 restarts; Docker starts it again, less and less often"}


def test_an_edit_that_nobody_brought_up_is_not_deployed() -> None:
    more = {"min": 4, "max": 4}
    edited = engine(image="img:2", environment={"NEW": "1"}, replicas=more, hooks=Hooks(pre_deploy=("x",)))
    held = deployed(fleet(edited, engine("factor", port=9000)), seen(replica(1), replica(2)))
    assert held.engines == {"risk": RISK}


def test_a_change_that_was_killed_before_it_was_on_record_counts() -> None:
    runs = seen(replica(1, "v2"), fingerprints={"risk": "v2"})
    edited = engine(image="img:2", replicas={"min": 2, "max": 4})
    assert deployed(fleet(edited), runs).engines == {"risk": edited}
    assert "replicas 1 -> 2" in str(plan(runs, fleet(edited)).plan)


def test_the_port_is_the_one_of_the_file() -> None:
    assert deployed(fleet(engine(port=9999)), seen(replica(1))).engines["risk"].port == 9999


def test_an_engine_that_left_the_file_is_kept_while_it_runs() -> None:
    assert list(deployed(fleet(), seen(replica(1))).engines) == ["risk"]
    assert list(deployed(fleet(), seen()).engines) == []


def test_without_a_record_the_file_counts_where_it_runs() -> None:
    unknown = seen(replica(1), versions=())
    assert deployed(fleet(RISK), unknown).engines == {"risk": RISK}
    assert "replicas 1 -> 2" in str(plan(unknown).plan)
    assert deployed(fleet(RISK), seen(versions=())).engines == {}


@pytest.mark.parametrize(
    ("snapshot", "said"),
    [
        (seen(replica(1), replica(2, "v0")), "two versions run"),
        (seen(replica(1), fingerprints={"risk": "v9"}), "not what it was deployed with"),
        (seen(replica(1), fingerprints={}), "not what it was deployed with"),
        (seen(fingerprints={"risk": "v9"}), "not what it was deployed with"),
    ],
)
def test_what_cannot_be_made_again_as_it_was_is_left_to_people(snapshot: Snapshot, said: str) -> None:
    found = plan(snapshot)
    assert not found.plan
    assert said in found.notes["risk"]


def test_a_secret_that_left_the_file_is_told() -> None:
    spec = specification(engine(environment={"API_KEY": "1"}))
    found = plan(seen(replica(1), fingerprints={"risk": "v2"}, versions=(version(1, spec=spec),)))
    assert "not what it was deployed with" in found.notes["risk"]


def test_a_service_that_is_unhealthy_is_restarted() -> None:
    redis = Service(name="redis", image="redis")
    sick = replica(1, engine="redis", state=State.UNHEALTHY, started=1.0)
    found = plan(seen(replica(1), replica(2), sick), fleet(RISK, redis))
    assert [action.subject for action in found.plan.actions] == ["redis"]


def test_a_gateway_comes_back_and_is_not_changed_otherwise() -> None:
    whole = seen(replica(1), replica(2), gateway="not running")
    assert [str(action) for action in plan(whole).plan.actions] == ["expose  gateway        not running"]
    assert not plan(replace(whole, gateway="ports changed")).plan
    tried = Backoff({"gateway": (1, -1.0)})
    assert not plan(whole, backoff=tried).plan


def test_limits_are_those_of_the_last_change() -> None:
    edited: Engine = engine(replicas={"min": 2, "max": 4}, resources={"cpus": 2})
    assert not plan(seen(replica(1, limits=Limits()), replica(2, limits=Limits())), fleet(edited)).plan


@given(gaps=st.lists(st.floats(0, 2000), max_size=30))
def test_an_engine_that_keeps_on_breaking_is_tried_less_and_less_often(gaps: list[float]) -> None:
    backoff, now, times = Backoff(), 0.0, list[float]()
    for gap in gaps:
        now += gap
        if backoff.due("risk", now):
            backoff.attempt("risk", now)
            times.append(now)
    waits = [after - before for before, after in pairwise(times)]
    assert all(wait >= FIRST for wait in waits)
    assert backoff.due("risk", now + LONGEST)


def test_the_waits_double_and_end_when_it_is_calm() -> None:
    backoff, now = Backoff(), 0.0
    for wait in (10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0):
        backoff.attempt("risk", now)
        assert not backoff.due("risk", now + wait - 1)
        assert backoff.due("risk", now + wait)
        assert backoff.due("factor", now)
        now += wait
    backoff.attempt("risk", now + 1000)
    assert backoff.due("risk", now + 1010)
