"""The parts of the process runtime that need no fleet: files, locks, environments, and which runtime is chosen."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli import runtimes
from nautilus_cli.errors import BuildFailed, Busy, ConfigError, RuntimeUnavailable
from nautilus_cli.fleet import Fleet, Process
from nautilus_cli.gateways.session import parted
from nautilus_cli.runtimes import connection
from nautilus_cli.runtimes.process import haproxy, kernel, logfile, record
from nautilus_cli.runtimes.process.environments import Environment, satisfied
from nautilus_cli.runtimes.process.home import FileLock, Home
from nautilus_cli.runtimes.process.launch import free_port
from nautilus_cli.runtimes.process.logfile import LogReader, LogWriter
from nautilus_cli.runtimes.process.place import number
from tests.conftest import engine, fleet

SPEC = record.Spec(name="demo-risk-1-abcd", engine="risk", slot=1, command=("true",), folder="/", environment={})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The folder of a fleet of this test alone."""
    monkeypatch.setenv("NAUTILUS_STATE_HOME", str(tmp_path / "state"))
    return Home("demo")


def test_a_process_is_its_number_and_its_start() -> None:
    own = kernel.process(os.getpid())
    assert own.alive
    assert not replace(own, start=own.start + 1).alive
    assert not kernel.Process(2**22 + 1, 1).alive


def test_a_process_that_ended_is_dead_also_while_nobody_has_asked_how() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = kernel.process(child.pid)
    assert found.alive
    found.signal(9)
    assert found.gone(5)
    child.communicate()


def test_a_sweep_ends_what_bears_the_mark_and_nothing_else() -> None:
    mark = f"NAUTILUS_REPLICA=test-{os.getpid()}"
    name, _, value = mark.partition("=")
    marked = subprocess.Popen(["sleep", "60"], env={**os.environ, name: value}, start_new_session=True)
    other = subprocess.Popen(["sleep", "60"], env={**os.environ, name: value + "0"})
    try:
        kernel.sweep(mark, None)
        assert marked.wait(5) == -9
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    status = record.Status(supervisor=kernel.Process(1, 2), child=kernel.Process(3, 4), restarts=5, exit_code=6)
    record.write(tmp_path / record.SPEC, SPEC)
    record.write(tmp_path / record.STATE, status)
    assert record.read_spec(tmp_path) == SPEC
    assert record.read_status(tmp_path) == status
    assert (tmp_path / record.SPEC).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', '{"command": 3}'])
def test_what_cannot_be_read_is_nothing(tmp_path: Path, text: str) -> None:
    for name in (record.SPEC, record.STATE):
        (tmp_path / name).write_text(text)
    assert record.read_spec(tmp_path) is None
    assert record.read_status(tmp_path) is None


LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=30), max_size=30)


