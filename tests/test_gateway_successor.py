"""How a gateway takes another one's place, on a Docker that only writes down what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from docker import APIClient
from docker.errors import APIError, NotFound

from nautilus_cli.errors import RolloutFailed
from nautilus_cli.gateways.shape import Shape
from nautilus_cli.gateways.successor import Successor

SHAPE = Shape(image="img", network="desk", bind="127.0.0.1", address="10.1.0.2", ports=(8100, 8200), aliases=("risk",))


class Docker:
    """Knows one container and which of its ports are published once it is connected."""

    def __init__(self, published: tuple[int, ...] = SHAPE.ports, full: bool = False) -> None:
        self.told: list[str] = []
        self.published, self.full = published, full
        self.network = False

    def create_network(self, name: str, internal: bool, check_duplicate: bool, labels: Mapping[str, str]) -> None:
        assert internal
        assert check_duplicate
        if self.full:
            raise APIError("400", explanation="could not find an available pool")
        self.network = True
        self.told.append(f"network {name} of {labels['io.nautilus.fleet']}")

    def connect_container_to_network(self, container: str, network: str, **place: Any) -> None:
        self.told.append(" ".join(["connect", container, network, *filter(None, [place.get("ipv4_address")])]))

    def disconnect_container_from_network(self, container: str, network: str, force: bool = False) -> None:
        self.told.append(f"disconnect {container} {network}")

    def start(self, container: str) -> None:
        self.told.append(f"start {container}")

    def stop(self, container: str, timeout: int) -> None:
        self.told.append(f"stop {container} within {timeout}")

    def remove_container(self, container: str, force: bool) -> None:
        assert force
        self.told.append(f"remove {container}")

    def remove_network(self, network: str) -> None:
        self.told.append(f"remove network {network}")

    def inspect_container(self, _: str) -> dict[str, Any]:
        return {"NetworkSettings": {"Ports": {f"{port}/tcp": [{"HostPort": port}] for port in self.published}}}

    def inspect_network(self, name: str) -> dict[str, Any]:
        if not self.network:
            raise NotFound(name)
        return {"Id": name, "Containers": {"abc": {}}}


def successor(docker: Docker) -> Successor:
    return Successor(cast("APIClient", docker), "next", "desk")


def waiting(docker: Docker) -> Successor:
    made = successor(docker)
    made.wait(SHAPE)
    docker.told.clear()
    return made


def test_it_waits_where_nothing_is_published() -> None:
    docker = Docker()
    successor(docker).wait(SHAPE)
    assert docker.told == ["network next of desk", "disconnect next desk", "connect next next", "start next"]


def test_who_waited_is_only_connected() -> None:
    docker = Docker()
    waiting(docker).enter(SHAPE)
    assert docker.told == ["connect next desk 10.1.0.2"]


def test_who_has_no_ports_then_is_started_anew() -> None:
    docker = Docker(published=(8100,))
    waiting(docker).enter(SHAPE)
    assert docker.told == ["connect next desk 10.1.0.2", "stop next within 1", "start next"]


def test_who_did_not_wait_is_started() -> None:
    docker = Docker()
    successor(docker).enter(SHAPE)
    assert docker.told == ["start next"]


def test_nothing_is_left_of_the_network_it_waited_in() -> None:
    docker = Docker()
    waiting(docker).discard()
    assert docker.told == ["remove next", "disconnect abc next", "remove network next"]
    docker = Docker()
    successor(docker).discard()
    assert docker.told == ["remove next"]


def test_a_docker_without_room_for_a_network_is_told() -> None:
    with pytest.raises(RolloutFailed, match="next: Docker refuses: could not find an available pool"):
        successor(Docker(full=True)).wait(SHAPE)
