"""The ring of numbered files: the newest that can be read counts."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import asdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.gateways.haproxy import NUMBERED
from nautilus_cli.history import RING
from nautilus_cli.runtimes.state import State, Wanted, newest, versions
from nautilus_cli.snapshot import Image
from tests.conftest import engine


def test_an_empty_ring_wants_nothing() -> None:
    assert newest({}) == Wanted()


@given(serials=st.lists(st.integers(1, 99), unique=True, min_size=1, max_size=10), junk=st.binary(max_size=40))
def test_the_newest_counts_whatever_lies_beside_it(serials: list[int], junk: bytes) -> None:
    files = {f"{NUMBERED}/{n % 10}-{n}.json": json.dumps(asdict(Wanted(n, {"risk": n}))).encode() for n in serials}
    files[f"{NUMBERED}/cut-off.json"] = files[next(iter(files))][:-3]
    files[f"{NUMBERED}/junk.json"] = b"\xff" + junk
    files["elsewhere/1.json"] = json.dumps(asdict(Wanted(100))).encode()
    assert newest(files) == Wanted(max(serials), {"risk": max(serials)})


class Volume:
    """The archive calls of Docker's API over files in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.reads = 0

    def put_archive(self, container: str, path: str, data: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                content = tar.extractfile(member)
                assert content
                self.files[f"{path}/{member.name}"] = content.read()

    def get_archive(self, container: str, path: str) -> tuple[list[bytes], dict[str, Any]]:
        self.reads += 1
        buffer, above = io.BytesIO(), path.rpartition("/")[0]
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, content in self.files.items():
                entry = tarfile.TarInfo(name.removeprefix(f"{above}/"))
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        return [buffer.getvalue()], {}


def test_the_last_ten_versions_of_an_engine_stay_on_record_beside_the_counts() -> None:
    volume = Volume()
    state = State(volume, "demo-gateway")  # type: ignore[arg-type]
    for number in range(1, 13):
        state.begin(f"up {number}")
        state.record(engine(), Image(f"img:{number}", f"id{number}"), {"image": str(number)})
    state.record(engine("factor"), Image("img", "id"), {"image": "1"})
    state.choose({"risk": 3}, "scale")
    kept = versions(volume.files)
    assert [(v.engine, v.serial, v.image) for v in kept] == [
        ("factor", 1, "img"),
        *(("risk", n, f"img:{n}") for n in range(3, 13)),
    ]
    assert kept[-1].cause == "up 12: image changed"
    assert len([name for name in volume.files if "risk" in name]) == RING
    assert newest(volume.files).counts == {"risk": 3}


def test_the_same_version_with_another_count_is_no_new_one_but_its_specification_is() -> None:
    volume = Volume()
    state = State(volume, "demo-gateway")  # type: ignore[arg-type]
    state.begin("up")
    state.record(engine(), Image("img", "id"), {"image": "1"})
    state.begin("up again")
    state.record(engine(port=9000), Image("img", "id"), {"image": "1"})
    (only,) = versions(volume.files)
    assert (only.serial, only.cause, only.spec["port"]) == (1, "up: first version", 9000)


def test_a_version_that_was_cut_off_is_passed_over() -> None:
    volume = Volume()
    State(volume, "demo-gateway").record(engine(), Image("img", "id"), {"image": "1"})  # type: ignore[arg-type]
    (path,) = volume.files
    volume.files[path.replace("-1", "-2")] = volume.files[path][:-9]
    assert len(versions(volume.files)) == 1


def test_what_was_seen_after_a_change_began_is_not_read_again() -> None:
    volume = Volume()
    State(volume, "demo-gateway").choose({"risk": 2}, "scale")  # type: ignore[arg-type]
    files = dict(volume.files)
    state, before = State(volume, "demo-gateway"), volume.reads  # type: ignore[arg-type]
    state.seen({"old": b""})  # before the change: somebody else may still write
    state.begin("up")
    state.seen(files)
    state.seen({"late": b""})
    state.choose({"factor": 4}, "scale")
    assert newest(volume.files).counts == {"risk": 2, "factor": 4}
    assert volume.reads == before


def test_where_nothing_was_seen_the_volume_is_read() -> None:
    volume = Volume()
    State(volume, "demo-gateway").choose({"risk": 2}, "scale")  # type: ignore[arg-type]
    state, before = State(volume, "demo-gateway"), volume.reads  # type: ignore[arg-type]
    state.begin("up")
    state.seen({})  # of a gateway that is not there: its volume may well be
    state.choose({"factor": 4}, "scale")
    assert newest(volume.files).counts == {"risk": 2, "factor": 4}
    assert volume.reads == before + 1
