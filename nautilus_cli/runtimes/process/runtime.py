"""Replicas as processes of this machine, behind one gateway."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

from nautilus_cli import reconcile
from nautilus_cli.errors import BuildFailed, NautilusError
from nautilus_cli.events import Emit, Event, Phase
from nautilus_cli.fault import Fault
from nautilus_cli.fleet import Engine, Fleet, Service, fingerprint
from nautilus_cli.gateways.base import Route
from nautilus_cli.health import Halt
from nautilus_cli.rollout import rollout
from nautilus_cli.runtimes.base import Door, Finding, Happening, Line, Span, Verdict
from nautilus_cli.runtimes.front import GATEWAY, Front, checked_otherwise, listens, ports
from nautilus_cli.runtimes.process import bus, cgroups, faults, haproxy, kernel, place, plain, record
from nautilus_cli.runtimes.process.attach import Command
from nautilus_cli.runtimes.process.bus import Bus
from nautilus_cli.runtimes.process.environments import Environment
from nautilus_cli.runtimes.process.home import FileLock, Home, end
from nautilus_cli.runtimes.process.logs import logs
from nautilus_cli.runtimes.process.obstacles import refuse
from nautilus_cli.runtimes.process.place import ProcessPlace
from nautilus_cli.runtimes.process.proxy import LocalProxy
from nautilus_cli.runtimes.process.supervisor import EVENTS
from nautilus_cli.runtimes.process.versions import Versions
from nautilus_cli.runtimes.process.wanted import Wanted
from nautilus_cli.runtimes.rolling import Rolling
from nautilus_cli.snapshot import Host, Image, Limits, Replica, Snapshot, Usage

LIMITED = "replicas are processes: cgroups (v{}) limit their CPU and memory"
UNLIMITED = "replicas are processes: limits of CPU and memory are not in force, a lower priority (nice) is"
PAUSE = 0.2  # seconds between two looks at the events


class ProcessFront(Front[LocalProxy]):
    """The gateway as a process."""

    def __init__(self, home: Home) -> None:
        super().__init__()
        self._home = home

    def proxy(self, fleet: Fleet) -> LocalProxy:
        """As it is now: what is known of it stands in files."""
        if plain.chosen(self._home):
            return plain.PlainGateway(self._home, fleet.gateway)
        return LocalProxy(self._home, fleet.gateway, haproxy.find())

    def prepare(self, fleet: Fleet) -> None:
        """Its folder stands in the fleet's."""
        self._home.make()


