"""Where cgroups can be made, what is written into them, and what is read back: on folders that look like them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.runtimes.process import cgroups
from nautilus_cli.runtimes.process.cgroups import Cgroups
from nautilus_cli.snapshot import Limits

MIB = 2**20
HERE = cgroups.find()
needs_cgroups = pytest.mark.skipif(HERE is None, reason="needs a cgroup that this user may write to")


@dataclass
class Tree:
    """A file system of cgroups, and what /proc says of it."""

    root: Path

    def second(self, own: str, **controllers: str) -> Cgroups | None:
        """What is found with v2 mounted; of each cgroup on the way, what it has / what its children have."""
        for path, said in controllers.items():
            folder = self.root / "v2" / path.strip("_").replace("_", "/")
            folder.mkdir(parents=True, exist_ok=True)
            has, _, gives = said.partition("/")
            (folder / "cgroup.controllers").write_text(has)
            (folder / "cgroup.subtree_control").write_text(gives)
            (folder / "cgroup.procs").touch()
        return self.found(f"42 23 0:39 / {self.root}/v2 rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n", f"0::{own}\n")

    def found(self, mounts: str, own: str) -> Cgroups | None:
        """What is found with these files of /proc."""
        (self.root / "mounts").write_text(f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n{mounts}")
        (self.root / "own").write_text(own)
        return cgroups.find(self.root / "mounts", self.root / "own")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


BOTH = "cpu memory pids"


def test_v2_is_taken_where_the_nearest_cgroup_gives_both(tree: Tree) -> None:
    levels = {"_": f"{BOTH}/{BOTH}", "user": f"{BOTH}/{BOTH}", "user_app": f"{BOTH}/{BOTH}", "user_app_me": BOTH}
    found = tree.second("/user/app/me", **levels)
    assert found == Cgroups(2, (tree.root / "v2/user/app/me",))
    assert (tree.root / "v2/user/app/me/cgroup.subtree_control").read_text() == "+cpu +memory"


def test_v2_is_taken_above_where_it_ends_below(tree: Tree) -> None:
    found = tree.second("/user/app", _=f"{BOTH}/{BOTH}", user=f"{BOTH}/memory", user_app="memory")
    assert found == Cgroups(2, (tree.root / "v2/user",))


@pytest.mark.parametrize("said", ["memory pids/memory", "", "cpuset/cpuset"])
def test_v2_without_both_controllers_is_none(tree: Tree, said: str) -> None:
    assert tree.second("/", _=said) is None


def test_v2_that_refuses_to_give_is_none(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, value: str) -> None:
        raise OSError(16, "Device or resource busy", str(path))

    monkeypatch.setattr(cgroups, "_write", refuse)
    assert tree.second("/", _=BOTH) is None


def test_v1_is_taken_below_the_own_of_each_controller(tree: Tree) -> None:
    for folder in ("memory/mine", "cpu,cpuacct/box"):
        (tree.root / folder).mkdir(parents=True)
    mounts = (
        f"35 31 0:32 / {tree.root}/memory rw,relatime - cgroup cgroup rw,memory\n"
        f"36 31 0:33 /docker/x {tree.root}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        f"41 31 0:38 / {tree.root} rw,relatime - cgroup2 cgroup2 rw\n"
    )
    found = tree.found(mounts, "4:memory:/mine\n1:cpu,cpuacct:/docker/x/box\n0::/\n")
    assert found == Cgroups(1, (tree.root / "cpu,cpuacct/box", tree.root / "memory/mine"))
    assert list((tree.root / "memory/mine").iterdir()) == []  # what was tried is gone
    elsewhere = tree.found(mounts, "4:memory:/mine\n1:cpu,cpuacct:/other\n")
    assert elsewhere == Cgroups(1, (tree.root / "cpu,cpuacct", tree.root / "memory/mine"))
    assert tree.found(mounts, "4:memory:/mine\n") is None
    assert tree.found(mounts, "4:memory:/gone\n1:cpu,cpuacct:/docker/x\n") is None
    assert tree.found("", "") is None


CPUS = st.none() | st.integers(1, 6400).map(lambda hundredths: hundredths / 100)
MEMORY = st.none() | st.integers(6 * MIB, 2**40)


@given(CPUS, MEMORY)
def test_what_v2_is_told_is_read_back(cpus: float | None, memory: int | None) -> None:
    told = dict(cgroups.second(Path("/no"), Limits(cpus, memory)))
    assert told == {
        "cpu.max": f"{round(cpus * 100_000) if cpus else 'max'} 100000",
        "memory.max": str(memory or "max"),
    }


def test_limits_of_both_versions_are_read(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    for folder, files in (
        (one, {"cpu.max": "50000 100000\n", "memory.max": "67108864\n"}),
        (two, {"cpu.cfs_quota_us": "-1\n"}),
        (three, {"memory.limit_in_bytes": "9223372036854771712\n"}),
    ):
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
    assert cgroups.limits_of([one]) == Limits(0.5, 64 * MIB)
    assert cgroups.limits_of([two, three]) == Limits()
    assert cgroups.limits_of([tmp_path / "gone"]) == Limits()
    (three / "memory.limit_in_bytes").write_text("499998720")
    assert cgroups.granted(Limits(None, 500_000_000), cgroups.limits_of([two, three])) == Limits(None, 500_000_000)
    assert cgroups.granted(Limits(None, 400_000_000), cgroups.limits_of([three])) == Limits(None, 499_998_720)


def test_processes_that_ran_out_of_memory_are_counted(tmp_path: Path) -> None:
    (tmp_path / "memory.events").write_text("low 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n")
    assert cgroups.kills([tmp_path, tmp_path / "gone"]) == 2
    (tmp_path / "memory.events").unlink()
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert cgroups.kills([tmp_path]) == 1


@pytest.fixture
def made() -> Iterator[tuple[Path, ...]]:
    """Real cgroups, with limits."""
    assert HERE
    folders = HERE.folders(f"test-{os.getpid()}")
    HERE.make(folders, Limits(0.5, 64 * MIB))
    yield folders
    cgroups.remove(folders)
    assert not any(folder.exists() for folder in folders)


@needs_cgroups
@pytest.mark.parametrize(
    "limits", [Limits(0.25, 128 * MIB), Limits(1.5, 32 * MIB), Limits(), Limits(None, 500_000_000)]
)
def test_the_kernel_takes_other_limits_up_and_down(made: tuple[Path, ...], limits: Limits) -> None:
    assert HERE
    assert cgroups.limits_of(made) == Limits(0.5, 64 * MIB)
    HERE.make(made, limits)
    assert cgroups.granted(limits, cgroups.limits_of(made)) == limits


@needs_cgroups
def test_the_kernel_kills_what_takes_more_memory(made: tuple[Path, ...]) -> None:
    code = "import sys; sys.stdin.readline(); x = bytearray(512 * 2**20)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as hungry:
        cgroups.enter(made, hungry.pid)
        hungry.communicate(b"go\n")
    assert hungry.returncode == -9
    assert cgroups.kills(made) == 1
