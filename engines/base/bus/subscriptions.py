"""Who wants which messages."""

import re
from collections.abc import Callable, Iterable, Sequence

from engines.base.bus import topics
from engines.base.bus.messages import Effect, Message
from engines.base.bus.topics import Priority

Handler = Callable[[Message], Sequence[Effect]]
KNOWN = 10_000  # topics whose handlers are remembered


class Subscriptions:
    """Patterns and their handlers, and the streams that they need, those of the highest priority first."""

    def __init__(self) -> None:
        self._patterns: list[tuple[str, re.Pattern[str], Handler]] = []
        self._known: dict[str, tuple[Handler, ...]] = {}

    def add(self, pattern: str, handler: Handler) -> None:
        """Raises TopicError for what is no pattern."""
        self._patterns.append((pattern, topics.pattern(pattern), handler))

    def among(self, priorities: Iterable[Priority]) -> "Subscriptions":
        """Those whose family has one of these priorities."""
        chosen = set(priorities)
        some = Subscriptions()
        some._patterns = [one for one in self._patterns if topics.priority(one[0]) in chosen]
        return some

    @property
    def streams(self) -> list[str]:
        """The streams to read, each once."""
        ordered = sorted({topics.family(pattern) for pattern, _, _ in self._patterns}, key=_rank)
        return [topics.STREAMS + family for family in ordered]

    def of(self, topic: str) -> tuple[Handler, ...]:
        """The handlers of a topic, in the order of their subscription."""
        found = self._known.get(topic)
        if found is None:
            found = tuple(handler for _, pattern, handler in self._patterns if pattern.fullmatch(topic))
            if len(self._known) < KNOWN:
                self._known[topic] = found
        return found


def _rank(family: str) -> tuple[Priority, str]:
    return topics.priority(family), family
