"""The gateway where HAProxy can be had from nowhere: ports and replicas, without the promises."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from nautilus_cli import probe
from nautilus_cli.errors import RolloutFailed, RuntimeUnavailable
from nautilus_cli.fleet import Gateway, HealthCheck
from nautilus_cli.gateways import config as file
from nautilus_cli.gateways.base import Route
from nautilus_cli.gateways.config import Setup
from nautilus_cli.gateways.session import parted
from nautilus_cli.runtimes.process import record
from nautilus_cli.runtimes.process.home import Home, end
from nautilus_cli.runtimes.process.launch import PACKAGE, environment, launch
from nautilus_cli.runtimes.process.proxy import PATIENCE, LocalProxy
from nautilus_cli.runtimes.process.record import Spec
from nautilus_cli.runtimes.process.relay import ROUTES, places, read_routes
from nautilus_cli.snapshot import Traffic
from nautilus_cli.units import show_duration

CHOSEN = "relay"  # beside the gateway's folder, from `build` until `down`
NOTE = (
    "HAProxy can be had from nowhere here: a relay passes connections on, without health checks of its own; "
    "requests may fail while replicas are exchanged"
)
PROBES = 16  # replicas that are asked at once


def chosen(home: Home) -> bool:
    """Whether this fleet has this gateway."""
    return (home.gateway.parent / CHOSEN).exists()


def choose(home: Home) -> None:
    """This fleet has it from now on."""
    home.make()
    home.gateway.parent.mkdir(mode=0o700, exist_ok=True)
    (home.gateway.parent / CHOSEN).touch()


class PlainGateway(LocalProxy):
    """Implements `Gateway` with the relay in the place of HAProxy."""

    def __init__(self, home: Home, gateway: Gateway) -> None:
        super().__init__(home, gateway, None)

    def session(self) -> PlainSession:  # type: ignore[override]  # it is a `Session`, as the other one
        """The file that the relay reads; `RuntimeUnavailable` where no relay does."""
        if not self._watched():
            raise RuntimeUnavailable(f"the gateway of {self._home.fleet} does not run", "run `nautilus up`")
        return PlainSession(self._home, self._check)

    def _check(self, engine: str) -> HealthCheck:
        return next((listen.check for listen in self.applied() if listen.engine == engine), HealthCheck())

    def _text(self) -> str:
        known = self._known()
        return file.render(known[0], {}) if known else ""

    def _start(self, setup: Setup) -> None:
        if before := record.read_spec(self._folder):
            end(self._folder, before)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        spec = Spec(
            name=f"{self._home.fleet}-gateway",
            engine="gateway",
            slot=0,
            created=time.time(),
            command=(sys.executable, "-m", "nautilus_cli.runtimes.process.relay", str(self._folder)),
            folder=str(self._folder),
            environment=environment(self._folder) | {"PYTHONPATH": PACKAGE, record.MARK: f"{self._home.fleet}-gateway"},
            grace=1.0,
        )
        record.write(self._folder / record.SPEC, spec)
        record.replace(self._applied, file.dump(setup))
        launch(self._folder, "gateway")
        self._await_ports(setup)

    def _reload(self, setup: Setup) -> None:
        record.replace(self._applied, file.dump(setup))
        self._await_ports(setup)

    def _await_ports(self, setup: Setup) -> None:
        deadline = time.monotonic() + PATIENCE
        for _, host, port in sorted(places(setup)):
            while not probe.accepts(host, port, 1):
                if time.monotonic() > deadline:
                    raise RolloutFailed(f"the gateway does not listen on {port}", "see `nautilus logs gateway`")
                time.sleep(0.02)


class PlainSession:
    """Implements `Session` on a file; health is asked by this very command, when it is wanted."""

    def __init__(self, home: Home, check: Callable[[str], HealthCheck]) -> None:
        self._folder, self._check = home.gateway, check
        self._lock = threading.RLock()

    def routes(self) -> tuple[Route, ...]:
        """Every replica that is written down, each asked now."""
        known = [(engine, address) for engine, found in self._routes().items() for address in found]
        with ThreadPoolExecutor(max_workers=PROBES) as pool:
            return tuple(pool.map(lambda place: self.check(*place), sorted(known)))

    def traffic(self) -> Mapping[str, Traffic]:
        """Nothing is counted."""
        return {}

    def join(self, engine: str, address: str, port: int) -> None:  # noqa: ARG002  # it stands in the address
        """Write a replica down, without sending it connections."""
        self._change(engine, address, self._routes().get(engine, {}).get(address, False))

    def check(self, engine: str, address: str) -> Route:
        """Ask one replica."""
        host, port = parted(address, 0)
        healthy, detail = asked(host, port, self._check(engine))
        routed = self._routes().get(engine, {}).get(address, False)
        return Route(engine, host, port, routed, healthy, detail)

    def route(self, engine: str, address: str) -> None:
        """Send it connections from now on."""
        self._change(engine, address, True)

    def drain(self, engine: str, address: str) -> None:
        """Send it no new connections; those that it has stay."""
        self._change(engine, address, False)

    def leave(self, engine: str, address: str) -> None:
        """Forget it."""
        self._change(engine, address, None)

    def save(self) -> None:
        """What is written is what counts."""

    def close(self) -> None:
        """Nothing is held open."""

    def _routes(self) -> dict[str, dict[str, bool]]:
        return {engine: dict(found) for engine, found in read_routes(self._folder).items()}

    def _change(self, engine: str, address: str, routed: bool | None) -> None:
        with self._lock:
            routes = self._routes()
            found = routes.setdefault(engine, {})
            if routed is None:
                found.pop(address, None)
            else:
                found[address] = routed
            record.replace(self._folder / ROUTES, json.dumps(routes))


def asked(host: str, port: int, check: HealthCheck) -> tuple[bool, str]:
    """Whether a replica answers its health check, and what it said, in the gateway's words."""
    try:
        status, _ = probe.get(host, port, check.path, check.timeout, {"Host": "localhost"})
    except TimeoutError:
        return False, f"no answer within {show_duration(check.timeout)}"
    except OSError as error:
        return False, str(error.strerror or error).lower()
    return 200 <= status < 400, f"answers {status}"
