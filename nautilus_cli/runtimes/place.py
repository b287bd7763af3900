"""The replicas of one engine as containers: each verb is one or two calls of Docker's API, and idempotent."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import requests
from docker.api.client import APIClient
from docker.errors import APIError, NotFound

from nautilus_cli.errors import NautilusError, RolloutFailed
from nautilus_cli.fleet import Engine, Fleet, Service, fingerprint
from nautilus_cli.gateways.base import Network
from nautilus_cli.gateways.refusal import told
from nautilus_cli.health import Answer, Halt, Vitals
from nautilus_cli.runtimes import containers, labels, network, observing, volumes
from nautilus_cli.runtimes.containers import Binding
from nautilus_cli.snapshot import Image, Limits, Replica
from nautilus_cli.units import show_duration

LINES = 15  # of the log of a command that failed
LOOK = 0.1  # seconds between two looks at a command that runs once
CALL = 60.0  # seconds that Docker may take for a call, beyond what the call itself waits for


class DockerPlace:
    """Implements `rolling.Place` for one engine or service."""

    def __init__(
        self,
        api: APIClient,
        fleet: Fleet,
        workload: Engine | Service,
        image: Image,
        network: Network,
        hosts: Mapping[str, str],
        limits: Limits,
        aspects: Mapping[str, str],
        wave: int,
        secrets: tuple[Binding, ...],
        addresses: network.Addresses,
    ) -> None:
        self._api = api
        self._fleet = fleet
        self._workload = workload
        self.image = image
        self._network = network
        self._hosts = hosts
        self.limits = limits
        self.aspects = aspects
        self._wave = wave
        self._secrets = secrets
        self._addresses = addresses
        self.fingerprint = fingerprint(aspects)

    def start(self, slot: int) -> Replica:
        """Make and start a new container on this slot; its limits are read back."""
        name = f"{self._fleet.name}-{self._workload.name}-{slot}-{secrets.token_hex(2)}"
        with translated(f"{self._workload.name}/{slot}"):
            body = self._body(name, slot, self._addresses.take())
            made = self._api.create_container_from_config(body, name)["Id"]
            try:
                self._api.start(made)
                replica = observing.replica(self._api.inspect_container(made), None)
                self._enforced(replica)
            except (APIError, NautilusError):
                discard(self._api, made)
                raise
        return replica

    def restore(self, replica: Replica) -> None:
        """Start again what was stopped."""
        with translated(replica.name):
            self._api.start(replica.id)

    def stop(self, replica: Replica) -> None:
        """Signal, grace period, kill."""
        with translated(replica.name):
            stop(self._api, replica.id)

    def remove(self, replica: Replica) -> None:
        """Nothing of it is left; its address is free."""
        with translated(replica.name):
            discard(self._api, replica.id)
        self._addresses.release(replica.address)

    def adjust(self, replica: Replica) -> None:
        """Change CPU and memory of the running container."""
        body = containers.enforced(self.limits)
        with translated(replica.name):
            self._api.update_container(
                replica.id,
                cpu_period=body["CpuPeriod"],
                cpu_quota=body["CpuQuota"],
                cpu_shares=body["CpuShares"],
                mem_limit=body["Memory"],
                memswap_limit=body["MemorySwap"],
            )
            self._enforced(observing.replica(self._api.inspect_container(replica.id), None))

    def vitals(self, replica: Replica) -> Vitals:
        """Whether its process lives."""
        try:
            found = self._api.inspect_container(replica.id)
        except NotFound:
            return Vitals(alive=False)
        seen = observing.vitals(found)
        return seen if seen.exit_code is not None or not seen.restarts else replace(seen, exit_code=self._ended(found))

    def _ended(self, found: Mapping[str, Any]) -> int | None:
        """The last exit code of a container that Docker has started again: its state no longer tells."""
        died = {"container": found["Id"], "event": "die"}
        span: Any = {"since": int(observing.moment(found["Created"])), "until": f"{time.time():.9f}"}
        codes = [e["Actor"]["Attributes"]["exitCode"] for e in self._api.events(**span, filters=died, decode=True)]
        return int(codes[-1]) if codes else None

    def answer(self, replica: Replica) -> Answer:
        """What its own check says, run now instead of at Docker's next interval; without one, running is ready."""
        with translated(replica.name):
            found = self._api.inspect_container(replica.id)
            command = test_command(found)
            if not found["State"]["Running"]:
                return Answer(False, "does not run")
            if not command:
                return Answer(True, "runs")
            check = self._api.exec_create(replica.id, command)["Id"]
            said = self._api.exec_start(check).decode(errors="replace").strip()
            code = self._api.exec_inspect(check)["ExitCode"]
        return Answer(code == 0, said or f"its check exits with {code}")

    def logs(self, replica: Replica, tail: int) -> list[str]:
        """Its last lines."""
        return list(tail_of(self._api, replica.id, tail))

    def run_once(self, what: str, command: Sequence[str], timeout: float, halt: Halt) -> None:
        """Run a command in a container like a replica, gone afterwards; `RolloutFailed` says how it failed."""
        name = f"{self._fleet.name}-{self._workload.name}-{what}"
        discard(self._api, name)  # of a command that was killed
        body = self._body(name, 0, address := self._addresses.take())
        body |= {"Entrypoint": list(command), "Cmd": []}
        body["Labels"] = {labels.FLEET: self._fleet.name, labels.ROLE: "helper"}
        body["HostConfig"] |= {"RestartPolicy": {"Name": "no"}}
        try:
            with translated(f"{self._workload.name}: {what}"):
                self._api.create_container_from_config(body, name)
                self._api.start(name)
                failure = self._failure_of(name, timeout, halt)
                lines = list(tail_of(self._api, name, LINES)) if failure else []
        finally:
            discard(self._api, name)
            self._addresses.release(address)
        if failure:
            said = "\n    ".join([f"{failure}; its last lines:", *(lines or ["(it logged nothing)"])])
            raise RolloutFailed(
                f"{self._workload.name}: {what} {said}",
                f"no replica of {self._workload.name} was touched; mend the cause and run the command again",
            )

    def _failure_of(self, container: str, timeout: float, halt: Halt) -> str:
        """How a command that runs once failed, after its end; empty when it did not."""
        end = time.monotonic() + timeout
        while (state := self._api.inspect_container(container)["State"])["Running"]:
            if time.monotonic() > end:
                return f"did not end within {show_duration(timeout)}"
            halt.wait(LOOK)
        if state["OOMKilled"]:
            return "ran out of memory"
        return f"exited with code {state['ExitCode']}" if state["ExitCode"] else ""

    def _body(self, name: str, slot: int, address: str) -> dict[str, Any]:
        """The declaration of a new container."""
        workload = self._workload
        service = isinstance(workload, Service)
        endpoint = containers.Endpoint(
            self._network.name, address, {} if service else self._hosts, (workload.name,) if service else ()
        )
        marks = labels.replica_labels(
            self._fleet.name,
            workload.name,
            containers.role(workload),
            slot,
            self.fingerprint,
            self.aspects,
            self.image.id or "",
            self._wave,
        )
        bindings = (*self._volumes, *self._secrets)
        return containers.container(
            workload, name, self.image.reference, self.limits, endpoint, bindings, self._environment(name), marks
        )

    def _environment(self, name: str) -> dict[str, str]:
        """What nautilus tells a replica: who it is, and where what it depends on is."""
        workload = self._workload
        if isinstance(workload, Service):
            return {}
        found: dict[str, str] = {}
        for service in (self._fleet.services.get(other) for other in workload.depends_on):
            if service and service.kind == "redis":
                found |= containers.bus_environment(service)
        own = {"PORT": str(workload.container_port), "NAUTILUS_ENGINE": workload.name, "NAUTILUS_REPLICA": name}
        return {**found, **own}

    @cached_property
    def _volumes(self) -> tuple[Binding, ...]:
        """The declared volumes; named ones belong to the fleet."""
        bindings = []
        for volume in self._workload.volumes:
            source = volume.source
            if volume.named:
                source = f"{self._fleet.name}-{volume.source}"
                owner = {labels.FLEET: self._fleet.name, labels.ENGINE: self._workload.name}
                volumes.ensure(self._api, source, {**owner, labels.ROLE: labels.DATA_ROLE})
            bindings.append(Binding(source, volume.target, volume.read_only))
        return tuple(bindings)

    def _enforced(self, replica: Replica) -> None:
        """Refuse a container whose limits are not in force: some engines ignore in silence what they cannot do."""
        if replica.limits != self.limits:
            raise RolloutFailed(
                f"{replica.name}: asked for {self.limits}, Docker enforces {replica.limits}",
                "`docker info` names what this engine cannot limit",
            )


