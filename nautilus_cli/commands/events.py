"""`nautilus events`: what happens to the fleet, as it happens."""

from __future__ import annotations

from time import time
from typing import Annotated

import typer

from nautilus_cli.commands.context import Context
from nautilus_cli.commands.following import moment, quiet_end


def events(
    ctx: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="A JSON document a line, under a versioned schema.")] = False,
    since: Annotated[str | None, typer.Option(metavar="WHEN", help="From then on: 10m, 2026-11-22T15:04:05.")] = None,
) -> None:
    """Tell what happens to this fleet's containers until Ctrl-C: starts, ends and why, health, changes and by whom.

    \b
    Examples:
      nautilus events
      nautilus events --since 1h --json
    """
    from nautilus_cli.runtimes import open_runtime
    from nautilus_cli.view.lines import Lines

    context: Context = ctx.obj
    fleet = context.fleet()
    start = moment(since, time())
    lines = Lines([*fleet.workloads, "gateway"], prompt=True)
    with quiet_end(), open_runtime(fleet) as runtime:
        for happening in runtime.happenings(fleet, start):
            if json:
                lines.data(happening)
            else:
                lines.tell(happening)
