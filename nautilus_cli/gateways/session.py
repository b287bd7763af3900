"""An open line to a running gateway's admin socket, and what is said on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from nautilus_cli.errors import RolloutFailed, RuntimeUnavailable
from nautilus_cli.gateways import admin
from nautilus_cli.gateways.base import Route
from nautilus_cli.gateways.config import JOINING
from nautilus_cli.gateways.wire import PATIENCE, Wire
from nautilus_cli.snapshot import Traffic

Save = Callable[[tuple[Route, ...]], None]
SHARED = 0.015  # seconds: who waits for a replica looks every 20 ms, and a hundred may wait at once


class Line:
    """One connection to the admin socket; it ends with the worker that it was opened to."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        try:
            self.ask("prompt")
        except OSError:
            self.close()
            raise

    def ask(self, *commands: str) -> str:
        """The answers to these commands, one after the other; ConnectionError when the other end is gone."""
        if not commands:
            return ""
        self._wire.send("".join(f"{command}\n" for command in commands).encode())
        answer = ""
        while not (answer.endswith(admin.PROMPT) and answer.count(admin.PROMPT) >= len(commands)):
            answer += self._wire.receive().decode(errors="replace")
        return answer.replace(admin.PROMPT, "\n")

    def close(self) -> None:
        """The other end reads the end of its input, and ends."""
        self._wire.close()


