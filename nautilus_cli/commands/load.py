"""`nautilus load`: positions and prices from files into the running fleet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nautilus_cli.commands.context import Context, pick
from nautilus_cli.errors import ConfigError
from nautilus_cli.view.console import say, warn

if TYPE_CHECKING:
    from nautilus_cli.data.engines import Sent
    from nautilus_cli.fleet import Fleet

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
File = Annotated[Path, typer.Argument(metavar="FILE", help="CSV with a first line of names, or Parquet.")]
EngineName = Annotated[
    str | None, typer.Option("--engine", "-e", help="Where it is sent; otherwise the first engine that takes it.")
]


@app.callback()
def load() -> None:
    """Load positions and prices from CSV or Parquet files into the running fleet.

    \b
    Examples:
      nautilus load portfolio desk-7.csv --cash 250000
      nautilus load prices closes.parquet
    """


@app.command()
def portfolio(
    ctx: typer.Context,
    file: File,
    id_: Annotated[str | None, typer.Option("--id", help="Its id; otherwise the file's name without its end.")] = None,
    name: Annotated[str | None, typer.Option(help="Its name; otherwise its id.")] = None,
    cash: Annotated[float, typer.Option(help="Cash, in currency; negative if borrowed.")] = 0.0,
    engine: EngineName = None,
) -> None:
    """Hold a portfolio in every replica: rows of symbol,quantity (negative when sold short).

    Every bad row is told with its line, and nothing is sent then.

    \b
    Examples:
      nautilus load portfolio desk-7.csv --cash 250000
      nautilus load portfolio positions.parquet --id desk-7 --name 'Desk 7'
    """
    from nautilus_cli.data.engines import send_portfolio
    from nautilus_cli.data.trading import positions

    fleet = opened(ctx)
    batch = positions(file)
    id_ = file.stem if id_ is None else id_
    more: dict[str, Any] = {"cash": cash, **({"name": name} if name else {})}
    sent = send_portfolio(fleet, targets(fleet, engine), id_, batch, more)
    tell(sent, f"portfolio {id_}: {len(batch.items)} positions")


@app.command()
def prices(ctx: typer.Context, file: File, engine: EngineName = None) -> None:
    """Add prices in every replica: rows of date,symbol,close, of days after the bundled ones.

    Every bad row is told with its line, and nothing is sent then.

    \b
    Examples:
      nautilus load prices closes.csv
      nautilus load prices closes.parquet --engine risk
    """
    from nautilus_cli.data import trading
    from nautilus_cli.data.engines import send_prices

    fleet = opened(ctx)
    batch = trading.prices(file)
    tell(send_prices(fleet, targets(fleet, engine), batch), f"{len(batch.items)} prices")


def opened(ctx: typer.Context) -> Fleet:
    """The fleet that the options name."""
    context: Context = ctx.obj
    return context.fleet()


def targets(fleet: Fleet, engine: str | None) -> list[str]:
    """The engines to ask, in the order of the file."""
    if engine is not None:
        return pick(fleet, [engine], fleet.engines)
    if not fleet.engines:
        raise ConfigError(f"fleet {fleet.name!r} has no engines")
    return list(fleet.engines)


def tell(sent: Sent, what: str) -> None:
    """What happened, and whether it would outlive the fleet by now."""
    say(f"{what} taken by {sent.engine}")
    if not sent.stored:
        warn("Redis is away: it is kept in that replica, and stored and shared when Redis is back")
