"""What is wanted: everything that `engines.yaml` declares, validated and frozen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nautilus_cli.values import (
    Address,
    Capability,
    Copies,
    Cpus,
    Duration,
    Headers,
    Image,
    Inside,
    Limit,
    Memory,
    Name,
    Pids,
    Port,
    Rate,
    Ratio,
    Requests,
    SecretName,
    Share,
    Signal,
    Timeout,
    Tries,
    UrlPath,
    User,
)


class Model(BaseModel):
    """A frozen part of the fleet; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Replicas(Model):
    """How many copies may run; a number alone means exactly that many."""

    min: Copies = Field(1, description="`up` starts at least this many.")
    max: Copies = Field(1, description="Never more than this many; the gateway keeps room for them. Default: min.")

    @model_validator(mode="before")
    @classmethod
    def _fixed(cls, data: Any) -> Any:
        return {**data, "max": data["min"]} if isinstance(data, dict) and "min" in data and "max" not in data else data

    @model_validator(mode="after")
    def _ordered(self) -> Replicas:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}")
        return self


class Resources(Model):
    """The most that one replica may use; without a value there is no limit."""

    cpus: Cpus | None = Field(None, description="CPUs of one replica: 0.5 is half a core, 2 is two cores.")
    memory: Memory | None = Field(
        None, description="Memory of one replica: 512MiB, 4GiB. A replica that needs more is killed and started again."
    )


class HealthCheck(Model):
    """How the gateway asks one replica whether it can serve: GET `path` must answer 200 to 399."""

    path: UrlPath = Field("/health", description="The path that is asked, with GET.")
    interval: Timeout = Field(30.0, description="Time between two checks of a replica that serves.")
    timeout: Timeout = Field(5.0, description="An answer that takes longer counts as a failure.")
    retries: Tries = Field(3, description="Failures in a row after which a replica gets no more requests.")
    start_period: Duration = Field(60.0, description="How long a new replica may take until it is healthy.")


class Update(Model):
    """How replicas are exchanged for those of a new version."""

    order: Literal["start-first", "stop-first"] = Field(
        "start-first", description="start-first: the successor serves before the old one stops. stop-first: after it."
    )
    parallelism: Copies = Field(1, description="How many replicas are exchanged at once.")
    monitor: Duration = Field(5.0, description="How long a new replica is watched before the next one is exchanged.")
    delay: Duration = Field(0.0, description="How long to wait between two exchanges.")
    max_failure_ratio: Ratio = Field(0.0, description="The share of new replicas that may fail: 0.25 or 25%.")
    failure_action: Literal["rollback", "pause", "continue"] = Field(
        "rollback",
        description="When more fail. rollback: the version of before is restored. pause: the rest stays as it is. "
        "continue: the rest is exchanged.",
    )
    drain: Duration = Field(30.0, description="How long a leaving replica may take to finish its requests.")

    @property
    def surge(self) -> int:
        """How many replicas more than wanted may run for a moment."""
        return self.parallelism if self.order == "start-first" else 0


class Slo(Model):
    """What an engine promises under the load of `bench`; `nautilus bench` exits with 1 when it is missed."""

    p50: Timeout | None = Field(None, description="Half of the answers take no longer.")
    p90: Timeout | None = Field(None, description="90 of 100 answers take no longer.")
    p99: Timeout | None = Field(None, description="99 of 100 answers take no longer.")
    p999: Timeout | None = Field(None, description="999 of 1000 answers take no longer.")
    errors: Share | None = Field(
        None, description="The most requests that may fail: without a complete answer, 4xx and 5xx."
    )

    @classmethod
    def parse(cls, text: str) -> Slo:
        """The objective of `p99=5ms` or `p99=5ms,errors=0.1%`; ValueError says what is wrong."""
        given: dict[str, str] = {}
        for part in text.split(","):
            key, equals, bound = part.strip().partition("=")
            name = key.replace(".", "")  # p99.9
            if not equals or name not in cls.model_fields or name in given:
                raise ValueError(f"{part.strip()!r} is no objective; write p99=5ms, or p50=1ms,p99=5ms,errors=0.1%")
            given[name] = bound
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None

    @model_validator(mode="after")
    def _ordered(self) -> Slo:
        given = [(name, bound) for name in ("p50", "p90", "p99", "p999") if (bound := getattr(self, name)) is not None]
        for (lower, less), (higher, more) in pairwise(given):
            if less > more:
                raise ValueError(f"{lower} {less:g} s is more than {higher} {more:g} s")
        return self


