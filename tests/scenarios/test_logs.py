"""Logs, commands and events of real containers."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections import defaultdict
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from docker.types import LogConfig

from tests.scenarios.load import eventually
from tests.scenarios.world import BASE, FLEET, World, server

pytestmark = pytest.mark.docker
CHATTER = (Path(__file__).parent / "chatter.py").read_text()


UPDATE = {"monitor": "1s", "drain": "5s"}  # no warning about it stands between the lines


def chatter(port: int, **changes: Any) -> dict[str, Any]:
    return server(port, command=["python3", "-c", CHATTER.replace("$", "$$")], update=UPDATE, **changes)


def test_logs_are_merged_by_time_and_cut_as_asked(world: World) -> None:
    world.declare(
        engines={name: chatter(world.ports[i], environment={"HISTORY": "500"}) for i, name in enumerate("ab")}
    )
    world.run("up")
    lines = world.run("logs", "--timestamps").stdout.splitlines()
    found = [re.fullmatch(r"([ab]/[12]) \| (\S+Z) (.*)", line) for line in lines]
    rows = [match.groups() for match in found if match]
    assert len(rows) == len(lines) == 4 * 502
    assert [stamp for _, stamp, _ in rows] == sorted(stamp for _, stamp, _ in rows)
    for subject in ("a/1", "a/2", "b/1", "b/2"):
        texts = [text for who, _, text in rows if who == subject]
        assert [text.split()[1] for text in texts[:500]] == [str(number) for number in range(500)]
        assert texts[500:] == ["long " + "x" * 50_000 + " end", "bytes \ufffd\ufffd café"]
    tail = world.run("logs", "a", "--tail", "2").stdout.splitlines()
    assert sorted(line[:10] for line in tail) == ["a/1 | byte", "a/1 | long", "a/2 | byte", "a/2 | long"]
    assert {len(line) for line in tail if "long" in line} == {len("a/1 | long  end") + 50_000}
    assert len(world.run("logs", "--grep", "history 49[0-9] ").stdout.splitlines()) == 40
    assert world.run("logs", "--since", rows[-1][1]).stdout.splitlines()[-1].endswith(rows[-1][2])
    assert world.run("logs", "--since", "0s").stdout == ""
    assert "| " in world.run("logs", "gateway").stdout
    follow = world.start("logs", "-f", "--tail", "1")
    eventually(lambda: len(follow.text.splitlines()) == 4)
    assert follow.end(signal.SIGINT) == 130
    assert sorted(follow.text.splitlines()) == [f"{s} | bytes \ufffd\ufffd café" for s in ("a/1", "a/2", "b/1", "b/2")]


def test_following_loses_nothing_over_rollouts_crashes_and_the_end(world: World) -> None:
    world.declare(engines={"a": chatter(world.ports[0], environment={"TICK": "1", "VERSION": "1"})})
    world.run("up")
    follow = world.start("logs", "-f", "--timestamps")
    follow.until("tick 5 ")
    world.edit("a", environment={"VERSION": "2"})
    world.run("up")
    world.kill(world.replicas("a")[0])
    eventually(lambda: follow.text.count("long ") == 5)  # two, their successors, and one that was started again
    world.run("down")
    assert follow.end() == 0
    ticks, stamps = defaultdict[str, list[int]](list), []
    for line in follow.text.splitlines():
        match = re.fullmatch(r"a/[12] \| (\S+Z) (.*)", line)
        assert match, line
        stamps.append(match[1])
        if tick := re.fullmatch(r"tick (\d+) (.*)", match[2]):
            ticks[tick[2]].append(int(tick[1]))
    assert len(ticks) == 4
    runs = [run for numbers in ticks.values() for run in split(numbers)]
    assert len(runs) == 5
    for run in runs:
        assert sorted(run) == list(range(1, len(run) + 1))
    assert follow.text.count("bye ") == 4  # all but the one that was killed
    late = [after for before, after in pairwise(stamps) if after < before]
    assert len(late) <= len(stamps) / 100  # a line may come later than the window on a busy machine; few do


def split(numbers: list[int]) -> list[list[int]]:
    """The ticks of one container, for each time that its process was started."""
    starts = [place for place, number in enumerate(numbers) if number == 1]
    return [numbers[begin:end] for begin, end in zip(starts, [*starts[1:], len(numbers)], strict=True)]


def test_a_container_without_a_log_and_a_fleet_that_is_down(world: World) -> None:
    world.declare(engines={"a": server(world.ports[0], update=UPDATE)})
    assert world.run("logs", "-f", within=20).stdout == ""
    marks = {FLEET: world.name, "io.nautilus.engine": "a", "io.nautilus.slot": "1", "io.nautilus.role": "other"}
    mute = world.api.create_host_config(log_config=LogConfig(type="none"))
    made = world.api.create_container(BASE, ["echo", "x"], labels=marks, host_config=mute)["Id"]
    world.api.start(made)
    world.api.wait(made)
    result = world.run("logs")
    assert result.stdout == ""
    assert "a/1" in result.stderr
    assert "does not support reading" in result.stderr
    follow = world.start("logs", "-f")
    follow.until("does not support reading")
    world.api.remove_container(made)
    assert follow.end() == 0


def test_exec_keeps_streams_apart_and_ends_as_its_command(world: World) -> None:
    world.declare(engines={"a": server(world.ports[0], update=UPDATE)})
    world.run("up")

    def run(*words: str, typed: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "nautilus_cli", "exec", *words]
        return subprocess.run(
            command, cwd=world.folder, env=world.environ, input=typed, capture_output=True, check=False, timeout=60
        )

    result = run("a", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (result.stdout, result.stderr, result.returncode) == (b"out\n", b"err\n", 7)
    blob = os.urandom(2_000_000)
    assert run("a/2", "cat", typed=blob).stdout == blob
    names = [run(f"a/{slot}", "printenv", "NAUTILUS_REPLICA").stdout.decode().strip() for slot in (1, 2)]
    assert names == world.names("a")
    assert run("a", "printenv", "NAUTILUS_REPLICA").stdout.decode().strip() == names[0]
    assert run("a", "no-such-command").returncode in (126, 127)
    assert b"a/3 does not run" in run("a/3", "true").stderr
    for _ in range(5):  # what comes with the head of the answer is not lost
        assert run("a", "echo", "x").stdout == b"x\n"


AWAIT_INTERRUPT = (
    b'import signal as s; s.pthread_sigmask(s.SIG_BLOCK, {2}); print("wa" + "its", flush=True); s.sigwait({2})'
)


def test_exec_on_a_terminal(world: World) -> None:
    world.declare(engines={"a": server(world.ports[0], replicas=1)})
    world.run("up")
    child, screen = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
        os.chdir(world.folder)
        os.execve(sys.executable, [sys.executable, "-m", "nautilus_cli", "exec", "a", "sh"], world.environ)
    said = bytearray()

    def until(pattern: bytes) -> None:
        while not re.search(pattern, said):
            said.extend(os.read(screen, 4096))

    until(rb"[#$] $")
    os.write(screen, b"tty; stty size; python3 -c '" + AWAIT_INTERRUPT + b"'; echo $((40 + 2)); exit 9\n")
    until(rb"/dev/pts/\d+\s+30 90\s+waits")  # a size it has before anything is typed
    os.write(screen, b"\x03")  # ends the waiting and not nautilus
    until(rb"42\s")
    with suppress(OSError):  # that is how a terminal ends
        while os.read(screen, 4096):
            pass
    os.close(screen)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_events_tell_starts_ends_and_changes(world: World) -> None:
    world.declare(engines={"a": server(world.ports[0], replicas=1)})
    events, words = world.start("events", "--json"), world.start("events")
    world.run("up")
    events.until('"text": "started"')
    world.kill(*world.replicas("a"))
    events.until('"die"')
    world.run("down")
    events.until("down ended")
    words.until(r"fleet +\| down ended")
    assert (events.end(signal.SIGINT), words.end(signal.SIGTERM)) == (130, 130)
    told = [json.loads(line) for line in events.text.splitlines() if line.startswith("{")]
    (death,) = [event for event in told if event["engine"] == "a" and event["exit_code"] == 137]
    assert (death["kind"], death["slot"], death["schema"]) == ("die", 1, "nautilus.event/1")
    assert [e["text"].partition(",")[0] for e in told if e["engine"] is None] == [
        "up began", "up ended", "down began", "down ended"
    ]  # fmt: skip
    assert re.search(r" a/1 \| exited with code 137 \(SIGKILL\)", words.text)
