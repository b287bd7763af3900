"""A command in a running container, with its streams in hand."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from time import monotonic, sleep
from typing import Any

import requests
from docker.api.client import APIClient
from docker.errors import APIError, NotFound

from nautilus_cli.errors import NautilusError, RuntimeUnavailable
from nautilus_cli.runtimes.connection import reason
from nautilus_cli.runtimes.live import LOST, frames
from nautilus_cli.snapshot import Replica

CHUNK = 1 << 16
PATIENCE = 10.0  # seconds that Docker may need to notice that a command has ended


class Command:
    """Implements `Attached` for a container; the command starts when the block is entered."""

    def __init__(self, api: APIClient, replica: Replica, command: Sequence[str], tty: bool) -> None:
        self._api, self._replica, self._command, self._tty = api, replica, list(command), tty
        self._subject = f"{replica.engine}/{replica.slot}"
        self._id = ""
        self._response: Any = None
        self._read: Callable[[int], bytes] = lambda _: b""
        self._line: Any = None

    def __enter__(self) -> Command:
        try:
            self._id = self._api.exec_create(self._replica.id, self._command, stdin=True, tty=self._tty)["Id"]
        except NotFound:
            raise NautilusError(f"{self._subject} is gone", "`nautilus status` shows what runs") from None
        except APIError as error:
            raise NautilusError(f"{self._subject}: Docker refuses: {error.explanation or error}") from error
        self._start()
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):  # the other end was faster
            self._line.shutdown(socket.SHUT_RDWR)
        self._response.close()

    def _start(self) -> None:
        """Not `api.exec_start`: its socket has lost what came in the same packet as the head of the answer."""
        self._response = self._api.post(
            f"{self._api.base_url}/v{self._api.api_version}/exec/{self._id}/start",
            json={"Tty": self._tty, "Detach": False},
            headers={"Connection": "Upgrade", "Upgrade": "tcp"},
            stream=True,
            timeout=None,
        )
        if self._response.status_code not in (101, 200):
            text = self._response.text.strip()
            self._response.close()
            raise NautilusError(f"{self._subject}: Docker refuses: {text}", "`nautilus status` shows what runs")
        file = self._response.raw._fp.fp
        if hasattr(file, "channel"):  # over ssh
            self._line, self._read = file.channel, file.channel.recv
        else:
            self._line, self._read = file.raw._sock, file.read1

    def output(self) -> Iterator[tuple[int, bytes]]:
        """What it writes until it ends."""
        return ((1, data) for data in self._received()) if self._tty else frames(self._received())

    def _received(self) -> Iterator[bytes]:
        try:
            while data := self._read(CHUNK):
                yield data
        except LOST as error:
            raise RuntimeUnavailable(f"the connection to Docker broke: {reason(error)}") from error

    def send(self, data: bytes) -> None:
        """More of its input."""
        self._line.sendall(data)

    def end_input(self) -> None:
        """Its input has ended, its output goes on."""
        if isinstance(self._line, socket.socket):
            socket.socket.shutdown(self._line, socket.SHUT_WR)  # that of TLS would end both directions
        else:
            self._line.shutdown_write()

    def resize(self, columns: int, rows: int) -> None:
        """Its terminal has this size; one that has ended has none."""
        with suppress(APIError, requests.RequestException):
            self._api.exec_resize(self._id, height=rows, width=columns)

    def exit_code(self) -> int:
        """Its own exit code."""
        end = monotonic() + PATIENCE
        try:
            while (found := self._api.exec_inspect(self._id))["Running"]:
                if monotonic() > end:
                    raise NautilusError(f"{self._subject}: the command closed its output and goes on")
                sleep(0.02)
        except (APIError, requests.RequestException) as error:
            raise RuntimeUnavailable(f"Docker does not tell how it ended: {reason(error)}") from error
        return int(found["ExitCode"])
