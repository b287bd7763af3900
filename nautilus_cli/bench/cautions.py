"""What a reader of a report must know: where the figures are the generator's and not the target's. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nautilus_cli.bench.latency import Latency
from nautilus_cli.bench.recording import Closed, Open, Recording

STALL = 10  # times the highest known percentile
LEAST_STALL = 0.01  # seconds; a shorter one is the machine's scheduler at work
BUSY = 0.8  # of one core
FULL = 0.95  # of the whole machine
LATE = 100e-6  # seconds
LITTLE = (0.98, 1.02)
KEPT = 0.99  # of the rate that was asked for
WAITED = 0.01  # of the requests


@dataclass(frozen=True, slots=True)
class Caution:
    """What a reader must know of these figures."""

    code: str
    text: str
    distrust: bool  # whether it makes the figures doubtful, and not only hard to read


@dataclass(frozen=True, slots=True)
class Seen:
    """What is judged: a recording, and the figures that were taken from it."""

    recording: Recording
    response: Latency
    service: Latency
    rate: float
    errors: int
    cores: int  # of the machine


def cautions(seen: Seen) -> tuple[Caution, ...]:
    """Every caution that applies, those that make the figures doubtful first."""
    recording = seen.recording
    found = [*_ended(recording), *_steady(recording)]
    if isinstance(recording.profile.load, Closed):
        found += [*_client(recording), *_little(recording), *_stall(seen.service), *_starved(recording)]
    else:
        found += [*_late(recording, seen.response), *_behind(seen, recording.profile.load)]
    found += [*_crowded(recording, seen.cores), *_clock(recording), *_redirects(recording), *_too_few(seen.response)]
    return tuple(sorted(found, key=lambda caution: not caution.distrust))


def _ended(recording: Recording) -> Iterator[Caution]:
    if recording.interrupted:
        text = f"ended after {recording.seconds:.1f} of {recording.profile.duration:g} s: {recording.interrupted}"
        yield Caution("ended early", text, True)


def _steady(recording: Recording) -> Iterator[Caution]:
    if not recording.health.steady:
        text = f"the rate had not settled after {recording.profile.warmup_limit:g} s of warm-up; measured all the same"
        yield Caution("not steady", text, True)


def _client(recording: Recording) -> Iterator[Caution]:
    if recording.health.cpu > BUSY:
        used = f"the generator used {recording.health.cpu:.0%} of its core"
        yield Caution(
            "client bound",
            f"{used}: the rate may be its own, and service time holds its queue; read wire latency",
            True,
        )


def _little(recording: Recording) -> Iterator[Caution]:
    low, high = LITTLE
    if recording.done.size and not low <= recording.health.little <= high:
        text = f"mean latency x rate / connections is {recording.health.little:.3f}, not 1: time is unaccounted for"
        yield Caution("little", text, True)


def _stall(service: Latency) -> Iterator[Caution]:
    known = service.highest
    if known and service.max > max(STALL * known[1], LEAST_STALL):
        times = f"a request took {service.max * 1e3:.0f} ms, {service.max / known[1]:.0f} times the {known[0]}"
        hides = "a closed loop sends nothing while it waits, so its percentiles hide such stalls; measure with --rate"
        yield Caution("coordinated omission", f"{times}: {hides}", False)


def _starved(recording: Recording) -> Iterator[Caution]:
    if recording.health.spanning:
        text = f"{recording.health.spanning:,} requests were sent before the measured time and not answered within it"
        yield Caution("starved", f"{text}: the slowest are in no percentile; measure longer, or with --rate", True)


def _late(recording: Recording, response: Latency) -> Iterator[Caution]:
    bound = max(LATE, 0.1 * (response["p50"] or 0.0))
    if recording.health.late_p99 > bound:
        text = f"1 % of the requests were sent more than {recording.health.late_p99 * 1e6:,.0f} us after they were due"
        yield Caution("late", f"{text}, though a connection was idle: that much of the tail is the generator's", True)


def _behind(seen: Seen, load: Open) -> Iterator[Caution]:
    recording = seen.recording
    failing = seen.errors > recording.done.size * (1 - KEPT)
    if seen.rate < KEPT * load.rate and not recording.interrupted and not failing:
        yield Caution("behind", f"{seen.rate:,.0f} of {load.rate:,.0f} requests/s were answered in time", False)
    if recording.health.waited > WAITED:
        text = f"{recording.health.waited:.1%} of the requests found all {load.connections:,} connections busy"
        yield Caution("no idle connection", f"{text} and waited; that time is in their latency", False)


def _crowded(recording: Recording, cores: int) -> Iterator[Caution]:
    used = recording.health.cpu + recording.health.foreign_cpu
    if used > FULL * cores:
        text = f"all {cores} cores were busy, {recording.health.foreign_cpu:.1f} of them with others than the generator"
        yield Caution("crowded", f"{text}: target and load competed for them", False)


def _clock(recording: Recording) -> Iterator[Caution]:
    if recording.health.clock_steps:
        text = f"the clock was set {recording.health.clock_steps} times; those wire latencies were left out"
        yield Caution("clock", text, False)


def _redirects(recording: Recording) -> Iterator[Caution]:
    redirected = int((recording.status // 100 == 3).sum())
    if redirected:
        yield Caution("redirects", f"{redirected:,} answers were redirects (3xx), which are not followed", False)


def _too_few(response: Latency) -> Iterator[Caution]:
    if response.missing:
        yield Caution("few samples", response.missing, False)
