"""The seam to the message bus."""

from typing import Literal, Protocol

BusState = Literal["connected", "connecting", "degraded", "off"]


class Bus(Protocol):
    """What an engine asks of a message bus: its state, which never decides the engine's health."""

    @property
    def state(self) -> BusState: ...


class NoBus:
    """The bus of an engine that was started without one."""

    state: BusState = "off"
