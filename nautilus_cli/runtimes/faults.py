"""Faults on purpose, in containers: what `nautilus drill` breaks, and how that is undone.

Docker counts its own `kill` as an order to stop, after which nothing would start the container again. So signals come
from outside, as the kernel's do: from a helper that sees every process of Docker's host, and sends them only to those
whose control group bears the container's id.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic, sleep, time

from docker.api.client import APIClient
from docker.errors import APIError

from nautilus_cli.errors import ConfigError, NautilusError
from nautilus_cli.fault import Fault
from nautilus_cli.fleet import Fleet
from nautilus_cli.runtimes import labels
from nautilus_cli.runtimes.front import GATEWAY
from nautilus_cli.runtimes.place import discard, stop
from nautilus_cli.runtimes.usage import reading
from nautilus_cli.snapshot import Replica

MIB = 2**20
ROOM = 8 * MIB  # beyond what a replica uses, until the kernel kills it
LEAST = 6 * MIB  # that Docker takes for a limit
SHARED = 64 * MIB  # of Docker's /dev/shm
PATIENCE, LOOK = 20.0, 0.05  # seconds
SIGNAL = """\
date +%s.%N
found=$(grep -ls {id} /proc/[0-9]*/cgroup || :)
test "$found" || {{ echo "nothing of it runs"; exit {missing}; }}
for file in $found; do pid=${{file#/proc/}}; kill -{name} ${{pid%/cgroup}} 2>/dev/null || :; done
"""
FILL = "head -c {size} /dev/zero > /dev/shm/nautilus-drill; rm -f /dev/shm/nautilus-drill"


@dataclass(frozen=True, slots=True)
class DockerFaults:
    """The faults of one fleet's containers; helpers run the image of its gateway."""

    api: APIClient
    fleet: Fleet
    image: str

    @contextlib.contextmanager
    def inject(self, fault: Fault, replica: Replica | None) -> Iterator[float]:
        """See `Runtime.inject`."""
        try:
            with self._acting(fault, replica) as at:
                yield at
        except APIError as error:
            words = f"{fault}: Docker refuses: {error.explanation or error}"
            raise NautilusError(words, "`nautilus status --wide` shows what is left of it") from error

    @contextlib.contextmanager
    def _acting(self, fault: Fault, replica: Replica | None) -> Iterator[float]:
        """What is to be undone is noted before it is done."""
        if fault is Fault.GATEWAY_DOWN:
            yield self._signal(f"{self.fleet.name}-{GATEWAY}", "KILL")
            return
        assert replica, f"{fault} is of a replica"
        match fault:
            case Fault.KILL:
                yield self._signal(replica.id, "KILL")
            case Fault.OOM:
                yield self._exhaust(replica)
            case Fault.PAUSE:
                with contextlib.ExitStack() as undo:
                    undo.callback(self._unpause, replica.id)
                    self.api.pause(replica.id)
                    yield time()
            case Fault.HANG:
                with contextlib.ExitStack() as undo:
                    undo.callback(self._signal, replica.id, "CONT")
                    yield self._signal(replica.id, "STOP")
            case Fault.BUS_DOWN:
                with contextlib.ExitStack() as undo:
                    undo.callback(self.api.start, replica.id)
                    at = time()
                    stop(self.api, replica.id)
                    yield at

    def _unpause(self, container: str) -> None:
        if self.api.inspect_container(container)["State"]["Paused"]:
            self.api.unpause(container)

    def _signal(self, container: str, name: str) -> float:
        """Send a signal to every process of a container; when that was, by Docker's clock if it can be right.

        Where nothing of it runs any more there is nothing to continue.
        """
        full = self.api.inspect_container(container)["Id"]
        began = time()
        said = self._help(SIGNAL.format(id=shlex.quote(full), name=name, missing=int(name != "CONT")))
        return min(max(float(said.split()[0]), began), time())

    def _help(self, script: str) -> str:
        """What a script says that sees every process of Docker's host."""
        body = {
            "Image": self.image,
            "Entrypoint": ["sh", "-ec", script],
            "Cmd": [],
            "User": "0",
            "Labels": {labels.FLEET: self.fleet.name, labels.ROLE: "helper"},
            "HostConfig": {"PidMode": "host", "NetworkMode": "none"},
        }
        helper = self.api.create_container_from_config(body)["Id"]
        try:
            self.api.start(helper)
            code = self.api.wait(helper)["StatusCode"]
            said = self.api.logs(helper).decode(errors="replace").strip()
        finally:
            discard(self.api, helper)
        if code:
            raise NautilusError(f"a signal could not be sent: {said}", "does Docker allow --pid=host here?")
        return str(said)

    def _exhaust(self, replica: Replica) -> float:
        """Fill the memory that the replica may use, until the kernel kills it: a file in memory counts as its own.

        Its limit is lowered meanwhile to little more than it uses, and is as before when this returns.
        """
        limit = replica.limits.memory
        if limit is None:
            raise ConfigError(f"{replica.engine} has no memory limit to run out of", "give it resources.memory")
        now = reading(self.api, replica)
        if now is None:
            raise NautilusError(f"{replica.name} is gone", "`nautilus status` shows what runs")
        low = min(limit, max(now.memory + ROOM, LEAST))
        self._limit(replica.id, low)
        try:
            at = time()
            self._run(replica.id, FILL.format(size=SHARED))
        finally:
            self._limit(replica.id, limit)
        return at

    def _limit(self, container: str, memory: int) -> None:
        """Set its limit; while it ends or starts, Docker cannot, and it is tried again."""
        end = monotonic() + PATIENCE
        while True:
            try:
                self.api.update_container(container, mem_limit=memory, memswap_limit=memory)
                return
            except APIError as error:
                if monotonic() > end:
                    said = f"the memory limit of {container[:12]} could not be set: {error.explanation or error}"
                    raise NautilusError(said, "`nautilus up` sets it as the file says") from error
            sleep(LOOK)

    def _run(self, container: str, script: str) -> None:
        """Run a script in a container that may not survive it."""
        with contextlib.suppress(APIError):  # 404, 409 or 500: it died under it
            made = self.api.exec_create(container, ["sh", "-c", script])
            self.api.exec_start(made["Id"])
