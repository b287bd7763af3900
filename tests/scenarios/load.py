"""Requests through the ports of a fleet, one by one or as load, and waiting for what comes about."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T], within: float = 30.0, every: float = 0.05) -> T:
    """The first true answer of `check`; an assertion fails with the last answer when there is none in time."""
    end = monotonic() + within
    while not (answer := check()):
        assert monotonic() < end, f"not within {within} s: {answer!r}"
        sleep(every)
    return answer


@dataclass(frozen=True)
class Reply:
    """What one request was answered."""

    status: int
    body: str
    replica: str


def ask(connection: http.client.HTTPConnection, keep_alive: bool, path: str = "/") -> Reply:
    """One request on this connection, which is open afterwards or not."""
    connection.request("GET", path, headers={} if keep_alive else {"Connection": "close"})
    answer = connection.getresponse()
    body = answer.read().decode().strip()
    if not keep_alive:
        connection.close()
    return Reply(answer.status, body, answer.headers.get("X-Nautilus-Replica", "?"))


def replies(port: int, count: int = 12, keep_alive: bool = False, address: str = "127.0.0.1") -> list[Reply]:
    """The answers to some requests, all on one connection or each on its own."""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        return [ask(connection, keep_alive) for _ in range(count)]
    finally:
        connection.close()


def bodies(port: int, keep_alive: bool = False, address: str = "127.0.0.1") -> set[str]:
    """Every different answer of a port; a status other than 200 is an answer of its own."""
    return {r.body if r.status == 200 else str(r.status) for r in replies(port, 12, keep_alive, address)}


def answering(port: int, address: str = "127.0.0.1") -> set[str]:
    """The bodies that a port answers with; empty while it answers nothing or not well."""
    try:
        found = bodies(port, address=address)
    except (OSError, http.client.HTTPException):
        return set()
    return set() if any(body.isdecimal() for body in found) else found


@dataclass
class Load:
    """Requests through ports, half of them on kept connections, until it is stopped; every failure is kept."""

    ports: list[int]
    rate: float = 50.0  # requests a second for each port and kind of connection
    address: str = "127.0.0.1"
    path: str = "/"
    failed: list[str] = field(default_factory=list)
    seen: list[tuple[int, Reply]] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._stop = threading.Event()
        kinds = [(port, keep) for port in self.ports for keep in (True, False)]
        self._threads = [threading.Thread(target=self._run, args=kind) for kind in kinds]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def names(self, port: int) -> set[str]:
        """Every replica that answered well on a port."""
        return {reply.replica for of, reply in list(self.seen) if of == port and reply.status == 200}

    def proves(self, requests: int = 50) -> None:
        """So many more requests on each port were answered, and none failed since the start."""
        before = Counter(port for port, _ in list(self.seen))

        def served() -> bool:
            now = Counter(port for port, _ in list(self.seen))
            return bool(self.failed) or all(now[port] - before[port] >= requests for port in self.ports)

        eventually(served)
        assert not self.failed, f"{len(self.failed)} of {len(self.seen)} failed: {self.failed[:5]}"

    def _run(self, port: int, keep_alive: bool) -> None:
        connection = http.client.HTTPConnection(self.address, port, timeout=10)
        while not self._stop.wait(1 / self.rate):
            try:
                reply = ask(connection, keep_alive, self.path)
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(f"{port} keep_alive={keep_alive}: {error!r}")
                connection.close()
                continue
            self.seen.append((port, reply))
            if reply.status != 200:
                self.failed.append(f"{port} keep_alive={keep_alive}: {reply.status} {reply.body}")
        connection.close()