class Bench(Model):
    """What `nautilus bench` asks an engine."""

    path: UrlPath | None = Field(None, description="The path that is asked. Default: that of the health check.")
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = Field("GET", description="The HTTP method.")
    headers: Headers = Field({}, description="Further headers, as Content-Type.")
    body: str | None = Field(None, description="What is sent with it, as text.")
    rate: Rate | None = Field(
        None, description="Requests per second at which latency is measured. Default: half of the measured peak."
    )


class Hooks(Model):
    """Commands that nautilus runs beside a rollout."""

    pre_deploy: tuple[str, ...] = Field(
        min_length=1,
        description="Runs once in a container of a new version before its first replica starts: a line or a list.",
    )
    timeout: Timeout = Field(300.0, description="A hook that takes longer has failed.")


class Security(Model):
    """What a container's processes may do."""

    user: User | None = Field(None, description="User and group of the processes: 1000, 1000:1000. None: the image's.")
    read_only: bool = Field(False, description="The root file system cannot be written; tmpfs and volumes can.")
    cap_drop: tuple[Capability, ...] = Field((), description="Linux capabilities that are taken away; ALL takes each.")
    cap_add: tuple[Capability, ...] = Field((), description="Linux capabilities that are given back.")
    no_new_privileges: bool = Field(True, description="No process gains rights through setuid programs.")
    pids: Pids | None = Field(None, description="The most processes and threads of one replica. None: no limit.")


class Build(Model):
    """How an engine's image is made; its content decides its tag."""

    context: str = Field(min_length=1, description="The folder that the build may read, relative to this file.")
    dockerfile: str = Field("Dockerfile", min_length=1, description="The recipe, relative to the context.")
    args: dict[str, str] = Field({}, description="Build arguments; ENGINE=<name> is always passed.")
    inputs: tuple[str, ...] = Field(
        (), description="Paths in the context that belong to this engine: only their changes rebuild it."
    )
    target: str | None = Field(None, description="The stage of the Dockerfile to stop at.")


class Process(Model):
    """How an engine starts without Docker: a command of this machine, in the folder of the file."""

    command: tuple[str, ...] = Field(min_length=1, description="The command, a line or a list; it listens on $PORT.")
    requirements: str | None = Field(
        None,
        min_length=1,
        description="A requirements file; the command runs in an environment that is made from it.",
    )


class Volume(Model):
    """A named volume or a host path inside the container."""

    source: str
    target: Inside
    read_only: bool = False

    @property
    def named(self) -> bool:
        """Whether Docker keeps it, as against a path of the host."""
        return not self.source.startswith(("/", ".", "~"))


class Ulimit(Model):
    """One resource limit of the kernel; -1 is no limit."""

    soft: Limit = Field(description="What a process starts with; it may raise it to hard.")
    hard: Limit = Field(description="What it can never exceed.")

    @model_validator(mode="after")
    def _ordered(self) -> Ulimit:
        if self.hard != -1 and not 0 <= self.soft <= self.hard:
            raise ValueError(f"soft {self.soft} is more than hard {self.hard}")
        return self


class Workload(Model):
    """What engines and services share: one container's declaration."""

    name: Name
    image: Image | None = Field(None, description="An image that exists, instead of `build`.")
    command: tuple[str, ...] | None = Field(None, description="Replaces the image's command: a line or a list.")
    entrypoint: tuple[str, ...] | None = Field(None, description="Replaces the image's entry point: a line or a list.")
    environment: dict[str, str] = Field({}, description="Environment variables; a key without a value is the caller's.")
    secrets: tuple[str, ...] = Field((), description="Names from `secrets`, mounted read-only as /run/secrets/<name>.")
    volumes: tuple[Volume, ...] = Field((), description="name:/path or ./host/path:/path, with :ro to forbid writing.")
    tmpfs: tuple[Inside, ...] = Field((), description="Paths that live in memory and are empty at every start.")
    init: bool = Field(False, description="A small init as process 1, which reaps children and passes signals on.")
    ulimits: dict[str, Ulimit] = Field({}, description="Limits of the kernel: nofile: 65536, or {soft, hard}.")
    labels: dict[str, str] = Field({}, description="Labels of the containers, for tools of your own.")
    stop_signal: Signal | None = Field(None, description="The signal that asks it to stop. Default: the image's.")
    stop_grace_period: Duration = Field(10.0, description="How long it may take to stop before it is killed.")
    restart: Literal["no", "always", "on-failure", "unless-stopped"] = Field(
        "unless-stopped", description="What Docker does when the process ends."
    )
    resources: Resources = Field(Resources(), description="The most that one replica may use.")
    security: Security = Field(Security(), description="What the processes may do.")
    depends_on: tuple[str, ...] = Field((), description="Engines and services that must be ready before this starts.")
    replaced: frozenset[str] = Field(
        frozenset(), exclude=True, description="replicas to exchange, chosen now by `restart`; not from the file"
    )


