"""What a build is made from: its files in one order, and one hash over everything that decides the image."""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from docker.utils.build import PatternMatcher

from nautilus_cli.errors import BuildFailed, ConfigError
from nautilus_cli.runtimes.dockerfile import Script, parse

# Python writes them whenever it runs, so they never decide what an image is; no .dockerignore can bring them back.
CACHE = "__pycache__"
IGNORED = (f"**/{CACHE}", "**/*.pyc")
# 1980-01-02: a zip archive, and so a wheel that a build step makes, knows no earlier time.
EPOCH = 315_619_200
# Where the host's CA bundle stands in the context of a Dockerfile that asks for it.
CA_FILE = ".nautilus/ca.crt"
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or symbolic link of a context; owner and times are not part of it."""

    name: str  # relative to the context, with slashes
    source: Path | bytes = b""
    link: str | None = None
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides an image, but for the ids of the images that it starts from."""

    name: str
    dockerfile: str
    text: str
    entries: tuple[Entry, ...]
    args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None

    @property
    def script(self) -> Script:
        """The stages that will be run."""
        return parse(self.text, self.args, self.target)

    @property
    def takes_ca(self) -> bool:
        """Whether the Dockerfile copies the host's CA bundle; others get no file that they did not ask for."""
        return ".nautilu" in self.text

    def pack(self, bases: Mapping[str, str], sink: BinaryIO | None = None, ca: bytes | None = None) -> str:
        """Write the context as a tar archive and return its content hash; without a sink, only the hash.

        The hash is taken while the bytes are written, so that an edit in between cannot part them. The CA bundle is
        left out of it: it says how to fetch, not what.
        """
        digest = hashlib.sha256()
        decided = [self.dockerfile, self.target, sorted(self.args.items()), sorted(bases.items())]
        digest.update(f"{decided!r}\n".encode())
        try:
            if sink is None:
                self._write(None, digest)
            else:
                with tarfile.open(fileobj=sink, mode="w|", format=tarfile.GNU_FORMAT) as archive:
                    self._write(archive, digest)
                    if ca is not None:
                        archive.addfile(_header(CA_FILE, size=len(ca)), io.BytesIO(ca))
        except OSError as problem:  # such as a file that shrinks while it is read
            raise BuildFailed(f"{self.name}: the build context cannot be packed: {problem}", "Run it again.") from None
        return digest.hexdigest()[:12]

    def _write(self, archive: tarfile.TarFile | None, digest: hashlib._Hash) -> None:
        if archive:
            for folder in _folders(self.entries):
                archive.addfile(_header(folder, kind=tarfile.DIRTYPE, mode=0o755))
        for entry in self.entries:
            _add(archive, entry, digest)


def read_recipe(
    name: str, root: Path, dockerfile: str, inputs: Sequence[str], args: Mapping[str, str], target: str | None = None
) -> Recipe:
    """The recipe in a folder: the Dockerfile and those of the inputs that its `.dockerignore` leaves in."""
    script = _inside(name, root, dockerfile)
    try:
        text = (root / script).read_text()
        ignored = PatternMatcher([*_ignored(root), *IGNORED])
        found = {path for given in inputs for path in _below(root, _inside(name, root, given))}
        kept = {path for path in found if not ignored.matches(path)}  # type: ignore[arg-type]  # it wants a string
        entries = [_entry(root, path) for path in kept - {script}]
    except (OSError, UnicodeDecodeError) as problem:
        message = f"{name}: the build context {root} cannot be read: {problem}"
        raise BuildFailed(message, "Look at build.context and build.dockerfile.") from None
    return Recipe(name, script, text, _sorted([*entries, Entry(script, text.encode())]), args, target)


def memory_recipe(name: str, files: Mapping[str, bytes], args: Mapping[str, str]) -> Recipe:
    """The recipe of files that are nowhere on disk; one of them is `Dockerfile`."""
    entries = [Entry(path, data) for path, data in files.items()]
    return Recipe(name, "Dockerfile", files["Dockerfile"].decode(), _sorted(entries), args)


def _sorted(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: entry.name))


def _inside(name: str, root: Path, given: str) -> str:
    path = posixpath.normpath(given)
    place = root.resolve() if path == "." else (root / path).parent.resolve()
    if posixpath.isabs(path) or path.split("/")[0] == ".." or not place.is_relative_to(root.resolve()):
        hint = "Move it below build.context, or choose a context that holds it."
        raise ConfigError(f"{name}: the build input '{given}' is outside the build context {root}", hint)
    if not os.path.lexists(root / path):
        raise ConfigError(f"{name}: there is no '{given}' in the build context {root}", "Look at its spelling.")
    return path


def _ignored(root: Path) -> list[str]:
    file = root / ".dockerignore"
    lines = file.read_text().splitlines() if file.is_file() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _below(root: Path, path: str) -> Iterator[str]:
    if (root / path).is_symlink() or not (root / path).is_dir():
        yield path
        return
    yield from _walk(str(root / path), "" if path == "." else f"{path}/")


def _walk(folder: str, prefix: str) -> Iterator[str]:
    """Each file and symbolic link by its name; no sockets, no pipes, and nothing that is ignored everywhere."""
    with os.scandir(folder) as found:
        for item in found:
            if item.is_symlink() or item.is_file():
                yield prefix + item.name
            elif item.is_dir() and item.name != CACHE:
                yield from _walk(item.path, f"{prefix}{item.name}/")


def _entry(root: Path, path: str) -> Entry:
    place = root / path
    mode = place.lstat().st_mode
    if stat.S_ISLNK(mode):
        return Entry(path, link=str(place.readlink()))
    return Entry(path, place, executable=bool(mode & stat.S_IXUSR))


def _folders(entries: Iterable[Entry]) -> list[str]:
    """Every folder above a file: the daemon would make them with a mode of its own."""
    return sorted({str(p) for e in entries for p in Path(e.name).parents} - {"."})


def _add(archive: tarfile.TarFile | None, entry: Entry, digest: hashlib._Hash) -> None:
    """The entry is part of the hash, and of the archive if there is one."""
    if entry.link is not None:
        digest.update(f"link {entry.name!r} {entry.link!r}\n".encode())
        if archive:
            archive.addfile(_header(entry.name, kind=tarfile.SYMTYPE, link=entry.link))
        return
    with io.BytesIO(entry.source) if isinstance(entry.source, bytes) else entry.source.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        digest.update(f"file {entry.name!r} {entry.executable} {size}\n".encode())
        if archive:
            header = _header(entry.name, size=size, mode=0o755 if entry.executable else 0o644)
            archive.addfile(header, _Hashed(file, digest))
        else:
            while data := file.read(CHUNK):
                digest.update(data)


def _header(
    name: str, *, kind: bytes = tarfile.REGTYPE, size: int = 0, mode: int = 0o644, link: str = ""
) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type, header.size, header.mode, header.linkname, header.mtime = kind, size, mode, link, EPOCH
    return header


class _Hashed:
    """A file whose bytes are hashed as they are read."""

    def __init__(self, file: BinaryIO, digest: hashlib._Hash) -> None:
        self._file = file
        self._digest = digest

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        return data
