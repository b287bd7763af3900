"""The fleet's private network, and an address of its own for each replica."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from ipaddress import IPv4Address, IPv4Network
from itertools import islice, repeat

from docker.api.client import APIClient
from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool

from nautilus_cli.errors import RuntimeUnavailable
from nautilus_cli.gateways.base import Network
from nautilus_cli.runtimes import labels
from nautilus_cli.runtimes.aside import aside
from nautilus_cli.runtimes.subnets import chosen_by_docker, free_subnet

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


class FleetNetwork:
    """The network of one fleet during one command, for any number of threads."""

    def __init__(self, api: APIClient, fleet: str) -> None:
        self._api = api
        self._fleet = fleet
        self._once = threading.Lock()
        self._made: Network | None = None
        self._subnet: Future[str] | None = None

    def find(self) -> Network | None:
        """The network, if it is there."""
        return self._made or find(self._api, self._fleet)

    def expect(self) -> None:
        """It will be needed soon: where it is missing, a free subnet is looked for beside what else is done."""
        if self.find() is None:
            self._subnet = aside(free_subnet, self._api, self._fleet)

    def ensure(self) -> Network:
        """The network, made where it is missing."""
        with self._once:
            for choose in (free_subnet, *repeat(chosen_by_docker, TRIES - 1)):
                self._made = self.find()
                if self._made:
                    return self._made
                self._make(choose)
        raise RuntimeUnavailable(
            f"no free subnet for the network {self._fleet!r}",
            "remove networks that nobody uses (`docker network ls`), or widen default-address-pools of the daemon",
        )

    def _make(self, choose: Callable[[APIClient, str], str]) -> None:
        subnet = self._subnet.result() if self._subnet else choose(self._api, self._fleet)
        self._subnet = None  # where it was taken meanwhile, the next try needs another one
        try:
            pool = IPAMPool(subnet=subnet, gateway=str(IPv4Network(subnet)[1]))
            fixed = IPAMConfig(pool_configs=[pool])
            self._api.create_network(self._fleet, ipam=fixed, labels={labels.FLEET: self._fleet}, check_duplicate=True)
        except APIError as error:
            if error.status_code not in (403, 409):  # somebody took the subnet or made the network meanwhile
                raise

    def remove(self) -> None:
        """The network is gone afterwards."""
        self._made = None
        if self.find():
            self._api.remove_network(self._fleet)


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
