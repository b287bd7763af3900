"""A new network gets a subnet that nobody uses."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from socket import gethostname
from typing import Any, cast

import pytest
from docker.api.client import APIClient
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.runtimes import subnets

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
tun0\t0100080A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0
"""


class Daemon:
    """A Docker host and its networks."""

    def __init__(self, used: list[str], pools: list[dict[str, Any]] | None = None, name: str = "") -> None:
        self.base_url = "http+docker://localhost"
        self._info = {"Name": name or gethostname(), "DefaultAddressPools": pools}
        self._networks: list[dict[str, Any]] = [{"IPAM": {"Config": [{"Subnet": subnet}]}} for subnet in used]
        self.probed = 0

    def info(self) -> dict[str, Any]:
        return self._info

    def networks(self) -> list[dict[str, Any]]:
        return [*self._networks, {"IPAM": {"Config": None}}, {"IPAM": {"Config": [{}]}}]

    def create_network(self, name: str, check_duplicate: bool, internal: bool) -> dict[str, str]:
        assert (name, check_duplicate, internal) == ("demo-probe", False, True)
        self.probed += 1
        return {"Id": "probe"}

    def inspect_network(self, name: str) -> dict[str, Any]:
        return {"IPAM": {"Config": [{"Subnet": "10.99.0.0/16"}]}} if name == "probe" else {}

    def remove_network(self, name: str) -> None:
        assert name == "probe"


def free(daemon: Daemon, fleet: str = "demo") -> str:
    return subnets.free_subnet(cast("APIClient", daemon), fleet)


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "route").write_text(ROUTES)
    (tmp_path / "resolv.conf").write_text("search lan\nnameserver 172.18.0.2\nnameserver fe80::1\n")
    monkeypatch.setattr(subnets, "ROUTES", tmp_path / "route")
    monkeypatch.setattr(subnets, "RESOLVER", tmp_path / "resolv.conf")


def test_what_docker_would_give_out_and_nobody_uses() -> None:
    used = [*(f"172.{number}.0.0/16" for number in range(20, 32)), "192.168.0.0/16", "fd00::/64"]
    daemon = Daemon(used)
    assert free(daemon) == "172.19.0.0/16"  # 172.17 is routed, 172.18 has a name server
    assert daemon.probed == 0


def test_fleets_are_spread() -> None:
    assert len({free(Daemon([]), f"fleet{number}") for number in range(50)}) > 10


def test_pools_of_the_daemon_are_obeyed() -> None:
    pools = [{"Base": "fd00::/48", "Size": 64}, {"Base": "10.8.0.0/22", "Size": 24}]
    assert free(Daemon(["10.8.2.0/23"], pools)) == "10.8.1.0/24"  # 10.8.0.1 is the other end of a tunnel


@pytest.mark.parametrize("daemon", [Daemon([], name="elsewhere"), Daemon(["172.16.0.0/12", "192.168.0.0/16"])])
def test_docker_chooses_where_this_machine_does_not_know(daemon: Daemon) -> None:
    assert free(daemon) == "10.99.0.0/16"
    assert daemon.probed == 1


@given(
    pools=st.lists(st.tuples(st.integers(0, 255), st.integers(12, 24), st.integers(14, 24)), max_size=3),
    used=st.lists(st.tuples(st.integers(0, 2**24 - 1), st.integers(10, 32)), max_size=20),
)
def test_candidates_lie_in_their_pool_and_overlap_nothing(
    pools: list[tuple[int, int, int]], used: list[tuple[int, int]]
) -> None:
    bases = [(str(IPv4Network((f"10.{second}.0.0", bits), strict=False)), size) for second, bits, size in pools]
    taken = [IPv4Network(((10 << 24) + low, bits), strict=False) for low, bits in used]
    for subnet in subnets.candidates(bases, taken):
        assert any(subnet.subnet_of(IPv4Network(base)) for base, _ in bases)
        assert not any(subnet.overlaps(other) for other in taken)


def test_routes_and_name_servers_of_this_machine_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert [str(route) for route in subnets.routed()] == ["172.17.0.0/16", "10.8.0.1/32"]
    assert [str(server) for server in subnets.nameservers()] == ["172.18.0.2/32"]
    monkeypatch.setattr(subnets, "RESOLVER", tmp_path / "none")
    assert list(subnets.nameservers()) == []
    monkeypatch.setattr(subnets, "ROUTES", Path("/proc/net/route"))
    assert all(route.prefixlen for route in subnets.routed())
