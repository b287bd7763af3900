"""`nautilus logs`: what the replicas wrote, and write."""

from __future__ import annotations

import re
from time import time
from typing import Annotated

import typer

from nautilus_cli.commands.context import Context, pick
from nautilus_cli.commands.following import moment, quiet_end
from nautilus_cli.errors import ConfigError

GATEWAY = "gateway"


def logs(
    ctx: typer.Context,
    engines: Annotated[
        list[str] | None,
        typer.Argument(help="Only these; every engine and service otherwise, and not the gateway.", show_default=False),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    since: Annotated[str | None, typer.Option(metavar="WHEN", help="From then on: 10m, 2026-11-22T15:04:05.")] = None,
    tail: Annotated[
        int | None, typer.Option("--tail", "-n", min=0, help="Only the last lines of each replica.")
    ] = None,
    grep: Annotated[str | None, typer.Option(metavar="REGEX", help="Only those of these lines that match.")] = None,
    timestamps: Annotated[bool, typer.Option("--timestamps", "-t", help="Say when each was written.")] = False,
) -> None:
    """Show what all replicas wrote, in the order of time, each line with the replica that wrote it.

    With --follow, replicas that come later are shown too; it ends when the fleet is down.

    \b
    Examples:
      nautilus logs
      nautilus logs risk --since 10m --grep 'error|warning'
      nautilus logs -f --tail 20
      nautilus logs gateway
    """
    from nautilus_cli.runtimes import open_runtime
    from nautilus_cli.runtimes.base import Span
    from nautilus_cli.view.lines import Lines
    from nautilus_cli.view.progress import line as told

    context: Context = ctx.obj
    fleet = context.fleet()
    names = pick(fleet, engines, {*fleet.workloads, GATEWAY}) if engines else list(fleet.workloads)
    wanted = pattern(grep)
    span = Span(moment(since, time()) or 0.0, tail, follow)
    lines = Lines(names, timestamps, prompt=follow)
    with quiet_end(), open_runtime(fleet) as runtime:
        for line in runtime.logs(fleet, set(names), span, told):
            if wanted.search(line.text):
                lines.show(line)


def pattern(text: str | None) -> re.Pattern[str]:
    """What a line must contain; without one, anything."""
    try:
        return re.compile(text or "")
    except re.error as fault:
        hint = "a plain word needs no quoting; write \\( for a bracket"
        raise ConfigError(f"--grep: {text!r} is no regular expression: {fault}", hint) from None
