"""`nautilus restart`: the same version anew."""

from __future__ import annotations

from typing import Annotated

import typer

from nautilus_cli import complete
from nautilus_cli.commands.context import Change, Context, Wait, change, patience, pick
from nautilus_cli.commands.verifying import Verify, VerifyRate, rate_of


def restart(
    ctx: typer.Context,
    engines: Annotated[
        list[str] | None,
        typer.Argument(help="Only these; all otherwise.", show_default=False, autocompletion=complete.engines),
    ] = None,
    wait: Wait = None,
    verify: Verify = False,
    verify_rate: VerifyRate = None,
) -> None:
    """Exchange every replica for a new one of the same version, as an update does: no request is lost.

    \b
    Examples:
      nautilus restart
      nautilus restart risk
    """
    from nautilus_cli.runtimes import open_runtime

    context: Context = ctx.obj
    fleet, seconds = context.fleet(), patience(wait)
    names = pick(fleet, engines or fleet.engines)
    with open_runtime(fleet) as runtime:
        snapshot = runtime.observe(fleet)
    running = {name: [replica.name for replica in snapshot.of(name)] for name in names}
    change(
        fleet.with_replaced(running),
        set(names),
        Change(f"restart {' '.join(names)}", wait=seconds, verify=rate_of(verify, verify_rate)),
    )
