"""Answers of the daemon that have no end of their own, as logs, events and attached commands: read here, cut there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import requests
import urllib3
from docker.api.client import APIClient
from docker.errors import DockerException
from docker.types import CancellableStream

from nautilus_cli.errors import RuntimeUnavailable
from nautilus_cli.runtimes import labels
from nautilus_cli.runtimes.connection import reason

LOST = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
HEADER = 8  # bytes before each frame: which output, three zeros, the length


class Live:
    """One such answer. Another thread may close it: its reader then finds the end."""

    def __init__(self, api: APIClient, path: str, params: Mapping[str, Any]) -> None:
        url = f"{api.base_url}/v{api.api_version}{path}"
        try:
            self._response = api.get(url, params=dict(params), stream=True, timeout=None)
        except requests.RequestException as error:
            raise RuntimeUnavailable(f"Docker does not answer: {reason(error)}", "is the daemon running?") from error
        self._closed = False

    @property
    def status(self) -> int:
        """The status code of HTTP."""
        return int(self._response.status_code)

    @property
    def refusal(self) -> str:
        """What Docker said instead of an answer."""
        text = self._response.text
        with suppress(ValueError):
            return str(json.loads(text)["message"])
        return str(text).strip()

    def chunks(self) -> Iterator[bytes]:
        """The answer as it comes; `RuntimeUnavailable` when the daemon goes away in the middle of it."""
        try:
            yield from self._response.raw.stream(1 << 16)
        except (*LOST, AttributeError, ValueError) as error:  # the last two: it was closed under the reader's hands
            if not self._closed:
                hint = "is the daemon running? `docker info` tells"
                raise RuntimeUnavailable(f"the connection to Docker broke: {reason(error)}", hint) from error
        finally:
            self._response.close()

    def close(self) -> None:
        """Hang up, also while another thread reads."""
        self._closed = True
        # It has ended already; or it goes over ssh, where the connection ends with this process.
        with suppress(OSError, AttributeError, DockerException):
            CancellableStream(iter(()), self._response).close()
        self._response.close()


def frames(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """The writes of a process from what Docker makes of them: 1 for its output, 2 for errors, and the bytes."""
    pending = b""
    for chunk in chunks:
        pending, start = pending + chunk, 0
        while len(pending) - start >= HEADER:
            begin = start + HEADER
            end = begin + int.from_bytes(pending[begin - 4 : begin], "big")
            if len(pending) < end:
                break
            yield pending[start], pending[begin:end]
            start = end
        pending = pending[start:]


def documents(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The JSON documents of an answer, each as soon as it is complete."""
    decoder, pending = json.JSONDecoder(), b""
    for chunk in chunks:
        *complete, pending = (pending + chunk).split(b"\n")
        for line in filter(None, map(bytes.strip, complete)):
            found, _ = decoder.raw_decode(line.decode(errors="replace"))
            yield found


def watch(api: APIClient, fleet: str, since: float | None = None, kinds: Iterable[str] = ()) -> Live:
    """Docker's events about the containers of a fleet."""
    filters = {"type": ["container"], "label": [f"{labels.FLEET}={fleet}"], **({"event": list(kinds)} if kinds else {})}
    when = {} if since is None else {"since": f"{since:.9f}"}
    return Live(api, "/events", {"filters": json.dumps(filters), **when})


def subject(marks: Mapping[str, str]) -> str:
    """How people call the container with these labels: 'risk/2', 'gateway'."""
    name = marks.get(labels.ENGINE, "")
    return f"{name}/{marks[labels.SLOT]}" if labels.SLOT in marks else name
