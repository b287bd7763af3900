"""Replicas as containers on one Docker host, behind one gateway."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cached_property, partial
from typing import Any

from docker.api.client import APIClient
from docker.errors import NotFound

from nautilus_cli import reconcile
from nautilus_cli.events import Emit, Event, Phase, silent
from nautilus_cli.fault import Fault
from nautilus_cli.fleet import Engine, Fleet, Hooks, Service, aspects, fingerprint
from nautilus_cli.gateways.base import Network, Route
from nautilus_cli.gateways.daemon import information
from nautilus_cli.health import Halt
from nautilus_cli.rollout import rollout
from nautilus_cli.runtimes import labels, network, observing, volumes
from nautilus_cli.runtimes.attach import Command
from nautilus_cli.runtimes.base import Finding, Happening, Line, Span
from nautilus_cli.runtimes.connection import POOL
from nautilus_cli.runtimes.doctor import Doctor
from nautilus_cli.runtimes.edge import Edge
from nautilus_cli.runtimes.faults import DockerFaults
from nautilus_cli.runtimes.front import GATEWAY, checked_otherwise, listens, ports
from nautilus_cli.runtimes.happenings import happenings
from nautilus_cli.runtimes.images import Images
from nautilus_cli.runtimes.lock import ContainerLock
from nautilus_cli.runtimes.logs import Logs
from nautilus_cli.runtimes.place import DockerPlace, discard, stop
from nautilus_cli.runtimes.rolling import Rolling
from nautilus_cli.runtimes.secrets import Vault
from nautilus_cli.runtimes.state import State, newest, versions
from nautilus_cli.runtimes.usage import measure
from nautilus_cli.snapshot import Host, Image, Replica, Snapshot, Usage

FEWEST, MOST = 2, 8  # containers started at a time: Docker takes one after the other at many a step


class DockerRuntime:
    """Implements `Runtime` for the fleets of one Docker host."""

    def __init__(self, api: APIClient, fleet: Fleet) -> None:
        self._api = api
        self._images = Images(api, fleet)
        self._state = State(api, f"{fleet.name}-{GATEWAY}")  # one, so that engines side by side take turns in writing
        self._halt = Halt()
        self._network = network.FleetNetwork(api, fleet.name)
        self._edge = Edge(api, self._images, self._network)
        self._addresses: network.Addresses | None = None
        self._lock: ContainerLock | None = None
        self._once = threading.Lock()
        self._starts: threading.Semaphore | None = None

    def cancel(self) -> None:
        """Every wait ends now; the next command finishes what is half done."""
        self._halt.call()
        self._images.cancel()

    def close(self) -> None:
        """Give back what is held open."""
        self._edge.close()
        if self._lock:
            self._lock.join()
        self._api.close()

    # observe

    def observe(self, fleet: Fleet) -> Snapshot:
        """Every replica, image and route of this fleet, at one moment."""
        with ThreadPoolExecutor(max_workers=8) as pool:
            gateway = pool.submit(self._edge.look, fleet)  # what takes longest comes first
            volumes_of = pool.submit(volumes.owned, self._api, fleet.name)
            images = pool.submit(self._images_of, fleet)
            change = pool.submit(self._edge.pending, fleet, lambda: gateway.result().kept)
            leftovers = pool.submit(self._network.find)
            replicas = self._replicas(fleet, pool, lambda: gateway.result().routes)
        marks, kept = volumes_of.result(), gateway.result().kept
        self._state.seen(kept)
        own = [f"network {fleet.name}"] if leftovers.result() else []
        own += [f"volume {name}" for name, found in sorted(marks.items()) if found.get(labels.ROLE) != labels.DATA_ROLE]
        parts = self._aspects(fleet, images.result(), Vault(self._api, fleet, marks))
        return Snapshot(
            replicas=replicas,
            images=images.result(),
            aspects=parts,
            fingerprints={name: fingerprint(found) for name, found in parts.items()},
            counts=newest(kept).counts,
            versions=versions(kept),
            gateway=change.result(),
            traffic=gateway.result().traffic,
            leftovers=tuple(own),
            data=tuple(sorted(name for name, found in marks.items() if found.get(labels.ROLE) == labels.DATA_ROLE)),
            host=self._host,
            at=time.time(),
        )

    @cached_property
    def _host(self) -> Host:
        info = information(self._api)
        return Host(cpus=float(info["NCPU"]), memory=int(info["MemTotal"]))

    def _replicas(
        self, fleet: Fleet, pool: ThreadPoolExecutor, routes: Callable[[], tuple[Route, ...]], engine: str = ""
    ) -> tuple[Replica, ...]:
        """The replicas of a fleet, or of one engine of it."""
        chosen = [f"{labels.FLEET}={fleet.name}", *([f"{labels.ENGINE}={engine}"] if engine else [])]
        listed = self._api.containers(all=True, filters={"label": chosen})
        replicas = [c for c in listed if c["Labels"].get(labels.ROLE) in (labels.ENGINE_ROLE, labels.SERVICE_ROLE)]
        found = [item for item in pool.map(self._inspect, [c["Id"] for c in replicas]) if item]
        known = routes()
        return tuple(self._replica(item, known) for item in found)

    def _replica(self, found: Mapping[str, Any], routes: tuple[Route, ...]) -> Replica:
        return observing.replica(found, observing.route_of(found["Config"]["Labels"], observing.address(found), routes))

    def _inspect(self, container: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._api.inspect_container(container)
        except NotFound:
            return None  # it left between the list and this
        return found

    def _images_of(self, fleet: Fleet) -> dict[str, Image]:
        """The image that each engine and service should run, and the gateway's."""
        return {**self._images.wanted_all(fleet.workloads), GATEWAY: self._edge.image(fleet)}

    def _aspects(self, fleet: Fleet, images: Mapping[str, Image], vault: Vault) -> dict[str, dict[str, str]]:
        """What each workload is made from, where its image is known."""
        known = {name: image.id for name, image in images.items() if name in fleet.workloads and image.id}
        declared = {name: fleet.workloads[name] for name in known}
        return {name: aspects(w, known[name], vault.hashes(w)) for name, w in declared.items()}

    def usage(self, snapshot: Snapshot, seconds: float) -> Mapping[str, Usage]:
        """What each replica uses, by name, watched for so many seconds."""
        return measure(self._api, snapshot.replicas, seconds)

    # change

    def lock(self, fleet: Fleet, purpose: str) -> ContainerLock:
        """Keep every other change of this fleet out."""
        if self._edge.image(fleet).id is None:
            self._edge.build(fleet, silent)
        self._state.begin(purpose)
        if self._lock:
            self._lock.join()
        self._lock = ContainerLock(self._api, fleet.name, self._edge.image(fleet).reference, purpose)
        return self._lock

    def preflight(self, fleet: Fleet) -> None:
        """Refuse what cannot work on this host before anything is touched."""
        self._edge.refuse_taken(fleet)
        if fleet.workloads:
            self._network.expect()

    def examine(self, fleet: Fleet) -> Iterator[Finding]:
        """What would stop or hurt this fleet on this host."""
        return Doctor(self._api, fleet, self._edge.proxy(fleet), self._edge.image(fleet), ports(fleet)).examine()

    def build(self, fleet: Fleet, name: str, emit: Emit) -> None:
        """The image is present afterwards."""
        if name == GATEWAY:
            self._edge.build(fleet, emit)
        else:
            self._images.ensure(fleet.workloads[name], emit)

    def expose(self, fleet: Fleet, emit: Emit) -> Callable[[], None]:
        """The gateway listens on exactly the fleet's ports afterwards; a first one comes up while replicas start."""
        began = time.monotonic()
        emit(Event(GATEWAY, "expose", Phase.STARTED))

        def done() -> None:
            emit(Event(GATEWAY, "expose", Phase.DONE, "", time.monotonic() - began))

        if fleet.engines and not self._edge.exists(fleet):
            return self._edge.begin(fleet, done, self._turns())
        with ThreadPoolExecutor(max_workers=8) as pool:
            replicas = self._replicas(fleet, pool, partial(self._edge.routes, fleet))
        self._edge.expose(fleet, {replica.engine for replica in replicas if checked_otherwise(fleet, replica)})
        done()
        return lambda: None

    def deploy(self, fleet: Fleet, name: str, count: int, emit: Emit) -> None:
        """`count` ready, routed replicas of this version run afterwards; after `RolloutFailed` those of before."""
        workload = fleet.workloads[name]
        with ThreadPoolExecutor(max_workers=8) as pool:
            replicas = self._replicas(fleet, pool, partial(self._edge.routes, fleet), name)
        place, standing = self._place(fleet, workload), reconcile.standing(workload, replicas)
        stages = rollout(reconcile.update_of(workload), count, standing, place.fingerprint, place.limits)
        rolling = Rolling(
            workload=workload,
            update=reconcile.update_of(workload),
            place=place,
            open_gateway=partial(self._edge.line, fleet) if isinstance(workload, Engine) else None,
            emit=emit,
            halt=self._halt,
            replicas={replica.name: replica for replica in replicas},
            starts=self._turns(),
        )
        if isinstance(workload, Engine):
            self._edge.forget_strangers(fleet, name, (replica.address for replica in replicas))
        with self._edge.remembered(fleet, workload, replicas, partial(self._choose, fleet)):
            if isinstance(workload, Engine) and workload.hooks and is_new(place.fingerprint, replicas):
                self._prepare(place, workload.name, workload.hooks, emit)
            rolling.run(stages)
            if isinstance(workload, Engine):
                self._state.record(workload, place.image, place.aspects)
        if isinstance(workload, Engine) and not rolling.failed:
            self._edge.settle(fleet, name)

    def _choose(self, fleet: Fleet, counts: Mapping[str, int], why: str) -> None:
        self._edge.line(fleet)  # the state is kept in its volume
        self._state.choose(counts, why)

    def _prepare(self, place: DockerPlace, name: str, hooks: Hooks, emit: Emit) -> None:
        """Run what must succeed before a new version starts."""
        began = time.monotonic()
        emit(Event(name, "pre_deploy", Phase.STARTED))
        place.run_once("pre_deploy", hooks.pre_deploy, hooks.timeout, self._halt)
        emit(Event(name, "pre_deploy", Phase.DONE, "", time.monotonic() - began))

    def remove(self, fleet: Fleet, name: str, emit: Emit) -> None:
        """Nothing of this engine or service is left, but the data in its volumes."""
        with ThreadPoolExecutor(max_workers=POOL) as pool:  # mostly waiting for processes to end
            replicas = self._replicas(fleet, pool, partial(self._edge.routes, fleet), name)
            list(pool.map(lambda replica: self._end(replica, emit), replicas))

    def _end(self, replica: Replica, emit: Emit) -> None:
        began, subject = time.monotonic(), f"{replica.engine}/{replica.slot}"
        emit(Event(subject, "remove", Phase.STARTED))
        stop(self._api, replica.id)
        discard(self._api, replica.id)
        emit(Event(subject, "remove", Phase.DONE, "", time.monotonic() - began))

    def clear(self, fleet: Fleet, data: bool, emit: Emit) -> None:
        """What belongs to no engine is gone too: helpers, network, state, secrets and, if asked, the data."""
        emit(Event(fleet.name, "clear", Phase.STARTED))
        helpers = {"label": [f"{labels.FLEET}={fleet.name}", f"{labels.ROLE}=helper"]}
        for helper in self._api.containers(all=True, filters=helpers):
            discard(self._api, helper["Id"])
        for name, marks in volumes.owned(self._api, fleet.name).items():
            if data or marks.get(labels.ROLE) != labels.DATA_ROLE:
                volumes.remove(self._api, name)
        self._network.remove()
        emit(Event(fleet.name, "clear", Phase.DONE))

    def logs(self, fleet: Fleet, names: Collection[str], span: Span, emit: Emit) -> Iterator[Line]:
        """What the containers of these engines wrote, in the order of time."""
        return Logs(self._api, fleet.name, names, span, emit).lines()

    def attach(self, replica: Replica, command: Sequence[str], tty: bool) -> Command:
        """Run a command in a replica."""
        return Command(self._api, replica, command, tty)

    def door(self, service: Service) -> None:
        """Its port is inside the fleet's network alone."""

    def happenings(self, fleet: Fleet, since: float | None) -> Iterator[Happening]:
        """What happens to this fleet's containers."""
        return happenings(self._api, fleet.name, since)

    def pull(self, fleet: Fleet, name: str, emit: Emit) -> tuple[str, ...]:
        """Fetch anew what a workload or the gateway takes from registries."""
        if name == GATEWAY:
            return self._edge.pull(fleet, emit)
        return self._images.pull(fleet.workloads[name], emit)

    def inject(self, fleet: Fleet, fault: Fault, replica: Replica | None) -> AbstractContextManager[float]:
        """Break a container on purpose."""
        return DockerFaults(self._api, fleet, self._edge.image(fleet).reference).inject(fault, replica)

    def _place(self, fleet: Fleet, workload: Engine | Service) -> DockerPlace:
        """Where replicas of this engine are made: with its secrets staged and its volumes there."""
        image = self._images.wanted(workload)
        assert image.id, f"{image.reference} was not built"
        vault = Vault(self._api, fleet, volumes.owned(self._api, fleet.name))
        bindings = vault.stage(workload, self._edge.image(fleet).reference)
        net = self._network.ensure()
        return DockerPlace(
            api=self._api,
            fleet=fleet,
            workload=workload,
            image=image,
            network=net,
            hosts=self._edge.proxy(fleet).names(listens(fleet)),
            limits=reconcile.effective(workload, self._host),
            aspects=aspects(workload, image.id, vault.hashes(workload)),
            wave=reconcile.waves(fleet)[workload.name],
            secrets=bindings,
            addresses=self._addresses_of(fleet, net),
        )

    def _turns(self) -> threading.Semaphore:
        """Turns at starting a container, for all engines and a first gateway: more at a time than there are cores slow
        each other down.
        """
        with self._once:
            if self._starts is None:
                self._starts = threading.Semaphore(min(MOST, max(FEWEST, int(self._host.cpus))))
        return self._starts

    def _addresses_of(self, fleet: Fleet, net: Network) -> network.Addresses:
        """The one list of addresses of this run: several engines are deployed side by side."""
        with self._once:
            if self._addresses is None:
                listed = self._api.containers(all=True, filters={"label": f"{labels.FLEET}={fleet.name}"})
                taken = [*map(observing.address, listed), *(route.address for route in self._edge.routes(fleet))]
                self._addresses = network.Addresses(net.subnet, taken)
        return self._addresses


def is_new(mark: str, replicas: Collection[Replica]) -> bool:
    """Whether nothing of this version runs."""
    return not any(replica.fingerprint == mark and replica.state.alive for replica in replicas)
