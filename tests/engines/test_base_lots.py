"""The kernel that reads positions reads what msgspec reads, or leaves it alone."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engines.base import compiled
from engines.base.portfolios import Positions, quantities_of
from engines.base.problem import Problem

if not compiled.AVAILABLE:
    pytest.skip("numba is not installed or switched off, or the processor is below x86-64-v3", allow_module_level=True)

from engines.base.lots import LotReader

SYMBOLS = ("A", "AAPL", "BRK.B", "EIGHTLET", "NINELETTS", "ÖL", "X Y", "L", "PAL", "AA", "", 'Q"', "B\\", "T~")
PLAIN = ("A", "AAPL", "BRK.B", "EIGHTLET", "L", "PAL", "AA", "T~")
COLUMNS = {symbol: column for column, symbol in enumerate(SYMBOLS)}
READER = LotReader(SYMBOLS)
TEXTS = ["1", "-1.5", "0", "-0", "-0.0", "0.1", "123456789012.345", "1e3", "1E-3", "01", "1.", ".5", "-", "+1", "NaN"]


class Lots(msgspec.Struct, forbid_unknown_fields=True):
    """As the engines have them."""

    positions: msgspec.Raw
    id: str = "portfolio"


BATCH: msgspec.json.Decoder[list[Lots]] = msgspec.json.Decoder(list[Lots])


def expected(text: bytes) -> list[float] | None:
    """What msgspec makes of one list."""
    try:
        return quantities_of(msgspec.json.decode(text, type=Positions), COLUMNS, "positions")
    except (msgspec.DecodeError, UnicodeDecodeError, Problem):
        return None


def found(text: bytes) -> list[float] | None:
    rows = READER.quantities([msgspec.Raw(text)])
    return None if rows is None else rows[0].tolist()


def written(lots: Sequence[tuple[str, str]], blank: str = "", turned: bool = False) -> bytes:
    """The lots as JSON, white space in all places, the members in either order."""
    members = [
        (f'"symbol"{blank}:{blank}{json.dumps(symbol)}', f'"quantity"{blank}:{number}') for symbol, number in lots
    ]
    pairs = [f"{blank},{blank}".join(pair[::-1] if turned else pair) for pair in members]
    objects = [f"{{{blank}{pair}{blank}}}{blank}" for pair in pairs]
    return f"[{blank}{f',{blank}'.join(objects)}]".encode()


numbers = st.one_of(
    st.integers(-(10**12), 10**12).map(str),
    st.decimals(-(10**12), 10**12, places=3).map(str),
    st.floats(-1e12, 1e12).map(repr),
    st.sampled_from(TEXTS),
)
blanks = st.text(" \t\r\n", max_size=2)


@given(st.lists(st.tuples(st.sampled_from(SYMBOLS), numbers), max_size=5), blanks, st.booleans())
@settings(max_examples=500, deadline=None)
def test_what_is_read_is_what_msgspec_reads(lots: list[tuple[str, str]], blank: str, turned: bool) -> None:
    text = written(lots, blank, turned)
    assert found(text) in (None, expected(text))


@given(st.lists(st.tuples(st.sampled_from(PLAIN), st.integers(-(10**15) + 1, 10**15 - 1)), min_size=1), blanks)
@settings(deadline=None)
def test_all_that_is_plain_is_read(lots: list[tuple[str, int]], blank: str) -> None:
    text = written([(symbol, f"{number / 1000:.3f}") for symbol, number in lots], blank)
    assert found(text) == expected(text) != None  # noqa: E711 (both are told when they differ)


@given(st.data())
@settings(max_examples=500, deadline=None)
def test_what_is_broken_is_left_alone(data: st.DataObject) -> None:
    text = bytearray(written([("AAPL", "-1.5"), ("L", "20")], " "))
    place = data.draw(st.integers(0, len(text) - 1))
    change = data.draw(st.sampled_from(["drop", "double", "put"]))
    byte = data.draw(st.sampled_from(b'[]{}",:\\-.0aAe \x00\x1f\x80'))
    text[place : place + 1] = {"drop": b"", "double": text[place : place + 1] * 2, "put": bytes([byte])}[change]
    assert found(bytes(text)) in (None, expected(bytes(text)))


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "null",
        "7",
        "[7]",
        "[{}]",
        '[{"symbol":"A"}]',
        '[{"quantity":1}]',
        '[{"symbol":"A","symbol":"A"}]',
        '[{"quantity":1,"quantity":1}]',
        '[{"symbol":"A","quantity":1,"at":1}]',
        '[{"symbol":"A","quantity":"1"}]',
        '[{"symbol":"NOPE","quantity":1}]',
        '[{"symbol":"NINELETTS","quantity":1}]',
        '[{"symbol":"\\u0041","quantity":1}]',
        '[{"symbol":"A","quantity":1000000000001}]',
        '[{"symbol":"A","quantity":1e3}]',
        '[{"symbol":"A","quantity":0.1234567890123456}]',
        '[{"symbol":"A","quantity":1}],',
        '[{"symbol":"A","quantity":1}][{"symbol":"A","quantity":1}]',
        '[{"symbol":"A","quantity":1}] ',
        '[{"symbol":"A","quantity":1',
    ],
)
def test_what_is_not_plain_is_left_alone(text: str) -> None:
    assert found(text.encode()) is None


def test_too_many_lots_are_left_alone() -> None:
    assert found(written([("A", "1")] * 10_000)) == [10_000.0, *[0.0] * (len(SYMBOLS) - 1)]
    assert found(written([("A", "1")] * 10_001)) is None


def test_lists_are_read_one_after_the_other() -> None:
    texts = [written([("A", "1"), ("L", "2")]), written([("A", "3.25")], " ")]
    rows = READER.quantities([msgspec.Raw(text) for text in texts])
    assert rows is not None
    assert rows[:, [COLUMNS["A"], COLUMNS["L"]]].tolist() == [[1.0, 2.0], [3.25, 0.0]]


@given(st.lists(st.text(min_size=1, max_size=10), unique=True, max_size=300))
@example([f"{number}" for number in range(300)])
@settings(deadline=None)
def test_every_symbol_has_its_column_or_none(symbols: list[str]) -> None:
    reader = LotReader(symbols)
    for column, symbol in enumerate(symbols):
        rows = reader.quantities([msgspec.Raw(written([(symbol, "1")]))])
        plain = len(symbol) <= 8 and symbol.isascii() and not any(c in ' "\\' or not c.isprintable() for c in symbol)
        assert (rows is not None) == plain
        assert rows is None or np.flatnonzero(rows[0]).tolist() == [column]


LOT = '[{"symbol":"A","quantity":1}]'


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        (f'[{{"positions":{LOT}}}]', True),
        (f'[{{"id":"x","positions":{LOT}}},{{"positions": {LOT} }}]', True),
        (f'[{{"id":"positions","positions":{LOT}}}]', False),
        (f'{{"positions":{LOT}}}', False),
        (f' [{{"positions":{LOT}}}]', False),
        (f'[{{"positions":{LOT}}}]]', False),
        (f'[{{"positions":{LOT},"other":1}}]', False),
        (f'[{{"positions":[7],"positions":{LOT}}}]', False),
        (f'[{{"p\\u006fsitions":[7],"positions":{LOT}}}]', False),
        ("[{}]", False),
        (f'[{{"id":"\udc80","positions":{LOT}}}]', False),
        (f'[{{"positions":{LOT.replace("A", chr(0xDC80))}}}]', False),
        ("[", False),
        ("", False),
    ],
)
def test_a_batch_is_read_if_all_of_it_is_plain(body: str, plain: bool) -> None:
    read: Any = READER.read(body.encode(errors="surrogateescape"), BATCH)
    assert (read is not None) == plain
    if plain:
        items, quantities = read
        assert quantities.tolist() == [[1.0, *[0.0] * (len(SYMBOLS) - 1)]] * len(items)
