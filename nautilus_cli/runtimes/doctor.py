"""What of this Docker host would stop or hurt a fleet, each finding with what to do."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import requests
from docker.api.client import APIClient
from docker.errors import APIError, DockerException

from nautilus_cli import reconcile
from nautilus_cli.fleet import Fleet
from nautilus_cli.gateways.haproxy import HAProxy
from nautilus_cli.runtimes import labels
from nautilus_cli.runtimes.base import Finding, Verdict
from nautilus_cli.snapshot import Host, Image
from nautilus_cli.units import about_size, show_cpus

OLDEST_API = (1, 41)  # Engine 20.10: the oldest that nautilus is tested with
LOW_DISK = 5 * 2**30  # an engine's image takes about 0.2 GiB, its build some times that
SKEW = 2.0  # seconds that two clocks may differ
PATIENCE = 30  # seconds: a daemon gives up a registry that does not answer after about 25
DISCARD = 9  # a port that nobody listens on: refused means reached
# What HAProxy releases get wrong; nautilus works around each.
FAULTS = {"2.6.12": "loses connection reuse on dynamic servers, may crash on deleting one: nautilus uses fixed slots"}
ENFORCED = {"CpuCfsQuota": "CPU", "MemoryLimit": "memory", "SwapLimit": "swap", "PidsLimit": "process"}


@dataclass(frozen=True, slots=True)
class Doctor:
    """Examines one fleet on one Docker host: starts one short-lived container at the most, and changes nothing."""

    api: APIClient
    fleet: Fleet
    proxy: HAProxy
    image: Image  # the gateway's own
    ports: Sequence[int]

    def examine(self) -> Iterator[Finding]:
        """Every finding, the most basic first."""
        info, version = self.api.info(), self.api.version()
        yield engine(version)
        yield clock(info["SystemTime"], time.time())
        yield limits(info)
        yield from self.resources(Host(float(info["NCPU"]), int(info["MemTotal"])))
        yield from (self.had(reference) for reference in sorted(self.needed()))
        yield from self.ports_free()
        yield from self.inside(info["DockerRootDir"])

    def resources(self, host: Host) -> Iterator[Finding]:
        """Cores and memory against what the fleet asks."""
        short = list(reconcile.warnings(self.fleet, host))
        if not short:
            have = f"{show_cpus(host.cpus)} CPUs and {about_size(host.memory)} are enough for the fleet"
            yield Finding("resources", Verdict.OK, have)
        for warning in short:
            yield Finding("resources", Verdict.WARN, warning, "lower resources in the file, or take a larger host")

    def needed(self) -> set[str]:
        """The images that must be had from elsewhere: those that run, and those that others are built on."""
        bases = [e.build.args.get("BASE_IMAGE") for e in self.fleet.engines.values() if e.build]
        own = [workload.image for workload in self.fleet.workloads.values()]
        return {reference for reference in (*bases, *own, self.fleet.gateway.base_image) if reference}

    def had(self, reference: str) -> Finding:
        """Whether one image is here, or a registry would give it."""
        name = f"image {reference}"
        if self.api.images(name=reference):
            return Finding(name, Verdict.OK, "is here")
        try:
            self.api.inspect_distribution(reference)
        except (DockerException, requests.exceptions.RequestException) as error:
            said = str(error.explanation if isinstance(error, APIError) else error)
            hint = "check its spelling and `docker login`; where no registry can be reached: scripts/offline-images"
            return Finding(name, Verdict.STOP, f"is not here and cannot be pulled: {said}", hint)
        return Finding(name, Verdict.OK, "can be pulled")

    def ports_free(self) -> Iterator[Finding]:
        """The ports of the file: free, or held by this fleet itself."""
        taken = self.proxy.taken(self.ports)
        if not taken:
            yield Finding("ports", Verdict.OK, f"{', '.join(map(str, self.ports))}: free, or this fleet's own")
        for port, holder in sorted(taken.items()):
            hint = "stop what holds it, or choose another port in the file"
            yield Finding("ports", Verdict.STOP, f"{port} is held by {holder}", hint)

    def inside(self, folder: str) -> Iterator[Finding]:
        """What only a container of this host can tell: the gateway's version, free disk, the firewall."""
        if self.image.id is None:
            yield Finding("gateway", Verdict.OK, "the first `up` builds its image; disk and firewall are seen then")
            return
        bridge = bridge_address(self.api)
        ask = f"socat -T2 - TCP:{bridge}:{DISCARD},connect-timeout=2 2>&1 </dev/null"
        version, disk, reached = self.run(f"haproxy -v | head -1; df -P -B1 / | tail -1; {ask}").splitlines()[:3]
        yield gateway(version)
        yield free_disk(int(disk.split()[3]), folder)
        if self.proxy.on_host(self.ports):
            yield firewall("refused" in reached.lower(), bridge)

    def run(self, script: str) -> str:
        """What a script says in a container of the gateway's image, on Docker's default bridge."""
        marks = {labels.FLEET: self.fleet.name, labels.ROLE: "helper"}
        body = {"Image": self.image.reference, "Cmd": ["sh", "-c", script], "Labels": marks}
        container = self.api.create_container_from_config(body)["Id"]
        try:
            self.api.start(container)
            self.api.wait(container, timeout=PATIENCE)
            return str(self.api.logs(container).decode(errors="replace"))
        finally:
            self.api.remove_container(container, force=True)


