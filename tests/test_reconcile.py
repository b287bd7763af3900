"""Plans as text for the usual cases, convergence as a property for all others."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from nautilus_cli.apply import apply, build
from nautilus_cli.events import silent
from nautilus_cli.fleet import Engine, Fleet, Replicas, Resources, Service, Update
from nautilus_cli.plan import Kind
from nautilus_cli.reconcile import reconcile
from nautilus_cli.snapshot import Host, Image, Limits, Snapshot, State
from tests.conftest import engine, fleet, replica
from tests.fakes import FakeRuntime

HOST = Host(cpus=2, memory=2**34)


def seen(*replicas: object, **changes: object) -> Snapshot:
    values: dict[str, object] = {
        "replicas": replicas,
        "images": {"risk": Image("img", "id")},
        "fingerprints": {"risk": "v1"},
        "aspects": {"risk": {"image": "a", "environment": "b"}},
        "host": HOST,
    }
    return Snapshot(**{**values, **changes})  # type: ignore[arg-type]


def test_an_empty_host_gets_everything_in_waves() -> None:
    redis = Service(name="redis", image="img")
    wanted = fleet(engine("risk", depends_on=("redis",)), redis)
    images = {"redis": Image("img"), "risk": Image("img"), "gateway": Image("gw")}
    plan = reconcile(wanted, Snapshot(images=images, gateway="not running", host=HOST))
    assert str(plan) == (
        "build   redis          img is not here\n"
        "build   risk           img is not here\n"
        "build   gateway        no image for this content\n"
        "expose  gateway        not running\n"
        "deploy  redis x1       not running\n"
        "deploy  risk x1        not running"
    )
    assert [[a.subject for a in wave] for wave in plan.waves(Kind.DEPLOY)] == [["redis"], ["risk"]]


def test_what_is_as_wanted_is_left_alone() -> None:
    plan = reconcile(fleet(engine()), seen(replica()))
    assert not plan
    assert str(plan) == "nothing to do"


def test_the_reason_names_what_changed() -> None:
    old = replica(1, "v0", aspects={"image": "a", "environment": "old"})
    assert str(reconcile(fleet(engine()), seen(old))) == "deploy  risk x1        environment changed"


def test_an_image_that_is_still_to_be_built_means_a_deploy() -> None:
    snapshot = seen(replica(), images={"risk": Image("demo/risk:1234")}, fingerprints={}, aspects={})
    assert str(reconcile(fleet(engine()), snapshot)) == (
        "build   risk           demo/risk:1234 is not here\ndeploy  risk x1        image changed"
    )


def test_a_chosen_count_survives_and_stays_in_range() -> None:
    ranged = engine(replicas=Replicas(min=1, max=3))
    four = [replica(slot) for slot in (1, 2, 3)]
    assert not reconcile(fleet(ranged), seen(*four, counts={"risk": 3}))
    assert str(reconcile(fleet(ranged), seen(*four, counts={"risk": 9}))) == "nothing to do"
    assert str(reconcile(fleet(ranged), seen(*four))) == "deploy  risk x1        replicas 3 -> 1"


def test_limits_change_in_place_and_are_lowered_to_the_host() -> None:
    big = engine(resources=Resources(cpus=4, memory=2**31))
    have = replica(limits=Limits(cpus=1.0, memory=2**30))
    plan = reconcile(fleet(big), seen(have))
    assert str(plan) == "deploy  risk x1        cpus 1 -> 2, memory 1GiB -> 2GiB"
    assert plan.warnings == ("risk: 4 CPUs asked, the host has 2: lowered to that",)


def test_dead_and_unrouted_replicas_are_reasons() -> None:
    dead = replica(2, state=State.EXITED, exit_code=137)
    waiting = replica(1, state=State.STARTING)
    two = fleet(engine(replicas=Replicas(min=2, max=2)))
    assert str(reconcile(two, seen(dead, waiting))) == (
        "deploy  risk x2        replicas 1 -> 2; 1 not running (exit 137), 1 not routed"
    )


def test_what_left_the_file_goes_in_reverse_waves() -> None:
    others = [replica(engine="redis", name="redis-1"), replica(engine="app", name="app-1", wave=1), replica()]
    plan = reconcile(fleet(engine()), seen(*others))
    assert str(plan) == "remove  app            not in the file\nremove  redis          not in the file"
    assert [[a.subject for a in wave] for wave in plan.waves(Kind.REMOVE)] == [["app"], ["redis"]]


def test_a_part_of_the_fleet_removes_nothing() -> None:
    snapshot = seen(replica(engine="gone", name="gone-1"))
    assert (
        str(reconcile(fleet(engine(), engine("app")), snapshot, only={"risk"})) == "deploy  risk x1        not running"
    )


def test_an_empty_fleet_clears_what_is_left_and_data_only_when_asked() -> None:
    snapshot = Snapshot(leftovers=("network demo",), data=("demo-db",), gateway="not needed", host=HOST)
    assert str(reconcile(fleet(), snapshot)) == "expose  gateway        not needed\nclear   demo           network demo"
    assert "volume demo-db with its data" in str(reconcile(fleet(), snapshot, data=True))


def test_memory_above_the_host_is_a_warning() -> None:
    heavy = engine(replicas=Replicas(min=3, max=3), resources=Resources(memory=2**33))
    assert reconcile(fleet(heavy), seen()).warnings == (
        "memory limits add up to 24GiB, the host has 16GiB: replicas may be killed under load",
    )


names = st.sampled_from(["api", "app", "risk", "web"])


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """Random engines and a service, depending on each other without a circle."""
    chosen = draw(st.lists(names, unique=True, max_size=4))
    engines: list[Engine | Service] = []
    if draw(st.booleans()):
        engines.append(Service(name="redis", image="redis", environment={"V": draw(st.sampled_from("12"))}))
    for number, name in enumerate(chosen):
        low = draw(st.integers(1, 4))
        known = [other.name for other in engines]
        engines.append(
            engine(
                name,
                port=8000 + number,
                replicas=Replicas(min=low, max=low + draw(st.integers(0, 3))),
                environment={"V": draw(st.sampled_from("12"))},
                resources=Resources(cpus=draw(st.sampled_from([0.5, 1, 4]))),
                depends_on=tuple(draw(st.lists(st.sampled_from(known), unique=True))) if known else (),
                update=Update(order=draw(st.sampled_from(["start-first", "stop-first"])), monitor=0),
            )
        )
    return fleet(*engines)


def converge(runtime: FakeRuntime, wanted: Fleet) -> None:
    plan = reconcile(wanted, runtime.observe(wanted))
    build([a for a in plan.of(Kind.BUILD) if a.subject != "gateway"], wanted, runtime, silent, 2)
    apply(reconcile(wanted, runtime.observe(wanted)), wanted, runtime, silent)


@settings(max_examples=100, deadline=None)
@given(first=fleets(), second=fleets(), data=st.data())
def test_any_fleet_becomes_any_other_in_one_pass_and_a_second_is_empty(
    first: Fleet, second: Fleet, data: st.DataObject
) -> None:
    runtime = FakeRuntime()
    converge(runtime, first)
    for one in data.draw(st.lists(st.sampled_from(sorted(runtime.replicas)), max_size=2)) if runtime.replicas else []:
        runtime.replicas[one] = replace(runtime.replicas[one], state=data.draw(st.sampled_from(list(State))))
    converge(runtime, second)
    assert not reconcile(second, runtime.observe(second))
    assert {r.engine for r in runtime.replicas.values()} == set(second.workloads)
    for name, wanted in second.engines.items():
        assert len([r for r in runtime.replicas.values() if r.engine == name]) == wanted.replicas.min


@settings(max_examples=100, deadline=None)
@given(wanted=fleets(), part=st.sets(names))
def test_a_fingerprint_does_not_depend_on_which_engines_are_selected(wanted: Fleet, part: set[str]) -> None:
    runtime = FakeRuntime()
    converge(runtime, wanted)
    chosen = wanted.only(part & set(wanted.engines))
    assert not [a for a in reconcile(chosen, runtime.observe(chosen)).actions if a.kind is Kind.DEPLOY]
