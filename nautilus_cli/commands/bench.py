"""`nautilus bench`: how much load each engine holds, and with what latency."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nautilus_cli import complete
from nautilus_cli.commands.context import Context, pick
from nautilus_cli.errors import INTERRUPTED, ConfigError, Unhealthy
from nautilus_cli.view.console import note, say, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nautilus_cli.bench.campaign import Bench, Result, Subject
    from nautilus_cli.bench.recording import Profile
    from nautilus_cli.bench.subjects import Asked
    from nautilus_cli.bench.wish import Wish


def bench(
    ctx: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[ENGINE|URL]", help="Default: every engine.", show_default=False, autocompletion=complete.benched
        ),
    ] = None,
    connections: Annotated[
        int | None,
        typer.Option("--connections", "-c", min=1, max=10000, help="Closed loop over so many; with --rate, at most."),
    ] = None,
    rate: Annotated[float | None, typer.Option("--rate", "-r", min=0.1, help="Open loop: requests per second.")] = None,
    sweep: Annotated[str | None, typer.Option(help="Closed loops over 1,4,16,... connections, in turns.")] = None,
    slo: Annotated[str | None, typer.Option(help="Find the highest rate that holds p99=5ms,errors=0.1%.")] = None,
    duration: Annotated[
        str | None, typer.Option("--duration", "-d", help="Time measured: 10s; 3s of a sweep, 5s of a search.")
    ] = None,
    warmup: Annotated[str, typer.Option(help="Load before that at least, until the rate is steady.")] = "1s",
    timeout: Annotated[str, typer.Option(help="A request that takes longer has failed.")] = "5s",
    arrival: Annotated[Literal["constant", "poisson"], typer.Option(help="When requests of a rate are due.")] = (
        "constant"
    ),
    path: Annotated[str | None, typer.Option(help="The path, over the file's bench.path.")] = None,
    method: Annotated[str | None, typer.Option(help="The HTTP method.")] = None,
    header: Annotated[list[str] | None, typer.Option(help="'Name: value', as often as you like.")] = None,
    body: Annotated[str | None, typer.Option(help="The body as text, or @FILE.")] = None,
    target: Annotated[str, typer.Option(help="gateway, or http://ADDRESS:PORT of one replica.")] = "gateway",
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Load a server elsewhere, which is yours.")] = (
        False
    ),
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when the generator was not healthy.")] = False,
    json: Annotated[bool, typer.Option("--json", help="As data, under a versioned schema.")] = False,
    save: Annotated[bool, typer.Option("--save", help="Keep the data in .nautilus/bench beside the file.")] = False,
    hgrm: Annotated[Path | None, typer.Option(help="Write the latency distribution for HdrHistogram's tools.")] = None,
    capacity: Annotated[
        float | None,
        typer.Option(min=0.1, help="How many replicas hold so many requests/s? Scales ENGINE to find out."),
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="With --capacity: put the answer into the file.")] = False,
    monolith: Annotated[
        bool, typer.Option("--monolith", help="One process with all shipped engines, against a fleet of them.")
    ] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Measure servers of known latency: can this machine be believed?")
    ] = False,
) -> None:
    """Measure what each engine holds: throughput, latency by percentile, errors, the share of each replica.

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
      nautilus bench --monolith
      nautilus bench --self-test
    """
    from nautilus_cli.bench.subjects import Asked
    from nautilus_cli.bench.wish import Wish, levels_of, profile_of, slo_of

    if self_test:
        raise typer.Exit(examine(json))
    asked = Asked(path, method, tuple(header or ()), body_of(body), target, allow_remote)
    wish = Wish(connections, rate, levels_of(sweep), slo_of(slo), arrival)
    if capacity is not None:
        from nautilus_cli.commands.capacity import capacity_of

        with stopping() as stop:
            running = bench_of(profile_of(wish, duration or "5s", warmup, timeout), stop)
            raise typer.Exit(capacity_of(ctx.obj, what, capacity, wish, asked, running, write, json))
    if monolith:
        from nautilus_cli.commands.monolith import compare_monolith

        with stopping() as stop:
            running = bench_of(profile_of(wish, duration or "5s", warmup, timeout), stop)
            raise typer.Exit(compare_monolith(ctx.obj, running, json))
    if write:
        raise ConfigError("--write puts the answer of --capacity into the file", "name the load: --capacity 3000")
    profile = profile_of(wish, duration, warmup, timeout)
    subjects, folder = subjects_of(ctx.obj, what, asked)
    if hgrm and (len(subjects) > 1 or wish.levels):
        raise ConfigError("--hgrm writes one distribution", "name one engine, and leave --sweep away")
    with stopping() as stop:
        results = measured(subjects, wish, profile, stop)
    tell(results, folder, json, save, hgrm)
    raise typer.Exit(exit_code(results, strict))


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
    running = bench_of(profile, stop)
    results = []
    for subject in subjects:
        results.append(wish.measure(running, subject))
        if results[-1].interrupted:
            break
    return results


def bench_of(profile: Profile, stop: threading.Event) -> Bench:
    """What every measurement needs: load from a process of its own, told line by line."""
    from nautilus_cli.bench import apart
    from nautilus_cli.bench.campaign import Bench
    from nautilus_cli.bench.environment import cores
    from nautilus_cli.view.bench import Ticker

    return Bench(apart.run, Ticker(), cores(), profile, stop.is_set)


def tell(results: Sequence[Result], folder: Path, json: bool, save: bool, hgrm: Path | None) -> None:
    """Show the results, and write them where it was asked."""
    from nautilus_cli.bench import export
    from nautilus_cli.bench.environment import environment
    from nautilus_cli.view import bench as view

    data = export.data(results, environment(folder)) if json or save else {}
    if json:
        say(dumps(data))
    else:
        show(view.view(results))
    if hgrm and (headline := results[0].headline):
        write(hgrm, headline.response.histogram.hgrm())
    if save:
        write(export.place(folder, data), dumps(data) + "\n")
        (folder / export.KEPT / ".gitignore").write_text("*\n")


def write(path: Path, text: str) -> None:
    """Write a file and say where; `ConfigError` where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
    note(f"written: {path}")


def exit_code(results: Sequence[Result], strict: bool) -> int:
    """130 after Ctrl-C; 1 where an objective is missed, an engine not measured or, if asked, the generator unwell."""
    if any(result.interrupted for result in results):
        return INTERRUPTED
    missed = any(result.missed for result in results)
    doubtful = any(not result.healthy for result in results)
    return Unhealthy.exit_code if missed or (strict and doubtful) else 0


def body_of(text: str | None) -> bytes | None:
    """The body that is sent: the text, or the content of @FILE."""
    if text is None or not text.startswith("@"):
        return None if text is None else text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise ConfigError(f"--body: {text[1:]!r} cannot be read: {error.strerror}") from None


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

    def stop(_number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            os._exit(INTERRUPTED)
        asked.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
