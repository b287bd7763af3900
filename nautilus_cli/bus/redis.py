"""Redis through its own redis-cli, inside its container: nothing is published, and the password stays there."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
from nautilus_cli.errors import NautilusError
from nautilus_cli.fleet import Service
from nautilus_cli.runtimes.base import Attached, Runtime
from nautilus_cli.snapshot import Replica

LUA = Path(__file__).parent
PLAIN = set(range(32, 127)) - set(b'"\\')


def command(service: Service) -> list[str]:
    """redis-cli that reads commands from its input, after the password from its file."""
    said = f"printf 'AUTH '; cat /run/secrets/{service.name}/password; printf '\\n'; cat"
    return ["sh", "-c", f"{{ {said}; }} | redis-cli -p {service.port or 6379}"]


def line_of(words: Sequence[str | bytes]) -> bytes:
    """One command, as redis-cli reads it."""
    return b" ".join(_quoted(word.encode() if isinstance(word, str) else word) for word in words) + b"\n"


def _quoted(word: bytes) -> bytes:
    return b'"' + b"".join(b"%c" % byte if byte in PLAIN else b"\\x%02x" % byte for byte in word) + b'"'


class Redis:
    """One running redis-cli; each question is one line, and so is each answer."""

    def __init__(self, attached: Attached) -> None:
        self._attached = attached
        self._output = attached.output()
        self._rest = b""
        self._expect(self._line(), "OK")

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

    def _ask(self, *words: str | bytes) -> str:
        self._attached.send(line_of(words))
        return self._line()

    def _line(self) -> str:
        while b"\n" not in self._rest:
            found = next(self._output, None)
            if found is None:
                text = self._rest.decode(errors="replace").strip()
                raise NautilusError(
                    f"redis-cli has ended: {text or 'it said nothing'}", "`nautilus logs redis` may say why"
                )
            self._rest += found[1]
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace")

    def _expect(self, line: str, wanted: str) -> None:
        if line != wanted:
            raise NautilusError(f"Redis refuses: {line}", "`nautilus status` shows whether it is ready")


def _stream(found: dict[str, Any]) -> Stream:
    groups = found.get("groups") or ()
    return Stream(found["name"].removeprefix(STREAMS), found["length"], tuple(_group(group) for group in groups))


def _group(found: dict[str, Any]) -> Group:
    lag = found.get("lag")
    return Group(found["name"], found["consumers"], lag if type(lag) is int else None, found["pending"])


@contextmanager
def talking(runtime: Runtime, replica: Replica, service: Service) -> Iterator[Redis]:
    """A conversation with the Redis of a fleet."""
    with runtime.attach(replica, command(service), tty=False) as attached:
        yield Redis(attached)
        attached.end_input()
