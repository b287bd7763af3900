"""The fleet's network is made once, and its addresses are given out once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker.api.client import APIClient
from docker.errors import APIError
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.errors import RuntimeUnavailable
from nautilus_cli.gateways.base import Network
from nautilus_cli.runtimes.network import FIRST, TRIES, Addresses, FleetNetwork

SUBNET = "172.30.0.0/24"
FOUND = Network("demo", SUBNET, "172.30.0.1")


class Daemon:
    """The networks of a Docker host elsewhere, which chooses who names no subnet one; some are taken meanwhile."""

    base_url = "http://elsewhere"

    def __init__(self, taken: int = 0) -> None:
        self.taken = taken
        self.networks_: dict[str, Any] = {}
        self.said: list[str] = []

    def info(self) -> dict[str, str]:
        return {"Name": "elsewhere"}

    def networks(self, filters: dict[str, str]) -> list[Any]:
        assert filters == {"label": "io.nautilus.fleet=demo"}
        return [found for found in self.networks_.values() if found["Labels"]]

    def create_network(
        self, name: str, ipam: Any = None, labels: Any = None, check_duplicate: bool = True, internal: bool = False
    ) -> dict[str, str]:
        self.said.append(f"create {name}")
        if ipam and self.taken:
            self.taken -= 1
            raise APIError("overlaps", response=cast("Any", SimpleNamespace(status_code=403)))
        pools = ipam["Config"] if ipam else [{"Subnet": SUBNET}]
        self.networks_[name] = {"Name": name, "Id": name, "IPAM": {"Config": pools}, "Labels": labels}
        return {"Id": name}

    def inspect_network(self, name: str) -> Any:
        return self.networks_[name]

    def remove_network(self, name: str) -> None:
        self.said.append(f"remove {name}")
        del self.networks_[name]


def network_of(daemon: Daemon) -> FleetNetwork:
    return FleetNetwork(cast("APIClient", daemon), "demo")


PROBED = ["create demo-probe", "remove demo-probe"]


@pytest.mark.parametrize("expected", [True, False])
def test_a_network_is_made_once_on_a_subnet_that_docker_has_chosen(expected: bool) -> None:
    daemon = Daemon()
    network = network_of(daemon)
    if expected:
        network.expect()
    with ThreadPoolExecutor() as pool:
        assert set(pool.map(lambda _: network.ensure(), range(8))) == {FOUND}
    assert daemon.said == [*PROBED, "create demo"]
    assert list(daemon.networks_) == ["demo"]


def test_a_network_that_is_there_costs_nothing() -> None:
    daemon = Daemon()
    network_of(daemon).ensure()
    daemon.said.clear()
    network = network_of(daemon)
    network.expect()
    assert network.ensure() == network.find() == FOUND
    assert daemon.said == []


def test_a_subnet_that_somebody_takes_meanwhile_is_not_tried_again() -> None:
    daemon = Daemon(taken=1)
    network = network_of(daemon)
    network.expect()
    assert network.ensure() == FOUND
    assert daemon.said == [*PROBED, "create demo", *PROBED, "create demo"]
    with pytest.raises(RuntimeUnavailable, match="no free subnet for the network 'demo'"):
        network_of(Daemon(taken=TRIES)).ensure()


def test_a_removed_network_is_made_anew() -> None:
    daemon = Daemon()
    network = network_of(daemon)
    network.ensure()
    network.remove()
    assert network.find() is None
    assert daemon.networks_ == {}
    network.remove()
    assert network.ensure() == FOUND


@given(taken=st.sets(st.integers(1, 254)), count=st.integers(1, 40))
def test_no_address_is_given_twice_nor_one_that_is_taken(taken: set[int], count: int) -> None:
    addresses = Addresses(SUBNET, [f"172.30.0.{number}" for number in taken])
    free = 254 - FIRST + 1 - len({number for number in taken if number >= FIRST})
    given_out = [addresses.take() for _ in range(min(count, free))]
    assert len(set(given_out)) == len(given_out)
    assert not {f"172.30.0.{number}" for number in taken} & set(given_out)
    assert all(IPv4Address(one) in IPv4Network(SUBNET) and int(one.split(".")[-1]) >= FIRST for one in given_out)


def test_a_released_address_is_given_again() -> None:
    addresses = Addresses(SUBNET, [""])
    first = addresses.take()
    assert addresses.take() != first
    addresses.release(first)
    assert addresses.take() == first


def test_a_full_network_says_so() -> None:
    addresses = Addresses("172.30.0.0/29", [])
    with pytest.raises(RuntimeUnavailable, match="has no free address"):
        addresses.take()
