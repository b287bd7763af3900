"""Where a replica is in its life, and the answer of /health."""

import time
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from engines.base.bus import Bus, BusState, NoBus
from engines.base.settings import Settings


class Phase(StrEnum):
    """A replica starts, serves and drains, in this order."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


@dataclass
class Lifecycle:
    """The one mutable record of a replica's phase and of the errors that it answered with 500."""

    bus: Bus = field(default_factory=NoBus)
    phase: Phase = Phase.STARTING
    errors: int = 0
    born: float = field(default_factory=time.monotonic)


class Health(msgspec.Struct, frozen=True):
    """The body of /health."""

    status: Phase
    engine: str
    replica: str
    version: str
    uptime_seconds: float
    bus: BusState
    errors: int

    @classmethod
    def of(cls, settings: Settings, lifecycle: Lifecycle) -> "Health":
        return cls(
            status=lifecycle.phase,
            engine=settings.engine,
            replica=settings.replica,
            version=settings.version,
            uptime_seconds=round(time.monotonic() - lifecycle.born, 3),
            bus=lifecycle.bus.state,
            errors=lifecycle.errors,
        )
