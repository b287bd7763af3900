"""The versions that served without Docker, and the code that each of them ran: what `history` and `rollback` need."""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from nautilus_cli.fleet import Engine, Fleet
from nautilus_cli.history import RING, following, newest_first
from nautilus_cli.runtimes.process import record
from nautilus_cli.runtimes.process.home import Home
from nautilus_cli.snapshot import Image, Version

VERSIONS, CODE, NOTE, TREE = "versions", "code", "code.json", "tree"


@dataclass(frozen=True, slots=True)
class Code:
    """Where a version's command is run, and where the commands of its environment are."""

    folder: str
    programs: str

    @property
    def here(self) -> bool:
        """Whether both still are: environments are kept in a cache."""
        return Path(self.folder).is_dir() and Path(self.programs).is_dir()


class Versions:
    """The last ten of each engine of one fleet; engines that are deployed side by side take turns in writing."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._folder = home.root / VERSIONS
        self._turn = threading.Lock()
        self._purpose, self._at = "", ""

    def begin(self, purpose: str) -> None:
        """A change begins: what it records has this purpose and this moment."""
        self._purpose, self._at = purpose, datetime.now(UTC).isoformat(timespec="seconds")

    def known(self) -> tuple[Version, ...]:
        """Every version on record that can be read, by engine, the oldest first."""
        found = []
        for path in self._folder.glob("*.json"):
            with suppress(OSError, ValueError, TypeError):  # cut off, or of another version of nautilus
                found.append(Version(**json.loads(path.read_text())))
        return tuple(sorted(found, key=lambda version: (version.engine, version.serial)))

    def record(self, engine: Engine, image: Image, parts: Mapping[str, str]) -> None:
        """This engine serves from now on; what it was before stays on record."""
        from nautilus_cli.runtimes.state import whoami  # loads what talks to Docker

        with self._turn:
            kept = newest_first(self.known(), engine.name)
            version = following(kept, engine, image, parts, (self._purpose, self._at, whoami()))
            if version:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                path = self._folder / f"{engine.name}-{version.serial % RING}.json"
                record.replace(path, json.dumps(asdict(version)))
                self._prune()

    def keep(self, fleet: Fleet, engine: Engine, image: Image, programs: Path) -> None:
        """The code of this version is there for a later `rollback`: a copy of what it is built from.

        Of an engine without `build` only the environment is known: its command goes on to run in the fleet's folder.
        What is built from elsewhere is not kept: its command could not find it below its own folder.
        """
        target, home = self._code(image.reference), Path(fleet.directory)
        context = Path(home, engine.build.context) if engine.build else None
        if target.exists() or not (context is None or context.is_relative_to(home)):
            return
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as name:
            begun = Path(name, "code")
            begun.mkdir()
            if context:
                copy(fleet, engine, begun / TREE / context.relative_to(home))
            code = Code(str(target / TREE if context else home), str(programs))
            record.replace(begun / NOTE, json.dumps(asdict(code)))
            begun.rename(target)

    def image(self, engine: Engine) -> Image | None:
        """The version that an engine without `build` was taken back to, with an id where its code is still here."""
        if engine.build is not None:
            return None
        for version in self.known():
            if version.engine == engine.name and engine.image in (version.image, version.image_id):
                return Image(version.image, version.image_id if self.code(version.image) else None)
        return None

    def code(self, reference: str) -> Code | None:
        """The code of the version with this image."""
        try:
            found = Code(**json.loads((self._code(reference) / NOTE).read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return found if found.here else None

    def _code(self, reference: str) -> Path:
        return self._folder / CODE / reference.replace(":", "-")

    def _prune(self) -> None:
        """Code that no version on record has, and that nothing runs from, is gone."""
        named = {self._code(version.image) for version in self.known()}
        used = {spec.folder for spec in self._home.specs()}
        for folder in (self._folder / CODE).glob("[!.]*"):
            if folder not in named and str(folder / TREE) not in used:
                shutil.rmtree(folder, ignore_errors=True)


def copy(fleet: Fleet, engine: Engine, target: Path) -> None:
    """What an engine is built from, in a folder of its own."""
    from nautilus_cli.runtimes.images import recipe_of  # likewise

    target.mkdir(parents=True)
    with tempfile.TemporaryFile() as tar:
        if recipe := recipe_of(fleet, engine):
            recipe.pack({}, tar)
        tar.seek(0)
        with tarfile.open(fileobj=tar) as archive:
            archive.extractall(target, filter="data")
