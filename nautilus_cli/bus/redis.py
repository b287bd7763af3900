"""What `nautilus bus` asks Redis, through either wire; the password stays where Redis has it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from nautilus_cli.bus.contract import (
    DEAD_LETTERS,
    RETAINED,
    STREAMS,
    Group,
    Message,
    Overview,
    Stream,
    message_of,
    stream_of,
)
from nautilus_cli.bus.wires import Cli, Port, Wire, command
from nautilus_cli.errors import NautilusError
from nautilus_cli.fleet import Service
from nautilus_cli.runtimes.base import Runtime
from nautilus_cli.snapshot import Replica

LUA = Path(__file__).parent


class Redis:
    """The bus's streams in one Redis."""

    def __init__(self, wire: Wire) -> None:
        self._ask = wire.ask

    def overview(self) -> Overview:
        """Every stream with its groups, and the number of dead letters."""
        found = self._script("overview.lua", STREAMS, DEAD_LETTERS)
        streams = [_stream(stream) for stream in found["streams"]]
        return Overview(tuple(sorted(streams, key=lambda stream: stream.name)), found["dead_letters"])

    def publish(self, topic: str, payload: bytes) -> str:
        """Write one message; the id of its entry."""
        id_, now = f"cli{secrets.token_hex(6)}-1", str(time.time_ns() // 1000)
        limit = ("MAXLEN", "~", str(RETAINED))
        answer = self._ask("XADD", stream_of(topic), *limit, "*", "i", id_, "t", topic, "a", now, "d", payload)
        if not answer.replace("-", "").isdecimal():
            raise NautilusError(f"Redis refuses: {answer}")
        return answer

    def newest(self, streams: Sequence[str]) -> dict[str, str]:
        """The id of the newest entry of each stream."""
        return dict(zip(streams, self._script("newest.lua", *streams), strict=True))

    def after(self, positions: dict[str, str]) -> Iterator[Message]:
        """What came after these entries, in the order of time; the positions move along."""
        found = []
        for stream, (entry, fields) in self._script(
            "after.lua", *(word for pair in positions.items() for word in pair)
        ):
            positions[stream] = entry
            found.append(message_of(entry, dict(zip(fields[::2], fields[1::2], strict=True))))
        return iter(sorted(found, key=lambda message: [int(part) for part in message.entry.split("-")]))

    def _script(self, name: str, *arguments: str) -> Any:
        answer = self._ask("EVAL", (LUA / name).read_text(), "0", *arguments)
        try:
            return json.loads(answer)
        except ValueError:
            raise NautilusError(f"Redis refuses: {answer}") from None


def _stream(found: dict[str, Any]) -> Stream:
    groups = found.get("groups") or ()
    return Stream(found["name"].removeprefix(STREAMS), found["length"], tuple(_group(group) for group in groups))


def _group(found: dict[str, Any]) -> Group:
    lag = found.get("lag")
    return Group(found["name"], found["consumers"], lag if type(lag) is int else None, found["pending"])


@contextmanager
def talking(runtime: Runtime, replica: Replica, service: Service) -> Iterator[Redis]:
    """A conversation with the Redis of a fleet: by its port where that is on this machine, else beside it."""
    if door := runtime.door(service):
        with closing(Port(door)) as port:
            yield Redis(port)
        return
    with runtime.attach(replica, command(service), tty=False) as attached:
        yield Redis(Cli(attached))
        attached.end_input()
