"""`nautilus build`: build or pull images, and change nothing that runs."""

from __future__ import annotations

from typing import Annotated

import typer

from nautilus_cli import complete
from nautilus_cli.commands.context import Context, pick
from nautilus_cli.plan import Kind
from nautilus_cli.view.console import say


def build(
    ctx: typer.Context,
    engines: Annotated[
        list[str] | None, typer.Argument(help="Only these.", show_default=False, autocompletion=complete.engines)
    ] = None,
    parallel: Annotated[int, typer.Option(min=1, help="Images built at a time.")] = 2,
) -> None:
    """Build or pull the images that are not there yet; an engine whose content did not change is not built again.

    \b
    Examples:
      nautilus build
      nautilus build risk --parallel 1
    """
    from nautilus_cli.apply import build as build_all
    from nautilus_cli.reconcile import reconcile
    from nautilus_cli.runtimes import open_runtime
    from nautilus_cli.view.progress import progress

    context: Context = ctx.obj
    fleet = context.fleet()
    only = set(pick(fleet, engines)) if engines else None
    with open_runtime(fleet) as runtime:
        images = reconcile(fleet, runtime.observe(fleet), only).of(Kind.BUILD)
        with progress() as emit:
            build_all(images, fleet, runtime, emit, parallel)
    say(f"{len(images)} images made" if images else "every image is there")
