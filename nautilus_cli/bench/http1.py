"""HTTP/1.1 as a client sees it: the bytes of a request, and answers read from bytes that come in any pieces."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias, TypeVar

from nautilus_cli.bench.recording import Target

T = TypeVar("T")
Reading: TypeAlias = Generator[None, None, T]

LIMIT = 1 << 18  # bytes of a head or of a line; more is not an answer but a flood
PREFIX = b"HTTP/1."
NO_BODY = {204, 304}
SWITCHING = 101
UNTIL_CLOSE, CHUNKED = -1, -2  # lengths that the head does not tell

# A bare line feed ends a line too (RFC 9112, 2.2). A pattern that begins with a plain byte is found seven times faster.
END_OF_LINE = re.compile(rb"\n").search
END_OF_HEAD = re.compile(rb"\n\r?\n").search
STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?![^ \r\n])").match
FIELDS = re.compile(
    rb"\n(content-length|transfer-encoding|connection|x-nautilus-replica)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE
).findall
CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,16})[ \t]*(?:;.*)?").fullmatch


class Malformed(Exception):
    """What came is not an HTTP answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the head of an answer says, as far as a load generator asks."""

    status: int
    length: int  # of the body; UNTIL_CLOSE or CHUNKED where the head does not tell
    reusable: bool  # whether the connection can take another request afterwards
    replica: bytes


def render(target: Target) -> bytes:
    """The request's bytes; `Host`, `Content-Length` and `Connection` are added unless given."""
    request = target.request
    given = {name.lower() for name, _ in request.headers}
    host = f"[{target.host}]" if ":" in target.host else target.host
    needs_length = request.body or request.method in {"POST", "PUT", "PATCH"}
    added = {"Host": f"{host}:{target.port}", "Connection": "keep-alive"}
    if needs_length and "transfer-encoding" not in given:
        added["Content-Length"] = str(len(request.body))
    fields = [*((name, value) for name, value in added.items() if name.lower() not in given), *request.headers]
    lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1") + request.body


# Most servers say the same again and again, or for as long as their Date is the same.
@lru_cache(maxsize=256)
def read_head(head: bytes, bodiless: bool) -> Answer:
    """What a head says, its empty line left off; `bodiless` for the answer to HEAD."""
    match = STATUS(head)
    if not match:
        raise Malformed(f"not a status line: {head[:40]!r}")
    status = int(match[2])
    fields = [(name.lower(), value.strip(b" \t")) for name, value in FIELDS(head)]
    length = 0 if bodiless or status < 200 or status in NO_BODY else _length(fields)
    tokens = {token.strip().lower() for name, value in fields if name == b"connection" for token in value.split(b",")}
    stays = b"close" not in tokens and (match[1] == b"1" or b"keep-alive" in tokens)
    replica = next((value for name, value in fields if name == b"x-nautilus-replica"), b"")
    return Answer(status, length, stays and length != UNTIL_CLOSE and status != SWITCHING, replica)


def _length(fields: list[tuple[bytes, bytes]]) -> int:
    """The body's length as RFC 9112, 6.3 has it: the transfer coding decides, then the length, then the end."""
    codings = [value.lower() for name, value in fields if name == b"transfer-encoding"]
    if codings:
        return CHUNKED if codings[-1].split(b",")[-1].strip() == b"chunked" else UNTIL_CLOSE
    lengths = {value for name, value in fields if name == b"content-length"}
    if not lengths:
        return UNTIL_CLOSE
    value = lengths.pop()
    if lengths or not value.isdigit() or len(value) > 18:
        raise Malformed(f"not a length: {value[:40]!r}")
    return int(value)


class Reader:
    """Reads the answers of one connection, one after another; keeps nothing of their bodies."""

    __slots__ = ("_bodiless", "_buffer", "_ends_with_connection", "_last", "_last_answer", "_reading")

    def __init__(self, bodiless: bool = False) -> None:
        self._bodiless = bodiless  # the answers are to HEAD
        self._buffer = b""  # what has come and is not read yet
        self._reading: Reading[Answer] | None = None  # an answer that has begun
        self._ends_with_connection: Answer | None = None
        self._last = b""  # the last answer that came in one piece
        self._last_answer: Answer | None = None

    def feed(self, data: bytes) -> Answer | None:
        """The answer that these bytes complete, if they do; `Malformed` as soon as they cannot be one."""
        if self._reading is None:
            # Nearly every answer comes whole, in one piece; many are those that came before.
            if data == self._last:
                return self._last_answer
            end = END_OF_HEAD(data)
            if end:
                answer = read_head(data[: end.start()], self._bodiless)
                if answer.length == len(data) - end.end() and answer.status >= 200:
                    self._last, self._last_answer = data, answer
                    return answer
            self._reading = self._answer()
        self._buffer += data
        try:
            next(self._reading)
        except StopIteration as done:
            return self._complete(done.value)
        return None

    def end(self) -> Answer | None:
        """The answer that the end of the connection completes, if it does."""
        return self._ends_with_connection

    def _complete(self, answer: Answer) -> Answer:
        """Nobody asked for what may follow an answer; on this connection it would be taken for the next one."""
        surplus, self._buffer, self._reading = self._buffer, b"", None
        return replace(answer, reusable=False) if surplus else answer

    # Each of these yields when it needs more bytes than have come.

    def _answer(self) -> Reading[Answer]:
        answer = yield from self._head()
        while answer.status < 200 and answer.status != SWITCHING:
            answer = yield from self._head()
        if answer.length == CHUNKED:
            yield from self._chunks()
        elif answer.length == UNTIL_CLOSE:
            self._ends_with_connection = answer
            while True:
                self._buffer = b""
                yield
        else:
            yield from self._skip(answer.length)
        return answer

    def _head(self) -> Reading[Answer]:
        while not self._buffer.startswith(PREFIX):
            if not PREFIX.startswith(self._buffer):
                raise Malformed(f"not HTTP: {self._buffer[:40]!r}")
            yield
        return read_head((yield from self._until(END_OF_HEAD)), self._bodiless)

    def _chunks(self) -> Reading[None]:
        while size := int((yield from self._chunk_size()), 16):
            yield from self._skip(size)
            if (yield from self._line()):
                raise Malformed("a chunk is longer than its size")
        while (yield from self._line()):
            pass  # a trailer

    def _chunk_size(self) -> Reading[bytes]:
        line = yield from self._line()
        if match := CHUNK_SIZE(line):
            return match[1]
        raise Malformed(f"not the size of a chunk: {line[:40]!r}")

    def _line(self) -> Reading[bytes]:
        return (yield from self._until(END_OF_LINE)).removesuffix(b"\r")

    def _until(self, end: Callable[[bytes], re.Match[bytes] | None]) -> Reading[bytes]:
        """What comes before an end, which is taken too."""
        while not (match := end(self._buffer)):
            if len(self._buffer) > LIMIT:
                raise Malformed(f"no end of a head or a line within {LIMIT} bytes")
            yield
        taken, self._buffer = self._buffer[: match.start()], self._buffer[match.end() :]
        return taken

    def _skip(self, length: int) -> Reading[None]:
        while length > len(self._buffer):
            length -= len(self._buffer)
            self._buffer = b""
            yield
        self._buffer = self._buffer[length:]
