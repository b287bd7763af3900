"""`nautilus new`: what a fleet grows by."""

from __future__ import annotations

from typing import Annotated

import typer

from nautilus_cli.commands.context import Context
from nautilus_cli.view.console import say

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def new() -> None:
    """Add to the fleet of this folder.

    \b
    Examples:
      nautilus new engine momentum
    """


@app.command()
def engine(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Letters a to z, digits, and '-' between them.")],
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Its port; otherwise the next free one after the others.")
    ] = None,
) -> None:
    """Write a new engine that runs, a test of it, and its entry into engines.yaml, whose lines stay as they are.

    On engines/base where the folder has it: model, schema, service and examples to begin with. Else a server of its
    own, as `nautilus init` writes. Names that are taken or cannot be are refused, and nothing is changed then.

    \b
    Examples:
      nautilus new engine momentum
      nautilus new engine order-book --port 9000
    """
    from nautilus_cli.scaffold import new_engine

    context: Context = ctx.obj
    made = new_engine(context.files[0], name, context.read().fleet, port)
    for path in made.files:
        say(f"wrote {path}")
    say(f"added {name} to {context.files[0]}, on port {made.port}")
    say(f"next: {made.test}\n      nautilus up {name}")
