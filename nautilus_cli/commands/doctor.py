"""`nautilus doctor`: what of this machine would stop `up`, and what to do."""

from __future__ import annotations

from typing import Annotated

import typer

from nautilus_cli.commands.context import Context
from nautilus_cli.view.console import show, show_json


def doctor(
    ctx: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="As data, under a versioned schema.")] = False,
) -> None:
    """Examine Docker, images, ports, limits, disk, clock and firewall for this fleet; nothing is changed.

    Exits with 1 when something would stop `up`.

    \b
    Examples:
      nautilus doctor
      nautilus doctor --json
    """
    from nautilus_cli.runtimes import open_runtime
    from nautilus_cli.runtimes.base import Verdict
    from nautilus_cli.view import findings

    context: Context = ctx.obj
    fleet = context.fleet()
    with open_runtime(fleet) as runtime:
        found = list(runtime.examine(fleet))
    if json:
        show_json(findings.data(found))
    else:
        show(findings.table(found))
    raise typer.Exit(1 if any(finding.verdict is Verdict.STOP for finding in found) else 0)
