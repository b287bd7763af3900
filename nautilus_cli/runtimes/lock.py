"""One change of a fleet at a time: a container that lives as long as the command which holds it.

It runs `cat` on a standard input that this process holds open. However the process ends, the daemon sees the stream
close, `cat` ends, and the container removes itself: the lock cannot go stale, and works for every user and machine
that shares the Docker host.
"""

from __future__ import annotations

import getpass
import os
import socket
from concurrent.futures import Future
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any

from docker.api.client import APIClient
from docker.errors import APIError, NotFound

from nautilus_cli.errors import Busy
from nautilus_cli.gateways.container import hang_up
from nautilus_cli.runtimes import labels
from nautilus_cli.runtimes.aside import aside

PATIENCE = 3.0  # a lock whose holder just died is gone within 0.2 s
ABANDONED = 10.0  # made but never started: its maker died in between


class ContainerLock:
    """Held from `with` to its end."""

    def __init__(self, api: APIClient, fleet: str, image: str, purpose: str) -> None:
        self._api = api
        self._fleet = fleet
        self._name = f"{fleet}-lock"
        self._image = image
        self._purpose = purpose
        self._id = ""
        self._stdin: Any = None
        self._started: Future[None] = Future()
        self._removed: Future[None] | None = None

    def __enter__(self) -> ContainerLock:
        end = monotonic() + PATIENCE
        while not self._take():
            if holder := self._holder():
                raise Busy(
                    f"{self._fleet}: another change is running: {holder}",
                    "wait until it is done; it holds the lock only as long as it lives",
                )
            if monotonic() > end:
                raise Busy(f"{self._fleet}: the lock could not be taken", f"look at `docker inspect {self._name}`")
            sleep(0.05)
        return self

    def __exit__(self, *exc: object) -> None:
        failure = self._started.exception()
        hang_up(self._stdin)
        self._removed = aside(self._remove)
        if failure and not any(exc):
            raise failure

    def join(self) -> None:
        """What was held is free afterwards, for this process too: it was given back beside what came after it."""
        if self._removed:
            self._removed.result()

    def _remove(self) -> None:
        try:
            self._api.remove_container(self._id, force=True)
        except NotFound:
            pass  # it was faster
        except APIError as error:
            if error.status_code != 409:  # 409: its own removal is under way
                raise

    def _take(self) -> bool:
        try:
            self._id = self._api.create_container_from_config(self._config(), self._name)["Id"]
        except APIError as error:
            if error.status_code == 409:
                return False
            raise
        self._stdin = self._api.attach_socket(self._id, {"stdin": 1, "stream": 1})
        # Its name is ours from its creation on; that it runs, 0.2 s later, only lets it end when this process does.
        self._started = aside(self._api.start, self._id)
        return True

    def _config(self) -> dict[str, Any]:
        who = f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()})"
        return {
            "Image": self._image,
            "Entrypoint": ["cat"],
            "Cmd": [],
            "OpenStdin": True,
            "StdinOnce": True,
            "AttachStdin": True,
            "Labels": {
                labels.FLEET: self._fleet,
                labels.ROLE: "lock",
                labels.HOLDER: who,
                labels.PURPOSE: self._purpose,
            },
            # A network of its own, which `cat` does not need, would double what the start takes.
            "HostConfig": {
                "AutoRemove": True,
                "LogConfig": {"Type": "none"},
                "NetworkMode": "host",
                "UsernsMode": "host",
            },
        }

    def _holder(self) -> str:
        """Who holds the lock since when; empty when it is being given back."""
        try:
            found = self._api.inspect_container(self._name)
        except NotFound:
            return ""
        made = datetime.fromisoformat(found["Created"][:19]).replace(tzinfo=UTC)
        if found["State"]["Status"] == "created":
            if (datetime.now(UTC) - made).total_seconds() > ABANDONED:
                self._api.remove_container(found["Id"], force=True)
            return ""
        if not found["State"]["Running"]:
            return ""
        marks = found["Config"]["Labels"]
        return f"{marks[labels.PURPOSE]} by {marks[labels.HOLDER]} since {made:%Y-%m-%d %H:%M:%S} UTC"
