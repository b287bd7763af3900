"""Docker's framing and documents, however its answer is cut into chunks."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.runtimes.live import documents, frames, subject

FRAMES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=30)), max_size=8)
CUTS = st.lists(st.integers(min_value=0, max_value=300), max_size=8)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place for place in places if place < len(data)), len(data)]
    return [data[begin:end] for begin, end in pairwise(bounds)]


@given(FRAMES, CUTS)
def test_frames_are_whole_however_they_are_cut(written: list[tuple[int, bytes]], places: list[int]) -> None:
    wire = b"".join(bytes([output, 0, 0, 0]) + len(data).to_bytes(4, "big") + data for output, data in written)
    assert list(frames(cut(wire, places))) == written


@given(st.lists(st.dictionaries(st.text(), st.text(max_size=5), max_size=3), max_size=6), CUTS)
def test_documents_are_whole_however_they_are_cut(written: list[dict[str, str]], places: list[int]) -> None:
    wire = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in written).encode()
    assert list(documents(cut(wire, places))) == written


def test_a_container_is_called_by_engine_and_slot() -> None:
    assert subject({"io.nautilus.engine": "risk", "io.nautilus.slot": "2"}) == "risk/2"
    assert subject({"io.nautilus.engine": "gateway"}) == "gateway"
