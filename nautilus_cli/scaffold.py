"""A new engine: its files from templates, its entry in the file, and nothing at all where that is not possible."""

from __future__ import annotations

import keyword
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Fleet
from nautilus_cli.gateways.sockets import bound
from nautilus_cli.loader import load
from nautilus_cli.loader.insert import with_engine
from nautilus_cli.values import NAME

TEMPLATES = Path(__file__).with_name("templates")
ENTRY = "entry.yaml"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of engine: where its templates are, which file each becomes, and how its test is run."""

    folder: Path
    files: Mapping[str, str]
    test: str
    package: bool = False  # its name becomes a Python package


PLAIN = Kind(
    TEMPLATES,
    {
        "{name}/Dockerfile": "Dockerfile",
        "{name}/server.py": "server.py.txt",
        "tests/test_{package}.py": "test_server.py.txt",
    },
    "python -m unittest tests/test_{package}.py",
)
ON_BASE = Kind(
    TEMPLATES / "engine",
    {
        "engines/{package}/__init__.py": "init.py.txt",
        "engines/{package}/model.py": "model.py.txt",
        "engines/{package}/schema.py": "schema.py.txt",
        "engines/{package}/examples.py": "examples.py.txt",
        "engines/{package}/service.py": "service.py.txt",
        "tests/engines/test_{package}_model.py": "test_model.py.txt",
        "tests/engines/test_{package}_service.py": "test_service.py.txt",
    },
    "make test PYTEST_ARGS='tests/engines/test_{package}_model.py tests/engines/test_{package}_service.py'",
    package=True,
)


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What is there now: the files, the port, and how to run its test."""

    files: tuple[str, ...]
    port: int
    test: str


def new_engine(file: Path, name: str, fleet: Fleet, port: int | None = None) -> Scaffold:
    """An engine of this name beside the others of the file; after a `ConfigError` nothing was changed.

    It is built on `engines/base` where the folder of the file has one, else it is a server of its own.
    """
    kind = ON_BASE if (file.parent / "engines/base/engine.py").is_file() else PLAIN
    refuse(name, kind, fleet)
    port = port or free_port(fleet)
    words = {"name": name, "package": name.replace("-", "_")}
    paths = {path.format(**words): kind.folder / template for path, template in kind.files.items()}
    if present := [path for path in paths if (file.parent / path).exists()]:
        raise ConfigError(f"{', '.join(present)}: here already", "choose another name; nothing was changed")
    text = with_engine(file.read_text(), entry(kind, name, port, fleet))
    made = {path: filled(template.read_text(), name, port) for path, template in paths.items()}
    written(file, text, made)
    return Scaffold(tuple(made), port, kind.test.format(**words))


def refuse(name: str, kind: Kind, fleet: Fleet) -> None:
    """`ConfigError` where no new engine of this kind can have this name."""
    hint = "use a to z, 0 to 9 and '-' between them, at most 40 characters; nothing was changed"
    if not re.fullmatch(NAME, name):
        raise ConfigError(f"{name!r} is not a name", hint)
    package = name.replace("-", "_")
    if kind.package and (not package.isidentifier() or keyword.iskeyword(package) or package == "base"):
        raise ConfigError(f"no Python package can be named {package!r}", "choose another name; nothing was changed")
    if name in fleet.workloads:
        raise ConfigError(f"there is {name!r} in the file already", "choose another name; nothing was changed")


def free_port(fleet: Fleet) -> int:
    """The next port after those of the file, in their steps, that nobody on this machine listens on."""
    taken = {engine.port for engine in fleet.engines.values()}
    step = 1 if any(port % 100 for port in taken) else 100
    for port in range(max(taken) + step, 65536, step):
        if port != fleet.gateway.metrics_port and not any(bound(host, port) for host in ("0.0.0.0", "127.0.0.1")):
            return port
    raise ConfigError("no port is free after those of the file", "choose one: --port 9000")


def entry(kind: Kind, name: str, port: int, fleet: Fleet) -> str:
    """The engine's entry in the file."""
    lines = [filled((kind.folder / ENTRY).read_text(), name, port).rstrip("\n")]
    if kind.package and "-" in name:
        lines.append(f"  build: {{inputs: [base, {name.replace('-', '_')}]}}")
    if needs := [service.name for service in fleet.services.values() if kind.package and service.kind == "redis"]:
        lines.append(f"  depends_on: [{', '.join(needs)}]")
    return "\n".join(lines) + "\n"


def filled(template: str, name: str, port: int) -> str:
    """A template with the names of this engine; imports stay in order, whatever it is called."""
    package = name.replace("-", "_")
    words = {"NAME": name, "PACKAGE": package, "CLASS": package.title().replace("_", ""), "PORT": str(port)}
    for word, value in words.items():
        template = template.replace(f"@{word}@", value)
    return "".join(ordered(template.splitlines(keepends=True)))


def ordered(lines: Iterable[str]) -> list[str]:
    """Neighbouring imports of engines by their names."""
    found: list[str] = []
    block: list[str] = []
    for line in lines:
        if line.startswith("from engines."):
            block.append(line)
            continue
        found += [*sorted(block, key=lambda line: line.split()[1]), line]
        block = []
    return found + block


def written(file: Path, text: str, made: Mapping[str, str]) -> None:
    """The new files, and then the file with its new text; where that declares no fleet, nothing of it."""
    file = file.resolve()
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    begun: list[Path] = []
    try:
        for path, content in made.items():
            target = file.parent / path
            begun += [*(folder for folder in reversed(target.parents) if not folder.exists()), target]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
        draft.write_text(text)
        draft.chmod(file.stat().st_mode)
        load([draft], os.environ)
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        for new in reversed(begun):
            with suppress(OSError):  # it was not made yet, or is not ours alone
                new.rmdir() if new.is_dir() else new.unlink()
        raise
