"""What a recording means: rates, latencies, shares of replicas, and whether it can be believed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nautilus_cli.bench.cautions import Caution, Seen, cautions
from nautilus_cli.bench.latency import NS, Latency, ranked_at
from nautilus_cli.bench.recording import Closed, Failure, GeneratorHealth, Open, Profile, Recording, Target

SLICES = 20  # parts of the measured time
Chosen = NDArray[np.bool_]  # one for each request


@dataclass(frozen=True, slots=True)
class Share:
    """What one replica answered."""

    replica: str
    answers: int
    share: float  # of all answers
    errors: int
    latency: Latency


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of the measured time."""

    at: float  # seconds since it began
    rate: float  # answers per second
    p50: float | None
    p99: float | None
    errors: int


@dataclass(frozen=True)
class Report:
    """One load run, summarised."""

    target: Target
    profile: Profile
    began: float  # seconds since the epoch
    seconds: float
    requests: int
    answers: int  # complete ones, whatever their status
    rate: float  # answers per second
    received: int  # bytes
    connects: int
    response: Latency  # from when each request was due
    service: Latency  # from when it was sent
    wire: Latency | None  # from when it was sent until the kernel had the answer
    failures: Mapping[str, int]  # by kind; requests without a complete answer
    statuses: Mapping[str, int]  # 2xx, 3xx, 4xx, 5xx
    replicas: tuple[Share, ...]
    slices: tuple[Slice, ...]
    health: GeneratorHealth
    cautions: tuple[Caution, ...]
    interrupted: str

    @cached_property
    def errors(self) -> int:
        """Requests without a complete answer, and answers of 4xx and 5xx."""
        return sum(self.failures.values()) + self.statuses.get("4xx", 0) + self.statuses.get("5xx", 0)

    @property
    def error_share(self) -> float:
        """Errors among all requests."""
        return self.errors / self.requests if self.requests else 0.0

    @property
    def healthy(self) -> bool:
        """Whether the generator saw nothing that makes its figures doubtful."""
        return not any(caution.distrust for caution in self.cautions)

    @property
    def offered(self) -> float | None:
        """The rate that the schedule asked for; None in a closed loop."""
        return self.profile.load.rate if isinstance(self.profile.load, Open) else None


def summarise(recording: Recording, cores: int) -> Report:
    """The report of a recording that was made on a machine with so many cores."""
    answered, erring = recording.failure == Failure.NONE, errors_of(recording)
    timed = answered | (recording.failure == Failure.TIMEOUT)  # who gave up has waited so long at least
    response, service = Latency.of(recording.response[timed]), Latency.of(recording.service[timed])
    rate = answered_in_time(recording, answered) / recording.seconds if recording.seconds else 0.0
    stamped = recording.wire[recording.wire >= 0]
    return Report(
        target=recording.target,
        profile=recording.profile,
        began=recording.began,
        seconds=recording.seconds,
        requests=int(recording.done.size),
        answers=int(answered.sum()),
        rate=rate,
        received=recording.received,
        connects=recording.connects,
        response=response,
        service=service,
        wire=Latency.of(stamped) if recording.health.wire and stamped.size else None,
        failures={k.name.lower(): n for k in Failure if k and (n := int((recording.failure == k).sum()))},
        statuses={f"{c}xx": n for c in range(1, 6) if (n := int((recording.status // 100 == c).sum()))},
        replicas=shares(recording, timed, erring),
        slices=slices(recording, timed, erring),
        health=recording.health,
        cautions=cautions(Seen(recording, response, service, rate, int(erring.sum()), cores)),
        interrupted=recording.interrupted,
    )


def answered_in_time(recording: Recording, answered: Chosen) -> int:
    """The answers that count for the rate.

    An open loop owes what was due: an answer after the end is one that the target did not give in time. A closed loop
    has, at the end, as many requests under way as at the beginning: leaving them out would count too few.
    """
    if isinstance(recording.profile.load, Closed):
        return int(answered.sum())
    return int((answered & (recording.done <= recording.seconds * NS)).sum())


def errors_of(recording: Recording) -> Chosen:
    """Which requests count as errors."""
    erring: Chosen = (recording.failure != Failure.NONE) | (recording.status >= 400)
    return erring


def shares(recording: Recording, timed: Chosen, erring: Chosen) -> tuple[Share, ...]:
    """What each replica that named itself answered, the busiest first."""
    found = []
    total = int((recording.failure == Failure.NONE).sum())
    for number, name in enumerate(recording.replicas):
        own = recording.replica == number
        answers = int((own & (recording.failure == Failure.NONE)).sum())
        if name and answers:
            latency = Latency.of(recording.response[own & timed])
            found.append(Share(name, answers, answers / total, int((own & erring).sum()), latency))
    return tuple(sorted(found, key=lambda share: (-share.answers, share.replica)))


def slices(recording: Recording, timed: Chosen, erring: Chosen) -> tuple[Slice, ...]:
    """The measured time in equal parts; each request belongs to the part in which it ended."""
    length = recording.seconds / SLICES
    if length <= 0:
        return ()
    place = np.minimum(recording.done // max(1, round(length * NS)), SLICES - 1)
    found = []
    for number in range(SLICES):
        own = place == number
        ranked = np.sort(recording.response[own & timed])
        rate = int((own & (recording.failure == Failure.NONE)).sum()) / length
        p50, p99 = ranked_at(ranked, 0.5), ranked_at(ranked, 0.99)
        found.append(Slice(number * length, rate, p50, p99, int((own & erring).sum())))
    return tuple(found)


def method(profile: Profile) -> str:
    """What a run did, in a sentence."""
    load = profile.load
    if isinstance(load, Closed):
        one = load.connections == 1
        loop = (
            f"closed loop: {load.connections:,} kept connection{'' if one else 's'}, "
            f"{'which' if one else 'each of which'} sends when it has its answer; latency from send to last byte"
        )
    else:
        times = "evenly spaced" if load.arrival == "constant" else "at random (Poisson) times"
        loop = (
            f"open loop: {load.rate:,.0f} requests/s due {times}, over up to {load.connections:,} kept connections; "
            "latency from when each was due"
        )
    return f"{loop}; {profile.duration:g} s measured after at least {profile.warmup:g} s of warm-up"