class Engine(Workload):
    """One declared HTTP service: replicas of one image behind one port."""

    build: Build | None = Field(None, description="How its image is made: a folder, or {context, dockerfile, ...}.")
    port: Port = Field(description="The one address in front of all replicas, on gateway.bind.")
    process: Process | None = Field(None, description="How it starts in the process runtime: {command, requirements}.")
    container_port: Port = Field(description="Where each replica listens. Default: port.")
    replicas: Replicas = Field(Replicas(), description="How many copies run: a number, or {min, max}.")
    healthcheck: HealthCheck = Field(HealthCheck(), description="How the gateway asks a replica whether it can serve.")
    concurrency: Requests = Field(100, description="How many requests a replica is given at once; others wait for it.")
    update: Update = Field(Update(), description="How replicas are exchanged for those of a new version.")
    slo: Slo = Field(Slo(), description="What it promises; `nautilus bench` says whether it holds.")
    bench: Bench = Field(Bench(), description="What `nautilus bench` asks it.")
    hooks: Hooks | None = Field(None, description="Commands that run beside a rollout.")
    count: int | None = Field(default=None, exclude=True, description="chosen now, by `scale`; not from the file")

    @property
    def slots(self) -> int:
        """How many replicas the gateway must be able to hold at once."""
        return self.replicas.max + max(self.update.parallelism, 1)


class CommandCheck(Model):
    """How a service is asked whether it is ready: a command inside its container; none takes the image's own."""

    command: tuple[str, ...] = Field((), description="The command that must succeed: a line or a list.")
    interval: Timeout = Field(30.0, description="Time between two checks.")
    timeout: Timeout = Field(5.0, description="A command that takes longer has failed.")
    retries: Tries = Field(3, description="Failures in a row after which it counts as unhealthy.")
    start_period: Duration = Field(60.0, description="How long it may take until it is ready.")


class Service(Workload):
    """What the engines need: one replica, private to the fleet's network, data in a volume."""

    kind: Literal["redis", "container"] = Field(
        "container", description="redis: password, append-only file and health check are made. container: as declared."
    )
    image: Image = Field(description="The image that runs.")
    port: Port | None = Field(None, description="Where it listens, inside the fleet's network only.")
    healthcheck: CommandCheck = Field(CommandCheck(), description="How it is asked whether it is ready.")


class Secret(Model):
    """A value that no command line, label or environment variable ever holds: a file, or a variable of the caller."""

    name: SecretName
    file: str | None = Field(None, min_length=1, description="A file with the value, relative to this file.")
    environment: str | None = Field(None, min_length=1, description="A variable of the caller that holds the value.")

    @model_validator(mode="after")
    def _one_source(self) -> Secret:
        if (self.file is None) == (self.environment is None):
            raise ValueError("needs exactly one of file and environment")
        return self


class Gateway(Model):
    """The one address in front of all replicas of each engine."""

    bind: Address = Field("127.0.0.1", description="The address that the ports are opened on; 0.0.0.0 is every one.")
    network: Literal["auto", "host", "bridge"] = Field(
        "auto", description="host: fastest, on Linux. bridge: published ports. auto: host where that works."
    )
    metrics_port: Port | None = Field(None, description="Port of the gateway's Prometheus metrics. None: closed.")
    base_image: Image = Field(
        "python:3.13-slim-bookworm",
        description="The image that the gateway's own is built on. Default: ${NAUTILUS_BASE_IMAGE}, else Python's.",
    )


