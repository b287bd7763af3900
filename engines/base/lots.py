"""Positions read out of JSON by a compiled kernel, for batches: shares by column, without an object for each position.

It knows one plain form, and what it reads is what msgspec would. What is not in that form, or not valid, it leaves
alone: who calls it then reads the request as any other, and tells what is wrong with it.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.base.compiled import compiled
from engines.base.prices import Floats

Text = NDArray[np.uint8]
Slots = NDArray[np.int64]

MOST_LOTS, MOST_SHARES = 10_000, 1e12  # as `Positions` and `Quantity` say
MOST_DIGITS = 15  # of a number that is exact without its point, so that one division gives the nearest double
LONGEST = 8  # characters of a symbol that fits a word
MIX = 0x1E3779B97F4A7C15  # spreads symbols over the slots (Fibonacci hashing)
TAB, NEWLINE, RETURN, SPACE, TILDE = 9, 10, 13, 32, 126
QUOTE, COMMA, MINUS, POINT, ZERO, NINE, COLON, BACKSLASH = 34, 44, 45, 46, 48, 57, 58, 92
OPEN, CLOSE, BEGIN, END = 91, 93, 123, 125  # brackets, braces
SYMBOL, QUANTITY = np.frombuffer(b'"symbol"', np.uint8), np.frombuffer(b'"quantity"', np.uint8)


class Written(Protocol):
    """An item of a batch whose positions are still as they were written."""

    @property
    def positions(self) -> msgspec.Raw: ...


Item = TypeVar("Item", bound=Written)


class LotReader:
    """Reads batches of positions in the symbols that there are prices of."""

    def __init__(self, symbols: Sequence[str]) -> None:
        """Loads the kernel, which no request shall wait for."""
        self._width = len(symbols)
        self._slots = _slots(symbols)
        self.quantities([msgspec.Raw(b"[]")])

    def read(self, body: bytes, batch: msgspec.json.Decoder[list[Item]]) -> tuple[list[Item], Floats] | None:
        """The items and their shares by column (k, m); None if that is not a batch, or anything in it is not plain."""
        if not body.startswith(b"["):
            return None
        try:
            items = batch.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        # An item may say positions twice: the last ones count, but the others have to be valid too.
        if b"\\" in body or body.count(b'"positions"') != len(items):
            return None
        quantities = self.quantities([item.positions for item in items])
        return None if quantities is None else (items, quantities)

    def quantities(self, texts: Sequence[msgspec.Raw]) -> Floats | None:
        """Shares by column (k, m) of k lists of positions, several lots of a symbol added up; None if one is not plain.

        Plain is `[{"symbol": "KO", "quantity": -1.5}, ...]`, with any white space: symbols that there are prices of,
        without escapes, and numbers without exponents and of at most 15 digits.
        """
        found = np.zeros((len(texts), self._width))
        text = np.frombuffer(b"".join([*texts, b"\0"]), np.uint8)
        return found if _fill(text, self._slots, found) else None


def _slots(symbols: Sequence[str]) -> Slots:
    """A hash table of rows (symbol as a number, column), at most a quarter full; 0 is no symbol."""
    slots = np.zeros((4 << len(symbols).bit_length(), 2), np.int64)
    for column, symbol in enumerate(symbols):
        text = symbol.encode()
        if not 0 < len(text) <= LONGEST or not all(SPACE < byte <= TILDE for byte in text):
            continue  # it is never found, and so left to who calls
        key = int.from_bytes(text)
        place = _slot(key, len(slots))
        while slots[place, 0]:
            place = (place + 1) % len(slots)
        slots[place] = key, column
    return slots


@compiled
def _slot(key: int, size: int) -> int:
    return ((key ^ (key >> 23)) * MIX >> 24) & (size - 1)


@compiled
def _fill(text: Text, slots: Slots, found: Floats) -> bool:
    """Whether the text holds a plain list for each row of `found`, and nothing else before its last byte, a zero."""
    at = 0
    for row in range(len(found)):
        at = _list(text, at, slots, found[row])
        if at < 0:
            return False
    return at == len(text) - 1


# Each of the following gives the place after what it reads, or -1. None reads beyond the zero, which nothing allows.


@compiled
def _list(text: Text, at: int, slots: Slots, quantities: Floats) -> int:
    if text[at] != OPEN:
        return -1
    for _ in range(MOST_LOTS):
        at = _lot(text, _blank(text, at + 1), slots, quantities)
        if at < 0:
            return -1
        at = _blank(text, at)
        if text[at] == CLOSE:
            return at + 1
        if text[at] != COMMA:
            return -1
    return -1


@compiled
def _lot(text: Text, at: int, slots: Slots, quantities: Floats) -> int:
    """One position, its two members in any order."""
    if text[at] != BEGIN:
        return -1
    column, shares, counted = -1, 0.0, False
    for end in (COMMA, END):
        at = _blank(text, at + 1)
        if column < 0 and _starts(text, at, SYMBOL):
            at, column = _symbol(text, _value(text, at + len(SYMBOL)), slots)
        elif not counted and _starts(text, at, QUANTITY):
            at, shares = _number(text, _value(text, at + len(QUANTITY)))
            counted = True
        else:
            return -1
        if at < 0:
            return -1
        at = _blank(text, at)
        if text[at] != end:
            return -1
    quantities[column] += shares
    return at + 1


@compiled
def _blank(text: Text, at: int) -> int:
    while text[at] == SPACE or text[at] == NEWLINE or text[at] == RETURN or text[at] == TAB:
        at += 1
    return at


@compiled
def _starts(text: Text, at: int, word: Text) -> bool:
    for place in range(len(word)):  # noqa: SIM110 (numba compiles no generators)
        if text[at + place] != word[place]:
            return False
    return True


@compiled
def _value(text: Text, at: int) -> int:
    """Where the value of a member begins."""
    at = _blank(text, at)
    return _blank(text, at + 1) if text[at] == COLON else -1


@compiled
def _symbol(text: Text, at: int, slots: Slots) -> tuple[int, int]:
    """And its column."""
    if at < 0 or text[at] != QUOTE:
        return -1, -1
    key, start = 0, at + 1
    at = start
    while text[at] != QUOTE:
        if text[at] <= SPACE or text[at] > TILDE or text[at] == BACKSLASH or at - start == LONGEST:
            return -1, -1
        key = key << 8 | text[at]
        at += 1
    if key == 0:
        return -1, -1
    place = _slot(key, len(slots))
    while slots[place, 0] != key:
        if slots[place, 0] == 0:
            return -1, -1
        place = (place + 1) % len(slots)
    return at + 1, slots[place, 1]


@compiled
def _number(text: Text, at: int) -> tuple[int, float]:
    """And its value."""
    if at < 0:
        return -1, 0.0
    negative = text[at] == MINUS
    start = at + negative
    at, whole, scale = start, 0, 1.0
    while ZERO <= text[at] <= NINE:
        whole = whole * 10 + (text[at] - ZERO)
        at += 1
    digits = at - start
    if digits == 0 or (digits > 1 and text[start] == ZERO):
        return -1, 0.0
    if text[at] == POINT:
        start = at + 1
        at = start
        while ZERO <= text[at] <= NINE:
            whole = whole * 10 + (text[at] - ZERO)
            scale *= 10.0
            at += 1
        if at == start:
            return -1, 0.0
        digits += at - start
    size = whole / scale
    if digits > MOST_DIGITS or size > MOST_SHARES:
        return -1, 0.0
    return at, -size if negative else size
