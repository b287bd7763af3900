"""A borrowed terminal is given back as it was, and its size goes along."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nautilus_cli.view import terminal
from tests.fakes import FakeCommand
from tests.scenarios.load import eventually


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal in the place of this process's own."""
    outer, inner = pty.openpty()
    for name in ("STDIN", "STDOUT"):
        monkeypatch.setattr(terminal, name, inner)
    yield inner
    os.close(outer)
    os.close(inner)


def test_a_terminal_is_as_before_whatever_happens(screen: int) -> None:
    before = termios.tcgetattr(screen)
    modes = []

    def interrupted() -> None:
        with terminal.raw():
            modes.append(termios.tcgetattr(screen)[3])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [mode & (termios.ICANON | termios.ECHO | termios.ISIG) for mode in modes] == [0]
    assert termios.tcgetattr(screen) == before
    with terminal.raw(wanted=False):
        assert termios.tcgetattr(screen) == before
    assert terminal.interactive()


def test_sizes_are_passed_on_at_the_start_and_when_they_change(screen: int) -> None:
    sizes: list[tuple[int, int]] = []

    class Sized(FakeCommand):
        def resize(self, columns: int, rows: int) -> None:
            sizes.append((columns, rows))

    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = signal.getsignal(signal.SIGWINCH)
    with terminal.resizing(Sized([])):
        eventually(lambda: sizes == [(80, 24)])
        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
        os.kill(os.getpid(), signal.SIGWINCH)
        eventually(lambda: sizes[1:] == [(132, 50)])
    assert signal.getsignal(signal.SIGWINCH) == before


def test_what_is_typed_waits_until_the_terminal_has_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    asked = threading.Event()

    class Slow(FakeCommand):
        def resize(self, columns: int, rows: int) -> None:
            asked.wait()
            seen.append("sized")

        def send(self, data: bytes) -> None:
            seen.append(data.decode())

        def output(self) -> Iterator[tuple[int, bytes]]:
            yield 1, b"prompt"
            asked.set()
            eventually(lambda: len(seen) == 2)

    outer, inner = pty.openpty()
    for name in ("STDIN", "STDOUT"):
        monkeypatch.setattr(terminal, name, inner)
    os.write(outer, b"typed ahead\n")
    terminal.converse(Slow([]), on_terminal=True)
    os.close(outer)
    os.close(inner)
    assert seen == ["sized", "typed ahead\n"]


def test_plain_streams_are_passed_on_and_the_end_of_the_input_too(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    heard: list[bytes] = []

    class Echo(FakeCommand):
        def send(self, data: bytes) -> None:
            heard.append(data)

        def end_input(self) -> None:
            heard.append(b"(end)")

        def output(self) -> Iterator[tuple[int, bytes]]:
            yield 1, b"out\xff"
            yield 2, b"err"
            eventually(lambda: heard == [b"typed", b"(end)"])

    (tmp_path / "typed").write_text("typed")
    with (tmp_path / "typed").open() as typed:
        monkeypatch.setattr(terminal, "STDIN", typed.fileno())
        terminal.converse(Echo([]), on_terminal=False)
    assert capfd.readouterr() == ("out\ufffd", "err")
