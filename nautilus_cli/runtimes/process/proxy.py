"""HAProxy as a process of this machine: the configuration, the slots and the reload of the one in a container."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence

from nautilus_cli.errors import NautilusError, RolloutFailed, RuntimeUnavailable
from nautilus_cli.fleet import Gateway
from nautilus_cli.gateways import admin, sockets
from nautilus_cli.gateways import config as file
from nautilus_cli.gateways.base import Listen, Route
from nautilus_cli.gateways.config import Setup, authority, listen_hosts, live_routes, render, serving
from nautilus_cli.gateways.session import AdminSession, Line
from nautilus_cli.gateways.wire import SocketWire
from nautilus_cli.runtimes.process import record
from nautilus_cli.runtimes.process.haproxy import Program
from nautilus_cli.runtimes.process.home import Home, end
from nautilus_cli.runtimes.process.launch import launch
from nautilus_cli.runtimes.process.record import Spec

CONFIG, APPLIED, SOCKET = "haproxy.cfg", "listens.json", "admin.sock"
PATIENCE = 5.0  # seconds until a worker answers


class LocalProxy:
    """Implements `Gateway` for one fleet of this machine."""

    def __init__(self, home: Home, gateway: Gateway, program: Program | None) -> None:
        self._home, self._gateway, self._program = home, gateway, program
        self._folder = home.gateway
        self._config, self._applied = self._folder / CONFIG, self._folder / APPLIED

    def exists(self) -> bool:
        """Whether it was ever started."""
        return self._folder.exists()

    def pending(self, listens: Sequence[Listen]) -> str | None:
        """Why the gateway has to change to listen on exactly these, in words; None when it is as wanted."""
        if not listens:
            return "not needed" if self.exists() else None
        if not self._alive():
            return "not running"
        known, setup = self._known(), self._setup(listens)
        if known is None:
            return "its configuration is unknown"
        old, then = known
        return None if then == setup.digest else "; ".join(file.changes(old, setup)) or "configuration"

    def expose(self, listens: Sequence[Listen]) -> None:
        """Listen on exactly these ports, keeping live routes: start, or reload without loss."""
        if not listens:
            return self.remove()
        if not self.pending(listens):
            return None
        setup = self._setup(listens)
        if held := self.taken(setup.ports):
            raise sockets.clash(held)
        return self._reload(setup) if self._alive() else self._start(setup)

    def taken(self, ports: Sequence[int]) -> dict[int, str]:
        """Which of these ports somebody else holds; what this gateway holds itself does not count."""
        own = file.listening(self._text()) if self._alive() else set()
        hosts = listen_hosts(self._gateway.bind, self._gateway.bind)
        held = [port for port in ports if port not in own and any(sockets.bound(host, port) for host in hosts)]
        return dict.fromkeys(held, "another program")

    def applied(self) -> tuple[Listen, ...]:
        """What the gateway listens on now, as far as it is known."""
        known = self._known()
        return known[0].listens if known else ()

    def session(self) -> AdminSession:
        """Open a line to the running gateway."""
        return AdminSession(self._dial, self._save)

    def remove(self) -> None:
        """Close every port and remove the gateway; none is no error."""
        if spec := record.read_spec(self._folder):
            end(self._folder, spec)
        shutil.rmtree(self._folder.parent, ignore_errors=True)

    def said(self) -> str:
        """What HAProxy wrote."""
        try:
            return (self._folder / record.LOG).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def _setup(self, listens: Sequence[Listen]) -> Setup:
        cpus = os.cpu_count() or 1
        hosts = listen_hosts(self._gateway.bind, self._gateway.bind)
        return Setup(
            listens=tuple(sorted(listens, key=lambda listen: listen.engine)),
            hosts=hosts,
            metrics_port=self._gateway.metrics_port,
            metrics_hosts=hosts,
            threads=min(cpus, max(2, cpus // 4), 8),
            socket=f"unix@{SOCKET}",
        )

    def _alive(self) -> bool:
        status = record.read_status(self._folder)
        return status is not None and status.alive

    def _text(self) -> str:
        return self._config.read_text() if self._config.exists() else ""

    def _known(self) -> tuple[Setup, str] | None:
        """What the gateway was last told, and the digest of it; None where that is unknown."""
        try:
            return file.load(self._applied.read_text())
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _dial(self) -> Line:
        """A line to the running gateway; one that was just started again has some seconds to answer."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return Line(SocketWire(self._folder / SOCKET))
            except OSError as error:
                if not self._folder.exists() or time.monotonic() > deadline or not self._watched():
                    words = f"the gateway of {self._home.fleet} does not answer: {error.strerror or error}"
                    raise RuntimeUnavailable(words, "run `nautilus up`") from error
            time.sleep(0.02)

    def _watched(self) -> bool:
        status = record.read_status(self._folder)
        return status is not None and status.watched

    def _save(self, routes: Sequence[Route]) -> None:
        known = self._known()
        if known is None:
            raise RolloutFailed("the gateway has no known configuration", "run `nautilus up`")
        record.replace(self._config, render(known[0], serving(routes)))

    def _start(self, setup: Setup) -> None:
        """One that has died, or none: what served before it died is served again."""
        live = live_routes(self._text())
        before = record.read_spec(self._folder)
        if before:
            end(self._folder, before)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        program = self._checked(render(setup, live))
        spec = Spec(
            name=f"{self._home.fleet}-gateway",
            engine="gateway",
            slot=0,
            created=time.time(),
            command=(program.path, "-W", "-db", "-f", CONFIG),
            folder=str(self._folder),
            environment=self._environment(program),
            signal=signal.SIGTERM,
            grace=1.0,
        )
        record.write(self._folder / record.SPEC, spec)
        launch(self._folder, "gateway")
        try:
            self._await(before="")
        except RuntimeUnavailable:
            words = self._failure(self.said())
            self.remove()
            raise words from None
        record.replace(self._applied, file.dump(setup))

    def _reload(self, setup: Setup) -> None:
        """Nothing is lost: the new worker takes over the listening sockets, the old one finishes what it has."""
        with self.session() as session:
            routes, worker = session.routes(), admin.info(session.ask("show info")).get("Pid", "")
        old = self._text()
        self._checked(render(setup, serving(routes)))
        status = record.read_status(self._folder)
        if status and status.child:
            status.child.signal(signal.SIGUSR2)
        try:
            self._await(worker)
        except RuntimeUnavailable:
            record.replace(self._config, old)
            raise self._failure(self.said()) from None
        record.replace(self._applied, file.dump(setup))
        with self.session() as session:
            for route in routes:
                if not route.routed:
                    session.join(route.engine, authority(route.address, route.port), route.port)

    def _await(self, before: str) -> None:
        """Return when a worker other than that of before answers."""
        deadline = time.monotonic() + PATIENCE
        while True:
            line = self._dial()
            try:
                if admin.info(line.ask("show info")).get("Pid") not in (None, before):
                    return
            except ConnectionError:
                pass  # the old worker has gone
            finally:
                line.close()
            if time.monotonic() > deadline:
                raise RuntimeUnavailable("no new worker answers")
            time.sleep(0.01)

    def _checked(self, text: str) -> Program:
        """The configuration is in force at the next start or reload; one that HAProxy refuses never gets there."""
        if self._program is None:
            raise RolloutFailed("HAProxy is not here", "run `nautilus build`")
        new = self._folder / f"{CONFIG}.new"
        record.replace(new, text)
        check = subprocess.run(
            [self._program.path, "-c", "-f", new.name], cwd=self._folder, env=self._environment(self._program),
            capture_output=True, text=True,
        )  # fmt: skip
        if check.returncode:
            raise self._failure(check.stderr)
        new.replace(self._config)
        return self._program

    def _environment(self, program: Program) -> dict[str, str]:
        six = {"NAUTILUS_IPV6": "1"} if sockets.has_ipv6() else {}
        return {**program.environment, **six, record.MARK: f"{self._home.fleet}-gateway"}

    def _failure(self, words: str) -> NautilusError:
        said = "; ".join(admin.complaints(words)[:3]) or words.strip()
        return RolloutFailed(f"the gateway cannot be configured: {said}", "correct engines.yaml and run `nautilus up`")
