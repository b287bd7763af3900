"""`nautilus up`: make reality match the file."""

from __future__ import annotations

from typing import Annotated

import typer

from nautilus_cli import complete
from nautilus_cli.commands.context import Change, Context, Wait, change, duration, patience, pick, preview
from nautilus_cli.commands.verifying import Verify, VerifyRate, rate_of
from nautilus_cli.errors import CHANGES_PENDING

Engines = Annotated[
    list[str] | None,
    typer.Argument(help="Only these, with what they depend on.", show_default=False, autocompletion=complete.engines),
]


def up(
    ctx: typer.Context,
    engines: Engines = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and do nothing.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="With --dry-run: 10 when not in sync.")] = False,
    build: Annotated[bool, typer.Option(help="Build images that are not there.")] = True,
    parallel: Annotated[int, typer.Option(min=1, help="Images built at a time.")] = 2,
    timeout: Annotated[
        str | None, typer.Option(help="Wait this long for a replica to become ready, not start_period: 90s.")
    ] = None,
    wait: Wait = None,
    verify: Verify = False,
    verify_rate: VerifyRate = None,
) -> None:
    """Make reality match the file: build, start, wait until ready, route, drain and stop what is old.

    Shows the plan, then does it. What serves goes on serving until its successor is ready; a change that fails is
    taken back. What is interrupted is finished by the next `up`.

    \b
    Examples:
      nautilus up
      nautilus up risk factor
      nautilus up --dry-run --exit-code
      nautilus up --verify
    """
    context: Context = ctx.obj
    fleet, seconds = context.fleet(), patience(wait)
    only = set(fleet.only(pick(fleet, engines)).workloads) if engines else None
    if timeout is not None:
        fleet = fleet.with_patience(duration("--timeout", timeout))
    if dry_run:
        plan = preview(fleet, only)
        raise typer.Exit(CHANGES_PENDING if plan and exit_code else 0)
    change(fleet, only, Change("up", build, parallel, wait=seconds, verify=rate_of(verify, verify_rate)))