def engine(version: Mapping[str, Any]) -> Finding:
    """Docker's own version."""
    said = f"Docker {version['Version']}, API {version['ApiVersion']}"
    if tuple(map(int, version["ApiVersion"].split("."))) < OLDEST_API:
        return Finding("engine", Verdict.STOP, said, "nautilus needs Docker 20.10 or newer")
    return Finding("engine", Verdict.OK, said)


def clock(theirs: str, ours: float) -> Finding:
    """The engine's clock against this machine's: ages and logs are wrong by the difference."""
    skew = datetime.fromisoformat(theirs[:19]).replace(tzinfo=UTC).timestamp() - ours
    if abs(skew) > SKEW:
        return Finding("clock", Verdict.WARN, f"Docker's clock is {skew:+.0f}s off this one", "set up NTP on both")
    return Finding("clock", Verdict.OK, "Docker's clock and this machine's agree")


def limits(info: Mapping[str, Any]) -> Finding:
    """Whether the engine enforces the limits that the file may ask for."""
    missing = [name for key, name in ENFORCED.items() if not info.get(key, True)]
    version = f"cgroup v{info.get('CgroupVersion', '1')}"
    if missing:
        hint = "enable the controller at boot, e.g. cgroup_enable=memory swapaccount=1"
        return Finding("limits", Verdict.WARN, f"{version} enforces no {', no '.join(missing)} limits here", hint)
    return Finding("limits", Verdict.OK, f"{version} enforces CPU, memory, swap and process limits")


def gateway(version: str) -> Finding:
    """The gateway's version, and what that release is known to get wrong."""
    number = match[1] if (match := re.search(r"version (\d+\.\d+\.\d+)", version)) else "of an unknown version"
    fault = FAULTS.get(number)
    return Finding("gateway", Verdict.OK, f"HAProxy {number}" + (f": {fault}" if fault else ": no known fault"))


def free_disk(free: int, folder: str) -> Finding:
    """Room for images and logs."""
    said = f"{about_size(free)} free under {folder}"
    if free < LOW_DISK:
        return Finding("disk", Verdict.WARN, said, "`docker image prune` removes images that nobody uses")
    return Finding("disk", Verdict.OK, said)


def firewall(reached: bool, bridge: str) -> Finding:
    """Whether containers reach ports of the host: so engines reach each other behind a gateway on its network."""
    if reached:
        return Finding("firewall", Verdict.OK, "containers reach ports of the host")
    hint = f"allow traffic from Docker's bridges to addresses like {bridge}, or set gateway.network: bridge"
    return Finding("firewall", Verdict.WARN, "containers do not reach ports of the host, nor engines engines", hint)


def bridge_address(api: APIClient) -> str:
    """The host's own address on Docker's default bridge."""
    pool = api.inspect_network("bridge")["IPAM"]["Config"][0]
    return str(pool.get("Gateway") or ip_network(pool["Subnet"])[1]).split("/")[0]
