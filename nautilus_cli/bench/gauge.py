"""What a generator knows of itself: the processor that it took, and what that left of its figures."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nautilus_cli.bench.recording import Closed, GeneratorHealth, Open
from nautilus_cli.bench.tape import Records


@dataclass(frozen=True, slots=True)
class Processor:
    """Seconds of processor time that were used up to a moment."""

    own: float
    everybody: float

    @classmethod
    def now(cls) -> Processor:
        """Up to now."""
        return cls(time.process_time(), busy())

    def __sub__(self, before: Processor) -> Processor:
        return Processor(self.own - before.own, self.everybody - before.everybody)


def busy() -> float:
    """Seconds that all processors of this machine worked since it started; 0 where it does not say."""
    try:
        first = Path("/proc/stat").read_text().partition("\n")[0]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, irq, softirq, *_ = map(int, first.split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def health(
    load: Closed | Open,
    records: Records,
    under_way: float,
    spanning: int,
    seconds: float,
    used: Processor,
    polled: float,
    stamped: bool,
    clock_steps: int,
    steady: bool,
) -> GeneratorHealth:
    """What a run of so many seconds says of its generator.

    `under_way` requests were so on average, `spanning` of them all the time; for `polled` seconds the processor only
    waited for a due time.
    """
    waited = records["waited"] == 1
    late = (records["sent"] - records["due"])[~waited] / 1e9
    late_p50, late_p99 = np.percentile(late, (50, 99)) if len(late) and isinstance(load, Open) else (0.0, 0.0)
    closed = isinstance(load, Closed) and seconds > 0
    return GeneratorHealth(
        cpu=max(0.0, used.own - polled) / seconds if seconds else 0.0,
        foreign_cpu=max(0.0, used.everybody - used.own) / seconds if seconds else 0.0,
        late_p50=float(late_p50),
        late_p99=float(late_p99),
        waited=float(np.mean(waited)) if len(records) else 0.0,
        little=under_way / load.connections if closed else 0.0,
        wire=stamped,
        clock_steps=clock_steps,
        steady=steady,
        spanning=spanning,
    )


@contextmanager
def undisturbed() -> Iterator[None]:
    """No garbage collection meanwhile: one pass takes tens of milliseconds, and the loop makes no cycles."""
    collected = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if collected:
            gc.enable()
