"""What travels on the bus, and what a handler may ask to happen because of it."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from engines.base.bus.topics import check_topic, stream


class Outgoing(NamedTuple):
    """One message as it is written: the stream of its family, then the values of its fields."""

    stream: bytes
    id: bytes
    topic: bytes
    at: bytes
    payload: bytes


class Malformed(ValueError):
    """An entry of a stream that this bus has not written."""


class Message(NamedTuple):
    """One message as it is read; `at` is when it was published, in microseconds since the epoch."""

    id: str
    topic: str
    at: int
    payload: bytes

    def read(self, type_: Any) -> Any:
        """The payload as `type_`; raises msgspec.DecodeError."""
        return msgspec.json.decode(self.payload, type=type_)

    @classmethod
    def of(cls, fields: list[bytes]) -> "Message":
        """Read the fields of an entry, in any order; raises Malformed."""
        keys_and_values = iter(fields)
        values = dict(zip(keys_and_values, keys_and_values, strict=True))
        try:
            return cls(values[b"i"].decode(), values[b"t"].decode(), int(values[b"a"]), values[b"d"])
        except (KeyError, ValueError) as error:
            raise Malformed(f"not a message of this bus: {error!r}") from None


@dataclass(frozen=True, slots=True)
class Publish:
    """An effect: publish this, exactly once for the message that was handled."""

    topic: str
    payload: Any

    def outgoing(self, id_: str, at: int) -> Outgoing:
        """The message under an id that follows from its cause; raises TopicError and TypeError."""
        topic = check_topic(self.topic)
        body = msgspec.json.encode(self.payload)
        return Outgoing(stream(topic).encode(), id_.encode(), topic.encode(), b"%d" % at, body)


@dataclass(frozen=True, slots=True)
class Put:
    """An effect: store this document of the replicated state, unless there is a newer one.

    With `expected` the whole message is handled again, on fresh state, where another version is stored by then.
    """

    kind: str
    key: str
    version: int
    document: bytes
    expected: int | None = None


Effect = Publish | Put
