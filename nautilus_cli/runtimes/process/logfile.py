"""A log of stamped lines that never grows beyond its bounds: written by one process, read by others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import time_ns

SIZE = 10 * 2**20  # bytes of one file
FILES = 3  # beside the one that is written
LONGEST = 1 << 16  # bytes of a line that are held; what is longer is told in parts


class LogWriter:
    """Writes whole lines, each with its moment; what has no end yet waits for it."""

    def __init__(self, path: Path, size: int = SIZE) -> None:
        self._path, self._limit = path, size
        self._rest = b""
        self._file = -1
        self._open()

    def feed(self, data: bytes) -> None:
        """What a process wrote."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > LONGEST:
            lines.append(self._rest[:LONGEST])
            self._rest = self._rest[LONGEST:]
        if lines:
            now = stamp(time_ns()).encode()
            self._write(b"".join(b"%s %s\n" % (now, line) for line in lines))

    def flush(self) -> None:
        """The process has ended, and with it its last line."""
        if self._rest:
            self.feed(b"\n")

    def close(self) -> None:
        """Nothing comes any more."""
        self.flush()
        os.close(self._file)

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size

    def _write(self, text: bytes) -> None:
        if self._size and self._size + len(text) > self._limit:
            os.close(self._file)
            for number in range(FILES, 0, -1):
                older = rotated(self._path, number - 1)
                if older.exists():
                    older.replace(rotated(self._path, number))
            self._open()
        while text:
            written = os.write(self._file, text)
            self._size += written
            text = text[written:]


class LogReader:
    """Reads what is there, and each time what came since, across rotations."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode, self._offset = 0, 0
        self._rest = b""

    def lines(self) -> Iterator[tuple[str, str]]:
        """The stamp and the text of each complete line that was not read yet."""
        for path in self._unread():
            try:
                with path.open("rb") as file:
                    inode = os.fstat(file.fileno()).st_ino
                    if inode == self._inode:
                        file.seek(self._offset)
                    data = file.read()
                    self._inode, self._offset = inode, file.tell()
            except FileNotFoundError:
                continue  # it was rotated between the look and this: the next look finds it
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                when, _, text = line.decode(errors="replace").partition(" ")
                yield when, text.removesuffix("\r")

    def _unread(self) -> list[Path]:
        """The files from the one that was read last, oldest first."""
        files = [path for number in range(FILES, -1, -1) if (path := rotated(self._path, number)).exists()]
        known = [path for path in files if _inode(path) == self._inode]
        return files[files.index(known[0]) :] if known else files


def rotated(path: Path, number: int) -> Path:
    """The file that was written so many rotations ago."""
    return path.with_name(f"{path.name}.{number}") if number else path


def stamp(nanoseconds: int) -> str:
    """A moment as Docker writes it."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
