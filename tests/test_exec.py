"""Which replica a command runs in."""

from __future__ import annotations

import pytest

from nautilus_cli.commands.exec import choose, where
from nautilus_cli.errors import ConfigError, Unhealthy
from nautilus_cli.snapshot import Snapshot, State
from tests.conftest import engine, fleet, replica


def test_an_engine_with_or_without_a_slot() -> None:
    assert where(fleet(engine()), "risk") == ("risk", None)
    assert where(fleet(engine()), "risk/12") == ("risk", 12)


@pytest.mark.parametrize(("text", "hint"), [("rsk/1", "did you mean 'risk'?"), ("risk/x", "write `risk/1`")])
def test_what_is_no_place_is_refused(text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        where(fleet(engine()), text)
    assert hint in refused.value.hint


def test_the_lowest_ready_slot_is_the_default() -> None:
    found = Snapshot(replicas=(replica(3), replica(1, state=State.UNHEALTHY), replica(2), replica(1, engine="factor")))
    assert choose(found, "risk", None).slot == 2


def test_a_named_slot_may_be_sick_and_the_ready_one_of_two_is_taken() -> None:
    sick, new = replica(1, state=State.UNHEALTHY, created=9.0), replica(2, "v2", State.STARTING, created=9.0)
    found = Snapshot(replicas=(sick, new, replica(2, "v1", created=1.0)))
    assert choose(found, "risk", 1) == sick
    assert choose(found, "risk", 2).fingerprint == "v1"


@pytest.mark.parametrize(
    ("slot", "said", "hint"),
    [(None, "no replica of risk is ready", "name one that runs: risk/1"), (2, "risk/2 does not run", "risk/1")],
)
def test_where_nothing_runs_it_says_what_does(slot: int | None, said: str, hint: str) -> None:
    found = Snapshot(replicas=(replica(1, state=State.STARTING), replica(2, state=State.EXITED)))
    with pytest.raises(Unhealthy, match=said) as refused:
        choose(found, "risk", slot)
    assert hint in refused.value.hint
