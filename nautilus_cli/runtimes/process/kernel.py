"""What the kernel tells of processes: whether one is still the same, which bear a mark, what they use."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
DEAD = ("Z", "X")
STATE, SESSION, USER_TIME, SYSTEM_TIME, START, PAGES = 0, 3, 11, 12, 19, 21  # fields of stat, after the name
POLL = 0.01


@dataclass(frozen=True, slots=True)
class Process:
    """One process for good: a number is given to others later, a number with its start time is not."""

    pid: int
    start: int  # clock ticks after the boot

    @property
    def alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        found = stat(self.pid)
        return found is not None and found[STATE] not in DEAD and int(found[START]) == self.start

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def gone(self, seconds: float) -> bool:
        """Wait so long for its end."""
        end = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() > end:
                return False
            time.sleep(POLL)
        return True


def stat(pid: int) -> list[str] | None:
    """The fields of a process after its name, which may hold anything; None where there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def process(pid: int) -> Process:
    """A process that runs now; `ProcessLookupError` where it does not."""
    found = stat(pid)
    if found is None:
        raise ProcessLookupError(pid)
    return Process(pid, int(found[START]))


def members(mark: str, leader: Process | None) -> Iterator[Process]:
    """Every live process that was started with this `KEY=value` in its environment, or in the session of this leader.

    One alone is not enough: servers write their titles over their environment, and daemons leave their session.
    """
    wanted = mark.encode()
    own = leader and (leader.alive or stat(leader.pid) is None)  # a stranger that got its number has its own session
    for folder in PROC.iterdir():
        found = stat(int(folder.name)) if folder.name.isdecimal() else None
        if found is None or found[STATE] in DEAD:
            continue
        pid = int(folder.name)
        inside = own and leader and int(found[SESSION]) == leader.pid != pid
        if inside or wanted in variables(folder):
            yield Process(pid, int(found[START]))


def variables(folder: Path) -> list[bytes]:
    """The environment that a process was started with; nothing where that is another user's."""
    try:
        return (folder / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def sweep(mark: str, leader: Process | None) -> None:
    """Nothing of these runs afterwards, also what has left its group or its parent."""
    while found := list(members(mark, leader)):
        for each in found:
            each.signal(signal.SIGKILL)
        for each in found:
            each.gone(1.0)


def used(mark: str, leader: Process | None) -> tuple[float, int]:
    """CPU seconds and bytes of memory of all of these."""
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    found = [fields for each in members(mark, leader) if (fields := stat(each.pid))]
    cpu = sum(int(fields[USER_TIME]) + int(fields[SYSTEM_TIME]) for fields in found) / tick
    return cpu, sum(int(fields[PAGES]) for fields in found) * page
