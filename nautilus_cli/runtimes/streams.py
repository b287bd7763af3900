"""The daemon's long answers, which another thread can cut short, and the order among those that would do the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from docker.api.client import APIClient
from docker.errors import DockerException
from docker.types import CancellableStream

Messages = Iterator[dict[str, Any]]


class Streams:
    """Builds and pulls under way on one client; leaving one before its end hangs up, and Docker stops its step."""

    def __init__(self, api: APIClient) -> None:
        self.cancelled = False
        self._open: set[CancellableStream[dict[str, Any]]] = set()
        self._here = threading.local()
        api.hooks["response"].append(self._remember)

    @contextmanager
    def follow(self, messages: Messages) -> Iterator[Messages]:
        """The messages of the request that this thread made last."""
        stream = CancellableStream(messages, self._here.response)
        self._open.add(stream)
        try:
            if self.cancelled:
                _hang_up(stream)
            yield messages  # not the stream itself, which takes every error for the end
        finally:
            self._open.discard(stream)
            _hang_up(stream)

    def cancel(self) -> None:
        """End all of them, and those that begin later."""
        self.cancelled = True
        for stream in tuple(self._open):
            _hang_up(stream)

    def _remember(self, response: requests.Response, *_: object, **__: object) -> None:
        """`api.build` keeps its response to itself, and only a response can be closed from another thread."""
        if response.request.path_url.partition("?")[0].endswith(("/build", "/images/create")):
            self._here.response = response


def _hang_up(stream: CancellableStream[dict[str, Any]]) -> None:
    # Ended already; or over ssh, where the connection ends with this process.
    with suppress(OSError, AttributeError, DockerException):
        stream.close()


class Turns:
    """Who may go now, among threads that would do the same work."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._warm: set[str] = set()

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """One at a time."""
        with self._lock(key):
            yield

    @contextmanager
    def first(self, key: str) -> Iterator[None]:
        """One alone until it ends, all others at once after that.

        Builds in parallel would each run a step that none of them finds in the cache yet.
        """
        with self._lock(key):
            if leads := key not in self._warm:
                yield
                self._warm.add(key)
        if not leads:
            yield

    def _lock(self, key: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(key, threading.Lock())
