"""`nautilus down`: remove the fleet."""

from __future__ import annotations

from typing import Annotated

import typer

from nautilus_cli.commands.context import Change, Context, Wait, change, patience


def down(
    ctx: typer.Context,
    volumes: Annotated[bool, typer.Option("--volumes", "-v", help="Remove the data of its volumes too.")] = False,
    wait: Wait = None,
) -> None:
    """Remove the fleet: replicas, gateway, network. Volumes with data stay, unless --volumes is given.

    \b
    Examples:
      nautilus down
      nautilus down --volumes
    """
    context: Context = ctx.obj
    fleet = context.fleet()
    change(fleet.empty(), None, Change("down", data=volumes, declared=fleet, wait=patience(wait)))
