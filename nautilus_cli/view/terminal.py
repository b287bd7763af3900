"""The user's own terminal, lent to a command elsewhere and given back as it was."""

from __future__ import annotations

import os
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue

from nautilus_cli.runtimes.base import Attached

STDIN, STDOUT, STDERR = 0, 1, 2
CHUNK = 1 << 16


def interactive() -> bool:
    """Whether a person sits at both ends."""
    return os.isatty(STDIN) and os.isatty(STDOUT)


def converse(command: Attached, on_terminal: bool) -> None:
    """Pass on what is typed and what is written until the command ends."""
    with raw(on_terminal), resizing(command, on_terminal) as sized:
        threading.Thread(target=_type, args=(command, sized), daemon=True).start()
        for output, data in command.output():
            _write(STDERR if output == STDERR else STDOUT, data)


@contextmanager
def raw(wanted: bool = True) -> Iterator[None]:
    """Every key goes through as it is; whatever happens, the terminal is as before afterwards."""
    if not wanted:
        yield
        return
    before = termios.tcgetattr(STDIN)
    try:
        tty.setraw(STDIN, termios.TCSADRAIN)  # what was typed ahead stays
        yield
    finally:
        termios.tcsetattr(STDIN, termios.TCSADRAIN, before)


@contextmanager
def resizing(command: Attached, wanted: bool = True) -> Iterator[threading.Event]:
    """The command's terminal gets the size of the user's, now and whenever that changes; the event says it has one."""
    sized = threading.Event()
    if not wanted:
        sized.set()
        yield sized
        return
    changes: SimpleQueue[bool] = SimpleQueue()
    changes.put(True)
    thread = threading.Thread(target=_pass_sizes, args=(command.resize, changes, sized), daemon=True)
    before = signal.signal(signal.SIGWINCH, lambda *_: changes.put(True))
    thread.start()
    try:
        yield sized
    finally:
        signal.signal(signal.SIGWINCH, before)
        changes.put(False)
        thread.join()


def _pass_sizes(resize: Callable[[int, int], None], changes: SimpleQueue[bool], sized: threading.Event) -> None:
    while changes.get():
        try:
            with suppress(OSError):  # it is no terminal any more
                size = os.get_terminal_size(STDOUT)
                resize(size.columns, size.lines)
        finally:
            sized.set()


def _type(command: Attached, sized: threading.Event) -> None:
    """Everything that is typed or piped in, once the terminal has a size; a command that reads no more ends it."""
    sized.wait()
    with suppress(OSError):
        while data := _read():
            command.send(data)
        command.end_input()


def _read() -> bytes:
    try:
        return os.read(STDIN, CHUNK)
    except OSError:
        return b""  # it was closed


def _write(where: int, data: bytes) -> None:
    """All of it; what Python holds back goes first."""
    (sys.stderr if where == STDERR else sys.stdout).flush()
    while data:
        data = data[os.write(where, data) :]
