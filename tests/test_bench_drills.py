"""What a drill is aimed at, and how its course is judged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.bench.drills import AT_ONCE, Aim, Effect, Promise, Result, Seen, aim, judge, notices
from nautilus_cli.errors import ConfigError
from nautilus_cli.fault import Fault
from nautilus_cli.fleet import HealthCheck, Service
from nautilus_cli.snapshot import Snapshot, State
from nautilus_cli.view.drills import drills_data, drills_view
from tests.conftest import engine, fleet, replica
from tests.golden import compare, rendered
from tests.test_bench_timeline import made

REDIS = Service(name="redis", kind="redis", image="redis")
FLEET = fleet(engine("risk"), engine("factor", port=8001), REDIS)
SPARE = Snapshot(
    replicas=(
        replica(1, engine="risk"),
        replica(1, engine="factor", state=State.UNHEALTHY),
        replica(2, engine="factor"),
        replica(3, engine="factor"),
        replica(1, engine="redis"),
    )
)
CALM = [(at / 100, 0.01, True) for at in range(1000)]  # 10 s
KILLED = Seen(Aim(Fault.KILL, replica(), redundant=True), began=0.0, at=4.0, ended=10.0)


def test_of_an_engine_with_a_spare_replica_the_first_ready_one() -> None:
    found = aim(Fault.KILL, FLEET, SPARE, None)
    assert (found.name, found.redundant) == ("factor/2", True)
    alone = aim(Fault.KILL, FLEET, SPARE, "risk")
    assert (alone.name, alone.redundant) == ("risk/1", False)
    assert aim(Fault.BUS_DOWN, FLEET, SPARE, "risk").name == "redis/1"
    assert aim(Fault.GATEWAY_DOWN, FLEET, Snapshot(), None).name == "gateway"


@pytest.mark.parametrize(("fault", "words"), [(Fault.BUS_DOWN, "no redis"), (Fault.HANG, "no replica of risk or fact")])
def test_what_is_not_there_cannot_be_broken(fault: Fault, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        aim(fault, FLEET, Snapshot(), None)


def test_a_health_check_needs_its_interval_and_so_many_timeouts() -> None:
    check = HealthCheck.model_validate({"interval": "30s", "timeout": "2s", "retries": 3})
    assert notices(engine(healthcheck=check)) == 30 + 3 * 2 + 5


def test_calm_is_no_loss_no_gap_and_nothing_noticed() -> None:
    result = judge(KILLED, {"risk": made(*CALM), "factor": made(*CALM)})
    assert result.broken == []
    for effect in result.effects:
        assert (effect.sent, effect.lost, effect.recovery, effect.noticed) == (601, 0, 0.0, "")
        assert effect.gap == pytest.approx(0.01)


def test_what_was_under_way_in_a_dying_replica_may_be_lost_and_nothing_later() -> None:
    near = made(*CALM, (3.99, 0.02, False))
    assert judge(KILLED, {"risk": near}).broken == []
    late = made(*CALM, (4.0 + AT_ONCE + 0.1, 0.02, False))
    assert judge(KILLED, {"risk": late}).broken == ["risk lost no request that was sent 1 s after the fault or later"]
    assert judge(KILLED, {"risk": late}).effects[0].noticed == "lost: 1 x reset"


def test_the_only_replica_may_be_missed_until_it_is_back() -> None:
    alone = replace(KILLED, aim=Aim(Fault.KILL, replica()))
    lost = [(due, 0.01, not 4 <= due < 6) for due, _, _ in CALM]
    result = judge(alone, {"risk": made(*lost)})
    assert result.broken == []
    assert result.effects[0].recovery == pytest.approx(2.01)
    assert result.effects[0].gap == pytest.approx(2.01, abs=0.02)
    assert judge(alone, {"risk": made(*CALM[:400], (9.0, 0.1, False))}).broken == ["risk answers again"]


def test_others_lose_nothing_whatever_breaks_but_the_gateway() -> None:
    hurt = {"risk": made(*CALM), "factor": made(*CALM, (5.0, 0.1, False))}
    for fault in (Fault.KILL, Fault.PAUSE, Fault.OOM, Fault.BUS_DOWN):
        seen = replace(KILLED, aim=Aim(fault, replica(), redundant=True))
        assert judge(seen, hurt).broken == ["no other engine lost a request"]
    assert judge(replace(KILLED, aim=Aim(Fault.GATEWAY_DOWN)), hurt).broken == []


def test_a_pause_loses_nothing_and_slow_answers_are_noticed() -> None:
    seen = replace(KILLED, aim=Aim(Fault.PAUSE, replica(), redundant=True))
    result = judge(seen, {"risk": made(*CALM, (5.0, 3.0, True))})
    assert (result.broken, result.effects[0].noticed, result.effects[0].slowest) == ([], "1 slow", 3.0)
    assert judge(seen, {"risk": made(*CALM, (4.1, 3.0, False))}).broken == ["risk lost no request"]


def test_a_replica_that_hangs_must_leave_in_time_and_is_asked_no_more_then() -> None:
    seen = replace(KILLED, aim=Aim(Fault.HANG, replica(), redundant=True, notices=3.0), left=6.0)
    assert judge(seen, {"risk": made(*CALM, (5.0, 5.0, False))}).broken == []
    assert judge(seen, {"risk": made(*CALM, (6.1, 5.0, False))}).broken == [
        "risk lost no request that was sent after that"
    ]
    for late in (None, 8.0):
        assert judge(replace(seen, left=late), {"risk": made(*CALM)}).broken == [
            "the gateway stopped asking risk/1 within 3 s"
        ]


def test_what_does_not_come_back_breaks_a_promise() -> None:
    assert judge(replace(KILLED, whole=False), {"risk": made(*CALM)}).broken == [
        "risk/1 was started again, and what was ready before is ready again, without a command"
    ]
    gone = replace(KILLED, aim=Aim(Fault.GATEWAY_DOWN))
    assert judge(gone, {"risk": made(*CALM, (9.995, 0.1, False))}).broken == ["risk answers again within 30 s"]


@given(st.lists(st.tuples(st.floats(0, 9.9), st.floats(0, 2), st.booleans()), max_size=30))
def test_a_kill_holds_exactly_if_nothing_is_lost_that_was_sent_later(extra: list[tuple[float, float, bool]]) -> None:
    late = [due for due, _, fine in extra if not fine and due > KILLED.at + AT_ONCE]
    assert bool(judge(KILLED, {"risk": made(*CALM, *extra)}).broken) == bool(late)


def test_the_table_and_the_data(request: pytest.FixtureRequest) -> None:
    calm = Effect("factor", 900, 0, 0.012, 0.0, 0.02, "", {})
    hurt = Effect("risk", 1900, 12, 0.9, 1.21, 0.3, "lost: 10 x 503, 2 x reset; 3 slow", {"503": 10, "reset": 2})
    gone = replace(hurt, recovery=None)
    results = [
        Result(Fault.KILL, "risk/1", (hurt, calm), (Promise("others lost nothing", True),)),
        Result(Fault.GATEWAY_DOWN, "gateway", (gone,), (Promise("risk answers again within 30 s", False),)),
        Result(Fault.OOM, "", skipped="risk has no memory limit to run out of"),
    ]
    compare(request, "drills", rendered(drills_view(results, 200.0)))
    data = drills_data(results, 200.0)
    assert [drill["held"] for drill in data["drills"]] == [True, False, False]
    assert data["drills"][0]["effects"][0]["reasons"] == {"503": 10, "reset": 2}
