"""The Python environment of an engine's process: the one of nautilus where that will do, else its own."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from nautilus_cli.errors import BuildFailed, ConfigError
from nautilus_cli.fleet import Engine, Fleet, digest
from nautilus_cli.runtimes.process.haproxy import cache_home

DONE = ".complete"


class Environment:
    """The environment for one requirements file; none asks for nothing."""

    def __init__(self, fleet: Fleet, engine: Engine) -> None:
        asked = engine.process.requirements if engine.process else None
        self._engine = engine.name
        self._file = Path(fleet.directory, asked) if asked else None
        self._lines = list(lines(self._file, engine.name)) if self._file else []
        self._own = bool(self._lines) and not satisfied(self._lines)

    @property
    def mark(self) -> str:
        """What decides on what is installed."""
        return digest([self._lines, sys.version_info[:2]])

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        return cache_home() / "environments" / self.mark if self._own else Path(sys.prefix)

    @property
    def ready(self) -> bool:
        """Whether it is here, complete."""
        return not self._own or (self.folder / DONE).exists()

    @property
    def programs(self) -> Path:
        """The folder of its commands."""
        return self.folder / "bin" if self._own else Path(sys.executable).parent

    def make(self) -> None:
        """It is here afterwards; two commands that make the same one take turns."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.folder.with_name(f"{self.folder.name}.lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if self.ready:
                return
            shutil.rmtree(self.folder, ignore_errors=True)
            self._run([sys.executable, "-m", "venv", str(self.folder)])
            python = str(self.programs / "python")
            self._run([python, "-m", "pip", "install", "--disable-pip-version-check", "-q", "-r", str(self._file)])
            (self.folder / DONE).touch()

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
            raise BuildFailed(f"{self._engine}: its environment could not be made:\n{said}", f"mend {self._file}")


def lines(file: Path, engine: str) -> Iterator[str]:
    """What a requirements file and those that it names ask for, without comments."""
    try:
        text = file.read_text()
    except OSError as error:
        words = f"{engine}: process.requirements: {file}: {error.strerror}"
        raise ConfigError(words, "write the path of a requirements file, from the folder of the file") from None
    for line in text.splitlines():
        bare = line.partition(" #")[0].strip()
        if bare.startswith(("-r ", "--requirement ")):
            yield from lines(file.parent / bare.split(None, 1)[1], engine)
        elif bare and not bare.startswith("#"):
            yield bare


def satisfied(asked: list[str]) -> bool:
    """Whether the environment of this very program has all of it; an option, as of an index, is never had."""
    try:
        return all(map(has, asked))
    except InvalidRequirement:
        return False


def has(line: str) -> bool:
    """Whether one requirement is met here."""
    wanted = Requirement(line)
    if wanted.marker and not wanted.marker.evaluate():
        return True
    try:
        return wanted.url is None and not wanted.extras and wanted.specifier.contains(metadata.version(wanted.name))
    except metadata.PackageNotFoundError:
        return False
