"""Who holds a port: other containers, other fleets' gateways, other programs of this machine."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Sequence

from docker import APIClient
from docker.errors import NotFound

from nautilus_cli.gateways import archive
from nautilus_cli.gateways.config import load, overlap
from nautilus_cli.gateways.shape import APPLIED, FLEET, ROLE

_IN_USE = re.compile(
    r"(\d+)\]?(?:/tcp)?(?: failed)?: (?:bind: )?(?:port is already allocated|address already in use)"
    r"|[Aa]ddress already in use\) (?:for )?\[.*?:(\d+)\]"
)


def holders(api: APIClient, fleet: str, ports: Iterable[int], hosts: Sequence[str]) -> dict[int, str]:
    """Which of these ports a container of somebody else listens on, at one of these addresses."""
    wanted, found = set(ports), dict[int, str]()
    for container in api.containers():
        labels = container["Labels"] or {}
        if labels.get(FLEET) == fleet and labels.get(ROLE) == "gateway":
            continue
        for host, port in [*published(container), *listening(api, container)]:
            if port in wanted and any(overlap(host, mine) for mine in hosts):
                found.setdefault(port, title(container))
    return found


def title(container: dict[str, object]) -> str:
    """What a person calls this container."""
    labels, names = container["Labels"] or {}, container["Names"]
    assert isinstance(labels, dict)
    assert isinstance(names, list)
    if labels.get(ROLE) == "gateway":
        return f"the gateway of fleet {labels[FLEET]}"
    return f"container {str(names[0]).lstrip('/')}"


def published(container: dict[str, object]) -> Iterator[tuple[str, int]]:
    """The addresses of this machine that Docker forwards to a container."""
    ports = container["Ports"] or []
    assert isinstance(ports, list)
    for port in ports:
        if "PublicPort" in port and port.get("Type", "tcp") == "tcp":
            yield port.get("IP", ""), int(port["PublicPort"])


def listening(api: APIClient, container: dict[str, object]) -> Iterator[tuple[str, int]]:
    """What another fleet's gateway listens on by itself, on the host's network: its labels may be older than that."""
    labels, settings = container["Labels"] or {}, container["HostConfig"]
    assert isinstance(labels, dict)
    assert isinstance(settings, dict)
    if labels.get(ROLE) != "gateway" or settings.get("NetworkMode") != "host":
        return
    try:
        setup, _ = load(archive.read(api, str(container["Id"]), APPLIED) or "")
    except (ValueError, KeyError, TypeError, NotFound):
        return
    for listen in setup.listens:
        yield from ((host, listen.port) for host in setup.hosts)
    if setup.metrics_port:
        yield from ((host, setup.metrics_port) for host in setup.metrics_hosts)


def local(api: APIClient, name: str) -> bool:
    """Whether the daemon (of this host name) shares this machine's network: only then a bind test says something."""
    return api.base_url.startswith(("http+docker://", "http+unix://")) and name == socket.gethostname()


def refused(words: str) -> int | None:
    """The port that Docker or HAProxy could not bind because it is taken, from their own words."""
    match = _IN_USE.search(words)
    return int(match[1] or match[2]) if match else None
