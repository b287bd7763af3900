"""`nautilus bench history` and `report`: what `--save` kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nautilus_cli import complete
from nautilus_cli.commands import bench_options as option
from nautilus_cli.commands.bench_output import Output
from nautilus_cli.commands.context import Context
from nautilus_cli.errors import ConfigError
from nautilus_cli.view.console import say, show, show_json, warn

if TYPE_CHECKING:
    from nautilus_cli.bench.saved import Saved

SAVE = "`nautilus bench --save` keeps a run"


def history(ctx: typer.Context, json: option.Json = False) -> None:
    """List the runs that --save kept, the newest first: when, of what, and what came of them.

    \b
    Examples:
      nautilus bench history
      nautilus bench history --json
    """
    from nautilus_cli.bench import saved
    from nautilus_cli.view.bench_history import history_data, history_table

    found = []
    for path in reversed(saved.kept(folder_of(ctx.obj))):
        try:
            found.append(saved.read(path))
        except ConfigError as error:
            warn(error.message)
    if json:
        show_json(history_data(found))
    elif found:
        show(history_table(found))
    else:
        say(f"no run is saved here: {SAVE}")


def report(
    ctx: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN|FILE]", help="Default: the newest.", show_default=False,
                       autocompletion=complete.saved_runs),
    ] = None,
    json: option.Json = False,
    hgrm: option.Hgrm = None,
    markdown: option.Markdown = False,
    html: option.Html = None,
) -> None:  # fmt: skip
    """Tell a saved run again: as tables, Markdown, a page with charts, or data.

    \b
    Examples:
      nautilus bench report
      nautilus bench report 20261122T2210 --html report.html
      nautilus bench report results.json --markdown
    """
    folder = folder_of(ctx.obj)
    output = Output(json, hgrm=hgrm, markdown=markdown, html=html)
    found = chosen(folder, run)
    if hgrm and len(found.results) > 1:
        raise ConfigError("--hgrm writes one distribution", f"{found.name} holds {len(found.results)}")
    output.tell(found.results, found.environment, folder)


def chosen(folder: Path, what: str | None) -> Saved:
    """The run that is meant: the newest unless one is named."""
    from nautilus_cli.bench import saved

    if what is None:
        kept = saved.kept(folder)
        if not kept:
            raise ConfigError("no run is saved here", SAVE)
        return saved.read(kept[-1])
    path = saved.find(folder, what)
    if path is None:
        raise ConfigError(f"there is no saved run {what!r}", "`nautilus bench history` lists them")
    return saved.read(path)


def folder_of(context: Context) -> Path:
    """The folder of the file, which need not be there: runs of URLs are kept without one."""
    return context.files[0].parent
