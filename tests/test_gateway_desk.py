"""Files of a gateway through one shell: a real one, in a folder of the test, over a socket framed as Docker does."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import IO, Any, cast

import pytest
from docker import APIClient
from docker.errors import APIError

from nautilus_cli.errors import RolloutFailed
from nautilus_cli.gateways import archive
from nautilus_cli.gateways.desk import Desk


class Daemon:
    """The exec calls of Docker's API: each command runs here."""

    def __init__(self) -> None:
        self.shells: list[subprocess.Popen[bytes]] = []
        self.threads: list[Thread] = []
        self.gone = False

    def exec_create(self, container: str, command: Sequence[str], stdin: bool, tty: bool) -> dict[str, Any]:
        assert (container, stdin, tty) == ("demo-gateway", True, False)
        if self.gone:
            raise APIError("no such container", explanation="No such container: demo-gateway")
        return {"Id": command}

    def exec_start(self, command: Sequence[str], socket: bool) -> Any:
        assert socket
        near, far = pair()
        shell = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert shell.stdin
        assert shell.stdout
        assert shell.stderr
        self.shells.append(shell)
        outputs = [Thread(target=bring, args=(far, *pair)) for pair in ((1, shell.stdout), (2, shell.stderr))]
        taker = Thread(target=take, args=(far, shell))
        self.threads += [*outputs, taker, Thread(target=end, args=(far, outputs, taker))]
        for thread in self.threads[-4:]:
            thread.start()
        return near


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


def bring(far: socket.socket, output: int, stream: IO[bytes]) -> None:
    with stream:
        while data := stream.read1(999):  # type: ignore[attr-defined]  # what is said comes in pieces
            far.sendall(bytes([output, 0, 0, 0]) + len(data).to_bytes(4, "big") + data)


def take(far: socket.socket, shell: subprocess.Popen[bytes]) -> None:
    assert shell.stdin
    try:
        with shell.stdin as typed:
            while data := far.recv(4_096):
                typed.write(data)
                typed.flush()
    except OSError:
        return  # the shell has ended, as some tests want


def end(far: socket.socket, outputs: list[Thread], taker: Thread) -> None:
    with far:
        for thread in outputs:
            thread.join()
        with suppress(OSError):  # the other end was faster
            far.shutdown(socket.SHUT_RDWR)
        taker.join()


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    made = Daemon()
    yield made
    for shell in made.shells:
        shell.wait()
    for thread in made.threads:
        thread.join()


@pytest.fixture
def desk(daemon: Daemon) -> Iterator[Desk]:
    made = Desk(cast("APIClient", daemon), "demo-gateway")
    yield made
    made.close()
    assert not made.open


def test_files_are_replaced_and_read_by_one_shell(daemon: Daemon, desk: Desk, tmp_path: Path) -> None:
    assert not desk.open
    texts = {"a": "a" * 300_000 + "é\nput /no 3\n", "b": "", "c": "no newline"}
    for text in ("first", *texts.values()):
        desk.put(f"{tmp_path}/a", text)
    for name, text in texts.items():
        desk.put(f"{tmp_path}/{name}", text)
    found = archive.unpack(desk.get(str(tmp_path)), PurePosixPath("/state"))
    assert found == {f"/state/{name}": text.encode() for name, text in texts.items()}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
    assert len(daemon.shells) == 1


def test_threads_take_turns(daemon: Daemon, desk: Desk, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: desk.put(f"{tmp_path}/{number}", str(number) * 10_000), range(40)))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        str(number): str(number) * 10_000 for number in range(40)
    }
    assert len(daemon.shells) == 1


def test_a_gateway_that_came_back_is_asked_again(daemon: Daemon, desk: Desk, tmp_path: Path) -> None:
    desk.put(f"{tmp_path}/a", "1")
    daemon.shells[0].kill()
    daemon.threads[3].join()
    desk.put(f"{tmp_path}/a", "2")
    assert (tmp_path / "a").read_text() == "2"
    assert len(daemon.shells) == 2


def test_a_gateway_that_is_gone_is_a_failure_and_no_bug(daemon: Daemon, desk: Desk, tmp_path: Path) -> None:
    desk.put(f"{tmp_path}/a", "1")
    daemon.shells[0].kill()
    daemon.gone = True
    with pytest.raises(RolloutFailed, match="demo-gateway: Docker refuses: No such container"):
        desk.put(f"{tmp_path}/a", "2")
    assert (tmp_path / "a").read_text() == "1"


@pytest.mark.parametrize("size", [1_000, 10_000_000])  # the latter is more than a socket takes before somebody reads
def test_what_cannot_be_written_is_told_and_the_next_file_can(
    daemon: Daemon, desk: Desk, tmp_path: Path, size: int
) -> None:
    with pytest.raises(RolloutFailed, match=r"the gateway demo-gateway fails: .*cannot create .*none/a.new"):
        desk.put(f"{tmp_path}/none/a", "x" * size)
    desk.put(f"{tmp_path}/a", "1")
    assert (tmp_path / "a").read_text() == "1"
    assert len(daemon.shells) == 2


def test_a_full_disk_is_told_as_such_and_what_was_there_stays(desk: Desk, tmp_path: Path) -> None:
    desk.put(f"{tmp_path}/a", "1")
    (tmp_path / "a.new").symlink_to("/dev/full")
    with pytest.raises(RolloutFailed, match=r"the disk of the Docker host is full: .*No space left") as failed:
        desk.put(f"{tmp_path}/a", "x" * 100_000)
    assert "docker system df" in failed.value.hint
    assert (tmp_path / "a").read_text() == "1"
