"""What each engine and service of a file should run here: which code, and what tells its versions apart."""

from __future__ import annotations

from nautilus_cli.fleet import Engine, Fleet, Service, aspects, digest
from nautilus_cli.runtimes.process import bus
from nautilus_cli.runtimes.process.bus import Bus
from nautilus_cli.runtimes.process.environments import Environment
from nautilus_cli.runtimes.process.home import Home
from nautilus_cli.runtimes.process.versions import Code, Versions
from nautilus_cli.snapshot import Image


class Wanted:
    """Of one fleet of this machine."""

    def __init__(self, home: Home, versions: Versions) -> None:
        self._home, self._versions = home, versions

    def image(self, fleet: Fleet, workload: Engine | Service) -> Image:
        """What decides on the code that runs; its id is known where its environment is here."""
        if isinstance(workload, Service):
            return Image("valkey", bus.program() or "missing")
        if taken_back := self._versions.image(workload):
            return taken_back
        environment = Environment(fleet, workload)
        assert workload.process
        mark = digest([workload.process.command, environment.mark, sources(fleet, workload)])
        return Image(f"{workload.name}:{mark}", mark if environment.ready else None)

    def aspects(self, fleet: Fleet, workload: Engine | Service, image: str) -> dict[str, str]:
        """What makes its replicas other ones; the password of a redis that it needs is part of that."""
        needed = [workload.name, *workload.depends_on]
        services = [s for n in needed if (s := fleet.services.get(n)) and s.kind == "redis"]
        return aspects(workload, image, {f"{s.name}/password": Bus(self._home, s).hash for s in services})

    def code(self, fleet: Fleet, workload: Engine | Service, image: Image) -> Code:
        """What this version runs, kept from now on; that of a version that was taken back is kept already."""
        if isinstance(workload, Service):
            return Code(fleet.directory, str(self._home.root))
        if self._versions.image(workload) and (kept := self._versions.code(image.reference)):
            return kept
        programs = Environment(fleet, workload).programs
        self._versions.keep(fleet, workload, image, programs)
        return Code(fleet.directory, str(programs))


def sources(fleet: Fleet, engine: Engine) -> str:
    """A hash over the files that an engine is built from; empty where none are declared."""
    if engine.build is None:
        return ""
    from nautilus_cli.runtimes.images import recipe_of

    recipe = recipe_of(fleet, engine)
    assert recipe
    return recipe.pack({})
