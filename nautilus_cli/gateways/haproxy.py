"""HAProxy as the gateway: one container a fleet, one port an engine, changed without losing a request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from nautilus_cli.errors import NautilusError, RolloutFailed, RuntimeUnavailable
from nautilus_cli.fleet import Gateway
from nautilus_cli.gateways import admin, archive, ports, shape, sockets
from nautilus_cli.gateways import config as file
from nautilus_cli.gateways.base import Listen, Network, Route
from nautilus_cli.gateways.config import SOCKET, Setup, listen_hosts, live_routes, render, serving
from nautilus_cli.gateways.container import Container, ExecWire
from nautilus_cli.gateways.daemon import information
from nautilus_cli.gateways.desk import Desk
from nautilus_cli.gateways.session import AdminSession, Line
from nautilus_cli.gateways.shape import APPLIED, CONFIG, FILE, FLEET, NUMBERED, STATE, USER, Shape
from nautilus_cli.gateways.successor import Successor

__all__ = ["CONFIG", "NUMBERED", "STATE", "USER", "HAProxy", "recipe"]

_PID = f"echo 'show info' | socat -t 1 STDIO UNIX-CONNECT:{SOCKET} 2>/dev/null | sed -n 's/^Pid: //p'"
_READY = f'i=0; until [ -n "$({_PID})" ]; do i=$((i+1)); [ $i -lt 500 ] || exit 1; sleep 0.01; done'
_CHECK = f"haproxy -c -f {FILE}.new"
# A file that does not pass the check, or that cannot be obeyed, would leave the old worker there without a word.
_RELOAD = f"""
{_CHECK} || exit 3
old=$({_PID}); cp {FILE} {FILE}.old; mv {FILE}.new {FILE}; kill -USR2 1; i=0
while new=$({_PID}); [ -z "$new" ] || [ "$new" = "$old" ]; do
  i=$((i+1)); [ $i -lt 250 ] || {{ mv {FILE}.old {FILE}; exit 4; }}
  sleep 0.01
done
rm {FILE}.old
"""


def recipe() -> dict[str, bytes]:
    """The files that the gateway's image is built from; its build argument is BASE_IMAGE, any image with apt-get."""
    return {"Dockerfile": Path(__file__).with_name("Dockerfile").read_bytes()}


