"""Topics decide the priority, the stream and the handlers of a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.base.bus.topics import FAMILIES, Priority, TopicError, check_topic, pattern, priority, stream, word

WORDS = st.text("abcXYZ019_@:=-", min_size=1, max_size=8)
TOPICS = st.tuples(st.sampled_from(sorted(FAMILIES)), st.lists(WORDS, min_size=1, max_size=4)).map(
    lambda parts: ".".join([parts[0], *parts[1]])
)


def test_families_have_the_priorities_that_the_bus_promises() -> None:
    assert {name: level.name for name, level in FAMILIES.items()} == {
        "trading": "CRITICAL", "risk": "CRITICAL", "market": "HIGH", "analytics": "HIGH",
        "factors": "NORMAL", "ml": "NORMAL", "system": "LOW",
    }  # fmt: skip
    assert priority("orders.new") is Priority.NORMAL
    assert stream("trading.fills.portfolio_001") == "nautilus:bus:trading"


@given(TOPICS)
def test_a_topic_matches_itself_and_what_stands_for_its_words(topic: str) -> None:
    assert check_topic(topic) == topic
    first, *words = topic.split(".")
    assert pattern(topic).fullmatch(topic)
    assert pattern(".".join([first, *("*" for _ in words)])).fullmatch(topic)
    assert not pattern(".".join([first, *("*" for _ in words), "*"])).fullmatch(topic)
    assert pattern(f"{first}.**").fullmatch(topic)
    assert not pattern(f"{topic}.**").fullmatch(topic)
    assert pattern(f"{topic}.**").fullmatch(f"{topic}.more.words")


@given(TOPICS, TOPICS)
def test_a_pattern_of_plain_words_matches_nothing_else(one: str, other: str) -> None:
    assert bool(pattern(one).fullmatch(other)) == (one == other)


@given(st.text(max_size=20))
def test_every_identifier_makes_a_word(text: str) -> None:
    topic = f"trading.positions.{word(text)}"
    assert pattern("trading.positions.*").fullmatch(check_topic(topic))


@pytest.mark.parametrize("text", ["", "trading", "trading.", ".x", "Trading.x", "a b.c", "trading.*", "a.x" * 200])
def test_what_is_no_topic(text: str) -> None:
    with pytest.raises(TopicError, match="no topic"):
        check_topic(text)


@pytest.mark.parametrize("text", ["", "**", "*.alerts", "trading", "trading.**.x", "trading.p*", "trading.***"])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(TopicError, match="no pattern"):
        pattern(text)
