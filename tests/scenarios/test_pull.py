"""Pulls from a registry of the test's own, open and behind a password."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker.errors
import pytest

from tests.scenarios.load import eventually
from tests.scenarios.world import World

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(
        not shutil.which("docker-registry"),
        reason="PULLS ARE NOT TESTED: no docker-registry here (apt-get install docker-registry)",
    ),
]
WHO, PASSWORD = "fleet", "fleet-password"
HASHED = "$2b$05$abcdefghijklmnopqrstuu.ULNRIFYYyaS4R7Mr3NW9iWBr7hNsZS"  # bcrypt of PASSWORD


class Registry:
    """A registry on a loopback port, and what is pushed to it."""

    def __init__(self, world: World, port: int) -> None:
        self.world, self.address = world, f"127.0.0.1:{port}"
        self.login = {"username": WHO, "password": PASSWORD}

    def reference(self, name: str) -> str:
        return f"{self.address}/{name}:1"

    def push(self, name: str, content: str) -> None:
        """An image with this content is there, and none of its name here."""
        made = image(self.world, content, self.reference(name))
        pushed = self.world.api.push(self.reference(name), auth_config=self.login)
        assert "errorDetail" not in pushed, pushed
        self.world.api.remove_image(made, force=True)

    def answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://{self.address}/v2/", timeout=2).close()
        except urllib.error.HTTPError as refused:
            refused.close()
            return refused.code == 401
        except OSError:
            return False
        return True


def image(world: World, content: str, reference: str) -> str:
    """A tiny image of one file."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo("content")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content.encode()))
    repository, _, tag = reference.rpartition(":")
    world.api.import_image_from_data(data.getvalue(), repository=repository, tag=tag)
    return str(world.api.inspect_image(reference)["Id"])


@contextmanager
def registry(world: World, folder: Path, auth: bool) -> Iterator[Registry]:
    """A registry that is gone afterwards, and its images here too."""
    made = Registry(world, world.ports[-1])
    secured = f"auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}\n" if auth else ""
    (folder / "htpasswd").write_text(f"{WHO}:{HASHED}\n")
    (folder / "registry.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: '{made.address}', secret: x}}\n{secured}"
    )
    command = ["docker-registry", "serve", str(folder / "registry.yml")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(made.answers)
        yield made
    finally:
        process.terminate()
        process.wait()
        for found in world.api.images():
            names = [*(found["RepoTags"] or ()), *(found["RepoDigests"] or ())]
            if any(name.startswith(made.address) for name in names):
                world.api.remove_image(found["Id"], force=True)


@pytest.fixture
def own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's configuration, of this test alone."""
    folder = tmp_path / "docker-config"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder / "config.json"


def test_pull_fetches_images_and_bases_once_and_knows_what_is_new(
    world: World, tmp_path: Path, own_config: Path
) -> None:
    with registry(world, tmp_path, auth=False) as shop:
        for name in ("engine", "service", "base"):
            shop.push(name, f"{name} one {world.name}")
        (tmp_path / "src").mkdir()
        (tmp_path / "src" / "Dockerfile").write_text(f"FROM {shop.reference('base')}\n")
        world.declare(
            engines={
                "a": {"image": shop.reference("engine"), "port": world.ports[0]},
                "b": {"build": {"context": "src"}, "port": world.ports[1]},
                "c": {"build": {"context": "src"}, "port": world.ports[2]},
            },
            services={"s": {"image": shop.reference("service")}},
        )
        result = world.run("pull", "a", "b", "c", "s")
        new = ", ".join(sorted(shop.reference(name) for name in ("engine", "service", "base")))
        assert result.stdout == f"new: {new}\nthe next `nautilus up` uses it; what runs was left alone\n"
        assert result.stderr.count(shop.reference("base")) == 1
        result = world.run("pull", "a", "b", "c", "s")
        assert result.stdout == "every image is up to date\n"
        assert result.stderr.count("is up to date") == 3
        before = world.api.inspect_image(shop.reference("engine"))["Id"]
        shop.push("engine", f"engine two {world.name}")
        image(world, f"engine one again {world.name}", shop.reference("engine"))
        assert world.run("pull", "a").stdout.startswith(f"new: {shop.reference('engine')}\n")
        assert world.api.inspect_image(shop.reference("engine"))["Id"] != before
        world.document["engines"]["a"]["image"] = shop.reference("nothing")
        world.write()
        failed = world.run("pull", "a", "s", code=4)
        assert f"error: a: image '{shop.reference('nothing')}' is not here and cannot be pulled" in failed.stderr
        assert f"{shop.reference('service')} is up to date" in failed.stderr


def test_a_registry_with_a_password_takes_the_login_of_dockers_own_config(
    world: World, tmp_path: Path, own_config: Path
) -> None:
    with registry(world, tmp_path, auth=True) as shop:
        shop.push("private", world.name)
        world.declare(engines={"a": {"image": shop.reference("private"), "port": world.ports[0]}})
        refused = world.run("pull", "a", code=4)
        assert "no basic auth credentials" in refused.stderr
        assert "docker login" in refused.stderr
        with pytest.raises(docker.errors.ImageNotFound):
            world.api.inspect_image(shop.reference("private"))
        login = base64.b64encode(f"{WHO}:{PASSWORD}".encode()).decode()
        own_config.write_text(json.dumps({"auths": {shop.address: {"auth": login}}}))
        assert world.run("pull", "a").stdout.startswith(f"new: {shop.reference('private')}\n")