class HAProxy:
    """The gateway of one fleet, on one Docker engine."""

    def __init__(self, api: APIClient, fleet: str, gateway: Gateway, image: str, network: Network) -> None:
        self._api, self._fleet, self._gateway, self._image, self._network = api, fleet, gateway, image, network
        self.name = f"{fleet}-gateway"
        self._own, self._next = Container(api, self.name), Successor(api, f"{self.name}-next", fleet)
        self._desk = Desk(api, self.name)
        self._known: tuple[Setup, str] | None = None  # what was applied when somebody looked last
        self._written = ""  # the configuration file as it was saved last

    def exists(self) -> bool:
        """Whether its container is there, running or not."""
        return self._own.inspect() is not None

    def kept(self) -> dict[str, bytes]:
        """What the state volume holds, by path, read in one call: a call takes 60 ms. Nothing without a gateway."""
        if self._desk.open:
            try:
                return archive.unpack(self._desk.get(STATE), PurePosixPath(STATE))
            except RolloutFailed:
                self._desk.close()  # it went meanwhile; what it left is read as that of a stopped one
        return archive.read_all(self._api, self.name, STATE)

    def pending(self, listens: Sequence[Listen], kept: Callable[[], Mapping[str, bytes]] | None = None) -> str | None:
        """Why the gateway has to change to listen on exactly these, in words; None when it is as wanted.

        `kept` gives what the volume holds to who reads it anyway; it is asked as late as can be.
        """
        own, self._known = self._own.inspect(), None
        if not listens:
            return "not needed" if own else None
        if not own or not own["State"]["Running"]:
            return "not running"
        setup = self._setup(listens)
        return "; ".join(self._recreate(own, setup) or self._reload_for(setup, kept)) or None

    def expose(self, listens: Sequence[Listen]) -> None:
        """Listen on exactly these ports, keeping live routes: start, reload without loss, or recreate."""
        if not listens:
            return self.remove()
        self._next.discard()
        if not self.pending(listens):
            return None
        own, setup = self._own.inspect(), self._setup(listens)
        if held := self.taken(setup.ports):
            raise sockets.clash(held)
        if own and own["State"]["Running"] and not self._recreate(own, setup):
            return self._reload(setup)
        return self._replace(own, setup)

    def taken(self, wanted: Sequence[int]) -> dict[int, str]:
        """Which of these ports somebody else holds, and who; what this gateway holds itself does not count.

        Nor does what its successor holds, which a command left behind that was killed: `expose` removes it.
        """
        rest = sorted(set(wanted) - self._held(self._own) - self._held(self._next))
        hosts = self._hosts(rest)
        held = ports.holders(self._api, self._fleet, rest, hosts)
        if self._native and ports.local(self._api, self._info["Name"]):
            for port in rest:
                if any(sockets.bound(host, port) for host in hosts if host != self._network.address):
                    held.setdefault(port, "another program")
        return held

    def _held(self, container: Container) -> set[int]:
        """The ports that a running gateway listens on."""
        found = container.inspect()
        return file.listening(container.read(FILE) or "") if found and found["State"]["Running"] else set()

    def applied(self) -> tuple[Listen, ...]:
        """What the gateway listens on now, as far as it is known."""
        applied = self._known or self._applied()
        return applied[0].listens if applied else ()

    def names(self, listens: Sequence[Listen]) -> dict[str, str]:
        """The address of each engine's port for replicas; none in bridge mode: there the gateway bears the names."""
        host = self.on_host(self._setup(listens).ports)
        return {listen.engine: self._network.address for listen in listens} if host else {}

    def on_host(self, wanted: Sequence[int]) -> bool:
        """Whether a gateway for these ports stands on the host's own network."""
        return self._mode(wanted) == "host"

    def session(self) -> AdminSession:
        """Open a line to the running gateway."""
        return AdminSession(self._dial, self._save)

    def open(self) -> tuple[AdminSession, dict[str, bytes]]:
        """Such a line, and what the state volume holds by path, which its opening has read on the way."""
        line, brought = self._reach(STATE)
        return AdminSession(self._dial, self._save, line), archive.unpack(brought, PurePosixPath(STATE))

    def close(self) -> None:
        """Give back what is held open; the gateway goes on."""
        self._desk.close()

    def remove(self) -> None:
        """Close every port and remove the gateway; none is no error. What is in the volume stays."""
        self._own.discard()
        self._next.discard()

    # What is wanted

    @property
    def _info(self) -> Mapping[str, Any]:
        return information(self._api)

    @property
    def _native(self) -> bool:
        """Whether the engine's host network is the machine's own: not a virtual machine's, not a rootless one."""
        options = self._info.get("SecurityOptions") or []
        desktop = "Docker Desktop" in self._info.get("OperatingSystem", "")
        return self._info.get("OSType") == "linux" and not desktop and not any("rootless" in o for o in options)

    def _mode(self, wanted: Sequence[int]) -> str:
        if self._gateway.network != "auto":
            return self._gateway.network
        return "host" if self._native and all(port >= 1024 for port in wanted) else "bridge"

    def _hosts(self, wanted: Sequence[int]) -> tuple[str, ...]:
        """The addresses of the host that the ports are opened on."""
        if self._mode(wanted) == "host":
            return listen_hosts(self._gateway.bind, self._network.address)
        return (self._gateway.bind,)

    def _setup(self, listens: Sequence[Listen]) -> Setup:
        metrics, cpus = self._gateway.metrics_port, int(self._info["NCPU"])
        every = tuple(sorted(listens, key=lambda listen: listen.engine))
        wanted = [listen.port for listen in every] + [port for port in (metrics,) if port]
        # More threads than engines can feed only wake each other up.
        common: dict[str, Any] = {"listens": every, "metrics_port": metrics, "threads": min(cpus, max(2, cpus // 4), 8)}
        if self._mode(wanted) == "host":
            hosts = listen_hosts(self._gateway.bind, self._network.address)
            inner = tuple(host for host in hosts if host != self._network.address or host == self._gateway.bind)
            return Setup(**common, hosts=hosts, metrics_hosts=inner)
        return Setup(
            **common, hosts=("*",), metrics_hosts=("*",), strangers=self._network.subnet, bridge=self._network.address
        )

    def _shape(self, setup: Setup) -> Shape:
        return shape.shape_of(self._mode(setup.ports), self._image, self._gateway, self._network, setup)

    @property
    def _loopback(self) -> tuple[str, ...]:
        """`::1` beside 127.0.0.1 where ports can be published on it, as far as can be known from here."""
        near = self._native and ports.local(self._api, self._info["Name"])
        return ("::1",) if near and self._gateway.bind == "127.0.0.1" and sockets.has_ipv6() else ()

    # What is there

    def _applied(self, kept: Mapping[str, bytes] | None = None) -> tuple[Setup, str] | None:
        """What the gateway was last told, and the digest of it; None where that is unknown."""
        try:
            text = self._own.read(APPLIED) if kept is None else kept.get(APPLIED, b"").decode()
            self._known = file.load(text or "")
        except (ValueError, KeyError, TypeError, NotFound):
            self._known = None
        return self._known

    def _recreate(self, own: dict[str, Any], setup: Setup) -> list[str]:
        """Why this container will not do, in words."""
        old, new = shape.read_shape(own["Config"]["Labels"]), self._shape(setup)
        if old is None:
            return ["made by another version of nautilus"]
        return new.changes(old) or (["image changed"] if self._rebuilt(own) else [])

    def _rebuilt(self, own: dict[str, Any]) -> bool:
        try:
            return bool(self._api.inspect_image(self._image)["Id"] != own["Image"])
        except NotFound:
            return False

    def _reload_for(self, setup: Setup, kept: Callable[[], Mapping[str, bytes]] | None) -> list[str]:
        """Why the configuration will not do, in words."""
        applied = self._applied(kept() if kept else None)
        if applied is None:
            return ["its configuration is unknown"]
        old, then = applied
        return [] if then == setup.digest else file.changes(old, setup) or ["configuration"]

    # Changes

    def _dial(self) -> Line:
        """A line to the running gateway."""
        return self._reach()[0]

    def _reach(self, bring: str = "") -> tuple[Line, bytes]:
        """The same, and an archive of a directory; a gateway that restarts after a crash has some seconds to answer."""
        deadline = time.monotonic() + 5
        while True:
            try:
                wire = ExecWire(self._api, self.name, bring)
                return Line(wire), wire.brought
            except (APIError, ConnectionError, TimeoutError) as error:
                if isinstance(error, NotFound) or time.monotonic() > deadline:
                    words = f"the gateway {self.name} does not answer: {error}"
                    raise RuntimeUnavailable(words, "run `nautilus up`") from error
            time.sleep(0.05)

    def _save(self, routes: Sequence[Route]) -> None:
        applied = self._known or self._applied()
        if applied is None:
            raise RolloutFailed(f"the gateway {self.name} has no known configuration", "run `nautilus up`")
        text = render(applied[0], serving(routes))
        if text != self._written:
            self._desk.put(FILE, text)
            self._written = text

    def _reload(self, setup: Setup) -> None:
        """Nothing is lost: the new worker takes over the listening sockets, the old one finishes what it has."""
        with self.session() as session:
            routes = session.routes()
        self._desk.put(f"{FILE}.new", render(setup, serving(routes)))
        code, output = self._own.attempt(_RELOAD)
        if code:
            raise self._failure(output if code == 3 else self._own.said(), setup)
        self._finish(setup, routes)

    def _replace(self, own: dict[str, Any] | None, setup: Setup) -> None:
        """The old one stops when the new one is ready to start, and comes back where that fails."""
        routes, old = self._routes(own), self._own.read(FILE) if own else None
        live = serving(routes) if own and own["State"]["Running"] else live_routes(old or "")
        text = render(setup, live)
        if own and own["State"]["Running"]:
            applied = self._applied()
            old = render(applied[0], live) if applied else old
            self._own.write({f"{FILE}.new": text})
            code, output = self._own.attempt(_CHECK)
            if code:
                raise self._failure(output, setup)
        self._api.create_volume(f"{self._fleet}-state", labels={FLEET: self._fleet})
        new = shape.create(self._api, self._next.name, self._fleet, wanted := self._shape(setup), self._loopback)
        try:
            files = {"gateway": None, "fleet": None, "gateway/haproxy.cfg": text}
            archive.write(self._api, new, STATE, files, USER)
            if own and own["State"]["Running"] and wanted.mode == "bridge":
                self._next.wait(wanted)
            if own:
                self._api.stop(own["Id"], timeout=1)
            self._start(setup, wanted)
        except (NautilusError, APIError):
            self._restore(own, old)
            raise
        self._next.dismiss()
        self._desk.close()
        self._own.discard()
        self._api.rename(new, self.name)
        self._finish(setup, routes)

    def _routes(self, own: dict[str, Any] | None) -> tuple[Route, ...]:
        """What a running gateway knows."""
        if not own or not own["State"]["Running"]:
            return ()
        with self.session() as session:
            return session.routes()

    def _restore(self, own: dict[str, Any] | None, text: str | None) -> None:
        """What was there before a change that failed."""
        self._next.discard()
        if own and text is not None:
            self._own.write({FILE: text})
            self._written = ""
        if own and own["State"]["Running"]:
            self._api.start(own["Id"])

    def _start(self, setup: Setup, wanted: Shape) -> None:
        try:
            self._next.enter(wanted)
        except APIError as error:
            raise self._failure(error.explanation or str(error), setup) from error
        code, _ = self._next.attempt(_READY)
        state = self._next.inspect()
        if code or not state or not state["State"]["Running"] or state["RestartCount"]:
            raise self._failure(self._next.said(), setup)

    def _finish(self, setup: Setup, routes: Sequence[Route]) -> None:
        """Who is leaving or joining is known again; then what was applied is written down."""
        if unrouted := [route for route in routes if not route.routed]:
            with self.session() as session:
                for route in unrouted:
                    session.join(route.engine, route.address, route.port)
        self._desk.put(APPLIED, file.dump(setup))
        self._known, self._written = (setup, setup.digest), ""

    def _failure(self, words: str, setup: Setup) -> NautilusError:
        """What stood in the way, from Docker's or HAProxy's own words."""
        port = ports.refused(words)
        if port is not None:
            held = ports.holders(self._api, self._fleet, [port], self._hosts(setup.ports))
            return sockets.clash({port: held.get(port, "another program")})
        said = "; ".join(admin.complaints(words)[:3]) or words.strip()
        words = f"the gateway {self.name} cannot be configured: {said}"
        return RolloutFailed(words, "what ran before still runs; correct engines.yaml and run `nautilus up` again")