class ProcessRuntime:
    """Implements `Runtime` for the fleets of this user on this machine."""

    def __init__(self, fleet: Fleet, why: str = "") -> None:
        refuse(fleet)
        self._cgroups = cgroups.find()
        self._why = why
        self._home = Home(fleet.name)
        self._versions = Versions(self._home)
        self._wanted = Wanted(self._home, self._versions)
        self._front = ProcessFront(self._home)
        self._halt = Halt()

    def cancel(self) -> None:
        """Every wait ends now; the next command finishes what is half done."""
        self._halt.call()

    def close(self) -> None:
        """Give back what is held open."""
        self._front.close()

    def observe(self, fleet: Fleet) -> Snapshot:
        """Every replica and route of this fleet, at one moment."""
        images = {name: self._wanted.image(fleet, workload) for name, workload in fleet.workloads.items()}
        known = {name: image.id for name, image in images.items() if image.id}
        parts = {name: self._wanted.aspects(fleet, fleet.workloads[name], mark) for name, mark in known.items()}
        return Snapshot(
            replicas=self._replicas(fleet),
            images={**images, GATEWAY: self._gateway()},
            aspects=parts,
            fingerprints={name: fingerprint(found) for name, found in parts.items()},
            counts=self._home.counts(),
            gateway=self._front.proxy(fleet).pending(listens(fleet)),
            versions=self._versions.known(),
            traffic=self._front.traffic(fleet),
            leftovers=self._home.leftovers(),
            data=self._home.data(),
            host=self._host(),
            at=time.time(),
        )

    def usage(self, snapshot: Snapshot, seconds: float) -> Mapping[str, Usage]:
        """What each replica uses, by name, watched for so many seconds."""
        alive = [replica.name for replica in snapshot.replicas if replica.state.alive]
        first, began = {name: self._used(name) for name in alive}, time.monotonic()
        time.sleep(seconds)
        second = {name: self._used(name) for name in alive}
        took = time.monotonic() - began
        return {n: Usage(max(0.0, second[n][0] - first[n][0]) / took, second[n][1]) for n in alive}

    def _used(self, name: str) -> tuple[float, int]:
        status = record.read_status(self._home.replicas / name)
        return kernel.used(f"{record.MARK}={name}", status.supervisor if status else None)

    def lock(self, fleet: Fleet, purpose: str) -> FileLock:
        """Keep every other change of this fleet out."""
        self._versions.begin(purpose)
        return FileLock(self._home, purpose)

    def preflight(self, fleet: Fleet) -> None:
        """Refuse what cannot work on this machine before anything is touched."""
        self._front.refuse_taken(fleet)

    def examine(self, fleet: Fleet) -> Iterator[Finding]:
        """What would stop or hurt this fleet here."""
        if program := haproxy.find():
            yield Finding("HAProxy", Verdict.OK, program.path)
        else:
            yield Finding("HAProxy", Verdict.WARN, "not here; `up` fetches it, or does without", haproxy.HINT)
        if any(service.kind == "redis" for service in fleet.services.values()):
            if server := bus.program():
                yield Finding("redis", Verdict.OK, server)
            else:
                yield Finding("redis", Verdict.STOP, "there is no valkey-server here", bus.HINT)
        for port, who in self._front.proxy(fleet).taken(ports(fleet)).items():
            yield Finding("ports", Verdict.STOP, f"port {port} is held by {who}", "stop it, or choose another port")
        if self._cgroups:
            yield Finding("limits", Verdict.OK, "; ".join(self._notes))
        else:
            yield Finding("limits", Verdict.WARN, "; ".join(self._notes), "take Docker where limits matter")

    def build(self, fleet: Fleet, name: str, emit: Emit) -> None:
        """The environment of an engine, or the gateway's program, is here afterwards."""
        began = time.monotonic()
        emit(Event(name, "build", Phase.STARTED))
        if name == GATEWAY:
            self._fetch()
        elif isinstance(workload := fleet.workloads[name], Engine):
            Environment(fleet, workload).make()
        emit(Event(name, "build", Phase.DONE, "", time.monotonic() - began))

    def _fetch(self) -> None:
        """HAProxy is here, or it is written down that it can be had from nowhere."""
        try:
            haproxy.fetch()
        except BuildFailed:
            plain.choose(self._home)

    def _gateway(self) -> Image:
        """What holds the ports."""
        if plain.chosen(self._home):
            return Image("relay", "relay")
        program = haproxy.find()
        return Image("haproxy", program.path if program else None)

    def expose(self, fleet: Fleet, emit: Emit) -> Callable[[], None]:
        """The gateway listens on exactly the fleet's ports afterwards."""
        began = time.monotonic()
        emit(Event(GATEWAY, "expose", Phase.STARTED))
        mixed = {replica.engine for replica in self._replicas(fleet) if checked_otherwise(fleet, replica)}
        self._front.expose(fleet, mixed)
        emit(Event(GATEWAY, "expose", Phase.DONE, "", time.monotonic() - began))
        return lambda: None

    def deploy(self, fleet: Fleet, name: str, count: int, emit: Emit) -> None:
        """`count` ready, routed replicas of this version run afterwards; after `RolloutFailed` those of before."""
        workload, update = fleet.workloads[name], reconcile.update_of(fleet.workloads[name])
        if isinstance(workload, Service):
            self._home.make()
            Bus(self._home, workload).make()
        replicas = [replica for replica in self._replicas(fleet) if replica.engine == name]
        where = self._place(fleet, workload)
        stages = rollout(update, count, reconcile.standing(workload, replicas), where.fingerprint, where.limits)
        rolling = Rolling(
            workload=workload,
            update=update,
            place=where,
            open_gateway=partial(self._front.line, fleet) if isinstance(workload, Engine) else None,
            emit=emit,
            halt=self._halt,
            replicas={replica.name: replica for replica in replicas},
        )
        if isinstance(workload, Engine):
            self._front.forget_strangers(fleet, name, (replica.address for replica in replicas))
        with self._front.remembered(fleet, workload, replicas, self._home.choose):
            rolling.run(stages)
        if isinstance(workload, Engine):
            self._versions.record(workload, where.image, where.aspects)
            self._front.settle(fleet, name)

    def remove(self, fleet: Fleet, name: str, emit: Emit) -> None:
        """Nothing of this engine or service is left, but the data in its volumes."""
        specs = [spec for spec in self._home.specs() if spec.engine == name]
        with ThreadPoolExecutor(max_workers=max(1, len(specs))) as pool:  # mostly waiting for processes to end
            list(pool.map(lambda spec: self._end(spec, emit), specs))

    def _end(self, spec: record.Spec, emit: Emit) -> None:
        began, folder = time.monotonic(), self._home.replicas / spec.name
        emit(Event(spec.subject, "remove", Phase.STARTED))
        end(folder, spec)
        self._home.forget(folder)
        emit(Event(spec.subject, "remove", Phase.DONE, "", time.monotonic() - began))

    def clear(self, fleet: Fleet, data: bool, emit: Emit) -> None:
        """What belongs to no engine is gone too and, if asked, the data."""
        emit(Event(fleet.name, "clear", Phase.STARTED))
        self._home.clear(data)
        emit(Event(fleet.name, "clear", Phase.DONE))

    def logs(self, fleet: Fleet, names: Collection[str], span: Span, emit: Emit) -> Iterator[Line]:
        """What the processes of these engines wrote, in the order of time."""
        return logs(self._home, names, span)

    def attach(self, replica: Replica, command: Sequence[str], tty: bool) -> Command:
        """Run a command with a replica's environment, in its folder."""
        spec = record.read_spec(self._home.replicas / replica.name)
        if spec is None:
            raise NautilusError(f"{replica.engine}/{replica.slot} is gone", "`nautilus status` shows what runs")
        return Command(spec, command, tty)

    def door(self, service: Service) -> Door:
        """Its port and its password, on the loopback address."""
        return Bus(self._home, service).door()

    def happenings(self, fleet: Fleet, since: float | None) -> Iterator[Happening]:
        """What the supervisors of this fleet tell; it goes on until it is interrupted."""
        since = time.time() if since is None else since
        read = 0
        while True:
            path = self._home.root / EVENTS
            data = path.read_bytes()[read:] if path.exists() else b""
            *lines, _ = data.split(b"\n")
            read = read + sum(len(line) + 1 for line in lines) if path.exists() else 0
            found = (Happening(**json.loads(line)) for line in lines)
            yield from (happening for happening in found if happening.at >= since)
            time.sleep(PAUSE)

    def pull(self, fleet: Fleet, name: str, emit: Emit) -> tuple[str, ...]:
        """Nothing here comes from a registry of images."""
        return ()

    @property
    def _notes(self) -> tuple[str, ...]:
        """Why there is no Docker, and which of its promises hold."""
        limits = LIMITED.format(self._cgroups.version) if self._cgroups else UNLIMITED
        first = f"{self._why}; {limits}" if self._why else limits
        return (first, plain.NOTE) if plain.chosen(self._home) else (first,)

    def _host(self) -> Host:
        """What this machine has; without cgroups it gives no replica less."""
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return Host(float(os.cpu_count() or 1), pages, limited=self._cgroups is not None, notes=self._notes)

    def inject(self, fleet: Fleet, fault: Fault, replica: Replica | None) -> AbstractContextManager[float]:
        """Break a process on purpose."""
        return faults.inject(self._home, fault, replica)

    def _replicas(self, fleet: Fleet) -> tuple[Replica, ...]:
        routes: tuple[Route, ...] = self._front.routes(fleet)
        found = (place.replica(self._home.replicas / spec.name, spec, routes) for spec in self._home.specs())
        if self._cgroups:
            return tuple(found)
        return tuple(replace(replica, limits=Limits()) for replica in found)  # what cannot be changed is not told

    def _place(self, fleet: Fleet, workload: Engine | Service) -> ProcessPlace:
        image = self._wanted.image(fleet, workload)
        assert image.id, f"{image.reference} was not built"
        code = self._wanted.code(fleet, workload, image)
        return ProcessPlace(
            home=self._home,
            fleet=fleet,
            workload=workload,
            code=code,
            image=image,
            aspects=self._wanted.aspects(fleet, workload, image.id),
            cgroups=self._cgroups,
            limits=reconcile.effective(workload, self._host()),
            wave=reconcile.waves(fleet)[workload.name],
        )
