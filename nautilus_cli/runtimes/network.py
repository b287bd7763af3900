"""The fleet's private network, and an address of its own for each replica."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from itertools import islice

from docker.api.client import APIClient
from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool

from nautilus_cli.errors import RuntimeUnavailable
from nautilus_cli.gateways.base import Network
from nautilus_cli.runtimes import labels

FIRST = 10  # addresses below belong to the bridge and the gateway
TRIES = 5


def find(api: APIClient, fleet: str) -> Network | None:
    """The fleet's network, if it is there."""
    for found in api.networks(filters={"label": f"{labels.FLEET}={fleet}"}):
        if found["Name"] == fleet:
            pool = found["IPAM"]["Config"][0]
            subnet = IPv4Network(pool["Subnet"])
            return Network(fleet, str(subnet), pool.get("Gateway", str(subnet[1])).split("/")[0])
    return None


def missing(fleet: str) -> Network:
    """Stands for a network that is not there yet, on addresses that no host has: none of them is taken."""
    return Network(fleet, "192.0.2.0/24", "192.0.2.1")


def ensure(api: APIClient, fleet: str) -> Network:
    """The fleet's network, made where it is missing.

    Docker gives fixed addresses only on a subnet that was named, so: let Docker choose a free one, then name that.
    """
    for _ in range(TRIES):
        if network := find(api, fleet):
            return network
        probe = api.create_network(
            f"{fleet}-probe", check_duplicate=False, internal=True
        )  # without firewall rules: quick
        subnet = api.inspect_network(probe["Id"])["IPAM"]["Config"][0]["Subnet"]
        api.remove_network(probe["Id"])
        try:
            pool = IPAMPool(subnet=subnet, gateway=str(IPv4Network(subnet)[1]))
            fixed = IPAMConfig(pool_configs=[pool])
            api.create_network(fleet, ipam=fixed, labels={labels.FLEET: fleet}, check_duplicate=True)
        except APIError as error:
            if error.status_code not in (403, 409):  # somebody took the subnet or made the network meanwhile
                raise
    raise RuntimeUnavailable(
        f"no free subnet for the network {fleet!r}",
        "remove networks that nobody uses (`docker network ls`), or widen default-address-pools of the daemon",
    )


def remove(api: APIClient, fleet: str) -> None:
    """The fleet's network is gone afterwards."""
    if find(api, fleet):
        api.remove_network(fleet)


class Addresses:
    """Gives out addresses of one network; an address is given to one replica only, until it is released."""

    def __init__(self, subnet: str, taken: Iterable[str]) -> None:
        self._hosts = IPv4Network(subnet)
        self._taken = {IPv4Address(address) for address in taken if address}
        self._lock = threading.Lock()

    def take(self) -> str:
        """The lowest free address."""
        with self._lock:
            free = (a for a in islice(self._hosts.hosts(), FIRST - 1, None) if a not in self._taken)
            try:
                address = next(free)
            except StopIteration:
                raise RuntimeUnavailable(f"the network {self._hosts} has no free address", "scale down") from None
            self._taken.add(address)
            return str(address)

    def release(self, address: str) -> None:
        """It may be given to another replica."""
        with self._lock:
            self._taken.discard(IPv4Address(address))
