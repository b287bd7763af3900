"""The ring of numbered files: the newest that can be read counts."""

from __future__ import annotations

import json
from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.gateways.haproxy import NUMBERED
from nautilus_cli.runtimes.state import Wanted, newest


def test_an_empty_ring_wants_nothing() -> None:
    assert newest({}) == Wanted()


@given(serials=st.lists(st.integers(1, 99), unique=True, min_size=1, max_size=10), junk=st.binary(max_size=40))
def test_the_newest_counts_whatever_lies_beside_it(serials: list[int], junk: bytes) -> None:
    files = {f"{NUMBERED}/{n % 10}-{n}.json": json.dumps(asdict(Wanted(n, {"risk": n}))).encode() for n in serials}
    files[f"{NUMBERED}/cut-off.json"] = files[next(iter(files))][:-3]
    files[f"{NUMBERED}/junk.json"] = b"\xff" + junk
    files["elsewhere/1.json"] = json.dumps(asdict(Wanted(100))).encode()
    assert newest(files) == Wanted(max(serials), {"risk": max(serials)})
