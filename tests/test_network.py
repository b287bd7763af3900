"""Addresses are given out once."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.errors import RuntimeUnavailable
from nautilus_cli.runtimes.network import FIRST, Addresses

SUBNET = "172.30.0.0/24"


@given(taken=st.sets(st.integers(1, 254)), count=st.integers(1, 40))
def test_no_address_is_given_twice_nor_one_that_is_taken(taken: set[int], count: int) -> None:
    addresses = Addresses(SUBNET, [f"172.30.0.{number}" for number in taken])
    free = 254 - FIRST + 1 - len({number for number in taken if number >= FIRST})
    given_out = [addresses.take() for _ in range(min(count, free))]
    assert len(set(given_out)) == len(given_out)
    assert not {f"172.30.0.{number}" for number in taken} & set(given_out)
    assert all(IPv4Address(one) in IPv4Network(SUBNET) and int(one.split(".")[-1]) >= FIRST for one in given_out)


def test_a_released_address_is_given_again() -> None:
    addresses = Addresses(SUBNET, [""])
    first = addresses.take()
    assert addresses.take() != first
    addresses.release(first)
    assert addresses.take() == first


def test_a_full_network_says_so() -> None:
    addresses = Addresses("172.30.0.0/29", [])
    with pytest.raises(RuntimeUnavailable, match="has no free address"):
        addresses.take()
