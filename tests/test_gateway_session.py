"""Who waits for replicas shares looks at the gateway; what is changed is seen at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from nautilus_cli.gateways import session as module
from nautilus_cli.gateways.session import AdminSession, Line

TABLES = (Path(__file__).with_name("golden") / "gateway-admin-3.0.txt").read_text()  # risk: two that serve, one joining


class Recorder:
    """A line to an HAProxy that always says the same of its servers, and obeys."""

    def __init__(self) -> None:
        self.tables = TABLES
        self.looks = 0
        self.orders: list[str] = []

    def ask(self, *commands: str) -> str:
        if commands[0].startswith("show servers state"):
            self.looks += 1
            return self.tables
        self.orders += [command for command in commands if command.startswith("set ")]
        return ""

    def close(self) -> None: ...


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in a list of one."""
    now = [100.0]
    monkeypatch.setattr(module, "time", cast("Any", type("Time", (), {"monotonic": lambda: now[0]})))
    return now


@pytest.fixture
def line() -> Recorder:
    return Recorder()


@pytest.fixture
def session(line: Recorder, clock: list[float]) -> AdminSession:
    return AdminSession(lambda: cast("Line", line), lambda _: None)


def address_of(session: AdminSession) -> list[str]:
    return [route.address for route in session.routes()]


def test_those_who_ask_at_the_same_moment_share_one_look(
    session: AdminSession, line: Recorder, clock: list[float]
) -> None:
    one, other, *_ = address_of(session)
    before = line.looks
    assert session.check("risk", one).address == one
    clock[0] += module.SHARED * 0.9
    assert session.check("risk", other).address == other
    assert line.looks == before + 1
    clock[0] += module.SHARED * 0.2
    session.check("risk", one)
    assert line.looks == before + 2


def test_after_a_change_nobody_is_told_what_was_before(session: AdminSession, line: Recorder) -> None:
    one, *_ = address_of(session)
    session.check("risk", one)
    session.drain("risk", one)
    before = line.looks
    session.check("risk", one)
    assert line.looks == before + 1
    assert line.orders == ["set server risk/s1 state drain"]


def test_one_engine_is_not_told_of_another(session: AdminSession, line: Recorder) -> None:
    session.check("risk", "10.0.0.9")
    before = line.looks
    assert session.check("factor", "10.0.0.9").detail == "unknown to the gateway"
    assert line.looks == before + 1


def test_the_last_answer_is_told_while_the_next_one_is_waited_for(session: AdminSession, line: Recorder) -> None:
    asked_again = TABLES.replace(",L7STS,503,", ",* L7STS,0,")
    assert asked_again != TABLES
    (joining,) = [route.address for route in session.routes() if route.detail == "answers 503"]
    line.tables = asked_again
    assert {route.address: route.detail for route in session.routes()}[joining] == "answers 503"
    fresh = AdminSession(lambda: cast("Line", line), lambda _: None)
    assert {route.address: route.detail for route in fresh.routes()}[joining] == "answers an error"
