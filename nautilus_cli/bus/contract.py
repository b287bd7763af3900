"""How messages stand in Redis, as docs/bus.md says: topics, patterns, streams and fields."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from nautilus_cli.errors import ConfigError

STREAMS = "nautilus:bus:"
DEAD_LETTERS = "nautilus:dead-letters"
RETAINED = 50_000
WORD = r"[A-Za-z0-9_@:=-]+"
FAMILY = r"[a-z][a-z0-9_-]*"
TOPIC = re.compile(rf"{FAMILY}(\.{WORD})+")
PATTERN = re.compile(rf"{FAMILY}(\.({WORD}|\*))*\.({WORD}|\*\*?)")


@dataclass(frozen=True, slots=True)
class Group:
    """The replicas of one engine, as readers of one stream."""

    name: str
    consumers: int
    lag: int | None  # messages that it was not given yet; None where the server cannot tell
    pending: int  # given, and not acknowledged


@dataclass(frozen=True, slots=True)
class Stream:
    """The messages of one family of topics."""

    name: str
    length: int
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that `nautilus bus` shows."""

    streams: tuple[Stream, ...]
    dead_letters: int


@dataclass(frozen=True, slots=True)
class Message:
    """One message, as it stands in its stream."""

    entry: str  # of the stream: 'milliseconds-number'
    topic: str
    id: str
    payload: Any


def checked_topic(topic: str) -> str:
    """The topic itself, or `ConfigError`."""
    if not TOPIC.fullmatch(topic):
        raise ConfigError(f"{topic!r} is no topic", "write words joined by dots: trading.positions.portfolio_001")
    return topic


def checked_pattern(text: str) -> re.Pattern[str]:
    """What a topic must be: `*` is one word, `**` at the end one or more; `ConfigError` for what is no pattern."""
    if not PATTERN.fullmatch(text):
        raise ConfigError(f"{text!r} is no topic and no pattern", "write risk.breaches.*, or 'risk.**' for the family")
    words = {"*": r"[^.]+", "**": r".+"}
    return re.compile(r"\.".join(words.get(part) or re.escape(part) for part in text.split(".")))


def stream_of(topic: str) -> str:
    """The stream of a topic or a pattern."""
    return STREAMS + topic.partition(".")[0]


def checked_payload(text: str) -> bytes:
    """JSON without what only makes it long, or `ConfigError` that says where it ends to be JSON."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        raise ConfigError(
            f"the payload is not JSON: {error}", """write '{"symbol": "KO", "close": 60.1}', in quotes"""
        ) from None
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def message_of(entry: str, fields: dict[str, str]) -> Message:
    """A message as it was read; what somebody else has written has no topic."""
    text = fields.get("d", "")
    try:
        payload = json.loads(text)
    except ValueError:
        payload = text
    return Message(entry, fields.get("t", ""), fields.get("i", ""), payload)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
