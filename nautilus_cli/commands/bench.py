"""`nautilus bench`: how much load each engine holds, and with what latency."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nautilus_cli.commands import bench_compare, bench_saved
from nautilus_cli.commands import bench_options as option
from nautilus_cli.commands.bench_output import Output
from nautilus_cli.commands.context import Context, on_signal, pick
from nautilus_cli.errors import INTERRUPTED, ConfigError, Unhealthy
from nautilus_cli.view.console import note, say, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nautilus_cli.bench.campaign import Bench, Result, Subject
    from nautilus_cli.bench.recording import Profile
    from nautilus_cli.bench.subjects import Asked
    from nautilus_cli.bench.wish import Wish

HELP = """Measure what each engine holds: throughput, latency by percentile, errors, the share of each replica.

Without options: is every replica ready and how soon does it answer; the most requests/s of a closed loop over a
few numbers of connections, as wrk measures it; then latency in an open loop at half of that, or at bench.rate,
counted from when each request was due, as wrk2 does. Exits with 1 when an slo of the file is missed.
Ctrl-C shows what was measured so far.

\b
Examples:
  nautilus bench
  nautilus bench risk --connections 64 --duration 10s
  nautilus bench risk --rate 500 --arrival poisson
  nautilus bench risk --sweep 1,4,16,64,256,1000
  nautilus bench risk --slo p99=5ms
  nautilus bench risk --capacity 3000
  nautilus bench http://127.0.0.1:8200/process --body @request.json --json
  nautilus bench risk --rate 500 --save --html report.html
  nautilus bench --monolith
  nautilus bench --self-test
An engine that has a command's name: nautilus bench -- history
"""

app = typer.Typer(
    cls=option.CommandAndGroup,
    invoke_without_command=True,
    subcommand_metavar="| COMMAND ...",
    add_completion=False,
    rich_markup_mode=None,
)
app.command("compare")(bench_compare.compare)
app.command("history")(bench_saved.history)
app.command("report")(bench_saved.report)


@app.callback(help=HELP)
def bench(
    ctx: typer.Context,
    what: option.What = None,
    connections: option.Connections = None,
    rate: option.Rate = None,
    sweep: option.Sweep = None,
    slo: option.Objective = None,
    duration: option.Duration = None,
    warmup: option.Warmup = "1s",
    timeout: option.Timeout = "5s",
    arrival: option.Arrival = "constant",
    path: option.RequestPath = None,
    method: option.Method = None,
    header: option.Header = None,
    body: option.Body = None,
    target: option.Where = "gateway",
    allow_remote: option.Remote = False,
    strict: option.Strict = False,
    json: option.Json = False,
    save: option.Save = False,
    hgrm: option.Hgrm = None,
    markdown: option.Markdown = False,
    html: option.Html = None,
    capacity: option.Capacity = None,
    write: option.Write = False,
    monolith: option.Monolith = False,
    self_test: option.SelfTest = False,
) -> None:
    """Measure one engine or URL, or every engine, and tell; nothing where a command of its own was named."""
    if ctx.invoked_subcommand is not None:
        return
    if self_test:
        raise typer.Exit(examine(json))
    from nautilus_cli.bench.wish import Wish, levels_of, profile_of, slo_of

    asked = option.asked_of(path, method, header, body, target, allow_remote)
    wish = Wish(connections, rate, levels_of(sweep), slo_of(slo), arrival)
    if capacity is not None or monolith:
        profile = profile_of(wish, duration or "5s", warmup, timeout)
        raise typer.Exit(decide(ctx.obj, what, asked, wish, profile, capacity, write, json))
    if write:
        raise ConfigError("--write puts the answer of --capacity into the file", "name the load: --capacity 3000")
    profile = profile_of(wish, duration, warmup, timeout)
    output = Output(json, save, hgrm, markdown, html)
    raise typer.Exit(measure(ctx.obj, what, asked, wish, profile, output, strict))


def measure(
    context: Context, what: str | None, asked: Asked, wish: Wish, profile: Profile, output: Output, strict: bool
) -> int:
    """Find what is meant, measure it, tell what came of it; the exit code."""
    from nautilus_cli.bench.environment import environment

    subjects, folder = subjects_of(context, what, asked)
    if output.hgrm and (len(subjects) > 1 or wish.levels):
        raise ConfigError("--hgrm writes one distribution", "name one engine, and leave --sweep away")
    with stopping() as stop:
        results = measured(subjects, wish, profile, stop)
    output.tell(results, environment(folder), folder)
    return exit_code(results, strict)


def decide(
    context: Context,
    what: str | None,
    asked: Asked,
    wish: Wish,
    profile: Profile,
    capacity: float | None,
    write: bool,
    json: bool,
) -> int:
    """Answer how many replicas a load needs or, without a load, whether one process would do; the exit code."""
    from nautilus_cli.commands.capacity import capacity_of
    from nautilus_cli.commands.monolith import compare_monolith

    with stopping() as stop:
        running = benching(profile, stop)
        if capacity is None:
            return compare_monolith(context, running, json)
        return capacity_of(context, what, capacity, wish, asked, running, write, json)


def subjects_of(context: Context, what: str | None, asked: Asked) -> tuple[list[Subject], Path]:
    """What is to be measured, and the folder that results belong to."""
    from nautilus_cli.bench import subjects

    if what is not None and "://" in what:
        return [subjects.url(what, asked)], Path.cwd()
    from nautilus_cli.runtimes import open_runtime

    fleet = context.fleet()
    try:
        names = pick(fleet, [what] if what else fleet.engines, known=fleet.engines)
    except ConfigError as error:
        raise ConfigError(error.message, f"{error.hint}; a URL begins with http://") from None
    with open_runtime(fleet) as runtime:
        snapshot = runtime.observe(fleet)
    return subjects.engines(fleet, snapshot, names, asked), Path(fleet.directory)


def measured(subjects: Sequence[Subject], wish: Wish, profile: Profile, stop: threading.Event) -> list[Result]:
    """Each subject after the other, until the user ends it."""
    running = benching(profile, stop)
    results = []
    for subject in subjects:
        results.append(wish.measure(running, subject))
        if results[-1].interrupted:
            break
    return results


def benching(profile: Profile, stop: threading.Event) -> Bench:
    """Load from a process of its own, told on the terminal, until the event is set."""
    from nautilus_cli.bench import apart
    from nautilus_cli.bench.campaign import Bench
    from nautilus_cli.bench.environment import cores
    from nautilus_cli.view.bench import Ticker

    return Bench(apart.run, Ticker(), cores(), profile, stop.is_set)


def exit_code(results: Sequence[Result], strict: bool) -> int:
    """130 after Ctrl-C; 1 where an objective is missed, an engine not measured or, if asked, the generator unwell."""
    if any(result.interrupted for result in results):
        return INTERRUPTED
    missed = any(result.missed for result in results)
    doubtful = any(not result.healthy for result in results)
    return Unhealthy.exit_code if missed or (strict and doubtful) else 0


def examine(json: bool) -> int:
    """Measure servers of known latency, and say whether the figures were theirs."""
    from nautilus_cli.bench.selftest import self_test
    from nautilus_cli.view import bench as view

    checks = self_test(note)
    if json:
        say(dumps(view.check_data(checks)))
    else:
        show(view.check_table(checks))
    return 0 if all(check.passed for check in checks) else Unhealthy.exit_code


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that the first signal sets, so that the run ends in a report; the second one ends the command."""
    asked = threading.Event()

    def stop() -> None:
        if asked.is_set():
            os._exit(INTERRUPTED)
        asked.set()

    with on_signal(stop):
        yield asked
