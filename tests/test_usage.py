"""CPU and memory from the kernel's files, version 1 and 2, and from Docker's statistics where those cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nautilus_cli.runtimes.usage import Reading, between, from_files, from_statistics
from nautilus_cli.snapshot import Replica, Usage
from tests.conftest import replica

ID = "a" * 64
MIB = 2**20


def running() -> Replica:
    return replica(id=ID, pid=41)


def lay(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    lay(tmp_path / "proc/41", cgroup=f"0::/system.slice/docker-{ID}.scope\n")
    lay(
        tmp_path / f"cgroup/system.slice/docker-{ID}.scope",
        cpu__stat="usage_usec 2500000\nuser_usec 2000000\n",
        memory__current=f"{100 * MIB}\n",
        memory__stat=f"anon 5\ninactive_file {30 * MIB}\n",
    )
    return tmp_path


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    lay(tmp_path / "proc/41", cgroup=f"7:memory:/docker/{ID}\n4:cpu,cpuacct:/docker/{ID}\n0::/docker/{ID}\n")
    lay(tmp_path / f"cgroup/cpuacct/docker/{ID}", cpuacct__usage="2500000000\n")
    lay(
        tmp_path / f"cgroup/memory/docker/{ID}",
        memory__usage_in_bytes=f"{100 * MIB}\n",
        memory__stat=f"cache 5\ntotal_inactive_file {30 * MIB}\n",
    )
    return tmp_path


@pytest.mark.parametrize("version", ["version_1", "version_2"])
def test_both_versions_give_the_same_figures(version: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(version)
    found = from_files(running(), root / "proc", root / "cgroup")
    assert found is not None
    assert (found.cpu, found.memory) == (2.5, 70 * MIB)


def test_a_process_of_another_machine_is_not_taken_for_the_replica(version_2: Path) -> None:
    stranger = replica(id="b" * 64, pid=41)
    assert from_files(stranger, version_2 / "proc", version_2 / "cgroup") is None


def test_what_cannot_be_read_is_left_to_docker(tmp_path: Path) -> None:
    assert from_files(running(), tmp_path / "proc", tmp_path / "cgroup") is None


def test_dockers_statistics_leave_the_page_cache_out_too() -> None:
    class Api:
        """Answers as the engine does on version 1."""

        def stats(self, container: str, **how: Any) -> dict[str, Any]:
            assert (container, how) == (ID, {"stream": False, "one_shot": True})
            memory = {"usage": 100 * MIB, "stats": {"total_inactive_file": 30 * MIB, "inactive_file": 1}}
            return {"cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}}, "memory_stats": memory}

    found = from_statistics(Api(), running())  # type: ignore[arg-type]
    assert found is not None
    assert (found.cpu, found.memory) == (2.5, 70 * MIB)


def test_cpu_is_a_rate_over_the_time_watched() -> None:
    assert between(Reading(1.0, 5, 10.0), Reading(2.0, 7, 12.0)) == Usage(cpus=0.5, memory=7)
