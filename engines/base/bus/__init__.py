"""The message bus: Redis Streams behind a buffer, and the state that all replicas share. docs/bus.md explains both."""

from engines.base.bus.client import BufferedMessageBusClient
from engines.base.bus.interface import STATES, Bus, BusState, NoBus
from engines.base.bus.messages import Effect, Message, Publish, Put
from engines.base.bus.options import BusOptions
from engines.base.bus.topics import DEAD_LETTERS, Priority, TopicError, word

__all__ = [
    "DEAD_LETTERS",
    "STATES",
    "BufferedMessageBusClient",
    "Bus",
    "BusOptions",
    "BusState",
    "Effect",
    "Message",
    "NoBus",
    "Priority",
    "Publish",
    "Put",
    "TopicError",
    "word",
]