def test_command(found: Mapping[str, Any]) -> list[str]:
    """The health check of an inspected container as a command; empty when it has none."""
    test = (found["Config"].get("Healthcheck") or {}).get("Test") or ["NONE"]
    match test[0]:
        case "CMD":
            return list(test[1:])
        case "CMD-SHELL":
            return ["/bin/sh", "-c", test[1]]
        case _:
            return []


def stop(api: APIClient, container: str) -> None:
    """The container does not run afterwards; one that is gone is no error."""
    with contextlib.suppress(NotFound):
        grace = api.inspect_container(container)["Config"].get("StopTimeout") or 10
        api.stop(container, timeout=grace)


def discard(api: APIClient, container: str) -> None:
    """The container is gone afterwards, with its anonymous volumes."""
    try:
        api.remove_container(container, force=True, v=True)
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != 409:  # 409: its removal is under way
            raise


def tail_of(api: APIClient, container: str, lines: int) -> Iterator[str]:
    """The last lines of a container's output."""
    try:
        yield from api.logs(container, tail=lines).decode(errors="replace").splitlines()
    except NotFound:
        return


@contextlib.contextmanager
def translated(subject: str) -> Iterator[None]:
    """What Docker refuses becomes a failed rollout in Docker's own words."""
    try:
        with told(subject):
            yield
    except requests.exceptions.RequestException as error:
        raise RolloutFailed(f"{subject}: Docker does not answer: {error}", "is the daemon running?") from error
