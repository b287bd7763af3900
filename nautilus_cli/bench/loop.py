"""The loops that load a target: one epoll, one thread, non-blocking sockets; each request leaves a record on a tape.

What follows an answer comes in this order: read it, look at the clock, send the next request, and only then write down
what has been: the bookkeeping then takes place while the target works.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections import deque
from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, epoll, select
from time import perf_counter_ns as clock
from time import time_ns as wall_clock

from nautilus_cli.bench.connection import ANCILLARY, SIZE, Address, Connection
from nautilus_cli.bench.http1 import Answer, Malformed, render
from nautilus_cli.bench.recording import Failure, Open, Target
from nautilus_cli.bench.schedule import due_times
from nautilus_cli.bench.tape import NEVER, Tape

# `select` sleeps to the microsecond (the timeouts of epoll are milliseconds), but a sleeper wakes up to 100 us late.
# So sleep until that long before a request is due, then poll.
WAKE_UP = 100_000
STALE = 3_000_000_000  # servers close connections that were idle for 5 s: one that is about to is not used any more
NO_CONNECTION = {Failure.REFUSED, Failure.RESET, Failure.CLOSED}


class Numbers(dict[bytes, int]):
    """Names, numbered as they are first asked for; 0 is the empty one."""

    def __init__(self) -> None:
        super().__init__({b"": 0})

    def __missing__(self, name: bytes) -> int:
        return self.setdefault(name, len(self))


class Loop(ABC):
    """Connections to one target, and what happens on them; what is sent when is the affair of the two kinds of load."""

    def __init__(self, target: Target, address: Address, connections: int, timeout: int) -> None:
        self.tape = Tape()
        self.replicas = Numbers()
        self.received = self.connects = self.polled = 0  # bytes; connections; ns spent polling for a due time
        self.sending = True
        self.lost_since = 0  # when the target was last there, if nothing but failures to connect came since
        self._request = render(target)
        self._bodiless = target.request.method == "HEAD"
        self._address = address
        self._timeout = timeout
        self._epoll = epoll()  # before any socket: `select` takes low descriptors only
        self._pool = [Connection() for _ in range(connections)]
        self._by_descriptor: dict[int, Connection] = {}
        self._broken: list[Connection] = []  # to be used again in the next turn
        self._resting: list[Connection] = []  # to be used again after a pause
        self._answers_seen = 0
        self._failures = 0

    @abstractmethod
    def turn(self, until: int) -> None:
        """Send and receive until this moment."""

    @abstractmethod
    def _free(self, connection: Connection, now: int) -> None:
        """A connection has no request under way any more."""

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return any(connection.busy for connection in self._pool)

    def open(self) -> None:
        """Begin to connect the whole pool."""
        for connection in self._pool:
            self._open(connection)

    def close(self) -> None:
        """Close everything; what is under way is forgotten."""
        for connection in self._pool:
            connection.close()
        self._epoll.close()

    def look_after(self, now: int) -> None:
        """What is not worth a look at every request: those that take too long, those to connect again."""
        for connection in self._pool:
            if connection.busy and now - connection.due > self._timeout:
                self._fail(connection, Failure.TIMEOUT)
        self._broken += self._resting
        self._resting = []
        answers = len(self.tape) - self._failures
        if answers > self._answers_seen:
            self._answers_seen, self.lost_since = answers, 0

    def _begin(self, connection: Connection, due: int, now: int, waited: bool) -> None:
        """Send a request, after connecting if need be; what that takes is part of its latency."""
        connection.busy, connection.due, connection.sent, connection.waited = True, due, now, waited
        if connection.sock and now - connection.free_since > STALE:
            self._close(connection)
        connection.sent_wall = wall_clock()
        if connection.sock:
            self._send(connection, self._request)
        else:
            self._open(connection)

    def _mend(self) -> None:
        """Use broken connections again; not at once where they break, as one may break after the other."""
        broken, self._broken = self._broken, []
        for connection in broken:
            self._free(connection, clock())

    def _handle(self, descriptor: int, events: int) -> None:
        connection = self._by_descriptor.get(descriptor)
        if connection is None:
            return  # closed by an earlier event of the same batch
        if events == EPOLLIN:
            self._receive(connection)
        elif connection.connecting:
            self._connected(connection)
        else:
            if events & EPOLLOUT and connection.unsent:
                self._send(connection, connection.unsent)
            if events & (EPOLLIN | EPOLLERR | EPOLLHUP) and connection.sock:
                self._receive(connection)

    def _open(self, connection: Connection) -> None:
        self.connects += 1
        try:
            descriptor = connection.open(self._address, self._bodiless)
        except OSError:
            self._fail(connection, Failure.REFUSED)
            return
        self._by_descriptor[descriptor] = connection
        self._epoll.register(descriptor, EPOLLIN | EPOLLOUT)

    def _connected(self, connection: Connection) -> None:
        assert connection.sock
        if connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._fail(connection, Failure.REFUSED)
            return
        connection.connecting, connection.free_since = False, clock()
        self._epoll.modify(connection.sock, EPOLLIN)
        if connection.busy:
            self._send(connection, self._request)
        else:
            self._free(connection, connection.free_since)

    def _send(self, connection: Connection, data: bytes | memoryview) -> None:
        try:
            count = connection.send(data)
        except BlockingIOError:
            count = 0
        except OSError:
            self._fail(connection, Failure.RESET)
            return
        rest = count < len(data)
        if rest or connection.unsent:  # else, nearly always, all went at once
            connection.unsent = memoryview(data)[count:]
            self._epoll.modify(connection.descriptor, EPOLLIN | EPOLLOUT if rest else EPOLLIN)

    def _receive(self, connection: Connection) -> None:
        try:
            data, ancillary, _, _ = connection.recvmsg(SIZE, ANCILLARY)
        except BlockingIOError:
            return
        except OSError:
            self._fail(connection, Failure.RESET)
            return
        self.received += len(data)
        if not connection.busy:
            self._close(connection)  # the end of an idle connection, or bytes that nobody asked for
            return
        try:
            answer = connection.reader.feed(data) if data else connection.reader.end()
        except Malformed:
            self._fail(connection, Failure.MALFORMED)
            return
        if answer:
            self._answered(connection, answer, ancillary)
        elif not data:
            self._fail(connection, Failure.CLOSED)

    def _answered(self, connection: Connection, answer: Answer, ancillary: list[tuple[int, int, bytes]]) -> None:
        now = clock()
        due, sent, sent_wall, waited = connection.due, connection.sent, connection.sent_wall, connection.waited
        connection.busy, connection.proven, connection.free_since = False, True, now
        if not answer.reusable or connection.unsent:
            self._close(connection)
        self._free(connection, now)
        came = ancillary[0][2] if ancillary else NEVER
        self.tape.answered(due, sent, now, sent_wall, came, answer.status, self.replicas[answer.replica], waited)

    def _fail(self, connection: Connection, failure: Failure) -> None:
        """The request, if there is one, has failed, and the connection is closed."""
        if connection.busy:
            self._note_failure(connection.due, connection.sent, clock(), failure, connection.waited)
        # A target that refuses, or accepts and hangs up, would else be asked as fast as this process can.
        (self._broken if connection.proven else self._resting).append(connection)
        connection.busy = connection.proven = False
        self._close(connection)

    def _note_failure(self, due: int, sent: int, now: int, failure: Failure, waited: bool) -> None:
        self._failures += 1
        self.tape.failed(due, sent, now, failure, waited)
        if failure not in NO_CONNECTION:
            self.lost_since = 0
        elif not self.lost_since:
            self.lost_since = now

    def _close(self, connection: Connection) -> None:
        if connection.sock:
            self._by_descriptor.pop(connection.sock.fileno(), None)
        connection.close()


class ClosedLoop(Loop):
    """Each connection sends as soon as it has its answer."""

    def turn(self, until: int) -> None:
        """Send and receive until this moment."""
        while (left := until - clock()) > 0:
            self._mend()
            for descriptor, events in self._epoll.poll(left / 1e9):
                self._handle(descriptor, events)

    def _free(self, connection: Connection, now: int) -> None:
        if self.sending:
            self._begin(connection, now, now, False)


class OpenLoop(Loop):
    """Requests are sent when they are due, whatever the answers do, by the connection that was idle for longest."""

    def __init__(self, target: Target, address: Address, load: Open, timeout: int) -> None:
        super().__init__(target, address, load.connections, timeout)
        self._idle: deque[Connection] = deque()
        self._backlog: deque[int] = deque()  # due times of requests that found no idle connection
        self._start = clock()
        self._schedule = due_times(load)
        self._next = self._start + next(self._schedule)

    @property
    def busy(self) -> bool:
        """Whether a request is under way, or waits."""
        return bool(self._backlog) or super().busy

    def turn(self, until: int) -> None:
        """Send and receive until this moment."""
        while (now := clock()) < until:
            self._mend()
            if self._next <= now and self.sending:
                self._send_due(now)
            wait = (min(self._next, until) if self.sending else until) - now
            if wait > WAKE_UP:
                select([self._epoll], [], [], (wait - WAKE_UP) / 1e9)
                now = clock()
            events = self._epoll.poll(0)
            if not events:
                self.polled += clock() - now
            for descriptor, event in events:
                self._handle(descriptor, event)

    def look_after(self, now: int) -> None:
        """Those that wait for a connection can take too long too."""
        super().look_after(now)
        while self._backlog and now - self._backlog[0] > self._timeout:
            self._note_failure(self._backlog.popleft(), now, now, Failure.TIMEOUT, True)

    def _free(self, connection: Connection, now: int) -> None:
        if self._backlog:
            self._begin(connection, self._backlog.popleft(), now, True)
        else:
            self._idle.append(connection)
        if self._next <= now and self.sending:
            self._send_due(now)

    def _send_due(self, now: int) -> None:
        while self._next <= now:
            due = self._next
            self._next = self._start + next(self._schedule)
            if self._idle:
                self._begin(self._idle.popleft(), due, clock(), False)
            else:
                self._backlog.append(due)
