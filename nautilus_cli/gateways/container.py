"""The gateway's container as something to look into, to write to and to run commands in."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

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


class Stream:
    """What goes into a command inside a container, and what it says."""

    def __init__(self, api: APIClient, container: str, command: Sequence[str], patience: float = PATIENCE) -> None:
        made = api.exec_create(container, command, stdin=True, tty=False)["Id"]
        self._holder: Any = api.exec_start(made, socket=True)
        self._socket: Any = getattr(self._holder, "_sock", self._holder)
        self._socket.settimeout(patience)
        self._frames = admin.Demultiplexer()

    def send(self, data: bytes) -> None:
        """All of it."""
        self._socket.sendall(data)

    def read(self) -> Iterator[tuple[int, bytes]]:
        """What comes, with 1 for its output and 2 for its errors, until it ends; TimeoutError when it hangs."""
        while data := self._socket.recv(CHUNK):
            yield from self._frames.feed(data)

    def close(self) -> None:
        """The command reads the end of its input, and ends."""
        hang_up(self._holder)


class ExecWire:
    """A process in a gateway's container that carries bytes to its admin socket and back. Implements `Wire`.

    Before that it may bring an archive of a directory along: a second process would take as long as the first.
    """

    def __init__(self, api: APIClient, container: str, bring: str = "") -> None:
        mark = secrets.token_hex() if bring else ""
        script = f"tar -cf - -C {bring} . ; printf {mark}; " if bring else ""
        carry = f"exec socat -t 0.1 STDIO UNIX-CONNECT:{SOCKET}"
        self._stream = Stream(api, container, ["sh", "-c", script + carry])
        self._said = (text for output, text in self._stream.read() if output == 1)
        self.brought = self._until(mark.encode()) if bring else b""

    def _until(self, mark: bytes) -> bytes:
        found = b""
        try:
            while not found.endswith(mark):
                found += self.receive()
        except OSError:
            self.close()
            raise
        return found.removesuffix(mark)

    def send(self, data: bytes) -> None:
        """All of it."""
        self._stream.send(data)

    def receive(self) -> bytes:
        """What has come."""
        for said in self._said:
            return said
        raise ConnectionResetError("the admin socket was closed")

    def close(self) -> None:
        """The process reads the end of its input, and ends."""
        self._stream.close()


def hang_up(stream: Any) -> None:
    """Close an attached stream for good: docker-py hands out a wrapper that keeps its socket open."""
    response, raw = getattr(stream, "_response", None), getattr(stream, "_sock", stream)
    if response is not None:
        response.close()
    stream.close()
    raw.close()
