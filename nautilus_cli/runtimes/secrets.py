"""Secrets as files in volumes of their own: in no command line, no label and no environment variable."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from docker.api.client import APIClient

from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Engine, Fleet, Service, digest
from nautilus_cli.runtimes import labels, volumes
from nautilus_cli.runtimes.containers import SECRETS, Binding, redis_config

ROLE = "secrets"


def values(fleet: Fleet, names: tuple[str, ...]) -> dict[str, bytes]:
    """The content of declared secrets, read where the command runs."""
    found: dict[str, bytes] = {}
    for name in names:
        secret = fleet.secrets[name]
        if secret.file is not None:
            found[name] = Path(fleet.directory, secret.file).read_bytes()
        elif (value := os.environ.get(secret.environment or "")) is not None:
            found[name] = value.encode()
        else:
            raise ConfigError(f"secret {name!r}: the variable {secret.environment} is not set", "set it and try again")
    return found


def redis_needed(fleet: Fleet, workload: Engine | Service) -> list[Service]:
    """The redis services whose password this workload must know: its own, and those it depends on."""
    if isinstance(workload, Service):
        return [workload] if workload.kind == "redis" else []
    needed = (fleet.services.get(name) for name in workload.depends_on)
    return [service for service in needed if service and service.kind == "redis"]


class Vault:
    """The secrets volumes of one fleet."""

    def __init__(self, api: APIClient, fleet: Fleet, marks: Mapping[str, Mapping[str, str]]) -> None:
        self._api = api
        self._fleet = fleet
        self._marks = {name: dict(found) for name, found in marks.items()}  # of the fleet's volumes, as observed

    def hashes(self, workload: Engine | Service) -> dict[str, str]:
        """A hash for each secret that a workload gets; a password that is still to be made has none yet."""
        own = {name: digest(value.hex()) for name, value in values(self._fleet, workload.secrets).items()}
        shared = {s.name: self._marks.get(self.shared(s), {}) for s in redis_needed(self._fleet, workload)}
        return {**own, **{f"{name}/password": marks.get(labels.HASH, "") for name, marks in shared.items()}}

    def stage(self, workload: Engine | Service, image: str) -> tuple[Binding, ...]:
        """The volumes that hold a workload's secrets, made and filled where they are missing."""
        bindings = []
        services = redis_needed(self._fleet, workload)
        if workload.secrets:
            files = values(self._fleet, workload.secrets)
            name = f"{self._fleet.name}-{workload.name}-secrets-{digest({k: v.hex() for k, v in files.items()})}"
            points = {f"{service.name}/password": b"" for service in services}
            self.fill(name, workload.name, image, {**points, **files})
            bindings.append(Binding(name, SECRETS, read_only=True))
        for service in services:
            self.share(service, image)
            bindings.append(Binding(self.shared(service), f"{SECRETS}/{service.name}", read_only=True))
        return tuple(bindings)

    def share(self, service: Service, image: str) -> None:
        """The password of a redis service, made once; its engines read it from the same volume."""
        password = secrets.token_urlsafe(32)
        files = {"password": password.encode(), "redis.conf": redis_config(service, password).encode()}
        self.fill(self.shared(service), service.name, image, files)

    def shared(self, service: Service) -> str:
        """The name of the volume with a redis service's password."""
        return f"{self._fleet.name}-{service.name}-secrets"

    def fill(self, name: str, owner: str, image: str, files: Mapping[str, bytes]) -> None:
        """The volume exists with these files; one that a container uses is left as it is.

        One that nobody uses is made anew: a command that was killed may have left it empty.
        """
        if name in self._marks:
            if self._api.containers(all=True, filters={"volume": name}):
                return
            volumes.remove(self._api, name)
        mark = digest({path: content.hex() for path, content in files.items()})
        marks = {labels.FLEET: self._fleet.name, labels.ENGINE: owner, labels.ROLE: ROLE, labels.HASH: mark}
        self._api.create_volume(name, labels=marks)
        with volumes.mounted(self._api, self._fleet.name, image, name) as helper:
            self._api.put_archive(helper, volumes.MOUNT, volumes.tar(files))
        self._marks[name] = marks
