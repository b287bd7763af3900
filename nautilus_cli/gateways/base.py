"""The seam between replicas and the one port in front of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from nautilus_cli.fleet import HealthCheck
from nautilus_cli.snapshot import Traffic


@dataclass(frozen=True, slots=True)
class Listen:
    """One engine's port, and room for its replicas."""

    engine: str
    port: int
    slots: int
    check: HealthCheck
    drain: float  # seconds that a leaving replica may take to finish its requests
    concurrency: int = 100  # requests that one replica is given at once; more wait in the gateway
    relaxed: bool = False  # the check itself changes: who serves must accept connections, who joins must pass it


@dataclass(frozen=True, slots=True)
class Network:
    """The fleet's bridge."""

    name: str
    subnet: str  # in CIDR notation
    address: str  # the bridge's own, on the host's side


@dataclass(frozen=True, slots=True)
class Route:
    """One replica as the gateway sees it."""

    engine: str
    address: str
    port: int
    routed: bool  # it has its share of new requests whenever it is healthy
    healthy: bool  # its checks succeed; a routed one counts until `retries` of them failed in a row
    detail: str  # what the last check saw, in words: 'answers 503', 'connection refused', 'no answer within 5s'
    sessions: int = 0  # requests being served
    queued: int = 0
    requests: int = 0  # since the gateway started
    mean_ms: float = 0.0  # of the last 1,024 requests, as the gateway measured them


class Session(Protocol):
    """An open line to a running gateway; every call answers within milliseconds."""

    def routes(self) -> tuple[Route, ...]:
        """Every replica that the gateway knows, by engine and address."""
        ...

    def traffic(self) -> Mapping[str, Traffic]:
        """What goes through each engine's port now."""
        ...

    def join(self, engine: str, address: str, port: int) -> None:
        """Begin to check a replica, without sending it requests; a known one keeps its state."""
        ...

    def check(self, engine: str, address: str) -> Route:
        """What the gateway knows of one replica; `healthy` is about this very replica, never a predecessor's."""
        ...

    def route(self, engine: str, address: str) -> None:
        """Send requests to a healthy replica from now on; `RolloutFailed` where it joined and is not healthy."""
        ...

    def drain(self, engine: str, address: str) -> None:
        """Send it no new requests; those under way go on."""
        ...

    def leave(self, engine: str, address: str) -> None:
        """Forget it: its room is free again. Unknown ones are no error."""
        ...

    def save(self) -> None:
        """Make the present routes those that the gateway comes back with after a crash or a reboot."""
        ...

    def close(self) -> None:
        """End the session; the gateway goes on."""
        ...


class Gateway(Protocol):
    """One stable port per engine."""

    def pending(self, listens: Sequence[Listen]) -> str | None:
        """Why the gateway has to change to listen on exactly these, in words; None when it is as wanted."""
        ...

    def expose(self, listens: Sequence[Listen]) -> None:
        """Listen on exactly these ports, keeping live routes: start, reload without loss, or recreate."""
        ...

    def taken(self, ports: Sequence[int]) -> dict[int, str]:
        """Which of these ports somebody else holds, and who; what this gateway holds itself does not count."""
        ...

    def exists(self) -> bool:
        """Whether it is there, running or not."""
        ...

    def applied(self) -> tuple[Listen, ...]:
        """What it listens on now, as far as it is known."""
        ...

    def session(self) -> Session:
        """Open a line to the running gateway."""
        ...

    def remove(self) -> None:
        """Close every port and remove the gateway; none is no error."""
        ...
