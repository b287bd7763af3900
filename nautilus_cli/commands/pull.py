"""`nautilus pull`: ask the registries for newer images."""

from __future__ import annotations

from typing import Annotated

import typer

from nautilus_cli import complete
from nautilus_cli.commands.context import Context, pick
from nautilus_cli.view.console import say


def pull(
    ctx: typer.Context,
    engines: Annotated[
        list[str] | None,
        typer.Argument(
            help="Only these; all and the gateway otherwise.", show_default=False, autocompletion=complete.engines
        ),
    ] = None,
    parallel: Annotated[int, typer.Option(min=1, help="Images pulled at a time.")] = 4,
) -> None:
    """Fetch images and the bases of builds anew, with the logins of Docker's own configuration; nothing is started.

    \b
    Examples:
      nautilus pull
      nautilus pull redis --parallel 1
    """
    from nautilus_cli.apply import run
    from nautilus_cli.runtimes import open_runtime
    from nautilus_cli.view.progress import progress

    context: Context = ctx.obj
    fleet = context.fleet()
    names = pick(fleet, engines, {*fleet.workloads, "gateway"}) if engines else [*fleet.workloads, "gateway"]
    fresh: list[str] = []
    with open_runtime(fleet) as runtime, progress() as emit:
        run(runtime, [lambda n=n: fresh.extend(runtime.pull(fleet, n, emit)) for n in names], parallel)  # type: ignore[misc]
    if fresh:
        say(f"new: {', '.join(sorted(fresh))}\nthe next `nautilus up` uses it; what runs was left alone")
    else:
        say("every image is up to date")