class Fleet(Model):
    """Everything declared in `engines.yaml`."""

    name: Name = Field(description="Prefix of every container, network and volume. Default: the folder's name.")
    runtime: Literal["auto", "docker", "process"] = Field(
        "auto", description="Where replicas live; auto is docker where a daemon answers, else process."
    )
    directory: str = Field(exclude=True, description="the folder of the file; relative paths start here")
    engines: dict[str, Engine] = Field({}, description="What serves: each engine has one port and many replicas.")
    services: dict[str, Service] = Field({}, description="What the engines need, one replica each.")
    secrets: dict[str, Secret] = Field({}, description="Values that engines read from /run/secrets/<name>.")
    gateway: Gateway = Field(Gateway(), description="The one address in front of all replicas.")

    @property
    def workloads(self) -> dict[str, Engine | Service]:
        """Services and engines under their names."""
        return {**self.services, **self.engines}

    def with_counts(self, counts: Mapping[str, int]) -> Fleet:
        """The same fleet with other replica counts: `scale` is an edit of what is wanted."""
        engines = {n: e.model_copy(update={"count": counts.get(n, e.count)}) for n, e in self.engines.items()}
        return self.model_copy(update={"engines": engines})

    def with_replaced(self, replicas: Mapping[str, Iterable[str]]) -> Fleet:
        """The same fleet, but these replicas have to be exchanged: what `restart` wants."""

        def replaced(workload: Engine | Service) -> Engine | Service:
            return workload.model_copy(update={"replaced": frozenset(replicas.get(workload.name, ()))})

        engines = {name: replaced(engine) for name, engine in self.engines.items()}
        services = {name: replaced(service) for name, service in self.services.items()}
        return self.model_copy(update={"engines": engines, "services": services})

    def with_patience(self, seconds: float) -> Fleet:
        """The same fleet with this time for every replica to become ready, instead of its start_period."""

        def patient(workload: Engine | Service) -> Engine | Service:
            check = workload.healthcheck.model_copy(update={"start_period": seconds})
            return workload.model_copy(update={"healthcheck": check})

        engines = {name: patient(engine) for name, engine in self.engines.items()}
        services = {name: patient(service) for name, service in self.services.items()}
        return self.model_copy(update={"engines": engines, "services": services})

    def only(self, names: Iterable[str]) -> Fleet:
        """The named engines and services with everything that they need, directly or not."""
        wanted: set[str] = set()
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in wanted:
                wanted.add(name)
                todo += self.workloads[name].depends_on
        return self.model_copy(
            update={
                "engines": {n: e for n, e in self.engines.items() if n in wanted},
                "services": {n: s for n, s in self.services.items() if n in wanted},
            }
        )

    def empty(self) -> Fleet:
        """The same fleet with nothing in it: what `down` wants."""
        return self.model_copy(update={"engines": {}, "services": {}})


CHECK = "health check"  # the aspect that the gateway shares


def aspects(workload: Workload, image_id: str, secret_hashes: Mapping[str, str]) -> dict[str, str]:
    """A short hash for each thing that makes a replica another one, so that a plan can say what changed.

    Counts, CPU and memory are left out: they change in place. So does the gateway's part: port, health check, update;
    and what only `nautilus bench` reads: slo, bench.
    """
    declared: dict[str, object] = {
        "image": image_id,
        "command": [workload.command, workload.entrypoint, workload.init, workload.stop_signal],
        "environment": workload.environment,
        "secrets": dict(secret_hashes),
        "mounts": [[v.model_dump() for v in workload.volumes], workload.tmpfs],
        "security": workload.security.model_dump(),
        "limits": {name: limit.model_dump() for name, limit in workload.ulimits.items()},
        "labels": workload.labels,
        "restart": workload.restart,
        "dependencies": sorted(workload.depends_on),
    }
    if isinstance(workload, Engine):
        declared["port"] = workload.container_port
        declared[CHECK] = workload.healthcheck.path
    if isinstance(workload, Service):
        declared[CHECK] = workload.healthcheck.model_dump()
        declared["kind"] = [workload.kind, workload.port]
    return {aspect: digest(value) for aspect, value in declared.items()}


def fingerprint(parts: Mapping[str, str]) -> str:
    """One hash over all aspects: two replicas with the same one are interchangeable."""
    return digest(dict(parts))


def digest(value: object) -> str:
    """A short, stable hash of plain data."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:12]
