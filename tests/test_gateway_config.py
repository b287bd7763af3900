"""HAProxy's configuration: compared as text, read back, and what changed in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import HealthCheck
from nautilus_cli.gateways import config
from nautilus_cli.gateways.base import Listen
from nautilus_cli.gateways.config import Setup

GOLDEN = Path(__file__).with_name("golden")


def listen(engine: str = "risk", port: int = 8200, slots: int = 3, drain: float = 30.0, **check: object) -> Listen:
    return Listen(engine, port, slots, HealthCheck.model_validate(check), drain)


HOST = Setup(
    listens=(
        replace(listen("factor", 8300, 2, interval="10s", retries=1), concurrency=500),
        listen(path="/health?a=b&c=1", drain=90.0),
    ),
    hosts=("127.0.0.1", "::1", "172.20.0.1"),
    metrics_port=8099,
    metrics_hosts=("127.0.0.1", "::1"),
    threads=2,
)
BRIDGE = Setup(
    listens=(listen(),), hosts=("*",), metrics_port=8099, metrics_hosts=("*",),
    strangers="172.20.0.0/16", bridge="172.20.0.1",
)  # fmt: skip
LIVE = {"risk": [("172.20.0.7", 8200), ("fd00::7", 8000)]}

names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
ports = st.integers(1, 65535)
durations = st.integers(1, 3600).map(float)
checks = st.builds(
    HealthCheck.model_construct,
    path=st.from_regex(r"/[!-~]{0,20}", fullmatch=True),
    interval=durations, timeout=durations, retries=st.integers(1, 9),
)  # fmt: skip
listens = st.builds(Listen, names, ports, st.integers(1, 5), checks, durations, st.integers(1, 4000))
setups = st.builds(
    Setup,
    listens=st.lists(listens, max_size=4, unique_by=(lambda o: o.engine, lambda o: o.port)).map(tuple),
    hosts=st.lists(addresses, min_size=1, max_size=3).map(tuple),
    metrics_port=st.none() | ports,
    metrics_hosts=st.lists(addresses, min_size=1, max_size=2).map(tuple),
    threads=st.integers(1, 8),
)


@pytest.mark.parametrize(("name", "setup"), [("host", HOST), ("bridge", BRIDGE)])
def test_the_file_is_as_agreed(name: str, setup: Setup, request: pytest.FixtureRequest) -> None:
    golden, text = GOLDEN / f"gateway-{name}.cfg", config.render(setup, LIVE)
    if request.config.getoption("--update-golden"):
        golden.write_text(text)
    assert text == golden.read_text()


@given(setups, st.lists(st.tuples(addresses, ports), max_size=7, unique_by=lambda r: r[0]))
def test_the_file_alone_brings_the_live_routes_back(setup: Setup, replicas: list[tuple[str, int]]) -> None:
    live = {o.engine: replicas for o in setup.listens if replicas}
    text = config.render(setup, live)
    assert config.live_routes(text) == live
    for engine in setup.listens:
        block = text.partition(f"\nlisten {engine.engine}\n")[2].partition("\nbackend ")[0]
        assert block.count("\n    server s") == max(engine.slots, len(replicas))


@given(setups)
def test_a_setup_survives_its_file(setup: Setup) -> None:
    loaded, then = config.load(config.dump(setup))
    assert (loaded, then) == (setup, setup.digest)
    assert config.changes(loaded, setup) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": "x"}', '{"digest": "x", "listens": [], "else": 1}'])
def test_something_else_is_no_setup(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        config.load(text)


def changed(*now: Listen, **values: object) -> list[str]:
    old = Setup(listens=(listen(),), hosts=("127.0.0.1",))
    merged: dict[str, object] = {"listens": now or (listen(),), "hosts": ("127.0.0.1",), **values}
    return config.changes(old, Setup(**merged))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (changed(), []),
        (changed(listen(), listen("factor", 8300)), ["ports: +8300"]),
        (changed(listen(port=8201)), ["ports: +8201 -8200"]),
        (changed(metrics_port=8099), ["ports: +8099"]),
        (changed(listen(slots=5)), ["room for risk: 3 -> 5"]),
        (changed(listen(path="/ready")), ["health check of risk"]),
        (changed(listen(start_period="9s")), []),
        (changed(listen(drain=10.0)), ["drain of risk: 30s -> 10s"]),
        (changed(replace(listen(), concurrency=8)), ["requests at once to a replica of risk: 100 -> 8"]),
        (changed(listen("hazard")), ["engines: +hazard -risk"]),
        (changed(hosts=("0.0.0.0",)), ["addresses: 127.0.0.1 -> 0.0.0.0"]),
        (changed(threads=4), ["threads: 1 -> 4"]),
    ],
)
def test_changes_are_told_in_words(words: list[str], expected: list[str]) -> None:
    assert words == expected


@pytest.mark.parametrize(
    ("bind", "hosts"),
    [
        ("127.0.0.1", ("127.0.0.1", "::1", "172.20.0.1")),
        ("0.0.0.0", ("0.0.0.0", "::1")),
        ("::", ("0.0.0.0", "::")),
        ("192.168.1.5", ("192.168.1.5", "172.20.0.1")),
        ("172.20.0.1", ("172.20.0.1",)),
    ],
)
def test_a_gateway_on_the_host_listens_where_people_and_engines_look(bind: str, hosts: tuple[str, ...]) -> None:
    assert config.listen_hosts(bind, "172.20.0.1") == hosts


@pytest.mark.parametrize("path", ["/a b", "/a\nserver evil 1.2.3.4:80", "/\x00", "/é"])
def test_a_path_that_no_request_can_hold_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="cannot be asked for"):
        config.quoted(path)


@pytest.mark.parametrize(
    ("left", "right", "clash"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("", "10.0.0.1", True),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("127.0.0.1", "10.0.0.1", False),
    ],
)
def test_two_addresses_clash_where_one_covers_the_other(left: str, right: str, clash: bool) -> None:
    assert config.overlap(left, right) is config.overlap(right, left) is clash
