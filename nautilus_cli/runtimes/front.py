"""The gateway of one fleet during one command, wherever it runs: its ports, and one open line to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Generic, TypeVar

from nautilus_cli.errors import ConfigError, RolloutFailed, RolloutStopped, RuntimeUnavailable
from nautilus_cli.fleet import CHECK, Engine, Fleet, Service, aspects
from nautilus_cli.gateways.base import Gateway, Listen, Route, Session
from nautilus_cli.gateways.config import authority
from nautilus_cli.runtimes.aside import aside
from nautilus_cli.snapshot import Replica, Traffic

GATEWAY = "gateway"
G = TypeVar("G", bound=Gateway)
Choose = Callable[[Mapping[str, int], str], None]  # remembers counts of replicas, and why


class Front(Generic[G]):
    """Safe to use from several threads: engines are deployed side by side. Each runtime says what its gateway is."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._before: dict[str, Listen] = {}  # what the gateway listened on before this command
        self._once = threading.RLock()
        self._coming: Future[None] | None = None  # of a first gateway

    def proxy(self, fleet: Fleet) -> G:
        """The gateway itself."""
        raise NotImplementedError

    def prepare(self, fleet: Fleet) -> None:
        """What must be there before the gateway is."""

    def close(self) -> None:
        """End the line; the gateway goes on."""
        with self._once:
            if self._session:
                self._session.close()
            self._session = None

    def line(self, fleet: Fleet) -> Session:
        """The one line of this command; `RuntimeUnavailable` where the gateway does not run."""
        if self._coming:
            self._coming.result()
        with self._once:
            if self._session is None:
                self._session = self.proxy(fleet).session()
            return self._session

    def routes(self, fleet: Fleet) -> tuple[Route, ...]:
        """Every replica that the gateway knows; none where it does not run, or is still coming up."""
        if self._coming and not self._coming.done():
            return ()
        try:
            return self.line(fleet).routes()
        except RuntimeUnavailable:
            return ()

    def traffic(self, fleet: Fleet) -> Mapping[str, Traffic]:
        """What goes through each port; nothing where it does not run."""
        try:
            return self.line(fleet).traffic()
        except RuntimeUnavailable:
            return {}

    def refuse_taken(self, fleet: Fleet) -> None:
        """`ConfigError` names each port of the fleet that somebody else holds."""
        taken = self.proxy(fleet).taken(ports(fleet))
        if taken:
            engines = {engine.port: name for name, engine in fleet.engines.items()}
            lines = [f"port {port} of {engines.get(port, GATEWAY)} is held by {who}" for port, who in taken.items()]
            raise ConfigError("\n".join(sorted(lines)), "stop what holds it, or choose another port in the file")

    def expose(self, fleet: Fleet, mixed: Collection[str]) -> None:
        """The gateway listens on exactly the fleet's ports afterwards; an empty fleet has none.

        The replicas of `mixed` engines were made for another health check than the present one: they would fail it, and
        their successors would fail the old one. Until `settle`, those that serve must only accept connections.
        """
        if fleet.engines:
            self.prepare(fleet)
            proxy = self.proxy(fleet)
            self._before = {listen.engine: listen for listen in proxy.applied()}
            proxy.expose([replace(listen, relaxed=listen.engine in mixed) for listen in listens(fleet)])
        else:
            self.close()
            self.proxy(fleet).remove()

    def exists(self, fleet: Fleet) -> bool:
        """Whether there is a gateway, running or not."""
        return self.proxy(fleet).exists()

    def begin(self, fleet: Fleet, done: Callable[[], None], turn: AbstractContextManager[object]) -> Callable[[], None]:
        """Start a first gateway beside what else is done, when it is its turn; `line` waits for it, and so does what is
        returned.
        """

        def start() -> None:
            with turn:
                self.expose(fleet, ())
            done()

        self._coming = aside(start)
        return self._coming.result

    def settle(self, fleet: Fleet, engine: str) -> None:
        """Every replica of this engine is of the present version: from now on all must pass its health check."""
        with self._once:
            now = self.proxy(fleet).applied()
            if any(listen.engine == engine and listen.relaxed for listen in now):
                strict = [replace(listen, relaxed=listen.relaxed and listen.engine != engine) for listen in now]
                self.proxy(fleet).expose(strict)

    def check_as_before(self, fleet: Fleet, engine: str) -> None:
        """A version that was taken back is asked for its health as it was: the new check may not be its own."""
        with self._once:
            now, before = self.proxy(fleet).applied(), self._before.get(engine)
            if before and before not in now:
                self.proxy(fleet).expose([before if listen.engine == engine else listen for listen in now])

    @contextmanager
    def remembered(
        self, fleet: Fleet, workload: Engine | Service, replicas: Collection[Replica], choose: Choose
    ) -> Iterator[None]:
        """What was chosen now outlives this command, the count and the health check, unless the change fails."""
        chosen = workload.count if isinstance(workload, Engine) else None
        if chosen is not None:
            choose({workload.name: chosen}, f"scale {workload.name} {chosen}")
        try:
            yield
        except RolloutStopped:
            raise  # what was chosen stands, and the next `up` goes on with it
        except RolloutFailed:
            if chosen is not None:
                before = len([replica for replica in replicas if replica.state.alive])
                choose({workload.name: before}, f"scale {workload.name} {chosen} failed")
            self.check_as_before(fleet, workload.name)
            raise

    def forget_strangers(self, fleet: Fleet, engine: str, addresses: Iterable[str]) -> None:
        """No route leads to a replica that somebody removed by hand: its address will be another's."""
        known = set(addresses)
        for route in self.routes(fleet):
            if route.engine == engine and known.isdisjoint((route.address, authority(route.address, route.port))):
                self.line(fleet).leave(engine, authority(route.address, route.port))


def listens(fleet: Fleet) -> list[Listen]:
    """The ports of a fleet as its gateway needs them."""
    return [
        Listen(name, engine.port, engine.slots, engine.healthcheck, engine.update.drain, engine.concurrency)
        for name, engine in fleet.engines.items()
    ]


def ports(fleet: Fleet) -> list[int]:
    """Every port that the fleet's gateway opens."""
    metrics = [fleet.gateway.metrics_port] if fleet.engines and fleet.gateway.metrics_port else []
    return [*(listen.port for listen in listens(fleet)), *metrics]


def checked_otherwise(fleet: Fleet, replica: Replica) -> bool:
    """Whether a replica was made for another health check than the file has now."""
    engine = fleet.engines.get(replica.engine)
    if engine is None or not replica.state.alive:
        return False
    return replica.aspects.get(CHECK) != aspects(engine, "", {})[CHECK]
