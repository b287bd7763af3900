"""What `Images` decides without building: which inputs, which images go, and who builds first."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from docker.api.client import APIClient
from docker.errors import ImageNotFound
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.fleet import Build, Fleet
from nautilus_cli.runtimes.images import KEEP, Images, _args
from nautilus_cli.runtimes.streams import Turns
from nautilus_cli.snapshot import Image
from tests.conftest import engine, fleet


class Daemon:
    """The part of a Docker host that `Images` asks for what is there."""

    def __init__(self, ids: Mapping[str, str] | None = None) -> None:
        self.hooks: dict[str, list[object]] = {"response": []}
        self.ids = dict(ids or {})
        self.used: set[str] = set()
        self.looks: list[str] = []

    def inspect_image(self, reference: str) -> dict[str, str]:
        self.looks.append(reference)
        if reference not in self.ids:
            raise ImageNotFound(reference)
        return {"Id": self.ids[reference]}

    def images(self, name: str, filters: Mapping[str, Any]) -> list[dict[str, Any]]:
        assert filters["label"] == ["io.nautilus.image.fleet=demo", f"io.nautilus.image.engine={name.split('/')[1]}"]
        return [
            {"Id": id, "RepoTags": [tag], "Created": int(tag.split(":")[1])}
            for tag, id in self.ids.items()
            if tag.startswith(f"{name}:")
        ]

    def containers(self, all: bool) -> list[dict[str, str]]:
        assert all
        return [{"ImageID": id} for id in self.used]

    def remove_image(self, tag: str) -> None:
        del self.ids[tag]


def images(daemon: Daemon, made: Fleet | None = None) -> Images:
    return Images(cast("APIClient", daemon), made or fleet())


@given(st.sets(st.integers(min_value=0, max_value=9)), st.sets(st.integers(min_value=0, max_value=9)))
def test_prune_keeps_the_newest_and_the_used_ones_and_other_engines(made: set[int], used: set[int]) -> None:
    daemon = Daemon({f"demo/risk:{n}": f"id{n}" for n in made} | {"demo/factor:1": "other"})
    daemon.used = {f"id{n}" for n in used}
    removed = images(daemon).prune(["risk"])
    newest = set(sorted(made)[-KEEP:])
    assert daemon.ids.keys() == {f"demo/risk:{n}" for n in newest | (made & used)} | {"demo/factor:1"}
    assert set(removed) == {f"demo/risk:{n}" for n in made - newest - used}


@pytest.fixture
def built(tmp_path: Path) -> Fleet:
    """Three engines in one context, as the project's own are."""
    for name in ("base", "risk", "factor"):
        (tmp_path / "engines" / name).mkdir(parents=True)
        (tmp_path / "engines" / name / "x.py").write_text(name)
    (tmp_path / "engines/Dockerfile").write_text("ARG BASE\nFROM $BASE\nARG ENGINE\nCOPY $ENGINE /\n")
    build = Build(context="engines", args={"BASE": "base:1"})
    made = fleet(*(engine(name, image=None, build=build) for name in ("risk", "factor", "else")))
    return made.model_copy(update={"directory": str(tmp_path)})


def wanted(made: Fleet, **ids: str) -> dict[str, str]:
    found = images(Daemon({"base:1": "sha256:1", **ids}), made)
    return {name: found.wanted(workload).reference for name, workload in made.workloads.items()}


def test_an_edit_changes_the_tags_of_those_that_it_belongs_to(built: Fleet) -> None:
    first = wanted(built)
    Path(built.directory, "engines/risk/x.py").write_text("edited")
    second = wanted(built)
    Path(built.directory, "engines/base/x.py").write_text("edited")
    third = wanted(built)
    # 'else' has no folder of its own, so the whole context belongs to it.
    assert [name for name in first if first[name] != second[name]] == ["risk", "else"]
    assert [name for name in first if second[name] != third[name]] == ["risk", "factor", "else"]


def test_the_id_of_the_base_counts_and_not_its_name_alone(built: Fleet) -> None:
    moved = wanted(built, **{"base:1": "sha256:2"})
    assert not set(wanted(built).values()) & set(moved.values())


def test_an_image_that_several_are_built_on_is_looked_at_once(built: Fleet) -> None:
    daemon = Daemon({"base:1": "sha256:1"})
    found = images(daemon, built).wanted_all(built.workloads)
    assert {name: image.reference for name, image in found.items()} == wanted(built)
    assert sorted(daemon.looks) == sorted(["base:1", *wanted(built).values()])


def test_an_engine_with_a_dash_may_live_in_a_python_package() -> None:
    assert _args(Build(context="."), "order-book") == {"ENGINE": "order-book"}
    assert _args(Build(context=".", inputs=("base", "order_book")), "order-book") == {"ENGINE": "order_book"}


def test_without_its_base_an_image_is_unknown(built: Fleet) -> None:
    assert images(Daemon(), built).wanted(built.engines["risk"]) == Image("demo/risk:base-missing", None)


def test_what_is_present_has_its_id(built: Fleet) -> None:
    reference = wanted(built)["risk"]
    daemon = Daemon({"base:1": "sha256:1", reference: "sha256:9", "img": "sha256:8"})
    assert images(daemon, built).wanted(built.engines["risk"]) == Image(reference, "sha256:9")
    assert images(daemon, built).wanted(engine(image="img")) == Image("img", "sha256:8")
    assert images(daemon, built).wanted(engine(image="other")) == Image("other", None)


def test_one_goes_first_and_then_all_at_once() -> None:
    turns, together = Turns(), threading.Barrier(3, timeout=10)
    order: list[str] = []
    leading = threading.Event()

    def follow() -> None:
        leading.wait(10)
        with turns.first("key"):
            order.append("next")
            together.wait()  # breaks unless all three are inside at once

    threads = [threading.Thread(target=follow) for _ in range(3)]
    for thread in threads:
        thread.start()
    with turns.first("key"):
        leading.set()
        order.append("first")
    for thread in threads:
        thread.join(10)
    assert order == ["first", "next", "next", "next"]
    assert not together.broken


def test_after_a_failure_another_one_goes_first() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns.first("key"):
        raise ZeroDivisionError
    inside = threading.Event()
    with turns.first("key"):
        other = threading.Thread(target=lambda: _enter(turns, inside))
        other.start()
        assert not inside.wait(0.1)
    assert inside.wait(10)
    other.join(10)


def _enter(turns: Turns, inside: threading.Event) -> None:
    with turns.first("key"):
        inside.set()
