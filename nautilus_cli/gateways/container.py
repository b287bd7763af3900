"""The gateway's container as something to look into, to write to and to run commands in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from nautilus_cli.errors import RolloutFailed
from nautilus_cli.gateways import admin, archive
from nautilus_cli.gateways.config import SOCKET
from nautilus_cli.gateways.shape import CONFIG, USER
from nautilus_cli.gateways.wire import CHUNK, PATIENCE


class Container:
    """One container under its name or id, whether it is there or not."""

    def __init__(self, api: APIClient, name: str) -> None:
        self.api, self.name = api, name

    def inspect(self) -> dict[str, Any] | None:
        """What Docker knows of it; None where there is none."""
        try:
            return dict(self.api.inspect_container(self.name))
        except NotFound:
            return None

    def read(self, path: str) -> str | None:
        """The text of one of its files; None where there is none."""
        return archive.read(self.api, self.name, path)

    def write(self, files: Mapping[str, str]) -> None:
        """Put these files, by path, into the gateway's directory."""
        relative = {path.removeprefix(f"{CONFIG}/"): text for path, text in files.items()}
        archive.write(self.api, self.name, CONFIG, relative, USER)

    def attempt(self, script: str) -> tuple[int, str]:
        """The exit code and the words of a shell script inside; -1 and Docker's words where it cannot run."""
        try:
            made = self.api.exec_create(self.name, ["sh", "-c", script])
            output = self.api.exec_start(made["Id"]).decode(errors="replace")
            return int(self.api.exec_inspect(made["Id"])["ExitCode"]), output
        except APIError as error:
            return -1, error.explanation or str(error)

    def run(self, script: str) -> None:
        """Run a shell script inside; RolloutFailed with its words where it fails."""
        code, output = self.attempt(script)
        if code:
            raise RolloutFailed(f"the gateway {self.name} fails: {output.strip()}", "run `nautilus up` again")

    def said(self) -> str:
        """What HAProxy said since it last began to read its configuration."""
        words = self.api.logs(self.name, tail=60).decode(errors="replace")
        return words[max(0, words.rfind("Reexecuting Master"), words.rfind("Reloading HAProxy")) :]

    def discard(self) -> None:
        """Remove it, running or not; none is no error."""
        try:
            self.api.remove_container(self.name, force=True)
        except NotFound:
            return


class ExecWire:
    """A process in a gateway's container that carries bytes to its admin socket and back. Implements `Wire`."""

    def __init__(self, api: APIClient, container: str) -> None:
        command = ["socat", "-t", "0.1", "STDIO", f"UNIX-CONNECT:{SOCKET}"]
        made = api.exec_create(container, command, stdin=True, tty=False)
        self._holder: Any = api.exec_start(made["Id"], socket=True)
        self._socket: Any = getattr(self._holder, "_sock", self._holder)
        self._socket.settimeout(PATIENCE)
        self._frames = admin.Demultiplexer()

    def send(self, data: bytes) -> None:
        """All of it."""
        self._socket.sendall(data)

    def receive(self) -> bytes:
        """What has come."""
        while data := self._socket.recv(CHUNK):
            if said := b"".join(text for output, text in self._frames.feed(data) if output == 1):
                return said
        raise ConnectionResetError("the admin socket was closed")

    def close(self) -> None:
        """The process reads the end of its input, and ends."""
        hang_up(self._holder)


def hang_up(stream: Any) -> None:
    """Close an attached stream for good: docker-py hands out a wrapper that keeps its socket open."""
    response, raw = getattr(stream, "_response", None), getattr(stream, "_sock", stream)
    if response is not None:
        response.close()
    stream.close()
    raw.close()
