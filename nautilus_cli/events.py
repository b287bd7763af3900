"""What happens while reality changes, told to whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where a piece of work stands."""

    STARTED = "started"
    PROGRESS = "progress"
    DONE = "done"
    FAILED = "failed"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that began, went on, ended or failed."""

    subject: str  # 'analytics/2' for a replica, 'analytics' for an engine, 'gateway', 'network'
    verb: str  # 'build', 'start', 'route', 'drain', 'stop', ...
    phase: Phase
    text: str = ""
    seconds: float = 0.0


Emit = Callable[[Event], None]


def silent(event: Event) -> None:
    """Nobody watches."""
