"""What travels on the bus, and what a handler may ask to happen because of it."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from engines.base.bus.topics import check_topic, stream

FIELDS = [b"i", b"t", b"a", b"d"]  # of an entry, as they are written


class Outgoing(NamedTuple):
    """One message as it is written: the stream of its family, then the values of its fields."""

    stream: bytes
    id: bytes
    topic: bytes
    at: bytes
    payload: bytes


class Malformed(ValueError):
    """An entry of a stream that this bus has not written."""


class Message(msgspec.Struct, frozen=True, gc=False):
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
        try:
            id_, topic, at, payload = fields[1::2] if fields[::2] == FIELDS else _in_order(fields)
            return cls(id_.decode(), topic.decode(), int(at), payload)
        except (KeyError, ValueError) as error:
            raise Malformed(f"not a message of this bus: {error!r}") from None


def _in_order(fields: list[bytes]) -> list[bytes]:
    found = dict(zip(fields[::2], fields[1::2], strict=True))
    return [found[name] for name in FIELDS]


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
