"""The bundled prices, and every engine behind a client that needs no port."""

import asyncio
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from engines.base.app import create_app
from engines.base.engine import Engine
from engines.base.lifecycle import Lifecycle, Phase
from engines.base.metrics import Metrics
from engines.base.prices import Prices, extract
from engines.base.settings import Settings
from tests.engines.redis_server import KINDS, Server

ROOT = Path(__file__).parents[2]
BASE = ROOT / "engines" / "base"


class Client:
    """Requests to an application in this process."""

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle) -> None:
        self.app = app
        self.lifecycle = lifecycle

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def post(self, path: str, body: Any = None) -> httpx.Response:
        return self.request("POST", path) if body is None else self.request("POST", path, json=body)


def client_of(engine: Engine, settings: Settings) -> Client:
    """The engine's application, loaded and ready."""
    lifecycle = Lifecycle()
    engine.load()
    lifecycle.phase = Phase.READY
    metrics = Metrics(settings.engine, settings.replica)
    return Client(create_app(engine, settings, lifecycle, metrics), lifecycle)


@pytest.fixture(scope="session")
def skfolio_package() -> Path:
    """The pinned skfolio: a folder of it, downloaded once a machine."""
    pin = (BASE / "prices-requirements.txt").read_text()
    folder = ROOT / ".cache" / f"skfolio-{hashlib.sha256(pin.encode()).hexdigest()[:12]}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=folder.parent))
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-compile",
            "--target",
            part,
        ]
        subprocess.run([*command, "-r", BASE / "prices-requirements.txt"], check=True)
        try:
            part.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            shutil.rmtree(part)  # another worker of this test run was faster
    return folder


@pytest.fixture(scope="session")
def prices_path(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The prices as an array file: that of NAUTILUS_PRICES, or extracted from the pinned package."""
    if given := os.environ.get("NAUTILUS_PRICES"):
        return Path(given)
    path = tmp_path_factory.mktemp("prices") / "prices.npz"
    extract(request.getfixturevalue("skfolio_package")).save(path)
    return path


@pytest.fixture(scope="session")
def prices(prices_path: Path) -> Prices:
    return Prices.load(prices_path)


@pytest.fixture(scope="session")
def settings_for(prices_path: Path) -> Callable[[str], Settings]:
    def settings(engine: str) -> Settings:
        return Settings(engine, f"{engine}-1", "1.2.3", 8000, prices_path, drain_seconds=0)

    return settings


@pytest.fixture
def client_for(settings_for: Callable[[str], Settings]) -> Callable[[str], Client]:
    def client(engine: str) -> Client:
        settings = settings_for(engine)
        service = importlib.import_module(f"engines.{engine.replace('-', '_')}.service")
        return client_of(service.create(settings), settings)

    return client


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Redis, or a Valkey where there is none."""
    with closing(Server(tmp_path, KINDS[0])) as server:
        server.start()
        yield server


@pytest.fixture(params=KINDS)
def each_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A Redis and a Valkey, in turn."""
    with closing(Server(tmp_path, request.param)) as server:
        server.start()
        yield server
