"""What the gateway's container is: everything that is fixed when it is created, and therefore costs a new one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_network
from typing import Any

from docker import APIClient
from docker.types import LogConfig

from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Gateway
from nautilus_cli.gateways.base import Network
from nautilus_cli.gateways.config import SOCKET, Setup, moved

FLEET = "io.nautilus.fleet"
ROLE = "io.nautilus.role"
ENGINE = "io.nautilus.engine"
SHAPE = "io.nautilus.gateway"  # the shape as JSON

STATE = "/var/lib/nautilus"  # the volume `<fleet>-state`
CONFIG = f"{STATE}/gateway"  # the gateway's own directory of it
NUMBERED = f"{STATE}/fleet"  # what is wanted beyond the file, kept by the runtime
APPLIED = f"{CONFIG}/listens.json"  # what the running gateway was last told; written when it has obeyed
FILE = f"{CONFIG}/haproxy.cfg"
USER = 1234

# In bridge mode it may start in a network that leads nowhere; there its health checks would fail.
CONNECTED = "until grep -q '^[^\t]*\t00000000' /proc/net/route; do sleep 0.01; done; "
START = (
    "grep -q '^0\\{31\\}1 ' /proc/net/if_inet6 2>/dev/null && export NAUTILUS_IPV6=1; "
    f"exec haproxy -W -db -f {FILE}"
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is wanted of the container; on the host's network nothing of it depends on the engines."""

    image: str
    network: str  # "host", or the name of the fleet's
    bind: str = ""
    address: str = ""  # inside the fleet's network
    ports: tuple[int, ...] = ()
    aliases: tuple[str, ...] = ()

    def changes(self, old: Shape) -> list[str]:
        """Why a container of the old shape will not do, in words."""
        words = ["image changed"] if self.image != old.image else []
        if (self.network == "host") != (old.network == "host"):
            return [*words, f"network: {old.mode} -> {self.mode}"]
        if ports := moved(set(old.ports), set(self.ports)):
            words.append(f"recreated: ports {ports} change in bridge mode")
        elif self.aliases != old.aliases:
            words.append(f"recreated: names {moved(set(old.aliases), set(self.aliases))} change in bridge mode")
        if (self.network, self.address, self.bind) != (old.network, old.address, old.bind):
            words.append(f"recreated: {old.place} -> {self.place}")
        return words

    @property
    def mode(self) -> str:
        """How it is reached: host or bridge."""
        return "host" if self.network == "host" else "bridge"

    @property
    def place(self) -> str:
        """Where its ports are."""
        return f"{self.bind} by {self.address} in {self.network}"


def shape_of(mode: str, image: str, gateway: Gateway, network: Network, setup: Setup) -> Shape:
    """The shape that a setup needs; ConfigError where the host's network cannot give it."""
    if mode == "bridge":
        second = ip_network(network.subnet).network_address + 2
        engines = tuple(sorted(listen.engine for listen in setup.listens))
        place = {"network": network.name, "bind": gateway.bind, "address": str(second)}
        return Shape(image=image, **place, ports=setup.ports, aliases=engines)
    if low := [port for port in setup.ports if port < 1024]:
        raise ConfigError(
            f"gateway.network: host cannot listen on port {low[0]}: ports below 1024 need a root process",
            "write `network: bridge` or `network: auto`, or choose a higher port",
        )
    return Shape(image=image, network="host")


def read_shape(labels: Mapping[str, str]) -> Shape | None:
    """The shape that a container was made with; None where its label says nothing that is understood."""
    try:
        values = json.loads(labels[SHAPE])
        lists: dict[str, Any] = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return Shape(**{**values, **lists})
    except (KeyError, ValueError, TypeError):
        return None


def create(api: APIClient, name: str, fleet: str, shape: Shape, loopback: Sequence[str] = ()) -> str:
    """A container of this shape that was not started yet: its id. Its ports are published on these addresses too."""
    labels = {FLEET: fleet, ROLE: "gateway", ENGINE: "gateway", SHAPE: json.dumps(asdict(shape))}
    start = START if shape.network == "host" else CONNECTED + START
    made = api.create_container(
        shape.image, command=["sh", "-c", start], entrypoint=[], name=name, labels=labels, user=f"{USER}:{USER}",
        ports=list(shape.ports), host_config=host_config(api, fleet, shape, loopback),
        networking_config=networking(api, shape),
    )  # fmt: skip
    return str(made["Id"])


def host_config(api: APIClient, fleet: str, shape: Shape, loopback: Sequence[str]) -> dict[str, Any]:
    """What the process may do and use: as little as an HTTP proxy needs, and CPU before the engines."""
    return api.create_host_config(
        network_mode=shape.network,
        port_bindings={port: [(host, port) for host in (shape.bind, *loopback)] for port in shape.ports},
        binds={f"{fleet}-state": {"bind": STATE, "mode": "rw"}},
        tmpfs={SOCKET.rpartition("/")[0]: f"size=1m,mode=0700,uid={USER},gid={USER}"},
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        pids_limit=256,
        cpu_shares=8192,
        restart_policy={"Name": "always"},
        log_config=LogConfig(type="json-file", config={"max-size": "10m", "max-file": "3"}),
    )


def networking(api: APIClient, shape: Shape) -> dict[str, Any] | None:
    """Its fixed address and its names on the fleet's network."""
    if shape.network == "host":
        return None
    endpoint = api.create_endpoint_config(ipv4_address=shape.address, aliases=list(shape.aliases))
    return {"EndpointsConfig": {shape.network: endpoint}}
