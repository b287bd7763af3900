"""Versions in memory: the last writer wins everywhere, and no write is forgotten before it is stored."""

from __future__ import annotations

import asyncio
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from engines.base.state import DELETED, Entry, State, Table, is_stored

KEYS = st.sampled_from(["a", "b", "c"])
CHANGES = st.lists(st.tuples(KEYS, st.integers(1, 50), st.integers(0, 9)), max_size=30)


def replica() -> tuple[State, Table[int]]:
    state = State()
    return state, state.table("numbers", int)


@given(CHANGES, st.randoms())
def test_replicas_agree_whatever_the_order_in_which_they_learn(
    changes: list[tuple[str, int, int]], random: Random
) -> None:
    stored: dict[str, tuple[int, int]] = {}
    for key, version, value in changes:  # what Redis does: a version that is not newer changes nothing
        if version > stored.get(key, (0, 0))[0]:
            stored[key] = (version, value)
    shuffled = [(key, version, value) for key, (version, value) in stored.items()]
    shuffled += [change for change in changes if change[1] < stored[change[0]][0]]
    random.shuffle(shuffled)
    state, table = replica()
    for key, version, value in shuffled:
        state.learn("numbers", key, version, b"%d" % value)
    assert dict(table.items()) == {key: value for key, (_, value) in stored.items()}


@given(st.lists(KEYS, min_size=1, max_size=20))
def test_versions_never_go_back(keys: list[str]) -> None:
    state, table = replica()
    far = 10**16  # of a replica whose clock is far ahead
    state.learn("numbers", "a", far, b"1")
    seen = [far]
    for key in keys:
        table.put(key, 2)
        seen.append(table.version(key))
    assert seen == sorted(set(seen))


def test_a_write_is_kept_until_exactly_it_is_stored() -> None:
    state, table = replica()
    table.put("a", 1)
    first = state.pending(10)
    serial = state.serial
    assert not state.stored_up_to(serial)
    table.put("a", 2)
    state.confirm(first)
    assert [entry.document for entry in state.pending(10).values()] == [b"2"]
    assert state.stored_up_to(serial)  # overtaken: nobody will ever see it
    state.confirm(state.pending(10))
    assert state.pending(10) == {}


def test_what_is_withdrawn_is_gone_unless_somebody_has_written_it_since() -> None:
    (one, mine), (_, theirs) = replica(), replica()
    far = 10**16
    for table in (mine, theirs):
        table._state.learn("numbers", "a", far, b"1")
    mine.withdraw("a")
    assert mine.get("a") is None
    theirs.put("a", 2)
    entry = theirs.entries["a"]
    assert entry.version > far
    one.learn("numbers", "a", entry.version + 1, entry.document)
    assert mine.get("a") == 2
    mine.withdraw("a")
    mine.put("a", 3)  # within the same microsecond, and newer all the same
    assert mine.version("a") > entry.version + 2


def test_what_is_stored_wins_over_an_older_write_and_not_over_a_newer_one() -> None:
    state, table = replica()
    table.put("a", 1)
    version = table.version("a")
    state.learn("numbers", "a", version - 1, b"7")
    assert (table.get("a"), len(state.pending(10))) == (1, 1)
    state.learn("numbers", "a", version, b"8")  # another one of the same moment was stored first
    assert (table.get("a"), len(state.pending(10))) == (8, 0)


def test_a_deletion_is_a_version_too() -> None:
    state, table = replica()
    heard: list[tuple[str, int | None]] = []
    table.on_change = lambda key, value: heard.append((key, value))
    table.put("a", 1)
    table.delete("a")
    assert (table.get("a"), heard) == (None, [("a", 1), ("a", None)])
    state.learn("numbers", "a", 5, b"1")  # an old one
    assert table.get("a") is None
    assert state.pending(10)["numbers", "a"].document == DELETED


def test_what_redis_lacks_is_stored_again() -> None:
    state, table = replica()
    table.put("a", 1)
    table.put("b", 2)
    state.confirm(state.pending(10))
    state.compare({("numbers", "a"): table.version("a")})  # it came back without b
    assert list(state.pending(10)) == [("numbers", "b")]


def test_what_cannot_be_read_counts_as_deleted_and_what_is_of_no_table_is_left() -> None:
    state, table = replica()
    state.learn("numbers", "a", 1, b'"text"')
    state.learn("words", "a", 1, b'"text"')
    assert (table.get("a"), table.entries) == (None, {"a": Entry(1, b'"text"')})


def test_without_a_bus_memory_is_all_there_is() -> None:
    state, table = replica()
    table.put("a", 1)
    assert asyncio.run(is_stored(state))
