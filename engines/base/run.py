"""From the environment to a served engine and an exit code."""

import importlib
import logging
import os
import socket
import sys
from functools import partial
from types import ModuleType

from engines.base.app import create_app
from engines.base.bus import BufferedMessageBusClient, Bus, NoBus
from engines.base.lane import HotLane, HotProtocol
from engines.base.lifecycle import Lifecycle
from engines.base.metrics import Metrics
from engines.base.server import EngineServer
from engines.base.settings import Settings, SettingsError

BACKLOG = 2048  # connections that wait to be accepted, in a burst

log = logging.getLogger("nautilus.engine")


def run() -> int:
    """Serve the engine of NAUTILUS_ENGINE until it is told to stop; the exit code is `__main__`'s."""
    settings, service = configured()
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {settings.replica} %(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    bus = open_bus(settings)
    lifecycle = Lifecycle(bus)
    engine = service.create(settings)
    engine.join(bus)
    metrics = Metrics(settings.engine, settings.replica, bus)
    app = create_app(engine, settings, lifecycle, metrics)
    lane = HotLane(engine.routes(), lifecycle, metrics, settings.replica)
    try:
        listener = socket.create_server(("0.0.0.0", settings.port), backlog=BACKLOG)
    except OSError as error:
        print(f"engines.base: port {settings.port}: {error.strerror}", file=sys.stderr)
        return 3
    server = EngineServer(app, partial(HotProtocol, lane), engine, lifecycle, settings.drain_seconds)
    server.run([listener])
    if server.failure is not None:
        log.error("the engine could not load its data", exc_info=server.failure)
        return 1
    return 0


def configured() -> tuple[Settings, ModuleType]:
    """The settings in the environment and the service of their engine; exits with 2 where they are wrong."""
    try:
        settings = Settings.from_environment(os.environ)
        return settings, service_of(settings.engine)
    except SettingsError as error:
        print(f"engines.base: {error}", file=sys.stderr)
        sys.exit(2)


def open_bus(settings: Settings) -> Bus:
    """The bus that the settings name; all replicas of one engine are one group."""
    if settings.bus is None:
        return NoBus()
    return BufferedMessageBusClient(settings.bus, settings.engine, settings.replica)


def service_of(engine: str) -> ModuleType:
    """The module of an engine's service; raises SettingsError where there is none."""
    name = f"engines.{engine.replace('-', '_')}.service"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        raise SettingsError(f"NAUTILUS_ENGINE: there is no engine '{engine}'") from None
