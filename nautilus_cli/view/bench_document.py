"""What a report of `nautilus bench` holds, whatever it is written as: facts, tables and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nautilus_cli.bench.address import url_of
from nautilus_cli.bench.campaign import Result, Run
from nautilus_cli.bench.latency import PERCENTILES
from nautilus_cli.bench.report import Report, method
from nautilus_cli.units import about_size, show_latency
from nautilus_cli.view.bench_words import UNKNOWN, cell, doubts, found_text, generator, load, promised

GOOD, BAD, UNSURE = "good", "bad", "unsure"


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure or word that sums something up, and whether that is good."""

    name: str
    value: str
    mood: str = ""  # good, bad, unsure or none of these


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under heads; a head that ends with '>' has its figures on the right."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Everything of one subject."""

    result: Result
    facts: tuple[Fact, ...]
    tables: tuple[Table, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    began: str
    parts: tuple[Part, ...]
    environment: Table


def document(results: Sequence[Result], environment: Mapping[str, Any], began: str | None) -> Document:
    """The report of these results."""
    names = ", ".join(result.subject.name for result in results)
    told = tuple(Part(one, tuple(facts(one)), tuple(tables(one)), tuple(words(one))) for one in results)
    return Document(f"nautilus bench: {names}", began or "not measured", told, machine(environment))


def facts(result: Result) -> Iterator[Fact]:
    """What a reader looks for first."""
    report = result.headline
    if verdict := verdict_of(result):
        yield verdict
    if result.found:
        held = result.found.held
        yield Fact("held", f"{held:,.0f}/s", GOOD) if held else Fact("held", "no rate", BAD)
    if best := result.peak:
        yield Fact("peak", f"{best.rate:,.0f}/s")
    elif result.levels:
        level = max(result.levels, key=lambda one: one.rate)
        yield Fact("peak", f"{level.rate:,.0f}/s at {level.connections:,}")
    if report:
        yield Fact("measured at", f"{report.rate:,.0f}/s")
        yield from (Fact(name, show_latency(at)) for name, at in report.response.percentiles.items() if at is not None)
        yield Fact("errors", f"{report.errors:,}", BAD if report.errors else "")
    if result.runs:
        yield Fact("generator", "healthy", GOOD) if result.healthy else Fact("generator", "doubtful", UNSURE)


def verdict_of(result: Result) -> Fact | None:
    """Whether what was promised is held."""
    if result.failed:
        return Fact("objective", "not measured", BAD)
    if result.gone:
        return Fact("objective", "target gone", BAD)
    if missed := [verdict.objective for verdict in result.verdicts if verdict.met is False]:
        return Fact("objective", f"missed: {', '.join(missed)}", BAD)
    if unknown := [verdict.objective for verdict in result.verdicts if verdict.met is None]:
        return Fact("objective", f"unknown: {', '.join(unknown)}", UNSURE)
    return Fact("objective", "met", GOOD) if result.verdicts else None


def tables(result: Result) -> Iterator[Table]:
    """Every table of a subject that has rows."""
    report = result.headline
    found = [*([latencies(report), outcomes(report), replicas(report)] if report else []), levels(result), runs(result)]
    yield from (table for table in found if table.rows)


def latencies(report: Report) -> Table:
    """One row a clock."""
    clocks = [
        ("response", "due to last byte", report.response if report.offered else None),
        ("service", "sent to last byte", report.service),
        ("wire", "sent until the kernel had the answer", report.wire),
    ]
    rows = tuple(
        (name, what, show_latency(of.mean), *(cell(of[p]) for p in PERCENTILES), show_latency(of.max))
        for name, what, of in clocks
        if of and of.count
    )
    return Table("Latency", ("latency", "from", "mean>", *(f"{name}>" for name in PERCENTILES), "max>"), rows)


def outcomes(report: Report) -> Table:
    """What became of the requests."""
    kinds = {**report.statuses, **report.failures}
    rows = [(kind, f"{count:,}", f"{count / report.requests:.2%}") for kind, count in kinds.items()]
    return Table("Outcomes", ("outcome", "requests>", "share>"), tuple(rows))


def replicas(report: Report) -> Table:
    """One row a replica."""
    rows = [
        (one.replica, f"{one.share:.1%}", f"{one.answers:,}", cell(one.latency["p50"]), cell(one.latency["p99"]),
         f"{one.errors:,}")
        for one in sorted(report.replicas, key=lambda one: one.replica)
    ]  # fmt: skip
    return Table("Replicas", ("replica", "share>", "answers>", "p50>", "p99>", "errors>"), tuple(rows))


def levels(result: Result) -> Table:
    """One row a level of a sweep."""
    rows = [
        (f"{one.connections:,}", f"{one.rate:,.0f}", *(cell(one.percentiles[name]) for name in PERCENTILES),
         f"{one.errors:,}", str(one.runs))
        for one in result.levels
    ]  # fmt: skip
    heads = ("connections>", "requests/s>", *(f"{name}>" for name in PERCENTILES), "errors>", "rounds>")
    return Table("Sweep: medians of the rounds", heads, tuple(rows))


def runs(result: Result) -> Table:
    """One row a run, in their order."""
    heads = ("run", "load", "requests/s>", "p50>", "p99>", "errors>", "received>", "what it said")
    return Table("Every run", heads, tuple(run_row(run) for run in result.runs))


def run_row(run: Run) -> tuple[str, ...]:
    """The cells of a run."""
    report = run.report
    judged = report.cautions if run.purpose != "check" else ()
    doubts = ", ".join(caution.code for caution in judged if caution.distrust)
    said = "; ".join(words for words in (run.note, f"doubtful: {doubts}" if doubts else "") if words)
    return (
        run.purpose,
        load(report.profile),
        f"{report.rate:,.0f}",
        cell(report.response["p50"]),
        cell(report.response["p99"]),
        f"{report.errors:,}",
        about_size(report.received),
        said,
    )


def words(result: Result) -> Iterator[str]:
    """What was done, what was promised, and what a reader must know."""
    subject, request = result.subject, result.subject.target.request
    if result.found:
        yield found_text(result)
    if report := result.headline or next((run.report for run in reversed(result.runs)), None):
        yield method(report.profile)
    body = f" with {len(request.body):,} bytes" if request.body else ""
    yield f"asked: {request.method} {url_of(subject.target)}{body}"
    if subject.ready is not None:
        images = ", ".join(image.reference + (f" ({image.id[:19]})" if image.id else "") for image in subject.images)
        yield f"replicas: {subject.ready} of {subject.wanted} ready" + (f"; image {images}" if images else "")
    yield from (promised(verdict) for verdict in result.verdicts)
    told = list(doubts(result))
    yield from told
    if result.headline and not any("the generator was healthy" in line for line in told):
        yield f"the generator: {generator(result.headline)}"


def machine(environment: Mapping[str, Any]) -> Table:
    """On what it was measured."""
    git = environment.get("git")
    commit = git and f"{git['revision'][:12]}{', changed since' if git['dirty'] else ''}"
    shown = {**environment, "git": commit}
    rows = tuple((name.replace("_", " "), UNKNOWN if at in (None, "") else str(at)) for name, at in shown.items())
    return Table("Environment", ("measured on", "value"), rows)
