"""`nautilus config`: the fleet as nautilus reads it."""

from __future__ import annotations

from typing import Annotated

import typer

from nautilus_cli.commands.context import Context
from nautilus_cli.errors import ConfigError
from nautilus_cli.view.console import say, show_json


def config(
    ctx: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    origin: Annotated[bool, typer.Option("--origin", help="With a comment on where each value comes from.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="The file's JSON Schema, for editors.")] = False,
) -> None:
    """Check the file and show the fleet that it declares: defaults and variables filled in, secrets masked.

    \b
    Examples:
      nautilus config
      nautilus config --json
      nautilus -f engines.yaml -f production.yaml config --origin
      nautilus config --schema > engines.schema.json
    """
    from nautilus_cli import loader

    context: Context = ctx.obj
    if origin and (json or schema):
        raise ConfigError("--origin writes comments, and JSON has none", "Leave --origin or the other option away.")
    if schema:
        show_json(loader.schema())
    elif json:
        show_json(loader.resolved(context.fleet()))
    elif origin:
        say(loader.annotated(context.loaded()).rstrip())
    else:
        say(loader.render(context.fleet()).rstrip())
