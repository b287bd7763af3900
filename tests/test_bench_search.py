"""The search finds the edge that there is, in few steps, and believes nothing that was not confirmed."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.bench.search import APART, CONFIRMATIONS, MOST, VOTES, Probe, Search

LEAST = 1.0
EDGES = st.floats(LEAST * 1.01, MOST * 0.99)
GUESSES = st.floats(0, 2 * MOST)


def drive(guess: float, holds: Callable[[Probe], bool]) -> tuple[Search, list[Probe]]:
    search, probes = Search(guess), []
    while probe := search.next():
        probes.append(probe)
        search.take(probe, holds(probe))
        assert len(probes) < 100
    return search, probes


@given(GUESSES, EDGES)
def test_it_finds_the_edge_within_three_percent(guess: float, edge: float) -> None:
    search, probes = drive(guess, lambda probe: probe.rate <= edge)
    assert search.confirmed
    assert search.held <= edge < search.failed or (search.failed, search.held) == (inf, MOST)
    assert edge / search.held <= APART * (1 + 1e-9)
    assert [probe.confirm for probe in probes].count(True) == 1
    assert probes[-1] == Probe(search.held, confirm=True)


@given(GUESSES, EDGES)
def test_a_rate_fails_by_two_votes_and_none_is_tried_more_often_than_needed(guess: float, edge: float) -> None:
    _, probes = drive(guess, lambda probe: probe.rate <= edge)
    rates = [probe.rate for probe in probes if not probe.confirm]
    assert all(rates.count(rate) == VOTES for rate in set(rates) if rate > edge)
    assert all(rates.count(rate) <= VOTES for rate in set(rates))


@given(GUESSES, EDGES, st.integers(0, 2**32), st.floats(0, 0.4))
def test_it_ends_and_confirms_what_it_says_on_a_noisy_target_too(
    guess: float, edge: float, seed: int, noise: float
) -> None:
    chance = random.Random(seed)

    def holds(probe: Probe) -> bool:
        return (probe.rate <= edge) != (chance.random() < noise and 0.8 < probe.rate / edge < 1.25)

    search, probes = drive(guess, holds)
    assert search.confirmed == (bool(search.held) and probes[-1].confirm and search.held == probes[-1].rate)
    assert all(LEAST <= probe.rate <= MOST for probe in probes)
    assert search.held < search.failed


def test_one_bad_moment_near_the_edge_decides_nothing() -> None:
    votes = iter([True, False, False, True, True])
    search = Search(100, held=100, failed=110)
    for expected in (104.88, 104.88, 104.88):
        probe = search.next()
        assert probe
        assert probe.rate == pytest.approx(expected, abs=0.01)
        search.take(probe, next(votes))
    assert search.held == 100
    assert search.failed == pytest.approx(104.88, abs=0.01)


def test_what_does_not_hold_longer_is_lowered_until_it_does() -> None:
    search, probes = drive(1000, lambda probe: probe.rate <= (950 if probe.confirm else 1000))
    assert search.confirmed
    assert 950 / APART <= search.held <= 950
    assert [probe.confirm for probe in probes[-3:]].count(True) >= 2


@given(GUESSES, EDGES)
def test_a_coarser_search_is_as_near_as_it_was_asked_to_be(guess: float, edge: float) -> None:
    search, probes = Search(guess, apart=1.1), 0
    while probe := search.next():
        search.take(probe, probe.rate <= edge)
        probes += 1
    assert search.confirmed
    assert edge / search.held <= 1.1 * (1 + 1e-9)
    assert probes <= len(drive(guess, lambda probe: probe.rate <= edge)[1])


def test_what_is_never_confirmed_is_not_believed() -> None:
    search, probes = drive(1000, lambda probe: not probe.confirm and probe.rate <= 1000)
    assert not search.confirmed
    assert sum(probe.confirm for probe in probes) == CONFIRMATIONS


def test_a_target_that_holds_nothing_and_one_that_holds_everything() -> None:
    search, _ = drive(100, lambda _: False)
    assert (search.held, search.failed, search.confirmed) == (0, LEAST, False)
    search, _ = drive(100, lambda _: True)
    assert (search.held, search.failed, search.confirmed) == (MOST, inf, True)
