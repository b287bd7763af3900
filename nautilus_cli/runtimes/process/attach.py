"""A command beside a replica's process: in its folder, with its environment, with its streams in hand."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
from collections.abc import Iterator, Sequence
from contextlib import suppress

from nautilus_cli.errors import NautilusError
from nautilus_cli.runtimes.process.record import Spec
from nautilus_cli.runtimes.process.supervisor import reason

CHUNK = 1 << 16


class Command:
    """Implements `Attached` for a process; the command starts when the block is entered."""

    def __init__(self, spec: Spec, command: Sequence[str], tty: bool) -> None:
        self._spec, self._command, self._tty = spec, list(command), tty
        self._process: subprocess.Popen[bytes]
        self._input = -1
        self._outputs: dict[int, int] = {}  # which output each descriptor is

    def __enter__(self) -> Command:
        ends = pty.openpty() if self._tty else None
        stream = ends[1] if ends else subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                self._command, cwd=self._spec.folder, env=dict(self._spec.environment),
                stdin=stream, stdout=stream, stderr=stream, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise NautilusError(f"{self._spec.subject}: {reason(self._spec, error)}") from None
        finally:
            if ends:
                os.close(ends[1])
        if ends:
            self._input, self._outputs = ends[0], {ends[0]: 1}
        else:
            streams = (self._process.stdin, self._process.stdout, self._process.stderr)
            self._input, out, err = (os.dup(stream.fileno()) for stream in streams if stream)
            self._outputs = {out: 1, err: 2}
            for each in streams:
                if each:
                    each.close()
        return self

    def __exit__(self, *exc: object) -> None:
        for descriptor in {self._input, *self._outputs} - {-1}:
            os.close(descriptor)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def output(self) -> Iterator[tuple[int, bytes]]:
        """What it writes until it ends."""
        while self._outputs:
            ready, _, _ = select.select(list(self._outputs), [], [])
            for descriptor in ready:
                if data := self._read(descriptor):
                    yield self._outputs[descriptor], data
                else:
                    self._outputs.pop(descriptor)
                    if descriptor != self._input:
                        os.close(descriptor)

    def _read(self, descriptor: int) -> bytes:
        with suppress(OSError):  # a terminal that nobody writes to any more
            return os.read(descriptor, CHUNK)
        return b""

    def send(self, data: bytes) -> None:
        """More of its input."""
        while data:
            data = data[os.write(self._input, data) :]

    def end_input(self) -> None:
        """Its input has ended, its output goes on."""
        if self._tty:
            self.send(b"\x04")
        elif self._input >= 0:
            os.close(self._input)
            self._input = -1

    def resize(self, columns: int, rows: int) -> None:
        """Its terminal has this size."""
        fcntl.ioctl(self._input, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def exit_code(self) -> int:
        """Its own exit code, or 128 and the number of the signal that ended it."""
        code = self._process.wait()
        return 128 - code if code < 0 else code
