"""What containers wrote and write, as lines in the order of time: nothing is lost, nothing told twice."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from docker.api.client import APIClient

from nautilus_cli.errors import RuntimeUnavailable
from nautilus_cli.events import Emit, Event, Phase
from nautilus_cli.runtimes import labels
from nautilus_cli.runtimes.base import Line, Span
from nautilus_cli.runtimes.lines import Joiner, Piece, Seen, Window
from nautilus_cli.runtimes.live import Live, documents, frames, subject, watch

WINDOW = 0.2  # seconds that a line may wait for an older one of another replica
PATIENCE = 2.0  # seconds that a reader may need to see that it was hung up on


class Source:
    """The log of one container; reading goes on where it ended."""

    def __init__(self, api: APIClient, container: str, subject: str, since: float, follow: bool, emit: Emit) -> None:
        self._api, self._container, self._follow, self._emit = api, container, follow, emit
        self._subject = subject
        self._since = round(since * 1e9)
        self._seen = Seen()
        self._joiner = Joiner(subject)
        self._open: Live | None = None
        self._warned = False
        self.starts = 0  # how often it was started while it was followed
        self.reading = False

    def history(self, tail: int | None) -> Iterator[Line]:
        """Its lines until now, the last of them if asked; what is not complete yet stays for `more` or `rest`."""
        return self._joined(self._remembered(self._pieces(tail="all"))) if tail is None else iter(self._last(tail))

    def more(self) -> Iterator[Line]:
        """What comes after that, until the container stops."""
        return self._joined(self._remembered(self._new(self._pieces("all", self._seen.since, follow=True))))

    def rest(self) -> Iterator[Line]:
        """A last line without an end."""
        return self._joiner.rest()

    def hang_up(self) -> None:
        """End a reading of another thread."""
        if self._open:
            self._open.close()

    def _last(self, count: int) -> list[Line]:
        """Docker counts the pieces of a long line: ask for more until the lines suffice or all have come."""
        asked = count + 1
        while True:
            pieces = list(self._pieces(tail=str(asked)))
            joiner = Joiner(self._subject)
            lines = [line for piece in pieces if (line := joiner.feed(piece))]
            if len(lines) > count or len(pieces) < asked:
                break
            asked *= 4
        for piece in pieces[:1]:
            self._seen.begin(piece)
        self._joiner, _ = joiner, list(self._remembered(pieces))
        return lines[len(lines) - min(count, len(lines)) :]

    def _new(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        known = self._seen.recent()
        for piece in pieces:
            if known[piece]:
                known[piece] -= 1
            else:
                yield piece

    def _remembered(self, pieces: Iterable[Piece]) -> Iterable[Piece]:
        return map(self._seen.add, pieces) if self._follow else pieces

    def _joined(self, pieces: Iterable[Piece]) -> Iterator[Line]:
        return filter(None, map(self._joiner.feed, pieces))

    def _pieces(self, tail: str, since: int = 0, follow: bool = False) -> Iterator[Piece]:
        since = max(since, self._since)
        moment = {"since": f"{since // 10**9}.{since % 10**9:09d}"} if since else {}
        asked = {"stdout": 1, "stderr": 1, "timestamps": 1, "follow": int(follow), "tail": tail, **moment}
        self._open = Live(self._api, f"/containers/{self._container}/logs", asked)
        if self._open.status != 200:
            self._refused(self._open)
            return
        for output, data in frames(self._open.chunks()):
            stamp, _, text = data.partition(b" ")
            yield Piece(output, stamp.decode(errors="replace"), text)

    def _refused(self, answer: Live) -> None:
        """A container that is gone has nothing to say; one without a log is told once."""
        refusal = answer.refusal
        if answer.status not in (404, 409) and not self._warned:
            self._warned = True
            self._emit(Event(self._subject, "logs", Phase.WARNING, f"Docker shows no log of it: {refusal}"))


class Logs:
    """The logs of some engines of a fleet, of containers that are there and that come."""

    def __init__(self, api: APIClient, fleet: str, names: Collection[str], span: Span, emit: Emit) -> None:
        self._api, self._fleet, self._names, self._span, self._emit = api, fleet, names, span, emit
        self._sources: dict[str, Source] = {}
        self._readers: list[threading.Thread] = []
        self._news: SimpleQueue[Line | RuntimeUnavailable | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._ending = False

    def lines(self) -> Iterator[Line]:
        """Each line once. Following ends when Docker has no container of the fleet any more."""
        if self._span.follow:
            with self._watching() as events:
                yield from self._past()
                yield from self._coming(events)
        else:
            yield from self._past()

    def _past(self) -> Iterator[Line]:
        for container in self._containers():
            self._know(container["Id"], container["Labels"], self._span.since)
        yield from heapq.merge(*map(self._past_of, list(self._sources.values())), key=lambda line: line.at)

    def _past_of(self, source: Source) -> Iterator[Line]:
        yield from source.history(self._span.tail)
        if not self._span.follow:
            yield from source.rest()

    def _coming(self, events: Live) -> Iterator[Line]:
        if not self._containers():
            return
        for source in list(self._sources.values()):
            self._follow(source)
        self._begin(self._listen, events)
        window = Window(WINDOW)
        while (item := self._next(window)) is not None:
            if isinstance(item, Line):
                window.push(item, monotonic())
            yield from window.ready(monotonic())
        yield from window.rest()

    def _next(self, window: Window) -> Line | str | None:
        """The next line, or a sign that the window may be due; None at the end."""
        due = window.due()
        try:
            item = self._news.get(timeout=None if due is None else max(0.0, due - monotonic()))
        except Empty:
            return "due"
        if isinstance(item, RuntimeUnavailable):
            raise item
        return item

    # other threads

    def _listen(self, events: Live) -> None:
        """Follow what is started, and see the end of the fleet."""
        try:
            for event in documents(events.chunks()):
                marks, container = event["Actor"]["Attributes"], event["Actor"]["ID"]
                if event["Action"] == "start" and self._know(container, marks, 0):
                    self._follow(self._sources[container], started=True)
                elif event["Action"] == "destroy" and not self._containers():
                    self._end()
                    return
            raise RuntimeUnavailable("Docker ended its events", "was the daemon stopped? `docker info` tells")
        except RuntimeUnavailable as lost:
            self._news.put(lost)

    def _end(self) -> None:
        """Everything that was written stands in the queue before the end does."""
        for reader in self._readers:
            if reader is not threading.current_thread():
                reader.join()
        self._news.put(None)

    def _follow(self, source: Source, started: bool = False) -> None:
        with self._lock:
            source.starts += started
            if source.reading or self._ending:
                return
            source.reading = True
        self._begin(self._read, source)

    def _begin(self, work: Any, *what: object) -> None:
        thread = threading.Thread(target=work, args=what, daemon=True)
        self._readers.append(thread)
        thread.start()

    def _read(self, source: Source) -> None:
        """Read until the container has stopped, everything has come, and it was not started again meanwhile."""
        while True:
            starts, told = source.starts, False
            with suppress(RuntimeUnavailable):  # the events, which break too, tell it
                for line in source.more():
                    self._news.put(line)
                    told = True
            with self._lock:
                if self._ending or (not told and starts == source.starts):
                    for line in source.rest():
                        self._news.put(line)
                    source.reading = False
                    return

    # Docker

    def _containers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._api.containers(all=True, filters={"label": f"{labels.FLEET}={self._fleet}"})
        return found

    def _know(self, container: str, marks: dict[str, str], since: float) -> bool:
        """Whether the log of this container is wanted."""
        if marks.get(labels.ENGINE) not in self._names:
            return False
        with self._lock:
            if container not in self._sources:
                self._sources[container] = Source(
                    self._api, container, subject(marks), since, self._span.follow, self._emit
                )
        return True

    @contextmanager
    def _watching(self) -> Iterator[Live]:
        """The events from before the first look on; at the end every reader is gone."""
        events = watch(self._api, self._fleet, kinds=("start", "destroy"))
        try:
            yield events
        finally:
            with self._lock:
                self._ending = True
            events.close()
            for source in self._sources.values():
                source.hang_up()
            for reader in self._readers:
                reader.join(PATIENCE)
