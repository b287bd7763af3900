"""A second Docker daemon that a test may restart, starve and kill: on the machine's own others live."""

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

from tests.scenarios.load import eventually
from tests.scenarios.world import BASE, World, server


class Daemon:
    """A Docker daemon of the test's own, in a network namespace of its own.

    Beside another daemon in one namespace it would take that one's bridge and firewall rules away: `--bridge none`
    deletes `docker0`, whoever made it.
    """

    def __init__(self, disk: str = "") -> None:
        self.folder = Path(tempfile.gettempdir(), f"nt-docker-{secrets.token_hex(4)}")  # also a containerd namespace
        self.data = self.folder / "data"
        self.data.mkdir(mode=0o700, parents=True)
        if disk:  # of its own, and no larger than that
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk}", "tmpfs", str(self.data)], check=True)
        self.options: tuple[str, ...] = ()
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
            "dockerd", "--host", self.url, "--data-root", str(self.data), "--exec-root", f"{self.folder}/run",
            "--pidfile", f"{self.folder}/pid", "--containerd-namespace", mark,
            "--containerd-plugins-namespace", f"{mark}-plugins", "--iptables=false",
            *self.options,
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

    def restart(self, number: int, *options: str) -> None:
        """End it with this signal, its containerd with it, and start it again with these options."""
        self.options = options
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


@contextlib.contextmanager
def private(here: World, disk: str = "") -> Iterator[tuple[Daemon, World]]:
    """A daemon, and a fleet for it; its images come from the machine's own daemon, since no registry answers."""
    if os.geteuid() or not all(map(shutil.which, ("dockerd", "ip", "nsenter"))):
        pytest.skip("needs root, dockerd, ip and nsenter")
    here.declare(engines={name: server(port) for name, port in zip(("alpha", "beta"), here.ports, strict=False)})
    here.run("build")
    daemon = Daemon(disk)
    try:
        own = docker.APIClient(daemon.url, version="auto", timeout=120)
        there = World(here.folder, here.ports, own, here.name, daemon.url, daemon.address)
        there.declare(engines=here.document["engines"], gateway={"bind": daemon.address, "network": "host"})
        for image in (BASE, *(i["RepoTags"][0] for i in here.api.images(name=f"{here.name}/gateway"))):
            own.load_image(b"".join(here.api.get_image(image)))
        try:
            yield daemon, there
        finally:
            there.sweep()
            own.close()
    finally:
        daemon.close()
