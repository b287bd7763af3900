"""`nautilus history`: the versions that served."""

from __future__ import annotations

from typing import Annotated

import typer

from nautilus_cli import complete
from nautilus_cli.commands.context import Context, pick
from nautilus_cli.view.console import show, show_json


def history(
    ctx: typer.Context,
    engines: Annotated[
        list[str] | None,
        typer.Argument(help="Only these; all otherwise.", show_default=False, autocompletion=complete.engines),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="As data, with the whole specification of each.")] = False,
) -> None:
    """Show the last ten versions of each engine: when it came, why, who brought it, and which one runs.

    Values of variables that usually hold secrets are not kept.

    \b
    Examples:
      nautilus history
      nautilus history risk --json
    """
    from nautilus_cli.runtimes import open_runtime
    from nautilus_cli.view.versions import version_data, version_table

    context: Context = ctx.obj
    fleet = context.fleet()
    with open_runtime(fleet) as runtime:
        snapshot = runtime.observe(fleet)
    known = {version.engine for version in snapshot.versions}
    names = pick(fleet, engines, known | set(fleet.engines)) if engines else known
    if json:
        show_json(version_data(fleet, snapshot, names))
    else:
        show(version_table(snapshot, names))
