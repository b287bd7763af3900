"""A load run in a process of its own: for callers that draw on a terminal meanwhile.

To draw takes milliseconds in which a generator of the same process sends and receives nothing: twice a second, that is
the p99 that it reports. It costs 0.2 s to start.
"""

from __future__ import annotations

import contextlib
import fcntl
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from select import select
from typing import Any

from nautilus_cli.bench import load
from nautilus_cli.bench.recording import Live, OnLive, Profile, Recording, Target
from nautilus_cli.errors import NautilusError

ROOM = 1 << 20  # bytes that the child can tell without waiting for this process
LOOK = 0.1  # seconds between two questions whether to stop


def run(
    target: Target, profile: Profile, on_live: OnLive | None = None, stop: Callable[[], bool] | None = None
) -> Recording:
    """The same as `load.run`."""
    # Not in the terminal's group: Ctrl-C comes to this process, which asks the child to stop and has its recording.
    words = [sys.executable, "-m", __name__]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdin
        try:
            pickle.dump((target, profile, on_live is not None), child.stdin)
            child.stdin.flush()
            told = listen(child)
            try:
                return follow(told, on_live, stop or (lambda: False))
            except (KeyboardInterrupt, Stopped):
                child.stdin.close()  # the child stops, and tells what it has
                return follow(told, None, lambda: False)
        except BaseException:
            child.kill()
            raise


class Stopped(Exception):
    """The caller wants no more."""


def listen(child: subprocess.Popen[bytes]) -> queue.Queue[Any]:
    """What the child tells, read by a thread: an interrupt in the middle of a message would lose the place."""
    told: queue.Queue[Any] = queue.Queue()

    def read() -> None:
        assert child.stdout
        with contextlib.suppress(EOFError, pickle.UnpicklingError, OSError, ValueError):
            while True:
                told.put(pickle.load(child.stdout))
        told.put(NautilusError("the load generator's process ended without a result", "Was it killed? Run it again."))

    threading.Thread(target=read, daemon=True).start()
    return told


def follow(told: queue.Queue[Any], on_live: OnLive | None, stop: Callable[[], bool]) -> Recording:
    """The recording, when it is there; `Stopped` if the caller asks for it before."""
    while True:
        if stop():
            raise Stopped
        with contextlib.suppress(queue.Empty):
            message = told.get(timeout=LOOK)
            if isinstance(message, Live) and on_live:
                on_live(message)
            elif isinstance(message, Recording):
                return message
            elif isinstance(message, NautilusError):
                raise message


def main() -> None:
    """The child: what is asked comes by the standard input, what is found goes to the standard output."""
    given, out = sys.stdin.buffer, sys.stdout.buffer
    fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, ROOM)
    target, profile, shown = pickle.load(given)

    def tell(message: object) -> None:
        pickle.dump(message, out)
        out.flush()

    with contextlib.suppress(BrokenPipeError):  # the caller was killed
        try:
            tell(load.run(target, profile, tell if shown else None, lambda: bool(select([given], [], [], 0)[0])))
        except NautilusError as error:
            tell(error)


if __name__ == "__main__":
    main()
