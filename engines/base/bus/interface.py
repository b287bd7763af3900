"""What the base asks of a message bus, whichever it is."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from engines.base.bus.counters import Counters
from engines.base.bus.subscriptions import Handler
from engines.base.bus.topics import Priority
from engines.base.state import State

BusState = Literal["connected", "connecting", "degraded", "off"]
STATES: tuple[BusState, ...] = ("connected", "connecting", "degraded", "off")


class Bus(Protocol):
    """A bus never decides whether an engine is healthy."""

    counters: Counters
    replicated: State

    @property
    def state(self) -> BusState: ...

    @property
    def buffered(self) -> int: ...

    @property
    def dropped(self) -> Mapping[Priority, int]: ...

    def publish(self, topic: str, payload: Any) -> bool: ...

    def subscribe(self, pattern: str, handler: Handler) -> None: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class NoBus:
    """The bus of an engine that was started without one: what is published goes nowhere."""

    state: BusState = "off"
    buffered = 0

    def __init__(self) -> None:
        self.counters = Counters()
        self.replicated = State()
        self.dropped: dict[Priority, int] = {}

    def publish(self, _topic: str, _payload: Any) -> bool:
        return False

    def subscribe(self, pattern: str, handler: Handler) -> None: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...
