"""Where HAProxy comes from on a machine without Docker: its PATH, else Debian's packages, unpacked without root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from nautilus_cli.errors import BuildFailed

SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # where Debian has it, and a person's PATH often has not
HINT = "install it (Debian: apt-get install haproxy; macOS: brew install haproxy) and run the command again"


@dataclass(frozen=True, slots=True)
class Program:
    """A program, and what it needs in its environment."""

    path: str
    environment: Mapping[str, str]


def cache_home() -> Path:
    """Where what can be made again is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "nautilus"


def find() -> Program | None:
    """HAProxy where it is; None where it has to be fetched."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM])
    if found := shutil.which("haproxy", path=path):
        return Program(found, {"PATH": path})
    root = cache_home() / "haproxy"
    unpacked = root / "usr/sbin/haproxy"
    if not unpacked.exists():
        return None
    folders = [*root.glob("usr/lib/*-linux-*"), *root.glob("lib/*-linux-*")]
    return Program(str(unpacked), {"PATH": path, "LD_LIBRARY_PATH": os.pathsep.join(map(str, sorted(folders)))})


def fetch() -> Program:
    """HAProxy, fetched where it is not here yet; `BuildFailed` says why it cannot be."""
    if found := find():
        return found
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise BuildFailed("HAProxy is not on this machine, which has no Debian packages to unpack", HINT)
    target = cache_home() / "haproxy"
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent) as name:
        folder = Path(name)
        _run(["apt-get", "download", "haproxy", *_libraries()], folder)
        for package in sorted(folder.glob("*.deb")):
            _run(["dpkg-deb", "-x", package.name, "tree"], folder)
        shutil.rmtree(target, ignore_errors=True)
        (folder / "tree").rename(target)
    if found := find():
        return found
    raise BuildFailed("Debian's package of HAProxy holds no haproxy", HINT)


def _libraries() -> list[str]:
    """The packages of libraries that it needs, and that these need, as far as they are not installed."""
    missing: set[str] = set()
    todo = ["haproxy"]
    while todo:
        new = {name for name in _needed(todo.pop()) if not _installed(name)} - missing
        missing |= new
        todo += new
    return sorted(missing)


def _needed(package: str) -> list[str]:
    lines = _run(["apt-cache", "depends", "--no-recommends", "--no-suggests", package], Path("/")).splitlines()
    return [line.split()[1] for line in lines if line.strip().startswith("Depends: lib")]


def _installed(package: str) -> bool:
    return subprocess.run(["dpkg", "-s", package], capture_output=True).returncode == 0


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise BuildFailed(f"{' '.join(command[:2])} fails: {done.stderr.strip()}", HINT)
    return done.stdout
