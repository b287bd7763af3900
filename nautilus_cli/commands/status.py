"""`nautilus status`: what runs, and whether it is what the file says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from nautilus_cli.commands.context import Context
from nautilus_cli.view.console import expect, redraw, show, show_json, warn

if TYPE_CHECKING:
    from nautilus_cli.fleet import Fleet
    from nautilus_cli.plan import Plan
    from nautilus_cli.runtimes.base import Runtime
    from nautilus_cli.snapshot import Snapshot, Usage

WATCHED = 1.0  # seconds over which usage is measured
PAUSE = 1.0  # seconds between two drawings


def status(
    ctx: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Redraw every second until Ctrl-C.")] = False,
    wide: Annotated[bool, typer.Option("--wide", help="A row for each replica too.")] = False,
    usage: Annotated[
        bool, typer.Option("--usage", help="CPU and memory of each replica, watched for a second.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="As data, under a versioned schema.")] = False,
) -> None:
    """Show every engine: replicas, version, health, traffic, and what the next `up` would change.

    Exits with 1 when an engine does not have all its replicas ready.

    \b
    Examples:
      nautilus status
      nautilus status --wide --usage
      nautilus status --watch
      nautilus status --json
    """
    from nautilus_cli.runtimes import open_runtime
    from nautilus_cli.view import tables

    context: Context = ctx.obj
    fleet = context.fleet()
    with open_runtime(fleet) as runtime:
        expect()
        if watch:
            redraw(lambda: tables.status_view(fleet, *look(fleet, runtime, usage), wide=wide), PAUSE)
            return
        snapshot, plan, used = look(fleet, runtime, usage)
    if json:
        show_json(tables.status_data(fleet, snapshot, plan, used))
    else:
        for warning in plan.warnings:
            warn(warning)
        show(tables.status_view(fleet, snapshot, plan, used, wide=wide))
    raise typer.Exit(1 if tables.unhealthy(fleet, snapshot) else 0)


def look(fleet: Fleet, runtime: Runtime, usage: bool) -> tuple[Snapshot, Plan, Mapping[str, Usage] | None]:
    """What runs, what the next `up` would do, and, if asked, what each replica uses."""
    from nautilus_cli.reconcile import reconcile

    snapshot = runtime.observe(fleet)
    return snapshot, reconcile(fleet, snapshot), runtime.usage(snapshot, WATCHED) if usage else None
