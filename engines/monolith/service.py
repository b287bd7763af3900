"""The monolith: the routes of every engine, each under its name, behind one port, one event loop and one GIL.

The engines are the same, and so is what serves them: the hot lane, FastAPI, uvicorn. It exists to be measured.
"""

from collections.abc import Sequence
from dataclasses import replace

from engines.base.bus import Bus, NoBus
from engines.base.engine import Engine, Route
from engines.base.run import service_of
from engines.base.settings import Settings

ENGINES = ("analytics", "risk", "factor")


class Monolith:
    """Serves all engines; each has its own state, and none a bus: groups and replicas are the fleet's."""

    def __init__(self, settings: Settings) -> None:
        self._engines: dict[str, Engine] = {
            name: service_of(name).create(replace(settings, engine=name, bus=None)) for name in ENGINES
        }

    def join(self, _: Bus) -> None:
        for engine in self._engines.values():
            engine.join(NoBus())

    def load(self) -> None:
        for engine in self._engines.values():
            engine.load()

    def routes(self) -> Sequence[Route]:
        return [
            replace(route, path=f"/{name}{route.path}")
            for name, engine in self._engines.items()
            for route in engine.routes()
        ]


def create(settings: Settings) -> Monolith:
    """The engine, for `python -m engines.base`."""
    return Monolith(settings)
