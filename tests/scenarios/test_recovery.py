"""After a crash, of replicas, of the gateway or of Docker itself, every port answers again and nobody ran a command."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.api.client import APIClient

from tests.scenarios.load import Load, answering, eventually
from tests.scenarios.world import BASE, World, both_modes, server

pytestmark = pytest.mark.docker


@both_modes
def test_all_replicas_killed_at_once_come_back_behind_their_own_ports(fleet: World) -> None:
    before = fleet.ids("alpha") | fleet.ids("beta")
    fleet.run("scale", "beta=2", "alpha=2")
    with Load([fleet.port("alpha"), fleet.port("beta")]) as load:
        load.proves(10)
        killed = fleet.kill(*fleet.replicas("alpha"), *fleet.replicas("beta"))
        eventually(lambda: whole(fleet, load, killed))
    unmixed(fleet, load)
    assert before <= fleet.ids("alpha") | fleet.ids("beta")
    fleet.settled()


@both_modes
def test_a_killed_gateway_comes_back_with_its_routes(fleet: World) -> None:
    with Load([fleet.port("alpha"), fleet.port("beta")]) as load:
        load.proves(10)
        killed = fleet.kill(*fleet.containers("io.nautilus.role=gateway"))
        eventually(lambda: whole(fleet, load, killed))
    unmixed(fleet, load)
    fleet.settled()


@both_modes
def test_gateway_and_replicas_killed_together_come_back(fleet: World) -> None:
    fleet.run("scale", "beta=2", "alpha=3")
    with Load([fleet.port("alpha"), fleet.port("beta")]) as load:
        killed = fleet.kill(*fleet.containers())
        eventually(lambda: whole(fleet, load, killed))
    unmixed(fleet, load)
    fleet.settled()


def whole(fleet: World, load: Load, before: dict[str, str]) -> bool:
    """Everything of before was started again, and since then every replica answered on its engine's port."""
    ports = {fleet.port(engine): set(fleet.names(engine)) for engine in fleet.document["engines"]}
    again = not before.items() & fleet.touched().items()
    if not again or not all(answering(port, fleet.address) for port in ports):
        load.seen.clear()
        return False
    return all(load.names(port) == names for port, names in ports.items())


def unmixed(fleet: World, load: Load) -> None:
    """No port ever answered with another engine."""
    for engine in fleet.document["engines"]:
        answers = {r.body.split()[0] for port, r in load.seen if port == fleet.port(engine) and r.status == 200}
        assert answers == {engine}


class Daemon:
    """A Docker daemon of the test's own, in a network namespace of its own.

    Beside another daemon in one namespace it would take that one's bridge and firewall rules away: `--bridge none`
    deletes `docker0`, whoever made it.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.gettempdir(), f"nt-docker-{secrets.token_hex(4)}")  # also a containerd namespace
        self.folder.mkdir(mode=0o700)
        self.url = f"unix://{self.folder}/sock"
        self.space = f"nt-{os.getpid()}"
        self.address = f"10.203.{os.getpid() % 250}.2"
        near, prefix = f"nt{os.getpid()}", self.address.rpartition(".")[0]
        ip("netns", "add", self.space)
        ip("link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", self.space)
        ip("address", "add", f"{prefix}.1/30", "dev", near)
        ip("link", "set", near, "up")
        for words in (["address", "add", f"{self.address}/30", "dev", "eth0"], ["link", "set", "eth0", "up"]):
            ip("-netns", self.space, *words)
        ip("-netns", self.space, "link", "set", "lo", "up")
        self.start()

    def start(self) -> None:
        """Run it, and wait until it answers."""
        mark = self.folder.name
        command = [
            "nsenter", f"--net=/var/run/netns/{self.space}",
            "dockerd", "--host", self.url, "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/run",
            "--pidfile", f"{self.folder}/pid", "--containerd-namespace", mark,
            "--containerd-plugins-namespace", f"{mark}-plugins", "--iptables=false",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        eventually(self.answers, 60)

    def answers(self) -> bool:
        """Whether it does."""
        assert self.process.poll() is None, (self.folder / "log").read_text()[-3000:]
        with socket.socket(socket.AF_UNIX) as line, contextlib.suppress(OSError):
            line.connect(f"{self.folder}/sock")
            line.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in line.recv(4096)
        return False

    def restart(self, number: int) -> None:
        """End it with this signal, its containerd with it, and start it again."""
        containerd = Path("/proc", (self.folder / "run/containerd/containerd.pid").read_text())
        self.process.send_signal(number)
        self.process.wait(60)
        eventually(lambda: not containerd.exists())  # it dies a moment later; a daemon that still sees it waits for it
        self.start()

    def close(self) -> None:
        """Stop it and what it ran; nothing is left of it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if (point := line.split()[1]).startswith(f"{self.folder}/"):
                subprocess.run(["umount", point], check=True)
        ip("netns", "delete", self.space)  # and with it both ends of its cable
        shutil.rmtree(self.folder)


def ip(*words: str) -> None:
    """Set up the network of this machine."""
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def private(tmp_path: Path, port_range: list[int], api: APIClient) -> Iterator[tuple[Daemon, World]]:
    """A daemon, and a fleet for it; its images come from the machine's own daemon, since no registry answers."""
    if os.geteuid() or not all(map(shutil.which, ("dockerd", "ip", "nsenter"))):
        pytest.skip("needs root, dockerd, ip and nsenter")
    here = World(tmp_path, port_range, api)
    here.declare(engines={name: server(port_range[n]) for n, name in enumerate(("alpha", "beta"))})
    here.run("build")
    daemon = Daemon()
    try:
        own = docker.APIClient(daemon.url, version="auto", timeout=120)
        there = World(tmp_path, port_range, own, here.name, daemon.url, daemon.address)
        there.declare(engines=here.document["engines"], gateway={"bind": daemon.address, "network": "host"})
        for image in (BASE, *(i["RepoTags"][0] for i in api.images(name=f"{here.name}/gateway"))):
            own.load_image(b"".join(api.get_image(image)))
        try:
            yield daemon, there
        finally:
            there.sweep()
            own.close()
    finally:
        daemon.close()
        here.sweep()


def test_a_restarted_docker_brings_every_engine_back_behind_its_own_port(private: tuple[Daemon, World]) -> None:
    """Told to end, or killed: then Docker takes `unless-stopped` for stopped, and only `always` comes back."""
    daemon, world = private
    world.run("up")
    world.run("scale", "alpha=3", "beta=3")
    survives(daemon, world, signal.SIGTERM)
    for engine in ("alpha", "beta"):
        world.edit(engine, restart="always")
    world.run("up")
    survives(daemon, world, signal.SIGKILL)
    world.run("down")
    assert world.leftovers() == []


def survives(daemon: Daemon, world: World, number: int) -> None:
    """After the daemon was ended by this signal and started again the same containers serve on the same ports."""
    before = world.touched()
    with Load([world.port("alpha"), world.port("beta")], address=world.address) as load:
        load.proves(10)
        daemon.restart(number)
        eventually(lambda: whole(world, load, before), 60)
    unmixed(world, load)
    assert world.touched().keys() == before.keys()
    world.settled()
