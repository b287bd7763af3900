"""The declaration of one container, as Docker's API takes it: pure, so that tests can read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nautilus_cli.fleet import Engine, Security, Service, Workload
from nautilus_cli.runtimes import labels
from nautilus_cli.snapshot import Limits

PERIOD = 100_000  # microseconds: quota over period, since Docker cannot change NanoCpus of a running container
SECRETS = "/run/secrets"
REDIS_KEEPS = (
    "appendonly yes",  # synced every second: a crash of the host costs about as much
    'save ""',  # snapshots beside that file are never read, and each costs a fork
    "auto-aof-rewrite-min-size 128mb",  # a rewrite stalls Redis twice, 10 ms each; more would take longer to load
)
LOGS = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where in the fleet a container stands: its network, address and the names it can reach."""

    network: str
    address: str
    hosts: Mapping[str, str]  # engine -> address of its port, for engines behind a gateway on the host's network
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    """A Docker volume or host path on a path of the container."""

    source: str
    target: str
    read_only: bool

    def __str__(self) -> str:
        return f"{self.source}:{self.target}:{'ro' if self.read_only else 'rw'}"


def container(
    workload: Engine | Service,
    name: str,
    image: str,
    limits: Limits,
    endpoint: Endpoint,
    bindings: tuple[Binding, ...],
    environment: Mapping[str, str],
    marks: Mapping[str, str],
) -> dict[str, Any]:
    """The body of `POST /containers/create` for one replica."""
    body: dict[str, Any] = {
        "Image": image,
        "Env": [f"{key}={value}" for key, value in {**workload.environment, **environment}.items()],
        "Labels": {**workload.labels, **marks},
        "StopTimeout": round(workload.stop_grace_period),
        "HostConfig": host(workload, limits, endpoint, bindings),
        "NetworkingConfig": {
            "EndpointsConfig": {
                endpoint.network: {"IPAMConfig": {"IPv4Address": endpoint.address}, "Aliases": list(endpoint.aliases)}
            }
        },
    }
    optional = {
        "Hostname": name[:63],
        "Cmd": command(workload),
        "Entrypoint": list(workload.entrypoint) if workload.entrypoint else None,
        "User": workload.security.user,
        "StopSignal": workload.stop_signal,
        "Healthcheck": healthcheck(workload) if isinstance(workload, Service) else None,
    }
    return {**body, **{key: value for key, value in optional.items() if value is not None}}


def command(workload: Engine | Service) -> list[str] | None:
    """What runs; None keeps the image's own."""
    if isinstance(workload, Service) and workload.kind == "redis" and not workload.command:
        return ["redis-server", f"{SECRETS}/{workload.name}/redis.conf"]
    return list(workload.command) if workload.command else None


def host(workload: Workload, limits: Limits, endpoint: Endpoint, bindings: tuple[Binding, ...]) -> dict[str, Any]:
    """Limits, security and surroundings."""
    return {
        "NetworkMode": endpoint.network,
        "ExtraHosts": [f"{name}:{address}" for name, address in sorted(endpoint.hosts.items())],
        "RestartPolicy": {"Name": workload.restart},
        "Binds": [str(binding) for binding in bindings],
        "Tmpfs": dict.fromkeys(workload.tmpfs, ""),
        "Init": workload.init,
        "Ulimits": [{"Name": n, "Soft": u.soft, "Hard": u.hard} for n, u in sorted(workload.ulimits.items())],
        "LogConfig": LOGS,
        **security(workload.security),
        **enforced(limits),
    }


def security(declared: Security) -> dict[str, Any]:
    """What the processes may do."""
    return {
        "ReadonlyRootfs": declared.read_only,
        "CapDrop": list(declared.cap_drop),
        "CapAdd": list(declared.cap_add),
        "SecurityOpt": ["no-new-privileges"] if declared.no_new_privileges else [],
        "PidsLimit": declared.pids or 0,
    }


def enforced(limits: Limits) -> dict[str, int]:
    """CPU and memory as Docker takes them, at creation and later; swap is off."""
    return {
        "CpuPeriod": PERIOD if limits.cpus else 0,
        "CpuQuota": round(limits.cpus * PERIOD) if limits.cpus else 0,
        "CpuShares": max(2, round((limits.cpus or 1) * 1024)),
        "Memory": limits.memory or 0,
        "MemorySwap": limits.memory or 0,
    }


def limits_of(host_config: Mapping[str, Any]) -> Limits:
    """The limits that are in force, read back from an inspected container."""
    quota, period = host_config.get("CpuQuota") or 0, host_config.get("CpuPeriod") or PERIOD
    return Limits(cpus=round(quota / period, 5) if quota > 0 else None, memory=host_config.get("Memory") or None)


def healthcheck(service: Service) -> dict[str, Any] | None:
    """Docker's own check of a service; None keeps what the image has."""
    check = service.healthcheck
    if not (command := check_command(service)):
        return None
    nanoseconds = {"Interval": check.interval, "Timeout": check.timeout, "StartPeriod": check.start_period}
    return {
        "Test": ["CMD", *command],
        "Retries": check.retries,
        **{key: round(seconds * 1e9) for key, seconds in nanoseconds.items()},
    }


def check_command(service: Service) -> tuple[str, ...]:
    """How to ask a service whether it is ready; empty where nothing is declared."""
    if service.kind == "redis" and not service.healthcheck.command:
        said = f"{{ printf 'AUTH '; cat {SECRETS}/{service.name}/password; printf '\\nPING\\n'; }}"
        return ("sh", "-c", f"{said} | redis-cli -p {redis_port(service)} | grep -q PONG")
    return service.healthcheck.command


def redis_port(service: Service) -> int:
    """The port of a redis service."""
    return service.port or 6379


def redis_config(service: Service, password: str) -> str:
    """The configuration of a redis service: a password, and nothing is lost when it stops."""
    lines = (f"port {redis_port(service)}", "bind * -::*", f"requirepass {password}", *REDIS_KEEPS, "dir /data", "")
    return "\n".join(lines)


def bus_environment(service: Service) -> dict[str, str]:
    """How an engine finds a redis service that it depends on; the password stays in its file."""
    return {
        "REDIS_HOST": service.name,
        "REDIS_PORT": str(redis_port(service)),
        "REDIS_PASSWORD_FILE": f"{SECRETS}/{service.name}/password",
    }


def role(workload: Engine | Service) -> str:
    """The role label of its containers."""
    return labels.SERVICE_ROLE if isinstance(workload, Service) else labels.ENGINE_ROLE
