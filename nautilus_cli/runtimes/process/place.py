"""The replicas of one engine as processes: each verb is idempotent, and none leaves a process behind."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nautilus_cli.errors import RolloutFailed
from nautilus_cli.fleet import Engine, Fleet, Service, fingerprint
from nautilus_cli.gateways.base import Route
from nautilus_cli.health import Answer, Vitals
from nautilus_cli.runtimes.process import cgroups, kernel, record
from nautilus_cli.runtimes.process.bus import Bus
from nautilus_cli.runtimes.process.cgroups import Cgroups
from nautilus_cli.runtimes.process.home import Home, end
from nautilus_cli.runtimes.process.launch import environment, free_port, launch
from nautilus_cli.runtimes.process.logfile import LogReader
from nautilus_cli.runtimes.process.record import Spec
from nautilus_cli.runtimes.process.versions import Code
from nautilus_cli.snapshot import Image, Limits, Replica, State

NICE = 5  # of engines: the gateway comes first


@dataclass(frozen=True)
class ProcessPlace:
    """Implements `rolling.Place` for one engine or service."""

    home: Home
    fleet: Fleet
    workload: Engine | Service
    code: Code
    image: Image
    aspects: Mapping[str, str]
    limits: Limits
    cgroups: Cgroups | None
    wave: int

    @property
    def fingerprint(self) -> str:
        """Of the version that `start` starts."""
        return fingerprint(self.aspects)

    def start(self, slot: int) -> Replica:
        """Make and start a new replica on this slot; nothing is left of one that cannot start."""
        spec = self._spec(slot)
        folder = self.home.add(spec)
        try:
            self._bind(folder, spec)
            launch(folder, spec.subject)
        except RolloutFailed:
            self.home.forget(folder)
            raise
        return replica(folder, spec, ())

    def restore(self, replica: Replica) -> None:
        """Start again what was stopped."""
        folder = self._folder(replica)
        status = record.read_status(folder)
        if not (status and status.watched):
            launch(folder, f"{replica.engine}/{replica.slot}")

    def stop(self, replica: Replica) -> None:
        """Signal, grace period, kill."""
        folder = self._folder(replica)
        if spec := record.read_spec(folder):
            end(folder, spec)

    def remove(self, replica: Replica) -> None:
        """Nothing of it is left, its log neither."""
        self.stop(replica)
        self.home.forget(self._folder(replica))

    def adjust(self, replica: Replica) -> None:
        """Change CPU and memory of what runs; it moves into cgroups where it had none."""
        folder = self._folder(replica)
        if (spec := record.read_spec(folder)) is None:
            return
        folders, status = self._bind(folder, spec), record.read_status(folder)
        for process in kernel.members(spec.mark, status.supervisor if status else None):
            with suppress(ProcessLookupError):
                cgroups.enter(folders, process.pid)

    def _bind(self, folder: Path, spec: Spec) -> tuple[Path, ...]:
        """Its limits are in force; `RolloutFailed` where the kernel refuses them."""
        if self.cgroups is None:
            return ()
        # Made before, perhaps by a command whose own cgroup was another.
        folders = record.read_bounds(folder).folders or self.cgroups.folders(spec.name)
        bounds = record.Bounds(cpus=self.limits.cpus, memory=self.limits.memory, cgroups=tuple(map(str, folders)))
        record.write(folder / record.BOUNDS, bounds)
        try:
            self.cgroups.make(folders, self.limits)
        except OSError as error:
            words = f"{spec.subject}: the kernel refuses its limits: {error.filename}: {error.strerror}"
            raise RolloutFailed(words, "correct resources in the file") from None
        return folders

    def vitals(self, replica: Replica) -> Vitals:
        """Whether its process lives."""
        status = record.read_status(self._folder(replica))
        if status is None:
            return Vitals(alive=False)
        alive = status.watched and status.child is not None  # an end counts when its supervisor has told how it was
        return Vitals(alive, status.restarts, status.exit_code, status.oom_killed)

    def answer(self, replica: Replica) -> Answer:
        """What a service answers."""
        if isinstance(self.workload, Service):
            return Bus(self.home, self.workload).answer()
        alive = self.vitals(replica).alive
        return Answer(alive, "runs" if alive else "does not run")

    def logs(self, replica: Replica, tail: int) -> list[str]:
        """Its last lines."""
        return [text for _, text in LogReader(self._folder(replica) / record.LOG).lines()][-tail:]

    def _folder(self, replica: Replica) -> Path:
        return self.home.replicas / replica.name

    def _spec(self, slot: int) -> Spec:
        workload, bus = self.workload, None
        name = f"{self.fleet.name}-{workload.name}-{slot}-{secrets.token_hex(2)}"
        if isinstance(workload, Service):
            bus = Bus(self.home, workload)
            bus.make()
            port, command = bus.port, bus.command()
        else:
            assert workload.process
            port, command = free_port({spec.port for spec in self.home.specs()}), workload.process.command
        return Spec(
            name=name,
            engine=workload.name,
            slot=slot,
            service=bus is not None,
            port=port,
            fingerprint=self.fingerprint,
            aspects=self.aspects,
            image=self.image.reference,
            wave=self.wave,
            created=time.time(),
            command=command,
            folder=self.code.folder,
            environment=self._environment(name, port),
            signal=int((workload.stop_signal and number(workload.stop_signal)) or signal.SIGTERM),
            grace=workload.stop_grace_period,
            restart=workload.restart,
            nice=0 if bus else NICE,
        )

    def _environment(self, name: str, port: int) -> dict[str, str]:
        """What is declared, where what it depends on is, and who it is."""
        found = environment(Path(self.code.programs)) | self.workload.environment
        for service in (self.fleet.services.get(other) for other in self.workload.depends_on):
            if service and service.kind == "redis":
                found |= Bus(self.home, service).environment()
        return {**found, "PORT": str(port), "NAUTILUS_ENGINE": self.workload.name, record.MARK: name}


def number(name: str) -> int:
    """The signal of `SIGQUIT`, `QUIT` or `3`."""
    return int(name) if name.isdecimal() else signal.Signals[f"SIG{name.removeprefix('SIG')}"].value


def replica(folder: Path, spec: Spec, routes: tuple[Route, ...]) -> Replica:
    """One replica from what is written of it, from its process and from what the gateway knows of it."""
    status, bounds = record.read_status(folder), record.read_bounds(folder)
    own = (spec.engine, "127.0.0.1", spec.port)
    route = next((r for r in routes if (r.engine, r.address, r.port) == own), None)
    watched = status is not None and status.watched
    routed = watched and (spec.service or (route is not None and route.routed))
    return Replica(
        engine=spec.engine,
        slot=spec.slot,
        name=spec.name,
        id=spec.name,
        fingerprint=spec.fingerprint,
        state=state(spec, status, route),
        routed=routed,
        address=f"127.0.0.1:{spec.port}",
        limits=cgroups.granted(bounds.limits, cgroups.limits_of(bounds.folders)),
        aspects=spec.aspects,
        image=spec.image,
        wave=spec.wave,
        created=spec.created,
        restarts=status.restarts if status else 0,
        exit_code=status.exit_code if status and (status.oom_killed or not watched) else None,
        oom_killed=status is not None and status.oom_killed,
        pid=status.child.pid if status and status.child else 0,
        detail=route.detail if route else "",
    )


def state(spec: Spec, status: record.Status | None, route: Route | None) -> State:
    """The gateway's check decides on the health of what it routes to; a service runs or does not."""
    if status is None:
        return State.CREATED
    if not status.watched:
        return State.EXITED
    if spec.service:
        return State.READY if status.alive else State.UNHEALTHY
    if route is None or not route.routed:
        return State.STARTING
    return State.READY if route.healthy and status.alive else State.UNHEALTHY
