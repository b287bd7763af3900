"""Topics, the priority and the stream of their family, and the patterns that subscriptions are made of; pure."""

import re
from enum import IntEnum
from typing import NamedTuple


class Priority(IntEnum):
    """What goes first, and is dropped last."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3


FAMILIES = {
    "trading": Priority.CRITICAL,
    "risk": Priority.CRITICAL,
    "market": Priority.HIGH,
    "analytics": Priority.HIGH,
    "factors": Priority.NORMAL,
    "ml": Priority.NORMAL,
    "system": Priority.LOW,
}
STREAMS = "nautilus:bus:"  # before the family: the stream that holds its messages
DEAD_LETTERS = "nautilus:dead-letters"
LONGEST = 250
KNOWN = 10_000  # topics whose route is remembered
_WORD = r"[A-Za-z0-9_@:=-]+"
_TOPIC = re.compile(rf"[a-z][a-z0-9_-]*(?:\.{_WORD})+")
_PATTERN = re.compile(rf"[a-z][a-z0-9_-]*(?:\.(?:{_WORD}|\*))*\.(?:{_WORD}|\*\*?)")
_OTHER = re.compile(r"[^A-Za-z0-9_@:=-]")


class TopicError(ValueError):
    """A topic or a pattern that is none."""


class Route(NamedTuple):
    """Where the messages of a topic go."""

    priority: Priority
    stream: str
    topic: str


class Routes(dict[str, Route]):
    """The route of each topic, from one look where it is known; raises TopicError for what is no topic."""

    def __missing__(self, topic: str) -> Route:
        route = Route(priority(check_topic(topic)), stream(topic), topic)
        if len(self) < KNOWN:
            self[topic] = route
        return route


def check_topic(topic: str) -> str:
    """The topic itself: words joined by dots, the first one its family; raises TopicError."""
    if len(topic) > LONGEST or not _TOPIC.fullmatch(topic):
        raise TopicError(f"{topic!r} is no topic: write words joined by dots, as trading.positions.portfolio_001")
    return topic


def word(text: str) -> str:
    """An identifier as one word of a topic: what cannot stand in one becomes '_'."""
    return _OTHER.sub("_", text) or "_"


def family(topic: str) -> str:
    """The first word of a topic or a pattern."""
    return topic.partition(".")[0]


def priority(topic: str) -> Priority:
    """That of its family; a family that is not known is NORMAL."""
    return FAMILIES.get(family(topic), Priority.NORMAL)


def stream(topic: str) -> str:
    """The stream of its family."""
    return STREAMS + family(topic)


def pattern(text: str) -> re.Pattern[str]:
    """What a subscription matches: '*' is exactly one word, '**' at the end is one or more; raises TopicError.

    The family is always named: it decides which streams are read at all.
    """
    if len(text) > LONGEST or not _PATTERN.fullmatch(text):
        raise TopicError(f"{text!r} is no pattern: write trading.positions.*, or trading.** for the whole family")
    words = {"*": r"[^.]+", "**": r".+"}
    return re.compile(r"\.".join(words.get(part) or re.escape(part) for part in text.split(".")))