class AdminSession:
    """A `Session` with HAProxy, for any number of threads."""

    def __init__(self, dial: Callable[[], Line], save: Save, line: Line | None = None) -> None:
        self._dial, self._save = dial, save
        self._lock = threading.RLock()
        self._line: Line | None = line or dial()
        self._joined: dict[tuple[str, str], int] = {}  # a gateway that crashes forgets who was joining
        self._looks: dict[str, tuple[float, list[admin.Server]]] = {}  # by engine: when, and what was seen
        self._codes: dict[tuple[str, str, int], str] = {}  # by slot and replica
        self._saving = threading.Lock()
        self._asked = self._saved = 0  # saves: how many were asked for, and how many of these are done

    def __enter__(self) -> AdminSession:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def ask(self, *commands: str) -> str:
        """The answers to these commands, of the present worker."""
        with self._lock:
            try:
                return self._connected().ask(*commands)
            except TimeoutError:
                self.close()
                raise RuntimeUnavailable("the gateway does not answer", "look at `nautilus logs gateway`") from None
            except (ConnectionError, BrokenPipeError):
                self._redial()
                return self._connected().ask(*commands)

    def routes(self) -> tuple[Route, ...]:
        """Every replica that the gateway knows, by engine and address; a routed one is not listed as joining too."""
        known: dict[tuple[str, str, int], Route] = {}
        for server in self.servers():
            place = (server.engine, server.address, server.port)
            if not server.free and not (server.joining and place in known):
                known[place] = server.route
        return tuple(known[key] for key in sorted(known))

    def traffic(self) -> dict[str, Traffic]:
        """What goes through each engine's port now."""
        return admin.traffic(self.ask("show stat -1 3 -1"))

    def join(self, engine: str, address: str, port: int) -> None:
        """Begin to check a replica, without sending it requests; a known one keeps its state."""
        with self._lock:
            self._joined[engine, address] = port
            host, port = parted(address, port)
            known = self._find(engine, address)
            if known and known.port == port:
                return
            if known:
                self._vacate(known)
            slot = self._place(engine, host, port, joining=True)
            self._do(f"set server {slot.path} state ready")

    def check(self, engine: str, address: str) -> Route:
        """What the gateway knows of one replica; one that a crash made it forget joins again.

        Those who ask at nearly the same moment share one look, unless something was changed since.
        """
        with self._lock:
            found = bearing(self._look(engine), address)
            if found:
                return found.route
            port = self._joined.get((engine, address))
            if port is not None:
                self.join(engine, address, port)
            detail = "unknown to the gateway" if port is None else "not checked yet"
            return Route(engine, address, port or 0, routed=False, healthy=False, detail=detail)

    def route(self, engine: str, address: str) -> None:
        """Send requests to a healthy replica from now on."""
        with self._lock:
            found = self._find(engine, address)
            if not found or (found.joining and not found.healthy):
                words = found.detail if found else "unknown to the gateway"
                raise RolloutFailed(f"{engine} at {address} cannot be routed: {words}", "see `nautilus logs`")
            if found.joining:
                # The waiting room has proven it: a slot that is filled counts as up before its first own check.
                slot = self._place(engine, found.address, found.port, joining=False)
                self._do(f"set server {slot.path} state ready")
                self._vacate(found)
            elif not found.routed:
                self._do(f"set server {found.path} state ready")
            self._joined.pop((engine, address), None)

    def drain(self, engine: str, address: str) -> None:
        """Send it no new requests; those under way go on."""
        with self._lock:
            found = self._find(engine, address)
            if found and found.routed:
                self._do(f"set server {found.path} state drain")

    def leave(self, engine: str, address: str) -> None:
        """Forget it: its room is free again. Unknown ones are no error."""
        with self._lock:
            self._joined.pop((engine, address), None)
            for server in self.servers(engine):
                if server.bears(address) and not server.free:
                    self._vacate(server)

    def save(self) -> None:
        """Make the present routes those that the gateway comes back with after a crash or a reboot.

        Who asks while another save is under way waits for it, and shares the next one with all who wait.
        """
        with self._lock:
            self._asked += 1
            mine = self._asked
        with self._saving:
            if self._saved >= mine:
                return
            with self._lock:
                covered, routes = self._asked, self.routes()
            self._save(routes)
            self._saved = covered

    def close(self) -> None:
        """End the session; the gateway goes on."""
        with self._lock:
            if self._line:
                self._line.close()
            self._line = None

    def servers(self, engine: str | None = None) -> list[admin.Server]:
        """Every slot, free or not, of one engine or of all; those that serve come before those of the waiting room."""
        names = ("", f" {engine}", f" {engine}{JOINING}")[slice(1, 3) if engine else slice(0, 1)]
        commands = [*(f"show servers state{name}" for name in names), "show info"]
        with self._lock:
            text = self.ask(*commands)
            if admin.info(text).get("Stopping") == "1":
                # After a reload an open line still leads to the old worker, for as long as that has requests to finish.
                self._redial()
                text = self.ask(*commands)
            text += self.ask(*admin.questions(text))
            found = [self._recalled(server) for server in admin.servers(text)]
        return sorted(found, key=lambda server: server.joining)

    def _recalled(self, server: admin.Server) -> admin.Server:
        """With the code that it last answered, which HAProxy forgets while it asks again."""
        replica = server.path, server.address, server.port
        if server.code == admin.FORGOTTEN:
            return replace(server, code=self._codes.get(replica, server.code))
        if server.code:
            self._codes[replica] = server.code
        return server

    def _find(self, engine: str, address: str) -> admin.Server | None:
        return bearing(self.servers(engine), address)

    def _look(self, engine: str) -> list[admin.Server]:
        at, found = self._looks.get(engine, (0.0, []))
        if time.monotonic() - at > SHARED:
            found = self.servers(engine)
            self._looks[engine] = time.monotonic(), found
        return found

    def _place(self, engine: str, address: str, port: int, joining: bool) -> admin.Server:
        """A free slot with this address; a change of address takes effect a moment after the command."""
        slot = self._free(engine, joining)
        self._looks.clear()
        self.ask(f"set server {slot.path} addr {address} port {port}")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            seen = next(server for server in self.servers(engine) if server.path == slot.path)
            if (seen.address, seen.port) == (address, port):
                return seen
        raise RolloutFailed(f"the gateway does not take {address}:{port} for {engine}", "run `nautilus up` again")

    def _free(self, engine: str, joining: bool) -> admin.Server:
        """A free slot, rather one whose last check did not fail, never one whose predecessor is still being checked."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            free = [server for server in self.servers(engine) if server.joining == joining and server.free]
            if not free:
                raise RolloutFailed(f"the gateway has no room for one more replica of {engine}", "run `nautilus up`")
            calm = [server for server in free if not server.checking]
            if calm:
                return min(calm, key=lambda server: server.failed)
        raise RolloutFailed(f"every free slot of {engine} is still being checked", "run `nautilus up` again")

    def _vacate(self, server: admin.Server) -> None:
        self._do(f"set server {server.path} state maint")

    def _do(self, command: str) -> None:
        self._looks.clear()
        answer = self.ask(command).strip()
        if answer:
            raise RolloutFailed(f"the gateway refuses `{command}`: {answer}", "run `nautilus up` again")

    def _connected(self) -> Line:
        if self._line is None:
            self._redial()
        assert self._line is not None
        return self._line

    def _redial(self) -> None:
        self.close()
        self._line = self._dial()


def bearing(servers: Iterable[admin.Server], address: str) -> admin.Server | None:
    """The slot that this replica is in."""
    return next((server for server in servers if server.bears(address) and not server.free), None)


def parted(address: str, port: int) -> tuple[str, int]:
    """Host and port of a replica: replicas that share one host have the port in their address, as 127.0.0.1:12345."""
    host, colon, own = address.rpartition(":")
    return (host, int(own)) if colon else (address, port)
