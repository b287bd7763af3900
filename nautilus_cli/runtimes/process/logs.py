"""What the processes of a fleet wrote and write, in the order of time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from nautilus_cli.runtimes.base import Line, Span
from nautilus_cli.runtimes.lines import Window, nanoseconds
from nautilus_cli.runtimes.process.home import Home
from nautilus_cli.runtimes.process.logfile import LogReader
from nautilus_cli.runtimes.process.record import LOG, read_spec

PAUSE = 0.1  # seconds between two looks
WINDOW = 0.2  # seconds that a line may wait for an older one of another replica


@dataclass
class Source:
    """One replica's log."""

    subject: str
    reader: LogReader
    last: int = field(default=0)

    def lines(self) -> Iterator[Line]:
        """What was not read yet."""
        for stamp, text in self.reader.lines():
            self.last = max(self.last, nanoseconds(stamp))
            yield Line(self.subject, stamp, self.last, text)


def logs(home: Home, names: Collection[str], span: Span) -> Iterator[Line]:
    """The lines of these engines and of the gateway, if it is named; with `follow` until nothing is left."""
    sources: dict[Path, Source] = {}
    first = [line for source in fresh(home, names, sources) for line in tailed(source, span)]
    yield from sorted(first, key=lambda line: line.at)
    window = Window(WINDOW)
    while span.follow and (home.specs() or home.gateway.exists()):
        fresh(home, names, sources)
        now = monotonic()
        for source in sources.values():
            for line in source.lines():
                window.push(line, now)
        yield from window.ready(now)
        sleep(PAUSE)
    yield from window.rest()


def fresh(home: Home, names: Collection[str], sources: dict[Path, Source]) -> list[Source]:
    """The logs that nobody has read from yet."""
    folders = {home.replicas / spec.name: spec.subject for spec in home.specs() if spec.engine in names}
    if "gateway" in names and read_spec(home.gateway):
        folders[home.gateway] = "gateway"
    new = {folder: Source(subject, LogReader(folder / LOG)) for folder, subject in folders.items()}
    new = {folder: source for folder, source in new.items() if folder not in sources}
    sources.update(new)
    return list(new.values())


def tailed(source: Source, span: Span) -> list[Line]:
    """The part of a log that is wanted."""
    lines = [line for line in source.lines() if line.at >= span.since * 1e9]
    return lines if span.tail is None else lines[len(lines) - min(span.tail, len(lines)) :]
