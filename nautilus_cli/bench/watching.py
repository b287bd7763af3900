"""Load on engines while something else happens: open loop, through their ports, until it is ended.

Each engine is asked by two generators, each in a process of its own: one on kept connections, one that makes a new
connection for every request. Half of the rate each.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from nautilus_cli import probe
from nautilus_cli.bench.campaign import Generator, Subject
from nautilus_cli.bench.recording import ENDLESS, Live, Open, Profile, Recording, Target
from nautilus_cli.bench.timeline import Timeline, timeline

CONNECTIONS = 32  # of each generator, so that some may hang without the others waiting
TIMEOUT = 10.0  # seconds without an answer after which a request is lost
MOST = 512  # generators
LOOK = 0.05
NOTHING = "no answer"
FRESH = (("Connection", "close"),)


@dataclass(frozen=True, slots=True)
class Asking:
    """One generator at work."""

    told: threading.Event  # it has been running for half a second
    recording: Future[Recording]


class Watching:
    """The engines that are asked, from when on each of them."""

    def __init__(self, rate: float, generator: Generator) -> None:
        self._profile = Profile(Open(rate / 2, CONNECTIONS), ENDLESS, 0.0, 0.0, TIMEOUT)
        self._generator = generator
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=MOST)
        self._asking: dict[str, list[Asking]] = {}

    @property
    def engines(self) -> tuple[str, ...]:
        """Those that are asked."""
        return tuple(self._asking)

    def ask(self, subject: Subject) -> None:
        """Begin to; nothing where it has begun."""
        if subject.name not in self._asking:
            kept, request = subject.target, subject.target.request
            fresh = replace(kept, request=replace(request, headers=(*request.headers, *FRESH)))
            self._asking[subject.name] = [self._start(target) for target in (kept, fresh)]

    def _start(self, target: Target) -> Asking:
        told = threading.Event()

        def note(_: Live) -> None:
            told.set()

        return Asking(told, self._pool.submit(self._generator, target, self._profile, note, self._stop.is_set))

    def await_answers(self) -> None:
        """Until every generator has been running for half a second; raises what keeps one from it."""
        for asking in [each for pair in self._asking.values() for each in pair]:
            while not asking.told.wait(LOOK):
                if asking.recording.done():
                    asking.recording.result()
                    break

    def end(self) -> Mapping[str, Timeline]:
        """What became of every request, also of those that were under way; nothing is asked any more."""
        self._stop.set()
        return {name: timeline([asking.recording.result() for asking in pair]) for name, pair in self._asking.items()}

    def close(self) -> None:
        """No generator is left."""
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)


@contextmanager
def watching(rate: float, generator: Generator) -> Iterator[Watching]:
    """Ask engines while the block runs, each at this many requests per second."""
    found = Watching(rate, generator)
    try:
        yield found
    finally:
        found.close()


def health(target: Target, path: str) -> str:
    """What an engine says at a path: `bus` of its JSON object where it has one, else the status, or NOTHING."""
    try:
        status, body = probe.get(target.host, target.port, path, TIMEOUT)
    except OSError:
        return NOTHING
    with suppress(ValueError):
        said = json.loads(body)
        if isinstance(said, dict) and isinstance(said.get("bus"), str):
            return str(said["bus"])
    return str(status)