@given(LINES, st.integers(1, 7), st.integers(0, 4))
def test_every_line_is_read_once_however_it_was_cut(lines: list[str], piece: int, looks: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log")
        writer, reader, seen = LogWriter(path), LogReader(path), []
        data = "".join(f"{line}\n" for line in lines).encode()
        for count, start in enumerate(range(0, len(data), piece)):
            writer.feed(data[start : start + piece])
            if looks and count % looks == 0:
                seen += [text for _, text in reader.lines()]
        writer.close()
        assert seen + [text for _, text in reader.lines()] == lines


def test_a_log_is_rotated_and_read_across_its_files(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer, reader = LogWriter(path, size=200), LogReader(path)
    seen: list[str] = []
    for count in range(40):
        writer.feed(f"line {count}\n".encode())
        if count % 3 == 0:
            seen += [text for _, text in reader.lines()]
    writer.close()
    seen += [text for _, text in reader.lines()]
    assert seen == [f"line {count}" for count in range(40)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log", "log.1", "log.2", "log.3"]
    assert all(p.stat().st_size <= 240 for p in tmp_path.iterdir())
    assert [text for _, text in LogReader(path).lines()][-1] == "line 39"


def test_a_last_line_without_an_end_is_told_and_a_long_one_in_parts(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log")
    writer.feed(b"x" * (logfile.LONGEST + 10))
    writer.close()
    assert [len(text) for _, text in LogReader(tmp_path / "log").lines()] == [logfile.LONGEST, 10]
    assert logfile.stamp(1_700_000_000_000_000_001) == "2023-11-14T22:13:20.000000001Z"


def test_a_replica_is_there_whole_or_not_at_all(home: Home) -> None:
    folder = home.add(SPEC)
    assert home.specs() == [SPEC]
    (home.replicas / ".begun").mkdir()
    assert home.specs() == [SPEC]
    home.tidy()
    assert list(home.replicas.iterdir()) == [folder]
    home.forget(folder)
    assert home.specs() == []


def test_counts_are_remembered_and_the_others_stay(home: Home) -> None:
    assert home.counts() == {}
    home.choose({"risk": 2}, "scale")
    home.choose({"factor": 3}, "scale")
    assert home.counts() == {"risk": 2, "factor": 3}
    (home.root / "wanted.json").write_text("{")
    assert home.counts() == {}


def test_clear_leaves_data_unless_asked_and_the_lock_leaves_nothing(home: Home) -> None:
    with FileLock(home, "down"):
        home.choose({"risk": 2}, "scale")
        (home.root / "volumes" / "data").mkdir(parents=True)
        assert home.leftovers() == (f"folder {home.root}",)
        home.clear(data=False)
        assert (home.leftovers(), home.data()) == ((), ("data",))
    assert home.root.exists()
    with FileLock(home, "down"):
        home.clear(data=True)
    assert not home.root.exists()


def test_a_lock_names_its_holder_and_is_given_back(home: Home) -> None:
    with (
        FileLock(home, "scale"),
        pytest.raises(Busy, match=rf"scale by .* \(pid {os.getpid()}\)"),
        FileLock(home, "up"),
    ):
        pass
    with FileLock(home, "up"):
        pass


def test_no_port_is_given_twice() -> None:
    ports = [free_port(()) for _ in range(20)]
    assert len(set(ports)) == 20
    assert free_port(ports) not in ports


@pytest.mark.parametrize(("name", "value"), [("SIGQUIT", 3), ("QUIT", 3), ("3", 3), ("SIGTERM", 15)])
def test_signals_have_names_and_numbers(name: str, value: int) -> None:
    assert number(name) == value


@pytest.mark.parametrize(
    ("address", "port", "found"),
    [("10.0.0.2", 80, ("10.0.0.2", 80)), ("127.0.0.1:12345", 80, ("127.0.0.1", 12345))],
)
def test_an_address_may_hold_its_port(address: str, port: int, found: tuple[str, int]) -> None:
    assert parted(address, port) == found


@pytest.mark.parametrize(
    ("line", "met"),
    [
        ("pydantic>=2", True),
        ("pydantic>=2,<2.1", False),
        ("no-such-thing-at-all", False),
        ('no-such-thing; python_version < "3"', True),
        ("--index-url https://example.org", False),
        ("pydantic[email]", False),
    ],
)
def test_what_this_environment_has(line: str, met: bool) -> None:
    assert satisfied([line]) is met


def local(folder: Path, requirements: str | None) -> Fleet:
    process = Process(command=("true",), requirements=requirements)
    return fleet(engine(process=process)).model_copy(update={"directory": str(folder)})


def test_an_environment_is_made_once_for_what_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "more.txt").write_text("./thing  # of this folder\n")
    (tmp_path / "r.txt").write_text("# what it needs\n-r more.txt\n")
    ran: list[list[str]] = []

    def run(self: Environment, command: list[str]) -> None:
        ran.append(command)
        self.folder.mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(Environment, "_run", run)
    declared = local(tmp_path, "r.txt")
    made = Environment(declared, declared.engines["risk"])
    assert not made.ready
    made.make()
    made.make()
    assert [command[1:3] for command in ran] == [["-m", "venv"], ["-m", "pip"]]
    assert Environment(declared, declared.engines["risk"]).ready
    assert made.programs.is_relative_to(tmp_path / "cache")


def test_without_requirements_the_environment_is_this_one(tmp_path: Path) -> None:
    declared = local(tmp_path, None)
    own = Environment(declared, declared.engines["risk"])
    assert (own.ready, own.programs) == (True, Path(sys.executable).parent)


def test_requirements_that_are_not_there_are_a_fault_of_the_file(tmp_path: Path) -> None:
    declared = local(tmp_path, "none.txt")
    with pytest.raises(ConfigError, match=r"risk: process.requirements: .*none.txt: No such file"):
        Environment(declared, declared.engines["risk"])


def test_an_environment_that_cannot_be_made_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    (tmp_path / "r.txt").write_text("no-such-thing-at-all\n")
    declared = local(tmp_path, "r.txt")
    with pytest.raises(BuildFailed, match="risk: its environment could not be made"):
        Environment(declared, declared.engines["risk"]).make()


def test_without_haproxy_and_without_debian_the_hint_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(haproxy, "SYSTEM", ())
    assert haproxy.find() is None
    with pytest.raises(BuildFailed, match="HAProxy is not on this machine") as failure:
        haproxy.fetch()
    assert "brew install haproxy" in failure.value.hint
    program = tmp_path / "nautilus/haproxy/usr/sbin/haproxy"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    assert haproxy.fetch().path == str(program)


APT_CACHE = """#!/bin/sh
case "$4" in
haproxy) echo "haproxy"; echo "  Depends: libc6"; echo "  Depends: libtrace-c0"; echo "  Depends: adduser" ;;
libtrace-c0) echo "  Depends: libc6"; echo "  Depends: libtrace1"; echo "  Depends: libtrace-c0" ;;
libtrace1) echo "  Depends: libtrace-c0" ;;
*) exit 1 ;;
esac
"""


def test_haproxys_libraries_bring_their_own_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("apt-cache", APT_CACHE), ("dpkg", '#!/bin/sh\n[ "$2" = libc6 ]\n')):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert haproxy._libraries() == ["libtrace-c0", "libtrace1"]


@pytest.fixture
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent() -> None:
        raise RuntimeUnavailable("no Docker engine answers", "start it")

    monkeypatch.setattr(connection, "connect", silent)


def chosen(declared: Fleet, runtime: str) -> str:
    return runtimes.chosen(declared.model_copy(update={"runtime": runtime}))[1]


@pytest.mark.usefixtures("no_docker")
def test_auto_is_process_where_no_docker_answers_and_the_file_allows_it(home: Home, tmp_path: Path) -> None:
    able = local(tmp_path, None)
    assert chosen(able, "auto") == "no Docker engine answers"
    assert chosen(able, "process") == ""
    with pytest.raises(RuntimeUnavailable, match="^no Docker engine answers$"):
        chosen(able, "docker")
    with pytest.raises(RuntimeUnavailable, match="risk: has no process.command"):
        chosen(fleet(engine()), "auto")


@pytest.mark.usefixtures("no_docker")
def test_a_fleet_stays_where_it_runs(home: Home, tmp_path: Path) -> None:
    home.add(SPEC)
    able = local(tmp_path, None)
    assert chosen(able, "auto") == "the fleet runs without Docker already"
    with pytest.raises(ConfigError, match="runs as processes of this machine"):
        chosen(able, "docker")
    with pytest.raises(RuntimeUnavailable):
        chosen(able.empty(), "docker")  # `down` of what else is there is no start
