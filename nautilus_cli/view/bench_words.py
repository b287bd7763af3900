"""What `nautilus bench` says in words: what was done, what came of it, and whether it can be believed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nautilus_cli.bench.address import url_of
from nautilus_cli.bench.campaign import PEAK_CONNECTIONS, Result
from nautilus_cli.bench.objective import Verdict
from nautilus_cli.bench.recording import Closed, Profile
from nautilus_cli.bench.report import Report, method
from nautilus_cli.units import show_latency, write_share

UNKNOWN = "-"


def load(profile: Profile) -> str:
    """The load of a run in two words."""
    if isinstance(profile.load, Closed):
        return f"{profile.load.connections:,} connection{'' if profile.load.connections == 1 else 's'}"
    return f"{profile.load.rate:,.0f}/s"


def cell(seconds: float | None) -> str:
    """A latency of a table."""
    return UNKNOWN if seconds is None else show_latency(seconds)


def found_text(result: Result) -> str:
    """How much load is held within the objective."""
    found, name = result.found, result.subject.name
    if found is None:
        return f"{name}: not measured: {result.failed}"
    if found.held is None:
        first = f"; at {found.failed:,.0f} requests/s: {found.why}" if found.failed else ""
        which = "it ended before a" if result.interrupted else "no"
        return f"{name}: {which} rate was confirmed to hold the objective{first}"
    edge = f"the first that does not: {found.failed:,.0f} ({found.why})" if found.failed else "no rate failed"
    return f"{name}: {found.held:,.0f} requests/s hold the objective, confirmed in a longer run; {edge}"


def explained(results: Sequence[Result]) -> Iterator[str]:
    """What was done, in words."""
    yield ""
    headlines = [result.headline for result in results if result.headline]
    peaks = [run.report for result in results for run in result.runs if run.purpose == "peak"]
    if peaks:
        *first, last = PEAK_CONNECTIONS
        counts = f"{', '.join(map(str, first))} and {last} kept connections"
        yield f"peak: closed loop, as wrk -c: the best of {counts}, {peaks[-1].profile.duration:g} s of each"
    if headlines and peaks and len(results) > 1:
        pool, seconds = headlines[-1].profile.load.connections, {report.profile.duration for report in headlines}
        longer = ", longer where an slo needs more answers," if len(seconds) > 1 else ""
        yield (
            f"latency: open loop, as wrk2 -R: half of the peak, or bench.rate, for {min(seconds):g} s{longer} "
            f"over up to {pool} kept connections; counted from when each request was due"
        )
    elif headlines:
        yield f"{'latency' if peaks else 'measured'}: {method(headlines[-1].profile)}"
    elif sweeps := [run.report for result in results for run in result.runs if run.purpose == "sweep"]:
        yield f"medians of the rounds, in turns up and down; {method(sweeps[-1].profile)}"
    if len(results) == 1:
        request = results[0].subject.target.request
        yield f"asked: {request.method} {url_of(results[0].subject.target)}" + (
            f" with {len(request.body):,} bytes" if request.body else ""
        )
        yield from (promised(one) for one in results[0].verdicts)


def promised(one: Verdict) -> str:
    """One objective and its verdict."""
    share = one.objective == "errors"
    bound = write_share(one.bound) if share else show_latency(one.bound)
    word = {True: "met", False: "MISSED", None: "unknown: too few answers"}[one.met]
    if one.value is None:
        return f"objective {one.objective} <= {bound}: {word}"
    return f"objective {one.objective} <= {bound}: {word}, measured {f'{one.value:.3%}' if share else cell(one.value)}"


def doubts(result: Result) -> Iterator[str]:
    """Whether the generator can be believed, and what else a reader must know."""
    name = result.subject.name
    if result.failed:
        yield f"{name}: not measured: {result.failed}"
    reports = [run.report for run in result.runs if run.purpose != "check"]
    judged = [result.headline] if result.headline else reports
    told = set()
    for report in judged:
        for caution in report.cautions:
            where = f"{name}, {load(report.profile)}"
            if (where, caution.code) not in told and (result.headline or caution.code != "few samples"):
                yield f"{where}: {'DOUBTFUL: ' if caution.distrust else ''}{caution.text}"
            told.add((where, caution.code))
    if judged and all(report.healthy for report in judged):
        yield f"{name}: the generator was healthy ({generator(judged[-1])})"


def generator(report: Report) -> str:
    """What the generator says of itself."""
    health = report.health
    told = [f"CPU {health.cpu:.0%} of a core"]
    if report.offered:
        told.append(f"sent {show_latency(health.late_p50)} late at p50, {show_latency(health.late_p99)} at p99")
    else:
        told.append(f"latency x rate / connections = {health.little:.3f}")
    return ", ".join(told if health.wire else [*told, "no kernel timestamps"])
