"""The one recipe for every engine: both builders make it, and what it makes is hardened and stops well."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.api.client import APIClient

from engines.base import compiled
from nautilus_cli.events import silent
from nautilus_cli.fleet import Build, Fleet
from nautilus_cli.runtimes.images import Images
from tests.conftest import engine
from tests.scenarios.load import eventually
from tests.scenarios.world import BASE, World

pytestmark = pytest.mark.docker
ENGINES = Path(__file__).parents[2] / "engines"


def buildkit(folder: Path) -> str | None:
    """A docker client of this machine that speaks BuildKit."""
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    for client in filter(None, (shutil.which("docker"), shutil.which("docker", path="/usr/bin"))):
        run = subprocess.run(
            [client, "build", "-q", str(folder)],
            env={"DOCKER_BUILDKIT": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode == 0:
            return client
    return None


@pytest.fixture(scope="module")
def image(api: APIClient) -> Iterator[str]:
    """The risk engine, built as `nautilus up` does it."""
    build = Build(context=str(ENGINES), args={"BASE_IMAGE": BASE}, inputs=("Dockerfile", "base", "risk"))
    risk = engine("risk", image=None, build=build)
    fleet = Fleet(name="nt-recipe", directory=str(ENGINES.parent), engines={"risk": risk})
    images = Images(api, fleet)
    images.ensure(risk, silent)
    yield images.wanted(risk).reference
    api.remove_image(images.wanted(risk).reference, force=True)


def test_buildkit_makes_it_too(tmp_path: Path, api: APIClient) -> None:
    client = buildkit(tmp_path)
    if client is None:
        pytest.skip("no docker client on this machine speaks BuildKit")
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    shutil.copytree(ENGINES, tmp_path / "context", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "context/.nautilus").mkdir()
    shutil.copy(bundle, tmp_path / "context/.nautilus/ca.crt")
    words = [
        "build",
        "-q",
        "--build-arg",
        f"BASE_IMAGE={BASE}",
        "--build-arg",
        "ENGINE=risk",
        str(tmp_path / "context"),
    ]
    run = subprocess.run([client, *words], env={"DOCKER_BUILDKIT": "1"}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    made = run.stdout.strip()
    try:
        assert api.inspect_image(made)["Config"]["User"] == "1000:1000"
    finally:
        api.remove_image(made, force=True)


def test_nothing_that_builds_is_left_in_it(image: str, api: APIClient) -> None:
    script = (
        "import importlib.util, json, os, shutil;"
        "absent = [importlib.util.find_spec(name) is None for name in ('pip', 'skfolio')];"
        "print(json.dumps([os.getuid(), *absent,"
        "shutil.which('gcc') is None, os.path.exists('/tools'), os.path.exists('/build')]))"
    )
    made = api.create_container(image, ["python", "-c", script])["Id"]
    try:
        api.start(made)
        api.wait(made)
        assert json.loads(api.logs(made)) == [1000, True, True, True, False, False]
    finally:
        api.remove_container(made, force=True)


@pytest.mark.skipif(not compiled.AVAILABLE, reason="numba is not installed, or the processor is below x86-64-v3")
def test_an_image_with_numba_starts_with_its_kernels_compiled(api: APIClient) -> None:
    """Read-only, as another user than the one that built it: nothing is compiled when it runs."""
    build = Build(context=str(ENGINES), args={"BASE_IMAGE": BASE, "NUMBA": "1"}, inputs=("Dockerfile", "base", "risk"))
    risk = engine("risk", image=None, build=build)
    images = Images(api, Fleet(name="nt-recipe-numba", directory=str(ENGINES.parent), engines={"risk": risk}))
    script = (
        "import os; os.environ['PORT'] = '1';"
        "from engines.base import compiled, warm; warm.main();"
        "from engines.risk import kernels;"
        "stats = kernels._fill.stats;"  # which calls the others, and holds them compiled
        "print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))"
    )
    images.ensure(risk, silent)
    reference = images.wanted(risk).reference
    host = api.create_host_config(read_only=True, network_mode="none")
    made = api.create_container(reference, ["python", "-c", script], host_config=host)["Id"]
    try:
        api.start(made)
        api.wait(made)
        said = api.logs(made).decode().splitlines()
    finally:
        api.remove_container(made, force=True)
        api.remove_image(reference, force=True)
    assert said == ["risk loads, and computes with numba", "1 0"]


def test_the_demo_engine_serves_hardened_and_stops_with_0(world: World, image: str) -> None:
    strict = {"user": "1000", "read_only": True, "cap_drop": ["ALL"], "pids": 256}
    declared = {
        "image": image,
        "port": world.ports[0],
        "security": strict,
        "tmpfs": ["/tmp"],
        "resources": {"cpus": 1, "memory": "256MiB"},
        "update": {"monitor": "0s"},
        "restart": "no",
    }
    world.declare(engines={"risk": declared})
    world.run("up")
    with urllib.request.urlopen(f"http://127.0.0.1:{world.ports[0]}/risk/check/portfolio_001") as answer:
        body = json.load(answer)
    assert [limit["breached"] for limit in body["limits"]] == [False, True, False]
    (container,) = world.replicas("risk")
    world.api.kill(container["Id"], "SIGTERM")
    eventually(lambda: not world.api.inspect_container(container["Id"])["State"]["Running"])
    assert world.api.inspect_container(container["Id"])["State"]["ExitCode"] == 0
    with tarfile.open(
        fileobj=io.BytesIO(b"".join(world.api.get_archive(container["Id"], "/opt/engine/app")[0]))
    ) as app:
        assert {name.split("/")[2] for name in app.getnames() if name.count("/") == 2} == {"base", "risk"}
