"""`nautilus bench compare`: is B slower than A, and is that more than noise?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nautilus_cli import complete
from nautilus_cli.commands import bench_options as option
from nautilus_cli.commands.bench_saved import folder_of
from nautilus_cli.commands.context import Context
from nautilus_cli.errors import INTERRUPTED, ConfigError, Unhealthy
from nautilus_cli.view.console import show, show_json

if TYPE_CHECKING:
    from nautilus_cli.bench.recording import Closed, Open, Profile
    from nautilus_cli.bench.rounds import Rounds
    from nautilus_cli.bench.saved import Saved
    from nautilus_cli.bench.subjects import Asked
    from nautilus_cli.view.bench_compare import Comparison

Thing = Annotated[
    str, typer.Argument(metavar="A|B", help="ENGINE, URL, saved run or FILE.", autocompletion=complete.compared)
]
FailAbove = Annotated[
    str | None, typer.Option("--fail-above", metavar="SHARE", help="Exit with 1 if B is worse by more, surely: 10%.")
]
NumberOfRounds = Annotated[int, typer.Option("--rounds", min=3, max=100, help="Pairs that are measured.")]


def compare(
    ctx: typer.Context,
    a: Thing,
    b: Thing,
    fail_above: FailAbove = None,
    rounds: NumberOfRounds = 5,
    connections: option.Connections = None,
    rate: option.Rate = None,
    duration: Annotated[str, typer.Option("--duration", "-d", help="Time measured of each run.")] = "2s",
    warmup: option.Warmup = "500ms",
    timeout: option.Timeout = "5s",
    arrival: option.Arrival = "constant",
    path: option.RequestPath = None,
    method: option.Method = None,
    header: option.Header = None,
    body: option.Body = None,
    allow_remote: option.Remote = False,
    json: option.Json = False,
) -> None:
    """Say what differs between A and B, with confidence intervals, and what of it is noise.

    Two engines or URLs are measured now, in turns, so that whatever else the machine does hurts both alike: without
    --connections and --rate at their peak and at half of the slower one's. Two saved runs are compared as they are.

    \b
    Examples:
      nautilus bench compare http://127.0.0.1:8200/ http://127.0.0.1:9200/ --fail-above 10%
      nautilus bench compare risk risk --rate 200       # what this machine's noise is
      nautilus bench compare before.json after.json
    """
    from nautilus_cli.bench.wish import Wish, profile_of

    above = share_of(fail_above)
    wish = Wish(connections, rate, arrival=arrival)
    profile = profile_of(wish, duration, warmup, timeout)
    asked = option.asked_of(path, method, header, body, "gateway", allow_remote)
    saved = saved_of(ctx.obj, a, b)
    if saved:
        tell(compared(*saved), above, json)
        return
    found = measured(ctx.obj, (a, b), asked, wish.loads, profile, rounds)
    tell(paired(found), above, json, interrupted=found.interrupted)


def saved_of(context: Context, a: str, b: str) -> tuple[Saved, Saved] | None:
    """The two saved runs; None where A and B are engines or URLs."""
    from nautilus_cli.bench import saved

    folder = folder_of(context)
    paths = [None if "://" in what else saved.find(folder, what) for what in (a, b)]
    before, after = paths
    if before and after:
        return saved.read(before), saved.read(after)
    if before or after:
        raise ConfigError(
            f"{a if before else b!r} is a saved run, and {b if before else a!r} is none",
            "save a run of the other with `nautilus bench --save`, with the same options, and compare the two",
        )
    return None


def compared(a: Saved, b: Saved) -> Comparison:
    """Two saved runs, load by load."""
    from nautilus_cli.bench.compare import cases, rows
    from nautilus_cli.view.bench_compare import Comparison, held

    found, left = cases(a.results, b.results)
    notes = (*left, *held(a.results, b.results), *machines(a, b))
    return Comparison(a.name, b.name, False, 1, tuple(row for case in found for row in rows(case)), notes)


def machines(a: Saved, b: Saved) -> list[str]:
    """What differs between the machines of two runs, which no interval knows."""
    keys = ("processor", "cores", "kernel", "nautilus", "python")
    differ = [key for key in keys if a.environment.get(key) != b.environment.get(key)]
    return [f"{key}: A {a.environment.get(key)}, B {b.environment.get(key)}" for key in differ]


def measured(
    context: Context, names: tuple[str, str], asked: Asked, loads: list[Closed | Open], profile: Profile, rounds: int
) -> Rounds:
    """Both, in turns, now."""
    from nautilus_cli.bench.rounds import in_turns
    from nautilus_cli.commands.bench import benching, stopping, subjects_of

    (a,), (b,) = (subjects_of(context, name, asked)[0] for name in names)
    with stopping() as stop:
        return in_turns(benching(profile, stop), a, b, loads, rounds)


def paired(found: Rounds) -> Comparison:
    """What the rounds brought."""
    from nautilus_cli.bench.address import url_of
    from nautilus_cli.bench.compare import rows
    from nautilus_cli.view.bench_compare import Comparison

    told = [f"{subject.name} ({url_of(subject.target)})" for subject in (found.a, found.b)]
    every = tuple(row for case in found.cases for row in rows(case))
    return Comparison(told[0], told[1], True, found.done, every, failed=found.failed)


def tell(found: Comparison, above: float | None, json: bool, interrupted: bool = False) -> None:
    """Show it, and end with the code that it deserves."""
    from nautilus_cli.view.bench_compare import compare_data, compare_view

    if json:
        show_json(compare_data(found, above))
    else:
        show(compare_view(found, above))
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(Unhealthy.exit_code if found.failed or found.regressions(above) else 0)


def share_of(text: str | None) -> float | None:
    """The share of --fail-above."""
    from nautilus_cli.bench.wish import parsed
    from nautilus_cli.units import parse_share

    return None if text is None else parsed("--fail-above", parse_share, text)
