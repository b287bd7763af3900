"""A subnet for a new network: Docker gives fixed addresses only on one that was named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import AddressValueError, IPv4Network
from itertools import islice
from pathlib import Path
from zlib import crc32

from docker.api.client import APIClient

from nautilus_cli.gateways.daemon import information
from nautilus_cli.gateways.ports import local

ROUTES, RESOLVER = Path("/proc/net/route"), Path("/etc/resolv.conf")
# What Docker gives out where `default-address-pools` says nothing.
POOLS = (*((f"172.{number}.0.0/16", 16) for number in range(17, 32)), ("192.168.0.0/16", 20))
CHOICE = 32  # free subnets that fleets are spread over, so that those which come up together seldom want the same


def free_subnet(api: APIClient, fleet: str) -> str:
    """One of the daemon's own pools that no network uses, and on this machine no route.

    What a machine elsewhere routes is known to its daemon alone, so that one is asked to choose.
    """
    info = information(api)
    if not local(api, info["Name"]):
        return chosen_by_docker(api, fleet)
    pools = [(pool["Base"], int(pool["Size"])) for pool in info.get("DefaultAddressPools") or ()]
    used = [
        pool["Subnet"] for network in api.networks() for pool in network["IPAM"]["Config"] or () if "Subnet" in pool
    ]
    found = list(islice(candidates(pools or POOLS, [*ipv4(used), *routed(), *nameservers()]), CHOICE))
    return str(found[crc32(fleet.encode()) % len(found)]) if found else chosen_by_docker(api, fleet)


def chosen_by_docker(api: APIClient, fleet: str) -> str:
    """The subnet of a network that lives for a moment."""
    probe = api.create_network(f"{fleet}-probe", check_duplicate=False, internal=True)  # without firewall rules: quick
    subnet = api.inspect_network(probe["Id"])["IPAM"]["Config"][0]["Subnet"]
    api.remove_network(probe["Id"])
    return str(subnet)


def candidates(pools: Iterable[tuple[str, int]], used: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
    """Each subnet of the pools that overlaps nothing in use; a pool is cut into subnets of its size in bits."""
    taken = tuple(used)
    for base, size in pools:
        for pool in ipv4([base]):
            for subnet in pool.subnets(new_prefix=max(size, pool.prefixlen)):
                if not any(subnet.overlaps(other) for other in taken):
                    yield subnet


def ipv4(subnets: Iterable[str]) -> Iterator[IPv4Network]:
    """Those that are of IPv4."""
    for text in subnets:
        try:
            yield IPv4Network(text, strict=False)
        except AddressValueError:
            continue


def routed() -> Iterator[IPv4Network]:
    """What this machine has routes to, beside the one to everywhere."""
    for line in ROUTES.read_text().splitlines()[1:]:
        words = line.split()
        target, mask = (int.from_bytes(bytes.fromhex(words[column]), "little") for column in (1, 7))
        if mask:
            yield IPv4Network((target, mask.bit_count()))


def nameservers() -> Iterator[IPv4Network]:
    """Where this machine asks for names."""
    text = RESOLVER.read_text() if RESOLVER.exists() else ""
    yield from ipv4(re.findall(r"^nameserver\s+(\S+)", text, re.MULTILINE))
