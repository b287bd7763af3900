"""The tables as text, and the data under the versioned schema."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nautilus_cli.fleet import Fleet, Replicas, Resources, Service
from nautilus_cli.reconcile import reconcile
from nautilus_cli.snapshot import Host, Image, Limits, Snapshot, State, Traffic, Usage
from nautilus_cli.view import tables
from tests.conftest import engine, fleet, replica
from tests.golden import compare, rendered

GIB = 2**30


def wanted() -> Fleet:
    return fleet(
        engine("analytics", port=8100, replicas=Replicas(min=2, max=8), resources=Resources(cpus=2, memory=4 * GIB)),
        engine("risk", port=8200, replicas=Replicas(min=1, max=3), resources=Resources(cpus=0.5, memory=GIB)),
        engine("factor", port=8300, replicas=Replicas(min=4, max=12), resources=Resources(cpus=4, memory=8 * GIB)),
        Service(name="redis", image="redis", port=6379),
    )


def snapshot() -> Snapshot:
    two = Limits(cpus=2, memory=4 * GIB)
    half = Limits(cpus=0.5, memory=GIB)
    replicas = [
        replica(
            1, engine="analytics", limits=two, created=880.0, image="demo/analytics:1a2b3c4d5e6f", address="172.18.0.10"
        ),
        replica(2, engine="analytics", limits=two, created=890.0, restarts=2),
        replica(1, "v0", engine="risk", limits=half, created=100.0, aspects={"environment": "old"}),
        replica(1, engine="redis", created=1.0),
        replica(1, engine="factor", state=State.UNHEALTHY, limits=Limits(2, 8 * GIB), created=999.0),
        replica(2, engine="factor", state=State.EXITED, limits=Limits(2, 8 * GIB), exit_code=137, oom_killed=True),
        replica(1, engine="gone", created=1.0),
    ]
    names = ["analytics", "risk", "factor", "redis"]
    return Snapshot(
        replicas=tuple(replicas),
        images={name: Image("img", "id") for name in names},
        fingerprints=dict.fromkeys(names, "v1"),
        aspects={name: {"environment": "new"} for name in names},
        host=Host(cpus=2, memory=16 * GIB),
        traffic={"analytics": Traffic(1234, 99999, 2), "risk": Traffic(0, 10, 0)},
        at=1000.0,
    )


def test_status_is_one_table_of_100_columns(request: pytest.FixtureRequest) -> None:
    plan = reconcile(wanted(), snapshot())
    text = rendered(tables.status_view(wanted(), snapshot(), plan))
    assert max(len(line) for line in text.splitlines()) <= 100
    compare(request, "status", text)


def test_wide_shows_every_replica_with_asked_and_granted_limits(request: pytest.FixtureRequest) -> None:
    usage = {one.name: Usage(cpus=0.5, memory=300 * 2**20) for one in snapshot().replicas if one.state.alive}
    compare(request, "status_wide", rendered(tables.replica_table(wanted(), snapshot(), usage)))


def test_plans_read_as_sentences(request: pytest.FixtureRequest) -> None:
    compare(request, "plan", tables.plan_text(reconcile(wanted(), snapshot())) + "\n")


def test_status_data_names_its_schema_and_holds_every_replica(request: pytest.FixtureRequest) -> None:
    data = tables.status_data(wanted(), snapshot(), reconcile(wanted(), snapshot()))
    assert data["schema"] == "nautilus.status/1"
    compare(request, "status_json", json.dumps(data, indent=2) + "\n")


def test_unhealthy_names_what_lacks_ready_replicas() -> None:
    assert tables.unhealthy(wanted(), snapshot()) == ["factor"]


def test_a_crash_loop_is_shown_as_such() -> None:
    loop = replica(1, engine="risk", state=State.UNHEALTHY, restarts=5, started=990.0)
    seen = replace(snapshot(), replicas=(loop,))
    text = rendered(tables.status_view(wanted(), seen, reconcile(wanted(), seen), wide=True))
    assert text.count("crash loop") == 2
    assert "risk" in tables.unhealthy(wanted(), seen)
    for calm in (replace(loop, restarts=2), replace(loop, started=800.0), replace(loop, state=State.READY)):
        assert not calm.crash_loop(seen.at)


def test_an_empty_host_has_nothing_running() -> None:
    empty = Snapshot(host=Host(2, 16 * GIB), at=1.0)
    text = rendered(tables.status_table(wanted(), empty, reconcile(wanted(), empty)))
    assert text.count("down") == 4
