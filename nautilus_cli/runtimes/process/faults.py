"""Faults on purpose, in processes: what `nautilus drill` breaks without Docker."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time

from nautilus_cli.errors import ConfigError, NautilusError
from nautilus_cli.fault import Fault
from nautilus_cli.runtimes.process import record
from nautilus_cli.runtimes.process.home import Home, end
from nautilus_cli.runtimes.process.launch import launch
from nautilus_cli.snapshot import Replica


@contextmanager
def inject(home: Home, fault: Fault, replica: Replica | None) -> Iterator[float]:
    """See `Runtime.inject`."""
    folder = home.replicas / replica.name if replica else home.gateway
    at = time()
    match fault:
        case Fault.KILL | Fault.GATEWAY_DOWN:
            send(folder, signal.SIGKILL)
            yield at
        case Fault.HANG:
            try:
                send(folder, signal.SIGSTOP)
                yield at
            finally:
                with suppress(NautilusError):  # somebody killed it meanwhile
                    send(folder, signal.SIGCONT)
        case Fault.BUS_DOWN:
            spec = record.read_spec(folder)
            assert spec
            try:
                end(folder, spec)
                yield at
            finally:
                launch(folder, spec.subject)
        case Fault.PAUSE | Fault.OOM:
            hint = "drill kill, hang, bus-down or gateway-down"
            raise ConfigError(f"{fault}: processes without Docker have neither a freezer nor a memory limit", hint)


def send(folder: Path, number: int) -> None:
    """A signal to all processes of a replica; its supervisor gets none."""
    status = record.read_status(folder)
    if status is None or status.child is None or not status.child.alive:
        raise NautilusError(f"{folder.name} does not run", "`nautilus status` shows what does")
    with suppress(ProcessLookupError):
        os.killpg(status.child.pid, number)
