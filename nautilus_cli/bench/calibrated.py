"""Servers whose latency is known, each in a process of its own: what a load generator is tested against.

null    answers at once: how fast the generator itself is
stall   is dead for the first STALL seconds of each PERIOD: what that does to the latency can be calculated
known   takes a time drawn from a distribution, and notes how long it really took: from the moment at which the
        kernel had the request to the moment before the answer is sent. The generator's figures must have that shape.
"""

from __future__ import annotations

import random
import select
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from struct import Struct
from typing import Literal

from nautilus_cli.bench.connection import ANCILLARY, SIZE, SO_TIMESTAMPNS

Kind = Literal["null", "stall", "known"]
Hold = Callable[[int], None]  # waits for as long as an answer shall take; takes when the request came, in wall time

STALL, PERIOD = 0.2, 2.0
MEDIAN, SIGMA = 250e-6, 0.5  # of the lognormal distribution
TIMESPEC = Struct("@ll")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Nautilus-Replica: calibrated\r\n\r\nok"


class Calibrated:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self.port = port

    def took(self) -> array[int]:
        """Ends it; of each request of `known`, when it came (wall time) and how long it took, both in nanoseconds."""
        told, _ = self._process.communicate()  # which closes its input: that ends it
        return array("q", told)


@contextmanager
def serving(kind: Kind) -> Iterator[Calibrated]:
    """Such a server of one's own."""
    words = [sys.executable, "-m", __spec__.name if __name__ == "__main__" else __name__, kind]
    # Not in the terminal's group: Ctrl-C ends a run, whose server then ends with it.
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdin
    assert process.stdout
    try:
        yield Calibrated(process, int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


def stalling() -> Hold:
    """Until the stall is over, where there is one."""
    start = time.monotonic()

    def hold(_came: int) -> None:
        phase = (time.monotonic() - start) % PERIOD
        if phase < STALL:
            time.sleep(STALL - phase)

    return hold


def lognormal(took: array[int]) -> Hold:
    """For a time that is drawn, and noted as it came out."""
    draw = random.Random(0)

    def hold(came: int) -> None:
        due = came + round(draw.lognormvariate(0, SIGMA) * MEDIAN * 1e9)
        while time.time_ns() < due:
            pass  # a sleep would be longer than asked for
        took.extend((came, time.time_ns() - came))

    return hold


def serve(listener: socket.socket, hold: Hold) -> None:
    """Answer every request, one at a time, until the standard input ends."""
    poll = select.epoll()
    clients: dict[int, socket.socket] = {}
    for watched in (listener.fileno(), sys.stdin.fileno()):
        poll.register(watched, select.EPOLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if client := clients.get(descriptor):
                if not answer(client, hold):
                    clients.pop(descriptor).close()
            elif descriptor == listener.fileno():
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
                clients[client.fileno()] = client
                poll.register(client, select.EPOLLIN)
            else:
                return


def answer(client: socket.socket, hold: Hold) -> bool:
    """Answer what has come; whether the client is still there. Requests are small and have no body."""
    with suppress(ConnectionError):
        data, ancillary, _, _ = client.recvmsg(SIZE, ANCILLARY)
        for _ in range(data.count(b"\r\n\r\n")):
            hold(stamp(ancillary))
            client.send(ANSWER)
        return bool(data)
    return False


def stamp(ancillary: list[tuple[int, int, bytes]]) -> int:
    """When the request came: nanoseconds of the wall clock, of the kernel's where it tells."""
    if not ancillary:
        return time.time_ns()
    seconds, nanoseconds = TIMESPEC.unpack(ancillary[0][2])
    return int(seconds * 1_000_000_000 + nanoseconds)


def main(kind: str) -> None:
    """Serve; the port goes to the standard output first, what `known` noted at the end."""
    took: array[int] = array("q")
    holds: dict[str, Hold] = {"null": lambda _came: None, "stall": stalling(), "known": lognormal(took)}
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        serve(listener, holds[kind])
    sys.stdout.buffer.write(took.tobytes())


if __name__ == "__main__":
    main(sys.argv[1])
