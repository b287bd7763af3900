"""How an entry of a stream is read."""

from __future__ import annotations

from itertools import permutations

import pytest

from engines.base.bus.messages import Malformed, Message

PAIRS = ((b"i", b"a-1"), (b"t", b"risk.checks.done"), (b"a", b"17"), (b"d", b"{}"))


def flat(*pairs: tuple[bytes, bytes]) -> list[bytes]:
    return [word for pair in pairs for word in pair]


def test_a_message_is_read_whatever_the_order_of_its_fields() -> None:
    expected = Message("a-1", "risk.checks.done", 17, b"{}")
    assert {Message.of(flat(*pairs)) for pairs in permutations(PAIRS)} == {expected}
    assert Message.of(flat((b"x", b"more"), *PAIRS)) == expected


@pytest.mark.parametrize(
    "fields",
    [
        [],
        flat(*PAIRS[:3]),
        flat(*PAIRS)[:-1],
        flat((b"i", b"\xff"), *PAIRS[1:]),
        flat(*PAIRS[:2], (b"a", b"noon"), PAIRS[3]),
    ],
)
def test_what_is_no_message_is_told(fields: list[bytes]) -> None:
    with pytest.raises(Malformed):
        Message.of(fields)
